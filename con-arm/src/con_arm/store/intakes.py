"""Papers taken in where the act only names the counter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.tables import intakes


@dataclass(frozen=True, slots=True)
class Intake:
    id: str
    number: str
    centre: str
    operator_id: str
    regulation: str
    regulation_version: int
    region: str
    channel: str
    iin: str
    papers: list[dict[str, Any]]
    note: str | None
    document: bytes
    at: datetime


async def add(conn: AsyncConnection, one: Intake) -> None:
    await conn.execute(insert(intakes).values({name: getattr(one, name) for name in Intake.__slots__}))


async def intake(conn: AsyncConnection, id_: str, centre: str) -> Intake | None:
    mine = (intakes.c.id == id_, intakes.c.centre == centre)
    row = (await conn.execute(select(intakes).where(*mine))).one_or_none()
    return Intake(**row._mapping) if row else None


async def intakes_of(conn: AsyncConnection, centre: str, *, before: str | None, limit: int) -> list[Intake]:
    """Newest first."""
    query = select(intakes).where(intakes.c.centre == centre).order_by(intakes.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(intakes.c.id < before)
    return [Intake(**row._mapping) for row in await conn.execute(query)]
