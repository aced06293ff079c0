"""For the head: who read whose data, which of our messages a gateway refused, and what is overdue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import Query, Request

from egovkit.declared import refuses
from egovkit.routes import Routes
from egovkit.service import language_of
from provider_arm.api.access import Cursor, Desk, Limit, OfDesk, Person
from provider_arm.api.models import IncidentPage, LatePage, LateView, PersonRef, ReadPage, ReadView
from provider_arm.api.paging import page_of
from provider_arm.api.render import incident_view, person_ref, titles
from provider_arm.service import views
from provider_arm.store.oversight import NEWEST_FIRST
from provider_arm.store.terms import Late

router = Routes(prefix="/v1", tags=["oversight"])

CaseId = Annotated[str | None, Query(max_length=36)]


@router.get("/reads")
@refuses("staff.role_not_enough")
async def list_reads(
    desk: OfDesk,
    person: Person,
    *,
    case: CaseId = None,
    staff: CaseId = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ReadPage:
    """The log of reads of personal data, newest first."""
    with page_of(limit, NEWEST_FIRST, cursor) as page:
        found, after, names = await views.reads(desk.ws, person, page, case_id=case, staff_id=staff)
    items = [
        ReadView(
            id=read.id,
            at=read.at,
            who=PersonRef(id=read.staff_id, name=names.get(read.staff_id, "-")),
            case=read.case_id,
            what=read.what,
            why=read.why,
        )
        for read in found
    ]
    return ReadPage(items=items, next=after)


@router.get("/incidents")
@refuses("staff.role_not_enough")
async def list_incidents(
    request: Request, desk: OfDesk, person: Person, limit: Limit = 50, cursor: Cursor = None
) -> IncidentPage:
    """Refusals of our messages by gateways, newest first, in the caller's language."""
    with page_of(limit, NEWEST_FIRST, cursor) as page:
        found, after = await views.incidents(desk.ws, person, page)
    lang = language_of(request)
    return IncidentPage(items=[incident_view(incident, lang) for incident in found], next=after)


@router.get("/oversight/overdue")
@refuses("staff.role_not_enough")
async def list_overdue(
    desk: OfDesk,
    person: Person,
    *,
    everything: Annotated[bool, Query(alias="all", description="with what was done since")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> LatePage:
    """Terms of cases and of internal steps that passed unheeded, newest first."""
    with page_of(limit, NEWEST_FIRST, cursor) as page:
        found, after, names = await views.late(desk.ws, person, page, everything=everything)
    return LatePage(items=[_late(desk, one, names) for one in found], next=after)


def _late(desk: Desk, one: Late, names: Mapping[str, str]) -> LateView:
    title_ru, title_kk = titles(desk.ws, one.case.regulation, one.case.regulation_version)
    marked = one.escalation
    return LateView(
        id=marked.id,
        at=marked.at,
        case=one.case.id,
        number=one.case.number,
        regulation=one.case.regulation,
        title_ru=title_ru,
        title_kk=title_kk,
        case_state=one.case.state,
        task=marked.task_id,
        kind=one.task_kind,
        assignee=person_ref(names, one.assignee),
        clause=marked.clause,
        term=marked.term,
        due_at=marked.due_at,
        open=one.open,
    )
