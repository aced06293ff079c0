"""Receipts as PDF: what the applicant takes away from the provider's own desk (E10, A36)."""

from __future__ import annotations

import hashlib
import json

from egovlaw.output_pages import PageFacts, page_of
from egovlaw.outputs import Kind
from provider_arm.domain.desks import Receipt, ReceiptKind
from provider_arm.service.context import Workstation
from provider_arm.service.registration import KAZAKHSTAN


async def receipt_pdf(ws: Workstation, receipt: Receipt) -> bytes:
    """What the kept receipt says, in the form of its act. EgovError case.not_served, pdf.not_rendered."""
    content = json.loads(receipt.document)
    kind: Kind = "receipt" if receipt.kind is ReceiptKind.ACCEPTED else "receipt_refusal"
    output = ws.outputs.printed(ws.procedures.required(receipt.regulation), kind)
    facts = PageFacts(
        number=receipt.number,
        issued_at=receipt.issued_at.astimezone(KAZAKHSTAN),
        values={name: content[name] for name in ("papers", "missing") if content.get(name)},
        form={},
        iin=receipt.applicant_iin,
        official=content["official"]["name"],
        service={"kk": content["service_kk"], "ru": content["service_ru"]},
        sha256=hashlib.sha256(receipt.document).hexdigest(),
    )
    return await ws.pages.render(page_of(ws.outputs, output, facts), facts.issued_at)
