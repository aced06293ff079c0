"""`egov up` as an operator meets it: both compositions from the command line, and what stands in their way."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from egovkit.sandbox.clock import PATH
from sandbox.composition import SERVICES

if TYPE_CHECKING:
    from egovkit.testing.servers import PrivatePostgres, PrivateRabbit

pytestmark = pytest.mark.e2e
START_S = 120.0


class Running:
    """A command that stays up, and what it has said so far."""

    def __init__(self, *arguments: str) -> None:
        environment = {**os.environ, "COLUMNS": "400"}
        command = [sys.executable, "-u", "-m", "sandbox", *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        self.said: list[str] = []
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")  # it has ended: nothing more will be said

    def until(self, wanted: str) -> str:
        """The first line with these words in it, from now on."""
        while True:
            with suppress(Empty):
                self.said.append(self._lines.get(timeout=START_S))
            line = self.said[-1] if self.said else ""
            assert line, f"{wanted!r} was not said: {''.join(self.said)}"
            if wanted in line:
                return line

    @property
    def urls(self) -> dict[str, str]:
        """Service or service/instance -> URL, as the command told."""
        return dict(re.findall(r"^(\S+) is ready at (\S+)$", "".join(self.said), re.MULTILINE))

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """The exit status after a signal."""
        self.process.send_signal(how)
        status = self.process.wait(timeout=60)
        self._reader.join(timeout=10)
        return status


@contextmanager
def up(*arguments: str) -> Iterator[Running]:
    running = Running("up", *arguments)
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            running.process.kill()
        running.process.wait()
        assert running.process.stdout is not None
        running._reader.join(timeout=10)
        running.process.stdout.close()


def egov(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "400"}
    command = [sys.executable, "-m", "sandbox", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)


def until_true(found: Callable[[], bool]) -> None:
    """Asks every tenth of a second: what happens in other processes cannot be awaited."""
    event = threading.Event()
    for _ in range(int(START_S * 10)):
        if found():
            return
        event.wait(0.1)
    raise AssertionError("it did not happen")


def answers(url: str, path: str = "/health/ready") -> bool:
    try:
        return httpx.get(f"{url}{path}", timeout=10, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_production_starts_tells_its_urls_restarts_a_killed_process_and_stops(
    own_servers: tuple[PrivateRabbit, PrivatePostgres], tmp_path: Path
) -> None:
    node, cluster = own_servers
    db = cluster.database("egov_operator")
    given = ("--amqp", node.url, "--db", db)
    with up("--production", *given, "--gateways", "2", "--home", str(tmp_path), "--ports", "auto") as running:
        running.until("The bus is up")
        assert set(running.urls) == {
            f"{service.code}/{n}" for service in SERVICES for n in range(1, 3 if service.scales else 2)
        }
        assert all(answers(url) for url in running.urls.values())
        assert answers(running.urls["portal-pep/1"], "/health/path")
        asked = [httpx.get(f"{url}{PATH}", timeout=10, trust_env=False) for url in running.urls.values()]
        assert {answer.status_code for answer in asked} == {404}, "nobody asked for a clock that can be moved"
        moved = egov("clock", "advance", "1d", "--home", str(tmp_path))
        assert (moved.returncode, "--sandbox" in moved.stderr) == (3, True), moved.stderr
        children = psutil.Process(running.process.pid).children()
        assert len(children) == len(SERVICES) + 2
        victim = next(child for child in children if "gateway_shep" in child.cmdline())
        victim.kill()
        assert "gateway-shep/" in running.until("ended with -9, starting again")
        until_true(lambda: all(answers(url) for url in running.urls.values()))
        children = psutil.Process(running.process.pid).children()
        assert running.end() == 0
        assert not any(child.is_running() for child in children)
    done = egov("journal", "verify", "--db", db)
    assert (done.returncode, "sound" in done.stdout) == (0, True), done.stdout + done.stderr


def test_embedded_starts_tells_its_urls_and_stops(tmp_path: Path) -> None:
    with up("--home", str(tmp_path), "--ports", "auto") as running:
        running.until("The bus is up")
        assert set(running.urls) == {service.code for service in SERVICES}
        assert all(answers(url) for url in running.urls.values())
        documents = [running.until("/openapi.json").split()[1] for _ in SERVICES]
        assert all(answers(url, "") for url in documents)
        letters = egov("dead-letters", "list", "--json", "--home", str(tmp_path), "--url", running.urls["gateway-shep"])
        assert (letters.returncode, json.loads(letters.stdout)) == (0, {"items": [], "next": None}), letters.stderr
        assert running.end(signal.SIGINT) == 0


def test_two_deployments_never_share_a_home_or_a_port(tmp_path: Path) -> None:
    home = tmp_path / "one"
    with up("--home", str(home), "--ports", "auto") as running:
        running.until("The bus is up")
        second = egov("up", "--home", str(home), "--ports", "auto")
        assert (second.returncode, "Traceback" in second.stderr) == (1, False)
        assert f"{home} is in use by the deployment of process {running.process.pid}" in second.stdout
        assert running.end() == 0
    assert home.stat().st_mode & 0o077 == 0, "what people sent lies in there"


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_taken_port_is_named(tmp_path: Path, command: str) -> None:
    import socket

    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # somebody has it already: as good
            taken.bind(("127.0.0.1", 8030))
            taken.listen()
        done = egov(command, "--home", str(tmp_path))
    assert done.returncode == 1
    assert re.search(r"not started: 127\.0\.0\.1:80\d0 cannot be used: Address already in use", done.stdout)
    assert "Traceback" not in done.stdout + done.stderr


def test_servers_that_do_not_answer_are_named_without_their_passwords(tmp_path: Path) -> None:
    nobody = ("--amqp", "amqp://user:secret-a@127.0.0.1:1/egov", "--db", "postgresql://user:secret-b@127.0.0.1:1/x")
    done = egov("up", "--production", *nobody, "--home", str(tmp_path), "--ports", "auto")
    assert (done.returncode, "not started: PostgreSQL" in done.stdout) == (1, True), done.stderr
    assert "secret" not in done.stdout + done.stderr
    done = egov("journal", "verify", "--db", nobody[3])
    assert (done.returncode, "not read" in done.stderr, "secret" in done.stderr) == (3, True, False)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--production",), "--production needs --amqp and --db"),
        (("--amqp", "amqp://x"), "belong to --production"),
    ],
)
def test_half_a_command_is_refused(arguments: tuple[str, ...], says: str) -> None:
    done = egov("up", *arguments)
    assert (done.returncode, says in done.stderr) == (2, True)
