"""Cases: looking at them, checking documents."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import Path, Query, Request, Response
from pydantic import ConfigDict

from egovkit.declared import may_be_keyed, refuses
from egovkit.idempotency import Answer, Attempt, Call
from egovkit.routes import Routes
from provider_arm.api.access import Cursor, Desk, Limit, OfDesk, Person, Seen, Why, etag
from provider_arm.api.models import (
    CasePage,
    CaseStanding,
    CheckWish,
    History,
    Model,
    OpinionWish,
    ProcedureView,
)
from provider_arm.api.paging import page_of
from provider_arm.api.registers import CaseFileView, case_file_view
from provider_arm.api.render import case_line, history_item, procedure_view, standing
from provider_arm.domain.cases import Case, CaseState
from provider_arm.service import decisions, internal, opinions, views
from provider_arm.service.decisions import Verdict
from provider_arm.store.cases import CaseFilter

router = Routes(prefix="/v1/cases", tags=["cases"])

Sort = Literal["registered_at", "-registered_at", "changed_at", "-changed_at", "number", "-number"]
Sha256 = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]


class CaseQuery(Model):
    model_config = ConfigDict(strict=False, extra="forbid")  # a query is text

    state: CaseState | None = None
    regulation: Annotated[str | None, Query(max_length=64)] = None
    number: Annotated[str | None, Query(pattern=r"^\d{11}$")] = None
    verified: bool | None = None
    sort: Sort = "-registered_at"
    limit: Limit = 50
    cursor: Cursor = None


@router.get("")
async def list_cases(desk: OfDesk, person: Person, query: Annotated[CaseQuery, Query()]) -> CasePage:
    wanted = CaseFilter(query.state, query.regulation, query.number, query.verified)
    with page_of(query.limit, query.sort, query.cursor) as page:
        found, after = await views.list_cases(desk.ws, person, wanted, page)
    return CasePage(items=[case_line(desk.ws, case) for case in found], next=after)


@router.get("/{case_id}")
@refuses("provider.case_unknown")
async def open_case(desk: OfDesk, person: Person, case_id: str, response: Response, reason: Why = None) -> CaseFileView:
    """One case. Seeing its applicant is recorded: who, when, and the `reason` given or the task held."""
    opened = await views.open_case(desk.ws, person, case_id, reason)
    response.headers["etag"] = etag(opened.case.version)
    response.headers["cache-control"] = "no-store"
    return case_file_view(desk.ws, opened)


@router.get(
    "/{case_id}/attachments/{sha256}",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "the exact bytes attached"}},
)
@refuses(
    "attachment.altered", "attachment.gone", "attachment.not_of_case", "attachment.unavailable",
    "provider.case_unknown", "staff.role_not_enough",
)  # fmt: skip
async def attachment(desk: OfDesk, person: Person, case_id: str, sha256: Sha256, reason: Why = None) -> Response:
    facts, content = await views.attachment(desk.ws, person, case_id, sha256, reason)
    headers = {
        # Never shown inside our own origin: a file of a stranger must not run there.
        "content-disposition": f"attachment; filename*=UTF-8''{quote(facts['name'], safe='')}",
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
    }
    return Response(content, media_type=facts["type"], headers=headers)


@router.get("/{case_id}/history")
@refuses("provider.case_unknown")
async def history(desk: OfDesk, person: Person, case_id: str) -> History:
    """Every row of our own journal about the case, each with its place in the chain."""
    rows, names = await views.history(desk.ws, person, case_id)
    return History(items=[history_item(row, names) for row in rows])


@router.get("/{case_id}/procedure")
@refuses("case.not_served", "internal.none", "provider.case_unknown")
async def procedure(desk: OfDesk, person: Person, case_id: str) -> ProcedureView:
    """The internal procedure of the case: each step with its actor, term and who did it when."""
    running, steps, names = await internal.shown(desk.ws, person, case_id)
    return procedure_view(running, steps, names, desk.ws.clock.now())


@router.post("/{case_id}/check", response_model=CaseStanding)
@may_be_keyed
@refuses(
    "case.not_served", "decision.conflict", "decision.not_verified", "decision.opinion_missing",
    "decision.too_early", "provider.case_unknown", "staff.role_not_enough", "task.done", "task.not_taken",
    "task.taken",
)  # fmt: skip
async def check_documents(
    request: Request, desk: OfDesk, person: Person, *, case_id: str, seen: Seen, wish: CheckWish
) -> Response:
    """The document check of a case whose task the caller holds; violations refuse the application at once."""
    verdict = Verdict(wish.outcome, tuple((reason.code, reason.text) for reason in wish.reasons))

    async def act(_: Attempt) -> Answer:
        return _stands(await decisions.check_documents(desk.ws, person, case_id, verdict, seen))

    return await _once(request, desk, person.id, act)


@router.post("/{case_id}/commission", response_model=CaseStanding)
@may_be_keyed
@refuses(
    "case.not_served", "decision.conflict", "decision.no_commission", "decision.opinion_given",
    "provider.case_unknown", "staff.role_not_enough",
)  # fmt: skip
async def give_opinion(request: Request, desk: OfDesk, person: Person, case_id: str, wish: OpinionWish) -> Response:
    """The commission's opinion, once and before the decision, where the act speaks of one."""
    opinion = opinions.Opinion(wish.positive, wish.text_ru, wish.text_kk)

    async def act(_: Attempt) -> Answer:
        return _stands(await opinions.give(desk.ws, person, case_id, opinion))

    return await _once(request, desk, person.id, act)


async def _once(request: Request, desk: Desk, staff_id: str, act: Call) -> Response:
    return await desk.idempotent.run(request, scope=f"staff:{staff_id}", call=act, required=False)


def _stands(case: Case) -> Answer:
    return Answer(200, standing(case).model_dump(mode="json"), {"etag": etag(case.version)})
