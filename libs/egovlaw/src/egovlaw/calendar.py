"""Kazakhstan's working-day calendar and the terms of the acts on it. Pure.

Holidays come from the library `holidays`, the moved days from contracts/calendar.yaml. A term in working days begins on
the working day after the one of intake; what comes after hours or on a day off counts as come on the next working day.
Every moment that comes out is UTC; days and hours are those of Kazakhstan's clock, with its history.

Outside the years whose decrees are known, holidays and weekends count as ever and no day is moved: such a day is
`provisional`. A service must not stop at New Year because a decree is late.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from importlib.resources import files
from itertools import takewhile
from typing import Any, Literal
from zoneinfo import ZoneInfo

from egovlaw.catalogue import Duration

DAY = timedelta(days=1)


class BadTerm(ValueError):
    """A start without a time zone, or a term without a unit."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """A day off that was moved: `off` is free, `worked` is worked instead. `decree` None: its number is not known."""

    off: date
    worked: date
    decree: str | None


@dataclass(frozen=True, slots=True)
class Day:
    """Why a day is worked or not."""

    day: date
    working: bool
    reason: Literal["working_day", "weekend", "holiday", "moved_off", "moved_worked"]
    name_kk: str | None = None
    decree: str | None = None
    instead_of: date | None = None  # the other half of a move
    provisional: bool = False  # a decree of its year may still move it


@dataclass(frozen=True, eq=False)
class WorkCalendar:
    timezone: str
    week: frozenset[int]  # ISO weekdays
    hours: tuple[tuple[time, time], ...]  # of a working day, in order
    transfers: tuple[Transfer, ...]
    known_from: date
    known_until: date
    ends_on_day_off: Literal["next_working_day", "same_day"]
    extension_at_most: Duration  # behind the end the term had without any extension

    @cached_property
    def zone(self) -> ZoneInfo:
        """From the package: `ZoneInfo(name)` asks the machine first, and an old one is an hour off since 2024-03-01."""
        with files("tzdata.zoneinfo").joinpath(*self.timezone.split("/")).open("rb") as data:
            return ZoneInfo.from_file(data, key=self.timezone)

    @cached_property
    def _moved(self) -> Mapping[date, Day]:
        found: dict[date, Day] = {}
        for one in self.transfers:
            found[one.off] = Day(one.off, False, "moved_off", None, one.decree, one.worked)
            found[one.worked] = Day(one.worked, True, "moved_worked", None, one.decree, one.off)
        return found

    @cached_property
    def _days(self) -> dict[date, Day]:
        """Days asked for before: a term of weeks asks for the same ones again and again."""
        return {}

    @property
    def hours_per_day(self) -> float:
        return sum((_minutes(end) - _minutes(begin) for begin, end in self.hours), 0) / 60

    # --- days -----------------------------------------------------------------------------------------------

    def day(self, day: date) -> Day:
        if (found := self._days.get(day)) is None:
            found = self._days[day] = self._look_up(day)
        return found

    def _look_up(self, day: date) -> Day:
        provisional = not self.known_from <= day <= self.known_until
        if (moved := self._moved.get(day)) is not None:
            return moved
        if (name := _holidays(day.year).get(day)) is not None:
            return Day(day, False, "holiday", name_kk=name, provisional=provisional)
        working = day.isoweekday() in self.week
        return Day(day, working, "working_day" if working else "weekend", provisional=provisional)

    def is_working_day(self, day: date) -> bool:
        return self.day(day).working

    def next_working_day(self, day: date) -> date:
        """The first one after `day`."""
        day += DAY
        while not self.is_working_day(day):
            day += DAY
        return day

    def local(self, moment: datetime) -> datetime:
        if moment.tzinfo is None:
            raise BadTerm("a moment without a time zone says nothing")
        return moment.astimezone(self.zone)

    # --- terms ----------------------------------------------------------------------------------------------

    def intake_day(self, start: datetime) -> date:
        """The working day a moment counts for: its own, or the next one after hours and on days off."""
        local = self.local(start)
        day = local.date()
        if self.is_working_day(day) and local.time() < self.hours[-1][1]:
            return day
        return self.next_working_day(day)

    def due(self, start: datetime, term: Duration) -> datetime:
        """When a term that starts at `start` ends. Hours and minutes run in working time, seconds on the wall."""
        if term.max_s is not None:
            return self._in_utc(start) + timedelta(seconds=term.max_s)
        if term.minutes is not None or term.hours is not None:
            return self._worked(start, timedelta(minutes=term.minutes or 0, hours=term.hours or 0))
        return self._end_of(self.last_day(start, term))

    def last_day(self, start: datetime, term: Duration) -> date:
        """The last day of a term of days or months; counted from the day after (A27)."""
        if term.working_days is not None:
            day = self.intake_day(start)
            for _ in range(term.working_days):
                day = self.next_working_day(day)
            return day
        day = self.local(start).date()
        if term.calendar_days is not None:
            day += timedelta(days=term.calendar_days)
        elif term.months is not None:
            day = _months_later(day, term.months)
        else:
            raise BadTerm("a term has a unit")
        if self.ends_on_day_off == "next_working_day" and not self.is_working_day(day):
            return self.next_working_day(day)
        return day

    def used(self, start: datetime, end: datetime, term: Duration) -> float:
        """The share of a term used between two moments, in the time the term runs in; 1.0 = all of it."""
        start, end = self._in_utc(start), self._in_utc(end)
        if end <= start:
            return 0.0
        due = self.due(start, term)
        if term.max_s is not None or term.calendar_days is not None or term.months is not None:
            used, whole = end - start, due - start
        else:
            used, whole = self.working_time(start, end), self.working_time(start, due)
        return used / whole if whole else 1.0  # a term of no length is used up at once

    def working_time(self, start: datetime, end: datetime) -> timedelta:
        """The working hours between two moments."""
        start, end = self._in_utc(start), self._in_utc(end)
        spans = takewhile(lambda span: span[0] < end, self._spans(start))
        return sum((min(to, end) - max(begin, start) for begin, to in spans), timedelta())

    def add_working_time(self, moment: datetime, worked: timedelta) -> datetime:
        """The moment after so much working time: by this a pause moves a term's end."""
        return self._worked(moment, worked) if worked else self._in_utc(moment)

    def _worked(self, start: datetime, wanted: timedelta) -> datetime:
        start = self._in_utc(start)
        spans = self._spans(start)
        while True:
            begin, to = next(spans)
            at = max(begin, start)
            if at + wanted <= to:
                return at + wanted
            wanted -= to - at

    def _spans(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Stretches of working time that end after `start`, in UTC."""
        day = self.local(start).date()
        while True:
            if self.is_working_day(day):
                for begin, end in self.hours:
                    span = self._utc(day, begin), self._utc(day, end)
                    if span[1] > start:
                        yield span
            day += DAY

    def _in_utc(self, moment: datetime) -> datetime:
        """Moments of one zone are subtracted by their wall clocks, which are wrong where the clock was moved."""
        return self.local(moment).astimezone(UTC)

    def _end_of(self, day: date) -> datetime:
        return self._utc(day, self.hours[-1][1])

    def _utc(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at, self.zone).astimezone(UTC)


def build_calendar(raw: Mapping[str, Any]) -> WorkCalendar:
    """From the checked data of contracts/calendar.yaml."""
    hours: Sequence[Mapping[str, str]] = raw["working_hours"]
    return WorkCalendar(
        timezone=raw["timezone"],
        week=frozenset(raw["working_week"]),
        hours=tuple((time.fromisoformat(span["from"]), time.fromisoformat(span["to"])) for span in hours),
        transfers=tuple(
            Transfer(date.fromisoformat(one["off"]), date.fromisoformat(one["worked"]), one["decree"])
            for one in raw["transfers"]
        ),
        known_from=date.fromisoformat(raw["known_from"]),
        known_until=date.fromisoformat(raw["known_until"]),
        ends_on_day_off=raw["ends_on_day_off"],
        extension_at_most=Duration(**raw["extension"]["at_most"]),
    )


@lru_cache(maxsize=64)
def _holidays(year: int) -> Mapping[date, str]:
    """One year's holidays with their Kazakh names, without the library's own moved days: those are in our table."""
    import holidays  # half a second to load, and few commands reckon in days

    found = holidays.country_holidays("KZ", years=year, language="kk")
    return {day: name for day, name in found.items() if not _is_moved(name)}


def _is_moved(name: str) -> bool:
    """The library lists a moved day off as a holiday; its name carries the day it was moved from."""
    return any(character.isdigit() for character in name)


def _months_later(day: date, months: int) -> date:
    years, month = divmod(day.month - 1 + months, 12)
    last = monthrange(day.year + years, month + 1)[1]
    return date(day.year + years, month + 1, min(day.day, last))


def _minutes(at: time) -> int:
    return at.hour * 60 + at.minute
