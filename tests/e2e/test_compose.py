"""What only compose can show: its order, its secrets, its restarts, and that a mistake in the file is noticed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from egovkit.settings import with_password
from sandbox.bootstrap import load_key
from sandbox.composition import PARTICIPANTS, PORTAL, SERVICES, SHEP
from sandbox.deployment import OPERATOR
from sandbox.replay.player import play_in
from sandbox.replay.reading import load_all

from ..deploy.compose import ComposeWorld
from ..deploy.compose_file import BASE, TLS
from ..deploy.container import Unhealthy

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
on_compose = pytest.mark.parametrize("world", ["compose"], indirect=True, scope="session")
LEAST = "enis-mock"  # the service that does least: the quickest to start beside the others
Change = Callable[[dict[str, Any]], object]


def snapshot(world: ComposeWorld) -> dict[str, bytes]:
    """Every file the first start makes."""
    folders = (world.home.path / "keys", world.home.path / "trust", world.folder / "secrets")
    return {str(path): path.read_bytes() for folder in folders for path in folder.iterdir()}


async def certificates(world: ComposeWorld) -> set[str]:
    """The thumbprints in ШЭП's register."""
    conn = await asyncpg.connect(world.database_url(SHEP).replace("+asyncpg", ""))
    try:
        return {row["thumbprint"] for row in await conn.fetch("SELECT thumbprint FROM participant_certificates")}
    finally:
        await conn.close()


@on_compose
async def test_a_second_up_changes_nothing(world: ComposeWorld) -> None:
    before, starts = snapshot(world), {name: container.starts for name, container in world.containers.items()}
    registered = await certificates(world)
    await world.containers["secrets"].run_once()
    await world.up()
    assert snapshot(world) == before
    assert await certificates(world) == registered
    assert len(registered) == len(PARTICIPANTS)
    once = {name for name, container in world.containers.items() if container.starts == starts[name] + 1}
    assert once == {"secrets", "databases", "keys", "register"}
    assert all(world.containers[service.code].starts == starts[service.code] for service in SERVICES)


@on_compose
async def test_an_operator_gives_a_running_system_a_new_key(world: ComposeWorld) -> None:
    old = load_key(world.home, LEAST).thumbprint
    said = await world.run("operator", "/app/bin/egov", "keys", "rotate", LEAST, "--overlap", "0")
    new = load_key(world.home, LEAST).thumbprint
    assert new != old and f"{LEAST} signs by {new}; ended {old}" in said
    shown = (await world.http.get(f"{world.url(LEAST)}/health/ready")).json()["keys"]
    assert [one["thumbprint"] for one in shown if one["state"] == "signing"] == [new]


@on_compose
async def test_a_killed_service_is_started_again_by_its_policy_and_serves(world: ComposeWorld) -> None:
    portal = world.containers[PORTAL]
    starts, process = portal.starts, portal.process
    citizen = await world.citizen()
    await citizen.settle_in()
    case = await citizen.choose(load_all()[0].regulation)
    world.kill(PORTAL)
    assert process is not None
    await process.wait()
    await portal.until_healthy()
    assert portal.starts == starts + 1
    assert (await citizen.case(case))["id"] == case, "session and case are in the database"


@on_compose
async def test_the_services_answer_at_their_published_ports(world: ComposeWorld) -> None:
    published = {code: int(url.rpartition(":")[2]) for code, url in world.urls.items()}
    assert published == {service.code: service.port for service in SERVICES}
    for code, url in world.urls.items():
        assert (await world.http.get(f"{url}/health/ready")).status_code == 200, code


@on_compose
async def test_nothing_is_written_where_no_volume_is(world: ComposeWorld) -> None:
    written = {name: container.written_outside() for name, container in world.containers.items()}
    assert {name: files for name, files in written.items() if files} == {}


@on_compose
async def test_no_secret_stands_in_an_environment_or_a_command(world: ComposeWorld) -> None:
    secrets = {path.read_text().strip() for path in (world.folder / "secrets").iterdir() if path.stat().st_size < 100}
    assert len(secrets) > 30
    for container in world.containers.values():
        said = " ".join([*container.command, *container.environment.values()])
        assert not any(secret in said for secret in secrets), container.name


@on_compose
async def test_a_service_gets_its_own_secrets_alone(world: ComposeWorld) -> None:
    for service in SERVICES:
        given = {path.name for path in (world.containers[service.code].root / "run/secrets").iterdir()}
        assert given and all(name.startswith(f"{service.code}.") for name in given)


@on_compose
async def test_no_role_reads_the_database_of_another_service(world: ComposeWorld) -> None:
    own = world.database_url(LEAST).replace("+asyncpg", "")
    await (await asyncpg.connect(own)).close()
    for code in PARTICIPANTS:
        if code != LEAST:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await asyncpg.connect(own.replace("egov_enis_mock", f"egov_{code.replace('-', '_')}"))


def renamed(old: str, new: str) -> Change:
    return lambda spec: spec["environment"].update({new: spec["environment"].pop(old)})


def without_secret(name: str) -> Change:
    return lambda spec: spec["secrets"].remove(name)


