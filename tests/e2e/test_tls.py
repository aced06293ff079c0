"""A deployment that speaks TLS alone: https between the services, amqps to the broker, TLS to the database; every
certificate is НУЦ's twin's, and whoever comes in another way is told so."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from egovkit.bus import Topology
from egovkit.bus.rabbit import RabbitBus
from egovkit.clock import SystemClock
from egovkit.contracts import contracts_dir
from egovkit.ids import SystemIds
from egovkit.signatures.cms import read_cms, sign_cms
from egovkit.testing.pki import TestPki
from egovkit.testing.servers import PrivatePostgres, PrivateRabbit
from ncalayer_mock.app import running
from ncalayer_mock.settings import Settings
from sandbox.agent_cli import beside
from sandbox.bootstrap import bearer
from sandbox.composition import NUC, PORTAL, SERVICES, Home
from sandbox.deployment import CERTIFIED, make_all_secrets
from sandbox.production import ProductionWorld
from sandbox.replay.player import play_in
from sandbox.replay.reading import load_all
from sandbox.target import NoTarget, target

IIN = "991231600012"
ROOT = Path(__file__).resolve().parents[2]
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
    rules = cluster.give(ROOT / "compose/pg_hba.tls.conf")
    cluster.arguments += ["-c", "ssl_min_protocol_version=TLSv1.3", "-c", f"hba_file={rules}"]
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


def openssl(url: str, root: Path, *options: str) -> str:
    """What another client than Python's finds at the address."""
    command = ["openssl", "s_client", "-connect", url.removeprefix("https://"), "-CAfile", str(root), *options]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr


async def test_every_service_shows_a_certificate_of_nuc_mock(tls_world: ProductionWorld) -> None:
    root = tls_world.home.tls_root
    shown = {
        code: openssl(url, root, "-verify_return_error", "-verify_ip", "127.0.0.1")
        for code, url in tls_world.urls.items()
    }
    assert shown.keys() == {service.code for service in SERVICES}
    assert [code for code, text in shown.items() if "Verify return code: 0 (ok)" not in text] == []
    register = await tls_world.http.get(
        f"{tls_world.url(NUC)}/v1/certificates",
        params={"profile": "server"},
        headers=bearer(tls_world.admin_token(NUC)),
    )
    assert {one["common_name"] for one in register.json()["items"]} == set(CERTIFIED)


async def test_the_root_of_signatures_and_of_tls_is_one(tls_world: ProductionWorld) -> None:
    pem = ssl.DER_cert_to_PEM_cert(tls_world.home.trust_root.read_bytes())
    assert pem.split() == tls_world.home.tls_root.read_text().split()


async def test_plain_http_to_a_service_is_told_to_use_https(tls_world: ProductionWorld) -> None:
    answer = await tls_world.http.get(tls_world.url(PORTAL).replace("https:", "http:"))
    assert answer.status_code == 400 and "https://" in answer.json()["detail"]


async def test_an_old_version_is_refused_with_its_alert(tls_world: ProductionWorld) -> None:
    text = openssl(tls_world.url(PORTAL), tls_world.home.tls_root, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    assert "alert protocol version" in text


async def test_plain_amqp_does_not_reach_the_broker(secure_servers: tuple[PrivateRabbit, PrivatePostgres]) -> None:
    with capture_logs() as said:
        bus = RabbitBus(secure_servers[0].url)
        await bus.start()  # it waits a little, and goes on trying
        connected = bus.connected
        await bus.close()
    assert not connected
    assert "bus.connect_failed" in {one["event"] for one in said}


async def test_plain_sql_does_not_reach_the_database(secure_servers: tuple[PrivateRabbit, PrivatePostgres]) -> None:
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="no encryption"):
        await asyncpg.connect(secure_servers[1]._admin_url, ssl="disable")


COMMANDS = (
    ("log", "--limit", "3"), ("keys", "list"), ("doctor",), ("journal", "verify"), ("dead-letters", "list"),
    ("webhooks", "list"), ("replay", "--target", "{home}", "{story}"),
)  # fmt: skip


async def test_every_command_that_takes_a_home_works_over_tls(tls_world: ProductionWorld) -> None:
    """One of each kind, on what the first test has left: as from another terminal, whose environment is empty."""
    home = str(tls_world.home.path)
    told = {"home": home, "story": str(ROOT / "sandbox/scenarios" / f"{load_all()[0].name}.yaml")}
    failed = {}
    for command in COMMANDS:
        arguments = [part.format(**told) for part in command]
        environment = {name: text for name, text in os.environ.items() if name != "PGSSLROOTCERT"}
        done = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sandbox", *arguments),
            env={**environment, "EGOV_HOME": home},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await done.communicate()
        if done.returncode != 0:
            failed[command] = said.decode()[-500:]
    assert failed == {}


async def test_an_agent_beside_the_deployment_gets_stamps_from_it(tls_world: ProductionWorld, pki: TestPki) -> None:
    settings = Settings(**beside(tls_world.home.path), port=0, control_port=0)
    async with running(settings) as agent:
        stamped = await agent.signing.add_stamp(sign_cms(b"11", pki.person(IIN), tls_world.clock.now()))
    assert read_cms(b"11", base64.b64decode(stamped)).stamp and settings.origins == (tls_world.url(PORTAL),)


async def test_testers_commands_trust_the_root_of_the_home(tls_world: ProductionWorld) -> None:
    async with target(tls_world.home) as aim:
        told = await aim.ask("GET", aim.of(PORTAL)[0], "/v1/sandbox/clock")
    assert "now" in told


async def test_testers_commands_say_whose_certificate_they_do_not_trust(
    tls_world: ProductionWorld, tmp_path: Path
) -> None:
    stranger = Home(tmp_path)
    clock = SystemClock()
    make_all_secrets(stranger, Topology.load(contracts_dir()), clock, SystemIds(clock))
    (tmp_path / "members.json").write_bytes((tls_world.home.path / "members.json").read_bytes())
    with pytest.raises(NoTarget, match="CERTIFICATE_VERIFY_FAILED"):
        async with target(stranger):
            pass
