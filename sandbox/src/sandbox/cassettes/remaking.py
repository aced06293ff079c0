"""A recorded answer said again: its ids, case, moments and numbers are those of the conversation it is said in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from egovkit import strictjson
from egovkit.envelope import Envelope
from egovkit.ids import Ids
from egovkit.outbox import UNORDERED
from sandbox.cassettes.cassette import Entry
from sandbox.cassettes.matching import MOMENT

LINKS = ("id", "subject", "correlationid", "causationid")


class Conversation:
    """What stands in a live case for what was recorded, and how much has been said in it."""

    def __init__(self, case: str) -> None:
        self.case = case
        self.recorded_case: str | None = None
        self._live: dict[str, str] = {}  # ids and persons, by the recorded one
        self._partners: dict[str, str] = {}  # codes, the same way
        self._said = 0

    def heard(self, entry: Entry, envelope: Mapping[str, Any], persons: Mapping[str, str]) -> None:
        """`envelope` was taken for `entry`: each id of the one stands for the same of the other, and so do `persons`,
        who were not looked at."""
        self._live |= persons
        self.recorded_case = entry.envelope["subject"]
        self._partners[entry.envelope["source"]] = envelope["source"]
        for name in LINKS:
            if name in entry.envelope and name in envelope:
                self._live[entry.envelope[name]] = envelope[name]

    def say(self, entry: Entry, to: Mapping[str, Any] | None, now: datetime, ids: Ids) -> Envelope:
        """The envelope to be signed and sent now. `to`: what it answers; None when the system speaks first."""
        recorded = entry.envelope
        self._live[recorded["subject"]] = self.case
        self._live[recorded["id"]] = ids.new()
        ahead = now - datetime.fromisoformat(recorded["time"])
        made: dict[str, Any] = self._remade(recorded, ahead)
        made["time"] = _text(now, ".000")
        made.pop("traceparent", None)
        made["recipient"] = self._partners.get(made["recipient"], made["recipient"])
        if to is not None and "traceparent" in to:
            made["traceparent"] = to["traceparent"]
        if recorded["caseseq"] != UNORDERED:
            self._said += 1
            made["caseseq"] = self._said
        return Envelope.parse(strictjson.dumps(made))

    def _remade(self, value: Any, ahead: timedelta) -> Any:
        """At any depth: known ids and persons replaced, moments shifted by as much as the envelope's own."""
        if isinstance(value, dict):
            return {name: self._remade(one, ahead) for name, one in value.items()}
        if isinstance(value, list):
            return [self._remade(one, ahead) for one in value]
        if not isinstance(value, str):
            return value
        if (moment := MOMENT.fullmatch(value)) is not None:
            return _text(datetime.fromisoformat(value) + ahead, moment["part"])
        return self._live.get(value, value)


def _text(moment: datetime, part: str | None) -> str:
    """As the wire has it; as many digits of a second as were recorded, at most six."""
    text = moment.astimezone(UTC).isoformat(timespec="microseconds")[: len("2026-01-01T00:00:00.000000")]
    return f"{text[:19]}{text[19 : 19 + min(len(part), 7)] if part else ''}Z"
