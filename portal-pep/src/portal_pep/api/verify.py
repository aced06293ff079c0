"""Checking a document, for everybody: by number, by codes, by PDF; and the page where people do it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import Request, Response
from pydantic import Field

from egovkit.barcodes import MAX_PARTS, MAX_SIGNED, MAX_TEXT
from egovkit.declared import limited, refuses
from egovkit.edge import language_of
from egovkit.errors import EgovError, FieldError
from egovkit.routes import Routes
from egovkit.signatures.certificates import OF_A_PERSON, CertificateFacts
from egovkit.signatures.documents import OF_A_SIGNATURE
from egovkit.signatures.pdf import MAX_PDF
from egovorigin.api import Shown, Strict, Text, Title, address_of
from portal_pep.api.base import ThePortal
from portal_pep.api.verify_page import FILES, SECURITY, page_html
from portal_pep.domain.verifying import TOLD, TOLD_OF_THE_NUMBER, Standing
from portal_pep.service import verifying
from portal_pep.service.verifying import Issued, Signer, Then, Verified

router = Routes(prefix="/v1/verify", tags=["verification"])
page = Routes(include_in_schema=False)

_CODES = (
    "barcode.conflicting", "barcode.missing", "barcode.mixed", "barcode.package_invalid", "barcode.too_large",
    "barcode.too_many", "barcode.unreadable",
)  # fmt: skip
_PDF_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/pdf": {"schema": {"type": "string", "format": "binary", "maxLength": MAX_PDF}}},
    }
}


class NumberWish(Strict):
    """The number and something else of the document: its date, or the SHA-256 of the document or of its signed PDF."""

    number: Annotated[str, Field(pattern=r"^[0-9]{11}$")]
    issued_on: Annotated[date | None, Field(strict=False)] = None
    sha256: Annotated[str | None, Field(pattern=r"^[0-9a-f]{64}$")] = None


class CodesWish(Strict):
    """The texts of the QR codes as a scanner gives them, in any order."""

    codes: Annotated[list[Annotated[str, Field(max_length=MAX_TEXT)]], Field(min_length=1, max_length=2 * MAX_PARTS)]


class CertificateThen(Shown):
    """Whether it was good at a moment; `problem`: the code of what was wrong."""

    at: datetime
    good: bool
    problem: str | None


class SignerShown(Shown):
    """`stamped`: the moment of signing is proved by a time stamp, and not the signer's word."""

    name: str
    organisation: str | None
    serial: str
    thumbprint: str
    not_before: datetime
    not_after: datetime
    signed_at: datetime | None
    stamped: bool
    level: Literal["B-B", "B-T", "B-LT", "B-LTA"]
    then: CertificateThen
    now: CertificateThen


class IssuedShown(Shown):
    """`organisation`: БИН of who signed."""

    kind: str
    outcome: str | None
    issued_on: date
    valid_until: date | None
    service: Title
    provider: Title
    organisation: str | None


class VerifiedShown(Shown):
    """`compared`: the document in hand was compared with the portal's byte by byte, and not its number alone."""

    standing: Standing
    compared: bool
    told: Text
    number: str | None
    checked_at: datetime
    issued: IssuedShown | None
    signers: list[SignerShown]
    content: dict[str, Any] | None


@router.post("/number")
@refuses("request.throttled", "verify.not_found")
async def verify_number(request: Request, portal: ThePortal, body: NumberWish) -> VerifiedShown:
    """Whether there is such a result, and whether it stands. Nothing personal is told."""
    if body.issued_on is None and body.sha256 is None:
        raise EgovError("request.invalid", errors=[FieldError("issued_on", "missing", "a date or a SHA-256 is needed")])
    found = await verifying.by_number(portal, body.number, body.issued_on, body.sha256, address_of(request))
    return _shown(found)


@router.post("/codes")
@limited(codes=MAX_PARTS, characters_of_a_code=MAX_TEXT, bytes_of_a_document=MAX_SIGNED)
@refuses(
    *_CODES, "request.throttled", "verify.not_official", *OF_A_SIGNATURE,
)  # fmt: skip
async def verify_codes(request: Request, portal: ThePortal, body: CodesWish) -> VerifiedShown:
    """Reads the document from the codes and checks its signature; `content` is the document itself."""
    return _shown(await verifying.by_codes(portal, body.codes, address_of(request)))


@router.post("/pdf", openapi_extra=_PDF_BODY)
@limited(bytes=MAX_PDF)
@refuses(
    "pdf.changed", "pdf.encrypted", "pdf.hybrid", "pdf.not_signed", "pdf.too_complex", "pdf.unreadable",
    "request.media_type", "request.throttled", "signature.cms_malformed", "signature.invalid", "verify.not_official",
    *OF_A_PERSON,
)  # fmt: skip
async def verify_pdf(request: Request, portal: ThePortal) -> VerifiedShown:
    """Who signed a PDF, when, and whether anything was changed after it."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/pdf":
        raise EgovError("request.media_type", expected="application/pdf", received=kind[:80])
    return _shown(await verifying.by_pdf(portal, await request.body(), address_of(request)))


@page.get("/verify")
async def verify_page(request: Request, lang: Literal["kk", "ru"] | None = None) -> Response:
    """The page, in Kazakh or Russian."""
    language = lang or ("kk" if language_of(request) == "kk" else "ru")
    headers = {**SECURITY, "vary": "Accept-Language", "content-language": language}
    return Response(page_html(language), media_type="text/html; charset=utf-8", headers=headers)


@page.get("/verify/{name}")
async def verify_file(name: str) -> Response:
    if name not in FILES:
        raise EgovError("request.not_found")
    media_type, content = FILES[name]
    return Response(content, media_type=media_type, headers={**SECURITY, "cache-control": "public, max-age=3600"})


def _shown(found: Verified) -> VerifiedShown:
    return VerifiedShown(
        standing=found.standing,
        compared=found.compared,
        told=Text(**(TOLD if found.compared else TOLD_OF_THE_NUMBER)[found.standing]),
        number=found.number,
        checked_at=found.checked_at,
        issued=None if found.issued is None else _issued(found.issued),
        signers=[_signer(one) for one in found.signers],
        content=None if found.content is None else dict(found.content),
    )


def _issued(one: Issued) -> IssuedShown:
    return IssuedShown(
        kind=one.kind,
        outcome=one.outcome,
        issued_on=one.issued_on,
        valid_until=one.valid_until,
        service=Title(**one.service),
        provider=Title(**one.provider),
        organisation=one.organisation,
    )


def _signer(one: Signer) -> SignerShown:
    facts = one.now
    return SignerShown(
        name=facts.subject_cn,
        organisation=facts.bin,
        serial=facts.serial,
        thumbprint=facts.thumbprint,
        not_before=facts.not_before,
        not_after=facts.not_after,
        signed_at=one.signed_at,
        stamped=one.stamped,
        level=one.level,
        then=_then(one.then),
        now=_then(one.now),
    )


def _then(facts: CertificateFacts | Then) -> CertificateThen:
    return CertificateThen(at=facts.at, good=facts.refusal is None, problem=facts.refusal)
