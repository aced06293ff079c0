"""Notifications of the applicant."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter

from portal_pep.api.base import PAGE, Confirmed, Cursor, Limit, Shown, Text, ThePortal, cursor_of, key_of
from portal_pep.service import reading
from portal_pep.store.records import Notice

router = APIRouter(prefix="/v1/notifications", tags=["notifications"])


class NoticeShown(Shown):
    id: str
    case: str
    kind: str
    text: Text
    created_at: datetime
    read_at: datetime | None


class NoticeList(Shown):
    items: list[NoticeShown]
    next: str | None


@router.get("")
async def list_notifications(
    portal: ThePortal,
    identity: Confirmed,
    cursor: Cursor = None,
    limit: Limit = PAGE,
    unread: bool = False,
) -> NoticeList:
    """Newest first."""
    found, more = await reading.notices(portal, identity.account, before=key_of(cursor), limit=limit, unread=unread)
    return NoticeList(items=[_shown(one) for one in found], next=cursor_of(found[-1].id) if more else None)


@router.post("/{notification_id}/read")
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
