"""Notifications: what the applicant is told, in the transaction that makes it true."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from portal_pep.domain.texts import NoticeKind, notice_text
from portal_pep.service.parts import Portal
from portal_pep.store import notifications
from portal_pep.store.cases import Case
from portal_pep.store.notifications import Notice


async def notify(
    conn: AsyncConnection,
    portal: Portal,
    case: Case,
    kind: NoticeKind,
    *,
    kk: Mapping[str, str] | None = None,
    ru: Mapping[str, str] | None = None,
) -> None:
    """One notification to the case's applicant; `kk` and `ru` fill the places of its text."""
    text = notice_text(kind, kk or {}, ru or kk or {})
    await notifications.add_notice(
        conn,
        Notice(
            id=portal.ids.new(),
            account_id=case.account_id,
            case_id=case.id,
            kind=kind.value,
            text_kk=text.kk,
            text_ru=text.ru,
            text_en=text.en,
            created_at=portal.clock.now(),
            read_at=None,
        ),
    )
