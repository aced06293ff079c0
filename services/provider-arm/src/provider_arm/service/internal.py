"""The internal procedure of an act, as tasks of officials one after another (act 34, clauses 5 to 7).

Between the document check and the result (D1), or from the intake where the act only names the channel. Every step is a
task with the act's own term, taken and finished like any other; what it leaves goes into the draft of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError, FieldError
from egovlaw.catalogue import InternalStep, Regulation
from egovlaw.terms import lodged_in
from provider_arm.domain.cases import Answer, Case, Decision, Role, Staff, StepKind, Task, TaskState
from provider_arm.domain.internal import (
    AGREEING,
    SIGNING,
    Draft,
    Running,
    after,
    before,
    key_of,
    makes_result,
)
from provider_arm.service import completing, deciding, timers, work
from provider_arm.service.actors import place_of, require_actor
from provider_arm.service.context import Workstation
from provider_arm.service.sitting import Sitting
from provider_arm.store import cases, people, tasks, terms
from provider_arm.store import internal as store


@dataclass(frozen=True, slots=True)
class Done:
    """What an official leaves when he finishes a step; which of it a step needs follows from its task."""

    executor: str | None = None
    answer: Answer | None = None
    variant: str | None = None
    text_ru: str | None = None
    text_kk: str | None = None
    values: Mapping[str, Any] | None = None
    agreed: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """One step of a case's procedure: whose it is, and what became of it."""

    step: InternalStep
    task: Task | None  # the last one; None: not reached yet


async def start(ws: Workstation, conn: AsyncConnection, case: Case) -> bool:
    """Opens the first step; False where the act describes no internal procedure."""
    regulation = ws.procedures.required(case.regulation, case.regulation_version)
    if not regulation.internal_procedure:
        return False
    running = Running(case.id, lodged_in(regulation, case.channel), ws.clock.now(), None, Draft())
    await store.add(conn, running)
    await timers.start_term(ws, conn, case, "procedure")
    await _open(ws, conn, case, running, running.steps(regulation)[0])
    return True


async def finish(ws: Workstation, person: Staff, task_id: str, done: Done, expected: int | None) -> tuple[Task, Case]:
    """One step is done, by whom the act names; the next one opens in the same transaction."""
    async with ws.db.begin() as conn:
        task, case = await work.visible_task(conn, person, task_id)
        await _require_own(conn, person, task)
        if expected is not None and expected != case.version:
            raise await ws.conflict(conn, case)
        await require_actor(ws, conn, person, task, case)
        sitting = Sitting.of(ws, conn, person, case)
        running, step = await place_of(ws, conn, task, case)
        _require_reason(step, done)
        running = await _effect(sitting, running, step, done)
        await store.keep(conn, running)
        await sitting.finish(task)
        await _journal(sitting, step, task, note=done.note, agreed=done.agreed)
        await _onward(sitting, running, step, back=not done.agreed)
        found = await tasks.get(conn, task_id)
        assert found is not None, "a task is never deleted"
        return found, await work.reloaded(conn, case)


async def signed(sitting: Sitting, task: Task) -> Case:
    """The step that signs the result is done; what follows it (the journal, giving it out) opens."""
    running, step = await place_of(sitting.ws, sitting.conn, task, sitting.case)
    await _journal(sitting, step, task, note="", agreed=True)
    await _onward(sitting, running, step, back=False)
    return await work.reloaded(sitting.conn, sitting.case)


async def shown(ws: Workstation, person: Staff, case_id: str) -> tuple[Running, list[Standing], dict[str, str]]:
    """Every step the case takes, with what became of it and the names of who did it."""
    async with ws.db.read() as conn:
        case = await work.visible_case(conn, person, case_id)
        running = await store.get(conn, case.id)
        if running is None:
            raise EgovError("internal.none", regulation=case.regulation)
        found = [task for task in await tasks.of_case(conn, case_id) if task.step is not None]
        ids = {task.assignee for task in found} | {running.executor}
        names = await people.names(conn, {one for one in ids if one is not None})
    last = {(task.step or "").partition("#")[0]: task for task in found}
    steps = running.steps(ws.procedures.required(case.regulation, case.regulation_version))
    return running, [Standing(step, last.get(key_of(step))) for step in steps], names


async def _require_own(conn: AsyncConnection, person: Staff, task: Task) -> None:
    if task.kind is not StepKind.INTERNAL:
        raise EgovError("internal.other_call", kind=task.kind.value)
    if task.state is TaskState.DONE:
        raise await work.task_done(conn, task)
    if task.state is TaskState.OPEN:
        raise EgovError("task.not_taken", task=task.id)
    if task.assignee != person.id:
        raise await work.taken_by_another(conn, task)


def _require_reason(step: InternalStep, done: Done) -> None:
    """A draft goes back only from where it is judged, and with a reason."""
    if done.agreed:
        return
    if step.task not in AGREEING:
        raise EgovError("internal.nothing_to_send_back", clause=step.clause)
    if not done.note.strip():
        raise EgovError("request.invalid", errors=[FieldError("note", "missing", "what goes back has a reason")])


