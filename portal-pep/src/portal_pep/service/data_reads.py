"""Who read my data, in which register: asked over the bus by the person alone, kept, and shown with what is not known.

Every register is asked for itself; one that is silent, refused or answers garbage changes nothing of what the others
told (E1). A representative is not the person: he sees what was read about himself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.envelope import NOT_APPLICABLE
from egovkit.errors import EgovError
from egovkit.inbox import Received
from egovkit.journal import JournalEntry
from egovkit.membership import Member
from egovkit.outbox import Draft
from egovlaw.kinds import message_type
from egovorigin.messages import moment
from egovorigin.origin import INGRESS, Keep
from portal_pep.domain.data_reads import (
    AGAIN,
    AT_ONCE,
    PATIENCE,
    QUERY,
    REGISTER_KINDS,
    Asked,
    DataRead,
    RegisterAsked,
    is_usable,
)
from portal_pep.service.parts import Portal
from portal_pep.store import accounts
from portal_pep.store import data_reads as store
from portal_pep.store.accounts import Account
from portal_pep.store.data_reads import ReadFilter


@dataclass(frozen=True, slots=True)
class RegisterState:
    """A register and what became of the last question. `asked` is None before the first one; `member` when ШЭП's list
    has it no more."""

    code: str
    member: Member | None
    asked: RegisterAsked | None
    state: Asked


async def ask(portal: Portal, account: Account, keep: Keep[list[RegisterState]]) -> list[RegisterState]:
    """Asks every register but those that still have a question of this person's to answer."""
    async with portal.db.begin() as conn:
        await accounts.account(conn, account.id, lock=True)  # two calls at once are one after the other
        known, now = await store.asked(conn, account.id), portal.clock.now()
        for register in _registers(portal):
            before = known.get(register.code)
            if before is None or before.state_at(now) is not Asked.WAITING:
                await _ask(conn, portal, account, register)
        states = _states(portal, await store.asked(conn, account.id))
        await keep(conn, states)
    return states


async def shown(
    portal: Portal, account: Account, wanted: ReadFilter, *, before: str | None, limit: int
) -> tuple[list[DataRead], bool, list[RegisterState]]:
    """One page of what is known, whether there is another, and the registers."""
    async with portal.db.read() as conn:
        found = await store.page(conn, account.id, wanted, before=before, limit=limit + 1)
        asked = await store.asked(conn, account.id)
    return found[:limit], len(found) > limit, _states(portal, asked)


def _registers(portal: Portal) -> list[Member]:
    members = portal.membership.members.members
    return [one for one in members if one.kind in REGISTER_KINDS and one.is_active]


def _states(portal: Portal, asked: Mapping[str, RegisterAsked]) -> list[RegisterState]:
    """Of every register that can be asked, or was."""
    now, members = portal.clock.now(), portal.membership.members
    codes = dict.fromkeys([*(one.code for one in _registers(portal)), *asked])
    return [
        RegisterState(code, members.get(code), one, Asked.NEVER if one is None else one.state_at(now))
        for code, one in ((code, asked.get(code)) for code in sorted(codes))
    ]


async def _ask(
    conn: AsyncConnection, portal: Portal, account: Account, register: Member, after: str | None = None
) -> None:
    """From the newest read that is known, a little before it; the next page `after` the last one told."""
    now, data = portal.clock.now(), {"iin": account.iin, "limit": AT_ONCE}
    if after is not None:
        data["after"] = after
    elif (newest := await store.newest(conn, account.id, register.code)) is not None:
        data["since"] = _text(newest - AGAIN)
    draft = Draft(
        type=message_type(QUERY),
        case=portal.ids.new(),
        recipient=register.code,
        regulation=NOT_APPLICABLE,
        channel=NOT_APPLICABLE,
        step=NOT_APPLICABLE,
        region=register.regions[0] if register.regions else NOT_APPLICABLE,
        data=data,
        queue=INGRESS,
        expires=now + PATIENCE,
        ordered=False,
    )
    envelope = await portal.outbox.send(conn, draft)
    asked = RegisterAsked(account.id, register.code, envelope.id, Asked.WAITING, now, now + PATIENCE)
    await store.ask(conn, asked)
    await _note(conn, portal, "data_reads.asked", asked)


async def take_answer(conn: AsyncConnection, portal: Portal, received: Received) -> None:
    """The last question's, from whom was asked and in time, is kept; where there is more, it is asked for at once."""
    envelope, data = received.envelope, received.data
    question = envelope.correlationid or "-"
    asked = await store.by_question(conn, question, envelope.source)
    account = None if asked is None else await accounts.account(conn, asked.account_id)
    if asked is None or account is None:
        raise EgovError("order.answer_unasked", source=envelope.source, question=question)
    if asked.state is not Asked.WAITING:
        raise EgovError("order.already_answered", source=envelope.source, question=question)
    told_at = max((received.at, *(one.received for one in received.receipts)))
    state = asked.state_at(told_at)
    if state is Asked.WAITING:
        state = Asked.ANSWERED if is_usable(data, account.iin) else Asked.UNUSABLE
        if state is Asked.UNUSABLE:
            await store.settle(conn, question, state)
        else:
            found = [DataRead(one["id"], envelope.source, moment(one["at"]), one) for one in data["reads"]]
            await store.add(conn, account.id, found)
            if data["more"] and found:
                await _ask(conn, portal, account, received.facts.member, found[-1].id)
            else:
                await store.settle(conn, question, state, told_at=told_at)
    await _note(conn, portal, f"data_reads.{state.value}", asked)


async def refuse(conn: AsyncConnection, portal: Portal, received: Received) -> bool:
    """A gateway refused a question of ours; False when the envelope was none."""
    if received.data["type"] != message_type(QUERY):
        return False
    if not received.facts.member.is_gateway:
        raise EgovError("case.not_of_source", source=received.envelope.source)
    await store.settle(conn, received.data["id"], Asked.REFUSED, problem=received.data["problem"])
    return True


async def _note(conn: AsyncConnection, portal: Portal, action: str, asked: RegisterAsked) -> None:
    facts = {"account": asked.account_id, "register": asked.register, "question": asked.question}
    body: dict[str, Any] = {"action": action, "service": portal.settings.code, **facts}
    await portal.journal.note(conn, [JournalEntry("admin", portal.clock.now(), None, body)])


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
