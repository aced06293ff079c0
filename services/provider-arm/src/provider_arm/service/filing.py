"""P5 and P6 of the provider's own channel: the employee signs the filled form, and it is registered at once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from egovkit.errors import EgovError
from egovkit.signatures.certificates import CertificateFacts
from provider_arm.domain.cases import Case, CaseState, Staff, document_bytes
from provider_arm.domain.own import OWN_TRANSITIONS, OwnCase, OwnEvent
from provider_arm.service.context import Workstation, stamp
from provider_arm.service.drafts import Keep, Turn, at_work, owned
from provider_arm.service.registration import next_number, register
from provider_arm.service.signers import OFFICIAL, checked_signature, chosen_certificate
from provider_arm.store import own


@dataclass(frozen=True, slots=True)
class Filled:
    """A draft whose document is fixed, and the certificate it names."""

    draft: OwnCase
    document: bytes
    certificate: CertificateFacts


async def prepare(ws: Workstation, person: Staff, case_id: str, certificate: str, expected: int | None) -> Filled:
    """Checks the employee's certificate (A6, A7) and fixes the bytes he will sign."""
    facts = chosen_certificate(ws, person, certificate)
    _require_employee(ws, facts)
    async with ws.db.begin() as conn:
        turn = await at_work(ws, conn, person, case_id, expected)
        document = document_bytes(await _application(turn, person, facts.thumbprint))
        values = {"document": document, "certificate": facts.thumbprint, "prepared_at": turn.now}
        return Filled(await turn.move(OwnEvent.PREPARED, **values), document, facts)


def _require_employee(ws: Workstation, facts: CertificateFacts) -> None:
    """A7: no act asks for it, so it is a technical error and no item of the flow."""
    if not facts.ekus & OFFICIAL:
        raise EgovError("own_case.certificate_not_employee")
    if facts.bin != ws.bin:
        raise EgovError("own_case.other_organisation", bin=facts.bin or "-", expected=ws.bin)


async def _application(turn: Turn, person: Staff, thumbprint: str) -> dict[str, Any]:
    draft = turn.draft
    return {
        "kind": "application",
        "case": draft.id,
        "regulation": draft.regulation,
        "version": draft.regulation_version,
        "provider": draft.provider,
        "region": draft.region,
        "channel": draft.channel,
        "applicant": {"iin": draft.iin},
        "form": dict(draft.form),
        "papers": list(draft.papers),
        "attachments": [scan.as_data() for scan in await own.scans_of(turn.conn, draft.id)],
        "official": {"name": person.name, "office": person.office},
        "certificate": thumbprint,
        "prepared_at": stamp(turn.now),
    }


async def submit(
    ws: Workstation, person: Staff, case_id: str, signature: bytes, keep: Keep[tuple[OwnCase, Case]]
) -> tuple[OwnCase, Case]:
    """Takes the detached CMS over the prepared bytes; the case gets its number in the same transaction.

    The signature is checked before it: that takes a thread, and whatever changes meanwhile is caught by the version.
    """
    async with ws.db.read() as conn:
        draft = await owned(conn, person, case_id)
        document = await own.document(conn, case_id)
    if document is None or (draft.state, OwnEvent.REGISTERED) not in OWN_TRANSITIONS:
        raise EgovError("own_case.wrong_state", state=draft.state.value)
    signer = await checked_signature(ws, person, document, signature)
    _require_employee(ws, signer)
    if signer.thumbprint != draft.certificate:
        raise EgovError("signature.other_certificate")
    async with ws.db.begin() as conn:
        turn = await at_work(ws, conn, person, case_id, draft.version)
        outcome = await _register(turn, document, signature)
        await keep(conn, outcome)
    return outcome


async def _register(turn: Turn, document: bytes, signature: bytes) -> tuple[OwnCase, Case]:
    procedure, item = turn.flow.procedure, turn.flow.sign
    began = datetime.fromisoformat(turn.draft.trail[-1]["at"])  # the form was shown once the data had been checked
    digest = hashlib.sha256(document).hexdigest()
    measured = procedure.measure(item, began, turn.now)
    trail = [*turn.draft.trail, await turn.step(item, measured=measured, document_sha256=digest)]
    case = await _case(turn)
    draft = await turn.move(OwnEvent.REGISTERED, trail=trail, number=case.number)
    started = turn.now if procedure.started_by(procedure.held, item) else None
    await register(
        turn.ws,
        turn.conn,
        procedure,
        case,
        signed=(document, signature),
        measured=procedure.measure(procedure.held, started, turn.now),
        trail=turn.flow.since_asking(trail),
    )
    return draft, case


async def _case(turn: Turn) -> Case:
    draft, now = turn.draft, turn.now
    *_, question = await own.queries_of(turn.conn, draft.id)
    return Case(
        id=draft.id,
        provider=draft.provider,
        number=await next_number(turn.conn, draft.provider, now),
        regulation=draft.regulation,
        regulation_version=draft.regulation_version,
        channel=draft.channel,
        region=draft.region,
        source=turn.ws.code,
        envelope_id=question.id,
        applicant_iin=draft.iin or "",
        attachments=tuple(scan.as_data() for scan in await own.scans_of(turn.conn, draft.id)),
        verified=True,
        reasons=(),
        state=CaseState.REGISTERED,
        version=1,
        trail=(),
        submitted_at=now,
        received_at=now,
        registered_at=now,
        changed_at=now,
        changed_by=None,
    )
