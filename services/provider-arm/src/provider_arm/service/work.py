"""The inbox of work: who does what, taken and given back."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError
from provider_arm.domain.cases import (
    RELEASES_FOR_OTHERS,
    SEES_OVERSIGHT,
    STATUS_TEXTS,
    TRANSITIONS,
    Case,
    CaseEvent,
    Staff,
    StepKind,
    Task,
    TaskState,
)
from provider_arm.service.actors import require_actor
from provider_arm.service.context import Workstation, stamp
from provider_arm.store import cases, people, tasks
from provider_arm.store.paging import Page


async def inbox(
    ws: Workstation, person: Staff, wanted: tasks.TaskFilter, page: Page
) -> tuple[list[tuple[Task, Case]], str | None, dict[str, str]]:
    """One page of tasks with their cases, and the names of those who hold them. Delays are the head's to see."""
    if wanted.overdue_at is not None:
        require_oversight(person)
    async with ws.db.read() as conn:
        found, after = await tasks.listed(conn, person, wanted, page)
        names = await people.names(conn, {task.assignee for task, _ in found if task.assignee})
    return found, after, names


async def take(ws: Workstation, person: Staff, task_id: str, expected: int | None) -> tuple[Task, Case]:
    """The task is his until he finishes it or gives it back; the applicant learns that work has begun."""
    async with ws.db.begin() as conn:
        task, case = await visible_task(conn, person, task_id)
        await require_actor(ws, conn, person, task, case)
        if task.state is TaskState.TAKEN and task.assignee == person.id:
            return task, case
        await _require_version(ws, conn, case, expected)
        await claim(ws, conn, person, task, case)
        if task.kind is StepKind.CHECK_DOCUMENTS:
            case = await _begin_consideration(ws, conn, person, case)
        return await _now(conn, task.id), case


async def release(ws: Workstation, person: Staff, task_id: str, reason: str, expected: int | None) -> tuple[Task, Case]:
    """Back to everybody; the head may take back what others hold."""
    async with ws.db.begin() as conn:
        task, case = await visible_task(conn, person, task_id)
        if task.state is TaskState.DONE:
            raise await task_done(conn, task)
        if task.state is TaskState.OPEN:
            return task, case
        await _require_version(ws, conn, case, expected)
        holder = task.assignee or ""
        if holder != person.id and not person.roles & RELEASES_FOR_OTHERS:
            raise await taken_by_another(conn, task)
        if not await tasks.release(conn, task.id, holder):
            raise await ws.conflict(conn, case)
        await ws.journal_action(
            conn, "task.released", case.id, task=task.id, kind=task.kind, by=person.id, holder=holder, reason=reason
        )
        return await _now(conn, task.id), case


async def claim(ws: Workstation, conn: AsyncConnection, person: Staff, task: Task, case: Case) -> None:
    """Compare-and-set: of two officials one gets it, the other learns who and when."""
    if task.state is TaskState.DONE:
        raise await task_done(conn, task)
    if not await tasks.take(conn, task.id, person.id, ws.clock.now()):
        raise await taken_by_another(conn, await _now(conn, task.id))
    await ws.journal_action(conn, "task.taken", case.id, task=task.id, kind=task.kind, by=person.id)


async def _begin_consideration(ws: Workstation, conn: AsyncConnection, person: Staff, case: Case) -> Case:
    after = TRANSITIONS[case.state, CaseEvent.TAKEN]
    if after is case.state:
        return case  # taken before and given back: the applicant knows
    procedure = ws.procedures.find(case.regulation, case.channel, case.regulation_version)
    now = ws.clock.now()
    values = {"state": after.value, "changed_at": now, "changed_by": person.id}
    if not await cases.change(conn, case, values):
        raise await ws.conflict(conn, await reloaded(conn, case))
    changed = await reloaded(conn, case)
    if procedure is None or not procedure.may_tell("case.status", procedure.held):
        return changed
    text = STATUS_TEXTS[after]
    data = {
        "number": case.number,
        "status": after.value,
        "text_ru": text.ru,
        "text_kk": text.kk,
        "version": changed.version,
        "at": stamp(now),
    }
    await ws.tell_origin(conn, changed, "case.status", step=procedure.held.label, data=data)
    return changed


async def visible_task(conn: AsyncConnection, person: Staff, task_id: str) -> tuple[Task, Case]:
    task = await tasks.get(conn, task_id)
    case = None if task is None else await cases.get(conn, task.case_id, lock=True)
    if task is None or case is None or not person.sees(case.region, case.provider):
        raise EgovError("task.unknown")
    return await _now(conn, task_id), case  # read again: the lock on the case may have been waited for


async def visible_case(conn: AsyncConnection, person: Staff, case_id: str, *, lock: bool = False) -> Case:
    case = await cases.get(conn, case_id, lock=lock)
    if case is None or not person.sees(case.region, case.provider):
        raise EgovError("provider.case_unknown")
    return case


async def reloaded(conn: AsyncConnection, case: Case) -> Case:
    found = await cases.get(conn, case.id)
    assert found is not None, "a case is never deleted"
    return found


async def _now(conn: AsyncConnection, task_id: str) -> Task:
    task = await tasks.get(conn, task_id)
    assert task is not None, "a task is never deleted"
    return task


async def _require_version(ws: Workstation, conn: AsyncConnection, case: Case, expected: int | None) -> None:
    if expected is not None and expected != case.version:
        raise await ws.conflict(conn, case)


def require_oversight(person: Staff) -> None:
    if not person.roles & SEES_OVERSIGHT:
        raise EgovError("staff.role_not_enough", needed=sorted(SEES_OVERSIGHT), have=sorted(person.roles))


async def taken_by_another(conn: AsyncConnection, task: Task) -> EgovError:
    if task.state is TaskState.DONE:
        return await task_done(conn, task)
    names = await people.names(conn, {task.assignee} if task.assignee else set())
    at = stamp(task.taken_at) if task.taken_at else "-"
    return EgovError("task.taken", by=names.get(task.assignee or "", "-"), at=at)


async def task_done(conn: AsyncConnection, task: Task) -> EgovError:
    names = await people.names(conn, {task.assignee} if task.assignee else set())
    at = stamp(task.done_at) if task.done_at else "-"
    return EgovError("task.done", by=names.get(task.assignee or "", "-"), at=at)
