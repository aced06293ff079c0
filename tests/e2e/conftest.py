"""One running deployment per composition for the whole session; every end-to-end test runs on both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from egovkit.bus import Topology
from egovkit.contracts import contracts_dir
from sandbox.production import ProductionWorld
from sandbox.world import Deployment, World

if TYPE_CHECKING:
    from egovkit.testing.servers import PrivatePostgres, PrivateRabbit

COMPOSITIONS = ("embedded", "production")


def broker_urls(rabbit: PrivateRabbit) -> str | dict[str, str]:
    """A broker user per system, with the rights of contracts/topology.yaml; a given server has one URL."""
    if not hasattr(rabbit, "add_users"):
        return rabbit.url
    topology = Topology.load(contracts_dir())
    rights = {system: topology.permission(system) for system in topology.systems}
    return {**rabbit.add_users(rights), "": rabbit.url}


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=COMPOSITIONS)
async def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    home: Path = tmp_path_factory.mktemp(request.param)
    made: Deployment
    if request.param == "embedded":
        made = World(home, ports="auto")
    else:
        rabbit: PrivateRabbit = request.getfixturevalue("rabbit")
        postgres: PrivatePostgres = request.getfixturevalue("postgres")
        db = postgres.database("egov_operator")
        made = ProductionWorld(home, amqp=broker_urls(rabbit), db=db, gateways=2, ports="auto")
    async with made:
        yield made
