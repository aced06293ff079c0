"""Papers that go on by courier from a district branch: dispatched, arrived, measured by the working-day calendar."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.domain.courier import CARRIED, COURIER_TRANSITIONS, CourierEvent, CourierState, courier_term
from con_arm.domain.people import Operator
from con_arm.service.acts import act
from con_arm.service.cases import record, visible
from con_arm.service.parts import Centre
from con_arm.store import couriers as store
from con_arm.store.cases import Case
from con_arm.store.couriers import Courier
from egovkit.errors import EgovError
from egovlaw.catalogue import Regulation, ServiceTerm
from egovorigin.origin import Keep


@dataclass(frozen=True, slots=True)
class CourierSeen:
    """`used`: the share of the term, running on until the arrival."""

    courier: Courier
    used: float
    overdue: bool


async def dispatch(centre: Centre, operator: Operator, case_id: str, keep: Keep[CourierSeen]) -> CourierSeen:
    """The papers leave the branch. EgovError courier.no_term, courier.not_a_branch, courier.wrong_state."""
    async with centre.db.begin() as conn:
        case = await visible(conn, operator, case_id, lock=True)
        term = _term(centre, case)
        if not operator.branch:
            raise EgovError("courier.not_a_branch", centre=operator.centre)
        known = await store.of_case(conn, case_id)
        state = _after(known, CourierEvent.DISPATCH)
        if case.state not in CARRIED:
            raise EgovError("case.wrong_state", state=case.state.value)
        now = centre.clock.now()
        sent = Courier(case_id, state, term.clause, now, operator.id, centre.calendar.due(now, term.limit))
        await store.add(conn, sent)
        due = sent.due_at.isoformat()
        await act(conn, centre, "courier.dispatched", case, by=operator.id, clause=term.clause, due_at=due)
        await record(conn, case, now, "courier_dispatched", case.state.value, detail={"due_at": due})
        seen = _seen(centre, sent, term)
        await keep(conn, seen)
    return seen


async def arrive(centre: Centre, operator: Operator, case_id: str, keep: Keep[CourierSeen]) -> CourierSeen:
    async with centre.db.begin() as conn:
        case = await visible(conn, operator, case_id, lock=True)
        term, known = _term(centre, case), await store.of_case(conn, case_id)
        state, now = _after(known, CourierEvent.ARRIVE), centre.clock.now()
        assert known is not None, "only what was dispatched arrives"
        arrived = await store.change(conn, known, state, arrived_at=now, arrived_by=operator.id)
        seen = _seen(centre, arrived, term)
        told = {"used": seen.used, "overdue": seen.overdue}
        await act(conn, centre, "courier.arrived", case, by=operator.id, clause=term.clause, **told)
        await record(conn, case, now, "courier_arrived", case.state.value, detail=told)
        await keep(conn, seen)
    return seen


async def seen_of(conn: AsyncConnection, centre: Centre, case: Case) -> CourierSeen | None:
    known = await store.of_case(conn, case.id)
    term = None if known is None else courier_term(_act(centre, case))
    return None if known is None or term is None else _seen(centre, known, term)


def _seen(centre: Centre, one: Courier, term: ServiceTerm) -> CourierSeen:
    until = one.arrived_at or centre.clock.now()
    used = round(centre.calendar.used(one.dispatched_at, until, term.limit), 4)
    return CourierSeen(one, used, until > one.due_at)


def _term(centre: Centre, case: Case) -> ServiceTerm:
    term = courier_term(_act(centre, case))
    if term is None:
        raise EgovError("courier.no_term", regulation=case.regulation)
    return term


def _act(centre: Centre, case: Case) -> Regulation:
    return centre.regulation(case.regulation, case.regulation_version)[0]


def _after(known: Courier | None, event: CourierEvent) -> CourierState:
    before = None if known is None else known.state
    state = COURIER_TRANSITIONS.get((before, event))
    if state is None:
        raise EgovError("courier.wrong_state", state=before.value if before else "-")
    return state
