"""Registration: an application becomes a case with a number, wherever it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from provider_arm.domain.cases import Case, StepKind, Task, TaskState, human_number
from provider_arm.domain.co_signing import CoSignature
from provider_arm.service import registers, timers
from provider_arm.service.co_signing import journalled
from provider_arm.service.context import Workstation, stamp
from provider_arm.service.procedure import Measured, Procedure
from provider_arm.store import cases, co_signatures, tasks

# Kazakhstan keeps one time since 2024-03-01; the year on a number is the year on the official's wall.
KAZAKHSTAN = timezone(timedelta(hours=5))


async def next_number(conn: AsyncConnection, provider: str, now: datetime) -> str:
    """The provider's next number; given back when the transaction rolls back."""
    return human_number(now.astimezone(KAZAKHSTAN).year, await cases.next_number(conn, provider))


async def register(
    ws: Workstation,
    conn: AsyncConnection,
    procedure: Procedure,
    case: Case,
    *,
    lodged: cases.Lodged,
    co_signed: Sequence[CoSignature] = (),
    measured: Measured,
    trail: Sequence[Mapping[str, Any]] = (),
) -> None:
    """P6 of the portal channel and its like: case, journal step, message and first task in one transaction.

    Where the act has no registration the number is given all the same, and told while the case stands where it was
    sent (N2, E3).
    """
    item = procedure.held
    await cases.add(conn, case, lodged)
    await co_signatures.add(conn, case.id, co_signed)
    facts = {
        "number": case.number,
        "verified": case.verified,
        "reasons": list(case.reasons),
        "judged": lodged.judged,
        **journalled(co_signed),
    }
    if procedure.work is None:
        states = (procedure.state_before(item), item.kind.state)
        await ws.note_step(conn, case.id, item, states=states, measured=measured, **facts)
    else:  # the number comes with the form (act 516, table 1, 2); the step itself is the work that begins now
        await ws.journal_action(conn, "case.registered", case.id, **facts)
    data = {
        "number": case.number,
        "registered_at": stamp(case.registered_at),
        "version": case.version,
        "trail": list(trail),
    }
    if tells(procedure):
        await ws.tell_origin(conn, case, "case.registered", step=item.label, data=data)
    await tasks.add(conn, first_task(ws, case))
    await timers.start_term(ws, conn, case, "registration")
    await registers.ask_by_itself(ws, conn, procedure, case)


def tells(procedure: Procedure) -> bool:
    """Whether the number is told: by the act's step, or while the case stands on the one that holds it (N2, E3)."""
    return procedure.register is not None or procedure.may_tell("case.registered", procedure.held)


def first_task(ws: Workstation, case: Case) -> Task:
    return Task(
        id=ws.ids.new(),
        case_id=case.id,
        kind=StepKind.CHECK_DOCUMENTS,
        state=TaskState.OPEN,
        assignee=None,
        created_at=case.registered_at,
        taken_at=None,
        done_at=None,
        due_at=None,  # A4: the human check has no limit of its own in any act
        limit_s=None,
        limit_clause=None,
    )
