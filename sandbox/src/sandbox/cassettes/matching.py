"""Which recorded envelope a received one is, and where it differs from the nearest.

Type and place in the flow count, and the data without what the cassette ignores. Ids (UUIDv7) and moments count as
equal to any other: they are different in every run by their nature.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from egovkit.ids import is_uuid7
from egovkit.log import mask
from sandbox.cassettes.cassette import Cassette, Entry

# What an envelope is about, with its weight: one of another type is farther away than one about another person.
ATTRIBUTES: Mapping[str, int] = {"type": 100, "regulation": 10, "channel": 10, "step": 10, "region": 10}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?P<part>\.\d{1,9})?Z")
PERSON = re.compile(r"[0-9]{12}")
ABSENT = "(absent)"
UNSEEN = " (they differ where they are masked)"
LONGEST = 100  # characters of a value: a document in base64 tells nobody anything


@dataclass(frozen=True, slots=True)
class Difference:
    path: str
    recorded: Any
    received: Any

    @property
    def weight(self) -> int:
        return ATTRIBUTES.get(self.path, 1)

    def __str__(self) -> str:
        name = self.path.rpartition(".")[2]
        recorded, received = (_shown(mask({name: one})[name]) for one in (self.recorded, self.received))
        hidden = UNSEEN if recorded == received else ""
        return f"{self.path}: recorded {recorded}, received {received}{hidden}"


@dataclass(frozen=True, slots=True)
class Nearest:
    """The recorded envelope that differs least. No differences: it matches, and was played already."""

    entry: Entry
    differences: tuple[Difference, ...]


class Matcher:
    """Each recorded envelope serves once; with `loop` it serves again when all that match have served."""

    def __init__(self, cassette: Cassette, *, loop: bool = False) -> None:
        self._cassette = cassette
        self._loop = loop
        self._played: dict[int, int] = {}  # how often, by number

    @property
    def left(self) -> tuple[Entry, ...]:
        """Recorded requests nobody has made."""
        return tuple(one for one in self._cassette.requests if one.n not in self._played)

    def take(self, envelope: Mapping[str, Any], case: str | None = None) -> Entry | None:
        """The recorded envelope this one is, which is played by that. `case`: the recorded case its case has been
        taken for so far; of two that match, the one of that case comes first."""
        same = [one for one in self._cassette.requests if not self.differences(one, envelope)]
        free = same if self._loop else [one for one in same if one.n not in self._played]
        if not free:
            return None
        taken = min(free, key=lambda one: (self._played.get(one.n, 0), one.envelope["subject"] != case, one.n))
        self._played[taken.n] = self._played.get(taken.n, 0) + 1
        return taken

    def nearest(self, envelope: Mapping[str, Any]) -> Nearest | None:
        """None only when nothing was recorded that came in."""
        found = [Nearest(one, self.differences(one, envelope)) for one in self._cassette.requests]

        def distance(one: Nearest) -> tuple[int, bool, int]:
            return sum(each.weight for each in one.differences), one.entry.n in self._played, one.entry.n

        return min(found, key=distance, default=None)

    def differences(self, entry: Entry, envelope: Mapping[str, Any]) -> tuple[Difference, ...]:
        recorded, received = (self._facts(one) for one in (entry.envelope, envelope))
        paths = dict.fromkeys([*recorded, *received])  # in the order of the document
        pairs = [(path, recorded.get(path, ABSENT), received.get(path, ABSENT)) for path in paths]
        return tuple(Difference(*pair) for pair in pairs if not _alike(pair[1], pair[2]))

    def persons(self, entry: Entry, envelope: Mapping[str, Any]) -> dict[str, str]:
        """ИИН and БИН that the cassette ignores: by each recorded one the one that came in its place."""
        recorded, received = (dict(self._data(one, ignored=True)) for one in (entry.envelope, envelope))
        pairs = ((value, received.get(path)) for path, value in recorded.items())
        return {str(one): str(other) for one, other in pairs if _is_person(one) and _is_person(other)}

    def _facts(self, envelope: Mapping[str, Any]) -> dict[str, Any]:
        """What counts of an envelope, by path."""
        data = {f"data.{path}": value for path, value in self._data(envelope, ignored=False)}
        return {**{name: envelope[name] for name in ATTRIBUTES}, **data}

    def _data(self, envelope: Mapping[str, Any], *, ignored: bool) -> Iterator[tuple[str, Any]]:
        patterns = [pattern.split(".") for pattern in self._cassette.ignore]
        for path, value in _leaves(envelope["data"], ()):
            if any(_covers(pattern, path) for pattern in patterns) is ignored:
                yield ".".join(path), value


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} characters)"


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value that is no container, or an empty one, with its path."""
    if isinstance(value, dict) and value:
        for name, one in value.items():
            yield from _leaves(one, (*path, name))
    elif isinstance(value, list) and value:
        for index, one in enumerate(value):
            yield from _leaves(one, (*path, str(index)))
    else:
        yield path, value


def _covers(pattern: Sequence[str], path: Sequence[str]) -> bool:
    return len(pattern) <= len(path) and all(p in ("*", name) for p, name in zip(pattern, path, strict=False))


def _is_person(value: Any) -> bool:
    return isinstance(value, str) and PERSON.fullmatch(value) is not None


def _alike(recorded: Any, received: Any) -> bool:
    if isinstance(recorded, str) and isinstance(received, str):
        for replaceable in (is_uuid7, MOMENT.fullmatch):
            if replaceable(recorded) and replaceable(received):
                return True
    return type(recorded) is type(received) and bool(recorded == received)
