"""The pytest plugin of the bus's distributions, loaded by its entry point.

Tiers are markers: `unit` (the default) and `service` may open no socket, `connected` and `e2e` may. The
fixtures `rabbit` and `postgres` start private servers once a session, so no test touches a server of the
machine. Everything of egovkit is imported inside the fixtures: a broken module fails its own tests, not every
run of pytest.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import pytest_socket

if TYPE_CHECKING:
    from egovkit.bus.memory import MemoryBus
    from egovkit.clock import HandClock
    from egovkit.ids import Ids
    from egovkit.testing.servers import GivenPostgres, GivenRabbit, PrivatePostgres, PrivateRabbit

Server = TypeVar("Server")
Migrated = Callable[[str, Path], None]

TIERS = ("unit", "service", "connected", "e2e")
CONNECTED = ("connected", "e2e")
PRIVATE_UMASK = 0o077
START = datetime(2026, 1, 15, 4, 0, tzinfo=UTC)  # a Thursday, 09:00 in Astana: an ordinary working morning


def pytest_configure(config: pytest.Config) -> None:
    """Declare the tiers, for distributions tested without the workspace's own configuration."""
    known = {line.split(":")[0] for line in config.getini("markers")}
    for tier in TIERS:
        if tier not in known:
            config.addinivalue_line("markers", f"{tier}: tier of the test, see egovkit.testing.plugin")
    config.addinivalue_line("markers", "undeclared: calls of the test may answer with problems they do not declare")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test without a tier is a unit test, so that `-m unit` finds it."""
    for item in items:
        if not any(item.get_closest_marker(tier) for tier in TIERS):
            item.add_marker("unit")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Block sockets below "connected". asyncio's own wake-up pair is a unix socket and stays allowed.

    What a test lays down for a service is as private as a deployment's: keys and passwords that others could read are
    refused (`egovkit.private_files`).
    """
    os.umask(PRIVATE_UMASK)
    if any(item.get_closest_marker(tier) for tier in CONNECTED):
        pytest_socket.enable_socket()
    else:
        pytest_socket.disable_socket(allow_unix_socket=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """A problem that a call answered with and does not declare fails the test that provoked it: so the OpenAPI
    documents are held to the code by all tests together. A test of the mechanism says `@pytest.mark.undeclared`.
    So does a code that a problem had to say and contracts/words.yaml has no word for."""
    heard: dict[str, None] = {}

    def hear(found: object) -> None:
        heard[str(found)] = None

    modules = (("egovkit.declared", "on_undeclared"), ("egovkit.problem_words", "on_unsaid"))
    listening = [getattr(sys.modules[name], hearers) for name, hearers in modules if name in sys.modules]
    for hearers in listening:
        hearers.append(hear)
    try:
        result = yield
    finally:
        for hearers in listening:
            hearers.remove(hear)
    if heard and not item.get_closest_marker("undeclared"):
        pytest.fail("\n".join(heard), pytrace=False)
    return result


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Session fixtures stop their servers after the last test, whatever tier that had."""
    pytest_socket.enable_socket()


@pytest.fixture
def clock() -> HandClock:
    """A clock moved by hand, standing at START."""
    from egovkit.clock import HandClock

    return HandClock(START)


@pytest.fixture
def ids(clock: HandClock) -> Ids:
    """Identifiers whose time part follows the test's clock."""
    from egovkit.ids import SystemIds

    return SystemIds(clock)


@pytest.fixture
def pki(clock: HandClock) -> Any:
    """A small certificate authority of the test's own."""
    from egovkit.testing.pki import TestPki

    return TestPki(clock)


@pytest.fixture
async def memory_bus() -> AsyncIterator[MemoryBus]:
    """A started memory bus with the queues of contracts/topology.yaml; retries come back without delay."""
    from egovkit.bus import BusLimits, Topology
    from egovkit.bus.memory import MemoryBus
    from egovkit.contracts import contracts_dir

    bus = MemoryBus(limits=BusLimits(retry_delay=0.0, grace=0.2))
    await bus.declare(Topology.load(contracts_dir()))
    await bus.start()
    yield bus
    await bus.close()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Migrated:
    """`migrated(package, path)` puts a SQLite database there as the package's migrations make it: made once and
    copied, so that a service which starts on it has nothing to migrate."""
    from egovkit.db import migrate

    folder = tmp_path_factory.mktemp("migrated")

    def put(package: str, path: Path) -> None:
        template = folder / package
        if not template.exists():
            with ThreadPoolExecutor(1) as thread:  # whose fixture is a coroutine has a loop running here
                thread.submit(migrate, f"sqlite:///{template}", package).result()
        shutil.copy(template, path)

    return put


def server_or_skip(start: Callable[[], Server]) -> Server:
    """Start a private server; a missing one fails the test, or skips it where the developer allowed that."""
    from egovkit.testing.servers import ServerMissing

    try:
        return start()
    except ServerMissing as missing:
        if os.environ.get("EGOV_ALLOW_SKIP") == "1":
            pytest.skip(str(missing))
        pytest.fail(str(missing), pytrace=False)


@pytest.fixture(scope="session")
def rabbit() -> Iterator[PrivateRabbit | GivenRabbit]:
    """A RabbitMQ node of this session, or the server of EGOV_TEST_AMQP_URL."""
    from egovkit.testing.servers import PrivateRabbit

    node = server_or_skip(PrivateRabbit.started)
    yield node
    node.remove()


@pytest.fixture(scope="session")
def private_rabbit(rabbit: PrivateRabbit | GivenRabbit) -> Iterator[PrivateRabbit]:
    """A node that a test may stop, kill and give users to: never a given server."""
    from egovkit.testing.servers import PrivateRabbit

    if isinstance(rabbit, PrivateRabbit):
        yield rabbit
        return
    node = server_or_skip(PrivateRabbit)
    node.start()
    yield node
    node.remove()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres | GivenPostgres]:
    """A PostgreSQL cluster of this session, or the server of EGOV_TEST_DB_URL."""
    from egovkit.testing.servers import PrivatePostgres

    cluster = server_or_skip(PrivatePostgres.started)
    yield cluster
    cluster.remove()


@pytest.fixture
def postgres_url(postgres: PrivatePostgres | GivenPostgres) -> str:
    """The SQLAlchemy URL of a fresh, empty database."""
    return postgres.database()
