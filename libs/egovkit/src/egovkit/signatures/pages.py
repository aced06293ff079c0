"""Whether a PDF that came with a signed document is that document's page: signed by the same certificate, and whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from egovkit.errors import TRANSIENT, EgovError
from egovkit.signatures.certificates import TrustStore
from egovkit.signatures.keys import thumbprint
from egovkit.signatures.pdf import check_pdf

__all__ = ["page_problem"]


async def page_problem(
    pdf: bytes, trust: TrustStore, at: datetime, crls: Sequence[bytes], *, signer: str
) -> str | None:
    """The code of why not to believe it, or None. `signer`: the thumbprint (`x5t#S256`) of who signed the document;
    `crls` as in `check_pdf`. EgovError where nobody is to blame and it may be asked again."""
    try:
        signature, *more = (await check_pdf(pdf, trust.root, at, crls)).signatures
    except EgovError as error:
        return error.code
    if signature.refusal is not None:
        return signature.refusal
    if more or thumbprint(signature.certificate) != signer:
        return "signature.other_certificate"
    refusal = trust.check_person(signature.certificate, signature.existed_at, None).refusal
    if refusal in TRANSIENT:
        raise EgovError(refusal)
    return refusal
