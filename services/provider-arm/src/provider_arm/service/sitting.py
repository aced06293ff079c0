"""One official, one case, one transaction: what every decision of the workstation stands on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError
from egovkit.journal import Link
from egovlaw.catalogue import FlowItem, Regulation
from provider_arm.domain.cases import ENDED, TRANSITIONS, Case, CaseEvent, Staff, StepKind, Task, TaskState
from provider_arm.service import timers, work
from provider_arm.service.context import Workstation, trail_step
from provider_arm.service.procedure import Procedure
from provider_arm.store import cases, tasks


@dataclass(frozen=True, slots=True)
class Sitting:
    """One official deciding on one case, in one transaction, at one moment."""

    ws: Workstation
    conn: AsyncConnection
    person: Staff
    case: Case
    regulation: Regulation
    procedure: Procedure | None  # None: a channel the act only names; no step of a flow, no message (A36)
    now: datetime

    @staticmethod
    def of(ws: Workstation, conn: AsyncConnection, person: Staff, case: Case) -> Sitting:
        regulation = ws.procedures.required(case.regulation, case.regulation_version)
        procedure = ws.procedures.find(case.regulation, case.channel, case.regulation_version)
        return Sitting(ws, conn, person, case, regulation, procedure, ws.clock.now())

    async def journal(
        self,
        item: FlowItem,
        before: FlowItem,
        *,
        outcome: str = "done",
        started: datetime | None = None,
        **more: object,
    ) -> Link:
        """The step into our chain, with its limit where the act gives one that runs from `started`."""
        assert self.procedure is not None, "a step is of a flow"
        return await self.ws.journal_step(
            self.conn,
            self.case.id,
            item,
            states=(before.kind.state, item.kind.state),
            outcome=outcome,
            measured=self.procedure.measure(item, started, self.now),
            at=self.now,
            by=self.person.id,
            **more,
        )

    async def checked(self, outcome: str) -> list[Any]:
        """The document check as a step of its own, and the trail that ends with it; where the act has no such step,
        the consideration is told by no trail, unless it ends the provider's own work on the case.
        """
        procedure = self.procedure
        if procedure is not None and procedure.check is None and procedure.work is not None:
            return [*self.case.trail, await self._worked(procedure, procedure.work, outcome)]
        if procedure is None or procedure.check is None:
            by = self.person.id
            await self.ws.journal_action(self.conn, "case.considered", self.case.id, by=by, outcome=outcome)
            return list(self.case.trail)
        item = procedure.check
        link = await self.journal(item, procedure.held, outcome=outcome)
        return [*self.case.trail, trail_step(item, outcome, self.now, link)]

    async def _worked(self, procedure: Procedure, item: FlowItem, considered: str) -> dict[str, Any]:
        """The step whose only limit is that of a question asked meanwhile (A21): the work itself is not measured."""
        states = (procedure.state_before(item), item.kind.state)
        link = await self.ws.journal_step(
            self.conn, self.case.id, item, states=states, at=self.now, by=self.person.id, considered=considered
        )
        return trail_step(item, "done", self.now, link)

    async def move(self, event: CaseEvent, trail: list[Any], **more: Any) -> int:
        """Compare-and-set to the state the table gives; the case's new version."""
        after = TRANSITIONS.get((self.case.state, event))
        if after is None:
            raise await self.ws.conflict(self.conn, self.case)
        values = {
            "state": after.value,
            "trail": trail,
            "changed_at": self.now,
            "changed_by": self.person.id,
            **more,
        }
        if not await cases.change(self.conn, self.case, values):
            raise await self.ws.conflict(self.conn, await work.reloaded(self.conn, self.case))
        if after in ENDED:
            await timers.end_term(self.ws, self.conn, self.case.id, self.now)
        return self.case.version + 1

    async def finish(self, task: Task) -> Case:
        if not await tasks.finish(self.conn, task.id, self.person.id, self.now):
            raise await work.taken_by_another(self.conn, task)
        await timers.unwatch(self.ws, self.conn, task)
        return await work.reloaded(self.conn, self.case)


def about(regulation: Regulation, case: Case) -> dict[str, Any]:
    """What every document of a case says of it."""
    return {
        "case": case.id,
        "number": case.number,
        "regulation": case.regulation,
        "version": regulation.version,
        "service_ru": regulation.title_ru,
        "service_kk": regulation.title_kk,
        "provider": case.provider,
        "region": case.region,
        "channel": case.channel,
        "applicant": {"iin": case.applicant_iin},
    }


Asked = tuple[StepKind, int | None]  # the work to do, and the version of the case the caller saw


async def task_of(
    ws: Workstation, conn: AsyncConnection, person: Staff, case_id: str, asked: Asked
) -> tuple[Case, Task]:
    kind, expected = asked
    case = await work.visible_case(conn, person, case_id, lock=True)
    if case.state in ENDED or (expected is not None and expected != case.version):
        raise await ws.conflict(conn, case)
    task = next((one for one in reversed(await tasks.of_case(conn, case_id)) if one.kind is kind), None)
    if task is None:
        raise EgovError("decision.too_early", step=kind.value, state=case.state.value)
    if task.state is TaskState.DONE:
        raise await ws.conflict(conn, case)
    return case, task


async def own_task(
    ws: Workstation, conn: AsyncConnection, person: Staff, case_id: str, asked: Asked
) -> tuple[Case, Task]:
    case, task = await task_of(ws, conn, person, case_id, asked)
    if task.state is TaskState.OPEN:
        raise EgovError("task.not_taken", task=task.id)
    if task.assignee != person.id:
        raise await work.taken_by_another(conn, task)
    return case, task
