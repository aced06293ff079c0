"""The private servers and the plugin: what tests, benchmarks and trials of production mode rely on."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
import pytest_socket

from egovkit.bus import Outgoing
from egovkit.bus.memory import MemoryBus
from egovkit.bus.topology import Permission
from egovkit.clock import HandClock, SystemClock
from egovkit.ids import Ids, is_uuid7
from egovkit.testing import processes, servers
from egovkit.testing.servers import (
    GivenPostgres,
    GivenRabbit,
    PrivatePostgres,
    PrivateRabbit,
    ServerFailed,
    ServerMissing,
)

ORPHAN = """
import os, sys
from egovkit.testing.servers import PrivatePostgres
cluster = PrivatePostgres.started()
print(cluster.pid, cluster.folder, flush=True)
os.kill(os.getpid(), 9)
"""


async def ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def exists(folder: str) -> bool:
    return Path(folder).exists()


@pytest.fixture(scope="module")
def cluster() -> Iterator[PrivatePostgres]:
    made = PrivatePostgres(fsync=True)
    made.start()
    yield made
    made.remove()


# Without servers.


def test_a_missing_server_says_what_to_install_or_to_set() -> None:
    with pytest.raises(ServerMissing) as caught:
        processes.newest("/nonexistent", "*/bin", "initdb", "EGOV_TEST_DB_URL")
    for advice in ("apt-get install", "EGOV_TEST_DB_URL", "EGOV_ALLOW_SKIP=1"):
        assert advice in str(caught.value)


def test_the_newest_installed_version_is_taken(tmp_path: Path) -> None:
    for version in ("9", "15", "14"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "initdb").touch()
    assert processes.newest(str(tmp_path), "*/bin", "initdb", "X") == tmp_path / "15" / "bin"


def test_given_servers_are_used_instead_of_private_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGOV_TEST_AMQP_URL", "amqp://u:p@example.test/egov")
    monkeypatch.setenv("EGOV_TEST_DB_URL", "postgresql+asyncpg://u:p@example.test/postgres")
    rabbit, postgres = PrivateRabbit.started(), PrivatePostgres.started()
    assert isinstance(rabbit, GivenRabbit)
    assert rabbit.url == "amqp://u:p@example.test/egov"
    assert isinstance(postgres, GivenPostgres)
    rabbit.remove()
    postgres.remove()


def test_text_is_quoted_for_erlang() -> None:
    assert servers._erl(r'^(shep\.ingress|a"b)$') == r'<<"^(shep\\.ingress|a\"b)$">>'


# PostgreSQL.


@pytest.mark.connected
async def test_every_database_is_fresh_and_its_url_is_for_asyncpg(cluster: PrivatePostgres) -> None:
    first, second = cluster.database(), cluster.database()
    assert first != second
    assert first.startswith("postgresql+asyncpg://")
    await ask(first, "CREATE TABLE t (n int)")
    assert await ask(second, "SELECT to_regclass('t')") is None
    again = cluster.database("named")
    await ask(again, "CREATE TABLE t (n int)")
    assert await ask(cluster.database("named"), "SELECT to_regclass('t')") is None


@pytest.mark.connected
async def test_a_database_name_that_could_be_sql_is_refused(cluster: PrivatePostgres) -> None:
    with pytest.raises(ValueError, match="not a database name"):
        cluster.database('x"; DROP DATABASE postgres; --')


@pytest.mark.connected
async def test_fsync_is_on_for_a_benchmark_and_off_for_tests(
    cluster: PrivatePostgres, postgres: PrivatePostgres | GivenPostgres
) -> None:
    assert await ask(cluster.database(), "SHOW fsync") == "on"
    assert await ask(cluster.database(), "SHOW synchronous_commit") == "on"
    if isinstance(postgres, PrivatePostgres):
        assert await ask(postgres.database(), "SHOW fsync") == "off"


@pytest.mark.connected
async def test_what_was_committed_survives_kill_9_and_restart(cluster: PrivatePostgres) -> None:
    url = cluster.database("kept")
    await ask(url, "CREATE TABLE kept AS SELECT 7 AS n")
    cluster.kill9()
    assert not cluster.running
    with pytest.raises(ServerFailed):
        _ = cluster.pid
    cluster.start()
    assert await ask(url, "SELECT n FROM kept") == 7
    before = cluster.pid
    cluster.restart()
    assert cluster.pid != before
    assert await ask(url, "SELECT n FROM kept") == 7


@pytest.mark.connected
async def test_a_given_cluster_makes_databases_too(cluster: PrivatePostgres) -> None:
    given = GivenPostgres(cluster._admin_url.replace("postgresql:", "postgresql+asyncpg:"))
    assert await ask(given.database(), "SELECT 1") == 1


@pytest.mark.connected
async def test_a_server_is_removed_with_its_folder_and_leaves_its_log(tmp_path: Path) -> None:
    made = PrivatePostgres.started()
    assert isinstance(made, PrivatePostgres)
    pid, folder = made.pid, made.folder
    assert len(str(folder)) < 60, "a unix socket's path has 107 bytes"
    made.remove()
    assert not alive(pid)
    assert not folder.exists()
    assert "database system" in (folder.parent / "egov-last-postgres.log").read_text()


@pytest.mark.connected
async def test_servers_end_with_their_process_even_after_kill_9() -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", ORPHAN, stdout=subprocess.PIPE)
    printed, _ = await process.communicate()
    assert process.returncode == -signal.SIGKILL
    pid, folder = printed.decode().split()
    clock = SystemClock()
    async with asyncio.timeout(5):  # PostgreSQL alone would notice after a minute that its folder is gone
        while alive(int(pid)) or exists(folder):
            await clock.sleep(0.05)


@pytest.mark.connected
def test_a_server_that_does_not_start_shows_its_log() -> None:
    broken = PrivatePostgres()
    try:
        (broken.folder / "data" / "PG_VERSION").write_text("1\n")
        with pytest.raises(ServerFailed, match="incompatible"):
            broken.start()
    finally:
        broken.remove()


@pytest.mark.connected
async def test_the_postgres_url_fixture_is_an_empty_database(postgres_url: str) -> None:
    count = await ask(postgres_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    assert count == 0


# RabbitMQ (starting, killing and restarting are in test_rabbit.py).


@pytest.mark.connected
def test_a_private_node_has_the_vhost_and_the_users_it_was_told_of(private_rabbit: PrivateRabbit) -> None:
    assert private_rabbit.running
    assert private_rabbit.url.endswith(f":{private_rabbit.port}/egov")
    urls = private_rabbit.add_users({"reader-1": Permission("^$", "^$", r"^(inbox\.x)$")})
    listed = private_rabbit.ctl("list_user_permissions", "reader-1", "--formatter", "csv")
    assert r"^(inbox\.x)$" in listed
    assert urls["reader-1"].startswith("amqp://reader-1:")
    with pytest.raises(ServerFailed, match="rabbitmqctl"):
        private_rabbit.ctl("no_such_command")


# The plugin.


def test_an_unmarked_test_is_a_unit_test(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("unit") is not None
    assert request.node.get_closest_marker("connected") is None


def test_a_unit_test_can_open_no_network_socket() -> None:
    with pytest.raises((pytest_socket.SocketBlockedError, UserWarning)):
        socket.create_connection(("127.0.0.1", 9))


@pytest.mark.service
async def test_a_service_test_has_a_loop_and_no_network() -> None:
    with pytest.raises((pytest_socket.SocketBlockedError, UserWarning)):
        await asyncio.open_connection("127.0.0.1", 9)


@pytest.mark.connected
def test_a_connected_test_may_use_the_network() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))


async def test_the_clock_fixture_stands_still_until_it_is_moved(clock: HandClock) -> None:
    assert clock.now() == datetime(2026, 1, 15, 4, 0, tzinfo=UTC)
    await clock.advance(timedelta(days=1))
    assert clock.now() == datetime(2026, 1, 16, 4, 0, tzinfo=UTC)


def test_the_ids_fixture_follows_the_clock(ids: Ids) -> None:
    assert is_uuid7(ids.new())


async def test_the_memory_bus_fixture_has_the_projects_queues(memory_bus: MemoryBus) -> None:
    assert memory_bus.connected
    assert await memory_bus.depth("shep.ingress") == 0
    assert await memory_bus.publish([Outgoing("dead-letters", b"", {}, "1")]) == [None]
