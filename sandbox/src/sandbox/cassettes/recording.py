"""From what passed a system's hold on the broker, as its sandbox remembers it, to a cassette."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from egovkit.envelope import Envelope
from egovkit.errors import EgovError
from sandbox.cassettes.cassette import Cassette, Direction, Entry
from sandbox.cassettes.playing import GATEWAYS_OWN, REFUSED, document_of


class NothingRecorded(Exception):
    """A cassette without an entry would stand in for nobody."""


@dataclass(frozen=True, slots=True)
class Passed:
    """One message that a system put into a queue or took from one: its exact bytes."""

    at: datetime
    queue: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that belongs on the cassette."""

    passed: Passed
    envelope: Envelope
    direction: Direction


def record(system: str, passed: Iterable[Passed], contracts: str, *, case: str | None = None) -> Cassette:
    """What was said by the system and to it, each once, in order; of one case, or of all. NothingRecorded."""
    heard: dict[tuple[str, str], Heard] = {}
    for one in sorted(passed, key=lambda each: each.at):
        found = _belongs(system, one)
        if found is not None and case in (None, found.envelope.subject):
            # A redelivery is no second message.
            heard.setdefault((found.envelope.source, found.envelope.id), found)
    if not heard:
        raise NothingRecorded(f"nothing of {system} has passed{f' in case {case}' if case else ''}")
    in_order = list(heard.values())
    return Cassette(system, contracts, in_order[0].passed.at, tuple(_entries(in_order)))


def _belongs(system: str, passed: Passed) -> Heard | None:
    """None: no envelope, or one of the gateways' own, which they say again by themselves."""
    try:
        envelope = Envelope.parse(passed.body)
    except EgovError:
        return None
    if envelope.type in (*GATEWAYS_OWN, REFUSED):
        return None
    if envelope.source == system:
        return Heard(passed, envelope, "out")
    return Heard(passed, envelope, "in") if envelope.recipient == system else None


def _entries(heard: Sequence[Heard]) -> list[Entry]:
    start = heard[0].passed.at
    by_id: dict[str, int] = {}  # of what came in
    by_case: dict[str, int] = {}  # the last that came in
    entries = []
    for n, one in enumerate(heard, 1):
        envelope = one.envelope
        said_to: dict[str, Any] = {}
        if one.direction == "in":
            by_id[envelope.id] = by_case[envelope.subject] = n
        else:
            asked = by_id.get(envelope.correlationid or "") or by_case.get(envelope.subject)
            said_to = {} if asked is None else {"answers": asked}
        at = round((one.passed.at - start).total_seconds(), 3)
        entries.append(Entry(n, one.direction, at, one.passed.queue, document_of(envelope), **said_to))
    return entries
