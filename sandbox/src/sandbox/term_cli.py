"""`egov term`: how the end of a term comes about, day by day."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from egovlaw.calendar import Day, WorkCalendar
    from egovlaw.terms import TermOf

UNITS = {
    "wd": "working_days",
    "d": "calendar_days",
    "mo": "months",
    "h": "hours",
    "m": "minutes",
    "s": "max_s",
}
TERM = re.compile(r"(\d{1,4})(wd|mo|d|h|m|s)")
LONGEST = 400  # days shown; a term of years is not told day by day


def term(
    start: Annotated[str, typer.Argument(help="2026-11-25T17:50 by Almaty's clock, or with Z or an offset.")],
    wanted: Annotated[str | None, typer.Argument(metavar="TERM", help="As 7wd, 5d, 1mo, 2h, 15m, 30s.")] = None,
    *,
    regulation: Annotated[str | None, typer.Option("--regulation", help="Its own term, instead.")] = None,
    channel: Annotated[str | None, typer.Option("--channel", help="Of that regulation.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """When a term ends: each day with its reason, the end in Almaty's time and in UTC."""
    from egovkit.contracts import contracts_dir
    from egovlaw.loader import load_calendar
    from egovlaw.terms import first_end

    if (wanted is None) == (regulation is None) or (regulation is None) != (channel is None):
        _fail("give a term, or --regulation with --channel")
    calendar = load_calendar(contracts_dir())
    found = _typed(wanted) if wanted is not None else _of_act(calendar, regulation or "", channel or "")
    began = _moment(calendar, start)
    try:
        due = first_end(calendar, began, found.parts)
    except OverflowError:
        _fail("the term leads out of the calendar")
    days = list(_days(calendar, began, due))
    facts = {
        "start": _utc(began),
        "term": str(found),
        "source": found.source if regulation else None,
        "clause": found.clause if regulation else None,
        "days": [_fact(day) for day in days],
        "due_at": _utc(due),
        "due_local": calendar.local(due).isoformat(),
        "provisional": any(day.provisional for day in days),
    }
    typer.echo(json.dumps(facts, ensure_ascii=False, indent=2) if as_json else "\n".join(_told(facts, days)))


def _typed(text: str) -> TermOf:
    from egovlaw.catalogue import Duration
    from egovlaw.terms import TermOf

    match = TERM.fullmatch(text)
    if match is None:
        _fail(f"{text} is no term; one of 7wd, 5d, 1mo, 2h, 15m, 30s is")
    return TermOf((Duration(**{UNITS[match[2]]: int(match[1])}),), "act", "", "registration")


def _of_act(calendar: WorkCalendar, code: str, channel: str) -> TermOf:
    from egovkit.contracts import contracts_dir, read_once
    from egovlaw.loader import load_catalogue
    from egovlaw.terms import term_of

    regulation = read_once(load_catalogue, contracts_dir()).regulation(code)
    if regulation is None:
        _fail(f"no regulation {code}; `egov regulations list` shows them")
    own = {term.channel for term in regulation.terms if term.channel is not None}
    if channel not in {*regulation.channels, *own}:
        _fail(f"{code} has no channel {channel}; its are {', '.join(sorted({*regulation.channels, *own}))}")
    found = term_of(calendar, regulation, channel)
    if found is None:
        _fail(f"{code} gives the channel {channel} no term: only its Standard does", 1)
    return found


def _moment(calendar: WorkCalendar, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=calendar.zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        _fail(f"{text} is no moment; 2026-11-25T17:50 is")


def _days(calendar: WorkCalendar, began: datetime, due: datetime) -> Iterator[Day]:
    first, last = calendar.local(began).date(), calendar.local(due).date()
    if (last - first).days > LONGEST:
        _fail(f"longer than {LONGEST} days")
    return (calendar.day(first + timedelta(days=n)) for n in range((last - first).days + 1))


def _fact(day: Day) -> dict[str, Any]:
    return {
        "day": day.day.isoformat(),
        "working": day.working,
        "reason": day.reason,
        "holiday_kk": day.name_kk,
        "decree": day.decree,
        "instead_of": None if day.instead_of is None else day.instead_of.isoformat(),
    }


def _told(facts: dict[str, Any], days: list[Day]) -> Iterator[str]:
    clause = "" if facts["source"] is None else f" ({facts['source']}: {facts['clause']})"
    yield f"{facts['term']}{clause} from {facts['start']}"
    n = 0
    for place, day in enumerate(days):
        n += day.working and place > 0
        counted = f"{n:>3}" if day.working and place > 0 else "   "
        yield f"  {day.day} {day.day:%a} {counted}  {_why(day)}"
    yield f"ends {facts['due_local']} in Almaty, {facts['due_at']}"
    if facts["provisional"]:
        yield "provisional: decrees of that year are not known"


def _why(day: Day) -> str:
    decree = "" if day.decree is None else f", decree No {day.decree}"
    return {
        "working_day": "working day",
        "weekend": "weekend",
        "holiday": f"holiday: {day.name_kk}",
        "moved_off": f"day off, moved from {_shown(day.instead_of)}{decree}",
        "moved_worked": f"worked for {_shown(day.instead_of)}{decree}",
    }[day.reason]


def _shown(day: date | None) -> str:
    return "another day" if day is None else day.isoformat()


def _utc(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _fail(message: str, status: int = 2) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(status)
