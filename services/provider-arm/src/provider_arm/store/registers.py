"""Every query on questions to the akimat's register."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from provider_arm.domain.own import GRACE, QueryState
from provider_arm.domain.registers import RegisterQuery
from provider_arm.tables import register_queries


async def add(conn: AsyncConnection, query: RegisterQuery) -> None:
    values = {column.name: getattr(query, column.name) for column in register_queries.c}
    await conn.execute(insert(register_queries).values(**(values | {"state": query.state.value})))


async def get(conn: AsyncConnection, query_id: str) -> RegisterQuery | None:
    wanted = select(register_queries).where(register_queries.c.id == query_id).with_for_update()
    row = (await conn.execute(wanted)).mappings().first()
    return _query(row) if row else None


async def of_case(conn: AsyncConnection, case_id: str) -> list[RegisterQuery]:
    """In the order of asking."""
    asked = select(register_queries).where(register_queries.c.case_id == case_id)
    rows = await conn.execute(asked.order_by(register_queries.c.asked_at, register_queries.c.id))
    return [_query(row) for row in rows.mappings()]


async def next_end(conn: AsyncConnection, now: datetime) -> datetime | None:
    """When the next question that still waits will have expired."""
    waiting = (register_queries.c.state == QueryState.WAITING.value, register_queries.c.due_at > now - GRACE)
    due: datetime | None = (
        await conn.execute(select(func.min(register_queries.c.due_at)).where(*waiting))
    ).scalar_one()
    return None if due is None else due + GRACE


async def settle(
    conn: AsyncConnection, query_id: str, state: QueryState, *, at: datetime | None = None, **found: Any
) -> None:
    """`found`: the entries of an answer that may be used, or a gateway's problem."""
    values: Mapping[str, Any] = {"state": state.value, "answered_at": at, **found}
    await conn.execute(update(register_queries).where(register_queries.c.id == query_id).values(**values))


def _query(row: RowMapping) -> RegisterQuery:
    return RegisterQuery(**{**row, "state": QueryState(row["state"])})
