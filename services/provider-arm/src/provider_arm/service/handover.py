"""The centre's word that it gave the result to the consumer: its operator's signed record, checked and kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError
from egovkit.inbox import Received
from provider_arm.domain.cases import TRANSITIONS, CaseEvent, CaseState, read_application
from provider_arm.service.context import Workstation
from provider_arm.service.procedure import Measured
from provider_arm.service.signers import Expected, Signed, doubts
from provider_arm.store import cases
from provider_arm.store.cases import HandOver


@dataclass(frozen=True, slots=True)
class CheckedRecord:
    signed: Signed
    reasons: tuple[str, ...]  # not to believe it
    judged: dict[str, Any] | None


async def check_record(ws: Workstation, received: Received) -> CheckedRecord:
    """The operator's signature, as that over an application of his centre; and that the record is about this case."""
    signed = Signed.of(received.data["document"], received.data["signature"])
    record = read_application(signed.document or b"")
    reasons = []
    if record is None:
        reasons.append("document.malformed")
    elif record.body.get("case") != received.envelope.subject:
        reasons.append("document.other_case")
    at = min((receipt.received for receipt in received.receipts), default=received.at)
    found, facts = await doubts(ws, signed, at, Expected(bin=received.facts.member.bin))
    return CheckedRecord(signed, (*reasons, *found), None if facts is None else facts.as_data())


async def record_hand_over(ws: Workstation, conn: AsyncConnection, received: Received) -> None:
    """P9 of the centre channel ends the case. A fact is not refused for a bad record: it is kept as not believed."""
    envelope, data = received.envelope, received.data
    case = await cases.get(conn, envelope.subject, lock=True)
    if case is None or case.source != envelope.source:
        raise EgovError("case.not_of_source", source=envelope.source)
    if await cases.hand_over(conn, case.id) is not None:
        return  # the same hand-over under another envelope id
    procedure = ws.procedures.of(case.regulation, case.channel, case.regulation_version)
    after = TRANSITIONS.get((case.state, CaseEvent.RESULT_HANDED_OVER))
    if after is None or (case.state is CaseState.REFUSED and not procedure.refusal_is_handed_over):
        raise EgovError("case.wrong_state", state=case.state.value)
    checked: CheckedRecord = received.prepared
    record = HandOver(
        case_id=case.id,
        handed_over_at=datetime.fromisoformat(data["handed_over_at"]),
        capacity=data["received_by"]["capacity"],
        iin=data["received_by"]["iin"],
        status_version=data["version"],
        document=checked.signed.document or b"",
        signature=checked.signed.signature or b"",
        reasons=list(checked.reasons),
        judged=checked.judged,
    )
    await cases.add_hand_over(conn, record)
    values = {"state": after.value, "changed_at": ws.clock.now(), "changed_by": None}
    if not await cases.change(conn, case, values):
        raise await ws.conflict(conn, case)
    last = received.receipts[-1]
    await ws.note_envelope(
        conn,
        envelope,
        procedure.issue,
        states=(case.state.value, after.value),
        outcome="applied",
        measured=Measured(last.limit_s, last.used_s, None, None),
        sha256=received.wire.sha256,
        reasons=record.reasons,
        judged=record.judged,
    )
