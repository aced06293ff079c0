"""Journal rows of a case, joined into what happened: local steps, and envelopes with their hops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from egovlaw.kinds import message_name

# The gateways' own messages; no act speaks of them.
INTERNAL = "internal.done"  # a step of the internal procedure: no step of the flow, so it stands as an action
NOTICES = frozenset({"envelope.accepted", "envelope.refused", "members.updated"})
WAITING = "parked"  # that an early envelope waited for its predecessor is the bus's affair


class RowLike(Protocol):
    """A row of any journal; `egovkit.journal.JournalRow` fits."""

    @property
    def writer(self) -> str: ...
    @property
    def position(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def time(self) -> datetime: ...
    @property
    def case_id(self) -> str | None: ...
    @property
    def facts(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Parties:
    """Who stands where: both gateways, the systems behind the regional one, and whose journals were read."""

    national: str
    regional: str
    local: frozenset[str]
    readable: frozenset[str]

    def route(self, source: str, recipient: str) -> tuple[str, ...]:
        """The gateways an envelope passes, in order."""
        if source in self.local:
            back = (self.regional,) if recipient in self.local else ()
            return (self.regional, self.national, *back)
        return (self.national, self.regional) if recipient in self.local else (self.national,)


@dataclass(frozen=True, slots=True)
class Entry:
    """One journal row as the checker reads it. `message` is empty for a local step."""

    writer: str
    position: int
    time: datetime
    kind: str
    service: str
    step: str
    message: str
    outcome: str
    facts: Mapping[str, Any]

    @property
    def ref(self) -> str:
        return f"{self.writer} {self.position}"

    def text(self, name: str) -> str:
        return str(self.facts.get(name) or "")

    def number(self, name: str) -> float | None:
        value = self.facts.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


@dataclass(frozen=True, slots=True)
class Event:
    """A local step (one row) or an envelope (a row per hop), at the time of its first row."""

    step: str
    message: str
    outcome: str
    entries: tuple[Entry, ...]

    @property
    def time(self) -> datetime:
        return self.entries[0].time

    @property
    def refs(self) -> tuple[str, ...]:
        return tuple(one.ref for one in self.entries)

    @property
    def name(self) -> str:
        return f"{self.message or 'step'} {self.step}"

    def at(self, service: str, n: int = 0) -> Entry | None:
        """Its row of this service; the `n`-th after it where an envelope passes there again."""
        found = [one for one in self.entries if one.service == service]
        return found[n] if n < len(found) else None

    def times_at(self, service: str) -> int:
        return sum(one.service == service for one in self.entries)


@dataclass(slots=True)
class Happened:
    """A case as its journals tell it."""

    events: list[Event] = field(default_factory=list)
    internal: list[Entry] = field(default_factory=list)
    by_hand: list[Entry] = field(default_factory=list)
    refused: list[Entry] = field(default_factory=list)
    retried: list[Event] = field(default_factory=list)  # what the sender wrote of envelopes that were refused
    again: list[Entry] = field(default_factory=list)  # one place of one journal, read twice


def read_entry(row: RowLike) -> Entry:
    """A purged or malformed body leaves an entry without a step, which the replay then names."""
    facts = row.facts
    return Entry(
        row.writer,
        row.position,
        row.time,
        row.kind,
        str(facts.get("service") or row.writer.split("/")[0]),
        str(facts.get("step") or ""),
        message_name(str(facts.get("type") or "")),
        str(facts.get("outcome") or ""),
        facts,
    )


def in_time(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda one: (one.time, one.writer, one.position))


def join(entries: Sequence[Entry]) -> Happened:
    """`entries` in the order of their times."""
    found = Happened()
    envelopes: dict[str, list[Entry]] = {}
    steps: list[Event] = []
    seen: set[tuple[str, int]] = set()
    for one in entries:
        place = (one.writer, one.position)
        if place in seen:
            found.again.append(one)
            continue
        seen.add(place)
        if one.kind == "refusal":
            found.refused.append(one)
        elif one.facts.get("action") == INTERNAL:
            found.internal.append(one)
        elif one.kind == "admin":
            found.by_hand.append(one)
        elif one.kind == "step":
            steps.append(Event(one.step, "", one.outcome, (one,)))
        elif one.kind == "envelope" and one.message not in NOTICES and one.outcome != WAITING:
            envelopes.setdefault(one.text("id") or one.ref, []).append(one)
    told = {key: Event(rows[0].step, rows[0].message, "done", tuple(rows)) for key, rows in envelopes.items()}
    for one in found.refused:
        event = told.get(one.text("id"))
        if event is not None and event.at(one.service) is None:  # else only a copy of it was refused
            found.retried.append(told.pop(one.text("id")))
    found.events = sorted((*steps, *told.values()), key=lambda e: (e.time, e.entries[0].writer, e.entries[0].position))
    return found
