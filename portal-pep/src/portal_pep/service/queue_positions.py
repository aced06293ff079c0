"""The applicant follows his place in the queue: asked over the bus, shown with the time it was told.

A register that is silent or answers garbage changes nothing of what is known (E1); he asks again when he likes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError
from egovkit.inbox import Received
from egovkit.outbox import Draft
from egovlaw.catalogue import FlowItem, Regulation
from egovlaw.kinds import message_type
from egovorigin.domain.document import read_document
from egovorigin.origin import INGRESS, Keep
from egovorigin.trail import envelope_facts, note, step_facts
from portal_pep.domain.queue_positions import (
    AKIMAT_REGISTER,
    PATIENCE,
    POSITION,
    QUERY,
    Asked,
    QueuePosition,
    given_number,
    is_usable,
    may_ask_at,
    queue_of,
)
from portal_pep.domain.steps import PortalFlow
from portal_pep.service.cases import owned
from portal_pep.service.parts import Portal
from portal_pep.store import queue_positions as store
from portal_pep.store.accounts import Account
from portal_pep.store.cases import Case, cases
from portal_pep.store.files import files


@dataclass(frozen=True, slots=True)
class Followed:
    """What the applicant is shown of his place. `position` is None before he has asked."""

    queue: str
    position: QueuePosition | None
    state: Asked | None


@dataclass(frozen=True, slots=True)
class _Place:
    regulation: Regulation
    flow: PortalFlow
    item: FlowItem
    queue: str


async def ask(portal: Portal, account: Account, case_id: str, keep: Keep[Followed]) -> Followed:
    """One question at a time: while one waits for its answer, another asks nothing new.

    EgovError queue_position.none | queue_position.too_early | register_query.register_absent.
    """
    async with portal.db.begin() as conn:
        case = await owned(conn, account, case_id, lock=True)
        place, now = _place(portal, case), portal.clock.now()
        position = await store.get(conn, case.id)
        if position is None or position.state_at(now) is not Asked.WAITING:
            position = await _ask(conn, portal, case, place)
        followed = Followed(place.queue, position, position.state_at(now))
        await keep(conn, followed)
    return followed


async def shown(portal: Portal, account: Account, case_id: str) -> Followed:
    async with portal.db.read() as conn:
        case = await owned(conn, account, case_id)
        place = _place(portal, case)
        position = await store.get(conn, case.id)
    return Followed(place.queue, position, None if position is None else position.state_at(portal.clock.now()))


def _place(portal: Portal, case: Case) -> _Place:
    """Where the case stands, if it is one of a queue and the act lets its applicant ask there."""
    regulation, flow = portal.regulation(case.regulation, case.regulation_version)
    queue = queue_of(regulation)
    if queue is None:
        raise EgovError("queue_position.none", regulation=case.regulation)
    item = None if case.step is None else flow.channel.item(case.step)
    if item is None or not may_ask_at(flow.channel, item.label):
        raise EgovError("queue_position.too_early", state=case.state.value)
    return _Place(regulation, flow, item, queue)


async def _ask(conn: AsyncConnection, portal: Portal, case: Case, place: _Place) -> QueuePosition:
    now, register = portal.clock.now(), _register(portal, case)
    data = {
        "register": place.queue,
        "operation": POSITION,
        "person_iin": case.iin,
        "official": case.account_id,
        "purpose_ru": place.regulation.title_ru[:500],
        "clause": place.item.clause,
        "trail": [],  # the case stands on this step already
    }
    draft = Draft(
        type=message_type(QUERY),
        case=case.id,
        recipient=register,
        regulation=case.regulation,
        channel=place.flow.channel.code,
        step=place.item.label,
        region=case.region,
        data=data,
        queue=INGRESS,
        causation=case.envelope_id,
        expires=now + PATIENCE,
    )
    envelope = await portal.outbox.send(conn, draft)
    position = QueuePosition(case.id, envelope.id, register, Asked.WAITING, now, now + PATIENCE)
    await store.ask(conn, position)
    await _note(conn, portal, case, place, {"outcome": "done", **envelope_facts(envelope)})
    kept = await store.get(conn, case.id)
    assert kept is not None, "it was written just now"
    return kept


def _register(portal: Portal, case: Case) -> str:
    """The code of the active register of the case's region, as ШЭП's list has it."""
    member = portal.membership.members.serving(AKIMAT_REGISTER, case.regulation, case.region)
    if member is None:
        raise EgovError("register_query.register_absent", regulation=case.regulation, region=case.region)
    return member.code


async def _note(conn: AsyncConnection, portal: Portal, case: Case, place: _Place, facts: Mapping[str, Any]) -> None:
    state = place.item.kind.state
    stays = {"state_before": state, "state_after": state, "limit_s": None, "used_s": None}
    await note(conn, portal, "envelope", case, {**step_facts(portal, case, place.flow, place.item), **stays, **facts})


async def take_answer(conn: AsyncConnection, portal: Portal, received: Received) -> None:
    """Every answer is recorded; the last question's, from whom was asked and in time, is kept."""
    envelope = received.envelope
    case = await cases.case(conn, envelope.subject, lock=True)
    position = None if case is None else await store.get(conn, case.id)
    question = envelope.correlationid or "-"
    if case is None or position is None or (position.question, position.asked) != (question, envelope.source):
        raise EgovError("order.answer_unasked", source=envelope.source, question=question)
    if position.state is not Asked.WAITING:
        raise EgovError("order.already_answered", source=envelope.source, question=question)
    told: dict[str, Any]
    place, told_at = _place(portal, case), max((received.at, *(one.received for one in received.receipts)))
    state = position.state_at(told_at)
    if state is Asked.WAITING:
        told, state = {}, Asked.UNUSABLE
        result = await files.result_of(conn, case.id)
        number = None if result is None else given_number(read_document(result.document))
        if is_usable(received.data, place.queue, case.iin, number):
            told, state = {"entry": next(iter(received.data["entries"]), None), "told_at": told_at}, Asked.ANSWERED
        await store.settle(conn, case.id, question, state, **told)
    await _note(conn, portal, case, place, {"outcome": state.value, **envelope_facts(envelope, received.wire.sha256)})


async def refuse(conn: AsyncConnection, portal: Portal, received: Received) -> bool:
    """A gateway refused a question of ours; False when the envelope was none. Of a question that another one has
    followed, or that is settled, nothing is to be changed."""
    if received.data["type"] != message_type(QUERY):
        return False
    if not received.facts.member.is_gateway:
        raise EgovError("case.not_of_source", source=received.envelope.source)
    refused, problem = received.data["id"], received.data["problem"]
    await store.settle(conn, received.envelope.subject, refused, Asked.REFUSED, problem=problem)
    return True
