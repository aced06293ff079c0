"""A term has passed: the head finds it in his list, the applicant is told, and the work goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.deadlines import Deadline, DeadlineHandler
from egovlaw.terms import TermState
from provider_arm.domain.cases import ENDED, OVERDUE, OVERDUE_TEXT, Case, TaskState
from provider_arm.service import timers, work
from provider_arm.service.context import Workstation, stamp
from provider_arm.store import cases, tasks, terms
from provider_arm.store.terms import Escalation


@dataclass(frozen=True, slots=True)
class Passed:
    """`legal`: a term of the act. A sum of its steps is none (D2): the head sees it, the applicant is not told."""

    clause: str
    term: str
    due_at: datetime
    task_id: str | None = None
    legal: bool = True


def handlers(ws: Callable[[], Workstation]) -> Mapping[str, DeadlineHandler]:
    """By the kind of the deadline; `ws` is asked when one fires, because it holds the deadlines itself."""

    async def case_term(conn: AsyncConnection, deadline: Deadline) -> None:
        await _case_passed(ws(), conn, deadline)

    async def task_due(conn: AsyncConnection, deadline: Deadline) -> None:
        await _task_passed(ws(), conn, deadline)

    return {timers.CASE_TERM: case_term, timers.TASK_DUE: task_due}


async def _case_passed(ws: Workstation, conn: AsyncConnection, deadline: Deadline) -> None:
    case, kept = await cases.get(conn, deadline.subject, lock=True), await terms.get(conn, deadline.subject)
    if case is None or case.state in ENDED or kept is None or kept.term.state is not TermState.RUNNING:
        return
    due = kept.term.due(ws.calendar)
    await _escalate(ws, conn, case, Passed(kept.clause, kept.duration, due, legal=kept.source == "act"))


async def _task_passed(ws: Workstation, conn: AsyncConnection, deadline: Deadline) -> None:
    case, task = await cases.get(conn, deadline.subject, lock=True), await tasks.get(conn, deadline.facts["task"])
    if case is None or case.state in ENDED or task is None or task.state is TaskState.DONE or task.due_at is None:
        return
    passed = Passed(task.limit_clause or "-", task.term or "-", task.due_at, task_id=task.id)
    await _escalate(ws, conn, case, passed)


async def _escalate(ws: Workstation, conn: AsyncConnection, case: Case, passed: Passed) -> None:
    now = ws.clock.now()
    marked = Escalation(ws.ids.new(), now, case.id, passed.task_id, passed.clause, passed.term, passed.due_at)
    await terms.escalate(conn, marked)
    about = {} if passed.task_id is None else {"task": passed.task_id}
    await ws.journal_action(
        conn, "escalated", case.id, clause=passed.clause, term=passed.term, due_at=stamp(passed.due_at), **about
    )
    procedure = ws.procedures.find(case.regulation, case.channel, case.regulation_version)
    if not passed.legal or procedure is None or not procedure.may_tell("case.status", procedure.held):
        return
    if not await cases.change(conn, case, {"changed_at": now, "changed_by": None}):
        raise await ws.conflict(conn, case)  # the deadline is tried again
    changed = await work.reloaded(conn, case)
    data = {
        "number": case.number,
        "status": OVERDUE,
        "text_ru": OVERDUE_TEXT.ru.format(clause=passed.clause),
        "text_kk": OVERDUE_TEXT.kk.format(clause=passed.clause),
        "version": changed.version,
        "at": stamp(now),
    }
    await ws.tell_origin(conn, changed, "case.status", step=procedure.held.label, data=data)