def with_variable(name: str, value: str) -> Change:
    return lambda spec: spec["environment"].update({name: value})


# What is wrong, and what the service says of it before it gives up or goes on waiting.
MISTAKES: dict[str, tuple[Change, str]] = {
    "a variable that is not read": (
        renamed("ENIS_MOCK_KEYSTORE_PASSWORD_FILE", "ENIS_MOCK_KEYSTORE_PASSWORD"),
        "Application startup failed",
    ),
    "a secret that is not given": (without_secret("enis-mock.amqp"), "/run/secrets/enis-mock.amqp"),
    "another's secret": (
        lambda spec: (
            spec.update(secrets=[*spec["secrets"], "con-arm.db"])
            or with_variable("ENIS_MOCK_DB_PASSWORD_FILE", "/run/secrets/con-arm.db")(spec)
        ),
        "password authentication failed",
    ),
    "a broker's user that is another system": (
        with_variable("ENIS_MOCK_AMQP_URL", "amqp://portal-pep@rabbitmq:5672/egov"),
        "bus.connect_failed",
    ),
    "a port nobody listens at": (
        with_variable("ENIS_MOCK_SHEP_URL", "http://gateway-shep:8021"),
        "node.join_failed",
    ),
    "a host of another network": (lambda spec: spec.update(networks=["http", "broker"]), "Name or service not known"),
    "a volume that is not mounted": (lambda spec: spec.update(volumes=[]), "/egov/keys/enis-mock.p12 is not there"),
    "a command that is none": (lambda spec: spec.update(command=["/app/bin/python", "-m", "enis"]), "No module named"),
    "a port of its own that its check does not ask": (with_variable("ENIS_MOCK_PORT", "8081"), "node.joined"),
}

FULL = os.environ.get("EGOV_TEST_FULL") == "1"
SHORT = ("a variable that is not read", "a secret that is not given", "a port nobody listens at")


@on_compose
@pytest.mark.parametrize("mistake", MISTAKES if FULL else SHORT)
async def test_a_mistake_in_the_file_is_noticed(world: ComposeWorld, mistake: str) -> None:
    change, sign = MISTAKES[mistake]
    assert await world.goes_unnoticed(LEAST, change, sign) == ""


@on_compose
async def test_what_is_right_is_no_mistake(world: ComposeWorld) -> None:
    other = with_variable("ENIS_MOCK_INSTANCE", "2")
    assert await world.goes_unnoticed(LEAST, other, "node.joined") == "it is healthy all the same"


async def test_a_secret_that_was_never_made_is_named(tmp_path: Path) -> None:
    world = ComposeWorld(tmp_path, wanted=["databases"])
    (tmp_path / "secrets").mkdir()
    with pytest.raises(FileNotFoundError, match=r"postgres: bind source path does not exist: .*operator\.db"):
        world._container("postgres")


async def encrypted(world: ComposeWorld) -> list[bool]:
    """Of every client's connection to PostgreSQL."""
    url = f"postgresql://{OPERATOR}@{world.address('postgres')}/postgres"
    conn = await asyncpg.connect(with_password(url, world.home.database_password(OPERATOR)), ssl="require")
    try:
        rows = await conn.fetch("SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_port > 0")
        return [row["ssl"] for row in rows]
    finally:
        await conn.close()


@pytest.mark.usefixtures("servers_installed")
async def test_with_tls_nobody_takes_anything_plain(tmp_path: Path) -> None:
    async with ComposeWorld(tmp_path, BASE, TLS, wanted=() if FULL else (SHEP,)) as world:
        assert world._rabbit is not None
        connections = [line.split("\t") for line in world._rabbit.ctl("list_connections", "user", "ssl").splitlines()]
        assert [SHEP, "true"] in connections and "false" not in {secure for _, secure in connections}
        assert set(await encrypted(world)) == {True}
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="no encryption"):
            await asyncpg.connect(f"postgresql://{OPERATOR}@{world.address('postgres')}/postgres", ssl="disable")
        for url in world.urls.values():
            assert (await world.http.get(f"{url}/health/ready")).status_code == 200
            assert (await world.http.get(url.replace("https:", "http:"))).status_code == 400
        verdicts = await play_in(world, load_all()) if FULL else []
        assert [verdict.name for verdict in verdicts if not verdict.passed] == []


@pytest.mark.usefixtures("servers_installed")
async def test_a_client_does_not_trust_a_server_that_another_authority_made(tmp_path: Path) -> None:
    world = ComposeWorld(tmp_path, BASE, TLS, wanted=("databases",))
    certify = world._certify_addresses

    def betrayed() -> None:
        certify()
        trusted = world.home.tls_root.read_bytes()
        world.home.issuing_key.unlink()  # another is made
        certify()
        world.home.tls_root.write_bytes(trusted)

    world._certify_addresses = betrayed  # type: ignore[method-assign]
    with pytest.raises(ExceptionGroup) as failed:
        async with world:
            pass
    assert failed.group_contains(Unhealthy, match="CERTIFICATE_VERIFY_FAILED")
