"""What the bus tells of a case: the gateways' answers and the owner's facts. Each is applied once and in any order.

A status carries its owner's version: what is not newer than what is known goes into the history and changes nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.domain.states import CaseEvent, CaseState, after
from con_arm.service.parts import Centre
from con_arm.service.queries import take_answer, take_refusal
from con_arm.service.steps import envelope_facts, note
from con_arm.store import queries
from con_arm.store.cases import Case
from con_arm.store.cases import cases as store
from con_arm.store.files import files
from con_arm.store.records import records
from egovkit.errors import EgovError
from egovkit.inbox import Received
from egovkit.signatures.documents import DocumentFacts
from egovlaw.catalogue import FlowItem
from egovorigin.domain.document import day_of, read_document, reasons_in
from egovorigin.domain.states import POSITIVE, BusEvent, is_newer, may_send_again
from egovorigin.store.files import Result
from egovorigin.store.records import Record


@dataclass(frozen=True, slots=True)
class News:
    """A message as it touches the case: the event it means and what it changes."""

    event: StrEnum
    changes: Mapping[str, Any] = field(default_factory=dict)
    detail: Mapping[str, Any] | None = None
    version: int | None = None  # the owner's; None for the gateways' answers


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of one case in its transaction."""

    conn: AsyncConnection
    centre: Centre
    received: Received
    case: Case
    news: News


async def case_of(conn: AsyncConnection, received: Received) -> Case:
    case = await store.case(conn, received.envelope.subject, lock=True)
    if case is None:
        raise EgovError("case.not_found")
    return case


async def from_owner(conn: AsyncConnection, centre: Centre, received: Received, news: News) -> Case | None:
    """A fact told by the provider's system: only the one the application went to may speak of the case. None when it
    was only written down."""
    case = await case_of(conn, received)
    if case.recipient is None or received.envelope.source != case.recipient:
        raise EgovError("case.not_of_source", source=received.envelope.source)
    turn, version = Turn(conn, centre, received, case, news), news.version or 0
    if not is_newer(version, case.owner_version):
        await _remember(turn)
        return None
    changed = await _apply(turn, owner_version=version, problem=None, step=received.envelope.step)
    if changed is not None:
        await files.forget_contents(conn, case.id)  # the provider has them now
    return changed


async def from_gateway(conn: AsyncConnection, centre: Centre, received: Received, case: Case, news: News) -> None:
    """An answer of a gateway to an envelope of ours; to an earlier one than the last it changes nothing."""
    if not received.facts.member.is_gateway:
        raise EgovError("case.not_of_source", source=received.envelope.source)
    turn = Turn(conn, centre, received, case, news)
    if received.data["id"] == case.envelope_id:
        await _apply(turn)
    else:
        await _remember(turn)


async def _apply(turn: Turn, **more: Any) -> Case | None:
    case, news = turn.case, turn.news
    state = after(case.state, news.event)
    if state is None:
        await _remember(turn)
        return None
    changed = await store.change_case(turn.conn, case, turn.received.at, state=state, **more, **news.changes)
    await _keep_trail(turn)
    await _journal(turn, changed, applied=True)
    return changed


async def _remember(turn: Turn) -> None:
    """Older than what is known, or meaningless where the case stands: kept for the record only. A number or a moment
    that a later message did not bring along is still news; a receipt of an earlier envelope is not."""
    names = ("number", "registered_at") if turn.news.version is not None else ()
    if turn.received.data.get("id") == turn.case.envelope_id:
        names = (*names, "receipt", "accepted_at")
    changes = turn.news.changes
    missing = {name: changes[name] for name in names if changes.get(name) and getattr(turn.case, name) is None}
    known = turn.case
    if missing:
        known = await store.change_case(turn.conn, turn.case, turn.received.at, **missing)
    await _journal(turn, known, applied=False)


def _item_of(turn: Turn, label: str) -> FlowItem | None:
    regulation = turn.centre.catalogue.regulation(turn.case.regulation, turn.case.regulation_version)
    channel = regulation.channels.get(turn.received.envelope.channel) if regulation else None
    return channel.item(label) if channel else None


async def _keep_trail(turn: Turn) -> None:
    """The provider's local steps, as its message reports them: the operator sees them among the others."""
    for step in turn.received.data.get("trail", ()):
        item = _item_of(turn, step["step"])
        if item is not None:
            record = Record(
                case_id=turn.case.id,
                at=moment(step["at"]),
                event=f"step.{step['outcome']}",
                state_before=turn.case.state.value,
                state_after=turn.case.state.value,
                step=item.label,
                clause=item.clause,
                envelope_id=turn.received.envelope.id,
            )
            await records.add_record(turn.conn, record)


