"""The term of a case as a whole: where it comes from, and how extensions and pauses move its end. Pure.

A term is facts in the order they happened; the end is reckoned from them each time, so a corrected calendar corrects
it. Every moment is UTC. `TermRefused.code` is a code of contracts/errors.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Literal

from egovlaw.calendar import WorkCalendar
from egovlaw.catalogue import Duration, InternalBranch, Regulation

Source = Literal["act", "computed"]
Starts = Literal["registration", "procedure"]


# --- what the act gives --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TermOf:
    """The term of a channel. `parts` run one after the other: a sum of steps is days and then minutes. `computed`: the
    act gives the steps alone, so their sum is shown and is no legal term (D2).
    """

    parts: tuple[Duration, ...]
    source: Source
    clause: str
    starts: Starts

    def __str__(self) -> str:
        return " + ".join(str(part) for part in self.parts)


def lodged_in(regulation: Regulation, channel: str) -> InternalBranch:
    """The branch of the internal procedure that a case of this channel enters; the Centre's where no other is meant."""
    branches = {step.branch for step in regulation.internal_procedure}
    if "default" in branches:
        return "default"
    return "akim" if channel == "akim" and "akim" in branches else "centre"


def term_of(calendar: WorkCalendar, regulation: Regulation, channel: str) -> TermOf | None:
    """The act's own term of the service; else the one budget of its steps (D11); else their sum (D2); None where only
    the Standard has a term (A4).
    """
    for term in regulation.terms:
        if term.kind == "service" and term.channel in (None, channel):
            return TermOf((term.limit,), "act", term.clause, "registration")
    for term in regulation.terms:
        if term.kind == "internal_total":
            return TermOf((term.limit,), "act", term.clause, "procedure")
    return _sum_of_steps(calendar, regulation, channel)


def _sum_of_steps(calendar: WorkCalendar, regulation: Regulation, channel: str) -> TermOf | None:
    steps = regulation.internal_steps(lodged_in(regulation, channel))
    limits = [step.limit for step in steps if step.limit is not None]
    if not steps or len(limits) < len(steps):
        return None
    if any(not (limit.working_days or limit.hours or limit.minutes) for limit in limits):
        return None  # days of the calendar and of work make no sum
    minutes = sum((limit.hours or 0) * 60 + (limit.minutes or 0) for limit in limits)
    days, minutes = divmod(minutes, round(calendar.hours_per_day * 60))  # D14: eight hours are a day
    days += sum(limit.working_days or 0 for limit in limits)
    parts = [Duration(working_days=days)] if days else []
    parts += [Duration(minutes=minutes)] if minutes else []
    clauses = dict.fromkeys(step.clause for step in steps)
    return TermOf(tuple(parts), "computed", "; ".join(clauses), "procedure")


# --- how it runs ---------------------------------------------------------------------------------------------


class TermState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


class TermEvent(StrEnum):
    EXTENDED = "extended"
    PAUSED = "paused"
    RESUMED = "resumed"
    ENDED = "ended"


TRANSITIONS: Final[Mapping[tuple[TermState, TermEvent], TermState]] = MappingProxyType(
    {
        (TermState.RUNNING, TermEvent.EXTENDED): TermState.RUNNING,
        (TermState.PAUSED, TermEvent.EXTENDED): TermState.PAUSED,
        (TermState.RUNNING, TermEvent.PAUSED): TermState.PAUSED,
        (TermState.PAUSED, TermEvent.RESUMED): TermState.RUNNING,
        (TermState.RUNNING, TermEvent.ENDED): TermState.ENDED,
        (TermState.PAUSED, TermEvent.ENDED): TermState.ENDED,
    }
)

_REFUSALS: Final[Mapping[tuple[TermState, TermEvent], str]] = MappingProxyType(
    {
        (TermState.PAUSED, TermEvent.PAUSED): "term.already_paused",
        (TermState.RUNNING, TermEvent.RESUMED): "term.not_paused",
    }
)


class TermRefused(Exception):
    """What was asked of a term cannot be; `facts` are what the texts of the code name."""

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts


@dataclass(frozen=True, slots=True)
class Reason:
    ru: str
    kk: str


@dataclass(frozen=True, slots=True)
class Extension:
    at: datetime
    until: datetime
    reason: Reason


