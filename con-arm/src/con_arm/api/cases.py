"""Applications at the counter: chosen, the consumer entered, the form, scans, the page, history, result."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Header, Query, Request, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.api.base import AtCounter, TheCentre, once
from con_arm.api.shown import CaseLine, CaseShown, case_line, case_shown
from con_arm.domain.consumer import Attorney, Representative
from con_arm.domain.papers import Paper
from con_arm.domain.states import CaseState
from con_arm.service import cases, reading
from con_arm.store.cases import Case, Wanted
from egovkit.declared import keyed, refuses
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

router = Routes(prefix="/v1/cases", tags=["applications"])

Iin = Annotated[str, Field(pattern=r"^[0-9]{12}$", description="ИИН")]


class NewCase(Strict):
    regulation: Annotated[str, Field(min_length=1, max_length=80)]
    ticket: Annotated[str | None, Field(max_length=36, description="the ticket that is being served")] = None


class AttorneyEntered(Strict):
    """`registry_number` and `date` only for a notarised one: ЕНИС knows no other (cl. 8 2) of act 427, A8). Sizes are
    checked by the workstation itself, so that every wrong field is named."""

    certified: Literal["notary", "other"]
    registry_number: str | None = None
    date: Annotated[str | None, Field(description="YYYY-MM-DD")] = None
    note: str | None = None


class RepresentativeEntered(Strict):
    iin: Iin
    name: str | None = None
    attorney: AttorneyEntered


class Consumer(Strict):
    iin: Iin
    representative: RepresentativeEntered | None = None


class PaperMarked(Strict):
    """The mark that a document was shown on paper."""

    name: str
    kind: Literal["original", "copy"]
    note: str | None = None


class FormFilled(Strict):
    """Kept exactly as typed. Sizes are checked by the workstation itself, so that every wrong field is named."""

    values: Values
    papers: list[PaperMarked] = Field(default_factory=list)


class CaseList(Shown):
    items: list[CaseLine]
    next: str | None


class ResultShown(ResultFields):
    """`kind` is what it is to the consumer: a negative result is a refusal, signed; a refusal letter carries neither
    signature nor outcome. `judged` is what was found about the signature when the result came."""


@router.post("", status_code=201, response_model=CaseShown)
@keyed
@refuses(
    "case.not_found", "result.not_ready", "service.not_at_centre", "service.not_in_force",
    "service.of_another_region", "ticket.not_found", "ticket.wrong_state",
)  # fmt: skip
async def open_case(
    request: Request, centre: TheCentre, identity: AtCounter, body: NewCase, key: Key = None
) -> Response:
    """Chooses a service: the case is born."""

    async def work(attempt: Attempt) -> Answer:
        answers: list[Answer] = []

        async def keep(conn: AsyncConnection, case: Case) -> None:
            page = await reading.page_in(conn, centre, identity.operator, case.id)
            location = f"/v1/cases/{case.id}"
            shown = model_answer(201, case_shown(page), etag=etag(case.form_version), location=location)
            answers.append(await attempt.keep(conn, shown))

        await cases.open_case(centre, identity, body.regulation, body.ticket, keep)
        return answers[0]

    return await once(request, identity, work)


@router.get("")
@refuses("request.cursor_invalid")
async def list_cases(
    *,
    centre: TheCentre,
    identity: AtCounter,
    number: Annotated[str | None, Query(pattern=r"^[0-9]{11}$")] = None,
    iin: Annotated[str | None, Query(pattern=r"^[0-9]{12}$")] = None,
    state: CaseState | None = None,
    cursor: Cursor = None,
    limit: Limit = PAGE,
) -> CaseList:
    """The centre's applications, newest first; by number or ИИН it is the check of a status."""
    wanted = Wanted(identity.operator.centre, number, iin, state)
    found, more = await reading.case_list(centre, wanted, before=key_of(cursor), limit=limit)
    lines = [case_line(one, centre.catalogue.regulation(one.regulation, one.regulation_version)) for one in found]
    return CaseList(items=lines, next=cursor_of(found[-1].id) if more else None)


