"""What happened to a case, and what the applicant was told of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from portal_pep.tables import history, notifications

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


async def mark_read(conn: AsyncConnection, account_id: str, id_: str, at: datetime) -> Notice | None:
    """None when there is no such notice of this account; marking twice keeps the first moment."""
    mine = (notifications.c.id == id_, notifications.c.account_id == account_id)
    unread = notifications.c.read_at.is_(None)
    await conn.execute(update(notifications).where(*mine, unread).values(read_at=at))
    row = (await conn.execute(select(notifications).where(*mine))).one_or_none()
    return Notice(**row._mapping) if row else None
