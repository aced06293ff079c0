"""What is printed at the counter beside the receipt for papers: the refusal to accept an incomplete package with its
receipt (E10), and the signed page of a result."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import Header, Request, Response
from pydantic import Field

from con_arm.api.base import AtCounter, TheCentre, once
from con_arm.service import ending, printing, reading
from con_arm.service.parts import Centre
from con_arm.store.counter import Receipt
from egovkit.declared import keyed, refuses
from egovkit.edge import language_of
from egovkit.routes import Routes
from egovorigin.api import Key, Shown, Strict, encoded, kept, model_answer
from egovorigin.domain.document import read_document
from egovorigin.origin import Keep
from egovorigin.pages import signed_page

router = Routes(prefix="/v1/cases", tags=["acceptance"])

PDF: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}
}
FILE_NAMES: Final = {
    "result": {"kk": "Нәтиже", "ru": "Результат", "en": "Result"},
    "refusal": {"kk": "Бас тарту", "ru": "Отказ", "en": "Refusal"},
}
PRINTABLE = r"^[^\x00-\x1f\x7f]+$"


class Missing(Strict):
    name: Annotated[str, Field(min_length=1, max_length=200, pattern=PRINTABLE)]
    note: Annotated[str | None, Field(max_length=1000, pattern=PRINTABLE)] = None


class Refusal(Strict):
    missing: Annotated[list[Missing], Field(min_length=1, max_length=50)]
    note: Annotated[str | None, Field(max_length=1000, pattern=PRINTABLE)] = None


class ReceiptShown(Shown):
    number: str
    at: datetime
    operator: str
    missing: list[dict[str, Any]]
    note: str | None
    document: Annotated[str, Field(description="base64 of the exact bytes")]
    sha256: str
    content: dict[str, Any] | None


@router.post("/{case_id}/refuse-acceptance", response_model=ReceiptShown)
@keyed
@refuses(
    "acceptance.no_receipt", "case.changed_meanwhile", "case.not_found", "case.wrong_state", "receipt.not_found",
)  # fmt: skip
async def refuse(
    *, request: Request, centre: TheCentre, identity: AtCounter, case_id: str, body: Refusal, key: Key = None
) -> Response:
    """The package is not complete: the case ends before anything is sent, the consumer gets a receipt."""
    wanting = ([one.model_dump() for one in body.missing], body.note)

    async def work(keep: Keep[Receipt]) -> object:
        return await ending.refuse_acceptance(centre, identity.operator, case_id, wanting, keep)

    return await once(request, identity, kept(lambda receipt: model_answer(200, _shown(receipt)), work))


@router.get("/{case_id}/receipt")
@refuses("case.not_found", "receipt.not_found")
async def receipt(centre: TheCentre, identity: AtCounter, case_id: str) -> ReceiptShown:
    return _shown(await ending.receipt_of(centre, identity.operator, case_id))


@router.get("/{case_id}/receipt.pdf", response_class=Response, responses=PDF)
@refuses("case.not_found", "receipt.not_found")
async def receipt_pdf(centre: TheCentre, identity: AtCounter, case_id: str) -> Response:
    """The receipt of refusal to accept as PDF/A, to be printed and given to the consumer."""
    return await pdf_answer(centre, await printing.refusal_page(centre, identity.operator, case_id))


async def pdf_answer(centre: Centre, page: printing.Page) -> Response:
    """To be shown and printed at the counter; it is nobody else's."""
    headers = {"cache-control": "private, no-store", "content-disposition": f'inline; filename="{page.number}.pdf"'}
    return Response(await printing.pdf(centre, page), headers=headers, media_type="application/pdf")


@router.get("/{case_id}/result.pdf", response_class=Response, responses=PDF)
@refuses(
    "attachment.altered", "attachment.gone", "attachment.unavailable", "case.not_found",
    "certificate.revocation_unknown", "result.not_ready", "result.page_absent", "result.page_not_believed",
)  # fmt: skip
async def result_pdf(
    *,
    request: Request,
    centre: TheCentre,
    identity: AtCounter,
    case_id: str,
    if_none_match: Annotated[str | None, Header(description="the ETag of a copy that is already kept")] = None,
) -> Response:
    """The page exactly as the provider's official signed it: what is printed and handed over at the counter."""
    case, found = await reading.result(centre, identity.operator, case_id)
    etag = f'"{found.page_sha256}"'
    headers = {"etag": etag, "cache-control": "private, no-cache", "vary": "Accept-Language"}
    if found.page_sha256 and if_none_match is not None and etag in map(str.strip, if_none_match.split(",")):
        return Response(status_code=304, headers=headers)
    pdf = await signed_page(centre, case, found)
    number = case.number or case.id
    shown = quote(f"{FILE_NAMES[found.kind][language_of(request)]} {number}.pdf")
    headers["content-disposition"] = f"inline; filename=\"{found.kind}-{number}.pdf\"; filename*=UTF-8''{shown}"
    return Response(pdf, headers=headers, media_type="application/pdf")


def _shown(one: Receipt) -> ReceiptShown:
    return ReceiptShown(
        number=one.number,
        at=one.at,
        operator=one.operator_id,
        missing=one.missing,
        note=one.note,
        document=encoded(one.document),
        sha256=hashlib.sha256(one.document).hexdigest(),
        content=read_document(one.document),
    )
