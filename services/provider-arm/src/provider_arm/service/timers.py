"""The term of a case and of each of its internal steps as deadlines: set, moved and taken away with the work itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from egovlaw.terms import Starts, Term, TermState, term_of
from provider_arm.domain.cases import Case, Task, TaskState
from provider_arm.domain.internal import step_of
from provider_arm.service.context import Workstation
from provider_arm.store import tasks, terms
from provider_arm.store.terms import CaseTerm

CASE_TERM, TASK_DUE = "case_term", "task_due"


async def start_term(ws: Workstation, conn: AsyncConnection, case: Case, starts: Starts) -> None:
    """The case's own term begins, where its act gives one that begins here."""
    found = term_of(ws.calendar, ws.procedures.required(case.regulation, case.regulation_version), case.channel)
    if found is None or found.starts != starts:
        return
    kept = CaseTerm(case.id, Term(ws.clock.now(), found.parts), found.source, found.clause)
    await terms.add(conn, kept)
    await _watch_case(ws, conn, kept)


async def end_term(ws: Workstation, conn: AsyncConnection, case_id: str, now: datetime) -> None:
    """The service was given or refused: nothing of the case comes due any more."""
    kept = await terms.get(conn, case_id)
    if kept is not None and kept.term.state is not TermState.ENDED:
        await terms.keep(conn, replace(kept, term=kept.term.end(now)))
    await ws.deadlines.cancel(conn, _key_of_case(case_id))
    for task in await tasks.of_case(conn, case_id):
        await unwatch(ws, conn, task)


async def watch(ws: Workstation, conn: AsyncConnection, task: Task) -> None:
    """A step of the internal procedure is under its term; during a pause it is so from the resumption on."""
    kept = await terms.get(conn, task.case_id)
    if task.due_at is None or task.step is None or (kept is not None and kept.term.state is TermState.PAUSED):
        return
    await ws.deadlines.set(conn, key=f"task:{task.id}", kind=TASK_DUE, due_at=task.due_at, subject=task.case_id,
                           facts={"task": task.id})  # fmt: skip


async def unwatch(ws: Workstation, conn: AsyncConnection, task: Task) -> None:
    if task.due_at is not None and task.step is not None:
        await ws.deadlines.cancel(conn, f"task:{task.id}")


async def follow(ws: Workstation, conn: AsyncConnection, case: Case, before: Term, kept: CaseTerm) -> None:
    """The term changed: its deadline and those of the open steps go with it. A step's own limit knows no extension,
    but a pause stops it; what shares the case's budget (D11) ends with it.
    """
    running = kept.term.state is TermState.RUNNING
    if running:
        await _watch_case(ws, conn, kept)
    else:
        await ws.deadlines.cancel(conn, _key_of_case(case.id))
    for task in await tasks.of_case(conn, case.id):
        if task.step is None or task.due_at is None or task.state is TaskState.DONE:
            continue
        await unwatch(ws, conn, task)
        due = _moved(ws, case, task, before, kept)
        if due != task.due_at:
            await tasks.move_due(conn, task.id, due)
        if running:
            await watch(ws, conn, replace(task, due_at=due))


def _moved(ws: Workstation, case: Case, task: Task, before: Term, kept: CaseTerm) -> datetime:
    assert task.step is not None and task.due_at is not None, "asked of steps with a term"
    step = step_of(ws.procedures.required(case.regulation, case.regulation_version).internal_procedure, task.step)
    if step is not None and step.limit is None:
        return kept.term.due(ws.calendar)
    if before.paused_since is None or kept.term.paused_since is not None:
        return task.due_at
    since = max(before.paused_since, task.created_at)
    return ws.calendar.add_working_time(task.due_at, ws.calendar.working_time(since, ws.clock.now()))


async def _watch_case(ws: Workstation, conn: AsyncConnection, kept: CaseTerm) -> None:
    due = kept.term.due(ws.calendar)
    await ws.deadlines.set(conn, key=_key_of_case(kept.case_id), kind=CASE_TERM, due_at=due, subject=kept.case_id)


def _key_of_case(case_id: str) -> str:
    return f"term:{case_id}"
