"""The journal of a case as a sequence diagram: who said what to whom, in the order of time. Pure; drawn by a template.

An envelope is journaled wherever it passes, so its way is its rows in the order of time, begun with its sender and
ended with its recipient. A row without an envelope is work a system did by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sandbox.trace import Hop

ROW, TOP, BOTTOM = 30, 44, 14  # pixels: of a line, of the heads of the lifelines, below the last line
LANE, SIDE = 188, 104  # pixels: between two lifelines, and beside the outer ones

Mood = Literal["plain", "refusal", "wrong", "notice"]


@dataclass(frozen=True, slots=True)
class Lifeline:
    name: str
    x: int


@dataclass(frozen=True, slots=True)
class Arrow:
    """From one lifeline to another; `sign` is +1 where it points to the right."""

    x1: int
    x2: int
    y: int
    text: str
    mood: Mood
    row: int  # of the verdict's hops

    @property
    def sign(self) -> int:
        return 1 if self.x2 > self.x1 else -1


@dataclass(frozen=True, slots=True)
class Note:
    """What a system did by itself."""

    x: int
    y: int
    text: str
    mood: Mood
    row: int


@dataclass(frozen=True, slots=True)
class Diagram:
    width: int
    height: int
    lifelines: tuple[Lifeline, ...]
    arrows: tuple[Arrow, ...]
    notes: tuple[Note, ...]


# From the applicant's side to the provider's, as the acts draw it; whoever else appears comes after.
ORDER = ("portal", "centre", "national_gateway", "person_register", "attorney_register", "regional_gateway",
         "provider", "akimat_register")  # fmt: skip


def draw(hops: Sequence[Hop], kinds: Mapping[str, str], wrong: frozenset[int] = frozenset()) -> Diagram:
    """`kinds`: of the participants, by code; `wrong`: the rows that differ from the act."""
    passages = [(n, hop, *way) for n, hop in enumerate(hops) for way in _ways(hops, n)]
    names = {name for _, hop, before, after in passages for name in (before, hop.service, after) if name}
    places = {kind: n for n, kind in enumerate(ORDER)}
    ordered = sorted(names, key=lambda name: (places.get(kinds.get(name, ""), len(ORDER)), name))
    at = {name: SIDE + n * LANE for n, name in enumerate(ordered)}
    arrows: list[Arrow] = []
    notes: list[Note] = []
    y = TOP
    for n, hop, before, after in passages:
        y += ROW
        mood = _mood(hop, n in wrong)
        if before is None or after is None:
            notes.append(Note(at[hop.service], y, _did(hop), mood, n))
        else:
            arrows.append(Arrow(at[before], at[after], y, _said(hop), mood, n))
    lifelines = tuple(Lifeline(name, x) for name, x in at.items())
    width = 2 * SIDE + max(0, len(ordered) - 1) * LANE
    return Diagram(width, y + ROW + BOTTOM, lifelines, tuple(arrows), tuple(notes))


def _ways(hops: Sequence[Hop], n: int) -> list[tuple[str | None, str | None]]:
    """The arrows a row stands for: from where its envelope came, and where nobody else's row tells of it, where it
    goes. (None, None): none, it is work."""
    hop = hops[n]
    if hop.envelope is None:
        return [(None, None)]
    mine = [(i, one) for i, one in enumerate(hops) if one.envelope == hop.envelope]
    before = [one.service for i, one in mine if i < n and one.service != hop.service]
    last = not any(i > n for i, _ in mine)
    came = before[-1] if before else hop.sender
    ways: list[tuple[str | None, str | None]] = []
    if came and came != hop.service:
        ways.append((came, hop.service))
    if last and hop.recipient and hop.recipient != hop.service and hop.code is None:
        ways.append((hop.service, hop.recipient))
    return ways or ([] if hop.notice else [(None, None)])


def _mood(hop: Hop, wrong: bool) -> Mood:
    if wrong or hop.overdue:
        return "wrong"
    if hop.code is not None or hop.outcome in ("violation", "refusal", "refused") or hop.kind == "refusal":
        return "refusal"
    return "notice" if hop.notice else "plain"


def _said(hop: Hop) -> str:
    return f"{hop.step} {hop.message}" if hop.step != "-" else hop.message


def _did(hop: Hop) -> str:
    return " ".join(part for part in (hop.step, hop.message, hop.outcome) if part and part != "-")


# --- limits


@dataclass(frozen=True, slots=True)
class Used:
    """What a case used of a limit."""

    step: str
    clause: str
    used_s: float
    limit_s: float

    @property
    def share(self) -> float:
        return self.used_s / self.limit_s


def used(hops: Sequence[Hop]) -> list[Used]:
    """Every limit a row measured, each once and as the one who measures for the act saw it: the last that tells."""
    found = {
        (hop.step, hop.limit_s): Used(hop.step, hop.clause or "-", hop.used_s, hop.limit_s)
        for hop in hops
        if hop.limit_s and hop.used_s is not None
    }
    return list(found.values())
