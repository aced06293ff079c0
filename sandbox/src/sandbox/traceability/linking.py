"""Which tests every duty has: marks, and the scenarios of the replay that pass over it.

A step is passed over by who acts on it, a limit by a line that carries it, the ground of a procedure ("flow") by an
application that is sent, a result by a way that ends in one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from egovlaw.catalogue import Catalogue
from sandbox.replay.scenario import Scenario
from sandbox.traceability.code import missing_code
from sandbox.traceability.duties import Duty, duties_of
from sandbox.traceability.marks import Mark, collect

REPLAY = "replay:"
Passed = tuple[str | int | None, ...]


@dataclass(frozen=True)
class Traced:
    """`tests`: for each duty the tests that would notice, marks first, then `replay:NAME`."""

    law: Catalogue
    tests: dict[Duty, tuple[str, ...]]
    faults: tuple[str, ...]

    @property
    def uncovered(self) -> list[Duty]:
        return [duty for duty, tests in self.tests.items() if not tests]


def trace_back(root: Path) -> Traced:
    """BadMark, ScenariosInvalid."""
    from sandbox.replay.generating import generate
    from sandbox.replay.reading import load_all, the_law

    law = the_law()
    return link(law, collect(root), [*generate(law), *load_all(catalogue=law)], root)


def link(law: Catalogue, marks: Sequence[Mark], scenarios: Iterable[Scenario], root: Path) -> Traced:
    duties = duties_of(law)
    played = passed_by(scenarios, law)
    tests = {
        duty: tuple(dict.fromkeys([*(one.test for one in marks if one.takes(duty)), *played.get(_passed(duty), ())]))
        for duty in duties
    }
    idle = [f"{mark} selects nothing" for mark in marks if not any(mark.takes(duty) for duty in duties)]
    return Traced(law, tests, (*missing_code(root, duties), *idle, *_without_reason(law)))


def _passed(duty: Duty) -> Passed:
    """What a scenario has to pass over, for this duty to be tested by it."""
    if duty.topic == "step":
        return ("step", duty.regulation, duty.channel, duty.item)
    if duty.topic == "limit":
        return ("limit", duty.regulation, duty.channel, duty.clause, duty.limit_s)
    return (duty.topic, duty.regulation)


def passed_by(scenarios: Iterable[Scenario], law: Catalogue) -> dict[Passed, list[str]]:
    found: dict[Passed, list[str]] = {}
    for one in scenarios:
        place = (one.regulation, one.channel)
        passed: list[Passed] = [("step", *place, act.step) for act in one.when if act.step]
        passed += [
            ("limit", *place, line.table, int(line.limit_s)) for line in one.then.lines if line.table and line.limit_s
        ]
        if any(line.message == "case.submitted" for line in one.then.lines):
            passed.append(("flow", one.regulation))
        ends = law.by_code[one.regulation].channels[one.channel].item(one.ends)
        if ends is not None and ends.outcome == "result":
            passed.append(("result", one.regulation))
        for key in dict.fromkeys(passed):
            found.setdefault(key, []).append(REPLAY + one.name)
    return found


def _without_reason(law: Catalogue) -> list[str]:
    return [
        f"{one.code} {rule.clause}: a rule that is {rule.kind} needs its reason"
        for one in law.regulations
        for rule in one.rules
        if rule.kind != "executable" and not (rule.reason or "").strip()
    ]
