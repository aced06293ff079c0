"""The two calls around the citizen's own signature: prepare gives the bytes, submit takes the CMS over them."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import Request, Response
from pydantic import Field

from egovkit.declared import keyed, refuses
from egovkit.errors import EgovError
from egovkit.idempotency import Answer
from egovkit.routes import Routes
from egovkit.signatures.certificates import OF_A_PERSON
from egovkit.signatures.documents import OF_A_SIGNATURE
from egovorigin.api import Key, Shown, Strict, decoded, encoded, kept, model_answer
from egovorigin.origin import Keep
from portal_pep.api.base import Confirmed, ThePortal, once, problem_answer
from portal_pep.service.signing import Prepared, SignatureRefused, prepare
from portal_pep.service.submitting import Awaiting, Outcome, submit

router = Routes(prefix="/v1/cases", tags=["signing"])


class ToPrepare(Strict):
    certificate: Annotated[
        str, Field(max_length=20_000, description="the certificate to sign with: PEM, or base64 of DER")
    ]


class CertificateShown(Shown):
    thumbprint: str
    subject: str
    not_after: datetime


class PreparedShown(Shown):
    case: str
    status: str
    document: Annotated[str, Field(description="base64 of the exact bytes to sign")]
    sha256: str
    certificate: CertificateShown
    prepared_at: datetime


class ToSubmit(Strict):
    signature: Annotated[str, Field(max_length=100_000, description="detached CMS (CAdES-BES): base64 of DER, or PEM")]


class SubmittedShown(Shown):
    """`envelope` and `submitted_at` are null while those have yet to sign whom the applicant named: the application is
    sent when the last of them has signed."""

    case: str
    status: str
    envelope: str | None
    submitted_at: datetime | None
    expires: datetime | None


@router.post("/{case_id}/prepare", response_model=PreparedShown)
@keyed
@refuses("case.changed_meanwhile", "case.not_found", "case.wrong_state", "certificate.malformed", *OF_A_PERSON)
async def prepare_case(
    *, request: Request, portal: ThePortal, identity: Confirmed, case_id: str, body: ToPrepare, key: Key = None
) -> Response:
    """Checks the chosen certificate and gives the bytes to sign. A certificate that cannot be confirmed ends the
    application with the act's refusal, its code and clause."""
    certificate = decoded("certificate", body.certificate)

    async def work(keep: Keep[Prepared | SignatureRefused]) -> object:
        return await prepare(portal, identity.account, case_id, certificate, keep)

    return await once(request, identity, kept(partial(_prepared, request), work))


@router.post("/{case_id}/submit", status_code=202, response_model=SubmittedShown)
@keyed
@refuses(
    "attachment.store_unavailable", "case.changed_meanwhile", "case.not_found", "case.regulation_changed",
    "case.wrong_state", "provider.not_found", "signature.other_certificate", *OF_A_SIGNATURE,
)  # fmt: skip
async def submit_case(
    *, request: Request, portal: ThePortal, identity: Confirmed, case_id: str, body: ToSubmit, key: Key = None
) -> Response:
    """Takes the signature over the prepared bytes and sends the application, or asks those to sign whom the applicant
    named. 202: the answer comes by the bus; the
    request page and the notifications tell it."""
    signature = decoded("signature", body.signature)

    async def work(keep: Keep[Outcome]) -> object:
        return await submit(portal, identity.account, case_id, signature, keep)

    return await once(request, identity, kept(partial(_submitted, request), work))


def _prepared(request: Request, outcome: Prepared | SignatureRefused) -> Answer:
    if isinstance(outcome, SignatureRefused):
        return _refused(request, outcome)
    case, facts = outcome.case, outcome.certificate
    document = case.document or b""
    shown = PreparedShown(
        case=case.id,
        status=case.state.value,
        document=encoded(document),
        sha256=hashlib.sha256(document).hexdigest(),
        certificate=CertificateShown(thumbprint=facts.thumbprint, subject=facts.subject_cn, not_after=facts.not_after),
        prepared_at=case.prepared_at or case.changed_at,
    )
    return model_answer(200, shown)


def _submitted(request: Request, outcome: Outcome) -> Answer:
    if isinstance(outcome, SignatureRefused):
        return _refused(request, outcome)
    if isinstance(outcome, Awaiting):
        case = outcome.case
        waits = SubmittedShown(case=case.id, status=case.state.value, envelope=None, submitted_at=None, expires=None)
        return model_answer(202, waits)
    case, envelope = outcome.case, outcome.envelope
    shown = SubmittedShown(
        case=case.id,
        status=case.state.value,
        envelope=envelope.id,
        submitted_at=envelope.time,
        expires=envelope.expirytime,
    )
    return model_answer(202, shown)


def _refused(request: Request, outcome: SignatureRefused) -> Answer:
    error = EgovError(
        outcome.code,
        clause=outcome.clause,
        case=outcome.case.id,
        state=outcome.case.state.value,
        step=outcome.case.step,
        thumbprint=outcome.case.certificate or "-",
    )
    return problem_answer(request, error)
