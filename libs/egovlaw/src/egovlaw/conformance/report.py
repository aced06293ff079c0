"""What the checker says of a case: deviations with their clause and rows, limits used, a score per dimension."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Dimension = Literal["fitness", "order", "time", "completeness"]
DIMENSIONS: tuple[Dimension, ...] = ("fitness", "order", "time", "completeness")


@dataclass(frozen=True, slots=True)
class Deviation:
    """Where the case left the act. `rows` are the journal rows it rests on, as `writer position`."""

    dimension: Dimension
    clause: str | None
    step: str
    text: str
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """One limit of the act as this case used it. `used_s` is None when nothing shows when it began."""

    step: str
    clause: str
    cls: str
    measured_by: str
    max_s: float
    used_s: float | None
    late: bool
    row: str

    @property
    def share(self) -> float | None:
        return None if self.used_s is None else round(self.used_s / self.max_s, 4)


@dataclass(frozen=True, slots=True)
class Turned:
    """An envelope that was refused: no deviation of the case, the bus did its work."""

    service: str
    code: str
    clause: str | None
    step: str
    message: str
    row: str


@dataclass(frozen=True, slots=True)
class CaseReport:
    """`scores` are in [0, 1] per dimension; `overall` is the lowest of them, 1.0 for a faithful case."""

    case: str
    regulation: str | None
    version: int | None
    channel: str | None
    ended: bool
    rows: int
    deviations: tuple[Deviation, ...] = ()
    limits: tuple[Measured, ...] = ()
    refusals: tuple[Turned, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)

    @property
    def overall(self) -> float:
        return min(self.scores.values(), default=1.0)

    @property
    def clauses(self) -> tuple[str, ...]:
        """The clauses hurt, each once."""
        return tuple(dict.fromkeys(one.clause for one in self.deviations if one.clause))

    def as_data(self) -> dict[str, Any]:
        """For machines."""
        return {
            "case": self.case, "regulation": self.regulation, "version": self.version, "channel": self.channel,
            "ended": self.ended, "rows": self.rows, "overall": self.overall, "scores": dict(self.scores),
            "deviations": [_plain(one) for one in self.deviations],
            "limits": [{**_plain(one), "share": one.share} for one in self.limits],
            "refusals": [_plain(one) for one in self.refusals],
        }  # fmt: skip


def _plain(one: Deviation | Measured | Turned) -> dict[str, Any]:
    return {name: getattr(one, name) for name in type(one).__dataclass_fields__}
