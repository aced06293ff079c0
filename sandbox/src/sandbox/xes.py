"""Journals as an event log of IEEE 1849-2016 (XES), for the tools of process mining."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from xml.sax.saxutils import quoteattr

from egovkit.journal import JournalRow
from egovlaw.conformance import CaseReport
from sandbox.trace import Hop, trace

NAMESPACE = "http://www.xes-standard.org/"
EXTENSIONS = (
    ("Concept", "concept", "http://www.xes-standard.org/concept.xesext"),
    ("Time", "time", "http://www.xes-standard.org/time.xesext"),
    ("Lifecycle", "lifecycle", "http://www.xes-standard.org/lifecycle.xesext"),
    ("Organizational", "org", "http://www.xes-standard.org/org.xesext"),
)
# Nothing is known of a query but its sending and of an answer but its coming: complete is what a row can claim.
TRANSITION = "complete"


class XesFile:
    """Written as it grows: a log of a hundred thousand cases needs no memory."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("w", encoding="utf-8")

    def __enter__(self) -> Self:
        head = ['<?xml version="1.0" encoding="UTF-8"?>']
        head.append(f'<log xes.version="1849.2016" xes.features="nested-attributes" xmlns="{NAMESPACE}">')
        head += [f'  <extension name="{name}" prefix="{prefix}" uri="{uri}"/>' for name, prefix, uri in EXTENSIONS]
        head += ['  <global scope="trace">', _attribute("concept:name", "-", 4), "  </global>"]
        head.append('  <global scope="event">')
        head += [_attribute("concept:name", "-", 4), _attribute("lifecycle:transition", TRANSITION, 4)]
        head += [_attribute("org:resource", "-", 4)]
        head += ['    <date key="time:timestamp" value="1970-01-01T00:00:00.000+00:00"/>', "  </global>"]
        head += ['  <classifier name="Step" scope="event" keys="concept:name lifecycle:transition"/>']
        head.append('  <string key="lifecycle:model" value="standard"/>')
        self._stream.write("\n".join(head) + "\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stream.write("</log>\n")
        self._stream.close()

    def add(self, case: str, rows: Sequence[JournalRow], report: CaseReport) -> None:
        """One trace: every hop of the case is an event."""
        lines = ["  <trace>", _attribute("concept:name", case, 4)]
        about = (("regulation", report.regulation), ("channel", report.channel))
        lines += [_attribute(f"egov:{name}", value, 4) for name, value in about if value]
        lines.append(f'    <float key="egov:conformance" value="{report.overall}"/>')
        for hop in trace(rows):
            if not hop.notice:
                lines += ["    <event>", *_event(hop), "    </event>"]
        self._stream.write("\n".join([*lines, "  </trace>"]) + "\n")


def _event(hop: Hop) -> list[str]:
    name = " ".join(part for part in (hop.step, hop.message or hop.outcome) if part)
    facts: dict[str, Any] = {
        "concept:name": name,
        "concept:instance": hop.envelope,
        "org:resource": hop.service,
        "org:role": hop.kind,
        "lifecycle:transition": TRANSITION,
        "egov:clause": hop.clause,
        "egov:outcome": hop.outcome,
        "egov:code": hop.code,
    }
    lines = [_attribute(key, value, 6) for key, value in facts.items() if value]
    lines.append(f'      <date key="time:timestamp" value="{hop.time.isoformat(timespec="milliseconds")}"/>')
    for key, number in (("egov:limit_s", hop.limit_s), ("egov:used_s", hop.used_s)):
        if number is not None:
            lines.append(f'      <float key="{key}" value="{number}"/>')
    return lines


def _attribute(key: str, value: str, indent: int) -> str:
    return f"{' ' * indent}<string key={quoteattr(key)} value={quoteattr(value)}/>"
