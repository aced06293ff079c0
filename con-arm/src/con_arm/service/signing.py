"""From the filled form to the signed envelope, by the operator's own signature. Two calls, because no service ever
holds a person's key. What is wrong with the operator's certificate is a technical error, never a refusal of the
service (A7).
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.domain.document import Application, CaseFacts, Signing, application_bytes
from con_arm.domain.people import Operator
from con_arm.domain.states import CaseEvent, CaseState
from con_arm.domain.steps import CentreFlow
from con_arm.service.cases import record, require_after, visible
from con_arm.service.parts import Centre
from con_arm.service.queries import require_valid_attorney
from con_arm.store.cases import Case
from con_arm.store.cases import cases as store
from con_arm.store.files import files
from con_arm.store.records import records
from egovkit.envelope import Envelope
from egovkit.errors import TRANSIENT, EgovError
from egovkit.outbox import Draft
from egovkit.signatures.certificates import CertificateFacts, sent_certificate
from egovlaw.catalogue import FlowItem, Regulation
from egovlaw.kinds import message_type
from egovorigin.attaching import aad
from egovorigin.domain.files import Attachment
from egovorigin.domain.members import provider_code, receiving_system
from egovorigin.domain.steps import Moment, deadline, limit_of, started, used
from egovorigin.origin import INGRESS, Keep
from egovorigin.store.records import Record
from egovorigin.trail import Taken, envelope_facts, note, step_facts, take, trail_of


@dataclass(frozen=True, slots=True)
class Prepared:
    case: Case
    document: bytes
    certificate: CertificateFacts


@dataclass(frozen=True, slots=True)
class Sent:
    case: Case
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes to whom: the data of case.submitted but for its trail; and the signature with what is known of it."""

    recipient: str
    data: Mapping[str, Any]
    signature: bytes
    judged: dict[str, Any]


async def prepare(
    centre: Centre, operator: Operator, case_id: str, certificate: bytes, keep: Keep[Prepared]
) -> Prepared:
    """Checks the certificate the operator chose and fixes the bytes he will sign."""
    facts = operators_certificate(centre, operator, certificate)
    async with centre.db.begin() as conn:
        case = await visible(conn, operator, case_id, lock=True)
        state = require_after(case, CaseEvent.PREPARED)
        regulation, flow = centre.law_of(case)
        await require_valid_attorney(conn, centre, case)
        now = centre.clock.now()
        asked = Application(
            iin=case.applicant,
            representative=case.representative,
            form=case.form,
            papers=case.papers,
            attachments=await files.attachments_of(conn, case_id),
        )
        signing = Signing(operator.id, operator.centre, facts.thumbprint, now)
        document = application_bytes(facts_of_case(case, regulation, flow), asked, signing)
        changed = await store.change_case(
            conn,
            case,
            now,
            state=state,
            certificate=facts.thumbprint,
            signed_by=operator.id,
            document=document,
            prepared_at=now,
            signature=None,
            judged=None,
            problem=None,
        )
        await record(conn, changed, now, "prepared", case.state.value, detail={"certificate": facts.thumbprint})
        prepared = Prepared(changed, document, facts)
        await keep(conn, prepared)
    return prepared


def facts_of_case(case: Case, regulation: Regulation, flow: CentreFlow) -> CaseFacts:
    return CaseFacts(
        case=case.id,
        regulation=regulation.code,
        version=regulation.version,
        provider=provider_code(regulation),
        region=case.region,
        channel=flow.channel.code,
    )


def operators_certificate(centre: Centre, operator: Operator, certificate: bytes) -> CertificateFacts:
    """A7: the operator's own, good now, and an employee's of the centre: with the БИН under which it is on the bus."""
    chosen = sent_certificate(certificate)
    facts = centre.trust.check_person(chosen, centre.clock.now(), operator.iin, "sign")
    if facts.refusal is not None:
        raise EgovError(facts.refusal, thumbprint=facts.thumbprint)
    own = centre.membership.members.get(centre.settings.code)
    if own is None:
        raise EgovError("participant.list_unknown")
    if facts.bin != own.bin:
        raise EgovError("operator.certificate_not_of_centre", bin=facts.bin or "-", expected=own.bin)
    return facts


async def submit(centre: Centre, operator: Operator, case_id: str, signature: bytes, keep: Keep[Sent]) -> Sent:
    """Sends the prepared application with the operator's signature over exactly its bytes. EgovError signature.* and
    certificate.* leave the case as it was."""
    async with centre.db.read() as conn:
        case = await visible(conn, operator, case_id)
        attached = await files.attachments_of(conn, case_id)
        require_after(case, CaseEvent.SUBMITTED)
        await require_valid_attorney(conn, centre, case)
    regulation, flow = centre.law_of(case)
    document = case.document or b""
    judged = await check_signature(centre, operator, case, flow.send, (document, signature, case.certificate or ""))
    recipient = receiving_system(centre.membership.members.members, case.regulation, case.region)
    if recipient is None:
        raise EgovError("provider.not_found", regulation=case.regulation, region=case.region)
    await _store_scans(centre, case, recipient, attached)
    data = {
        "provider": provider_code(regulation),
        "applicant": {"iin": case.applicant},
        "document": base64.b64encode(document).decode(),
        "signature": base64.b64encode(signature).decode(),
        "attachments": [one.as_data() for one in attached],
    }
    async with centre.db.begin() as conn:
        current = await visible(conn, operator, case_id, lock=True)
        if current.document != document or current.state is not CaseState.PREPARED:
            raise EgovError("case.changed_meanwhile")
        sent = await _send(conn, centre, current, Parcel(recipient, data, signature, judged))
        await keep(conn, sent)
    return sent


