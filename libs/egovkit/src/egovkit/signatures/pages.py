"""Whether a PDF that came with a signed document is its page: signed for its number, and by the same certificate."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from egovkit.errors import TRANSIENT, EgovError
from egovkit.signatures.certificates import TrustStore
from egovkit.signatures.keys import thumbprint
from egovkit.signatures.pdf import check_pdf

__all__ = ["page_problem"]


async def page_problem(
    pdf: bytes, trust: TrustStore, at: datetime, crls: Sequence[bytes], *, signed: tuple[str, str | None]
) -> str | None:
    """The code of why not to believe it, or None. `signed`: the thumbprint (`x5t#S256`) of who signed the document, and
    its number, which the page's signature gives as its reason; `crls` as in `check_pdf`. EgovError where nobody is to
    blame and it may be asked again."""
    signer, number = signed
    try:
        signature, *more = (await check_pdf(pdf, trust.root, at, crls)).signatures
    except EgovError as error:
        return error.code
    if signature.refusal is not None:
        return signature.refusal
    if more or thumbprint(signature.certificate) != signer:
        return "signature.other_certificate"
    if signature.reason != number:
        return "signature.of_other_data"
    refusal = trust.check_person(signature.certificate, signature.existed_at, None).refusal
    if refusal in TRANSIENT:
        raise EgovError(refusal)
    return refusal
