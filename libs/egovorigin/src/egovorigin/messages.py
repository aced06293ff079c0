"""What the bus tells of a case: the gateways' answers and the owner's facts. Each is applied once and in any order.

A status carries its owner's version: what is not newer than what is known goes into the history and changes nothing.
"""

from __future__ import annotations

import base64
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError
from egovkit.inbox import Received
from egovkit.signatures.documents import DocumentFacts
from egovkit.signatures.profiles import OFFICIALS
from egovlaw.catalogue import FlowItem
from egovorigin.domain.document import day_of, read_document, reasons_in
from egovorigin.domain.states import POSITIVE, BusEvent, is_newer, may_send_again
from egovorigin.origin import AnyOrigin, News, Turn
from egovorigin.store.cases import OriginCase
from egovorigin.store.files import Result
from egovorigin.store.records import Record
from egovorigin.trail import envelope_facts, note

AnyTurn = Turn[Any]


async def case_of(conn: AsyncConnection, origin: AnyOrigin, received: Received) -> Any:
    """The message's case, locked; EgovError case.not_found."""
    case = await origin.cases.case(conn, received.envelope.subject, lock=True)
    if case is None:
        raise EgovError("case.not_found")
    return case


async def from_owner(conn: AsyncConnection, origin: AnyOrigin, received: Received, news: News) -> Any:
    """A fact told by the provider's system: only the one the application went to may speak of the case. None when it
    was only written down."""
    case = await case_of(conn, origin, received)
    if case.recipient is None or received.envelope.source != case.recipient:
        raise EgovError("case.not_of_source", source=received.envelope.source)
    turn, version = Turn(conn, received, case, news), news.version or 0
    if not is_newer(version, case.owner_version):
        await _remember(origin, turn)
        return None
    changed = await _apply(origin, turn, owner_version=version, problem=None, step=received.envelope.step)
    if changed is not None:
        await origin.files.forget_contents(conn, case.id)  # the provider has them now
    return changed


async def from_gateway(
    conn: AsyncConnection, origin: AnyOrigin, received: Received, case: OriginCase, news: News
) -> None:
    """An answer of a gateway to an envelope of ours; to an earlier one than the last it changes nothing."""
    require_gateway(received)
    turn = Turn(conn, received, case, news)
    if received.data["id"] == case.envelope_id:
        await _apply(origin, turn)
    else:
        await _remember(origin, turn)


def require_gateway(received: Received) -> None:
    if not received.facts.member.is_gateway:
        raise EgovError("case.not_of_source", source=received.envelope.source)


async def _apply(origin: AnyOrigin, turn: AnyTurn, **more: Any) -> Any:
    case, news = turn.case, turn.news
    state = origin.after(case.state, news.event)
    if state is None:
        await _remember(origin, turn)
        return None
    changed = await origin.cases.change_case(turn.conn, case, turn.received.at, state=state, **more, **news.changes)
    await _keep_trail(origin, turn)
    await _journal(origin, turn, changed, applied=True)
    await origin.heard(turn, changed, applied=True)
    return changed


async def _remember(origin: AnyOrigin, turn: AnyTurn) -> None:
    """Older than what is known, or meaningless where the case stands: kept for the record only. A number or a moment
    that a later message did not bring along is still news; a receipt of an earlier envelope is not."""
    names = ("number", "registered_at") if turn.news.version is not None else ()
    if turn.received.data.get("id") == turn.case.envelope_id:
        names = (*names, "receipt", "accepted_at")
    changes = turn.news.changes
    missing = {name: changes[name] for name in names if changes.get(name) and getattr(turn.case, name) is None}
    known = turn.case
    if missing:
        known = await origin.cases.change_case(turn.conn, turn.case, turn.received.at, **missing)
    await _journal(origin, turn, known, applied=False)
    await origin.heard(turn, known, applied=False)


def _item_of(origin: AnyOrigin, turn: AnyTurn, label: str) -> FlowItem | None:
    regulation = origin.catalogue.regulation(turn.case.regulation, turn.case.regulation_version)
    channel = regulation.channels.get(turn.received.envelope.channel) if regulation else None
    return channel.item(label) if channel else None


