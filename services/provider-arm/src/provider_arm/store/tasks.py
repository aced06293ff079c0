"""Work for people, as rows: a held delivery would be lost with its consumer, a row is not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from provider_arm.domain.cases import Case, Staff, StepKind, Task, TaskState
from provider_arm.store.cases import CASE_COLUMNS, case_of
from provider_arm.store.paging import Page, encode, paged
from provider_arm.tables import cases, tasks

SORTS: Final = {"created_at": tasks.c.created_at, "number": cases.c.number}
_TASK_COLUMNS: Final = [column for column in tasks.c if column.name != "done_by"]


@dataclass(frozen=True, slots=True)
class TaskFilter:
    states: tuple[TaskState, ...] = tuple(TaskState)
    kind: StepKind | None = None
    regulation: str | None = None
    assignee: str | None = None
    overdue_at: datetime | None = None  # not done, and due before this moment


def task_of(row: RowMapping, prefix: str = "") -> Task:
    values = {column.name: row[prefix + column.name] for column in _TASK_COLUMNS}
    typed = {"kind": StepKind(values["kind"]), "state": TaskState(values["state"]), "step": values["step"] or None}
    return Task(**(values | typed))


async def add(conn: AsyncConnection, task: Task) -> None:
    values = {column.name: getattr(task, column.name) for column in _TASK_COLUMNS}
    plain = {"kind": task.kind.value, "state": task.state.value, "step": task.step or ""}
    await conn.execute(insert(tasks).values(**(values | plain)))


async def get(conn: AsyncConnection, task_id: str) -> Task | None:
    row = (await conn.execute(select(*_TASK_COLUMNS).where(tasks.c.id == task_id))).mappings().first()
    return task_of(row) if row else None


async def of_case(conn: AsyncConnection, case_id: str) -> list[Task]:
    query = select(*_TASK_COLUMNS).where(tasks.c.case_id == case_id).order_by(tasks.c.created_at, tasks.c.id)
    return [task_of(row) for row in (await conn.execute(query)).mappings()]


async def take(conn: AsyncConnection, task_id: str, staff_id: str, now: datetime) -> bool:
    """Compare-and-set: False when another official has it."""
    done = await conn.execute(
        update(tasks)
        .where(tasks.c.id == task_id, tasks.c.state == TaskState.OPEN.value)
        .values(state=TaskState.TAKEN.value, assignee=staff_id, taken_at=now)
    )
    return done.rowcount == 1


async def release(conn: AsyncConnection, task_id: str, holder: str) -> bool:
    done = await conn.execute(
        update(tasks)
        .where(tasks.c.id == task_id, tasks.c.state == TaskState.TAKEN.value, tasks.c.assignee == holder)
        .values(state=TaskState.OPEN.value, assignee=None, taken_at=None)
    )
    return done.rowcount == 1


async def finish(conn: AsyncConnection, task_id: str, staff_id: str, now: datetime) -> bool:
    done = await conn.execute(
        update(tasks)
        .where(tasks.c.id == task_id, tasks.c.state == TaskState.TAKEN.value, tasks.c.assignee == staff_id)
        .values(state=TaskState.DONE.value, done_at=now, done_by=staff_id)
    )
    return done.rowcount == 1


async def move_due(conn: AsyncConnection, task_id: str, due: datetime) -> None:
    await conn.execute(update(tasks).where(tasks.c.id == task_id).values(due_at=due))


async def listed(
    conn: AsyncConnection, person: Staff, wanted: TaskFilter, page: Page
) -> tuple[list[tuple[Task, Case]], str | None]:
    query = paged(_narrowed(person, wanted), page, SORTS, tasks.c.id)
    rows = (await conn.execute(query)).mappings().all()
    found = [(task_of(row, "task_"), case_of(row)) for row in rows[: page.limit]]
    if len(rows) <= page.limit:
        return found, None
    task, case = found[-1]
    value = case.number if page.column == "number" else task.created_at
    return found, encode(page.sort, value, task.id)


def _narrowed(person: Staff, wanted: TaskFilter) -> Select[Any]:
    labelled = [column.label(f"task_{column.name}") for column in _TASK_COLUMNS]
    query = select(*labelled, *CASE_COLUMNS).join(cases, cases.c.id == tasks.c.case_id)
    query = query.where(cases.c.region == person.region)
    if person.provider is not None:
        query = query.where(cases.c.provider == person.provider)
    query = query.where(tasks.c.state.in_([state.value for state in wanted.states]))
    if wanted.kind is not None:
        query = query.where(tasks.c.kind == wanted.kind.value)
    if wanted.regulation is not None:
        query = query.where(cases.c.regulation == wanted.regulation)
    if wanted.assignee is not None:
        query = query.where(tasks.c.assignee == wanted.assignee)
    if wanted.overdue_at is not None:
        query = query.where(tasks.c.state != TaskState.DONE.value, tasks.c.due_at < wanted.overdue_at)
    return query
