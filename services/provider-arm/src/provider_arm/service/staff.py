"""Staff: accounts made by an administrator, logins by ИИН and password, sessions that can be ended."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from egovkit.errors import EgovError, FieldError
from egovkit.guessing import login_wait
from egovkit.log import get_logger
from egovkit.signatures.custody import KeyCustody
from egovkit.signatures.tokens import TokenClaims, issue_token, verify_token
from egovlaw.identifiers import iin_problem
from provider_arm.domain.cases import OfficeKind, Role, Staff
from provider_arm.service.context import Workstation
from provider_arm.service.logins import REFUSED, record_refusal
from provider_arm.service.passwords import Passwords
from provider_arm.store import people

TOKEN_TYP = "egov-staff-session+jwt"

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StaffWish:
    iin: str
    name: str
    password: str
    roles: frozenset[Role]
    region: str
    provider: str | None
    office: str
    office_kind: OfficeKind


@dataclass(frozen=True, slots=True)
class Login:
    token: str
    expires: datetime
    person: Staff


@dataclass(frozen=True, slots=True)
class Door:
    """What logging in needs beside the workstation: the key tokens are signed with, and how long they live.

    The key is the system's own: every replica has it, so a token of one is good at all.
    """

    key: KeyCustody
    secret: bytes  # keys the hashes of the throttle: the table names nobody
    ttl: timedelta
    regions: frozenset[str]
    passwords: Passwords


async def create(ws: Workstation, door: Door, wish: StaffWish) -> Staff:
    _require_possible(door, wish)
    hashed = await door.passwords.hash(wish.password)
    person = Staff(
        id=ws.ids.new(),
        iin=wish.iin,
        name=wish.name,
        roles=wish.roles,
        region=wish.region,
        provider=wish.provider,
        office=wish.office,
        office_kind=wish.office_kind,
        active=True,
        created_at=ws.clock.now(),
    )
    async with ws.db.begin() as conn:
        if not await people.add(conn, person, hashed):
            raise EgovError("staff.exists")
        await ws.journal_action(
            conn, "staff.created", None, staff=person.id, roles=sorted(person.roles), region=person.region
        )
    return person


def _require_possible(door: Door, wish: StaffWish) -> None:
    errors = []
    if (problem := iin_problem(wish.iin)) is not None:
        errors.append(FieldError("iin", "wrong_form", problem))
    if wish.region not in door.regions:
        errors.append(FieldError("region", "not_allowed", "no such region"))
    errors += _password_errors(wish.password, wish.iin)
    if errors:
        raise EgovError("request.invalid", errors=errors)


def _password_errors(password: str, iin: str) -> list[FieldError]:
    # Length protects a password, not the kinds of its characters; what everybody would try first is refused.
    if iin in password or len(set(password)) < 4:
        return [FieldError("password", "not_allowed", "too easy to guess")]
    return []


async def change(ws: Workstation, door: Door, staff_id: str, values: Mapping[str, Any], password: str | None) -> Staff:
    """Changes what is named. Sessions end when the password changed or the account was closed: whoever has the
    token must not keep what its owner lost."""
    values = dict(values)
    async with ws.db.read() as conn:
        person = await people.get(conn, staff_id)
    if person is None:
        raise EgovError("staff.unknown")
    if password is not None:
        if errors := _password_errors(password, person.iin):
            raise EgovError("request.invalid", errors=errors)
        values["password_hash"] = await door.passwords.hash(password)
    async with ws.db.begin() as conn:
        if values:
            await people.change(conn, staff_id, values)
        if password is not None or values.get("active") is False:
            await people.end_sessions_of(conn, staff_id, ws.clock.now())
        changed = sorted("password" if name == "password_hash" else name for name in values)
        await ws.journal_action(conn, "staff.changed", None, staff=staff_id, changed=changed)
        found = await people.get(conn, staff_id)
    assert found is not None, "staff is never deleted"
    return found


async def everyone(ws: Workstation, after: str | None, limit: int) -> tuple[list[Staff], str | None]:
    async with ws.db.read() as conn:
        found = await people.everyone(conn, after=after, limit=limit + 1)
    return found[:limit], found[limit - 1].id if len(found) > limit else None


async def log_in(
    ws: Workstation, door: Door, *, iin: str, password: str, address: str, regulation: str | None = None
) -> Login:
    """One answer for an unknown ИИН, a wrong password and a closed account, after the same work: nobody learns
    which ИИН works here. `regulation`: the service whose desk asked for the login, if one did; its clause is cited."""
    key = hmac.new(door.secret, f"{iin}|{address}".encode(), hashlib.sha256).hexdigest()
    await _require_patience(ws, key)
    async with ws.db.read() as conn:
        found = await people.by_iin(conn, iin)
    good = await door.passwords.matches(found[1] if found else None, password)
    if found is None or not good or not found[0].active:
        await _record_failure(ws, key)
        raise EgovError(REFUSED, clause=await record_refusal(ws, door.secret, iin, regulation))
    person, hashed = found
    return await _open(ws, door, person, key, await door.passwords.renewed(hashed, password))


async def _open(ws: Workstation, door: Door, person: Staff, key: str, rehashed: str | None) -> Login:
    token = issue_token(
        door.key,
        typ=TOKEN_TYP,
        issuer=ws.code,
        subject=person.id,
        audience=ws.code,
        roles=sorted(person.roles),
        ttl=door.ttl,
        clock=ws.clock,
        ids=ws.ids,
    )
    claims = _claims(ws, door, token)
    async with ws.db.begin() as conn:
        await people.forget_failures(conn, key)
        await people.open_session(conn, claims.id, person.id, ws.clock.now(), claims.expires)
        if rehashed is not None:
            await people.change(conn, person.id, {"password_hash": rehashed})
    return Login(token, claims.expires, person)


async def _require_patience(ws: Workstation, key: str) -> None:
    async with ws.db.read() as conn:
        known = await people.failures(conn, key)
    if known is None:
        return
    failures, last = known
    left = (last + timedelta(seconds=login_wait(failures)) - ws.clock.now()).total_seconds()
    if left > 0:
        raise EgovError("staff.login_throttled", retry_after=int(left) + 1)


async def _record_failure(ws: Workstation, key: str) -> None:
    async with ws.db.begin() as conn:
        failures = await people.record_failure(conn, key, ws.clock.now())
    _log.warning("staff.login_refused", failures=failures)


async def log_out(ws: Workstation, door: Door, token: str) -> None:
    claims = _claims(ws, door, token)
    async with ws.db.begin() as conn:
        await people.end_session(conn, claims.id, ws.clock.now())


async def who(ws: Workstation, door: Door, token: str) -> Staff:
    """The person behind a token, as the account is now: roles taken away an hour ago do not live on in it."""
    claims = _claims(ws, door, token)
    async with ws.db.read() as conn:
        owner = await people.session_owner(conn, claims.id, ws.clock.now())
        person = None if owner is None else await people.get(conn, owner)
    if person is None or not person.active or person.id != claims.subject:
        raise EgovError("session.invalid")
    return person


async def logged_in_at(ws: Workstation, door: Door, token: str) -> datetime:
    """When the session of a token began: the first step of whatever case is opened in it (E9)."""
    claims = _claims(ws, door, token)
    async with ws.db.read() as conn:
        opened = await people.session_opened(conn, claims.id)
    if opened is None:
        raise EgovError("session.invalid")
    return opened


def _claims(ws: Workstation, door: Door, token: str) -> TokenClaims:
    return verify_token(token, door.key, typ=TOKEN_TYP, issuer=ws.code, audience=ws.code, clock=ws.clock)