async def _keep_trail(origin: AnyOrigin, turn: AnyTurn) -> None:
    """The provider's local steps, as its message reports them: people see them among the others."""
    for step in turn.received.data.get("trail", ()):
        item = _item_of(origin, turn, step["step"])
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
            await origin.records.add_record(turn.conn, record)


async def _journal(origin: AnyOrigin, turn: AnyTurn, now: OriginCase, *, applied: bool) -> None:
    """One journal row and one line of the history, with what the last gateway says the step used of its limit."""
    received, news = turn.received, turn.news
    last = received.receipts[-1]
    item = _item_of(origin, turn, received.envelope.step) if news.version is not None else None
    body = {
        "step": item.label if item else None,
        "clause": item.clause if item else None,
        "service": origin.settings.code,
        "regulation": turn.case.regulation,
        "channel": received.envelope.channel,
        "state_before": turn.case.state.value,
        "state_after": now.state.value,
        "limit_s": last.limit_s,
        "used_s": last.used_s,
        "outcome": "applied" if applied else "remembered",
        **envelope_facts(received.envelope, received.wire.sha256),
    }
    if isinstance(received.prepared, DocumentFacts):
        body["judged"] = received.prepared.as_data()
    await note(turn.conn, origin, "envelope", turn.case, body)
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
    await origin.records.add_record(turn.conn, record)


async def accepted(conn: AsyncConnection, origin: AnyOrigin, received: Received) -> None:
    case = await case_of(conn, origin, received)
    changes = {"receipt": received.data["receipt"], "accepted_at": received.at}
    await from_gateway(conn, origin, received, case, News(BusEvent.GATEWAY_ACCEPTED, changes))


def refusal(received: Received, event: StrEnum | None = None, **changes: Any) -> News:
    """A gateway's refusal of an envelope: shown with code, side, clause and remedy; what was refused may be sent again
    where that can help. `event`: what it means instead, where the envelope was no application."""
    problem = received.data["problem"]
    again = may_send_again(problem["code"])
    meant = BusEvent.GATEWAY_REFUSED if again else BusEvent.GATEWAY_CLOSED
    return News(
        event or meant,
        {"problem": {**problem, "may_send_again": again}, **changes},
        detail={"code": problem["code"], "hop": problem["hop"], "clause": problem["clause"]},
    )


async def keep_refusal(conn: AsyncConnection, origin: AnyOrigin, received: Received) -> None:
    data = received.data
    await origin.files.put_result(
        conn,
        Result(
            case_id=received.envelope.subject,
            kind="refusal",
            document=base64.b64decode(data["document"]),
            signature=None,
            reasons=data["reasons"],
            issued_at=moment(data["refused_at"]),
            received_at=received.at,
            judged=None,
        ),
    )


async def keep_result(conn: AsyncConnection, origin: AnyOrigin, received: Received, facts: DocumentFacts) -> None:
    data = received.data
    outcome, document = data.get("outcome", POSITIVE), base64.b64decode(data["document"])
    page = data.get("page", {})
    content = read_document(document)
    await origin.files.put_result(
        conn,
        Result(
            case_id=received.envelope.subject,
            kind="result" if outcome == POSITIVE else "refusal",
            document=document,
            signature=base64.b64decode(data["signature"]),
            reasons=None if outcome == POSITIVE else reasons_in(content),
            issued_at=moment(data["completed_at"]),
            received_at=received.at,
            judged=facts.as_data(),
            outcome=outcome,
            variant=data.get("variant"),
            valid_until=day_of(content, "valid_until"),
            page_sha256=page.get("sha256"),
            page_size=page.get("size"),
        ),
    )


async def checked_result(origin: AnyOrigin, received: Received) -> DocumentFacts:
    """The provider's signature over the result, checked once, at receipt. One that does not hold is not shown to
    anybody: the message goes to the dead letters, for the operators of both sides."""
    data = received.data
    document, signature = base64.b64decode(data["document"]), base64.b64decode(data["signature"])
    facts = await origin.signatures.verify(document, signature, received.at, None)
    if facts.refusal is not None:
        raise EgovError(facts.refusal)
    if not facts.signer.ekus & OFFICIALS:
        raise EgovError("result.certificate_not_official")
    return facts


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
