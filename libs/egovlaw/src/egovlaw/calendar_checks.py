"""What the schema cannot say about the calendar: days that exist, moves that move something, hours in order. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from egovlaw.checks import Finding, Path


def check_calendar(raw: Mapping[str, Any]) -> list[Finding]:
    """Every fault in data that the schema has passed."""
    return [*_zone(raw), *_hours(raw), *_known(raw), *_moves(raw)]


def _zone(raw: Mapping[str, Any]) -> Iterator[Finding]:
    try:
        ZoneInfo(raw["timezone"])
    except (OSError, ValueError, LookupError):
        yield ("timezone",), f"{raw['timezone']} is no time zone"


def _hours(raw: Mapping[str, Any]) -> Iterator[Finding]:
    last = ""
    for n, span in enumerate(raw["working_hours"]):
        if not last <= span["from"] < span["to"]:
            yield ("working_hours", n), "working hours follow one another, each with its end behind its begin"
        last = span["to"]


def _known(raw: Mapping[str, Any]) -> Iterator[Finding]:
    days = [_day(raw[name]) for name in ("known_from", "known_until")]
    for name, day in zip(("known_from", "known_until"), days, strict=True):
        if day is None:
            yield (name,), f"{raw[name]} is no day of any calendar"
    if None not in days and raw["known_from"] > raw["known_until"]:
        yield ("known_until",), "lies before known_from"


def _moves(raw: Mapping[str, Any]) -> Iterator[Finding]:
    week, seen = set(raw["working_week"]), set[date]()
    for n, one in enumerate(raw["transfers"]):
        for name in ("off", "worked"):
            path: Path = ("transfers", n, name)
            day = _day(one[name])
            if day is None:
                yield path, f"{one[name]} is no day of any calendar"
                continue
            if day in seen:
                yield path, f"{day} is moved twice"
            seen.add(day)
            # What is worked instead may be a weekday: 2020-05-11 was free only for the 9th, a Saturday.
            if name == "off" and day.isoweekday() not in week:
                yield path, f"{day} is a day off as it is"
            if not raw["known_from"] <= one[name] <= raw["known_until"]:
                yield path, f"{day} lies outside known_from to known_until"


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
