"""One scenario in a world: people act, and what the journals say then is held against what the act says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx

from egovkit.clock import ShiftedClock
from sandbox import bootstrap
from sandbox.composition import SHEP
from sandbox.people import GaveUp
from sandbox.replay import by_hand
from sandbox.replay.acting import SIDES, Play, Side
from sandbox.replay.reading import the_law
from sandbox.replay.scenario import Scenario, Told
from sandbox.trace import Difference, Hop, Judged, judge, trace

if TYPE_CHECKING:
    from egovlaw.catalogue import Channel
    from sandbox.replay.staffing import Staff
    from sandbox.replay.watching import Watch
    from sandbox.world import Deployment

STOPPED = (GaveUp, bootstrap.RefusedByService, httpx.HTTPError)  # people could not go on; each says why


class CannotPlay(Exception):
    """The deployment cannot give what a scenario needs."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a scenario came to. `case` is empty when none was born; `error`: why people could not go on."""

    scenario: Scenario
    case: str
    hops: Sequence[Hop]
    judged: Sequence[Judged]
    seconds: float
    error: Difference | None = None
    told: Sequence[Difference] = ()
    page: Mapping[str, Any] | None = None  # what the portal says of the signed page, where one was kept

    @property
    def differences(self) -> list[Difference]:
        stopped = [] if self.error is None else [self.error]
        return [*stopped, *(found for one in self.judged for found in one.differences), *self.told]

    @property
    def passed(self) -> bool:
        return not self.differences


async def play(
    world: Deployment, staff: Staff, watch: Watch, scenario: Scenario, *, begun_by: Callable[[Play], Side] | None = None
) -> Outcome:
    """Run one scenario and hold it against the act. `begun_by`: other than the side the catalogue names."""
    began = world.clock.monotonic()
    regulation = the_law().by_code[scenario.given.regulation]
    played = Play(world, staff, scenario, regulation, regulation.channels[scenario.channel])
    error = None
    try:
        await _act(played, (begun_by or side_of(played.channel))(played))
    except STOPPED as stopped:
        error = Difference(played.at.clause if played.at else "-", f"{_where(played)}: {stopped}")
    wanted = len(scenario.then.lines)

    seen = trace if played.channel.has_flow else by_hand.actions

    def enough(rows: Sequence[Any]) -> bool:
        return played.over or error is not None or len([one for one in seen(rows) if one.of_the_act]) >= wanted

    hops = seen(await watch.rows(played.case, played.account, enough))
    return Outcome(
        scenario=scenario,
        case=played.case,
        hops=hops,
        judged=judge(scenario.then.lines, hops),
        seconds=round(world.clock.monotonic() - began, 3),
        error=error,
        told=() if error else (*_elsewhere(scenario, hops), *_untold(scenario, played.refusals)),
        page=played.page,
    )


def side_of(channel: Channel) -> Callable[[Play], Side]:
    return SIDES[channel.origin_kind] if channel.has_flow else by_hand.ByHand


async def _act(played: Play, side: Side) -> None:
    scenario, world = played.scenario, played.world
    if scenario.given.clock is not None:
        move(world, scenario.given.clock)
    for fault in scenario.given.faults:
        await bend(world, fault.register, fault.body())
    try:
        for act in scenario.when:
            if act.wait is not None:
                move(world, act.wait)
                continue
            played.begin(act)
            await side.act(act)
            if played.over:
                return
    finally:
        for register in {fault.register for fault in scenario.given.faults}:
            await mend(world, register)


def move(world: Deployment, by: timedelta) -> None:
    if not isinstance(world.clock, ShiftedClock):
        raise CannotPlay("the clock of this deployment cannot be moved from here")
    world.clock.advance(by)


async def bend(world: Deployment, register: str, fault: dict[str, Any]) -> None:
    url, headers = f"{world.url(register)}/v1/control/fault", bootstrap.bearer(world.admin_token(register))
    bootstrap.answer(await world.http.put(url, json=fault, headers=headers))


async def mend(world: Deployment, register: str) -> None:
    headers = bootstrap.bearer(world.admin_token(register))
    await world.http.delete(f"{world.url(register)}/v1/control/fault", headers=headers)


def _where(played: Play) -> str:
    return "before the first step" if played.at is None else f"{played.at.label} {played.at.kind.name}"


def _elsewhere(scenario: Scenario, hops: Sequence[Hop]) -> list[Difference]:
    """Where the case stands for ШЭП at the end, if the scenario says where it has to."""
    wanted, seen = scenario.then.state, [hop.after for hop in hops if hop.service == SHEP and hop.after]
    if wanted is None or seen[-1:] == [wanted]:
        return []
    clause = scenario.then.lines[-1].clause
    return [Difference(clause, f"for ШЭП the case is {seen[-1] if seen else 'unknown'}; the act leads to {wanted}")]


def _untold(scenario: Scenario, told: Sequence[Told]) -> list[Difference]:
    """What people had to be told, and what they were."""
    wanted = scenario.then.refusals
    if list(wanted) == list(told):
        return []
    clause = next((one.clause for one in (*wanted, *told)), "-")
    said = ", ".join(f"{one.code} ({one.step}, {one.clause})" for one in told) or "nothing"
    expected = ", ".join(f"{one.code} ({one.step}, {one.clause})" for one in wanted) or "nothing"
    return [Difference(clause, f"people are told {said}; the act has them told {expected}")]
