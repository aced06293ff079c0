"""The result, the reasoned refusal and notifications as PDF to keep (act 427, cl. 10)."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from egovkit.barcodes import Carried
from egovkit.errors import EgovError
from egovkit.pdf import codes_of, codes_svg, qr_svg
from egovlaw.output_pages import PageFacts, page_of
from egovlaw.outputs import Kind, Output
from egovlaw.result_pages import ResultFacts, code_of, facts_of
from egovorigin.domain.document import read_document
from egovorigin.origin import KAZAKHSTAN
from egovorigin.pages import signed_page
from egovorigin.store.files import Result
from portal_pep.service.parts import Portal
from portal_pep.service.reading import filed, notice, result
from portal_pep.store.accounts import Account
from portal_pep.store.cases import Case


@dataclass(frozen=True, slots=True)
class Page:
    """What is to be printed: set here from `data`, or `signed` as it came. `etag` is that of the bytes: they depend on
    nothing else."""

    kind: str  # result, refusal or notification
    number: str | None
    etag: str
    data: Mapping[str, Any]
    at: datetime
    signed: tuple[Case, Result] | None = None


async def page(portal: Portal, account: Account, case_id: str) -> Page:
    """The result as its official signed the page; where he signed the document alone, set here by the act's form."""
    case, found = await result(portal, account, case_id, "pdf")
    if found.page_sha256 is not None:
        return Page(found.kind, case.number, found.page_sha256, {}, found.issued_at, (case, found))
    facts = _facts(portal, case, found)
    codes = await asyncio.to_thread(codes_svg, _codes(case, found))
    shown = facts_of(facts, code=qr_svg(code_of(facts)), codes=codes)
    kind: Kind = "positive" if found.kind == "result" and found.outcome != "negative" else "negative"
    return _page(portal, found.kind, _output(portal, case, kind, found.variant), shown)


async def notice_page(portal: Portal, account: Account, notice_id: str) -> Page:
    case, told = await notice(portal, account, notice_id)
    facts = PageFacts(
        number=case.number,
        issued_at=told.created_at.astimezone(KAZAKHSTAN),
        values={},
        form={},
        iin=account.iin,
        text={"kk": told.text_kk, "ru": told.text_ru},
    )
    return _page(portal, "notification", _output(portal, case, "notification", None), facts)


async def receipt_page(portal: Portal, account: Account, case_id: str) -> Page:
    """EgovError receipt.not_found before the provider has registered the application."""
    case, attached = await filed(portal, account, case_id)
    if case.number is None or case.registered_at is None:
        raise EgovError("receipt.not_found")
    facts = PageFacts(
        number=case.number,
        issued_at=case.registered_at.astimezone(KAZAKHSTAN),
        values={"papers": [one.name for one in attached]},
        form={},
        iin=case.iin,
        submitted_at=case.submitted_at,
    )
    return _page(portal, "receipt", _output(portal, case, "receipt", None), facts)


async def pdf(portal: Portal, page: Page) -> bytes:
    """EgovError pdf.not_rendered, and of a signed page what `signed_page` says."""
    if page.signed is not None:
        return await signed_page(portal, *page.signed)
    return await portal.pages.render(page.data, page.at)


def _page(portal: Portal, kind: str, output: Output, facts: PageFacts) -> Page:
    data = page_of(portal.outputs, output, facts)
    text = json.dumps(data, ensure_ascii=False).encode("utf-8", "surrogatepass")
    etag = hashlib.sha256(portal.pages.digest.encode() + text).hexdigest()
    return Page(kind, facts.number, etag, data, facts.issued_at)


def _codes(case: Case, found: Result) -> list[str]:
    """None for a letter nobody signed."""
    if found.signature is None or case.number is None:
        return []
    return codes_of(Carried(found.document, found.signature, case.number), found.issued_at)


def _output(portal: Portal, case: Case, kind: Kind, variant: str | None) -> Output:
    regulation = portal.catalogue.regulation(case.regulation)
    if regulation is None:  # its file is gone
        raise EgovError("pdf.not_rendered")
    return portal.outputs.printed(regulation, kind, variant)


def _facts(portal: Portal, case: Case, found: Result) -> ResultFacts:
    regulation = portal.catalogue.regulation(case.regulation, case.regulation_version)
    signed_at = (found.judged or {}).get("claimed_at")
    title = regulation or portal.catalogue.regulation(case.regulation)
    return ResultFacts(
        number=case.number,
        iin=case.iin,
        form=case.form,
        service={"kk": title.title_kk, "ru": title.title_ru} if title else {},
        content=read_document(found.document),
        sha256=hashlib.sha256(found.document).hexdigest(),
        reasons=found.reasons or (),
        submitted_at=case.submitted_at.astimezone(KAZAKHSTAN) if case.submitted_at else None,
        issued_at=found.issued_at.astimezone(KAZAKHSTAN),
        signer=None if found.signature is None else (found.judged or {}).get("signer", {}),
        signed_at=datetime.fromisoformat(signed_at).astimezone(KAZAKHSTAN) if signed_at else None,
        valid_until=found.valid_until,
    )
