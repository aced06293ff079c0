"""Every limit of the act as the case used it, computed again from the times of the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from egovlaw.catalogue import Channel, Limit
from egovlaw.conformance.events import Entry, Event
from egovlaw.conformance.report import Deviation, Measured

TOLERANCE_S = 2.0  # clocks of two systems differ; NTP keeps them within one second each
ONLY_MEASURED = "citizen"  # nobody is late for thinking about his own application


def measure(channel: Channel, events: Sequence[Event]) -> tuple[list[Measured], list[Deviation]]:
    found: list[Measured] = []
    deviations: list[Deviation] = []
    for limit in channel.limits:
        for stop in _stops(limit, events):
            started = _started(limit, stop, events)
            computed = None if started is None else (stop.time - started).total_seconds()
            spoken = _speaks_of(limit, stop, channel)
            told = stop.number("used_s") if spoken else None
            if told is None and started is None:
                told = _told_by_its_step(limit, stop, events)
            used = told if computed is None else computed
            flagged = spoken and (bool(stop.facts.get("late")) or stop.outcome == "late")
            late = flagged or (used is not None and used > limit.max_s + TOLERANCE_S)
            one = Measured(
                limit.label, limit.clause, limit.cls, limit.measured_by, float(limit.max_s), used, late, stop.ref
            )
            found.append(one)
            deviations += _judge(one, stop, computed, told)
            if spoken:
                deviations += _other_limit(one, stop)
    return found, deviations


def _speaks_of(limit: Limit, stop: Entry, channel: Channel) -> bool:
    """Several limits may end with one row, and it tells of one: by the clause it cites, else by its length."""
    rivals = [one for one in channel.limits if (one.label, one.stops_on) == (limit.label, limit.stops_on)]
    cited = [one for one in rivals if one.clause == stop.text("clause")]
    fitting = cited or [one for one in rivals if one.max_s == stop.number("limit_s")]
    return limit in fitting or not fitting


def _other_limit(one: Measured, stop: Entry) -> Iterator[Deviation]:
    given = stop.number("limit_s")
    if given is not None and given != one.max_s:
        text = f"the journal measures by {given:g} s, the act gives {one.max_s:g} s"
        yield Deviation("time", one.clause, one.step, text, (stop.ref,))


def _judge(one: Measured, stop: Entry, computed: float | None, told: float | None) -> Iterator[Deviation]:
    if one.late and one.cls != ONLY_MEASURED:
        used = "more" if one.used_s is None else f"{one.used_s:.1f} s"
        yield Deviation("time", one.clause, one.step, f"late: {used} of {one.max_s:g} s", (stop.ref,))
    if computed is None or told is None or stop.message.startswith("answer."):
        return  # a question that was repeated has several beginnings
    if abs(computed - told) > TOLERANCE_S:
        text = f"the journal says {told:.1f} s were used, its rows lie {computed:.1f} s apart"
        yield Deviation("time", one.clause, one.step, text, (stop.ref,))


def _stops(limit: Limit, events: Sequence[Event]) -> Iterator[Entry]:
    stop = limit.stops_on
    for event in events:
        if stop.kind == "message" and event.message == stop.name and event.step == limit.label:
            entry = event.at(limit.measured_by)
            if entry is not None:
                yield entry
        local = stop.kind == "step" and not event.message and event.step == stop.name
        if local and stop.outcome in (None, event.outcome):
            yield event.entries[0]


def _told_by_its_step(limit: Limit, stop: Entry, events: Sequence[Event]) -> float | None:
    """Where the limit ends with the check behind its step, the step's own row says what was used."""
    own = (e.entries[0] for e in events if not e.message and e.step == limit.label and e.time <= stop.time)
    return next((one.number("used_s") for one in reversed(list(own))), None)


def _started(limit: Limit, stop: Entry, events: Sequence[Event]) -> datetime | None:
    """The last beginning before the stop, as its measurer saw it; a `begin` is known to the acting system alone."""
    start = limit.starts_on
    if start.moment == "begin" and start.kind == "step":
        return None
    found: datetime | None = None
    for event in events:
        if start.kind == "message":
            entry = event.at(limit.measured_by) if event.message == start.name else None
        else:
            fits = not event.message and event.step == start.name and start.outcome in (None, event.outcome)
            entry = event.entries[0] if fits else None
        if entry is not None and entry.time <= stop.time and entry.ref != stop.ref:
            found = entry.time if found is None else max(found, entry.time)
    return found
