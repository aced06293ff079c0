"""A server process of our own: its folder, its process group, and the watchdog that ends both with this process."""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

POLL_S = 0.1
START_S = 90.0  # RabbitMQ takes 7 s on an idle machine, several times that on a busy one
STOP_S = 30.0
WATCHDOG = 'cat >/dev/null; for group in $(cat "$0/groups"); do kill -s KILL -- "-$group"; done; rm -rf "$0"'


class ServerMissing(Exception):
    """The server isn't installed here; the message says what to do."""


class ServerFailed(Exception):
    """The server is installed but didn't start; the message ends with its log."""


class PrivateServer:
    """A folder, a process group in it, and the watchdog over both."""

    kind: ClassVar[str]

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"egov-{self.kind[:2]}-"))
        self.log = self.folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._helpers: list[subprocess.Popen[bytes]] = []
        self._write_groups()
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", WATCHDOG, str(self.folder)], stdin=subprocess.PIPE, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        atexit.register(self.remove)

    @property
    def pid(self) -> int:
        """The server's process, which leads its own group. ServerFailed when it isn't running."""
        if self._process is None or self._process.poll() is not None:
            raise ServerFailed(f"{self.kind} is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start and wait until clients can connect."""
        raise NotImplementedError

    def stop(self) -> None:
        """Shut down in order; the data stay."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self._stop_signal())
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.kill9()
        self._process = None
        self._write_groups()

    def kill9(self) -> None:
        """Kill the whole process group at once, as a power cut would; the data stay."""
        if self._process is not None:
            _kill_group(self._process)
        self._process = None
        self._write_groups()

    def restart(self) -> None:
        """Start again on the same ports and data."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """Kill everything, delete the folder; the log stays beside it as egov-last-<kind>.log."""
        atexit.unregister(self.remove)
        self.kill9()
        for helper in self._helpers:
            _kill_group(helper)
        self._helpers.clear()
        self._write_groups()
        if self.log.exists():
            with contextlib.suppress(OSError):
                shutil.copyfile(self.log, self.folder.parent / f"egov-last-{self.kind}.log")
        if self._watchdog.stdin is not None:
            self._watchdog.stdin.close()
        self._watchdog.wait(STOP_S)

    def _stop_signal(self) -> signal.Signals:
        return signal.SIGTERM

    def _spawn(
        self, command: Sequence[str], env: Mapping[str, str], *, user: str | None = None
    ) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command, env=dict(env), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, user=user, group=user, extra_groups=None if user is None else [],
            )  # fmt: skip
        self._write_groups(process.pid)
        return process

    def _write_groups(self, *pids: int) -> None:
        """Tell the watchdog what to kill: only what runs, since a number of a dead process may be another's."""
        known = [helper.pid for helper in self._helpers]
        (self.folder / "groups").write_text(" ".join(str(pid) for pid in (*known, *pids)))

    def _wait_for_port(self, port: int, host: str = "127.0.0.1") -> None:
        process = self._process
        assert process is not None  # called after _spawn
        for _ in range(int(START_S / POLL_S)):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(POLL_S)
                raise ServerFailed(f"{self.kind} ended with {process.returncode} at start:\n{self._log_tail()}")
            if _answers(host, port):
                return
        self.kill9()
        raise ServerFailed(f"{self.kind} didn't open its port within {START_S:.0f} s:\n{self._log_tail()}")

    def _log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else "(no log)"


def newest(root: str, pattern: str, program: str, variable: str) -> Path:
    """The folder of the newest installed version that has `program`. ServerMissing."""
    found = sorted(
        (folder for folder in Path(root).glob(pattern) if (folder / program).exists()),
        key=lambda folder: [int(number) for number in re.findall(r"\d+", str(folder))],
    )
    if not found:
        raise ServerMissing(
            f"no {program} in {root}/{pattern}: apt-get install rabbitmq-server postgresql, "
            f"or name a running server in {variable}, or set EGOV_ALLOW_SKIP=1 to go without these tests"
        )
    return found[-1]


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _answers(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def secret(path: Path, text: str, mode: int) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
    path.chmod(mode)
