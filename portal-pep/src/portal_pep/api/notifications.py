"""Notifications of the applicant."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Header, Request, Response
from pydantic import Field

from egovkit.declared import refuses
from egovkit.routes import Routes
from egovorigin.api import PAGE, Cursor, Limit, Shown, Strict, Text, cursor_of, key_of
from portal_pep.api.base import Confirmed, ThePortal
from portal_pep.api.cases import PDF, pdf_answer
from portal_pep.service import printing, reading
from portal_pep.store.notifications import Notice

router = Routes(prefix="/v1/notifications", tags=["notifications"])


class NoticeShown(Shown):
    id: str
    case: str
    kind: str
    text: Text
    created_at: datetime
    read_at: datetime | None


class NoticeList(Shown):
    items: list[NoticeShown]
    unread: int  # of all, not of this page
    next: str | None


class UpTo(Strict):
    """What is read is what has been seen: a notification that comes meanwhile stays unread."""

    up_to: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$", description="id of the newest notification seen")]


class AllRead(Shown):
    marked: int
    unread: int


@router.get("")
@refuses("request.cursor_invalid")
async def list_notifications(
    portal: ThePortal,
    identity: Confirmed,
    cursor: Cursor = None,
    limit: Limit = PAGE,
    unread: bool = False,
) -> NoticeList:
    """Newest first."""
    before = key_of(cursor)
    found, more, count = await reading.notices(portal, identity.account, before=before, limit=limit, unread=unread)
    following = cursor_of(found[-1].id) if more else None
    return NoticeList(items=[_shown(one) for one in found], unread=count, next=following)


@router.post("/read")
async def mark_all_read(portal: ThePortal, identity: Confirmed, body: UpTo) -> AllRead:
    """Marks everything up to a notification as read; doing it again changes nothing, so no key is asked for."""
    marked, unread = await reading.mark_all_read(portal, identity.account, body.up_to)
    return AllRead(marked=marked, unread=unread)


@router.get("/{notification_id}/notification.pdf", response_class=Response, responses=PDF)
@refuses("notification.not_found")
async def notification_pdf(
    *,
    request: Request,
    portal: ThePortal,
    identity: Confirmed,
    notification_id: str,
    if_none_match: Annotated[str | None, Header(description="the ETag of a copy that is already kept")] = None,
) -> Response:
    """The notification as PDF/A in the form of its act; saving it does not mark it as read."""
    page = await printing.notice_page(portal, identity.account, notification_id)
    return await pdf_answer(request, portal, page, notification_id, if_none_match)


@router.post("/{notification_id}/read")
@refuses("notification.not_found")
async def mark_read(portal: ThePortal, identity: Confirmed, notification_id: str) -> NoticeShown:
    """Marks it as read; marking it again changes nothing, so no key is asked for."""
    return _shown(await reading.mark_read(portal, identity.account, notification_id))


def _shown(notice: Notice) -> NoticeShown:
    return NoticeShown(
        id=notice.id,
        case=notice.case_id,
        kind=notice.kind,
        text=Text(kk=notice.text_kk, ru=notice.text_ru, en=notice.text_en),
        created_at=notice.created_at,
        read_at=notice.read_at,
    )
