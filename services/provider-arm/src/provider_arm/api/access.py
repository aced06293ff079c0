"""Who is calling, from where, and which version of a case he saw."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Query, Request

from egovkit import declared
from egovkit.declared import guards
from egovkit.errors import EgovError, FieldError
from egovkit.idempotency import Idempotent
from provider_arm.domain.cases import Staff
from provider_arm.service import staff
from provider_arm.service.context import Workstation
from provider_arm.service.staff import Door

SESSION = declared.bearer(
    "session",
    "opaque",
    en="A session of the provider's staff: the token of POST /v1/sessions.",
    ru="Сеанс работника услугодателя: токен из POST /v1/sessions.",
    kk="Көрсетілетін қызметті беруші қызметкерінің сеансы: POST /v1/sessions берген токен.",
)
ADMINISTRATOR = declared.bearer(
    "administrator",
    "opaque",
    en="The administrators' token: a secret of the deployment.",
    ru="Токен администраторов: секрет развёртывания.",
    kk="Әкімшілердің токені: орналастырудың құпиясы.",
)
of_a_session = guards(SESSION, "session.invalid", "session.expired")
_ETAG = re.compile(r'"(\d{1,9})"')


@dataclass(frozen=True, slots=True)
class Desk:
    """What the routes are given; stands in `app.state.desk` from start to stop."""

    ws: Workstation
    door: Door
    idempotent: Idempotent
    admin_token: str | None


def desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise EgovError("session.invalid")
    return token.strip()


@of_a_session
async def person_of(request: Request) -> Staff:
    desk = desk_of(request)
    return await staff.who(desk.ws, desk.door, bearer(request))


@guards(ADMINISTRATOR, "staff.admin_closed", "staff.admin_refused")
def administrator(request: Request) -> Desk:
    """The control API is the operators', not the staff's: its token is a secret of the deployment."""
    desk = desk_of(request)
    if desk.admin_token is None:
        raise EgovError("staff.admin_closed")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    given = token.strip().encode() if scheme.lower() == "bearer" else b""
    if not hmac.compare_digest(given, desk.admin_token.encode()):
        raise EgovError("staff.admin_refused")
    return desk


def expected_version(
    if_match: Annotated[str | None, Header(alias="If-Match", description="the ETag of the version you saw")] = None,
) -> int | None:
    """If-Match: the ETag the caller saw; None when he does not say (RFC 9110, 13.1.1; strong tags only)."""
    if if_match is None or if_match.strip() == "*":
        return None
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        raise EgovError("request.invalid", errors=[FieldError("header.if-match", "wrong_form", "one ETag of ours")])
    return int(match[1])


def address_of(request: Request) -> str:
    """Where a login comes from, as the server (or the proxy it trusts) says."""
    return "-" if request.client is None else request.client.host


def etag(version: int) -> str:
    return f'"{version}"'


OfDesk = Annotated[Desk, Depends(desk_of)]
Person = Annotated[Staff, Depends(person_of)]
Administrator = Annotated[Desk, Depends(administrator)]
Seen = Annotated[int | None, Depends(expected_version)]
Why = Annotated[str | None, Query(min_length=1, max_length=500, description="why you look: kept with the read")]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=500)]
