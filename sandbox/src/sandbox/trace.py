"""The trace of a case: one line per hop, from all journals, and its comparison with what the act says.

What is expected comes from a scenario, line by line; each line names its clause, so that a difference does too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from typing import Any

from egovkit.journal import JournalRow

# The gateways' own messages; no act speaks of them.
NOTICES = ("envelope.accepted", "envelope.refused", "members.updated")
PREFIX, SUFFIX = "kz.egov.", ".v1"


@dataclass(frozen=True, slots=True)
class Hop:
    """One journal row as a line of the trace. `message` is empty for a local step."""

    time: datetime
    service: str
    kind: str
    step: str
    clause: str | None
    message: str
    outcome: str
    before: str | None
    after: str | None
    limit_s: float | None
    used_s: float | None
    late: bool
    envelope: str | None
    code: str | None
    position: int
    sender: str | None = None
    recipient: str | None = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.service, self.step, self.message, self.outcome

    @property
    def notice(self) -> bool:
        return self.message in NOTICES

    @property
    def of_the_act(self) -> bool:
        """Whether an act could speak of it. That an early envelope waited for its predecessor is the bus's affair: of
        two processes of a gateway one may be quicker."""
        return not self.notice and self.outcome != "parked"

    @property
    def share(self) -> float | None:
        """How much of the limit is used: 1.0 is all of it."""
        return None if not self.limit_s or self.used_s is None else self.used_s / self.limit_s

    @property
    def overdue(self) -> bool:
        return self.late or (self.share is not None and self.share > 1.0)


def hop(row: JournalRow) -> Hop:
    facts = row.facts
    service = facts.get("service") or row.writer.split("/")[0]
    return Hop(
        time=row.time,
        service=service,
        kind=row.kind,
        step=facts.get("step") or "-",
        clause=facts.get("clause"),
        message=(facts.get("type") or "").removeprefix(PREFIX).removesuffix(SUFFIX),
        outcome=facts.get("outcome") or "-",
        before=facts.get("state_before"),
        after=facts.get("state_after"),
        limit_s=facts.get("limit_s"),
        used_s=facts.get("used_s"),
        late=bool(facts.get("late")) or facts.get("outcome") == "late",
        envelope=facts.get("id"),
        code=facts.get("code"),
        position=row.position,
        sender=facts.get("source"),
        recipient=facts.get("recipient"),
    )


def in_time(rows: Iterable[JournalRow]) -> list[JournalRow]:
    """The rows of several writers in the order of their times; rows of one writer keep their places."""
    return sorted(rows, key=lambda row: (row.time, row.writer, row.position))


def trace(rows: Iterable[JournalRow]) -> list[Hop]:
    """The hops of a case in the order of their times."""
    return [hop(row) for row in in_time(rows) if row.kind in ("step", "envelope", "refusal")]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an expected trace.

    `clause` is the flow's, `table` the row of the act's table that gives the limit, which the hop must show then.
    `rule` is what the act demands here, in our words. Neighbours with one `together` may come in any order.
    """

    service: str
    step: str
    clause: str
    outcome: str
    rule: str
    message: str = ""
    before: str | None = None
    after: str | None = None
    table: str | None = None
    limit_s: float | None = None
    together: str | None = None
    sender: str | None = None
    recipient: str | None = None
    code: str | None = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.service, self.step, self.message, self.outcome


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the case left the act. `clause` is what was hurt."""

    clause: str
    text: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A line of the act beside the hop in its place; either may be missing. No differences: as the act says."""

    line: Line | None
    hop: Hop | None
    differences: tuple[Difference, ...] = ()


def compare(lines: Sequence[Line], hops: Sequence[Hop]) -> list[Difference]:
    """Every difference between what the act says and what happened; empty = equal."""
    return [difference for one in judge(lines, hops) for difference in one.differences]


