"""The electronic queue with its waiting and service times, and the act's survey (E10)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import Field

from con_arm.api.base import AtCounter, Overseeing, TheCentre, once
from con_arm.domain.counter import Measured, Term, TicketEvent, TicketState, term_of, times_of
from con_arm.service import counter
from con_arm.service.operators import Identity
from con_arm.service.parts import Centre
from con_arm.store.counter import Survey, Ticket
from egovkit.declared import keyed, refuses
from egovkit.idempotency import Answer
from egovkit.routes import Routes
from egovlaw.catalogue import Form
from egovorigin.api import PAGE, Cursor, Key, Limit, Shown, Strict, cursor_of, kept, key_of, model_answer
from egovorigin.origin import Keep

router = Routes(prefix="/v1", tags=["counter"])


class NewTicket(Strict):
    regulation: Annotated[str | None, Field(max_length=80)] = None


class Finish(Strict):
    no_show: Annotated[bool, Field(description="called, and nobody came")] = False


class TermShown(Shown):
    """What the act says; both null where it says nothing."""

    limit_s: int | None
    clause: str | None


class TicketShown(Shown):
    id: str
    number: int
    regulation: str | None
    state: str
    taken_at: datetime
    called_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    operator: str | None
    waited_s: float | None
    served_s: float | None
    waiting_term: TermShown
    counter_term: TermShown


class TicketList(Shown):
    items: list[TicketShown]
    next: str | None


class MeasuredShown(Shown):
    count: int
    average_s: float | None
    longest_s: float | None
    over: Annotated[int, Field(description="longer than the act's term, where it states one")]


class TicketReportShown(Shown):
    since: datetime
    until: datetime
    states: dict[str, int]
    waiting: MeasuredShown
    service: MeasuredShown


class Question(Shown):
    name: str
    label_ru: str
    options_ru: list[str]


class SurveyShown(Shown):
    clause: str
    name_ru: str
    service_ru: str
    questions: list[Question]
    answers: dict[str, str] | None
    answered_at: datetime | None


class Answers(Strict):
    answers: dict[str, Any]


class SurveyKept(Shown):
    case: str
    answers: dict[str, str]
    answered_at: datetime


class SurveyReportShown(Shown):
    regulation: str
    clause: str
    answered: int
    counts: dict[str, dict[str, int]]


@router.post("/tickets", status_code=201, response_model=TicketShown)
@keyed
@refuses("service.not_at_centre")
async def take_ticket(
    request: Request, centre: TheCentre, identity: AtCounter, body: NewTicket, key: Key = None
) -> Response:
    async def work(keep: Keep[Ticket]) -> object:
        return await counter.take_ticket(centre, identity.operator, body.regulation, keep)

    return await once(request, identity, kept(lambda one: model_answer(201, _ticket(centre, one)), work))


@router.get("/tickets")
@refuses("request.cursor_invalid")
async def list_tickets(
    centre: TheCentre,
    identity: AtCounter,
    state: TicketState | None = None,
    cursor: Cursor = None,
    limit: Limit = PAGE,
) -> TicketList:
    """The centre's tickets in the order they were taken."""
    found, more = await counter.tickets(centre, identity.operator, state, after=key_of(cursor), limit=limit)
    return TicketList(items=[_ticket(centre, one) for one in found], next=cursor_of(found[-1].id) if more else None)


@router.get("/tickets/report")
async def ticket_report(
    centre: TheCentre,
    identity: Overseeing,
    first: Annotated[date | None, Query(description="today, if not given")] = None,
    last: date | None = None,
) -> TicketReportShown:
    """Waiting and service times: measured and reported, never a ground to refuse."""
    day = first or centre.today()
    report = await counter.ticket_report(centre, identity.operator, day, last or day)
    return TicketReportShown(
        since=report.since,
        until=report.until,
        states=dict(report.states),
        waiting=_measured(report.waiting),
        service=_measured(report.service),
    )


@router.post("/tickets/{ticket_id}/call", response_model=TicketShown)
@keyed
@refuses("case.changed_meanwhile", "ticket.not_found", "ticket.wrong_state")
async def call(request: Request, centre: TheCentre, identity: AtCounter, ticket_id: str, key: Key = None) -> Response:
    """Calls the ticket to the operator's window; once more, if nobody came at first."""
    return await _move(request, centre, identity, (ticket_id, TicketEvent.CALL))


