"""Results given out at this desk: by hand to the applicant, or to the e-mail address of his application.

Where the act's flow has the hand-over as a step (act 516, cl. 6 11)) the official signs the record and ШЭП is told;
where the channel is only named, the record is the desk's own.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError
from egovkit.signatures.profiles import OFFICIALS
from egovlaw.catalogue import FlowItem
from provider_arm.domain.cases import Case, CaseEvent, CaseState, Staff, document_bytes, read_application
from provider_arm.domain.desks import GIVES_OUT, GivenOut, Way, ways_of
from provider_arm.service import work
from provider_arm.service.context import Workstation, stamp
from provider_arm.service.intakes import desk_for
from provider_arm.service.signers import checked_signature, chosen_certificate
from provider_arm.service.sitting import Sitting, about
from provider_arm.store import cases, desks

HANDED_OVER = "case.handed_over"


@dataclass(frozen=True, slots=True)
class Giving:
    way: Way
    to: str | None  # who stands at the desk, by ИИН; absent of an e-mail: the address in the form


async def prepare(ws: Workstation, person: Staff, case_id: str, giving: Giving, certificate: str) -> tuple[Case, bytes]:
    """The record of the hand-over, to sign."""
    facts = await chosen_certificate(ws, person, certificate)
    if not facts.ekus & OFFICIALS:
        raise EgovError("result.certificate_not_official")
    async with ws.db.begin() as conn:
        case = await _case(ws, conn, person, case_id)
        sitting = Sitting.of(ws, conn, person, case)
        item = _step(sitting)
        if item is None or case.state is not CaseState.COMPLETED:
            raise EgovError("give_out.not_prepared")
        to = await _receiver(sitting, giving)
        record = _record(sitting, giving.way, to) | {"step": item.label, "certificate": facts.thumbprint}
        document = document_bytes(record)
        await cases.keep_draft(
            conn, case.id, cases.Draft(person.id, document, facts.thumbprint, case.version, sitting.now)
        )
        return case, document


async def give_out(
    ws: Workstation, person: Staff, case_id: str, giving: Giving | None, signature: bytes | None
) -> Case:
    """The case ends. `signature`: over the prepared record, where the act's flow has the hand-over told."""
    signed = None if signature is None else await _signed(ws, person, case_id, signature)
    async with ws.db.begin() as conn:
        case = await _case(ws, conn, person, case_id)
        if case.state is CaseState.HANDED_OVER:
            return case  # given out before: the second call changes nothing
        sitting = Sitting.of(ws, conn, person, case)
        item = _step(sitting)
        if item is None and giving is not None:
            to = await _receiver(sitting, giving)
            record = (giving.way, to, document_bytes(_record(sitting, giving.way, to)))
        elif item is not None and signed is not None:
            body = json.loads(signed.document)
            record = (Way(body["way"]), str(body["to"]), signed.document)
        else:
            raise EgovError("give_out.not_prepared")
        await _finish(sitting, record, signed if item is not None else None)
        return await work.reloaded(conn, case)


async def _signed(ws: Workstation, person: Staff, case_id: str, signature: bytes) -> cases.Lodged | None:
    """The record he signed; None when the case was given out already."""
    async with ws.db.read() as conn:
        case, draft = await _case(ws, conn, person, case_id, lock=False), await cases.draft(conn, case_id)
    if case.state is CaseState.HANDED_OVER:
        return None
    if draft is None or draft.staff_id != person.id or draft.case_version != case.version:
        raise EgovError("give_out.not_prepared")
    facts = await checked_signature(ws, person, draft.document, signature)
    if facts.signer.thumbprint != draft.certificate:
        raise EgovError("signature.other_certificate")
    return cases.Lodged(draft.document, signature, facts.as_data())


async def _case(ws: Workstation, conn: AsyncConnection, person: Staff, case_id: str, *, lock: bool = True) -> Case:
    """A case that this desk gives out, with its result made."""
    if not person.roles & GIVES_OUT:
        raise EgovError("staff.role_not_enough", needed=sorted(GIVES_OUT), have=sorted(person.roles))
    case = await work.visible_case(conn, person, case_id, lock=lock)
    procedure = ws.procedures.find(case.regulation, case.channel, case.regulation_version)
    if procedure is None and case.source == ws.code:
        desk_for(ws, person, case.regulation, case.channel, GIVES_OUT, version=case.regulation_version)
    elif procedure is None or case.source != ws.code or HANDED_OVER not in procedure.issue.standing:
        raise EgovError("give_out.not_here", channel=case.channel)
    if case.state not in (CaseState.COMPLETED, CaseState.HANDED_OVER):
        raise EgovError("decision.too_early", step="give_out", state=case.state.value)
    return case


def _step(sitting: Sitting) -> FlowItem | None:
    return None if sitting.procedure is None else sitting.procedure.issue


async def _receiver(sitting: Sitting, giving: Giving) -> str:
    case = sitting.case
    ways, field = ways_of(sitting.regulation, sitting.regulation.channels[case.channel])
    if giving.way not in ways:
        raise EgovError("give_out.way_not_allowed", way=giving.way.value, allowed=", ".join(sorted(ways)))
    if giving.way is Way.BY_HAND:
        if giving.to not in (None, case.applicant_iin):  # A10: representatives come at the centre only
            raise EgovError("give_out.other_person")
        return case.applicant_iin
    application = read_application((await cases.application(sitting.conn, case.id)).document)
    address = None if application is None or field is None else application.form.get(field)
    if not isinstance(address, str) or not _is_address(address):
        raise EgovError("give_out.no_address", field=field or "-")
    if giving.to not in (None, address):
        raise EgovError("give_out.other_person")
    return address


def _is_address(text: str) -> bool:
    name, at, host = text.rpartition("@")
    return bool(name and at and "." in host) and not any(one.isspace() for one in text) and len(text) <= 320


def _record(sitting: Sitting, way: Way, to: str) -> dict[str, Any]:
    return {
        "kind": "hand_over",
        **about(sitting.regulation, sitting.case),
        "way": way.value,
        "to": to,
        "official": {"name": sitting.person.name, "office": sitting.person.office},
        "handed_over_at": stamp(sitting.now),
    }


async def _finish(sitting: Sitting, record: tuple[Way, str, bytes], signed: cases.Lodged | None) -> None:
    ws, conn, case, (way, to, document) = sitting.ws, sitting.conn, sitting.case, record
    signature, judged = (None, None) if signed is None else (signed.signature, signed.judged)
    given = GivenOut(case.id, way, to, document, signature, judged, sitting.person.id, sitting.now)
    await desks.add_given_out(conn, given)
    digest = hashlib.sha256(document).hexdigest()
    facts = {"by": sitting.person.id, "way": way.value, "document_sha256": digest, "judged": judged}
    await ws.journal_action(conn, "result.given_out", case.id, **facts)
    await sitting.move(CaseEvent.RESULT_HANDED_OVER, [])
    if signature is None or sitting.procedure is None:
        return
    data = {
        "number": case.number,
        "handed_over_at": stamp(sitting.now),
        "received_by": {"capacity": "applicant", "iin": case.applicant_iin},
        "document": base64.b64encode(document).decode(),
        "signature": base64.b64encode(signature).decode(),
        "version": case.version,
        "trail": [],
        "way": way.value,
    }
    await ws.tell_origin(conn, case, HANDED_OVER, step=sitting.procedure.issue.label, data=data)
