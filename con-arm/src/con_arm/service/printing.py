"""Receipts as PDF: what the consumer takes away from the counter (E10, A36)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from con_arm.domain.people import Operator
from con_arm.service.ending import receipt_of
from con_arm.service.intakes import intake
from con_arm.service.parts import Centre
from con_arm.store import people
from egovkit.errors import EgovError
from egovlaw.output_pages import PageFacts, page_of
from egovlaw.outputs import Kind
from egovorigin.domain.document import read_document
from egovorigin.origin import KAZAKHSTAN


@dataclass(frozen=True, slots=True)
class Page:
    number: str
    data: Mapping[str, Any]
    at: datetime


async def refusal_page(centre: Centre, operator: Operator, case_id: str) -> Page:
    """The receipt of refusal to accept an incomplete package. EgovError receipt.not_found."""
    receipt = await receipt_of(centre, operator, case_id)
    return await _page(centre, "receipt_refusal", receipt.document, (receipt.number, receipt.at, receipt.operator_id))


async def intake_page(centre: Centre, operator: Operator, id_: str) -> Page:
    """The receipt for papers taken in. EgovError intake.not_found."""
    made = await intake(centre, operator, id_)
    return await _page(centre, "receipt", made.document, (made.number, made.at, made.operator_id))


async def pdf(centre: Centre, page: Page) -> bytes:
    """EgovError pdf.not_rendered."""
    return await centre.pages.render(page.data, page.at)


async def _page(centre: Centre, kind: Kind, document: bytes, given: tuple[str, datetime, str]) -> Page:
    """What the kept receipt says, in the form of its act."""
    number, at, operator_id = given
    content = read_document(document) or {}
    regulation = centre.catalogue.regulation(str(content.get("regulation")))
    if regulation is None:  # its file is gone
        raise EgovError("pdf.not_rendered")
    output = centre.outputs.printed(regulation, kind)
    async with centre.db.read() as conn:
        official = await people.operator(conn, operator_id)
    applicant = content.get("applicant")
    facts = PageFacts(
        number=number,
        issued_at=at.astimezone(KAZAKHSTAN),
        values={name: content[name] for name in ("papers", "missing", "note") if content.get(name)},
        form={},
        iin=applicant.get("iin") if isinstance(applicant, dict) else None,
        official=official.name if official else None,
        service={"kk": str(content.get("title_kk")), "ru": str(content.get("title_ru"))},
        sha256=hashlib.sha256(document).hexdigest(),
    )
    return Page(number, page_of(centre.outputs, output, facts), facts.issued_at)
