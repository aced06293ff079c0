"""The counter itself: tickets of the electronic queue, waiting and service time, the survey (E10: measured and
reported, never a ground to refuse)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from con_arm.domain.steps import centre_channel
from egovlaw.catalogue import Duration, Form, FormField, Regulation
from egovorigin.domain.forms import text_problem

MAX_ANSWER: Final = 1000


class TicketState(StrEnum):
    WAITING = "waiting"  # taken; nobody has called it
    CALLED = "called"  # an operator called it to his window
    IN_SERVICE = "in_service"  # the person is at the window
    FINISHED = "finished"  # ended: served
    NO_SHOW = "no_show"  # ended: called, and nobody came


class TicketEvent(StrEnum):
    CALL = "call"
    START = "start"
    FINISH = "finish"
    NO_SHOW = "no_show"


S, E = TicketState, TicketEvent

TICKET_TRANSITIONS: Final[Mapping[tuple[TicketState, TicketEvent], TicketState]] = MappingProxyType(
    {
        (S.WAITING, E.CALL): S.CALLED,
        (S.CALLED, E.CALL): S.CALLED,  # called once more, by the same or another window
        (S.CALLED, E.START): S.IN_SERVICE,
        (S.IN_SERVICE, E.FINISH): S.FINISHED,
        (S.CALLED, E.NO_SHOW): S.NO_SHOW,
    }
)

BEING_SERVED: Final = frozenset({S.CALLED, S.IN_SERVICE})


@dataclass(frozen=True, slots=True)
class Term:
    """What an act says of waiting or service at a counter, with its clause; None where it says nothing."""

    limit_s: int | None = None
    clause: str | None = None


@dataclass(frozen=True, slots=True)
class Times:
    """How long a person waited and was served, in seconds; None where it has not happened."""

    waited_s: float | None
    served_s: float | None


def times_of(taken: datetime, started: datetime | None, finished: datetime | None) -> Times:
    waited = None if started is None else _seconds(taken, started)
    served = None if started is None or finished is None else _seconds(started, finished)
    return Times(waited, served)


def term_of(regulation: Regulation | None, kind: str) -> Term:
    """The act's term of this kind (waiting, counter) for the centre's channel or for all."""
    own = None if regulation is None else centre_channel(regulation)
    for term in regulation.terms if regulation else ():
        if term.kind == kind and term.channel in (None, own and own.code):
            return Term(_duration_s(term.limit), term.clause)
    return Term()


@dataclass(frozen=True, slots=True)
class Measured:
    """A row of the report: how many, on average, at most, and how many beyond the act's term."""

    count: int
    average_s: float | None
    longest_s: float | None
    over: int


def measure(values: Sequence[tuple[float, int | None]]) -> Measured:
    """From pairs of the seconds taken and the term that held, if one did."""
    if not values:
        return Measured(0, None, None, 0)
    seconds = [taken for taken, _ in values]
    over = sum(1 for taken, limit in values if limit is not None and taken > limit)
    return Measured(len(seconds), round(sum(seconds) / len(seconds), 3), max(seconds), over)


def survey_form(regulation: Regulation) -> Form | None:
    return next((form for form in regulation.forms if form.kind == "survey"), None)


def survey_problems(form: Form, answers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(field, code) of everything wrong with the answers to the act's own questions."""
    fields = {field.name: field for field in form.fields}
    problems = [(name[:60], "unknown") for name in answers if name not in fields]
    for name, field in fields.items():
        code = _answer_problem(field, answers.get(name))
        if code is not None:
            problems.append((name, code))
    return problems


def _answer_problem(field: FormField, answer: object) -> str | None:
    if field.options_ru:
        if answer is None:
            return "missing"
        return None if answer in field.options_ru else "not_allowed"
    if answer is None:
        return "missing" if field.required else None
    return text_problem(answer, MAX_ANSWER) if isinstance(answer, str) else "wrong_type"


def _duration_s(limit: Duration) -> int | None:
    if limit.max_s is not None:
        return limit.max_s
    if limit.minutes is not None:
        return limit.minutes * 60
    return None if limit.hours is None else limit.hours * 3600


def _seconds(since: datetime, until: datetime) -> float:
    return round(max(0.0, (until - since).total_seconds()), 3)
