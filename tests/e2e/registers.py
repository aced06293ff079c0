"""What tests of the registers do: begin an application at desk or counter, bend a register, see who read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sandbox.bootstrap import answer, bearer
from sandbox.composition import PERSONS
from sandbox.replay.reading import load_all
from sandbox.replay.scenario import Scenario
from sandbox.staff import Clerk
from sandbox.world import Deployment

DESK, COUNTER = [one for one in load_all() if one.side != "portal" and one.demo]


async def begun(world: Deployment, clerk: Clerk, scenario: Scenario, consumer: str = "ordinary_adult") -> str:
    """An application for one of the person register's examples; nobody has been asked yet."""
    case = await clerk.open(scenario.regulation)
    await clerk.enter_consumer(case, await world.example(PERSONS, consumer))
    return case


@asynccontextmanager
async def bent(world: Deployment, register: str, **fault: Any) -> AsyncIterator[None]:
    """A register with a fault, and well again afterwards."""
    url, headers = f"{world.url(register)}/v1/control/fault", bearer(world.admin_token(register))
    answer(await world.http.put(url, json=fault, headers=headers))
    try:
        yield
    finally:
        assert (await world.http.delete(url, headers=headers)).status_code == 204


async def said(world: Deployment, register: str, case: str) -> dict[str, Any]:
    """Until the register has taken a question of this case; its record of it."""
    url, headers = f"{world.url(register)}/v1/reads?case={case}", bearer(world.admin_token(register))
    deadline = world.clock.monotonic() + 30
    while not (items := answer(await world.http.get(url, headers=headers))["items"]):
        assert world.clock.monotonic() < deadline, f"{register} was not asked"
        await world.clock.sleep(0.1)
    found: dict[str, Any] = items[0]
    return found
