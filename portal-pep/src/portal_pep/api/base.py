"""What all routes share: who asks, one answer per key, pages, base64."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from egovkit.declared import bearer, guards, refuses
from egovkit.edge import rendered
from egovkit.errors import EgovError, FieldError
from egovkit.idempotency import Answer, Attempt
from egovkit.problems import MEDIA_TYPE
from portal_pep.service.accounts import Identity, identify
from portal_pep.service.parts import Portal

SESSION = bearer(
    "session",
    "opaque",
    en="A person's session: the token of POST /v1/sessions. Signing is done with his ЭЦП, call by call.",
    ru="Сеанс человека: токен из POST /v1/sessions. Подписание — ключом ЭЦП, отдельными вызовами.",
    kk="Адамның сеансы: POST /v1/sessions берген токен. Қол қою — ЭЦҚ кілтімен, бөлек шақырулармен.",
)
# The document tells of it as a security scheme.
Authorization = Annotated[str | None, Header(include_in_schema=False)]
PAGE = 20
MAX_PAGE = 100
_PEM = "-----BEGIN"


class Strict(BaseModel):
    """A request body: exact types, no unknown fields."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Shown(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True)


class Text(Shown):
    kk: str
    ru: str
    en: str


class Title(Shown):
    kk: str
    ru: str


def portal_of(request: Request) -> Portal:
    portal: Portal = request.app.state.portal
    return portal


@guards(SESSION, "session.invalid", "session.expired")
async def signed_in(
    portal: Annotated[Portal, Depends(portal_of)],
    authorization: Authorization = None,
) -> Identity:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise EgovError("session.invalid")
    return await identify(portal, token.strip())


@refuses("account.not_confirmed")
async def confirmed(identity: Annotated[Identity, Depends(signed_in)]) -> Identity:
    """E5: before his ЭЦП confirmed the account, nobody sees or says anything personal through it."""
    if not identity.account.confirmed:
        raise EgovError("account.not_confirmed")
    return identity


ThePortal = Annotated[Portal, Depends(portal_of)]
SignedIn = Annotated[Identity, Depends(signed_in)]
Confirmed = Annotated[Identity, Depends(confirmed)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="how many at most")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before")]
# Optional for FastAPI only, so that a missing one is answered with the contract's own problem.
Key = Annotated[
    str | None, Header(alias="Idempotency-Key", description="required: the same key and body give the first answer")
]


async def once(request: Request, identity: Identity, work: Callable[[Attempt], Awaitable[Answer]]) -> Response:
    """Runs `work` once per Idempotency-Key of this account."""
    response: Response = await request.app.state.node.idempotent.run(
        request, scope=f"account/{identity.account.id}", call=work
    )
    return response


def model_answer(status: int, model: BaseModel, **headers: str) -> Answer:
    return Answer(status, model.model_dump(mode="json"), headers)


def problem_answer(request: Request, error: EgovError) -> Answer:
    """A refusal that has taken effect: stored and repeated like any other answer."""
    return Answer(*rendered(request.app.state.problems, error, request), MEDIA_TYPE)


def decoded(field: str, text: str) -> bytes:
    """Base64 of DER, or PEM, as DER."""
    body = text.strip()
    if body.startswith(_PEM):
        lines = [line for line in body.splitlines() if line.strip() and not line.startswith("-----")]
        body = "".join(line.strip() for line in lines)
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise EgovError("request.invalid", errors=[FieldError(field, "wrong_form", "base64 is expected")]) from None


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def cursor_of(key: str | int) -> str:
    """Opaque on purpose: what a page is cut by may change."""
    return base64.urlsafe_b64encode(str(key).encode()).decode().rstrip("=")


def key_of(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        raise EgovError("request.cursor_invalid") from None


def number_of(cursor: str | None) -> int:
    key = key_of(cursor)
    if key is None:
        return 0
    if not (key.isascii() and key.isdigit() and len(key) < 19):
        raise EgovError("request.cursor_invalid")
    return int(key)


def no_store(response: Response, **headers: Any) -> None:
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = str(value)


def address_of(request: Request) -> str:
    """Whom the throttle counts. Behind a proxy uvicorn puts the client's address here (--proxy-headers)."""
    return request.client.host if request.client else "unknown"
