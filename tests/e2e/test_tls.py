"""A deployment that speaks TLS alone: https between the services, amqps to the broker, TLS to the database; every
certificate is НУЦ's twin's, and whoever comes in another way is told so."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped] # it ships no types
import pytest
import pytest_asyncio

from egovkit.bus import Topology
from egovkit.clock import SystemClock
from egovkit.contracts import contracts_dir
from egovkit.ids import SystemIds
from egovkit.testing.servers import PrivatePostgres, PrivateRabbit
from sandbox.composition import NUC, SERVICES, Home
from sandbox.deployment import make_all_secrets
from sandbox.production import ProductionWorld
from sandbox.replay.player import play_in
from sandbox.replay.reading import load_all

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """What the first start makes, before any server is there."""
    made, clock = Home(tmp_path_factory.mktemp("tls")), SystemClock()
    make_all_secrets(made, Topology.load(contracts_dir()), clock, SystemIds(clock))
    return made


@pytest.fixture(scope="module")
def secure_servers(home: Home, servers_installed: None) -> Iterator[tuple[PrivateRabbit, PrivatePostgres]]:
    """Nothing plain is listened to."""
    broker = PrivateRabbit()
    broker.remove()
    settings = {
        "listeners.tcp": "none",
        "listeners.ssl.1": f"127.0.0.1:{broker.port}",
        "ssl_options.cacertfile": str(home.tls_root),
        "ssl_options.certfile": str(home.server_certificate("rabbitmq")),
        "ssl_options.keyfile": str(home.server_key("rabbitmq")),
        "ssl_options.versions.1": "tlsv1.3",
    }
    node, cluster = PrivateRabbit(port=broker.port, settings=settings), PrivatePostgres()
    given = [cluster.give(path) for path in (home.server_certificate("postgres"), home.server_key("postgres"))]
    cluster.arguments += ["-c", "ssl=on", "-c", f"ssl_cert_file={given[0]}", "-c", f"ssl_key_file={given[1]}"]
    cluster.arguments += ["-c", "ssl_min_protocol_version=TLSv1.3"]
    with contextlib.ExitStack() as stack:
        for server in (node, cluster):
            stack.callback(server.remove)
            server.start()
        yield node, cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tls_world(
    home: Home, secure_servers: tuple[PrivateRabbit, PrivatePostgres]
) -> AsyncIterator[ProductionWorld]:
    node, cluster = secure_servers
    amqp = node.url.replace("amqp://", "amqps://")
    db = f"{cluster.database('egov_operator')}?ssl=verify-full"
    async with ProductionWorld(home.path, amqp=amqp, db=db, ports="auto", tls=True, sandbox=True) as world:
        yield world


async def test_an_application_goes_to_its_result_over_tls_alone(tls_world: ProductionWorld) -> None:
    verdicts = await play_in(tls_world, load_all()[:1])
    assert [verdict.passed for verdict in verdicts] == [True]
