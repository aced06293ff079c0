"""The result of a case: prepared, signed with its page or without, issued, printed."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import Header, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.declared import may_be_keyed, refuses
from egovkit.edge import language_of
from egovkit.errors import EgovError, FieldError
from egovkit.idempotency import Answer, Attempt, Call
from egovkit.routes import Routes
from egovkit.signatures.certificates import OF_A_PERSON
from egovkit.signatures.documents import OF_A_SIGNATURE
from provider_arm.api.access import Desk, OfDesk, Person, Seen, Why, etag
from provider_arm.api.models import (
    Base64,
    CaseStanding,
    CertificateView,
    PreparedView,
    PrepareWish,
    Wish,
)
from provider_arm.api.render import b64, decoded, standing
from provider_arm.domain.cases import Case
from provider_arm.service import issuing, views
from provider_arm.service.issuing import Prepared
from provider_arm.service.pages import Signed

router = Routes(prefix="/v1/cases", tags=["cases"])

FILE_NAMES: Final = {"kk": "Нәтиже", "ru": "Результат", "en": "Result"}
PDF: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}
}
_OF_THE_TASK = (
    "case.not_served", "decision.conflict", "decision.too_early", "internal.other_desk", "internal.other_executor",
    "provider.case_unknown", "result.certificate_not_official", "staff.role_not_enough", "task.done", "task.taken",
)  # fmt: skip


class PageWish(Wish):
    """`signature`: over the prepared document."""

    signature: Base64


class IssueWish(Wish):
    """`page_signature`: over `to_sign` of the page; where a page was prepared it is needed, unless `without_page`."""

    signature: Base64
    page_signature: Base64 | None = None
    without_page: bool = False


class PageView(CaseStanding):
    to_sign: str  # base64: sign exactly these bytes
    sha256: str  # of them


@router.post("/{case_id}/result/prepare", response_model=PreparedView)
@may_be_keyed
@refuses(
    *_OF_THE_TASK, "result.other_than_decided", "result.too_large", "result.variant_missing",
    "result.variant_unknown", *OF_A_PERSON,
)  # fmt: skip
async def prepare_result(
    request: Request, desk: OfDesk, person: Person, *, case_id: str, seen: Seen, wish: PrepareWish
) -> Response:
    """Checks the authorised person's certificate and returns the exact bytes to sign."""
    wanted = issuing.ResultWish(wish.certificate, wish.text_ru, wish.text_kk, wish.values, wish.outcome, wish.variant)

    async def act(_: Attempt) -> Answer:
        prepared = await issuing.prepare_result(desk.ws, person, case_id, wanted, seen)
        body = _prepared(prepared).model_dump(mode="json")
        return Answer(200, body, {"etag": etag(prepared.case.version)})

    return await _once(request, desk, person.id, act)


@router.post("/{case_id}/result/page", response_model=PageView)
@may_be_keyed
@refuses(
    *_OF_THE_TASK, "pdf.not_rendered", "result.not_prepared", "result.other_certificate", "result.page_too_large",
    "task.not_taken", *OF_A_SIGNATURE,
)  # fmt: skip
async def prepare_page(
    request: Request, desk: OfDesk, person: Person, *, case_id: str, seen: Seen, wish: PageWish
) -> Response:
    """Sets the page of the prepared result, with the document and the given signature over it in its codes, and
    returns the exact bytes to sign so that the page is signed itself. Preparing the result anew forgets it.
    """
    signature = decoded("signature", wish.signature)

    async def act(_: Attempt) -> Answer:
        case, page = await issuing.prepare_page(desk.ws, person, case_id, signature, seen)
        digest = hashlib.sha256(page.to_sign).hexdigest()
        shown = PageView(**standing(case).model_dump(), to_sign=b64(page.to_sign), sha256=digest)
        return Answer(200, shown.model_dump(mode="json"), {"etag": etag(case.version)})

    return await _once(request, desk, person.id, act)


@router.post("/{case_id}/result", response_model=CaseStanding)
@may_be_keyed
@refuses(
    *_OF_THE_TASK, "attachment.store_refused", "attachment.store_unavailable", "internal.nothing_to_send_back",
    "result.not_prepared", "result.other_certificate", "result.page_not_prepared", "result.page_not_sealed",
    "result.page_of_other_signature", "result.page_signature_missing", "result.page_too_large",
    "signature.other_certificate", "task.not_taken", *OF_A_SIGNATURE,
)  # fmt: skip
async def issue_result(
    request: Request, desk: OfDesk, person: Person, *, case_id: str, seen: Seen, wish: IssueWish
) -> Response:
    """Takes the detached CMS over the prepared bytes, and that over the page where one was prepared; completes the
    case.
    """
    if wish.without_page and wish.page_signature is not None:
        error = FieldError("without_page", "not_allowed", "there is a signature of the page")
        raise EgovError("request.invalid", errors=[error])
    page = None if wish.page_signature is None else decoded("page_signature", wish.page_signature)
    given = Signed(decoded("signature", wish.signature), page, wish.without_page)

    async def act(attempt: Attempt) -> Answer:
        async def keep(conn: AsyncConnection, issued: Case) -> None:
            kept.append(await attempt.keep(conn, _stands(issued)))

        kept: list[Answer] = []
        await issuing.issue_result(desk.ws, person, case_id, given, expected=seen, keep=keep)
        return kept[0]

    return await _once(request, desk, person.id, act)


@router.get("/{case_id}/result.pdf", response_class=Response, responses=PDF)
@refuses("provider.case_unknown", "result.page_absent", "staff.role_not_enough")
async def result_pdf(
    *,
    request: Request,
    desk: OfDesk,
    person: Person,
    case_id: str,
    reason: Why = None,
    if_none_match: Annotated[str | None, Header(description="the ETag of a copy that is already kept")] = None,
) -> Response:
    """The page as its official signed it, to be printed or given out. Looking at it is recorded."""
    case, sha256, pdf = await views.page(desk.ws, person, case_id, reason)
    headers = {"etag": f'"{sha256}"', "cache-control": "private, no-cache", "vary": "Accept-Language"}
    if if_none_match is not None and headers["etag"] in (one.strip() for one in if_none_match.split(",")):
        return Response(status_code=304, headers=headers)
    shown = quote(f"{FILE_NAMES[language_of(request)]} {case.number}.pdf")
    headers["content-disposition"] = f"attachment; filename=\"result-{case.number}.pdf\"; filename*=UTF-8''{shown}"
    return Response(pdf, headers=headers, media_type="application/pdf")


async def _once(request: Request, desk: Desk, staff_id: str, act: Call) -> Response:
    return await desk.idempotent.run(request, scope=f"staff:{staff_id}", call=act, required=False)


def _stands(case: Case) -> Answer:
    return Answer(200, standing(case).model_dump(mode="json"), {"etag": etag(case.version)})


def _prepared(prepared: Prepared) -> PreparedView:
    facts = prepared.certificate
    return PreparedView(
        **standing(prepared.case).model_dump(),
        document=b64(prepared.document),
        sha256=hashlib.sha256(prepared.document).hexdigest(),
        certificate=CertificateView(
            thumbprint=facts.thumbprint,
            subject=facts.subject_cn,
            not_before=facts.not_before,
            not_after=facts.not_after,
        ),
    )
