"""What the applicant was told of his cases, and when he looked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from portal_pep.tables import notifications, reads

_ADD_NOTICE = insert(notifications)  # made once: with values it is made each time


@dataclass(frozen=True, slots=True)
class Notice:
    id: str
    account_id: str
    case_id: str
    kind: str
    text_kk: str
    text_ru: str
    text_en: str
    created_at: datetime
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class Read:
    """One look of a person at what came back: `what` is status, result or pdf."""

    id: int
    case_id: str
    account_id: str
    at: datetime
    what: str


async def add_read(conn: AsyncConnection, case_id: str, account_id: str, at: datetime, what: str) -> None:
    await conn.execute(insert(reads).values(case_id=case_id, account_id=account_id, at=at, what=what))


async def reads_of(conn: AsyncConnection, case_id: str, *, before: int | None, limit: int) -> list[Read]:
    """Newest first."""
    query = select(reads).where(reads.c.case_id == case_id).order_by(reads.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(reads.c.id < before)
    return [Read(**row._mapping) for row in await conn.execute(query)]


async def add_notice(conn: AsyncConnection, notice: Notice) -> None:
    await conn.execute(_ADD_NOTICE, {name: getattr(notice, name) for name in Notice.__slots__})


async def notices_of(
    conn: AsyncConnection, account_id: str, *, before: str | None, limit: int, unread: bool
) -> list[Notice]:
    """Newest first."""
    query = (
        select(notifications)
        .where(notifications.c.account_id == account_id)
        .order_by(notifications.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(notifications.c.id < before)
    if unread:
        query = query.where(notifications.c.read_at.is_(None))
    return [Notice(**row._mapping) for row in await conn.execute(query)]


async def notice_of(conn: AsyncConnection, account_id: str, id_: str) -> Notice | None:
    mine = (notifications.c.id == id_, notifications.c.account_id == account_id)
    row = (await conn.execute(select(notifications).where(*mine))).one_or_none()
    return Notice(**row._mapping) if row else None


async def mark_read(conn: AsyncConnection, account_id: str, id_: str, at: datetime) -> Notice | None:
    """None when there is no such notice of this account; marking twice keeps the first moment."""
    mine = (notifications.c.id == id_, notifications.c.account_id == account_id)
    unread = notifications.c.read_at.is_(None)
    await conn.execute(update(notifications).where(*mine, unread).values(read_at=at))
    row = (await conn.execute(select(notifications).where(*mine))).one_or_none()
    return Notice(**row._mapping) if row else None


async def mark_all_read(conn: AsyncConnection, account_id: str, up_to: str, at: datetime) -> int:
    """How many were unread: those that had come by the notice `up_to`."""
    mine = (notifications.c.account_id == account_id, notifications.c.id <= up_to, notifications.c.read_at.is_(None))
    return (await conn.execute(update(notifications).where(*mine).values(read_at=at))).rowcount


async def unread_count(conn: AsyncConnection, account_id: str) -> int:
    mine = (notifications.c.account_id == account_id, notifications.c.read_at.is_(None))
    count: int = (await conn.execute(select(func.count()).select_from(notifications).where(*mine))).scalar_one()
    return count
