"""Plays scenarios in one deployment, several at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from sandbox.replay.playing import CannotPlay, play
from sandbox.replay.staffing import Staff
from sandbox.replay.verdicts import Verdict, broken, verdict_of
from sandbox.replay.watching import Watch

if TYPE_CHECKING:
    from sandbox.replay.scenario import Scenario
    from sandbox.world import Deployment

AT_ONCE = 8  # while people and gateways of one case wait for one another, those of another use the processor
Heard = Callable[[Verdict], None]


class Player:
    """One that needs the world for itself waits until the others are done."""

    def __init__(self, world: Deployment, watch: Watch, at_once: int = AT_ONCE) -> None:
        self._world, self._watch, self._staff = world, watch, Staff(world)
        self._places = asyncio.Semaphore(at_once)
        self._at_once = at_once
        self._alone = asyncio.Lock()

    async def play(self, scenario: Scenario) -> Verdict:
        taken = 0
        async with AsyncExitStack() as stack:
            if scenario.alone:
                await stack.enter_async_context(self._alone)
            for _ in range(self._at_once if scenario.alone else 1):
                await self._places.acquire()
                taken += 1
                stack.callback(self._places.release)
            try:
                return verdict_of(await play(self._world, self._staff, self._watch, scenario))
            except CannotPlay as error:
                return broken(scenario, str(error))
            except Exception as error:  # a fault of ours in one scenario, and the others go on
                return broken(scenario, f"{type(error).__name__}: {error}")


async def play_in(
    world: Deployment, scenarios: Sequence[Scenario], heard: Heard = lambda _: None, *, at_once: int = AT_ONCE
) -> list[Verdict]:
    """Every scenario, in a deployment that runs."""
    async with Watch(world.journals(), world.clock) as watch:
        return await play_all(Player(world, watch, at_once), scenarios, heard)


async def play_all(player: Player, scenarios: Sequence[Scenario], heard: Heard = lambda _: None) -> list[Verdict]:
    """Every scenario, those that need the world for themselves last."""

    async def one(scenario: Scenario) -> Verdict:
        verdict = await player.play(scenario)
        heard(verdict)
        return verdict

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(scenario)) for scenario in sorted(scenarios, key=lambda one: one.alone)]
    return [task.result() for task in tasks]
