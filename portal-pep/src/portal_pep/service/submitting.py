"""Sending: the signature is checked, the copies are stored at the gateway, the envelope leaves with the commit."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError
from egovkit.files import Attachment
from egovkit.signatures.documents import DocumentFacts
from egovorigin import sending
from egovorigin.domain.steps import Moment
from egovorigin.origin import Keep
from egovorigin.sending import Leaving, Parcel, Sent, pack
from egovorigin.store.records import Record
from egovorigin.trail import note, step_facts, take
from portal_pep.domain.co_signing import CoSignature
from portal_pep.domain.states import CaseState
from portal_pep.domain.steps import PortalFlow
from portal_pep.service.asking import ask
from portal_pep.service.cases import owned
from portal_pep.service.ending import end_by_certificate
from portal_pep.service.parts import Portal
from portal_pep.service.signing import UNKNOWN, SignatureRefused, require_prepared, signed, signing_steps
from portal_pep.store import co_signatures
from portal_pep.store.accounts import Account
from portal_pep.store.cases import Case
from portal_pep.store.cases import cases as store
from portal_pep.store.files import files
from portal_pep.store.records import records


@dataclass(frozen=True, slots=True)
class Awaiting:
    """Signed by the applicant; those he named have yet to sign."""

    case: Case


Submitted = Sent[Case]
Outcome = Submitted | Awaiting | SignatureRefused


async def submit(portal: Portal, account: Account, case_id: str, signature: bytes, keep: Keep[Outcome]) -> Outcome:
    """Sends the prepared application with the citizen's signature over exactly its bytes, or keeps it until those have
    signed whom he named.

    EgovError signature.* leaves the case as it was: the same document may be signed again. A certificate that is not
    good, or went bad since the preparation, is the act's refusal.
    """
    async with portal.db.read() as conn:
        case = await owned(conn, account, case_id)
        attached = await files.attachments_of(conn, case_id)
        named = await co_signatures.of_case(conn, case_id)
    _, flow = portal.law_of(case)
    document, chosen = require_prepared(case)
    facts = await _checked_signature(portal, case, flow, document, signature)
    refusal = _refusal_of(facts, flow, chosen)
    if refusal is not None:
        return await _refuse(portal, case, facts, keep)
    parcel = None if named else await parcel_of(portal, case, attached, (signature, facts), ())
    async with portal.db.begin() as conn:
        current = await owned(conn, account, case_id, lock=True)
        if current.document != document or current.state is not CaseState.PREPARED:
            raise EgovError("case.changed_meanwhile")
        if parcel is None:
            done: Outcome = await _ask_others(conn, portal, current, named, (signature, facts))
        else:
            done = await send(conn, portal, current, parcel)
        await keep(conn, done)
    return done


async def parcel_of(
    portal: Portal,
    case: Case,
    attached: Sequence[Attachment],
    signed: tuple[bytes, DocumentFacts],
    others: Sequence[CoSignature],
) -> Parcel:
    """The copies are at the gateway afterwards. EgovError provider.not_found, attachment.store_unavailable."""
    signature, facts = signed
    recipient, data = await pack(portal, case, case.iin, attached, signature)
    if others:
        data["co_signatures"] = [
            {"role": one.role, "iin": one.iin, "signature": base64.b64encode(one.signature or b"").decode()}
            for one in others
        ]
    co_judged = [{"role": one.role, "judged": one.judged} for one in others]
    said = {"co_signatures": co_judged} if co_judged else {}
    return Parcel(recipient, data, signature, facts.as_data(), said)


async def _ask_others(
    conn: AsyncConnection,
    portal: Portal,
    case: Case,
    named: Sequence[CoSignature],
    signed: tuple[bytes, DocumentFacts],
) -> Awaiting:
    """No step of the act is over: its clock begins when all have signed (ADR 19)."""
    (signature, facts), now = signed, portal.clock.now()
    judged = facts.as_data()
    state = CaseState.CO_SIGNING
    changed = await store.change_case(conn, case, now, state=state, signature=signature, judged=judged)
    body = {"action": "application.signed", "service": portal.settings.code, "judged": judged}
    roles = [one.role for one in named]
    await note(conn, portal, "admin", case, {**body, "document_sha256": facts.document, "waits_for": roles})
    line = Record(
        case_id=case.id, at=now, event="applicant_signed", state_before=case.state.value, state_after=state.value
    )
    await records.add_record(conn, line)
    await ask(conn, portal, changed, named, now)
    return Awaiting(changed)


async def _checked_signature(
    portal: Portal, case: Case, flow: PortalFlow, document: bytes, signature: bytes
) -> DocumentFacts:
    """Facts about a signature that holds; a broken one is journalled and refused, and changes nothing."""
    judged: dict[str, Any] | None = None
    try:
        facts = await portal.signatures.verify(document, signature, portal.clock.now(), case.iin)
    except EgovError as error:
        refused = error
    else:
        if facts.broken is None:
            return facts
        refused, judged = EgovError(facts.broken), facts.as_data()
    body = {
        **step_facts(portal, case, flow, flow.send),
        "limit_s": None,
        "used_s": None,
        "outcome": "refusal",
        "code": refused.code,
        "judged": judged,
    }
    async with portal.db.begin() as conn:
        await note(conn, portal, "refusal", case, body)
    refused.clause = flow.refuse_signature.clause
    raise refused


def _refusal_of(facts: DocumentFacts, flow: PortalFlow, chosen: str) -> str | None:
    """The code that ends the case, or None. Signing with another certificate than the chosen one is a slip of the
    hand, and an unreadable revocation list a fault of ours: both leave the case as it is."""
    if facts.signer.thumbprint != chosen:
        raise EgovError("signature.other_certificate", clause=flow.refuse_signature.clause)
    if facts.refusal == UNKNOWN:
        raise EgovError(UNKNOWN, clause=flow.check_certificate.clause, thumbprint=chosen)
    return facts.refusal


async def _refuse(portal: Portal, case: Case, facts: DocumentFacts, keep: Keep[Outcome]) -> SignatureRefused:
    """Not good where the act signs first (A1); else expired or revoked between the two calls."""
    _, flow = portal.regulation(case.regulation, case.regulation_version)
    async with portal.db.begin() as conn:
        current = await store.case(conn, case.id, lock=True)
        if current is None or current.state is not CaseState.PREPARED:
            raise EgovError("case.changed_meanwhile")
        ended = await end_refused(conn, portal, current, facts)
        outcome = SignatureRefused(ended, facts.refusal or "", flow.refuse_signature.clause)
        await keep(conn, outcome)
    return outcome


async def end_refused(conn: AsyncConnection, portal: Portal, case: Case, facts: DocumentFacts) -> Case:
    """The act's refusal of an applicant's signature that was made."""
    _, flow = portal.regulation(case.regulation, case.regulation_version)
    moments: Mapping[Moment, datetime] = {}
    if not flow.checks_before_signing:
        now = portal.clock.now()
        moments = _moments(flow, case, now)
        await take(conn, portal, case, signed(flow, now), moments)
    return await end_by_certificate(conn, portal, case, facts.refusal or "", moments, judged=facts.as_data())


async def send(conn: AsyncConnection, portal: Portal, case: Case, parcel: Parcel) -> Submitted:
    _, flow = portal.regulation(case.regulation, case.regulation_version)
    now = portal.clock.now()
    moments = _moments(flow, case, now)
    again = case.state is CaseState.CO_SIGNING  # the certificates were judged again when the last one had signed
    await take(conn, portal, case, signing_steps(flow, now, case.certificate or "", again=again), moments)
    return await sending.send(conn, portal, case, parcel, Leaving(flow.send, CaseState.SUBMITTED, moments))


def _moments(flow: PortalFlow, case: Case, now: datetime) -> dict[Moment, datetime]:
    """The check ended when the document was handed out; where signing comes first, or others had to sign meanwhile, it
    ends now."""
    prepared = now if case.state is CaseState.CO_SIGNING else case.prepared_at or now
    checked = prepared if flow.checks_before_signing else now
    found: dict[Moment, datetime] = {
        (flow.choose_and_fill.label, "end"): prepared,
        (flow.check_certificate.label, "end"): checked,
        (flow.send.label, "begin"): checked,
        (flow.send.label, "end"): now,
    }
    if flow.sign is not None:
        found[flow.sign.label, "begin"], found[flow.sign.label, "end"] = prepared, now
    return found
