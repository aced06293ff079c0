"""The calls around the operator's own signature: prepare gives the bytes, the next one takes the CMS over them; for the
application, and for the record of the hand-over."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Request, Response
from pydantic import Field

from con_arm.api.base import AtCounter, TheCentre, once
from con_arm.service.handing import Receiver, hand_over, prepare_hand_over
from con_arm.service.signing import Prepared, Sent, prepare, submit
from egovkit.declared import keyed, refuses
from egovkit.idempotency import Answer
from egovkit.routes import Routes
from egovkit.signatures.certificates import OF_A_PERSON
from egovkit.signatures.documents import OF_A_SIGNATURE
from egovorigin.api import Key, Shown, Strict, decoded, encoded, kept, model_answer
from egovorigin.origin import Keep

router = Routes(prefix="/v1/cases", tags=["signing"])

Certificate = Annotated[str, Field(max_length=20_000, description="the operator's certificate: PEM, or base64 of DER")]
Signature = Annotated[str, Field(max_length=100_000, description="detached CMS (CAdES-BES): base64 of DER, or PEM")]


class ToPrepare(Strict):
    certificate: Certificate


class ReceivedBy(Strict):
    capacity: Literal["applicant", "representative"]
    iin: Annotated[str, Field(pattern=r"^[0-9]{12}$", description="ИИН")]


class ToHandOver(Strict):
    received_by: ReceivedBy
    certificate: Certificate


class Signed(Strict):
    signature: Signature


class CertificateShown(Shown):
    thumbprint: str
    subject: str
    not_after: datetime


class PreparedShown(Shown):
    case: str
    state: str
    document: Annotated[str, Field(description="base64 of the exact bytes to sign")]
    sha256: str
    certificate: CertificateShown


class SentShown(Shown):
    case: str
    state: str
    envelope: str
    sent_at: datetime
    expires: datetime | None


@router.post("/{case_id}/prepare", response_model=PreparedShown)
@keyed
@refuses(
    "attorney.ran_out", "case.changed_meanwhile", "case.not_found", "case.wrong_state", "certificate.malformed",
    "operator.certificate_not_of_centre", *OF_A_PERSON,
)  # fmt: skip
async def prepare_case(
    *, request: Request, centre: TheCentre, identity: AtCounter, case_id: str, body: ToPrepare, key: Key = None
) -> Response:
    """Checks the operator's certificate and gives the bytes to sign."""
    certificate = decoded("certificate", body.certificate)

    async def work(keep: Keep[Prepared]) -> object:
        return await prepare(centre, identity.operator, case_id, certificate, keep)

    return await once(request, identity, kept(_prepared, work))


@router.post("/{case_id}/submit", status_code=202, response_model=SentShown)
@keyed
@refuses(
    "attachment.store_unavailable", "attorney.ran_out", "case.changed_meanwhile", "case.not_found",
    "case.regulation_changed", "case.wrong_state", "provider.not_found", "service.unavailable",
    "signature.other_certificate", *OF_A_SIGNATURE,
)  # fmt: skip
async def submit_case(
    *, request: Request, centre: TheCentre, identity: AtCounter, case_id: str, body: Signed, key: Key = None
) -> Response:
    """Takes the signature over the prepared bytes and sends the application. 202: the answer comes by the bus."""
    signature = decoded("signature", body.signature)

    async def work(keep: Keep[Sent]) -> object:
        return await submit(centre, identity.operator, case_id, signature, keep)

    return await once(request, identity, kept(_sent, work))


@router.post("/{case_id}/hand-over/prepare", response_model=PreparedShown)
@keyed
@refuses(
    "case.not_found", "case.wrong_state", "certificate.malformed", "hand_over.not_a_party",
    "operator.certificate_not_of_centre", "result.not_ready", *OF_A_PERSON,
)  # fmt: skip
async def prepare_record(
    *, request: Request, centre: TheCentre, identity: AtCounter, case_id: str, body: ToHandOver, key: Key = None
) -> Response:
    """The bytes of the record of the hand-over, for the operator to sign."""
    receiver = Receiver(body.received_by.capacity, body.received_by.iin)
    certificate = decoded("certificate", body.certificate)

    async def work(keep: Keep[Prepared]) -> object:
        return await prepare_hand_over(centre, identity.operator, case_id, (receiver, certificate), keep)

    return await once(request, identity, kept(_prepared, work))


@router.post("/{case_id}/hand-over", status_code=202, response_model=SentShown)
@keyed
@refuses(
    "case.changed_meanwhile", "case.not_found", "case.wrong_state", "hand_over.not_prepared",
    "service.unavailable", "signature.other_certificate", *OF_A_SIGNATURE,
)  # fmt: skip
async def hand_over_result(
    *, request: Request, centre: TheCentre, identity: AtCounter, case_id: str, body: Signed, key: Key = None
) -> Response:
    """Takes the signature over the record and tells the provider; the case ends."""
    signature = decoded("signature", body.signature)

    async def work(keep: Keep[Sent]) -> object:
        return await hand_over(centre, identity.operator, case_id, signature, keep)

    return await once(request, identity, kept(_sent, work))


def _prepared(outcome: Prepared) -> Answer:
    facts = outcome.certificate
    shown = PreparedShown(
        case=outcome.case.id,
        state=outcome.case.state.value,
        document=encoded(outcome.document),
        sha256=hashlib.sha256(outcome.document).hexdigest(),
        certificate=CertificateShown(thumbprint=facts.thumbprint, subject=facts.subject_cn, not_after=facts.not_after),
    )
    return model_answer(200, shown)


def _sent(outcome: Sent) -> Answer:
    case, envelope = outcome.case, outcome.envelope
    shown = SentShown(
        case=case.id,
        state=case.state.value,
        envelope=envelope.id,
        sent_at=envelope.time,
        expires=envelope.expirytime,
    )
    return model_answer(202, shown)
