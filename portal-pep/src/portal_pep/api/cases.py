"""Applications: choosing, the form, copies of documents, the request page, history, result."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import Header, Path, Query, Request, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.declared import keyed, refuses
from egovkit.edge import language_of
from egovkit.errors import EgovError
from egovkit.idempotency import Answer, Attempt
from egovkit.routes import Routes
from egovorigin.api import (
    FILE_BODY,
    PAGE,
    Cursor,
    Key,
    Limit,
    Shown,
    Strict,
    cursor_of,
    etag,
    key_of,
    model_answer,
    number_of,
    upload_of,
    version_of,
)
from egovorigin.shown import (
    AttachmentShown,
    History,
    ResultFields,
    Values,
    attachment_shown,
    history_shown,
    result_fields,
)
from portal_pep.api.base import Confirmed, ThePortal, once
from portal_pep.api.shown import CaseLine, CaseShown, StatusChecked, case_line, case_shown, status_checked
from portal_pep.service import cases, printing, reading
from portal_pep.service.parts import Portal
from portal_pep.store.cases import Case

router = Routes(prefix="/v1/cases", tags=["applications"])


class NewCase(Strict):
    regulation: Annotated[str, Field(min_length=1, max_length=80)]
    copy_of: Annotated[
        str | None, Field(max_length=36, description="a former application whose form and copies are taken over")
    ] = None


class FormValues(Strict):
    """Kept exactly as typed. Sizes are checked by the portal itself, so that every wrong field is named."""

    values: Values


class CaseList(Shown):
    items: list[CaseLine]
    next: str | None


class ResultShown(ResultFields):
    """`kind` is what it is to the applicant: a negative result is a refusal, signed; a refusal letter carries neither
    signature nor outcome. `judged` is what the portal found about the signature when the result came."""


class ReadShown(Shown):
    at: datetime
    what: str  # status, result or pdf


class ReadList(Shown):
    items: list[ReadShown]
    next: str | None


@router.post("", status_code=201, response_model=CaseShown)
@keyed
@refuses(
    "case.not_found", "case.of_another_service", "result.not_ready", "service.not_found", "service.not_in_force",
)  # fmt: skip
async def open_case(
    request: Request, portal: ThePortal, identity: Confirmed, body: NewCase, key: Key = None
) -> Response:
    """Chooses a service: the case is born."""

    async def work(attempt: Attempt) -> Answer:
        answers: list[Answer] = []

        async def keep(conn: AsyncConnection, case: Case) -> None:
            page = await reading.page_in(conn, portal, identity.account, case.id)
            location = f"/v1/cases/{case.id}"
            shown = model_answer(201, case_shown(page), etag=etag(case.form_version), location=location)
            answers.append(await attempt.keep(conn, shown))

        await cases.open_case(portal, identity, body.regulation, body.copy_of, keep)
        return answers[0]

    return await once(request, identity, work)


Number = Annotated[
    str | None, Query(pattern=r"^[0-9]{11}$", description="only applications the provider gave this number")
]


@router.get("")
@refuses("request.cursor_invalid")
async def list_cases(
    portal: ThePortal, identity: Confirmed, cursor: Cursor = None, limit: Limit = PAGE, number: Number = None
) -> CaseList:
    """The citizen's applications, newest first."""
    before = key_of(cursor)
    found, more = await reading.case_list(portal, identity.account, before=before, limit=limit, number=number)
    lines = [case_line(one, portal.catalogue.regulation(one.regulation, one.regulation_version)) for one in found]
    return CaseList(items=lines, next=cursor_of(found[-1].id) if more else None)


@router.get("/{case_id}")
@refuses("case.not_found", "result.not_ready")
async def show_case(portal: ThePortal, identity: Confirmed, case_id: str, response: Response) -> CaseShown:
    """The request page: ИИН, number, kind of service, status, term; with progress and limits used."""
    page = await reading.page(portal, identity.account, case_id)
    response.headers["etag"] = etag(page.case.form_version)
    return case_shown(page)


