"""One row per case: the last question, and the newest answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.db import upsert
from portal_pep.domain.queue_positions import Asked, QueuePosition
from portal_pep.tables import queue_positions as table

_QUESTION = ("question", "asked", "state", "asked_at", "due_at", "problem")


async def get(conn: AsyncConnection, case_id: str) -> QueuePosition | None:
    row = (await conn.execute(select(table).where(table.c.case_id == case_id))).one_or_none()
    return None if row is None else QueuePosition(**{**row._mapping, "state": Asked(row.state)})


async def ask(conn: AsyncConnection, asked: QueuePosition) -> None:
    """A new question; what is known of the place stays."""
    values: dict[str, Any] = {name: getattr(asked, name) for name in _QUESTION}
    insert = upsert(table, conn.dialect.name).values(case_id=asked.case_id, **values)
    await conn.execute(insert.on_conflict_do_update(index_elements=["case_id"], set_=values))


async def next_end(conn: AsyncConnection, now: datetime) -> datetime | None:
    """When the next question that still waits will have had no answer."""
    waiting = (table.c.state == Asked.WAITING.value, table.c.due_at > now)
    found: datetime | None = (await conn.execute(select(func.min(table.c.due_at)).where(*waiting))).scalar_one()
    return found


async def settle(conn: AsyncConnection, case_id: str, question: str, state: Asked, **told: Any) -> None:
    """Nothing where the question is settled, or another one has been asked since."""
    own = (table.c.case_id == case_id, table.c.question == question, table.c.state == Asked.WAITING.value)
    await conn.execute(update(table).where(*own).values(state=state.value, **told))
