"""Asking the registers: both side by side, each under the act's own limit, again when one is silent, late or answers
garbage (E1); and the condition that their answers decide.

A round is one asking of every needed register. Within a round a register whose question got no usable answer in time
is asked again, and the first usable answer in time counts, whichever of its questions it belongs to; asking again
after the condition was met, and entering another power of attorney, begin a new round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.domain.answers import OK, Finding, attorney_problem, facts_of, judge_attorney, judge_person
from con_arm.domain.members import register_system
from con_arm.domain.people import Operator
from con_arm.domain.states import CaseEvent, CaseState, QueryState
from con_arm.domain.steps import CentreFlow, is_late, query_limit
from con_arm.domain.texts import fact_text
from con_arm.service.cases import NOT_PREPARED, require_after, take_filled, visible
from con_arm.service.ending import end_without_data
from con_arm.service.parts import Centre
from con_arm.store import queries
from con_arm.store.cases import Case
from con_arm.store.cases import cases as store
from con_arm.store.queries import Query
from con_arm.store.records import records
from egovkit.envelope import Envelope
from egovkit.errors import EgovError
from egovkit.inbox import Received
from egovkit.outbox import Draft
from egovlaw.catalogue import FlowItem
from egovlaw.kinds import message_name, message_type
from egovorigin.domain.steps import Moment, deadline
from egovorigin.messages import require_gateway
from egovorigin.origin import INGRESS, Keep
from egovorigin.store.records import Record
from egovorigin.trail import Taken, envelope_facts, note, step_facts, take, trail_of

PERSON, ATTORNEY = "person", "attorney"
MAX_PURPOSE = 500  # characters, as the contract has it


def needed_registers(flow: CentreFlow, case: Case) -> tuple[str, ...]:
    """Atyrau 427, cl. 8 3), as read by A8: ЕНИС is asked only for a notarised power of attorney."""
    speaker = case.speaker
    notarised = speaker is not None and speaker.is_notarised
    return tuple(register for register in flow.registers if register != ATTORNEY or notarised)


def seen_state(query: Query, now: datetime) -> QueryState:
    """A question that got no answer by the limit has expired; nobody has to come by and say so."""
    if query.state is QueryState.WAITING and is_late(query.asked_at, query.limit_s, now):
        return QueryState.EXPIRED
    return query.state


async def ask(centre: Centre, operator: Operator, case_id: str, keep: Keep[Case]) -> Case:
    """Asks every register that the case still needs an answer of. EgovError query.still_waiting while all of them have
    time left."""
    async with centre.db.begin() as conn:
        case = await visible(conn, operator, case_id, lock=True)
        state = require_after(case, CaseEvent.ASKED)
        _, flow = centre.law_of(case)
        now = centre.clock.now()
        earlier = await queries.queries_of(conn, case_id)
        registers = _to_ask(case, needed_registers(flow, case), earlier, now)
        again = bool(earlier) and case.state not in (CaseState.DATA_REQUESTED, CaseState.CONSUMER_ENTERED)
        for register in registers:
            await queries.supersede(conn, case_id, register)
        # The way to the step is told once, with the first question that ШЭП does not refuse. Of a silent one we cannot
        # know yet; where we guess wrong ШЭП refuses, and the next asking puts it right.
        told = any(one.state is not QueryState.REFUSED for one in earlier)
        if flow.fills_before_query and not earlier:
            await take_filled(conn, centre, case, flow)
        await store.drop_steps(conn, case_id, flow.after_query)
        changed = await store.change_case(
            conn,
            case,
            now,
            state=state,
            step=flow.query.label,
            round=case.round + 1 if again else case.round,
            facts=[],
            problem=None,
            **NOT_PREPARED,
        )
        trail = [] if told else await trail_of(conn, centre, case_id, flow.before_query)
        for register in registers:
            await _send(conn, centre, changed, operator, (register, trail))
            trail = []
        await keep(conn, changed)
    return changed


def _to_ask(case: Case, needed: Sequence[str], earlier: Sequence[Query], now: datetime) -> list[str]:
    if case.state is not CaseState.DATA_REQUESTED:
        return list(needed)
    mine = [one for one in earlier if one.round == case.round]
    answered = {one.register for one in mine if one.state is QueryState.ANSWERED}
    in_time = [one for one in mine if one.limit_s is not None and seen_state(one, now) is QueryState.WAITING]
    asked = {one.register for one in in_time}
    registers = [register for register in needed if register not in answered | asked]
    if not registers:
        left = max((one.limit_s or 0.0) - (now - one.asked_at).total_seconds() for one in in_time)
        raise EgovError("query.still_waiting", registers=", ".join(sorted(asked)), left_s=max(0, round(left)))
    return registers


async def _send(
    conn: AsyncConnection, centre: Centre, case: Case, operator: Operator, what: tuple[str, list[dict[str, Any]]]
) -> None:
    register, trail = what
    regulation, flow = centre.regulation(case.regulation, case.regulation_version)
    recipient = register_system(centre.membership.members.members, register, case.regulation)
    if recipient is None:
        raise EgovError("query.register_unknown", register=register)
    now, limit, item = centre.clock.now(), query_limit(flow, register), flow.query
    draft = Draft(
        type=message_type(f"query.{register}"),
        case=case.id,
        recipient=recipient,
        regulation=case.regulation,
        channel=flow.channel.code,
        step=item.label,
        region=case.region,
        data={
            "criterion": _criterion(case, register),
            "official": operator.id,
            "purpose_ru": regulation.title_ru[:MAX_PURPOSE],
            "clause": item.clause,
            "trail": trail,
        },
        queue=INGRESS,
        expires=deadline(limit, now),
    )
    envelope = await centre.outbox.send(conn, draft)
    limit_s = None if limit is None else float(limit.max_s)
    await _keep_asked(conn, centre, case, envelope, (register, operator.id, limit_s))


async def _keep_asked(
    conn: AsyncConnection, centre: Centre, case: Case, envelope: Envelope, what: tuple[str, str, float | None]
) -> None:
    register, operator, limit_s = what
    _, flow = centre.regulation(case.regulation, case.regulation_version)
    asked = Query(
        id=envelope.id,
        case_id=case.id,
        round=case.round,
        register=register,
        recipient=envelope.recipient,
        operator_id=operator,
        clause=flow.query.clause,
        state=QueryState.WAITING,
        asked_at=envelope.time,
        limit_s=limit_s,
    )
    await queries.add_query(conn, asked)
    facts = {**step_facts(centre, case, flow, flow.query), "by": operator, "register": register}
    body = {**facts, "limit_s": limit_s, "used_s": None, "outcome": "done", **envelope_facts(envelope)}
    await note(conn, centre, "envelope", case, body)
    await _remember(conn, centre, case, asked, event="asked", at=envelope.time)


def _criterion(case: Case, register: str) -> dict[str, Any]:
    speaker = case.speaker
    if register == ATTORNEY and speaker is not None:
        return {"registry_number": speaker.attorney.registry_number, "date": speaker.attorney.date}
    return {"iin": case.applicant}


async def take_answer(conn: AsyncConnection, centre: Centre, received: Received, case: Case) -> None:
    """The answer of a register to one of our questions; it counts once, in time, and for the case as it is now."""
    query = await _query_of(conn, received, case)
    came_at = received.receipts[-1].received  # ШЭП's clock measures the limit, not how long the inbox was shut
    used_s = round(max(0.0, (came_at - query.asked_at).total_seconds()), 3)
    outcome, finding = await _outcome(conn, centre, case, query, received)
    states = {
        "late": QueryState.LATE_ANSWER,
        "unusable": QueryState.UNUSABLE,
        "applied": QueryState.ANSWERED,
        "remembered": query.state if query.state is not QueryState.WAITING else QueryState.SUPERSEDED,
    }
    if query.answered_at is None:
        await queries.change_query(
            conn,
            query.id,
            state=states[outcome],
            answered_at=came_at,
            used_s=used_s,
            reason=finding.code,
            # What is not applied is not kept either: only that it came.
            answer=received.data if outcome == "applied" else None,
        )
    await _journal_answer(conn, centre, case, query, (received, outcome, finding, used_s))
    if outcome == "applied":
        await queries.supersede(conn, case.id, query.register)
        await _conclude(conn, centre, case)


async def _query_of(conn: AsyncConnection, received: Received, case: Case) -> Query:
    register = message_name(received.envelope.type).removeprefix("answer.")
    query = await queries.query(conn, received.envelope.correlationid or "")
    if query is None or query.case_id != case.id or query.register != register:
        raise EgovError("query.unknown")
    if received.envelope.source != query.recipient:
        raise EgovError("case.not_of_source", source=received.envelope.source)
    return query


async def _outcome(
    conn: AsyncConnection, centre: Centre, case: Case, query: Query, received: Received
) -> tuple[str, Finding]:
    if query.answered_at is not None:
        return "remembered", OK  # a register that answers twice
    if is_late(query.asked_at, query.limit_s, received.receipts[-1].received):
        return "late", OK
    waits = case.state is CaseState.DATA_REQUESTED and query.round == case.round
    if not waits or query.register in await _answered(conn, case):
        return "remembered", OK
    finding = _judge(centre, case, query.register, received.data)
    return ("unusable" if finding.verdict == "unusable" else "applied"), finding


def _judge(centre: Centre, case: Case, register: str, data: Mapping[str, Any]) -> Finding:
    speaker = case.speaker
    if register == ATTORNEY and speaker is not None:
        return judge_attorney(data, case.applicant, speaker, centre.today())
    return judge_person(data, case.applicant)


async def _answered(conn: AsyncConnection, case: Case) -> dict[str, Query]:
    """The answers that count in this round, by register."""
    found = await queries.queries_of(conn, case.id)
    return {one.register: one for one in found if one.round == case.round and one.state is QueryState.ANSWERED}


async def _conclude(conn: AsyncConnection, centre: Centre, case: Case) -> None:
    """The condition, once every needed register has answered: data of all, or the act's process of "no data" (A8)."""
    _, flow = centre.regulation(case.regulation, case.regulation_version)
    answered, needed = await _answered(conn, case), needed_registers(flow, case)
    if any(register not in answered for register in needed):
        return
    codes = [code for register in needed if (code := answered[register].reason) is not None]
    if codes:
        moments = check_moments(flow.check_registers, answered.values(), centre.clock.now())
        await end_without_data(conn, centre, case, codes, moments)
        return
    now, item = centre.clock.now(), flow.check_registers
    await take(conn, centre, case, [Taken(item, "ok", now)], check_moments(item, answered.values(), now))
    answer = answered[PERSON].answer or {}
    facts = [
        {"code": fact.code, "ru": text.ru, "kk": text.kk}
        for person in answer.get("persons", ())
        for fact in facts_of(person, centre.today())
        for text in (fact_text(fact),)
    ]
    state = require_after(case, CaseEvent.DATA_IN_ORDER)
    checked = await store.change_case(conn, case, now, state=state, step=item.label, facts=facts, started_at=now)
    line = Record(
        case_id=case.id,
        at=now,
        event="data_in_order",
        state_before=case.state.value,
        state_after=checked.state.value,
    )
    await records.add_record(conn, line)