async def _effect(sitting: Sitting, running: Running, step: InternalStep, done: Done) -> Running:
    """What the step leaves in the procedure; EgovError with each field that its task needs and has not got."""
    if step.task == "assign":
        return replace(running, executor=await _executor(sitting, done))
    if step.task == "conclude":
        _require_texts(done)
        return replace(running, draft=replace(running.draft, conclusion=done.text_ru))
    if step.task in ("examine", "prepare"):
        _require_texts(done)
        answer = done.answer or running.draft.answer
        if answer is Answer.NEGATIVE and not step.negative and running.draft.answer is not Answer.NEGATIVE:
            raise EgovError("internal.no_refusal_here", clause=step.clause)
        texts, kept = (done.text_ru or "", done.text_kk or ""), running.draft.conclusion
        return replace(running, draft=Draft(answer, *texts, dict(done.values or {}), done.variant, kept))
    return running


def _require_texts(done: Done) -> None:
    missing = [FieldError(name, "missing", "the step leaves a text") for name in ("text_ru", "text_kk")
               if not getattr(done, name)]  # fmt: skip
    if missing:
        raise EgovError("request.invalid", errors=missing)


async def _executor(sitting: Sitting, done: Done) -> str:
    """Who is named must be there, of the same region, and an executor."""
    named = None if done.executor is None else await people.get(sitting.conn, done.executor)
    if named is None or not named.active or not named.sees(sitting.case.region, sitting.case.provider):
        raise EgovError("request.invalid", errors=[FieldError("executor", "unknown", "names nobody of this provider")])
    if Role.EXECUTOR not in named.roles:
        raise EgovError("request.invalid", errors=[FieldError("executor", "not_allowed", "is no executor")])
    return named.id


async def _onward(sitting: Sitting, running: Running, step: InternalStep, *, back: bool) -> None:
    """Open the next step, or the drafting one again; behind the last the result leaves, or is signed first."""
    steps = running.steps(sitting.regulation)
    following = before(steps, step) if back else after(steps, step)
    if back and following is None:
        raise EgovError("internal.nothing_to_send_back", clause=step.clause)
    if following is not None:
        await _open(sitting.ws, sitting.conn, sitting.case, running, following)
        return
    if not any(one.task in SIGNING for one in steps):  # the act's steps end with a draft: the flow's last step signs it
        await _decide(sitting.ws, sitting.conn, sitting.case, running)
        await deciding.open_result(sitting)
        return
    await completing.complete(replace(sitting, case=await work.reloaded(sitting.conn, sitting.case)))


async def _open(ws: Workstation, conn: AsyncConnection, case: Case, running: Running, step: InternalStep) -> None:
    """A task for the step. Signing the result is work the workstation knows already; all else is internal."""
    regulation, now = ws.procedures.required(case.regulation, case.regulation_version), ws.clock.now()
    signs = makes_result(running.steps(regulation), step)
    if signs:
        await _decide(ws, conn, case, running)
    keys = [task.step for task in await tasks.of_case(conn, case.id)]
    turn = 1 + sum(1 for key in keys if (key or "").partition("#")[0] == key_of(step))
    due, term, clause = await _term(ws, conn, regulation, running, step)
    task = Task(
        id=ws.ids.new(),
        case_id=case.id,
        kind=StepKind.ISSUE_RESULT if signs else StepKind.INTERNAL,
        state=TaskState.OPEN,
        assignee=None,
        created_at=now,
        taken_at=None,
        done_at=None,
        due_at=due,
        limit_s=None,
        limit_clause=clause,
        step=key_of(step, turn),
        term=term,
    )
    await tasks.add(conn, task)
    await timers.watch(ws, conn, task)


async def _decide(ws: Workstation, conn: AsyncConnection, case: Case, running: Running) -> None:
    """The draft is what the signer signs: the case's decision follows it."""
    decision = Decision(running.draft.answer)
    if case.decision == decision:
        return
    await cases.decide(conn, case.id, decision)


async def _term(
    ws: Workstation, conn: AsyncConnection, regulation: Regulation, running: Running, step: InternalStep
) -> tuple[datetime | None, str | None, str | None]:
    """(due, the act's words for it, its clause); all None where the act gives the step no term."""
    if step.limit is not None:
        return ws.calendar.due(ws.clock.now(), step.limit), str(step.limit), step.clause
    kept = await terms.get(conn, running.case_id)
    if kept is None or not any(term.kind == "internal_total" for term in regulation.terms):
        return None, None, None
    return kept.term.due(ws.calendar), kept.duration, kept.clause  # D11: one budget for all steps


async def _journal(sitting: Sitting, step: InternalStep, task: Task, *, note: str, agreed: bool) -> None:
    late = task.due_at is not None and sitting.now > task.due_at
    await sitting.ws.journal_action(
        sitting.conn,
        "internal.done",
        sitting.case.id,
        by=sitting.person.id,
        branch=step.branch,
        n=step.n,
        task=step.task,
        clause=step.clause,
        used_s=round((sitting.now - task.created_at).total_seconds(), 3),
        term=task.term,
        late=late,
        outcome="done" if agreed else "sent_back",
        **({"note": note} if note else {}),
    )
