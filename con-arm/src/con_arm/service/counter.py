"""The counter: tickets of the electronic queue and the act's survey, measured and reported (E10)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from con_arm.domain.counter import (
    TICKET_TRANSITIONS,
    Measured,
    TicketEvent,
    TicketState,
    measure,
    survey_form,
    survey_problems,
    term_of,
    times_of,
)
from con_arm.domain.people import Operator
from con_arm.service.cases import visible
from con_arm.service.parts import Centre
from con_arm.store import counter as store
from con_arm.store.counter import Survey, Ticket
from egovkit.errors import EgovError, FieldError
from egovkit.journal import JournalEntry
from egovlaw.catalogue import Form, Regulation
from egovorigin.origin import KAZAKHSTAN, Keep


@dataclass(frozen=True, slots=True)
class TicketReport:
    since: datetime
    until: datetime
    states: Mapping[str, int]
    waiting: Measured
    service: Measured


@dataclass(frozen=True, slots=True)
class SurveyReport:
    regulation: str
    clause: str
    answered: int
    counts: Mapping[str, Mapping[str, int]]  # of each choice, by question


async def take_ticket(centre: Centre, operator: Operator, regulation: str | None, keep: Keep[Ticket]) -> Ticket:
    """Numbers begin anew every day, in each centre."""
    if regulation is not None:
        centre.regulation(regulation)
    now = centre.clock.now()
    async with centre.db.begin() as conn:
        number = await store.next_number(conn, f"ticket/{operator.centre}/{centre.today().isoformat()}")
        ticket = Ticket(centre.ids.new(), operator.centre, number, regulation, TicketState.WAITING, now)
        await store.add_ticket(conn, ticket)
        await keep(conn, ticket)
    return ticket


async def move_ticket(
    centre: Centre, operator: Operator, ticket_id: str, event: TicketEvent, keep: Keep[Ticket]
) -> Ticket:
    async with centre.db.begin() as conn:
        known = await store.ticket(conn, ticket_id, operator.centre)
        if known is None:
            raise EgovError("ticket.not_found")
        state = TICKET_TRANSITIONS.get((known.state, event))
        if state is None:
            raise EgovError("ticket.wrong_state", state=known.state.value)
        now = centre.clock.now()
        stamps: dict[TicketEvent, dict[str, Any]] = {
            TicketEvent.CALL: {"called_at": now, "operator_id": operator.id},
            TicketEvent.START: {"started_at": now, "operator_id": operator.id},
            TicketEvent.FINISH: {"ended_at": now},
            TicketEvent.NO_SHOW: {"ended_at": now},
        }
        ticket = await store.change_ticket(conn, known, state, **stamps[event])
        body = {"action": f"ticket.{event.value}", "service": centre.settings.code, "by": operator.id}
        await centre.journal.note(conn, [JournalEntry("admin", now, None, {**body, "ticket": ticket.id})])
        await keep(conn, ticket)
    return ticket


async def tickets(
    centre: Centre, operator: Operator, state: str | None, *, after: str | None, limit: int
) -> tuple[list[Ticket], bool]:
    """One page, in the order they were taken, and whether there is another."""
    async with centre.db.read() as conn:
        found = await store.tickets_of(conn, operator.centre, state=state, after=after, limit=limit + 1)
    return found[:limit], len(found) > limit


async def ticket_report(centre: Centre, senior: Operator, first: date, last: date) -> TicketReport:
    """Waiting and service times of the senior's centre, from the first to the last of these days."""
    since = datetime.combine(first, time(), KAZAKHSTAN)
    until = datetime.combine(last + timedelta(days=1), time(), KAZAKHSTAN)
    async with centre.db.read() as conn:
        found = await store.tickets_between(conn, senior.centre, since, until)
    waited, served = [], []
    for one in found:
        regulation = centre.catalogue.regulation(one.regulation) if one.regulation else None
        times = times_of(one.taken_at, one.started_at, one.ended_at)
        if times.waited_s is not None:
            waited.append((times.waited_s, term_of(regulation, "waiting").limit_s))
        if times.served_s is not None:
            served.append((times.served_s, term_of(regulation, "counter").limit_s))
    states = Counter(one.state.value for one in found)
    return TicketReport(since, until, dict(states), measure(waited), measure(served))


async def survey(centre: Centre, operator: Operator, case_id: str) -> tuple[Form, str, Survey | None]:
    """The act's form, the name of the service it asks about, and the answers if they were given."""
    async with centre.db.read() as conn:
        case = await visible(conn, operator, case_id)
        given = await store.survey_of(conn, case_id)
    regulation, _ = centre.regulation(case.regulation, case.regulation_version)
    return _form_of(regulation), regulation.title_ru, given


async def answer_survey(
    centre: Centre, operator: Operator, case_id: str, answers: Mapping[str, Any], keep: Keep[Survey]
) -> Survey:
    async with centre.db.begin() as conn:
        case = await visible(conn, operator, case_id)
        regulation, _ = centre.regulation(case.regulation, case.regulation_version)
        if problems := survey_problems(_form_of(regulation), answers):
            raise EgovError(
                "form.invalid", errors=[FieldError(f"answers.{name}", code, code) for name, code in problems]
            )
        given = Survey(case_id, case.centre, case.regulation, dict(answers), centre.clock.now())
        if not await store.add_survey(conn, given):
            raise EgovError("survey.answered_already")
        await keep(conn, given)
    return given


async def survey_report(centre: Centre, senior: Operator, regulation: str) -> SurveyReport:
    form = _form_of(centre.regulation(regulation)[0])
    async with centre.db.read() as conn:
        given = await store.surveys_of(conn, senior.centre, regulation)
    counts = {
        field.name: {option: sum(one.answers.get(field.name) == option for one in given) for option in field.options_ru}
        for field in form.fields
        if field.options_ru
    }
    return SurveyReport(regulation, form.clause, len(given), counts)


def _form_of(regulation: Regulation) -> Form:
    form = survey_form(regulation)
    if form is None:
        raise EgovError("survey.not_found", regulation=regulation.code)
    return form
