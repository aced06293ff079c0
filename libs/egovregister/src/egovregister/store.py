"""Every query on the shared tables: reads, the answers that left, answers that wait, the fault."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import RowMapping, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.db import upsert
from egovregister.domain import Fault, FaultKind, Outcome
from egovregister.tables import RegisterTables

FAULT = 1  # the only slot
DUE_TOGETHER = 50  # late answers of one transaction


@dataclass(frozen=True, slots=True)
class Read:
    id: str
    at: datetime
    source: str
    question: str
    case_id: str | None
    official: str
    purpose_ru: str
    clause: str
    regulation: str
    channel: str
    step: str
    region: str
    criterion: str
    asked_iin: str | None
    as_of: date | None
    found: int | None
    outcome: Outcome
    fault: FaultKind | None


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer that left. `problem` is a gateway's word against it."""

    id: str
    read_id: str
    at: datetime
    problem: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Waiting:
    read_id: str
    due_at: datetime
    draft: Mapping[str, Any]
    clause: str


@dataclass(frozen=True, slots=True)
class ReadFilter:
    iin: str | None = None
    source: str | None = None
    case_id: str | None = None


class RegisterStore:
    def __init__(self, tables: RegisterTables) -> None:
        self._tables = tables

    # --- reads and answers

    async def is_read(self, conn: AsyncConnection, source: str, question: str) -> bool:
        reads = self._tables.reads
        query = select(reads.c.id).where(reads.c.source == source, reads.c.question == question)
        return (await conn.execute(query)).first() is not None

    async def add_read(self, conn: AsyncConnection, read: Read, iins: Collection[str]) -> None:
        await conn.execute(self._tables.reads.insert().values(**asdict(read)))
        if iins:
            rows = [{"read_id": read.id, "iin": iin} for iin in sorted(iins)]
            await conn.execute(self._tables.read_iins.insert(), rows)

    async def reads(
        self, conn: AsyncConnection, wanted: ReadFilter, *, before: str | None, limit: int
    ) -> list[tuple[Read, list[Answered]]]:
        """Newest first, those before the read `before`, each with the answers that left for it."""
        reads, about, answers = self._tables.reads, self._tables.read_iins, self._tables.answers
        query = select(reads)
        if wanted.iin is not None:
            query = query.where(reads.c.id.in_(select(about.c.read_id).where(about.c.iin == wanted.iin)))
        if wanted.source is not None:
            query = query.where(reads.c.source == wanted.source)
        if wanted.case_id is not None:
            query = query.where(reads.c.case_id == wanted.case_id)
        if before is not None:
            query = query.where(reads.c.id < before)
        rows = (await conn.execute(query.order_by(reads.c.id.desc()).limit(limit))).mappings().all()
        ids = [row["id"] for row in rows]
        left: dict[str, list[Answered]] = {id_: [] for id_ in ids}
        for row in await conn.execute(select(answers).where(answers.c.read_id.in_(ids)).order_by(answers.c.id)):
            left[row.read_id].append(Answered(**row._mapping))
        return [(_read(row), left[row["id"]]) for row in rows]

    async def reads_about(
        self, conn: AsyncConnection, iin: str, *, since: datetime | None, after: str | None, limit: int
    ) -> list[Read]:
        """Reads of one person's data, oldest first: those of `since` and later, behind the read `after`."""
        reads, about = self._tables.reads, self._tables.read_iins
        query = select(reads).where(reads.c.id.in_(select(about.c.read_id).where(about.c.iin == iin)))
        if since is not None:
            query = query.where(reads.c.at >= since)
        if after is not None:
            query = query.where(reads.c.id > after)
        return [_read(row) for row in (await conn.execute(query.order_by(reads.c.id).limit(limit))).mappings()]

    async def add_answer(self, conn: AsyncConnection, answer: Answered) -> None:
        await conn.execute(self._tables.answers.insert().values(**asdict(answer)))

    async def refuse(self, conn: AsyncConnection, answer_id: str, problem: Mapping[str, Any]) -> bool:
        """Whether the answer is one of ours."""
        answers = self._tables.answers
        noted = update(answers).where(answers.c.id == answer_id).values(problem=dict(problem))
        return (await conn.execute(noted)).rowcount == 1

    # --- answers that are late on purpose

    async def wait(self, conn: AsyncConnection, waiting: Waiting) -> None:
        await conn.execute(self._tables.waiting.insert().values(**asdict(waiting)))

    async def next_due(self, conn: AsyncConnection, now: datetime) -> datetime | None:
        waiting = self._tables.waiting
        found: datetime | None = (
            await conn.execute(select(func.min(waiting.c.due_at)).where(waiting.c.due_at > now))
        ).scalar_one()
        return found

    async def is_due(self, conn: AsyncConnection, now: datetime) -> bool:
        waiting = self._tables.waiting
        return (
            await conn.execute(select(waiting.c.read_id).where(waiting.c.due_at <= now).limit(1))
        ).first() is not None

    async def take_due(self, conn: AsyncConnection, now: datetime) -> Sequence[Waiting]:
        """Those whose time has come, gone from the table with the caller's commit; two replicas share no row."""
        waiting = self._tables.waiting
        query = select(waiting).where(waiting.c.due_at <= now).order_by(waiting.c.due_at).limit(DUE_TOGETHER)
        rows = [Waiting(**row._mapping) for row in await conn.execute(query.with_for_update(skip_locked=True))]
        await conn.execute(delete(waiting).where(waiting.c.read_id.in_([row.read_id for row in rows])))
        return rows

    # --- the fault

    async def fault(self, conn: AsyncConnection, *, lock: bool = False) -> Fault | None:
        query = select(self._tables.faults)
        row = (await conn.execute(query.with_for_update() if lock else query)).mappings().first()
        if row is None:
            return None
        values = {name: value for name, value in row.items() if name != "slot"}
        return Fault(**{**values, "kind": FaultKind(row["kind"])})

    async def set_fault(self, conn: AsyncConnection, fault: Fault | None) -> None:
        faults = self._tables.faults
        if fault is None:
            await conn.execute(delete(faults))
            return
        values = asdict(fault)
        insert = upsert(faults, conn.dialect.name).values(slot=FAULT, **values)
        await conn.execute(insert.on_conflict_do_update(index_elements=[faults.c.slot], set_=values))

    async def count_down(self, conn: AsyncConnection, fault: Fault) -> None:
        """One question bent; the last one takes the fault with it."""
        faults = self._tables.faults
        if fault.left == 1:
            await conn.execute(delete(faults))
        elif fault.left is not None:
            await conn.execute(update(faults).values(left=fault.left - 1))


def _read(row: RowMapping) -> Read:
    fault = None if row["fault"] is None else FaultKind(row["fault"])
    return Read(**{**row, "outcome": Outcome(row["outcome"]), "fault": fault})
