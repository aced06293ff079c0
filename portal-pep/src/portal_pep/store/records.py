"""What happened to a case, what the applicant was told of it, and when he looked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from portal_pep.tables import history, notifications, reads

_ADD_RECORD, _ADD_NOTICE = insert(history), insert(notifications)  # made once: with values they are made each time


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of the history of a case. `applied` is False for a message that came too late to change anything."""

    case_id: str
    at: datetime
    event: str
    state_before: str
    state_after: str
    step: str | None = None
    clause: str | None = None
    applied: bool = True
    version: int | None = None
    envelope_id: str | None = None
    limit_s: float | None = None
    used_s: float | None = None
    detail: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StoredRecord:
    id: int
    record: Record


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


async def add_record(conn: AsyncConnection, record: Record) -> None:
    await conn.execute(_ADD_RECORD, {name: getattr(record, name) for name in Record.__slots__})


async def records_of(conn: AsyncConnection, case_id: str, *, after: int, limit: int) -> list[StoredRecord]:
    """Oldest first."""
    query = (
        select(history).where(history.c.case_id == case_id, history.c.id > after).order_by(history.c.id).limit(limit)
    )
    found = []
    for row in await conn.execute(query):
        columns = dict(row._mapping)
        found.append(StoredRecord(columns.pop("id"), Record(**columns)))
    return found


async def owners_last(conn: AsyncConnection, case_id: str) -> datetime | None:
    """When the owner's last message that counted came; only the owner's carry a version."""
    query = (
        select(history.c.at)
        .where(history.c.case_id == case_id, history.c.version.is_not(None), history.c.applied)
        .order_by(history.c.id.desc())
        .limit(1)
    )
    return (await conn.execute(query)).scalar_one_or_none()


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
