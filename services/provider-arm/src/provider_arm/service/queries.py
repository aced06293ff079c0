"""Questions to the person register: asked through both gateways under one limit of the act, answered, or asked again.

A register that is silent, late or answers garbage is a technical error (E1): nothing but an answer in time that names
no such person leads to the act's "no data".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.envelope import Envelope
from egovkit.errors import EgovError
from egovkit.inbox import Received
from egovkit.outbox import Draft
from egovlaw.kinds import message_type
from provider_arm.domain.answers import usable
from provider_arm.domain.cases import Staff
from provider_arm.domain.own import OwnEvent, Query, QueryState
from provider_arm.service.context import Keep, Workstation, ingress
from provider_arm.service.drafts import Turn, at_work, require_nothing_pending, visible
from provider_arm.service.procedure import NOT_MEASURED
from provider_arm.service.reporting import end_with
from provider_arm.store import own

PERSON_REGISTER: Final = "person_register"  # a kind of participant
NO_DATA: Final = "register.no_data"  # what ШЭП is told of a case that ends so


async def ask(ws: Workstation, person: Staff, case_id: str, expected: int | None, keep: Keep[Query]) -> Query:
    """P3: one question about the consumer, with the steps that led to it."""
    async with ws.db.begin() as conn:
        turn = await at_work(ws, conn, person, case_id, expected)
        draft = turn.draft
        if draft.iin is None or not turn.allows(OwnEvent.ASKED):
            raise EgovError("own_case.wrong_state", state=draft.state.value)
        item = turn.flow.ask
        await require_nothing_pending(turn)
        limit = turn.flow.procedure.limit(item)
        envelope = await _send(turn, person, draft.iin)
        query = Query(
            id=envelope.id,
            case_id=draft.id,
            register=envelope.recipient,
            iin=draft.iin,
            state=QueryState.WAITING,
            asked_at=turn.now,
            asked_by=person.id,
            clause=item.clause,
            limit_s=None if limit is None else limit.max_s,
            answered_at=None,
            person=None,
            problem=None,
        )
        await own.add_query(conn, query)
        await turn.move(OwnEvent.ASKED)
        measured = turn.flow.procedure.unmeasured(item)
        states = (turn.flow.procedure.state_before(item), item.kind.state)
        await ws.note_envelope(conn, envelope, item, states=states, outcome="done", measured=measured, **turn.by_whom)
        await keep(conn, query)
    return query


async def _send(turn: Turn, person: Staff, iin: str) -> Envelope:
    draft, item, procedure = turn.draft, turn.flow.ask, turn.flow.procedure
    limit = procedure.limit(item)
    before = await own.queries_of(turn.conn, draft.id)
    # ШЭП stands on the step once one question has passed; a refused one has not brought it there.
    passed = any(query.state is not QueryState.REFUSED for query in before)
    question = Draft(
        type=message_type("query.person"),
        case=draft.id,
        recipient=_register(turn),
        regulation=draft.regulation,
        channel=draft.channel,
        step=item.label,
        region=draft.region,
        data={
            "criterion": {"iin": iin},
            "official": person.id,
            "purpose_ru": procedure.regulation.title_ru[:500],
            "clause": item.clause,
            "trail": [] if passed else turn.flow.until_asking(draft.trail),
        },
        queue=ingress(draft.region),
        expires=None if limit is None else turn.now + timedelta(seconds=limit.max_s),
    )
    return await turn.ws.outbox.send(turn.conn, question)


def _register(turn: Turn) -> str:
    """The code of the active register that takes part in this regulation, as ШЭП's list has it."""
    draft = turn.draft
    member = turn.ws.membership.members.serving(PERSON_REGISTER, draft.regulation, draft.region)
    if member is None:
        raise EgovError("own_case.register_absent", regulation=draft.regulation, region=draft.region)
    return member.code


async def queries_of(ws: Workstation, person: Staff, case_id: str) -> list[Query]:
    async with ws.db.read() as conn:
        await visible(conn, person, case_id)
        return await own.queries_of(conn, case_id)


async def take_answer(ws: Workstation, conn: AsyncConnection, received: Received) -> None:
    """C1: the register's answer. Every answer is recorded; only the one that came in time is applied."""
    envelope = received.envelope
    question = envelope.correlationid or "-"
    draft = await own.get(conn, envelope.subject, lock=True)
    query = await own.query(conn, question)
    if draft is None or query is None or (query.case_id, query.register) != (draft.id, envelope.source):
        raise EgovError("order.answer_unasked", source=envelope.source, question=question)
    if query.answered_at is not None:
        raise EgovError("order.already_answered", source=envelope.source, question=question)
    turn = Turn.of(ws, conn, draft, None)
    told = max((received.at, *(receipt.received for receipt in received.receipts)))
    state, found = _judged(query, received.data, told)
    outcome = "late" if state is QueryState.LATE_ANSWER else state.value
    if state is QueryState.ANSWERED:  # of a draft given up meanwhile it is only remembered
        awaited = turn.allows(OwnEvent.DATA_FOUND) and draft.iin == query.iin
        outcome = "applied" if awaited else "remembered"
    await own.settle(conn, query.id, state, at=told, person=found)
    await _note(turn, received, query, outcome, used_s=round((told - query.asked_at).total_seconds(), 3))
    if outcome == "applied":
        await _apply(turn, found)


def _judged(query: Query, data: Mapping[str, Any], told: datetime) -> tuple[QueryState, Mapping[str, Any] | None]:
    """What the answer is worth, and the person it names where it may be used."""
    if query.is_late(told):
        return QueryState.LATE_ANSWER, None
    if not usable(data, query.iin):
        return QueryState.UNUSABLE, None
    return QueryState.ANSWERED, next(iter(data["persons"]), None)


async def _note(turn: Turn, received: Received, query: Query, outcome: str, *, used_s: float) -> None:
    item = turn.flow.ask
    limit = turn.flow.procedure.unmeasured(item)
    await turn.ws.note_envelope(
        turn.conn,
        received.envelope,
        item,
        states=(item.kind.state, item.kind.state),
        outcome=outcome,
        measured=limit if limit is NOT_MEASURED else replace(limit, used_s=used_s),
        sha256=received.wire.sha256,
        question=query.id,
    )


async def _apply(turn: Turn, found: Mapping[str, Any] | None) -> None:
    item = turn.flow.check
    if found is not None:
        checked = await turn.step(item, "ok")
        await turn.move(OwnEvent.DATA_FOUND, trail=[*turn.draft.trail, checked])
        return
    # P4: the case ends before registration, with a message, without number and document (A9).
    trail = [*turn.draft.trail, await turn.step(item, "violation")]
    await end_with(turn, turn.flow.report, (OwnEvent.DATA_ABSENT, NO_DATA), trail, item)


async def refuse(ws: Workstation, conn: AsyncConnection, envelope_id: str, problem: Mapping[str, Any]) -> bool:
    """A gateway refused a question of ours; False when the envelope was none."""
    query = await own.query(conn, envelope_id)
    if query is None:
        return False
    if query.state is QueryState.WAITING:
        await own.settle(conn, query.id, QueryState.REFUSED, problem=problem)
        await ws.journal_action(
            conn, "query.refused", query.case_id, envelope=envelope_id, code=problem["code"], hop=problem["hop"]
        )
    return True