def check_moments(item: FlowItem, answers: Iterable[Query], now: datetime) -> dict[Moment, datetime]:
    """The condition begins when the last answer has come to ШЭП, and ends when it is judged."""
    came = max((one.answered_at for one in answers if one.answered_at is not None), default=now)
    return {(item.label, "begin"): min(came, now), (item.label, "end"): now}


async def require_valid_attorney(conn: AsyncConnection, centre: Centre, case: Case) -> None:
    """It was good when the register answered; it has to be so when the application is signed and sent."""
    speaker, answered = case.speaker, (await _answered(conn, case)).get(ATTORNEY)
    if speaker is None or answered is None or answered.answer is None:
        return
    [attorney] = answered.answer["attorneys"]
    code = attorney_problem(attorney, case.applicant, speaker.iin, centre.today())
    if code is not None:
        _, flow = centre.regulation(case.regulation, case.regulation_version)
        raise EgovError("attorney.ran_out", clause=flow.check_registers.clause, reason=code)


async def take_refusal(conn: AsyncConnection, centre: Centre, received: Received, case: Case) -> bool:
    """A gateway did not take the question: it may be asked again (E1). False when what it refused was none."""
    query = await queries.query(conn, received.data["id"])
    if query is None or query.case_id != case.id:
        return False
    require_gateway(received)
    problem, applies = received.data["problem"], query.answered_at is None
    if applies:
        await queries.change_query(conn, query.id, state=QueryState.REFUSED, problem=problem)
    finding, outcome = Finding("unusable", problem["code"]), "applied" if applies else "remembered"
    await _journal_answer(conn, centre, case, query, (received, outcome, finding, None))
    return True


