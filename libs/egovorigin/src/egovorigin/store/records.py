"""What happened to a case."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection


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


class Records:
    def __init__(self, history: Table) -> None:
        self._history = history
        self._add = insert(history)  # made once: with values it is made each time

    async def add_record(self, conn: AsyncConnection, record: Record) -> None:
        await conn.execute(self._add, {name: getattr(record, name) for name in Record.__slots__})

    async def records_of(self, conn: AsyncConnection, case_id: str, *, after: int, limit: int) -> list[StoredRecord]:
        """Oldest first."""
        table = self._history
        query = select(table).where(table.c.case_id == case_id, table.c.id > after).order_by(table.c.id).limit(limit)
        found = []
        for row in await conn.execute(query):
            columns = dict(row._mapping)
            found.append(StoredRecord(columns.pop("id"), Record(**columns)))
        return found
