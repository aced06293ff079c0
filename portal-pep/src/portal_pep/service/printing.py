"""The result or the reasoned refusal as a PDF to keep (act 427, cl. 10)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from egovkit.barcodes import Carried, encode, pack
from egovkit.errors import EgovError
from egovkit.pdf import qr_svg
from egovlaw.catalogue import Regulation
from portal_pep.domain.document import read_document
from portal_pep.domain.printing import Both, PageFacts, code_of, form_of, page_of
from portal_pep.service.cases import KAZAKHSTAN
from portal_pep.service.parts import Portal
from portal_pep.service.reading import result
from portal_pep.store.accounts import Account
from portal_pep.store.cases import Case
from portal_pep.store.files import Result

MAX_PRINTED = 12  # codes: one page of them


@dataclass(frozen=True, slots=True)
class Page:
    """What is to be printed. `etag` is that of the bytes: they depend on nothing else."""

    kind: str
    number: str | None
    data: Mapping[str, Any]
    at: datetime
    etag: str


async def page(portal: Portal, account: Account, case_id: str) -> Page:
    case, found = await result(portal, account, case_id, "pdf")
    codes = codes_of(found, case.number)
    facts = _facts(portal, case, found, len(codes))
    qrs = [qr_svg(text, "l") for text in codes]
    data = {**page_of(facts), "code": code_of(facts), "qr": qr_svg(code_of(facts)), "codes": qrs}
    text = json.dumps(data, ensure_ascii=False).encode("utf-8", "surrogatepass")
    etag = hashlib.sha256(portal.result_page.digest.encode() + text).hexdigest()
    return Page(facts.kind, facts.number, data, facts.issued_at, etag)


async def pdf(portal: Portal, page: Page) -> bytes:
    """EgovError pdf.not_rendered."""
    return await portal.result_page.render(page.data, page.at)


def codes_of(found: Result, number: str | None) -> list[str]:
    """The texts of the QR codes that carry document and signature; none for a letter nobody signed, and for a document
    so long that its codes would fill pages: its PDF is checked then."""
    if found.signature is None or number is None:
        return []
    signed = pack(Carried(found.document, found.signature, number), found.issued_at)
    try:
        codes = encode(signed, number, found.issued_at)
    except EgovError:
        return []
    return codes if len(codes) <= MAX_PRINTED else []


def _facts(portal: Portal, case: Case, found: Result, codes: int) -> PageFacts:
    regulation = portal.catalogue.regulation(case.regulation, case.regulation_version)
    signed_at = (found.check or {}).get("signed_at")
    return PageFacts(
        kind=found.kind,
        number=case.number,
        codes=codes,
        iin=case.iin,
        service=_service(regulation, case.regulation),
        provider=_provider(regulation, case.regulation),
        content=read_document(found.document),
        sha256=hashlib.sha256(found.document).hexdigest(),
        reasons=found.reasons or (),
        issued_at=found.issued_at.astimezone(KAZAKHSTAN),
        check=found.check,
        signed_at=datetime.fromisoformat(signed_at).astimezone(KAZAKHSTAN) if signed_at else None,
        form=_form(regulation, found),
        valid_until=found.valid_until,
    )


def _form(regulation: Regulation | None, found: Result) -> Both | None:
    """The act's name of the document, where the act has several; Russian twice where the catalogue has no Kazakh."""
    form = None if regulation is None or found.outcome is None else form_of(regulation, found.outcome, found.variant)
    if form is None:
        return None
    return {"kk": form.name_kk.text if form.name_kk else form.name_ru, "ru": form.name_ru}


def _service(regulation: Regulation | None, code: str) -> Both:
    return {"kk": regulation.title_kk, "ru": regulation.title_ru} if regulation else {"kk": code, "ru": code}


def _provider(regulation: Regulation | None, code: str) -> Both:
    """The act's provider; Russian twice where the catalogue has no Kazakh."""
    russian = regulation.provider_ru if regulation else code
    kazakh = regulation.provider_kk if regulation else None
    return {"kk": kazakh.text if kazakh else russian, "ru": russian}
