"""For the head: who read whose data, and which of our messages a gateway refused."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from egovkit.service import language_of
from provider_arm.api.access import Cursor, Limit, OfDesk, Person
from provider_arm.api.models import IncidentPage, PersonRef, ReadPage, ReadView
from provider_arm.api.paging import page_of
from provider_arm.api.render import incident_view
from provider_arm.service import views
from provider_arm.store.oversight import NEWEST_FIRST

router = APIRouter(prefix="/v1", tags=["oversight"])

CaseId = Annotated[str | None, Query(max_length=36)]


@router.get("/reads")
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
async def list_incidents(
    request: Request, desk: OfDesk, person: Person, limit: Limit = 50, cursor: Cursor = None
) -> IncidentPage:
    """Refusals of our messages by gateways, newest first, in the caller's language."""
    with page_of(limit, NEWEST_FIRST, cursor) as page:
        found, after = await views.incidents(desk.ws, person, page)
    lang = language_of(request)
    return IncidentPage(items=[incident_view(incident, lang) for incident in found], next=after)