async def _journal(turn: Turn, now: Case, *, applied: bool) -> None:
    """One journal row and one line of the history, with what the last gateway says the step used of its limit."""
    received, news = turn.received, turn.news
    last = received.receipts[-1]
    item = _item_of(turn, received.envelope.step) if news.version is not None else None
    body = {
        "step": item.label if item else None,
        "clause": item.clause if item else None,
        "service": turn.centre.settings.code,
        "regulation": turn.case.regulation,
        "channel": received.envelope.channel,
        "state_before": turn.case.state.value,
        "state_after": now.state.value,
        "limit_s": last.limit_s,
        "used_s": last.used_s,
        "outcome": "applied" if applied else "remembered",
        **envelope_facts(received.envelope, received.wire.sha256),
    }
    await note(turn.conn, turn.centre, "envelope", turn.case, body)
    record = Record(
        case_id=turn.case.id,
        at=received.at,
        event=news.event.value,
        state_before=body["state_before"],
        state_after=body["state_after"],
        step=body["step"],
        clause=body["clause"],
        applied=applied,
        version=news.version,
        envelope_id=received.envelope.id,
        limit_s=last.limit_s,
        used_s=last.used_s,
        detail=dict(news.detail) if news.detail else None,
    )
    await records.add_record(turn.conn, record)


async def accepted(conn: AsyncConnection, centre: Centre, received: Received) -> None:
    case = await case_of(conn, received)
    changes = {"receipt": received.data["receipt"], "accepted_at": received.at}
    news = News(BusEvent.GATEWAY_ACCEPTED, changes)
    await from_gateway(conn, centre, received, case, news)


async def answered(conn: AsyncConnection, centre: Centre, received: Received) -> None:
    await take_answer(conn, centre, received, await case_of(conn, received))


async def refused_by_gateway(conn: AsyncConnection, centre: Centre, received: Received) -> None:
    """Shown to the operator with code, side, clause and remedy; may be done again where that can help."""
    case = await case_of(conn, received)
    query = await queries.query(conn, received.data["id"])
    if query is not None and query.case_id == case.id:
        if not received.facts.member.is_gateway:
            raise EgovError("case.not_of_source", source=received.envelope.source)
        await take_refusal(conn, centre, received, case, query)
        return
    problem = received.data["problem"]
    again = may_send_again(problem["code"])
    event: StrEnum = BusEvent.GATEWAY_REFUSED if again else BusEvent.GATEWAY_CLOSED
    if case.state is CaseState.HANDED_OVER:
        letter = case.outcome is None  # a refusal has no outcome, every result has one
        event = CaseEvent.LETTER_NOT_TAKEN if letter else CaseEvent.HAND_OVER_REFUSED
    news = News(
        event,
        {"problem": {**problem, "may_send_again": again}},
        detail={"code": problem["code"], "hop": problem["hop"], "clause": problem["clause"]},
    )
    await from_gateway(conn, centre, received, case, news)


async def keep_refusal(conn: AsyncConnection, received: Received, case: Case) -> None:
    data = received.data
    await files.put_result(
        conn,
        Result(
            case_id=case.id,
            kind="refusal",
            document=base64.b64decode(data["document"]),
            signature=None,
            reasons=data["reasons"],
            issued_at=moment(data["refused_at"]),
            received_at=received.at,
            check=None,
        ),
    )


async def keep_result(conn: AsyncConnection, received: Received, case: Case, facts: DocumentFacts) -> None:
    data = received.data
    check = {
        "intact": facts.intact,
        "checked_at": received.at.isoformat(),
        "signed_at": facts.signing_time.isoformat() if facts.signing_time else None,
        "certificate": facts.signer.thumbprint,
        "subject": facts.signer.subject_cn,
        "bin": facts.signer.bin,
        "serial": facts.signer.serial,
        "not_after": facts.signer.not_after.isoformat(),
    }
    outcome, document = data.get("outcome", POSITIVE), base64.b64decode(data["document"])
    content = read_document(document)
    await files.put_result(
        conn,
        Result(
            case_id=case.id,
            kind="result" if outcome == POSITIVE else "refusal",
            document=document,
            signature=base64.b64decode(data["signature"]),
            reasons=None if outcome == POSITIVE else reasons_in(content),
            issued_at=moment(data["completed_at"]),
            received_at=received.at,
            check=check,
            outcome=outcome,
            variant=data.get("variant"),
            valid_until=day_of(content, "valid_until"),
        ),
    )


async def checked_result(centre: Centre, received: Received) -> DocumentFacts:
    """The provider's signature over the result, checked once, at receipt. One that does not hold is not shown to
    anybody: the message goes to the dead letters, for the operators of both sides."""
    data = received.data
    document, signature = base64.b64decode(data["document"]), base64.b64decode(data["signature"])
    facts = await centre.signatures.verify(document, signature, received.at, None)
    if facts.refusal is not None:
        raise EgovError(facts.refusal)
    return facts


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
