"""Signing and registration in the provider's own channel: the employee signs the filled form, and it has its number at
once, unless the act has the certificate checked after the signing and the check fails (A1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from egovkit.errors import TRANSIENT, EgovError
from egovkit.signatures.certificates import CertificateFacts
from egovkit.signatures.documents import DocumentFacts
from egovkit.signatures.profiles import OFFICIALS
from provider_arm.domain.cases import Case, CaseState, Staff, document_bytes
from provider_arm.domain.own import OwnCase, OwnEvent
from provider_arm.service.context import Keep, Workstation, stamp
from provider_arm.service.drafts import Turn, at_work, flow_of, owned
from provider_arm.service.own_flow import OwnFlow
from provider_arm.service.procedure import Measured
from provider_arm.service.registration import next_number, register, tells
from provider_arm.service.reporting import end_with
from provider_arm.service.signers import checked_signature, chosen_certificate, named_certificate
from provider_arm.store import own
from provider_arm.store.cases import Lodged


@dataclass(frozen=True, slots=True)
class Filled:
    """A draft whose document is fixed, and the certificate it names."""

    draft: OwnCase
    document: bytes
    certificate: CertificateFacts


@dataclass(frozen=True, slots=True)
class SignatureRefused:
    """The draft ended by the act's refusal of the signature."""

    draft: OwnCase
    code: str
    step: str
    clause: str


@dataclass(frozen=True, slots=True)
class Registered:
    draft: OwnCase
    case: Case


Submitted = Registered | SignatureRefused


async def prepare(ws: Workstation, person: Staff, case_id: str, certificate: str, expected: int | None) -> Filled:
    """Fixes the bytes the employee will sign; his certificate is checked now (A6, A7), or later as the act says."""
    async with ws.db.read() as conn:
        flow = flow_of(ws, await owned(conn, person, case_id))
    facts = await _certificate(ws, flow, person, certificate)
    async with ws.db.begin() as conn:
        turn = await at_work(ws, conn, person, case_id, expected)
        document = document_bytes(await _application(turn, person, facts.thumbprint))
        values = {"document": document, "certificate": facts.thumbprint, "prepared_at": turn.now}
        return Filled(await turn.move(OwnEvent.PREPARED, **values), document, facts)


async def _certificate(ws: Workstation, flow: OwnFlow, person: Staff, text: str) -> CertificateFacts:
    if not flow.checks_after_signing:
        facts = await chosen_certificate(ws, person, text)
    elif (facts := await named_certificate(ws, person, text)).refusal is not None:
        return facts  # the act's check will say so
    _require_employee(ws, facts)
    return facts


def _require_employee(ws: Workstation, facts: CertificateFacts) -> None:
    """A7: no act asks for it, so it is a technical error and no item of the flow."""
    if not facts.ekus & OFFICIALS:
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


async def submit(ws: Workstation, person: Staff, case_id: str, signature: bytes, keep: Keep[Submitted]) -> Submitted:
    """Takes the detached CMS over the prepared bytes; the case gets its number in the same transaction.

    The signature is checked before it: that takes a thread, and whatever changes meanwhile is caught by the version.
    """
    async with ws.db.read() as conn:
        draft = await owned(conn, person, case_id)
        document = await own.document(conn, case_id)
    flow = flow_of(ws, draft)
    if document is None or (draft.state, OwnEvent.REGISTERED) not in flow.transitions:
        raise EgovError("own_case.wrong_state", state=draft.state.value)
    facts, refusal = await _judged(ws, flow, person, document, signature)
    if facts.signer.thumbprint != draft.certificate:
        raise EgovError("signature.other_certificate")
    async with ws.db.begin() as conn:
        turn = await at_work(ws, conn, person, case_id, draft.version)
        if refusal is None:
            # The number before the journal, as everywhere: two who hold one and want the other would wait for ever.
            number = await next_number(conn, draft.provider, turn.now)
            trail = await _signed(turn, facts)
            outcome: Submitted = await _register(turn, number, Lodged(document, signature, facts.as_data()), trail)
        else:
            outcome = await _refuse(turn, refusal, await _signed(turn, facts), facts)
        await keep(conn, outcome)
    return outcome


