"""A way to apply that an act names and gives no flow: taken in by hand, then whatever steps of the provider's own the
act has, and nothing invented. What people do there has words and no labels: intake, result, hand_over.

What is expected is read from the regulation; what happened are actions of the desk, which no envelope tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from egovlaw.identifiers import synthetic_iin
from egovlaw.terms import lodged_in
from sandbox.composition import CENTRE, PROVIDER
from sandbox.replay.acting import Side
from sandbox.replay.expecting import brief
from sandbox.replay.scenario import (
    ACTIONS,
    AT_COUNTER,
    CONSIDERED,
    GIVEN_OUT,
    HAND_OVER,
    INTAKE,
    INTERNAL_DONE,
    ISSUED,
    RESULT,
    TAKEN_IN,
)
from sandbox.trace import Hop, Line, hop, in_time

if TYPE_CHECKING:
    from egovkit.journal import JournalRow
    from egovlaw.catalogue import Channel, Regulation
    from sandbox.replay.acting import Play
    from sandbox.replay.scenario import Act
    from sandbox.staff import Official

DESKS = ("akim", "employment_centre")  # channels that are desks of their own; the others are the provider's


def lines(regulation: Regulation, channel: Channel) -> tuple[Line, ...]:
    return tuple(_lines(regulation, channel))


def _lines(regulation: Regulation, channel: Channel) -> Iterator[Line]:
    named, title = ", ".join(channel.clauses), brief(channel.title_ru or regulation.title_ru)
    if channel.origin_kind == "centre":
        yield Line(CENTRE, "-", named, "done", title, message=AT_COUNTER)
        return
    yield Line(PROVIDER, "-", named, "done", title, message=TAKEN_IN)
    steps = regulation.internal_steps(lodged_in(regulation, channel.code))
    for step in steps:
        place = f"{step.branch} {step.n}"
        yield Line(PROVIDER, place, step.clause, "done", brief(step.action_ru), message=INTERNAL_DONE)
    if not steps:
        yield Line(PROVIDER, "-", named, "ok", title, message=CONSIDERED)
    yield Line(PROVIDER, "-", steps[-1].clause if steps else named, "done", title, message=ISSUED)
    yield Line(PROVIDER, "-", steps[-1].clause if steps else named, "done", title, message=GIVEN_OUT)


def actions(rows: Sequence[JournalRow]) -> list[Hop]:
    """What the desk did, as a trace has it."""
    return [_hop(row) for row in in_time(rows) if row.facts.get("action") in ACTIONS]


def _hop(row: JournalRow) -> Hop:
    facts: Mapping[str, Any] = row.facts
    place = f"{facts['branch']} {facts['n']}" if facts["action"] == INTERNAL_DONE else "-"
    outcome = facts.get("outcome") or "done"
    return replace(hop(row), step=place, message=facts["action"], outcome=outcome)


class ByHand(Side):
    """Whoever sits at the desk the act names takes in and gives out; each step between is done where the act has it."""

    def __init__(self, play: Play) -> None:
        super().__init__(play)
        self.doing = {INTAKE: self.take_in, RESULT: self.result, HAND_OVER: self.give_out}

    async def act(self, act: Act) -> None:
        await self.doing[act.step](act)

    @property
    def desk(self) -> str:
        return self.play.channel.code if self.play.channel.code in DESKS else "provider"

    async def at(self, desk: str) -> Official:
        given, region = self.play.scenario.given, self.play.regulation.region
        return await self.play.staff.official(region, given.office, given.official, desk)

    async def take_in(self, act: Act) -> None:
        given, regulation = self.play.scenario.given, self.play.regulation
        iin = given.consumer.iin or synthetic_iin(0)
        if self.play.channel.origin_kind == "centre":
            operator = await self.play.staff.operator(regulation.region, given.operator)
            receipt = await operator.take_in(regulation.code, iin, act.papers)
            self.play.account = f"intake {receipt['id']}"
            return
        official = await self.at(self.desk)
        receipt = await official.take_in(regulation.code, self.play.channel.code, iin, act.papers)
        self.play.case = receipt["case"]

    async def result(self, act: Act) -> None:
        assert act.result is not None, "the format has a result here"
        case, state = self.play.case, ""
        official = await self.at(self.desk)
        while state != "completed":
            task = await official.find(case)
            worker = await self.at((task.get("internal") or {}).get("office", self.desk))
            state = await worker.take(case)
            if task["kind"] == "check_documents":
                await worker.check(case, "ok")
            else:
                state = await worker.finish(task, act.result)

    async def give_out(self, act: Act) -> None:
        await (await self.at(self.desk)).give_out(self.play.case, signed=False)
