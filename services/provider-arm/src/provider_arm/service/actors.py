"""Who may do which work: by the step's kind, or by role and desk where the act's internal procedure names them."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError
from egovlaw.catalogue import InternalStep
from provider_arm.domain.cases import Case, Role, Staff, StepKind, Task, may_do, roles_able
from provider_arm.domain.internal import Running, desks_of, step_of
from provider_arm.domain.internal import may_do as may_do_internal
from provider_arm.service.context import Workstation
from provider_arm.store import internal as store


def require_role(person: Staff, step: StepKind) -> None:
    if not may_do(person.roles, step):
        raise EgovError("staff.role_not_enough", needed=list(roles_able(step)), have=sorted(person.roles))


async def require_actor(ws: Workstation, conn: AsyncConnection, person: Staff, task: Task, case: Case) -> None:
    """EgovError when the task is not this person's to do."""
    if task.step is None:
        return require_role(person, task.kind)
    running, step = await place_of(ws, conn, task, case)
    if may_do_internal(person, running, step):
        return None
    if Role(step.role) not in person.roles:
        raise EgovError("staff.role_not_enough", needed=[step.role], have=sorted(person.roles))
    desks = desks_of(running, step)
    if person.office_kind not in desks:
        raise EgovError("internal.other_desk", needed=sorted(desks), have=person.office_kind.value)
    raise EgovError("internal.other_executor", clause=step.clause)


async def place_of(ws: Workstation, conn: AsyncConnection, task: Task, case: Case) -> tuple[Running, InternalStep]:
    """Where the task stands in the case's internal procedure."""
    running = await store.get(conn, case.id)
    assert running is not None and task.step is not None, "a task of a procedure has its row"
    step = step_of(ws.procedures.required(case.regulation, case.regulation_version).internal_procedure, task.step)
    assert step is not None, "the procedure is of the case's own regulation"
    return running, step
