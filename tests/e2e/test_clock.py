"""The one clock of a deployment: what comes due on the way is done, once, whether in one process or in many."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from sandbox.clock import Target
from sandbox.composition import NUC, PERSONS, PROVIDER, RSHEP, SHEP
from sandbox.production import ProductionWorld
from sandbox.sabotage import case_rows
from sandbox.world import Deployment, World

from .conftest import broker_urls
from .registers import DESK, begun, bent, said

if TYPE_CHECKING:
    from egovkit.testing.servers import PrivatePostgres, PrivateRabbit

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
ANSWER = "kz.egov.answer.person.v1"
LATE = timedelta(hours=1)


class DeskWorld(ProductionWorld):
    """What a question of the provider's desk passes, each a process of its own; two of each gateway."""

    services = (NUC, SHEP, RSHEP, PROVIDER, PERSONS)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["embedded", "processes"])
async def own_world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Deployment]:
    """A world whose clock nobody else looks at."""
    home: Path = tmp_path_factory.mktemp("clock")
    made: Deployment
    if request.param == "embedded":
        made = World(home, ports="auto")
    else:
        servers: tuple[PrivateRabbit, PrivatePostgres] = request.getfixturevalue("own_servers")
        node, cluster = servers
        db = cluster.database("egov_operator")
        made = DeskWorld(home, amqp=broker_urls(node), db=db, gateways=2, ports="auto", sandbox=True)
    async with made:
        yield made


async def test_a_week_passes_and_what_was_due_happened_once(own_world: Deployment) -> None:
    """An answer that is an hour late leaves after the hour and not before; the case goes on a week later."""
    world = own_world
    clerk = await world.official(region=DESK.region)
    case = await begun(world, clerk, DESK)
    async with bent(world, PERSONS, kind="late", seconds=LATE.total_seconds(), times=1):
        await clerk.ask(case)
        await said(world, PERSONS, case)
        early = await world.advance(Target(by=LATE / 2))
        assert early.stops == [] and await answers(world, case) == 0
        moved = await world.advance(Target(by=timedelta(days=7)))
    assert [stop for stop in moved.stops if stop.startswith(PERSONS)] == [f"{PERSONS}: answer that is late on purpose"]
    assert await answers(world, case) == 1
    clerk = await world.official(region=DESK.region)  # nobody's session lasts a week
    case = await begun(world, clerk, DESK)
    await clerk.ask(case)
    await clerk.until(case, "data_checked")


async def answers(world: Deployment, case: str) -> int:
    """How many the national gateway has seen."""
    rows = [row.facts for row in await case_rows(world, case)]
    return sum(facts.get("type") == ANSWER and facts.get("service") == SHEP for facts in rows)
