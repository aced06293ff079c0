"""The result, or the refusal where the act has it handed over, at the counter: given to the consumer or his
representative, by a record the operator signs."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.domain.document import Signing, hand_over_bytes
from con_arm.domain.people import Operator
from con_arm.domain.states import CaseEvent, CaseState
from con_arm.domain.steps import CentreFlow
from con_arm.service.cases import record, require_after, visible
from con_arm.service.parts import Centre
from con_arm.service.signing import Prepared, Sent, check_signature, facts_of_case, operators_certificate
from con_arm.store.cases import Case
from con_arm.store.cases import cases as store
from con_arm.store.files import HandOver, files
from con_arm.store.records import records
from egovkit.envelope import Envelope
from egovkit.errors import EgovError
from egovkit.outbox import Draft
from egovlaw.kinds import message_type
from egovorigin.domain.document import stamp
from egovorigin.domain.steps import Moment, limit_of, used
from egovorigin.origin import INGRESS, Keep
from egovorigin.sending import sending
from egovorigin.trail import envelope_facts, note, step_facts

APPLICANT, REPRESENTATIVE = "applicant", "representative"


@dataclass(frozen=True, slots=True)
class Receiver:
    capacity: str
    iin: str


async def prepare_hand_over(
    centre: Centre, operator: Operator, case_id: str, wish: tuple[Receiver, bytes], keep: Keep[Prepared]
) -> Prepared:
    """The bytes of the record, for the operator to sign. `wish`: who receives, and the operator's certificate."""
    receiver, certificate = wish
    facts = await operators_certificate(centre, operator, certificate)
    async with centre.db.begin() as conn:
        case = await visible(conn, operator, case_id, lock=True)
        regulation, flow = centre.regulation(case.regulation, case.regulation_version)
        _require_waiting(case, flow)
        _require_party(case, receiver)
        result = await files.result_of(conn, case_id)
        if result is None or case.number is None:
            raise EgovError("result.not_ready", state=case.state.value)
        now = centre.clock.now()
        document = hand_over_bytes(
            facts_of_case(case, regulation, flow),
            Signing(operator.id, operator.centre, facts.thumbprint, now),
            number=case.number,
            status_version=case.owner_version,
            result=hashlib.sha256(result.document).hexdigest(),
            received_by={"capacity": receiver.capacity, "iin": receiver.iin},
        )
        draft = HandOver(case_id, operator.id, receiver.capacity, receiver.iin, facts.thumbprint, document, now)
        await files.put_hand_over(conn, draft)
        await record(conn, case, now, "hand_over_prepared", case.state.value, detail={"capacity": receiver.capacity})
        prepared = Prepared(case, document, facts)
        await keep(conn, prepared)
    return prepared


def _require_waiting(case: Case, flow: CentreFlow) -> CaseState:
    """Something waits at the counter: a result, or the refusal where the act has that handed over (D17)."""
    if case.state is CaseState.REFUSED and not flow.refusal_is_handed_over:
        raise EgovError("case.wrong_state", state=case.state.value)
    return require_after(case, CaseEvent.HANDED_OVER)


def _require_party(case: Case, receiver: Receiver) -> None:
    """The result is handed to the consumer, or to the representative who applied for him, and to nobody else."""
    speaker = case.speaker
    parties = {APPLICANT: case.iin, REPRESENTATIVE: None if speaker is None else speaker.iin}
    if parties.get(receiver.capacity) != receiver.iin:
        raise EgovError("hand_over.not_a_party", capacity=receiver.capacity)


async def hand_over(centre: Centre, operator: Operator, case_id: str, signature: bytes, keep: Keep[Sent]) -> Sent:
    """Takes the operator's signature over the record and tells the provider. The case ends."""
    async with centre.db.read() as conn:
        case = await visible(conn, operator, case_id)
        _, flow = centre.regulation(case.regulation, case.regulation_version)
        _require_waiting(case, flow)
        draft = await files.hand_over_of(conn, case_id)
    if draft is None:
        raise EgovError("hand_over.not_prepared")
    signed = (draft.document, signature, draft.certificate)
    judged = await check_signature(centre, operator, case, flow.hand_over, signed)
    async with centre.db.begin() as conn:
        current = await visible(conn, operator, case_id, lock=True)
        if await files.hand_over_of(conn, case_id) != draft:
            raise EgovError("case.changed_meanwhile")
        sent = await _send(conn, centre, current, replace(draft, signature=signature, judged=judged))
        await keep(conn, sent)
    return sent


async def _send(conn: AsyncConnection, centre: Centre, case: Case, draft: HandOver) -> Sent:
    _, flow = centre.regulation(case.regulation, case.regulation_version)
    state, now = _require_waiting(case, flow), centre.clock.now()
    envelope = await _enclose(conn, centre, case, draft)
    body = {
        **step_facts(centre, case, flow, flow.hand_over),
        "state_before": case.state.value,
        "state_after": state.value,
        "by": draft.operator_id,
        **_measured(centre, flow, draft, now),
        "outcome": "done",
        "judged": draft.judged,
        **envelope_facts(envelope),
    }
    await note(conn, centre, "envelope", case, body)
    await files.put_hand_over(conn, replace(draft, handed_over_at=now))
    changed = await store.change_case(
        conn, case, now, state=state, step=flow.hand_over.label, envelope_id=envelope.id, problem=None
    )
    await records.add_record(conn, sending(case, changed, "handed_over", body))
    return Sent(changed, envelope)


def _measured(centre: Centre, flow: CentreFlow, draft: HandOver, now: datetime) -> dict[str, float | None]:
    """The act's limit of this step where it is the counter's: from the record to its signature. Elsewhere it is the
    provider's, and ended with the result."""
    limit = limit_of(flow.channel, flow.hand_over)
    if limit is None or limit.measured_by != centre.settings.code:
        return {"limit_s": None, "used_s": None}
    label = flow.hand_over.label
    moments: dict[Moment, datetime] = {(label, "begin"): draft.prepared_at, (label, "end"): now}
    spent = used(flow.channel, flow.hand_over, moments)
    return {"limit_s": spent.limit_s, "used_s": spent.used_s}


async def _enclose(conn: AsyncConnection, centre: Centre, case: Case, draft: HandOver) -> Envelope:
    _, flow = centre.regulation(case.regulation, case.regulation_version)
    told = Draft(
        type=message_type("case.handed_over"),
        case=case.id,
        recipient=case.recipient or "",
        regulation=case.regulation,
        channel=flow.channel.code,
        step=flow.hand_over.label,
        region=case.region,
        data={
            "number": case.number,
            "handed_over_at": stamp(centre.clock.now()),
            "received_by": {"capacity": draft.capacity, "iin": draft.iin},
            "document": base64.b64encode(draft.document).decode(),
            "signature": base64.b64encode(draft.signature or b"").decode(),
            "version": case.owner_version,
            "trail": [],
        },
        queue=INGRESS,
    )
    return await centre.outbox.send(conn, told)


def not_taken(case: Case) -> CaseEvent | None:
    """What a gateway's refusal means of a case that was handed over: its record has to be signed and sent again."""
    if case.state is not CaseState.HANDED_OVER:
        return None
    letter = case.outcome is None  # a refusal has no outcome, every result has one
    return CaseEvent.LETTER_NOT_TAKEN if letter else CaseEvent.HAND_OVER_REFUSED
