"""What the calls of any origin share: bodies, one answer per key, pages, versions, base64."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError, FieldError
from egovkit.files import MAGIC
from egovkit.idempotency import Answer, Attempt
from egovorigin.origin import Keep

T = TypeVar("T")

# The document tells of it as a security scheme.
Authorization = Annotated[str | None, Header(include_in_schema=False)]
PAGE = 20
MAX_PAGE = 100
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="how many at most")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before")]
# Optional for FastAPI only, so that a missing one is answered with the contract's own problem.
Key = Annotated[
    str | None, Header(alias="Idempotency-Key", description="required: the same key and body give the first answer")
]
FILE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in MAGIC},
    }
}
_PEM = "-----BEGIN"
_ETAG = re.compile(r'"([0-9]{1,9})"')


class Strict(BaseModel):
    """A request body: exact types, no unknown fields."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Shown(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True)


class Title(Shown):
    kk: str
    ru: str


class Text(Shown):
    kk: str
    ru: str
    en: str


def bearer_of(authorization: str | None) -> str | None:
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


async def once_for(request: Request, who: str, work: Callable[[Attempt], Awaitable[Answer]]) -> Response:
    """Runs `work` once per Idempotency-Key of this caller."""
    response: Response = await request.app.state.node.idempotent.run(request, scope=who, call=work)
    return response


def kept(
    render: Callable[[T], Answer], work: Callable[[Keep[T]], Awaitable[object]]
) -> Callable[[Attempt], Awaitable[Answer]]:
    """`work`, with its answer stored in the transaction of its effect."""

    async def call(attempt: Attempt) -> Answer:
        answers: list[Answer] = []

        async def keep(conn: AsyncConnection, outcome: T) -> None:
            answers.append(await attempt.keep(conn, render(outcome)))

        await work(keep)
        return answers[0]

    return call


def model_answer(status: int, model: BaseModel, **headers: str) -> Answer:
    return Answer(status, model.model_dump(mode="json", by_alias=True), headers)


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


async def upload_of(request: Request) -> tuple[str, bytes]:
    """Media type and content of the file that is the body."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower(), await request.body()


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def cursor_of(key: str | int) -> str:
    """Opaque on purpose: what a page is cut by may change."""
    return base64.urlsafe_b64encode(str(key).encode()).decode().rstrip("=")


def key_of(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        key = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        key = ""
    if not key or not key.isprintable():  # PostgreSQL holds no NUL, and fails where one is asked for
        raise EgovError("request.cursor_invalid")
    return key


def number_of(cursor: str | None) -> int:
    key = key_of(cursor)
    if key is None:
        return 0
    if not (key.isascii() and key.isdigit() and len(key) < 19):
        raise EgovError("request.cursor_invalid")
    return int(key)


def etag(version: int) -> str:
    return f'"{version}"'


def version_of(if_match: str | None) -> int | None:
    """The version of the form the caller saw; None when he does not say."""
    if if_match is None:
        return None
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        raise EgovError("form.changed_meanwhile", current="-")
    return int(match[1])


def address_of(request: Request) -> str:
    """Whom the throttle counts. Behind a proxy uvicorn puts the client's address here (--proxy-headers)."""
    return request.client.host if request.client else "unknown"