async def _journal_answer(
    conn: AsyncConnection,
    centre: Centre,
    case: Case,
    query: Query,
    what: tuple[Received, str, Finding, float | None],
) -> None:
    received, outcome, finding, used_s = what
    _, flow = centre.regulation(case.regulation, case.regulation_version)
    body = {
        "step": flow.query.label,
        "clause": flow.query.clause,
        "service": centre.settings.code,
        "regulation": case.regulation,
        "channel": flow.channel.code,
        "state_before": case.state.value,
        "state_after": case.state.value,
        "limit_s": query.limit_s,
        "used_s": used_s,
        "outcome": outcome,
        "register": query.register,
        **({"code": finding.code} if finding.code else {}),
        **envelope_facts(received.envelope, received.wire.sha256),
    }
    await note(conn, centre, "envelope", case, body)
    event = "refused" if used_s is None else outcome
    at, code = received.at, finding.code
    await _remember(conn, centre, case, query, event=f"answer_{event}", at=at, used_s=used_s, code=code)


async def _remember(
    conn: AsyncConnection, centre: Centre, case: Case, query: Query, *, event: str, at: datetime, **more: Any
) -> None:
    """One line of the history; only a question that left and an answer that counts reach the step."""
    applied = event in ("asked", "answer_applied")
    detail = {"register": query.register, **({"code": code} if (code := more.get("code")) else {})}
    line = Record(
        case_id=case.id,
        at=at,
        event=event,
        state_before=case.state.value,
        state_after=case.state.value,
        step=centre.regulation(case.regulation, case.regulation_version)[1].query.label,
        clause=query.clause,
        applied=applied,
        envelope_id=query.id,
        limit_s=query.limit_s,
        used_s=more.get("used_s"),
        detail=detail,
    )
    await records.add_record(conn, line)