@router.get("/{case_id}")
@refuses("case.not_found", "result.not_ready")
async def show_case(centre: TheCentre, identity: AtCounter, case_id: str, response: Response) -> CaseShown:
    page = await reading.page(centre, identity.operator, case_id)
    response.headers["etag"] = etag(page.case.form_version)
    return case_shown(page)


@router.put("/{case_id}/consumer")
@refuses("case.changed_meanwhile", "case.not_found", "case.wrong_state", "consumer.fixed", "result.not_ready")
async def enter_consumer(centre: TheCentre, identity: AtCounter, case_id: str, body: Consumer) -> CaseShown:
    """Who applies, and who speaks for him by which power of attorney."""
    entered = body.representative
    representative = None
    if entered is not None:
        representative = Representative(entered.iin, Attorney(**entered.attorney.model_dump()), entered.name)
    await cases.enter_consumer(centre, identity.operator, case_id, body.iin, representative)
    return case_shown(await reading.page(centre, identity.operator, case_id))


@router.put("/{case_id}/form")
@refuses(
    "case.changed_meanwhile", "case.not_found", "case.wrong_state", "form.changed_meanwhile", "form.invalid",
    "result.not_ready",
)  # fmt: skip
async def save_form(
    *,
    centre: TheCentre,
    identity: AtCounter,
    case_id: str,
    body: FormFilled,
    response: Response,
    if_match: Annotated[str | None, Header(description="the ETag of the form as it was seen")] = None,
) -> CaseShown:
    """Replaces the form's values and the marks of paper documents. With If-Match, of two windows the slower one gets
    412 and loses nothing of the other's."""
    papers = [Paper(**paper.model_dump()) for paper in body.papers]
    filled = (body.values, papers)
    case = await cases.save_form(centre, identity.operator, case_id, filled, version_of(if_match))
    response.headers["etag"] = etag(case.form_version)
    return case_shown(await reading.page(centre, identity.operator, case_id))


@router.put("/{case_id}/attachments/{name}", openapi_extra=FILE_BODY)
@refuses(
    "attachment.case_full", "attachment.name_invalid", "attachment.not_what_it_says", "attachment.too_large",
    "attachment.too_many", "attachment.type_not_allowed", "case.changed_meanwhile", "case.not_found",
    "case.wrong_state",
)  # fmt: skip
async def attach(request: Request, centre: TheCentre, identity: AtCounter, case_id: str, name: str) -> AttachmentShown:
    """Attaches a scan: PDF, JPEG or PNG by its first bytes, 10 MB at most, 50 MB in one application."""
    _, facts = await cases.attach(centre, identity.operator, case_id, name, await upload_of(request))
    return attachment_shown(facts)


@router.delete("/{case_id}/attachments/{name}", status_code=204)
@refuses("attachment.not_found", "case.changed_meanwhile", "case.not_found", "case.wrong_state")
async def detach(centre: TheCentre, identity: AtCounter, case_id: str, name: str) -> Response:
    await cases.detach(centre, identity.operator, case_id, name)
    return Response(status_code=204)


@router.get("/{case_id}/history")
@refuses("case.not_found", "request.cursor_invalid")
async def history(
    centre: TheCentre, identity: AtCounter, case_id: str, cursor: Cursor = None, limit: Limit = PAGE
) -> History:
    """Everything that happened to the application, oldest first; `applied` is false for what came too late."""
    found, more = await reading.history(centre, identity.operator, case_id, after=number_of(cursor), limit=limit)
    return history_shown(found, more=more)


@router.get("/{case_id}/result")
@refuses("case.not_found", "result.not_ready")
async def result(centre: TheCentre, identity: AtCounter, case_id: str) -> ResultShown:
    """The result, or the reasoned refusal, as the provider's system made it: to be shown and printed."""
    _, found = await reading.result(centre, identity.operator, case_id)
    return ResultShown(**result_fields(found))
