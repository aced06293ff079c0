"""The visit to the counter, before anything is entered: from the person's coming to the window until the papers are in
the operator's hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.domain.steps import CentreFlow
from con_arm.service.acts import act
from con_arm.service.parts import Centre
from con_arm.store.cases import Case
from con_arm.store.counter import Ticket
from con_arm.store.records import records
from egovorigin.domain.steps import Moment, used
from egovorigin.store.records import Record
from egovorigin.trail import Taken, take


async def take_visit(
    conn: AsyncConnection,
    centre: Centre,
    case: Case,
    flow: CentreFlow,
    seen: tuple[Mapping[str, Any], Ticket | None],
) -> None:
    """`seen`: the login of the session, and the ticket that is being served. Only a ticket tells when the person came
    to the window, so that without one nothing is measured.

    An operator who logs in with the papers before him ends the visit by that: it is the act's first step. Who logged in
    for his shift has the login behind him already; then the visit is measured, and no trail puts it after the login.
    """
    login, ticket = seen
    began = None if ticket is None else ticket.started_at
    if flow.visit is None or began is None:
        return
    logged_in = datetime.fromisoformat(login["began"])
    ended = logged_in if logged_in >= began else centre.clock.now()
    moments: dict[Moment, datetime] = {(flow.visit.label, "begin"): began, (flow.visit.label, "end"): ended}
    if ended == logged_in:
        await take(conn, centre, case, [Taken(flow.visit, "done", ended)], moments)
        return
    spent = used(flow.channel, flow.visit, moments)
    step, clause = flow.visit.label, flow.visit.clause
    measured = {"limit_s": spent.limit_s, "used_s": spent.used_s}
    await act(conn, centre, "visit.measured", case, step=step, clause=clause, **measured)
    line = Record(
        case_id=case.id,
        at=ended,
        event="step.done",
        state_before=case.state.value,
        state_after=case.state.value,
        step=step,
        clause=clause,
        limit_s=spent.limit_s,
        used_s=spent.used_s,
    )
    await records.add_record(conn, line)
