"""Whose signature is whose: certificates an official signs with, and signatures that came from elsewhere."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime

from egovkit.errors import TRANSIENT, EgovError, FieldError
from egovkit.signatures.certificates import CertificateFacts, load_certificate
from egovkit.signatures.documents import DocumentFacts
from egovkit.signatures.profiles import OFFICIALS
from provider_arm.domain.cases import Staff
from provider_arm.service.context import Workstation


@dataclass(frozen=True, slots=True)
class Signed:
    """A document and the detached CMS over it, as an envelope brings them; None where the base64 is not one."""

    document: bytes | None
    signature: bytes | None

    @staticmethod
    def of(document: str, signature: str) -> Signed:
        return Signed(_decoded(document), _decoded(signature))


@dataclass(frozen=True, slots=True)
class Expected:
    """Who should have signed: the person of this ИИН, or somebody who signs for the organisation of this БИН."""

    iin: str | None = None
    bin: str | None = None


async def chosen_certificate(ws: Workstation, person: Staff, text: str) -> CertificateFacts:
    """PEM or base64 of DER; its chain, dates, revocation, usage, and the ИИН of the very person who is logged in."""
    facts = await named_certificate(ws, person, text)
    if facts.refusal is not None:
        raise EgovError(facts.refusal)
    return facts


async def named_certificate(ws: Workstation, person: Staff, text: str) -> CertificateFacts:
    """As `chosen_certificate`, with the verdict among the facts: where it is judged only after it has signed (A1)."""
    try:
        raw = text.encode("ascii")
        pem = raw.lstrip().startswith(b"-----")
        certificate = load_certificate(raw if pem else base64.b64decode(raw, validate=True))
    except ValueError:  # also UnicodeEncodeError and binascii.Error
        error = FieldError("certificate", "wrong_form", "is neither PEM nor base64 of DER")
        raise EgovError("request.invalid", errors=[error]) from None
    await ws.signatures.meet(certificate)
    return ws.trust.check_person(certificate, ws.clock.now(), person.iin, use="sign")


async def checked_signature(ws: Workstation, person: Staff, document: bytes, signature: bytes) -> DocumentFacts:
    """Who signed: this person, over exactly these bytes, with a certificate that is good now; else EgovError."""
    facts = await ws.signatures.verify(document, signature, ws.clock.now(), person.iin)
    if facts.refusal is not None:
        raise EgovError(facts.refusal)
    return facts


async def doubts(
    ws: Workstation, signed: Signed, at: datetime, expected: Expected
) -> tuple[list[str], DocumentFacts | None]:
    """Why not to believe a signature that was made elsewhere, by the moment `at`, as reason codes; and what is known of
    it, None where it could not be read."""
    if signed.document is None or signed.signature is None:
        return ["signature.malformed"], None
    try:
        facts = await ws.signatures.verify(signed.document, signed.signature, at, expected.iin)
    except EgovError as error:
        return [error.code], None  # not a signature at all
    if facts.refusal in TRANSIENT:
        raise EgovError(facts.refusal)  # not the signer's fault: wait for a fresh revocation list
    if facts.refusal is not None:
        return [facts.refusal], facts
    if expected.bin is not None and not facts.signer.ekus & OFFICIALS:
        return ["operator.not_employee"], facts
    if expected.bin is not None and facts.signer.bin != expected.bin:
        return ["operator.other_organisation"], facts
    return [], facts


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
