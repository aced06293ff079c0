"""One running deployment per composition for the whole session; every end-to-end test runs on both, and those of
ON_COMPOSE on what docker-compose.yml starts too (all of them with EGOV_TEST_FULL=1)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from egovkit.bus import Topology
from egovkit.contracts import contracts_dir
from egovkit.testing.plugin import server_or_skip
from egovkit.testing.servers import installed
from sandbox.production import ProductionWorld
from sandbox.world import Deployment, World

from ..deploy.compose import ComposeWorld

if TYPE_CHECKING:
    from egovkit.testing.servers import PrivatePostgres, PrivateRabbit

COMPOSITIONS = ("embedded", "production", "compose")
ON_COMPOSE = {
    "test_a_sample_of_every_channel_goes_as_the_acts_say",
    "test_the_citizen_holds_the_result_the_official_signed",
}
ONLY_FULL = {
    "test_a_client_does_not_trust_a_server_that_another_authority_made",  # the certificates have unit tests
    "test_a_system_that_keeps_the_rules_is_certified[Provider]",  # the how-to's provider is one
    "test_an_operator_admits_and_a_partner_lives_on",  # its commands have unit tests
    # Production has processes that are told of a new key, embedded has none.
    "test_keys_change_under_load_and_no_envelope_is_refused_or_lost[embedded]",
    "test_old_and_new_keys_of_the_authority_are_believed_and_revoked_alike[embedded]",
    # Journals on PostgreSQL have connected tests.
    "test_the_same_commands_read_a_deployment_on_postgresql[production]",
    # One of a kind always: the others go the same way.
    "test_nothing_lies_plain_from_the_draft_to_the_result[provider]",
    "test_nothing_lies_plain_from_the_draft_to_the_result[centre]",
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Compose gets its own part: starting is what it is about, the services are the same."""
    if os.environ.get("EGOV_TEST_FULL") == "1":
        return
    left_out = [item for item in items if (on_compose(item) and not chosen(item)) or item.name in ONLY_FULL]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


def on_compose(item: pytest.Item) -> bool:
    call = getattr(item, "callspec", None)
    return call is not None and call.params.get("world") == "compose"


def chosen(item: pytest.Item) -> bool:
    return getattr(item, "originalname", "") in ON_COMPOSE or item.path.name == "test_compose.py"


def broker_urls(rabbit: PrivateRabbit) -> str | dict[str, str]:
    """A broker user per system, with the rights of contracts/topology.yaml; a given server has one URL."""
    if not hasattr(rabbit, "add_users"):
        return rabbit.url
    topology = Topology.load(contracts_dir())
    rights = {system: topology.permission(system) for system in topology.systems}
    return {**rabbit.add_users(rights), "": rabbit.url}


@pytest.fixture(scope="session")
def servers_installed() -> None:
    """For worlds that start servers of their own."""
    server_or_skip(installed)


@pytest.fixture(scope="module")
def own_servers(servers_installed: None) -> Iterator[tuple[PrivateRabbit, PrivatePostgres]]:
    """A node and a cluster of this module's own: a deployment's queues and databases have fixed names, and the `world`
    of the other tests may be up on the session's servers."""
    from egovkit.testing.servers import PrivatePostgres, PrivateRabbit

    node, cluster = PrivateRabbit(), PrivatePostgres()
    with contextlib.ExitStack() as stack:
        for server in (node, cluster):
            stack.callback(server.remove)
            server.start()
        yield node, cluster


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=COMPOSITIONS)
async def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    home: Path = tmp_path_factory.mktemp(request.param)
    made: Deployment
    if request.param == "embedded":
        made = World(home, ports="auto")
    elif request.param == "compose":
        request.getfixturevalue("servers_installed")
        made = ComposeWorld(home)
    else:
        rabbit: PrivateRabbit = request.getfixturevalue("rabbit")
        postgres: PrivatePostgres = request.getfixturevalue("postgres")
        db = postgres.database("egov_operator")
        made = ProductionWorld(home, amqp=broker_urls(rabbit), db=db, gateways=2, ports="auto")
    async with made:
        yield made
