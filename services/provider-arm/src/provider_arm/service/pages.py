"""The page of a result, which the official signs too: set, prepared for his signature, made lasting.

What he signs is all of the PDF but the hole for the signature; his agent makes the same detached CMS over it as over
the document. Calls to НУЦ and to ШЭП's store stand outside every transaction.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from egovkit.barcodes import Carried
from egovkit.errors import EgovError
from egovkit.files import MAX_FILE, Attachment
from egovkit.pdf import codes_of, codes_svg, qr_svg
from egovkit.signatures.documents import DocumentFacts
from egovkit.signatures.pdf import prepare_page
from egovlaw.output_pages import day_of, page_of
from egovlaw.outputs import Kind
from egovlaw.result_pages import ResultFacts, code_of, facts_of
from provider_arm.domain.cases import Answer, Case, Staff, read_application
from provider_arm.service.context import Workstation
from provider_arm.service.registration import KAZAKHSTAN
from provider_arm.store import cases, pages
from provider_arm.store.pages import PageDraft

LASTING = 256 * 1024  # bytes that two stamps, certificates and revocation lists may add; usual are 40 KB
PDF = "application/pdf"


@dataclass(frozen=True, slots=True)
class Signed:
    """What the official gives: over the document, and over its page or the word that there is to be none."""

    document: bytes
    page: bytes | None = None
    without_page: bool = False


async def prepare(ws: Workstation, case: Case, document: bytes, signature: bytes, checked: DocumentFacts) -> PageDraft:
    """The page of a prepared result with an empty signature field. The codes on it carry the document with this very
    signature. EgovError pdf.not_rendered, result.page_too_large."""
    async with ws.db.read() as conn:
        application, *_ = await cases.application(conn, case.id)
    facts = _facts(ws, case, document, application, checked)
    texts = codes_of(Carried(document, signature, case.number), checked.checked_at)
    codes = await asyncio.to_thread(codes_svg, texts)
    shown = facts_of(facts, code=qr_svg(code_of(facts)), codes=codes, signed_itself=True)
    body = json.loads(document)
    kind: Kind = "positive" if body["outcome"] == Answer.POSITIVE else "negative"
    output = ws.outputs.printed(ws.procedures.required(case.regulation, case.regulation_version), kind, _variant(body))
    pdf = await ws.pages.render(page_of(ws.outputs, output, shown), checked.checked_at)
    prepared = await prepare_page(pdf, checked.checked_at, reason=case.number)
    _require_room(len(prepared.pdf) + LASTING)
    return PageDraft(hashlib.sha256(document).hexdigest(), signature, prepared)


async def signed_page(ws: Workstation, person: Staff, case: Case, draft: cases.Draft, given: Signed) -> bytes | None:
    """The page as it is to be issued, checked, sealed and, for another system's case, in ШЭП's store; None without one.

    EgovError result.page_not_prepared, .page_signature_missing, .page_of_other_signature, .page_too_large,
    .page_not_sealed; what a signature may be refused for, and what the store says.
    """
    async with ws.db.read() as conn:
        found = await pages.draft_of(conn, case.id, draft.document)
    if given.page is None:
        if found is not None and not given.without_page:
            raise EgovError("result.page_signature_missing")
        return None
    if found is None:
        raise EgovError("result.page_not_prepared")
    if found.signature != given.document:
        raise EgovError("result.page_of_other_signature")
    pdf = await _sealed(ws, person, case, replace(found, page_signature=given.page), (draft.certificate, found))
    if case.source != ws.code:
        digest = hashlib.sha256(pdf).hexdigest()
        await ws.attachments.put(case.id, Attachment(f"{case.number}.pdf", PDF, len(pdf), digest), pdf)
    return pdf


async def _sealed(ws: Workstation, person: Staff, case: Case, signed: PageDraft, known: tuple[str, PageDraft]) -> bytes:
    """Kept as soon as it is made: whoever repeats the call after the store or the process failed gets the same PDF."""
    certificate, found = known
    assert signed.page_signature is not None, "the caller has it"
    if found.sealed is not None and found.page_signature == signed.page_signature:
        return found.sealed
    facts = await ws.signatures.verify(signed.page.to_sign, signed.page_signature, ws.clock.now(), person.iin)
    if facts.refusal is not None:
        raise EgovError(facts.refusal, signed="page")
    if facts.signer.thumbprint != certificate:
        raise EgovError("result.other_certificate", signed="page")
    pdf = await ws.sealer.seal(signed.page, signed.page_signature, facts.revocation)
    _require_room(len(pdf))
    async with ws.db.begin() as conn:
        await pages.keep_sealed(conn, case.id, replace(signed, sealed=pdf))
    return pdf


def _require_room(size: int) -> None:
    if size > MAX_FILE:
        raise EgovError("result.page_too_large", limit=MAX_FILE)


def _variant(body: dict[str, Any]) -> str | None:
    variant = body.get("variant")
    return variant if isinstance(variant, str) else None


def _facts(ws: Workstation, case: Case, document: bytes, application: bytes, checked: DocumentFacts) -> ResultFacts:
    regulation = ws.procedures.required(case.regulation, case.regulation_version)
    filed, body = read_application(application), json.loads(document)
    return ResultFacts(
        number=case.number,
        iin=case.applicant_iin,
        form=filed.form if filed is not None else {},
        service={"kk": regulation.title_kk, "ru": regulation.title_ru},
        content=body,
        sha256=hashlib.sha256(document).hexdigest(),
        reasons=body.get("reasons", ()),
        submitted_at=case.submitted_at.astimezone(KAZAKHSTAN),
        issued_at=checked.checked_at.astimezone(KAZAKHSTAN),
        signer=checked.as_data()["signer"],
        signed_at=checked.signing_time.astimezone(KAZAKHSTAN) if checked.signing_time else None,
        valid_until=day_of(body.get("valid_until")),
    )
