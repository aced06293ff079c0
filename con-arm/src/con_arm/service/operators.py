"""Operators: accounts made by an administrator, logins by login and password, sessions that can be ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from con_arm.domain.people import Operator, Role
from con_arm.domain.steps import centre_channel
from con_arm.service.parts import Centre
from con_arm.store import people as store
from con_arm.store.people import Session
from egovkit.errors import EgovError, FieldError
from egovkit.journal import JournalEntry
from egovkit.signatures.tokens import TokenClaims, issue_token, verify_token
from egovlaw.catalogue import FlowItem, Limit
from egovlaw.identifiers import iin_problem
from egovorigin.domain.steps import item_of, limit_of
from egovorigin.logins import count_login, password_errors

TOKEN_TYP = "egov-operator-session+jwt"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking: a session and the operator behind it, as the account is now."""

    session: Session
    operator: Operator


@dataclass(frozen=True, slots=True)
class OperatorWish:
    login: str
    name: str
    iin: str
    password: str
    roles: frozenset[Role]
    centre: str
    region: str | None = None
    branch: bool = False


@dataclass(frozen=True, slots=True)
class LoggedIn:
    token: str
    session: Session
    operator: Operator


async def create(centre: Centre, wish: OperatorWish) -> Operator:
    errors = password_errors(wish.password, wish.login, wish.iin)
    if (problem := iin_problem(wish.iin)) is not None:
        errors.append(FieldError("iin", "iin_invalid", problem))
    errors += _region_errors(centre, wish.region)
    if errors:
        raise EgovError("request.invalid", errors=errors)
    hashed = await centre.passwords.hash(wish.password)
    operator = Operator(
        id=centre.ids.new(),
        login=wish.login,
        name=wish.name,
        iin=wish.iin,
        roles=wish.roles,
        centre=wish.centre,
        region=wish.region,
        branch=wish.branch,
        active=True,
        created_at=centre.clock.now(),
    )
    async with centre.db.begin() as conn:
        if not await store.add_operator(conn, operator, hashed):
            raise EgovError("operator.exists")
        body = {"action": "operator.created", "operator": operator.id, "roles": sorted(operator.roles)}
        await centre.journal.note(conn, [_admin(centre, {**body, "centre": operator.centre})])
    return operator


async def change(centre: Centre, id_: str, values: Mapping[str, Any], password: str | None) -> Operator:
    """Changes what is named. Sessions end when the password changed or the account was closed: whoever has the token
    must not keep what its owner lost."""
    values = dict(values)
    if errors := _region_errors(centre, values.get("region")):
        raise EgovError("request.invalid", errors=errors)
    async with centre.db.read() as conn:
        operator = await store.operator(conn, id_)
    if operator is None:
        raise EgovError("operator.unknown")
    if password is not None:
        if errors := password_errors(password, operator.login, operator.iin):
            raise EgovError("request.invalid", errors=errors)
        values["password_hash"] = await centre.passwords.hash(password)
    async with centre.db.begin() as conn:
        if values:
            await store.change_operator(conn, id_, values)
        if password is not None or values.get("active") is False:
            await store.end_sessions_of(conn, id_, centre.clock.now())
        changed = sorted("password" if name == "password_hash" else name for name in values)
        body = {"action": "operator.changed", "operator": id_, "changed": changed}
        await centre.journal.note(conn, [_admin(centre, body)])
        found = await store.operator(conn, id_)
    assert found is not None, "operators are never deleted"
    return found


async def everyone(centre: Centre, after: str | None, limit: int) -> tuple[list[Operator], bool]:
    """One page, and whether there is another."""
    async with centre.db.read() as conn:
        found = await store.all_operators(conn, after=after, limit=limit + 1)
    return found[:limit], len(found) > limit


def _region_errors(centre: Centre, region: str | None) -> list[FieldError]:
    known = region is None or region in centre.catalogue.regions
    return [] if known else [FieldError("region", "unknown", "not one of the regions of the acts")]


