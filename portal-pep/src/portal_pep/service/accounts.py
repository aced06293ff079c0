"""Accounts: registration, login, and the one ЭЦП that shows whose account it is (E5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError, FieldError
from egovkit.journal import JournalEntry
from egovkit.signatures.tokens import TokenClaims, issue_token, verify_token
from egovlaw.catalogue import FlowItem, Limit
from egovlaw.identifiers import iin_problem
from egovorigin.domain.steps import limit_of
from egovorigin.logins import count_hourly, count_login, password_errors
from egovorigin.origin import Keep
from portal_pep.domain.document import confirmation_bytes
from portal_pep.domain.steps import PORTAL
from portal_pep.service.parts import Portal
from portal_pep.store import accounts as store
from portal_pep.store.accounts import Account, Session

TOKEN_TYP = "egov-portal-session+jwt"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking: a session and the account behind it."""

    session: Session
    account: Account


@dataclass(frozen=True, slots=True)
class LoggedIn:
    token: str
    session: Session
    account: Account


async def register(portal: Portal, iin: str, password: str, address: str, regulation: str | None = None) -> str:
    """A new account, confirmed by nobody yet. Who registers an ИИН that was registered and never confirmed takes it
    over: nobody has proved anything, so the first ЭЦП decides and not the first visitor. `regulation`: as in log_in.
    """
    _check_registration(iin, password)
    await count_hourly(portal, "register", address, portal.settings.registrations_per_hour)
    hashed = await portal.passwords.hash(password)
    id_, now = portal.ids.new(), portal.clock.now()
    try:
        async with portal.db.begin() as conn:
            former = await store.account_of_iin(conn, iin, lock=True)
            if former is not None and former.confirmed:
                raise EgovError("account.exists")
            if former is not None:
                await store.forget_account(conn, former.id)
            await store.add_account(conn, id_, iin, hashed, now)
            body = {**_step_facts(portal, "register_account", "done", regulation), "account": id_}
            body["person"] = portal.keyring.person_hash(iin)
            await portal.journal.note(conn, [JournalEntry("step", now, None, body)])
    except IntegrityError:  # two registrations of one ИИН at the same moment
        raise EgovError("account.exists") from None
    return id_


def _check_registration(iin: str, password: str) -> None:
    errors = []
    if (problem := iin_problem(iin)) is not None:
        errors.append(FieldError("iin", "iin_invalid", problem))
    errors += password_errors(password, iin)
    if errors:
        raise EgovError("request.invalid", errors=errors)


async def log_in(portal: Portal, iin: str, password: str, address: str, regulation: str | None = None) -> LoggedIn:
    """A session, or EgovError login.refused (the act's refusal of authorisation) or request.throttled.

    `regulation`: the service whose page asked for the login, if one did; its clause is then cited.
    """
    began = portal.clock.now()
    key = portal.keyring.throttle_key("login", iin, address)
    await count_login(portal, key, began)
    async with portal.db.read() as conn:
        account = await store.account_of_iin(conn, iin)
    good = await portal.passwords.verify(account.password_hash if account else None, password)
    if account is None or not good:
        raise await _refuse_login(portal, iin, began, regulation)
    return await _open_session(portal, account, key, began)


async def _refuse_login(portal: Portal, iin: str, began: datetime, regulation: str | None) -> EgovError:
    now = portal.clock.now()
    facts = _step_facts(portal, "refuse_login", "refusal", regulation)
    facts["used_s"] = round((now - began).total_seconds(), 3)
    person = {"person": portal.keyring.person_hash(iin)}
    steps = [("authenticate", "done"), ("verify_login", "violation")]
    before = [
        JournalEntry("step", now, None, {**_step_facts(portal, kind, outcome, regulation), **person})
        for kind, outcome in steps
    ]
    refusal = JournalEntry("refusal", now, None, {**facts, "code": "login.refused", **person})
    async with portal.db.begin() as conn:
        await portal.journal.note(conn, [*before, refusal])
    return EgovError("login.refused", clause=facts["clause"])


async def _open_session(portal: Portal, account: Account, key: str, began: datetime) -> LoggedIn:
    now = portal.clock.now()
    life = timedelta(minutes=portal.settings.session_minutes)
    token = issue_token(
        portal.key,
        typ=TOKEN_TYP,
        issuer=portal.settings.code,
        subject=account.id,
        audience=portal.settings.code,
        roles=("citizen",),
        ttl=life,
        clock=portal.clock,
        ids=portal.ids,
    )
    claims = _claims(portal, token)
    async with portal.db.begin() as conn:
        await portal.attempts.forget_attempts(conn, key)
        steps = [("authenticate", "done"), ("verify_login", "ok")]
        entries = [
            JournalEntry("step", now, None, {**_step_facts(portal, kind, outcome), "session": claims.id})
            for kind, outcome in steps
        ]
        links = await portal.journal.append(conn, entries)
        places = [{"writer": one.writer, "position": one.position, "hash": one.hash} for one in links]
        login = {"began": began.isoformat(), "ended": now.isoformat(), "journal": places}
        session = Session(claims.id, account.id, now, now + life, None, login)
        await store.forget_sessions(conn, now - timedelta(days=1))
        await store.add_session(conn, session)
    return LoggedIn(token, session, account)