def judge(lines: Sequence[Line], hops: Sequence[Hop]) -> list[Judged]:
    """Line by line, in the order of the act."""
    found = arranged(lines, [one for one in hops if one.of_the_act])
    keys = [one.key for one in found]
    wanted = [line.key for line in lines]
    judged: list[Judged] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, wanted, keys, autojunk=False).get_opcodes():
        if tag == "equal":
            pairs = zip(lines[i1:i2], found[j1:j2], strict=True)
            judged += [Judged(line, one, tuple(unlike(line, one))) for line, one in pairs]
            continue
        # What should not have happened first: it is mostly why the rest did not.
        judged += [Judged(None, one, (unexpected(one, lines, i1),)) for one in found[j1:j2]]
        judged += [Judged(line, None, (missing(line),)) for line in lines[i1:i2]]
    return judged


def arranged(lines: Sequence[Line], hops: Sequence[Hop]) -> list[Hop]:
    """The hops, those of lines that belong `together` in the order the lines have, wherever all of them are there."""
    found = list(hops)
    for name in dict.fromkeys(line.together for line in lines if line.together):
        places = [n for n, line in enumerate(lines) if line.together == name]
        first, last = places[0], places[-1] + 1
        wanted = [line.key for line in lines[first:last]]
        if Counter(one.key for one in found[first:last]) == Counter(wanted):
            by_key: dict[object, list[Hop]] = {}
            for one in found[first:last]:
                by_key.setdefault(one.key, []).append(one)
            found[first:last] = [by_key[key].pop(0) for key in wanted]  # two of one key keep their order
    return found


def unlike(line: Line, one: Hop) -> list[Difference]:
    """What differs between a line and the hop in its place."""
    where = f"{one.service} {one.step}"
    found = []
    if one.clause is not None and one.clause not in (line.clause, line.table):
        text = f"{where}: the journal cites {one.clause}, the act says {line.clause}"
        found.append(Difference(line.clause, text))
    for name, wanted, got in (
        ("state before", line.before, one.before),
        ("state after", line.after, one.after),
        ("sender", line.sender, one.sender),
        ("recipient", line.recipient, one.recipient),
        ("refusal", line.code, one.code),
    ):
        if wanted is not None and wanted != got:
            found.append(Difference(line.clause, f"{where}: {name} is {got}, the act leads to {wanted}"))
    if line.limit_s is not None and one.limit_s != line.limit_s:
        text = f"{where}: the limit is {one.limit_s} s, the act gives {line.limit_s:g} s"
        found.append(Difference(line.table or line.clause, text))
    if one.overdue:
        found.append(Difference(line.table or line.clause, f"{where}: late{spent(one)}"))
    return found


def spent(one: Hop) -> str:
    """What of the limit was used, in words."""
    return "" if one.used_s is None or one.limit_s is None else f", {one.used_s:.1f} s of {one.limit_s:g} s"


def missing(line: Line) -> Difference:
    what = f"{line.service} {line.step} {line.message} {line.outcome}".replace("  ", " ")
    return Difference(line.clause, f"did not happen: {what} - {line.rule}")


def unexpected(one: Hop, lines: Sequence[Line], place: int) -> Difference:
    """A hop the act does not have here. Its clause: the one it cites, else that of its message or of its step,
    else of the line it precedes."""
    of_message = [line.clause for line in lines if one.message and line.message == one.message]
    of_step = [line.clause for line in lines if line.step == one.step]
    clause = [*of_message, *of_step, lines[min(place, len(lines) - 1)].clause][0]
    refusal = f" with {one.code}" if one.code else ""
    what = f"{one.service} {one.step} {one.message} {one.outcome}".replace("  ", " ")
    return Difference(one.clause or clause, f"not in the act here: {what}{refusal}")


def clauses(differences: Sequence[Difference]) -> list[str]:
    """The clauses hurt, each once, in order."""
    return list(dict.fromkeys(one.clause for one in differences))


def as_data(hops: Sequence[Hop]) -> list[Mapping[str, Any]]:
    """The trace for machines."""
    return [
        {name: getattr(one, name) for name in Hop.__dataclass_fields__ if name != "time"}
        | {"time": one.time.isoformat()}
        for one in hops
    ]