def _admin(centre: Centre, body: Mapping[str, Any]) -> JournalEntry:
    return JournalEntry("admin", centre.clock.now(), None, {**body, "service": centre.settings.code})


async def log_in(centre: Centre, login: str, password: str, address: str) -> LoggedIn:
    """One answer for an unknown login, a wrong password and a closed account, after the same work: nobody learns who
    works here. The act knows no refusal of this login (A7), so a refused one is a local record and no step of it."""
    began = centre.clock.now()
    key = centre.keyring.throttle_key("login", login, address)
    await count_login(centre, key, began)
    async with centre.db.read() as conn:
        found = await store.operator_of_login(conn, login)
    good = await centre.passwords.verify(found[1] if found else None, password)
    if found is None or not good or not found[0].active:
        body = {"outcome": "refusal", "code": "operator.login_refused", "person": centre.keyring.person_hash(login)}
        entry = JournalEntry("refusal", centre.clock.now(), None, {**body, "service": centre.settings.code})
        async with centre.db.begin() as conn:
            await centre.journal.note(conn, [entry])
        raise EgovError("operator.login_refused")
    return await _open(centre, found[0], key, began)


async def _open(centre: Centre, operator: Operator, key: str, began: datetime) -> LoggedIn:
    now, life = centre.clock.now(), timedelta(hours=centre.settings.session_hours)
    token = issue_token(
        centre.key,
        typ=TOKEN_TYP,
        issuer=centre.settings.code,
        subject=operator.id,
        audience=centre.settings.code,
        roles=sorted(operator.roles),
        ttl=life,
        clock=centre.clock,
        ids=centre.ids,
    )
    id_ = _claims(centre, token).id
    async with centre.db.begin() as conn:
        await centre.attempts.forget_attempts(conn, key)
        [place] = await centre.journal.append(conn, [JournalEntry("step", now, None, _login_facts(centre, id_))])
        journal = {"writer": place.writer, "position": place.position, "hash": place.hash}
        login = {"began": began.isoformat(), "ended": now.isoformat(), "journal": journal}
        session = Session(id_, operator.id, now, now + life, None, login)
        await store.forget_sessions(conn, now - timedelta(days=1))
        await store.add_session(conn, session)
    return LoggedIn(token, session, operator)


async def identify(centre: Centre, token: str) -> Identity:
    """Who holds this token, or EgovError session.invalid, session.expired."""
    claims = _claims(centre, token)
    async with centre.db.read() as conn:
        found = await store.session_with_operator(conn, claims.id)
    if found is None or found[0].ended_at is not None or found[1].id != claims.subject or not found[1].active:
        raise EgovError("session.invalid")
    return Identity(*found)


def _claims(centre: Centre, token: str) -> TokenClaims:
    code = centre.settings.code
    return verify_token(token, centre.key, typ=TOKEN_TYP, issuer=code, audience=code, clock=centre.clock)


async def log_out(centre: Centre, identity: Identity) -> None:
    async with centre.db.begin() as conn:
        await store.end_session(conn, identity.session.id, centre.clock.now())


def _login_facts(centre: Centre, session: str) -> dict[str, Any]:
    """The login happens before a service is chosen, so label, clause and limit are named only as far as every
    regulation of the centre agrees on them."""
    items: list[FlowItem] = []
    limits: list[Limit | None] = []
    for one in centre.catalogue.regulations:
        channel = centre_channel(one)
        item = None if channel is None else item_of(channel, "authenticate")
        if channel is not None and item is not None:
            items.append(item)
            limits.append(limit_of(channel, item))
    labels, clauses = {item.label for item in items}, {item.clause for item in items}
    seconds = {limit.max_s for limit in limits if limit is not None}
    return {
        "step": labels.pop() if len(labels) == 1 else None,
        "step_kind": "authenticate",
        "clause": clauses.pop() if len(clauses) == 1 else None,
        "service": centre.settings.code,
        "state_before": "new",
        "state_after": items[0].kind.state if items else None,
        "limit_s": float(seconds.pop()) if len(seconds) == 1 else None,
        "used_s": None,
        "outcome": "done",
        "session": session,
    }