@router.post("/tickets/{ticket_id}/start", response_model=TicketShown)
@keyed
@refuses("case.changed_meanwhile", "ticket.not_found", "ticket.wrong_state")
async def start(request: Request, centre: TheCentre, identity: AtCounter, ticket_id: str, key: Key = None) -> Response:
    """The person is at the window: waiting ends, service begins."""
    return await _move(request, centre, identity, (ticket_id, TicketEvent.START))


@router.post("/tickets/{ticket_id}/finish", response_model=TicketShown)
@keyed
@refuses("case.changed_meanwhile", "ticket.not_found", "ticket.wrong_state")
async def finish(
    *,
    request: Request,
    centre: TheCentre,
    identity: AtCounter,
    ticket_id: str,
    body: Finish | None = None,
    key: Key = None,
) -> Response:
    """Service ends; or, with no_show, nobody came."""
    event = TicketEvent.NO_SHOW if body is not None and body.no_show else TicketEvent.FINISH
    return await _move(request, centre, identity, (ticket_id, event))


async def _move(request: Request, centre: Centre, identity: Identity, what: tuple[str, TicketEvent]) -> Response:
    ticket_id, event = what

    async def work(keep: Keep[Ticket]) -> object:
        return await counter.move_ticket(centre, identity.operator, ticket_id, event, keep)

    return await once(request, identity, kept(lambda one: model_answer(200, _ticket(centre, one)), work))


@router.get("/cases/{case_id}/survey")
@refuses("case.not_found", "survey.not_found")
async def survey(centre: TheCentre, identity: AtCounter, case_id: str) -> SurveyShown:
    """The act's own questions, and the answers if they were given."""
    form, service, given = await counter.survey(centre, identity.operator, case_id)
    return _survey(form, service, given)


@router.post("/cases/{case_id}/survey", status_code=201, response_model=SurveyKept)
@keyed
@refuses("case.not_found", "form.invalid", "survey.answered_already", "survey.not_found")
async def answer_survey(
    *, request: Request, centre: TheCentre, identity: AtCounter, case_id: str, body: Answers, key: Key = None
) -> Response:
    async def work(keep: Keep[Survey]) -> object:
        return await counter.answer_survey(centre, identity.operator, case_id, body.answers, keep)

    return await once(request, identity, kept(_survey_kept, work))


@router.get("/surveys/report")
@refuses("service.not_at_centre", "survey.not_found")
async def survey_report(
    centre: TheCentre, identity: Overseeing, regulation: Annotated[str, Query(max_length=80)]
) -> SurveyReportShown:
    report = await counter.survey_report(centre, identity.operator, regulation)
    counts = {name: dict(options) for name, options in report.counts.items()}
    return SurveyReportShown(
        regulation=report.regulation, clause=report.clause, answered=report.answered, counts=counts
    )


def _ticket(centre: Centre, one: Ticket) -> TicketShown:
    regulation = centre.catalogue.regulation(one.regulation) if one.regulation else None
    times = times_of(one.taken_at, one.started_at, one.ended_at)
    return TicketShown(
        id=one.id,
        number=one.number,
        regulation=one.regulation,
        state=one.state.value,
        taken_at=one.taken_at,
        called_at=one.called_at,
        started_at=one.started_at,
        ended_at=one.ended_at,
        operator=one.operator_id,
        waited_s=times.waited_s,
        served_s=times.served_s,
        waiting_term=_term(term_of(regulation, "waiting")),
        counter_term=_term(term_of(regulation, "counter")),
    )


def _term(term: Term) -> TermShown:
    return TermShown(limit_s=term.limit_s, clause=term.clause)


def _measured(one: Measured) -> MeasuredShown:
    return MeasuredShown(count=one.count, average_s=one.average_s, longest_s=one.longest_s, over=one.over)


def _survey(form: Form, service: str, given: Survey | None) -> SurveyShown:
    return SurveyShown(
        clause=form.clause,
        name_ru=form.name_ru,
        service_ru=service,
        questions=[
            Question(name=field.name, label_ru=field.label_ru, options_ru=list(field.options_ru))
            for field in form.fields
        ],
        answers=None if given is None else given.answers,
        answered_at=None if given is None else given.at,
    )


def _survey_kept(given: Survey) -> Answer:
    shown = SurveyKept(case=given.case_id, answers=given.answers, answered_at=given.at)
    return model_answer(201, shown)
