"""Questions to the registers, what became of them, and who read the answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.domain.states import QueryState
from con_arm.domain.steps import GRACE
from con_arm.tables import queries, reads


@dataclass(frozen=True, slots=True)
class Query:
    id: str
    case_id: str
    round: int
    register: str
    recipient: str
    operator_id: str
    clause: str
    state: QueryState
    asked_at: datetime
    limit_s: float | None
    answered_at: datetime | None = None
    used_s: float | None = None
    answer: dict[str, Any] | None = None
    reason: str | None = None
    problem: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Read:
    id: str
    at: datetime
    operator_id: str
    centre: str
    case_id: str
    what: str


async def add_query(conn: AsyncConnection, query: Query) -> None:
    values = {name: getattr(query, name) for name in Query.__slots__}
    await conn.execute(insert(queries).values({**values, "state": query.state.value}))


async def query(conn: AsyncConnection, id_: str) -> Query | None:
    row = (await conn.execute(select(queries).where(queries.c.id == id_))).one_or_none()
    return _query(row._mapping) if row else None


async def queries_of(conn: AsyncConnection, case_id: str) -> list[Query]:
    """In the order they were asked."""
    found = await conn.execute(select(queries).where(queries.c.case_id == case_id).order_by(queries.c.id))
    return [_query(row._mapping) for row in found]


async def change_query(conn: AsyncConnection, id_: str, *, state: QueryState, **values: Any) -> None:
    await conn.execute(update(queries).where(queries.c.id == id_).values(state=state.value, **values))


async def supersede(conn: AsyncConnection, case_id: str, register: str | None = None) -> None:
    """Nobody waits for these any more."""
    waiting = [queries.c.case_id == case_id, queries.c.state == QueryState.WAITING.value]
    if register is not None:
        waiting.append(queries.c.register == register)
    await conn.execute(update(queries).where(*waiting).values(state=QueryState.SUPERSEDED.value))


async def next_end(conn: AsyncConnection, now: datetime) -> datetime | None:
    """When the next question that still waits will have expired, if the act gives any of them a limit."""
    column = queries.c
    waiting = select(column.asked_at, column.limit_s).where(column.state == QueryState.WAITING.value)
    found = await conn.execute(waiting.where(column.limit_s.is_not(None)))
    ends = (row.asked_at + timedelta(seconds=row.limit_s) + GRACE for row in found)
    return min((end for end in ends if end > now), default=None)


async def add_read(conn: AsyncConnection, read: Read) -> None:
    await conn.execute(insert(reads).values({name: getattr(read, name) for name in Read.__slots__}))


async def reads_of(
    conn: AsyncConnection, centre: str, *, case_id: str | None, before: str | None, limit: int
) -> list[Read]:
    """Newest first."""
    found = select(reads).where(reads.c.centre == centre).order_by(reads.c.id.desc()).limit(limit)
    if case_id is not None:
        found = found.where(reads.c.case_id == case_id)
    if before is not None:
        found = found.where(reads.c.id < before)
    return [Read(**row._mapping) for row in await conn.execute(found)]


def _query(row: Any) -> Query:
    return Query(**{**row, "state": QueryState(row["state"])})