@router.put("/{case_id}/form")
@refuses(
    "case.changed_meanwhile", "case.not_found", "case.wrong_state", "form.changed_meanwhile", "form.invalid",
    "form.version_missing", "result.not_ready",
)  # fmt: skip
async def save_form(
    *,
    portal: ThePortal,
    identity: Confirmed,
    case_id: str,
    body: FormValues,
    response: Response,
    if_match: Annotated[str | None, Header(description="the ETag of the form as it was seen")] = None,
) -> CaseShown:
    """Replaces the form's values. Of two windows the slower one gets 412 and loses nothing of the other's."""
    version = version_of(if_match)
    if version is None:
        raise EgovError("form.version_missing")
    case = await cases.save_form(portal, identity.account, case_id, body.values, version)
    response.headers["etag"] = etag(case.form_version)
    return case_shown(await reading.page(portal, identity.account, case_id))


Role = Annotated[str, Path(pattern=r"^[a-z_]{1,20}$", description="as the form's field names it: spouse")]


class ToName(Strict):
    iin: Annotated[str, Field(max_length=20)]


@router.put("/{case_id}/co-signers/{role}")
@refuses(
    "case.changed_meanwhile", "case.not_found", "case.regulation_changed", "case.wrong_state", "co_signer.is_applicant",
    "co_signer.not_in_form", "result.not_ready",
)  # fmt: skip
async def name_co_signer(
    *, portal: ThePortal, identity: Confirmed, case_id: str, role: Role, body: ToName
) -> CaseShown:
    """Names who signs with the applicant, where the act's form asks for it. Signatures that were given are void."""
    await cases.name_co_signer(portal, identity.account, case_id, role, body.iin)
    return case_shown(await reading.page(portal, identity.account, case_id))


@router.delete("/{case_id}/co-signers/{role}")
@refuses("case.changed_meanwhile", "case.not_found", "case.wrong_state", "co_signer.not_named", "result.not_ready")
async def forget_co_signer(*, portal: ThePortal, identity: Confirmed, case_id: str, role: Role) -> CaseShown:
    """Goes without him: a scanned sheet may be attached instead. Signatures that were given are void."""
    await cases.forget_co_signer(portal, identity.account, case_id, role)
    return case_shown(await reading.page(portal, identity.account, case_id))


@router.put("/{case_id}/attachments/{name}", openapi_extra=FILE_BODY)
@refuses(
    "attachment.case_full", "attachment.name_invalid", "attachment.not_what_it_says", "attachment.too_large",
    "attachment.too_many", "attachment.type_not_allowed", "case.changed_meanwhile", "case.not_found",
    "case.wrong_state",
)  # fmt: skip
async def attach(request: Request, portal: ThePortal, identity: Confirmed, case_id: str, name: str) -> AttachmentShown:
    """Attaches a copy of a document: PDF, JPEG or PNG, 10 MB at most, 50 MB in one application."""
    _, facts = await cases.attach(portal, identity.account, case_id, name, await upload_of(request))
    return attachment_shown(facts)


@router.delete("/{case_id}/attachments/{name}", status_code=204)
@refuses("attachment.not_found", "case.changed_meanwhile", "case.not_found", "case.wrong_state")
async def detach(portal: ThePortal, identity: Confirmed, case_id: str, name: str) -> Response:
    await cases.detach(portal, identity.account, case_id, name)
    return Response(status_code=204)


@router.get("/{case_id}/history")
@refuses("case.not_found", "request.cursor_invalid")
async def history(
    portal: ThePortal, identity: Confirmed, case_id: str, cursor: Cursor = None, limit: Limit = PAGE
) -> History:
    """Everything that happened to the application, oldest first; `applied` is false for what came too late."""
    found, more = await reading.history(portal, identity.account, case_id, after=number_of(cursor), limit=limit)
    return history_shown(found, more=more)