@dataclass(frozen=True, slots=True)
class Pause:
    since: datetime
    until: datetime | None  # None: it lasts
    reason: Reason


@dataclass(frozen=True, slots=True)
class Term:
    started: datetime
    parts: tuple[Duration, ...]
    extensions: tuple[Extension, ...] = ()
    pauses: tuple[Pause, ...] = ()
    ended: datetime | None = None

    @property
    def state(self) -> TermState:
        if self.ended is not None:
            return TermState.ENDED
        return TermState.RUNNING if self.paused_since is None else TermState.PAUSED

    @property
    def paused_since(self) -> datetime | None:
        last = self.pauses[-1] if self.pauses else None
        return last.since if last is not None and last.until is None else None

    def due(self, calendar: WorkCalendar) -> datetime:
        """When it ends; while it is paused, when it would have ended."""
        return self._due(calendar, self.extensions)

    def unextended(self, calendar: WorkCalendar) -> datetime:
        """When it would end without any extension."""
        return self._due(calendar, ())

    def latest(self, calendar: WorkCalendar) -> datetime:
        """The latest moment it may be extended to."""
        return calendar.due(self.unextended(calendar), calendar.extension_at_most)

    def remaining(self, calendar: WorkCalendar, now: datetime) -> timedelta:
        """The working time left; nothing once it is over."""
        return calendar.working_time(self._stopped_at(now), self.due(calendar))

    def overdue(self, calendar: WorkCalendar, now: datetime) -> bool:
        """A term that is paused or ended is as late as it was then."""
        return self._stopped_at(now) > self.due(calendar)

    def extend(self, calendar: WorkCalendar, until: datetime, reason: Reason, now: datetime) -> Term:
        """TermRefused without a reason in both languages, to a moment no later than the end, or behind the maximum."""
        self._require(TermEvent.EXTENDED)
        if not (reason.ru.strip() and reason.kk.strip()):
            raise TermRefused("term.extension_without_reason")
        due, latest = self.due(calendar), self.latest(calendar)
        if until <= max(due, now):
            raise TermRefused("term.extension_not_later", until=_text(until), due=_text(max(due, now)))
        if until > latest:
            raise TermRefused("term.extension_beyond", until=_text(until), latest=_text(latest))
        return replace(self, extensions=(*self.extensions, Extension(now, until, reason)))

    def pause(self, reason: Reason, now: datetime) -> Term:
        self._require(TermEvent.PAUSED)
        return replace(self, pauses=(*self.pauses, Pause(now, None, reason)))

    def resume(self, now: datetime) -> Term:
        """The end moves by the working time that was paused."""
        self._require(TermEvent.RESUMED)
        *earlier, last = self.pauses
        return replace(self, pauses=(*earlier, replace(last, until=now)))

    def end(self, now: datetime) -> Term:
        """The service was given or refused."""
        self._require(TermEvent.ENDED)
        return replace(self, ended=now)

    def _due(self, calendar: WorkCalendar, extensions: Sequence[Extension]) -> datetime:
        due = first_end(calendar, self.started, self.parts)
        told: list[tuple[datetime, Extension | Pause]] = [(one.at, one) for one in extensions]
        told += [(one.until, one) for one in self.pauses if one.until is not None]
        for at, one in sorted(told, key=lambda entry: entry[0]):
            if isinstance(one, Extension):
                due = one.until
            else:
                due = calendar.add_working_time(due, calendar.working_time(one.since, at))
        return due

    def _stopped_at(self, now: datetime) -> datetime:
        return min(one for one in (now, self.paused_since, self.ended) if one is not None)

    def _require(self, event: TermEvent) -> None:
        if (self.state, event) not in TRANSITIONS:
            raise TermRefused(_REFUSALS.get((self.state, event), "term.ended"))


def first_end(calendar: WorkCalendar, started: datetime, parts: Sequence[Duration]) -> datetime:
    """When the parts have run one after the other. What follows days of work is worked on from their end: as a term of
    its own it would lose a day to the evening that end falls on.
    """
    due = calendar.due(started, parts[0])
    for part in parts[1:]:
        due = calendar.add_working_time(due, timedelta(hours=part.hours or 0, minutes=part.minutes or 0))
    return due


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
