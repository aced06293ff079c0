"""One row per person and register for the last question; one per read that was told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.db import insert_ignore, upsert
from portal_pep.domain.data_reads import Asked, DataRead, RegisterAsked
from portal_pep.tables import data_read_questions as questions
from portal_pep.tables import data_reads as reads

_QUESTION = ("question", "state", "asked_at", "due_at", "problem")


@dataclass(frozen=True, slots=True)
class ReadFilter:
    """`since` and `until` are moments of the reads, the second one left out."""

    register: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def asked(conn: AsyncConnection, account_id: str) -> dict[str, RegisterAsked]:
    """The last question to every register that was asked, by its code."""
    rows = await conn.execute(select(questions).where(questions.c.account_id == account_id))
    return {row.register: _asked(row) for row in rows}


async def by_question(conn: AsyncConnection, question: str, register: str) -> RegisterAsked | None:
    own = (questions.c.question == question, questions.c.register == register)
    row = (await conn.execute(select(questions).where(*own).with_for_update())).one_or_none()
    return None if row is None else _asked(row)


async def ask(conn: AsyncConnection, one: RegisterAsked) -> None:
    """A new question; when the register told last stays."""
    values: dict[str, Any] = {name: getattr(one, name) for name in _QUESTION}
    insert = upsert(questions, conn.dialect.name).values(account_id=one.account_id, register=one.register, **values)
    await conn.execute(insert.on_conflict_do_update(index_elements=["account_id", "register"], set_=values))


async def settle(conn: AsyncConnection, question: str, state: Asked, **told: Any) -> None:
    """Nothing where the question is settled, or another one has been asked since."""
    own = (questions.c.question == question, questions.c.state == Asked.WAITING.value)
    await conn.execute(update(questions).where(*own).values(state=state.value, **told))


async def next_end(conn: AsyncConnection, now: datetime) -> datetime | None:
    """When the next question that still waits will have had no answer."""
    waiting = (questions.c.state == Asked.WAITING.value, questions.c.due_at > now)
    found: datetime | None = (await conn.execute(select(func.min(questions.c.due_at)).where(*waiting))).scalar_one()
    return found


async def add(conn: AsyncConnection, account_id: str, found: Sequence[DataRead]) -> None:
    """Those that are there already stay as they are: a read is never changed."""
    if found:
        rows = [{"account_id": account_id, **asdict(one)} for one in found]
        await conn.execute(insert_ignore(reads, rows, conn.dialect.name))


async def newest(conn: AsyncConnection, account_id: str, register: str) -> datetime | None:
    own = (reads.c.account_id == account_id, reads.c.register == register)
    found: datetime | None = (await conn.execute(select(func.max(reads.c.at)).where(*own))).scalar_one()
    return found


async def page(
    conn: AsyncConnection, account_id: str, wanted: ReadFilter, *, before: str | None, limit: int
) -> list[DataRead]:
    """Newest first, those before the read `before`."""
    query = select(reads.c.id, reads.c.register, reads.c.at, reads.c.told).where(reads.c.account_id == account_id)
    if wanted.register is not None:
        query = query.where(reads.c.register == wanted.register)
    if wanted.since is not None:
        query = query.where(reads.c.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(reads.c.at < wanted.until)
    if before is not None:
        query = query.where(reads.c.id < before)
    rows = await conn.execute(query.order_by(reads.c.id.desc()).limit(limit))
    return [DataRead(**row._mapping) for row in rows]


def _asked(row: Row[Any]) -> RegisterAsked:
    return RegisterAsked(**{**row._mapping, "state": Asked(row.state)})