@router.get("/{case_id}/result")
@refuses("case.not_found", "result.not_ready")
async def result(portal: ThePortal, identity: Confirmed, case_id: str) -> ResultShown:
    """The result, or the reasoned refusal, as the provider's system made it."""
    _, found = await reading.result(portal, identity.account, case_id)
    return ResultShown(**result_fields(found))


@router.post("/{case_id}/status-check")
@refuses("case.not_found", "result.not_ready")
async def check_status(portal: ThePortal, identity: Confirmed, case_id: str) -> StatusChecked:
    """The button "обновить статус". Every look is recorded and answered anew: with a key a repetition would get the
    old answer, so none is taken."""
    return status_checked(await reading.check_status(portal, identity.account, case_id))


@router.get("/{case_id}/reads")
@refuses("case.not_found", "request.cursor_invalid")
async def list_reads(
    portal: ThePortal, identity: Confirmed, case_id: str, cursor: Cursor = None, limit: Limit = PAGE
) -> ReadList:
    """When the result, its PDF and the status were looked at through the portal, newest first."""
    before = number_of(cursor) or None
    found, more = await reading.reads(portal, identity.account, case_id, before=before, limit=limit)
    items = [ReadShown(at=one.at, what=one.what) for one in found]
    return ReadList(items=items, next=cursor_of(found[-1].id) if more else None)


FILE_NAMES: Final = {
    "result": {"kk": "Нәтиже", "ru": "Результат", "en": "Result"},
    "refusal": {"kk": "Бас тарту", "ru": "Отказ", "en": "Refusal"},
    "receipt": {"kk": "Қолхат", "ru": "Расписка", "en": "Receipt"},
    "notification": {"kk": "Хабарлама", "ru": "Уведомление", "en": "Notification"},
}
OF_A_SIGNED_PAGE: Final = (
    "attachment.altered", "attachment.gone", "attachment.unavailable", "certificate.revocation_unknown",
    "result.page_not_believed",
)  # fmt: skip
PDF: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get("/{case_id}/result.pdf", response_class=Response, responses=PDF)
@refuses("case.not_found", "result.not_ready", *OF_A_SIGNED_PAGE)
async def result_pdf(
    *,
    request: Request,
    portal: ThePortal,
    identity: Confirmed,
    case_id: str,
    if_none_match: Annotated[str | None, Header(description="the ETag of a copy that is already kept")] = None,
) -> Response:
    """The result, or the reasoned refusal, as PDF/A: the button "сохранить". The same bytes every time: those the
    official signed, or, where he signed the document alone, set here and saying so.
    """
    page = await printing.page(portal, identity.account, case_id)
    return await pdf_answer(request, portal, page, page.number or case_id, if_none_match)


@router.get("/{case_id}/receipt.pdf", response_class=Response, responses=PDF)
@refuses("case.not_found", "receipt.not_found")
async def receipt_pdf(
    *,
    request: Request,
    portal: ThePortal,
    identity: Confirmed,
    case_id: str,
    if_none_match: Annotated[str | None, Header(description="the ETag of a copy that is already kept")] = None,
) -> Response:
    """The receipt for the application and its copies of documents, as PDF/A, from its registration on."""
    page = await printing.receipt_page(portal, identity.account, case_id)
    return await pdf_answer(request, portal, page, page.number or case_id, if_none_match)


async def pdf_answer(
    request: Request, portal: Portal, page: printing.Page, name: str, if_none_match: str | None
) -> Response:
    """The page to save under a name in the reader's language; nothing for who has it already."""
    tag = f'"{page.etag}"'
    headers = {"etag": tag, "cache-control": "private, no-cache", "vary": "Accept-Language"}
    if if_none_match is not None and tag in (one.strip() for one in if_none_match.split(",")):
        return Response(status_code=304, headers=headers)
    shown = quote(f"{FILE_NAMES[page.kind][language_of(request)]} {name}.pdf")
    headers["content-disposition"] = f"attachment; filename=\"{page.kind}-{name}.pdf\"; filename*=UTF-8''{shown}"
    return Response(await printing.pdf(portal, page), headers=headers, media_type="application/pdf")
