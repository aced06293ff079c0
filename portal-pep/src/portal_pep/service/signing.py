"""From the filled form to the signed envelope: the certificate is checked, the document fixed, the signature checked,
the application sent. Two calls, because no service ever holds a person's key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError
from egovkit.signatures.certificates import CertificateFacts, sent_certificate
from egovlaw.catalogue import Regulation
from egovorigin.domain.members import provider_code
from egovorigin.domain.steps import Moment
from egovorigin.origin import Keep
from egovorigin.store.records import Record
from egovorigin.trail import Taken, take
from portal_pep.domain.document import ApplicationFacts, application_bytes
from portal_pep.domain.states import CaseEvent, CaseState, after
from portal_pep.domain.steps import PORTAL, PortalFlow
from portal_pep.service.asking import void
from portal_pep.service.cases import owned
from portal_pep.service.ending import end_by_certificate
from portal_pep.service.parts import Portal
from portal_pep.store import co_signatures
from portal_pep.store.accounts import Account
from portal_pep.store.cases import Case
from portal_pep.store.cases import cases as store
from portal_pep.store.files import files
from portal_pep.store.records import records

UNKNOWN = "certificate.revocation_unknown"  # НУЦ's list is not here: a fault of ours, not of the certificate


@dataclass(frozen=True, slots=True)
class Prepared:
    case: Case
    certificate: CertificateFacts


@dataclass(frozen=True, slots=True)
class SignatureRefused:
    """The act's own refusal: the certificate could not be confirmed. The case has ended."""

    case: Case
    code: str
    clause: str


async def prepare(
    portal: Portal,
    account: Account,
    case_id: str,
    certificate: bytes,
    keep: Keep[Prepared | SignatureRefused],
) -> Prepared | SignatureRefused:
    """Checks the certificate the citizen chose (term, revocation, ИИН, use) and fixes the bytes he will sign. Where the
    act signs first (A1) nothing is refused here: its check comes after the signature, in `submit`."""
    chosen = sent_certificate(certificate)
    await portal.signatures.meet(chosen)
    async with portal.db.begin() as conn:
        case = await owned(conn, account, case_id, lock=True)
        regulation, flow = portal.law_of(case)
        if after(case.state, CaseEvent.PREPARED) is None:
            raise EgovError("case.wrong_state", state=case.state.value)
        now = portal.clock.now()
        facts = portal.trust.check_person(chosen, now, case.iin, "sign")
        refusal = facts.refusal if flow.checks_before_signing else None
        if refusal == UNKNOWN:
            raise EgovError(refusal, clause=flow.check_certificate.clause, thumbprint=facts.thumbprint)
        await void(conn, portal, case)
        if refusal is not None:
            ended = await end_by_certificate(conn, portal, case, refusal, await _filled(conn, portal, case, now))
            outcome: Prepared | SignatureRefused = SignatureRefused(ended, refusal, flow.refuse_signature.clause)
        else:
            outcome = Prepared(await _fix_document(conn, portal, case, regulation, facts), facts)
        await keep(conn, outcome)
    return outcome


async def _filled(conn: AsyncConnection, portal: Portal, case: Case, now: datetime) -> Mapping[Moment, datetime]:
    """Journals that the form is filled, which choosing the certificate completes."""
    _, flow = portal.regulation(case.regulation, case.regulation_version)
    label = flow.choose_and_fill.label
    await store.drop_steps(conn, case.id, flow.retaken)
    moments: dict[Moment, datetime] = {(label, "begin"): case.started_at, (label, "end"): now}
    await take(conn, portal, case, [Taken(flow.choose_and_fill, "done", now)], moments)
    return moments


async def _fix_document(
    conn: AsyncConnection, portal: Portal, case: Case, regulation: Regulation, facts: CertificateFacts
) -> Case:
    _, flow = portal.regulation(case.regulation, case.regulation_version)
    now = portal.clock.now()
    moments = await _filled(conn, portal, case, now)
    if flow.checks_before_signing:
        await take(conn, portal, case, [_checked(flow, now, facts.thumbprint)], moments)
    named = {one.role: one.iin for one in await co_signatures.of_case(conn, case.id)}
    signed_about = _about(case, regulation, facts.thumbprint, (now, named))
    changed = await store.change_case(
        conn,
        case,
        now,
        state=CaseState.PREPARED,
        certificate=facts.thumbprint,
        document=application_bytes(signed_about, case.form, await files.attachments_of(conn, case.id)),
        prepared_at=now,
        signature=None,
        judged=None,
        problem=None,
    )
    record = Record(
        case_id=case.id,
        at=now,
        event="prepared",
        state_before=case.state.value,
        state_after=changed.state.value,
        detail={"certificate": facts.thumbprint},
    )
    await records.add_record(conn, record)
    return changed


def _about(
    case: Case, regulation: Regulation, certificate: str, made: tuple[datetime, Mapping[str, str]]
) -> ApplicationFacts:
    now, co_signers = made
    return ApplicationFacts(
        case=case.id,
        regulation=regulation.code,
        version=regulation.version,
        provider=provider_code(regulation),
        region=regulation.region,
        channel=PORTAL,
        iin=case.iin,
        certificate=certificate,
        prepared_at=now,
        co_signers=co_signers,
    )


def _checked(flow: PortalFlow, at: datetime, thumbprint: str) -> Taken:
    return Taken(flow.check_certificate, "ok", at, {"certificate": thumbprint})


def require_prepared(case: Case) -> tuple[bytes, str]:
    """The document to sign and the certificate chosen for it."""
    if case.state is not CaseState.PREPARED or case.document is None or case.certificate is None:
        raise EgovError("case.wrong_state", state=case.state.value)
    return case.document, case.certificate


def signed(flow: PortalFlow, now: datetime) -> list[Taken]:
    """What the signature adds to the trail where signing is a step of its own."""
    return [] if flow.sign is None else [Taken(flow.sign, "done", now)]


def signing_steps(flow: PortalFlow, now: datetime, thumbprint: str, *, again: bool) -> list[Taken]:
    """The signature, and the check behind it where the act signs before it checks the certificate (A1); before it where
    it had to be made `again`."""
    checked = [_checked(flow, now, thumbprint)]
    if not flow.checks_before_signing:
        return [*signed(flow, now), *checked]
    return [*(checked if again else []), *signed(flow, now)]
