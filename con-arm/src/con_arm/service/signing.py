"""From the filled form to the signed envelope, by the operator's own signature. Two calls, because no service ever
holds a person's key. What is wrong with the operator's certificate is a technical error, never a refusal of the
service (A7).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
from egovkit.errors import TRANSIENT, EgovError
from egovkit.signatures.certificates import CertificateFacts, sent_certificate
from egovlaw.catalogue import FlowItem, Regulation
from egovorigin import sending
from egovorigin.domain.members import provider_code
from egovorigin.domain.steps import Moment
from egovorigin.origin import Keep
from egovorigin.sending import Leaving, Parcel, pack
from egovorigin.trail import Taken, note, step_facts, take


@dataclass(frozen=True, slots=True)
class Prepared:
    case: Case
    document: bytes
    certificate: CertificateFacts


Sent = sending.Sent[Case]


async def prepare(
    centre: Centre, operator: Operator, case_id: str, certificate: bytes, keep: Keep[Prepared]
) -> Prepared:
    """Checks the certificate the operator chose and fixes the bytes he will sign."""
    facts = await operators_certificate(centre, operator, certificate)
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


async def operators_certificate(centre: Centre, operator: Operator, certificate: bytes) -> CertificateFacts:
    """A7: the operator's own, good now, and an employee's of the centre: with the БИН under which it is on the bus."""
    chosen = sent_certificate(certificate)
    await centre.signatures.meet(chosen)
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
    _, flow = centre.law_of(case)
    document = case.document or b""
    judged = await check_signature(centre, operator, case, flow.send, (document, signature, case.certificate or ""))
    recipient, data = await pack(centre, case, case.applicant, attached, signature)
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
    said = {} if flow.attach_and_sign else by  # signed in this very step
    leaving = Leaving(flow.send, CaseState.SUBMITTED, moments, flow.after_query)
    return await sending.send(conn, centre, case, replace(parcel, said=said), leaving)
