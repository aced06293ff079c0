"""Internal procedures under way: one row for a case."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from provider_arm.domain.internal import Draft, Running
from provider_arm.tables import procedures


async def add(conn: AsyncConnection, running: Running) -> None:
    await conn.execute(
        insert(procedures).values(
            case_id=running.case_id,
            lodged=running.lodged,
            started_at=running.started_at,
            executor=running.executor,
            draft=running.draft.as_data(),
        )
    )


async def get(conn: AsyncConnection, case_id: str) -> Running | None:
    row = (await conn.execute(select(procedures).where(procedures.c.case_id == case_id))).mappings().first()
    return None if row is None else Running(**{**row, "draft": Draft.of(row["draft"])})


async def keep(conn: AsyncConnection, running: Running) -> None:
    """The case's row is locked by whoever works on it, so nobody else writes here meanwhile."""
    values: dict[str, Any] = {"executor": running.executor, "draft": running.draft.as_data()}
    await conn.execute(update(procedures).where(procedures.c.case_id == running.case_id).values(**values))