async def _judged(
    ws: Workstation, flow: OwnFlow, person: Staff, document: bytes, signature: bytes
) -> tuple[DocumentFacts, str | None]:
    """What is known of the signature; and, where the act judges it now, why not to confirm it. Who is not to blame may
    try again."""
    if not flow.checks_after_signing:
        facts = await checked_signature(ws, person, document, signature)
        _require_employee(ws, facts.signer)
        return facts, None
    facts = await ws.signatures.verify(document, signature, ws.clock.now(), person.iin)
    if facts.refusal in TRANSIENT:
        raise EgovError(facts.refusal)
    return facts, facts.refusal


async def _signed(turn: Turn, facts: DocumentFacts) -> list[Mapping[str, Any]]:
    """The steps up to the signature; the form was complete when the certificate was chosen."""
    flow, procedure, draft = turn.flow, turn.flow.procedure, turn.draft
    trail: list[Mapping[str, Any]] = list(draft.trail)
    began = datetime.fromisoformat(trail[-1]["at"])  # the form was shown once the data had been checked
    if flow.fills_when_choosing:
        assert draft.prepared_at is not None, "what is signed was prepared"
        began = draft.opened_at if flow.visit is None else datetime.fromisoformat(trail[0]["at"])
        measured = procedure.measure(flow.choose, began, draft.prepared_at)
        trail.append(await turn.step(flow.choose, measured=measured, at=draft.prepared_at))
        began = draft.prepared_at
    measured = procedure.measure(flow.sign, began, turn.now)
    judged = facts.as_data()
    return [*trail, await turn.step(flow.sign, measured=measured, document_sha256=facts.document, judged=judged)]


async def _refuse(turn: Turn, code: str, trail: Sequence[Mapping[str, Any]], facts: DocumentFacts) -> SignatureRefused:
    """A1: signed, checked, not confirmed; the case ends before registration."""
    check, item = turn.flow.check_certificate, turn.flow.refuse_signature
    steps = [*trail, await turn.step(check, "violation", code=code)]
    ending = (OwnEvent.CERTIFICATE_REFUSED, code)
    ended = await end_with(turn, item, ending, steps, check, judged=facts.as_data())
    return SignatureRefused(ended, code, item.label, item.clause)


async def _register(turn: Turn, number: str, lodged: Lodged, trail: Sequence[Mapping[str, Any]]) -> Registered:
    procedure, steps = turn.flow.procedure, list(trail)
    if turn.flow.checks_after_signing:
        steps.append(await turn.step(turn.flow.check_certificate, "ok"))
    untold = turn.flow.since_asking(steps)
    case = await _case(turn, number, () if tells(procedure) else tuple(untold))
    draft = await turn.move(OwnEvent.REGISTERED, trail=steps, number=case.number)
    measured = _registration_time(turn)
    await register(turn.ws, turn.conn, procedure, case, lodged=lodged, measured=measured, trail=untold)
    return Registered(draft, case)


def _registration_time(turn: Turn) -> Measured:
    procedure = turn.flow.procedure
    started = turn.now if procedure.started_by(procedure.held, turn.flow.sign) else None
    return procedure.measure(procedure.held, started, turn.now)


async def _case(turn: Turn, number: str, untold: tuple[Mapping[str, Any], ...]) -> Case:
    """`untold`: steps that the provider's first message will carry, where registration has none."""
    draft, now = turn.draft, turn.now
    questions = await own.queries_of(turn.conn, draft.id)
    return Case(
        id=draft.id,
        provider=draft.provider,
        number=number,
        regulation=draft.regulation,
        regulation_version=draft.regulation_version,
        channel=draft.channel,
        region=draft.region,
        source=turn.ws.code,
        envelope_id=questions[-1].id if questions else draft.id,  # no envelope led to a case born here
        applicant_iin=draft.iin or "",
        attachments=tuple(scan.as_data() for scan in await own.scans_of(turn.conn, draft.id)),
        verified=True,
        reasons=(),
        state=CaseState.REGISTERED,
        version=1,
        trail=untold,
        submitted_at=now,
        received_at=now,
        registered_at=now,
        changed_at=now,
        changed_by=None,
    )