async def check_signature(
    centre: Centre, operator: Operator, case: Case, item: FlowItem, signed: tuple[bytes, bytes, str]
) -> dict[str, Any]:
    """What is known of a signature that holds, to be kept. `signed`: document, signature and the certificate chosen for
    it. One that does not hold is journalled, refused, and changes nothing: the same bytes may be signed again."""
    document, signature, chosen = signed
    judged: dict[str, Any] | None = None
    try:
        facts = await centre.signatures.verify(document, signature, centre.clock.now(), operator.iin)
    except EgovError as error:
        refused = error
    else:
        code, judged = facts.refusal, facts.as_data()
        if code is None and facts.signer.thumbprint == chosen:
            return judged
        refused = EgovError(code or "signature.other_certificate", thumbprint=facts.signer.thumbprint)
    if refused.code not in TRANSIENT:
        _, flow = centre.regulation(case.regulation, case.regulation_version)
        body = {**step_facts(centre, case, flow, item), "by": operator.id, "outcome": "refusal", "code": refused.code}
        body["judged"] = judged
        async with centre.db.begin() as conn:
            await note(conn, centre, "refusal", case, {**body, "limit_s": None, "used_s": None})
    raise refused


async def _store_scans(centre: Centre, case: Case, recipient: str, attached: Sequence[Attachment]) -> None:
    """Before the envelope that names them. A failure sends nothing; files stored in vain end with their lifetime."""
    for facts in attached:
        async with centre.db.read() as conn:
            sealed = await files.sealed_content(conn, case.id, facts.name)
        if sealed is None:  # the gateway has kept it since an earlier sending
            continue
        content = await asyncio.to_thread(centre.sealer.open, sealed, aad(case.id, facts.sha256))
        await centre.attachments.put(case.id, recipient, facts, content)


async def _send(conn: AsyncConnection, centre: Centre, case: Case, parcel: Parcel) -> Sent:
    _, flow = centre.regulation(case.regulation, case.regulation_version)
    now, by = centre.clock.now(), {"by": case.signed_by, "certificate": case.certificate}
    moments: dict[Moment, datetime] = {
        (flow.check_registers.label, "end"): case.started_at,
        (flow.send.label, "end"): now,
    }
    if flow.attach_and_sign is not None:
        label = flow.attach_and_sign.label
        moments |= {(label, "begin"): case.started_at, (label, "end"): now}
        await take(conn, centre, case, [Taken(flow.attach_and_sign, "done", now, by)], moments)
    envelope = await _enclose(conn, centre, case, parcel, moments)
    spent = used(flow.channel, flow.send, moments)
    body = {
        **step_facts(centre, case, flow, flow.send),
        "limit_s": spent.limit_s,
        "used_s": spent.used_s,
        "outcome": "done",
        **({} if flow.attach_and_sign else by),  # signed in this very step
        "judged": parcel.judged,
        **envelope_facts(envelope),
    }
    await note(conn, centre, "envelope", case, body)
    changed = await store.change_case(
        conn,
        case,
        now,
        state=CaseState.SUBMITTED,
        signature=parcel.signature,
        judged=parcel.judged,
        submitted_at=now,
        recipient=parcel.recipient,
        envelope_id=envelope.id,
        step=flow.send.label,
        receipt=None,
        accepted_at=None,
    )
    await records.add_record(conn, sending(case, changed, "submitted", body))
    return Sent(changed, envelope)


async def _enclose(
    conn: AsyncConnection, centre: Centre, case: Case, parcel: Parcel, moments: Mapping[Moment, datetime]
) -> Envelope:
    """The envelope in the outbox. It expires when the act's limit of sending ends (a submission late at ШЭП's door is
    refused there, and may be prepared again)."""
    _, flow = centre.regulation(case.regulation, case.regulation_version)
    limit = limit_of(flow.channel, flow.send)
    draft = Draft(
        type=message_type("case.submitted"),
        case=case.id,
        recipient=parcel.recipient,
        regulation=case.regulation,
        channel=flow.channel.code,
        step=flow.send.label,
        region=case.region,
        data={**parcel.data, "trail": await trail_of(conn, centre, case.id, flow.after_query)},
        queue=INGRESS,
        expires=deadline(limit, started(limit, moments) or centre.clock.now()),
    )
    return await centre.outbox.send(conn, draft)


def sending(case: Case, changed: Case, event: str, body: Mapping[str, Any]) -> Record:
    """The line of the history about an envelope that leaves, from its journal body."""
    return Record(
        case_id=case.id,
        at=changed.changed_at,
        event=event,
        state_before=case.state.value,
        state_after=changed.state.value,
        step=body["step"],
        clause=body["clause"],
        envelope_id=body["id"],
        limit_s=body["limit_s"],
        used_s=body["used_s"],
    )
