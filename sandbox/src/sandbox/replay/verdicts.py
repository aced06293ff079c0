"""What a replay found, as plain data: for the terminal, for machines, and across processes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sandbox.replay.scenario import INTAKE, Cell, Scenario
from sandbox.trace import Difference, Hop, Judged, Line, as_data, spent

if TYPE_CHECKING:
    from egovlaw.catalogue import Catalogue
    from sandbox.replay.playing import Outcome


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the act beside what happened in its place. `wrong`: clause and text of every difference; `hop`: which
    of the verdict's hops it is."""

    service: str
    step: str
    clause: str
    expected: str
    seen: str
    used: str = ""
    wrong: tuple[tuple[str, str], ...] = ()
    hop: int | None = None

    @property
    def passed(self) -> bool:
        return not self.wrong


@dataclass(frozen=True, slots=True)
class Verdict:
    name: str
    title: str
    regulation: str
    channel: str
    outcome: str
    case: str
    seconds: float
    steps: tuple[Step, ...]
    generated: bool = False
    title_kk: str = ""
    hops: tuple[Hop, ...] = ()  # all that the journals say of the case, notices too

    @property
    def passed(self) -> bool:
        return all(step.passed for step in self.steps)

    @property
    def cell(self) -> Cell:
        return Cell(self.regulation, self.channel, self.outcome)

    @property
    def differences(self) -> list[tuple[str, str]]:
        return [wrong for step in self.steps for wrong in step.wrong]

    def data(self) -> dict[str, Any]:
        return {**asdict(self), "hops": as_data(self.hops), "passed": self.passed}

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> Verdict:
        known = {name: value for name, value in data.items() if name != "passed"}
        steps = tuple(
            Step(**{**one, "wrong": tuple((clause, text) for clause, text in one["wrong"])}) for one in data["steps"]
        )
        hops = tuple(Hop(**{**one, "time": datetime.fromisoformat(one["time"])}) for one in data["hops"])
        return cls(**{**known, "steps": steps, "hops": hops})


def verdict_of(outcome: Outcome) -> Verdict:
    """People's own trouble first: it is mostly why the rest did not happen."""
    scenario = outcome.scenario
    stopped = [] if outcome.error is None else [_beside("people", "-", [outcome.error], "go on", "could not")]
    told = [_beside("people", "-", [one], "told as the act says", "not so") for one in outcome.told]
    places = {id(hop): n for n, hop in enumerate(outcome.hops)}
    judged = [replace(_step(one), hop=places.get(id(one.hop))) for one in outcome.judged]
    return replace(
        _verdict(scenario, outcome.case, outcome.seconds, (*stopped, *judged, *told)), hops=tuple(outcome.hops)
    )


def broken(scenario: Scenario, why: str) -> Verdict:
    """A scenario that could not be played to its end for a reason that is nobody's step."""
    return _verdict(scenario, "", 0.0, (_beside("people", "-", [Difference("-", why)], "go on", "could not"),))


def _verdict(scenario: Scenario, case: str, seconds: float, steps: tuple[Step, ...]) -> Verdict:
    cell = scenario.cell
    return Verdict(
        name=scenario.name,
        title=scenario.title,
        regulation=cell.regulation,
        channel=cell.channel,
        outcome=cell.outcome,
        case=case,
        seconds=seconds,
        steps=steps,
        generated=scenario.generated,
        title_kk=scenario.title_kk,
    )


def _step(judged: Judged) -> Step:
    line, hop, differences = judged.line, judged.hop, judged.differences
    clause = line.clause if line else next((one.clause for one in differences), "-")
    seen = _seen(hop) if hop else "nothing"
    service, step = (line.service, line.step) if line else (hop.service, hop.step) if hop else ("-", "-")
    expected = _expected(line) if line else "nothing"
    used = spent(hop).removeprefix(", ") if hop else ""
    return Step(service, step, clause, expected, seen, used, _wrong(differences))


def _beside(service: str, step: str, differences: Sequence[Difference], expected: str, seen: str) -> Step:
    return Step(service, step, differences[0].clause, expected, seen, "", _wrong(differences))


def _wrong(differences: Iterable[Difference]) -> tuple[tuple[str, str], ...]:
    return tuple((one.clause, one.text) for one in differences)


def _expected(line: Line) -> str:
    return _words(line.message, line.outcome, line.code, line.before, line.after)


def _seen(hop: Hop) -> str:
    return _words(hop.message, hop.outcome, hop.code, hop.before, hop.after)


def _words(message: str, outcome: str, code: str | None, before: str | None, after: str | None) -> str:
    states = f"{before or ''}→{after or ''}" if before or after else ""
    return " ".join(part for part in (message, outcome, code or "", states) if part)


def wanted_cells(law: Catalogue) -> list[Cell]:
    """Every place of the summary that has to be filled, from the catalogue alone: every end of a flow, and the intake
    of a way to apply that an act names and gives none."""
    return [
        Cell(regulation.code, channel.code, label)
        for regulation in law.regulations
        for channel in regulation.channels.values()
        for label in ([item.label for item in channel.flow if item.outcome != "continue"] or [INTAKE])
    ]
