"""The decision, where the act has it told before the result is signed and issued (act 516, cl. 6 9) to 11); A19)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from provider_arm.domain.cases import CaseEvent, Decision, StepKind, Task, TaskState
from provider_arm.service.context import stamp
from provider_arm.service.procedure import NOT_MEASURED, Measured
from provider_arm.service.sitting import Sitting
from provider_arm.store import tasks

DECIDED: Final = "case.decided"


async def settle(sitting: Sitting, event: CaseEvent, decision: Decision, trail: list[Any]) -> None:
    """The case takes its decision; where the act has a step for it, ШЭП or the origin is told at once."""
    procedure = sitting.procedure
    item = None if procedure is None else procedure.decide
    if procedure is None or item is None:
        await sitting.move(event, trail, decision=decision.as_data())
        return
    started = sitting.now if procedure.started_by(item, procedure.work) else None
    await sitting.journal(item, procedure.held, started=started, decision=decision.answer.value)
    version = await sitting.move(event, [], decision=decision.as_data())
    data = {
        "number": sitting.case.number,
        "outcome": decision.answer.value,
        "decided_at": stamp(sitting.now),
        "version": version,
        "trail": trail,
    }
    await sitting.ws.tell_origin(sitting.conn, sitting.case, DECIDED, step=item.label, data=data)


async def open_result(sitting: Sitting) -> None:
    """The result becomes work for who signs it."""
    limit = result_time(sitting)
    await tasks.add(
        sitting.conn,
        Task(
            id=sitting.ws.ids.new(),
            case_id=sitting.case.id,
            kind=StepKind.ISSUE_RESULT,
            state=TaskState.OPEN,
            assignee=None,
            created_at=sitting.now,
            taken_at=None,
            done_at=None,
            due_at=limit.due_at,
            limit_s=None if limit.limit_s is None else int(limit.limit_s),
            limit_clause=limit.clause,
        ),
    )


def result_time(sitting: Sitting) -> Measured:
    """What is left for the result at the moment it may be made."""
    procedure, now = sitting.procedure, sitting.now
    if procedure is None:
        return NOT_MEASURED
    issue = procedure.issue
    runs = procedure.started_by(issue, procedure.check) or procedure.started_by_message(issue, DECIDED)
    return procedure.measure(issue, now, now) if runs else NOT_MEASURED


async def told_at(sitting: Sitting) -> datetime | None:
    """When the decision was told, if the result's time runs from it: the result became work in the same transaction."""
    procedure = sitting.procedure
    if procedure is None or not procedure.started_by_message(procedure.issue, DECIDED):
        return None
    opened = [one for one in await tasks.of_case(sitting.conn, sitting.case.id) if one.kind is StepKind.ISSUE_RESULT]
    return opened[-1].created_at if opened else None


async def note_signed(sitting: Sitting, prepared_at: datetime, digest: str) -> None:
    """Signing the result is the second half of the deciding step, with a limit of its own (table 1, 8)."""
    procedure = sitting.procedure
    if procedure is None or procedure.decide is None:
        return
    item = procedure.decide
    spent = procedure.measure_own(item, prepared_at, sitting.now)
    await sitting.ws.journal_action(
        sitting.conn,
        "result.signed",
        sitting.case.id,
        by=sitting.person.id,
        step=item.label,
        clause=spent.clause or item.clause,
        limit_s=spent.limit_s,
        used_s=spent.used_s,
        document_sha256=digest,
    )