async def identify(portal: Portal, token: str) -> Identity:
    """Who holds this token, or EgovError session.invalid, session.expired."""
    claims = _claims(portal, token)
    async with portal.db.read() as conn:
        found = await store.session_with_account(conn, claims.id)
    if found is None or found[0].ended_at is not None or found[1].id != claims.subject:
        raise EgovError("session.invalid")
    return Identity(*found)


def _claims(portal: Portal, token: str) -> TokenClaims:
    return verify_token(
        token,
        portal.key,
        typ=TOKEN_TYP,
        issuer=portal.settings.code,
        audience=portal.settings.code,
        clock=portal.clock,
    )


async def log_out(portal: Portal, identity: Identity) -> None:
    async with portal.db.begin() as conn:
        await store.end_session(conn, identity.session.id, portal.clock.now())


async def prepare_confirmation(portal: Portal, identity: Identity, keep: Keep[bytes]) -> bytes:
    """The bytes the person signs once to confirm the account."""
    now = portal.clock.now()
    until = now + timedelta(minutes=portal.settings.confirmation_minutes)
    account = identity.account
    document = confirmation_bytes(account=account.id, iin=account.iin, nonce=portal.ids.token(), at=now)
    async with portal.db.begin() as conn:
        await _unconfirmed(conn, account.id)
        await store.change_account(conn, account.id, confirmation=document, confirmation_until=until)
        await keep(conn, document)
    return document


async def confirm(portal: Portal, identity: Identity, signature: bytes, keep: Keep[datetime]) -> datetime:
    """Marks the account as its person's when the signature over the prepared bytes is that person's."""
    now, account = portal.clock.now(), identity.account
    if account.confirmed:
        raise EgovError("account.confirmed_already")
    if account.confirmation is None or account.confirmation_until is None or account.confirmation_until < now:
        raise EgovError("account.nothing_to_confirm")
    facts = await portal.signatures.verify(account.confirmation, signature, now, account.iin)
    if facts.refusal is not None:
        raise EgovError(facts.refusal)
    async with portal.db.begin() as conn:
        current = await _unconfirmed(conn, account.id)
        if current.confirmation != account.confirmation:
            raise EgovError("account.nothing_to_confirm")
        await store.change_account(
            conn,
            account.id,
            confirmed_at=now,
            confirmed_with=facts.signer.thumbprint,
            confirmation_signature=signature,
        )
        body = {"action": "account_confirmed", "account": account.id, "certificate": facts.signer.thumbprint}
        await portal.journal.note(conn, [JournalEntry("admin", now, None, body)])
        await keep(conn, now)
    return now


async def _unconfirmed(conn: AsyncConnection, id_: str) -> Account:
    account = await store.account(conn, id_, lock=True)
    if account is None:
        raise EgovError("session.invalid")
    if account.confirmed:
        raise EgovError("account.confirmed_already")
    return account


def _step_facts(portal: Portal, kind: str, outcome: str, regulation: str | None = None) -> dict[str, Any]:
    """Login steps happen before a service is chosen, so label, clause and limit are named only as far as every
    regulation of the portal (or the one whose page asked) agrees on them."""
    items: list[FlowItem] = []
    limits: list[Limit | None] = []
    for one in portal.catalogue.regulations:
        channel = one.channels.get(PORTAL)
        if channel is None or regulation not in (None, one.code):
            continue
        found = [item for item in channel.flow if item.kind.name == kind]
        items += found
        limits += [limit_of(channel, item) for item in found]
    labels, clauses = {item.label for item in items}, {item.clause for item in items}
    seconds = {None if limit is None else float(limit.max_s) for limit in limits}
    return {
        "step": labels.pop() if len(labels) == 1 else None,
        "step_kind": kind,
        "clause": clauses.pop() if len(clauses) == 1 else None,
        "service": portal.settings.code,
        "state_before": "new",
        "state_after": items[0].kind.state if items else None,
        "limit_s": seconds.pop() if len(seconds) == 1 else None,
        "used_s": None,
        "outcome": outcome,
    }
