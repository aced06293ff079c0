"""What the bus brings: an application to register, and the gateways' word about our own messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.envelope import Envelope
from egovkit.inbox import Received
from egovkit.log import get_logger
from egovkit.signatures.documents import DocumentFacts
from egovlaw.identifiers import iin_problem
from provider_arm.domain.cases import (
    Application,
    Case,
    CaseState,
    Submission,
    disagreements,
    read_application,
)
from provider_arm.domain.co_signing import CoSignature
from provider_arm.service import co_signing, queries, registers
from provider_arm.service.context import Workstation
from provider_arm.service.procedure import Procedure
from provider_arm.service.registration import next_number, register
from provider_arm.service.signers import Expected, Signed, doubts
from provider_arm.store import cases, oversight, own

_log = get_logger(__name__)

REGISTERED = "case.registered"


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found about an application before anything is written; `reasons` not to believe it."""

    signed: Signed
    application: Application | None
    judged: dict[str, Any] | None
    co_signed: Sequence[CoSignature]
    reasons: tuple[str, ...]
    submitted_at: datetime


async def check_application(ws: Workstation, received: Received) -> Checked:
    """The CMS check is the heavy part of registering: it is done for many at once, while no transaction waits."""
    envelope = received.envelope
    signed = Signed.of(envelope.data["document"], envelope.data["signature"])
    submitted_at = min((receipt.received for receipt in received.receipts), default=received.at)
    application = read_application(signed.document or b"")
    procedure = ws.procedures.of(envelope.regulation, envelope.channel, _version(ws, envelope.regulation, application))
    reasons, facts = await _reasons(ws, procedure, received, signed, submitted_at)
    more, co_signed = await co_signing.check(ws, procedure.regulation, envelope.data, application, submitted_at)
    judged = None if facts is None else facts.as_data()
    return Checked(signed, application, judged, co_signed, tuple(dict.fromkeys([*reasons, *more])), submitted_at)


async def register_application(ws: Workstation, conn: AsyncConnection, received: Received) -> None:
    """P6 of the portal channel and its like. An application that fails a check is registered too, marked not verified:
    the consumer is owed a number and a reasoned refusal, not silence."""
    envelope = received.envelope
    if await cases.get(conn, envelope.subject) is not None:
        return  # the same case under another envelope id: it has its number
    checked: Checked = received.prepared
    case = await _new_case(ws, conn, received, checked)
    procedure = ws.procedures.of(case.regulation, case.channel, case.regulation_version)
    limit = procedure.limit(procedure.held, REGISTERED)
    from_submission = limit is not None and limit.starts_on.kind == "message"
    started = case.submitted_at if from_submission else None
    await register(
        ws,
        conn,
        procedure,
        case,
        lodged=cases.Lodged(checked.signed.document or b"", checked.signed.signature or b"", checked.judged),
        co_signed=checked.co_signed,
        measured=procedure.measure(procedure.held, started, case.registered_at, REGISTERED),
    )


async def _reasons(
    ws: Workstation, procedure: Procedure, received: Received, signed: Signed, signed_at: datetime
) -> tuple[list[str], DocumentFacts | None]:
    """What the portal checked, checked again (cl. 6 6) of act 427 and its like), every failed point by its code.

    1. the ИИН has a valid form
    2. the document tells the same story as the envelope
    3. it follows a version of the regulation that we know
    4. the CMS is over exactly these bytes, by a certificate good at the moment ШЭП received them: the applicant's, or,
       where an official signs for him (cl. 8 6) of act 427, A6), that of an employee of the very sender
    5. that certificate is the one the document names
    """
    envelope = received.envelope
    iin = envelope.data["applicant"]["iin"]
    application = read_application(signed.document or b"")
    reasons = [] if iin_problem(iin) is None else ["applicant.iin_invalid"]
    reasons += disagreements(application, _said(envelope))
    if application is not None and application.version != procedure.regulation.version:
        reasons.append("document.unknown_version")
    expected = Expected(iin=iin) if procedure.signed_by_applicant else Expected(bin=received.facts.member.bin)
    found, facts = await doubts(ws, signed, signed_at, expected)
    reasons += found
    if application is not None and facts is not None and not found:
        reasons += ["document.other_certificate"] if application.certificate != facts.signer.thumbprint else []
    return reasons, facts


def _said(envelope: Envelope) -> Submission:
    data = envelope.data
    return Submission(
        case=envelope.subject,
        regulation=envelope.regulation,
        provider=data["provider"],
        region=envelope.region,
        channel=envelope.channel,
        iin=data["applicant"]["iin"],
        attachments=tuple((a["name"], a["type"], a["size"], a["sha256"]) for a in data["attachments"]),
    )


def _version(ws: Workstation, regulation: str, application: Application | None) -> int:
    """The version the applicant's document follows: his case is decided by it, whatever is newest meanwhile."""
    return ws.procedures.known(regulation, None if application is None else application.version)


async def _new_case(ws: Workstation, conn: AsyncConnection, received: Received, checked: Checked) -> Case:
    envelope, now, application = received.envelope, ws.clock.now(), checked.application
    provider = envelope.data["provider"]
    return Case(
        id=envelope.subject,
        provider=provider,
        number=await next_number(conn, provider, now),
        regulation=envelope.regulation,
        regulation_version=_version(ws, envelope.regulation, application),
        channel=envelope.channel,
        region=envelope.region,
        source=envelope.source,
        envelope_id=envelope.id,
        applicant_iin=envelope.data["applicant"]["iin"],
        attachments=tuple(envelope.data["attachments"]),
        verified=not checked.reasons,
        reasons=checked.reasons,
        state=CaseState.REGISTERED,
        version=1,
        trail=(),
        submitted_at=checked.submitted_at,
        received_at=received.at,
        registered_at=now,
        changed_at=now,
        changed_by=None,
    )


async def record_refusal(ws: Workstation, conn: AsyncConnection, received: Received) -> None:
    """A gateway refused one of our messages: the fact stands, but its origin does not know it. The head has to. A
    refused question to a register is told to who asked, and may be asked again."""
    envelope = received.envelope
    refused: Mapping[str, Any] = envelope.data
    for refuse in (queries.refuse, registers.refuse):
        if await refuse(ws, conn, refused["id"], refused["problem"]):
            return
    if await oversight.incident_of(conn, refused["id"]) is not None:
        return
    case = await cases.get(conn, envelope.subject) or await own.get(conn, envelope.subject)
    problem = refused["problem"]
    await oversight.record_incident(
        conn,
        oversight.Incident(
            id=ws.ids.new(),
            at=ws.clock.now(),
            case_id=envelope.subject,
            region=envelope.region if case is None else case.region,
            provider=None if case is None else case.provider,
            envelope_id=refused["id"],
            envelope_type=refused["type"],
            code=problem["code"],
            problem=problem,
        ),
    )
    await ws.journal_action(
        conn, "envelope.refused", envelope.subject, envelope=refused["id"], code=problem["code"], hop=problem["hop"]
    )
    _log.error("envelope.refused", case=envelope.subject, code=problem["code"], hop=problem["hop"])


async def note_acceptance(ws: Workstation, conn: AsyncConnection, received: Received) -> None:
    """ШЭП accepts submissions only, and this desk sends none: its own cases are registered where they are signed. The
    inbox row is all there is."""
