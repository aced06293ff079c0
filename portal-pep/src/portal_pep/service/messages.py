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

from egovkit.errors import EgovError
from egovkit.inbox import Received
from egovkit.signatures.documents import DocumentFacts
from egovlaw.catalogue import FlowItem
from egovorigin.domain.document import day_of, read_document, reasons_in
from egovorigin.domain.states import POSITIVE, BusEvent, is_newer, may_send_again
from egovorigin.store.files import Result
from egovorigin.store.records import Record
from portal_pep.domain.notifications import told_of_extension
from portal_pep.domain.states import after
from portal_pep.domain.texts import NoticeKind
from portal_pep.service.notices import notify
from portal_pep.service.parts import Portal
from portal_pep.service.steps import envelope_facts, note
from portal_pep.store.cases import Case
from portal_pep.store.cases import cases as store
from portal_pep.store.files import files
from portal_pep.store.records import records


@dataclass(frozen=True, slots=True)
class News:
    """A message as it touches the case: the event it means, what it changes, what the applicant is told."""

    event: StrEnum
    changes: Mapping[str, Any] = field(default_factory=dict)
    notice: NoticeKind | None = None
    kk: Mapping[str, str] = field(default_factory=dict)
    ru: Mapping[str, str] = field(default_factory=dict)
    detail: Mapping[str, Any] | None = None
    version: int | None = None  # the owner's; None for the gateways' answers


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of one case in its transaction."""

    conn: AsyncConnection
    portal: Portal
    received: Received
    case: Case
    news: News


async def case_of(conn: AsyncConnection, received: Received) -> Case:
    case = await store.case(conn, received.envelope.subject, lock=True)
    if case is None:
        raise EgovError("case.not_found")
    return case


async def from_owner(conn: AsyncConnection, portal: Portal, received: Received, news: News) -> Case | None:
    """A fact told by the provider's system: only the one the application went to may speak of the case. None when it
    was only written down."""
    case = await case_of(conn, received)
    if case.recipient is None or received.envelope.source != case.recipient:
        raise EgovError("case.not_of_source", source=received.envelope.source)
    turn, version = Turn(conn, portal, received, case, news), news.version or 0
    if not is_newer(version, case.owner_version):
        await _remember(turn)
        return None
    changed = await _apply(turn, owner_version=version, problem=None, step=received.envelope.step)
    if changed is not None:
        await files.forget_contents(conn, case.id)  # the provider has them now
    return changed


async def from_gateway(conn: AsyncConnection, portal: Portal, received: Received, case: Case, news: News) -> None:
    """An answer of a gateway to an envelope of ours; to an earlier one than the last it changes nothing."""
    if not received.facts.member.is_gateway:
        raise EgovError("case.not_of_source", source=received.envelope.source)
    turn = Turn(conn, portal, received, case, news)
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
    if news.event is not BusEvent.REGISTERED:
        await _tell_number(turn, changed)
    if news.notice is not None and _is_told(turn, news.notice):
        await notify(turn.conn, turn.portal, changed, news.notice, kk=news.kk, ru=news.ru)
    return changed


def _is_told(turn: Turn, notice: NoticeKind) -> bool:
    regulation = turn.portal.catalogue.regulation(turn.case.regulation, turn.case.regulation_version)
    return notice is not NoticeKind.EXTENDED or told_of_extension(regulation)


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
    await _tell_number(turn, known)


async def _tell_number(turn: Turn, now: Case) -> None:
    """The applicant hears of the number once, whichever message brings it first."""
    if turn.case.number is None and now.number is not None:
        number = {"number": now.number}
        await notify(turn.conn, turn.portal, now, NoticeKind.REGISTERED, kk=number, ru=number)


def _item_of(turn: Turn, label: str) -> FlowItem | None:
    regulation = turn.portal.catalogue.regulation(turn.case.regulation, turn.case.regulation_version)
    channel = regulation.channels.get(turn.received.envelope.channel) if regulation else None
    return channel.item(label) if channel else None


async def _keep_trail(turn: Turn) -> None:
    """The provider's local steps, as its message reports them: the applicant sees them among the others."""
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
        "service": turn.portal.settings.code,
        "regulation": turn.case.regulation,
        "channel": received.envelope.channel,
        "state_before": turn.case.state.value,
        "state_after": now.state.value,
        "limit_s": last.limit_s,
        "used_s": last.used_s,
        "outcome": "applied" if applied else "remembered",
        **envelope_facts(received.envelope, received.wire.sha256),
    }
    await note(turn.conn, turn.portal, "envelope", turn.case, body)
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


async def accepted(conn: AsyncConnection, portal: Portal, received: Received) -> None:
    case = await case_of(conn, received)
    changes = {"receipt": received.data["receipt"], "accepted_at": received.at}
    news = News(BusEvent.GATEWAY_ACCEPTED, changes, NoticeKind.ACCEPTED)
    await from_gateway(conn, portal, received, case, news)


async def refused_by_gateway(conn: AsyncConnection, portal: Portal, received: Received) -> None:
    """Shown to the applicant with code, side, clause and remedy; may be sent again where that can help."""
    case = await case_of(conn, received)
    problem = received.data["problem"]
    again = may_send_again(problem["code"])
    event = BusEvent.GATEWAY_REFUSED if again else BusEvent.GATEWAY_CLOSED
    changes = {"problem": {**problem, "may_send_again": again}, "started_at": received.at}
    news = News(
        event,
        changes,
        NoticeKind.GATEWAY_REFUSED,
        kk={"problem": problem["title_kk"]},
        ru={"problem": problem["title_ru"]},
        detail={"code": problem["code"], "hop": problem["hop"], "clause": problem["clause"]},
    )
    await from_gateway(conn, portal, received, case, news)


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


async def checked_result(portal: Portal, received: Received) -> DocumentFacts:
    """The provider's signature over the result, checked once, at receipt. One that does not hold is not shown to
    anybody: the message goes to the dead letters, for the operators of both sides."""
    data = received.data
    document, signature = base64.b64decode(data["document"]), base64.b64decode(data["signature"])
    facts = await portal.signatures.verify(document, signature, received.at, None)
    if facts.refusal is not None:
        raise EgovError(facts.refusal)
    return facts


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
