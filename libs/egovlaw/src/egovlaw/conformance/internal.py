"""The provider's own steps, which no envelope tells: whether they are the act's, each branch in its order and whole.
And a way to apply that the act only names, which is taken in, worked on and given out by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from egovlaw.catalogue import Channel, InternalStep, Regulation
from egovlaw.conformance.events import Entry
from egovlaw.conformance.report import Deviation

Law = tuple[Regulation, Channel]
TAKEN_IN, ISSUED, GIVEN_OUT = "intake.accepted", "result.issued", "result.given_out"
BY_HAND = (TAKEN_IN, ISSUED, GIVEN_OUT)  # in their order


def judge_steps(law: Law, entries: Sequence[Entry], *, ended: bool) -> Iterator[Deviation]:
    regulation, _ = law
    known: dict[tuple[str, int], InternalStep] = {(one.branch, one.n): one for one in regulation.internal_procedure}
    last: dict[str, int] = {}
    seen: set[InternalStep] = set()
    for one in entries:
        branch, n = str(one.facts.get("branch")), one.facts.get("n")
        step = known.get((branch, n)) if isinstance(n, int) else None  # a journal may say anything
        if step is None:
            yield Deviation("fitness", None, f"{branch} {n}", "no such step of the procedure", (one.ref,))
            continue
        seen.add(step)
        if step.n < last.get(branch, 0):
            text = f"step {step.n} of the procedure after step {last[branch]}"
            yield Deviation("order", step.clause, f"{branch} {n}", text, (one.ref,))
        if one.facts.get("late"):
            yield Deviation("time", step.clause, f"{branch} {n}", f"late: {one.text('term') or '-'}", (one.ref,))
        # What was sent back is drafted again: the order begins anew before it.
        last[branch] = 0 if one.outcome == "sent_back" else max(step.n, last.get(branch, 0))
    yield from _left_out(law, seen, ended=ended)


def _left_out(law: Law, seen: set[InternalStep], *, ended: bool) -> Iterator[Deviation]:
    """Before a step that was done, those of its branch were done too, and in the end all of them; but those of cases of
    one kind alone only if it is of that kind: lodged there, or one of them was done."""
    regulation, channel = law
    kinds = {(step.branch, step.only_for) for step in seen}
    furthest: dict[str, float] = {}
    for step in seen:
        furthest[step.branch] = math.inf if ended else max(step.n, furthest.get(step.branch, 0))
    for step in regulation.internal_procedure:
        taken = step.only_for in (None, channel.code) or (step.branch, step.only_for) in kinds
        if step not in seen and taken and step.n < furthest.get(step.branch, 0):
            text = f"step {step.n} of the procedure is missing"
            yield Deviation("completeness", step.clause, f"{step.branch} {step.n}", text)


def judge_by_hand(channel: Channel, entries: Sequence[Entry]) -> Iterator[Deviation]:
    """Of a channel without a flow: taken in once and first, issued, given out last."""
    clause = channel.clauses[0] if channel.clauses else None
    acts = [one for one in entries if one.facts.get("action") in BY_HAND]
    places = [BY_HAND.index(str(one.facts["action"])) for one in acts]
    for before, one, place in zip([-1, *places], acts, places, strict=False):
        if place <= before:
            text = f"{BY_HAND[place]} after {BY_HAND[before]}"
            yield Deviation("order", clause, BY_HAND[place], text, (one.ref,))
    for name in BY_HAND[: max(places, default=0)]:
        if name not in {one.facts["action"] for one in acts}:
            yield Deviation("completeness", clause, name, f"{name} is missing before {acts[-1].facts['action']}")
    inside = [one for one in entries if one.facts.get("action") not in BY_HAND]
    first = next((one for one in acts if one.facts["action"] == TAKEN_IN), None)
    for one in inside:
        if first is not None and one.time < first.time:
            yield Deviation("order", clause, TAKEN_IN, "the procedure began before the intake", (one.ref, first.ref))


def is_given_out(entries: Sequence[Entry]) -> bool:
    return any(one.facts.get("action") == GIVEN_OUT for one in entries)
