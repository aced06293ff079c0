"""What happened to a case."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.tables import history

_ADD_RECORD = insert(history)  # made once: with values it is made each time


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
