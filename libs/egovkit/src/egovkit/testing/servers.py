"""Private RabbitMQ and PostgreSQL servers on free ports, for tests, benchmarks and trials of production mode.

They run from the machine's own packages beside anything that is already running there, keep everything in one
folder below the temporary directory (a short path: a unix socket's may have 107 bytes), and end with this process,
however it ends: a watchdog holds the other end of a pipe and kills what is left when the pipe closes. No pytest here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from egovkit.bus.topology import Permission
from egovkit.clock import SystemClock
from egovkit.ids import SystemIds
from egovkit.testing.processes import (
    POLL_S,
    START_S,
    PrivateServer,
    ServerFailed,
    ServerMissing,
    free_ports,
    newest,
    secret,
)

AMQP_URL = "EGOV_TEST_AMQP_URL"
DB_URL = "EGOV_TEST_DB_URL"
RABBIT = ("/usr/lib/rabbitmq/lib", "rabbitmq_server-*/sbin", "rabbitmq-server", AMQP_URL)
POSTGRES = ("/usr/lib/postgresql", "*/bin", "initdb", DB_URL)
DATABASE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")

__all__ = [
    "GivenPostgres",
    "GivenRabbit",
    "PrivatePostgres",
    "PrivateRabbit",
    "ServerFailed",
    "ServerMissing",
    "installed",
]

_Server = TypeVar("_Server", bound=PrivateServer)


class PrivateRabbit(PrivateServer):
    """One RabbitMQ node with the vhost `egov` and an operator who may do everything there."""

    kind = "rabbit"
    vhost = "egov"

    def __init__(
        self, *, host: str = "127.0.0.1", port: int | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        """`settings`: lines of rabbitmq.conf; with `load_definitions` the node has the users of that file alone."""
        self.sbin = newest(*RABBIT)
        super().__init__()
        self.host = host
        free, self._dist_port, self._epmd_port = free_ports(3)
        self.port = port or free
        self._settings = dict(settings or {})
        self._password = SystemIds(SystemClock()).token()
        self._prepare()

    @classmethod
    def started(cls) -> PrivateRabbit | GivenRabbit:
        """A node that is up, or the server of EGOV_TEST_AMQP_URL. ServerMissing, ServerFailed."""
        given = os.environ.get(AMQP_URL)
        return GivenRabbit(given) if given else _started(cls())

    @property
    def url(self) -> str:
        """The operator's URL."""
        return self.url_of("operator", self._password)

    def url_of(self, user: str, password: str) -> str:
        return f"amqp://{quote(user, safe='')}:{quote(password, safe='')}@{self.host}:{self.port}/{self.vhost}"

    def start(self) -> None:
        if not self._helpers:  # our own epmd, in the foreground: the node would leave a daemon behind
            epmd = ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"]
            self._helpers.append(self._spawn(epmd, self.environment()))
        self._process = self._spawn([str(self.sbin / "rabbitmq-server")], self.environment())
        self._wait_for_port(self.port, self.host)

    def ctl(self, *arguments: str) -> str:
        """Run rabbitmqctl on this node (1 to 2 seconds a call) and return what it printed."""
        command = [str(self.sbin / "rabbitmqctl"), "-q", *arguments]
        done = subprocess.run(
            command, env=self.environment(), cwd=self.folder, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise ServerFailed(f"rabbitmqctl {' '.join(arguments)}: {done.stderr or done.stdout}")
        return done.stdout

    def add_users(self, permissions: Mapping[str, Permission]) -> dict[str, str]:
        """Make (or change) users with a new password and these permissions in one call; user -> URL."""
        ids = SystemIds(SystemClock())
        passwords = {user: ids.token() for user in permissions}
        steps = []
        for user, right in permissions.items():
            name, password = _erl(user), _erl(passwords[user])
            rights = ", ".join(_erl(one) for one in (self.vhost, right.configure, right.write, right.read))
            steps += [
                f"case A:exists({name}) of true -> A:change_password({name}, {password}, <<>>); "
                f"false -> A:add_user({name}, {password}, <<>>) end",
                f"A:set_permissions({name}, {rights}, <<>>)",
            ]
        self.ctl("eval", ", ".join(["A = rabbit_auth_backend_internal", *steps, "ok."]))
        return {user: self.url_of(user, password) for user, password in passwords.items()}

    def close_connections(self) -> None:
        """The broker closes every client's connection; clients have to come back."""
        self.ctl("close_all_connections", "--global", "closed by the operator")

    def _prepare(self) -> None:
        for name in ("home", "data", "etc"):
            (self.folder / name).mkdir()
        secret(self.folder / "home" / ".erlang.cookie", SystemIds(SystemClock()).token(), 0o400)
        (self.folder / "etc" / "enabled_plugins").write_text("[].")
        given = any(name.startswith("listeners.") for name in self._settings)
        settings = {
            **({} if given else {"listeners.tcp.1": f"{self.host}:{self.port}"}),
            "default_vhost": self.vhost,
            "default_user": "operator",
            "default_pass": self._password,
            "log.file.level": "info",
            "disk_free_limit.absolute": "50MB",
            **self._settings,
        }
        text = "".join(f"{key} = {value}\n" for key, value in settings.items())
        secret(self.folder / "etc" / "rabbitmq.conf", text, 0o600)

    def environment(self) -> dict[str, str]:
        """What the node's own programs (rabbitmqctl, rabbitmq-diagnostics) need to find it."""
        etc, data = self.folder / "etc", self.folder / "data"
        keep = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
        return keep | {
            "HOME": str(self.folder / "home"),
            "RABBITMQ_NODENAME": f"egov{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": str(data),
            "RABBITMQ_LOG_BASE": str(data),
            "RABBITMQ_LOGS": "-",  # to standard output, which is the log file
            "RABBITMQ_PID_FILE": str(data / "pid"),
            "RABBITMQ_SCHEMA_DIR": str(data / "schema"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(data / "config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(etc / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(etc / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(etc / "none.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(etc / "none.config"),
            # Two schedulers without busy waiting: the node shares the cores with what it is tested with.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ("-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none"),
        }


class PrivatePostgres(PrivateServer):
    """One PostgreSQL cluster; every `database()` is fresh and empty."""

    kind = "postgres"

    def __init__(
        self,
        *,
        fsync: bool = False,
        host: str = "127.0.0.1",
        port: int | None = None,
        owner: tuple[str, str] | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        """`fsync` off makes tests quick and a benchmark worthless. `owner` is the superuser and its password;
        `arguments` follow the server's own, and win."""
        self.bin = newest(*POSTGRES)
        super().__init__()
        self._fsync = fsync
        self._user = _unprivileged()
        self.host = host
        self.port = port or free_ports(1)[0]
        self.arguments = list(arguments)
        self._owner, self._password = owner or ("postgres", SystemIds(SystemClock()).token())
        self._databases = 0
        self._data = self.folder / "data"
        self._initdb()

    @classmethod
    def started(cls, *, fsync: bool = False) -> PrivatePostgres | GivenPostgres:
        """A cluster that is up, or the server of EGOV_TEST_DB_URL. ServerMissing, ServerFailed."""
        given = os.environ.get(DB_URL)
        return GivenPostgres(given) if given else _started(cls(fsync=fsync))

    def start(self) -> None:
        command = [str(self.bin / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        settings = {
            "listen_addresses": self.host,
            "unix_socket_directories": str(self.folder),
            "max_connections": "300",
            **({} if self._fsync else {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}),
        }
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        command += self.arguments
        self._process = self._spawn(command, _plain_environment(), user=self._user)
        self._wait_for_port(self.port, self.host)
        _in_thread(_until_ready(self._admin_url))

    def give(self, file: Path) -> Path:
        """A copy of a file for the user the server runs as, and for nobody else (a TLS key)."""
        copy = self.folder / file.name
        secret(copy, file.read_text(), 0o600)
        if self._user is not None:
            shutil.chown(copy, self._user, self._user)
        return copy

    def database(self, name: str | None = None) -> str:
        """Make an empty database (replacing one of that name) and return its SQLAlchemy URL for asyncpg."""
        self._databases += 1
        return _fresh_database(self._admin_url, name or f"test_{self._databases}")

    @property
    def _admin_url(self) -> str:
        return f"postgresql://{self._owner}:{self._password}@{self.host}:{self.port}/postgres"

    def _stop_signal(self) -> signal.Signals:
        return signal.SIGINT  # PostgreSQL's "fast" shutdown: it doesn't wait for clients

    def _initdb(self) -> None:
        if self._user is not None:
            shutil.chown(self.folder, self._user, self._user)
        password = self.folder / "password"
        secret(password, self._password, 0o600)
        if self._user is not None:
            shutil.chown(password, self._user, self._user)
        command = [
            str(self.bin / "initdb"), "--no-sync", "-D", str(self._data), "-U", self._owner, "-E", "UTF8",
            "--locale=C.UTF-8", "-A", "scram-sha-256", f"--pwfile={password}",
        ]  # fmt: skip
        process = self._spawn(command, _plain_environment(), user=self._user)
        failed = process.wait(START_S) != 0
        self._write_groups()
        if failed:
            raise ServerFailed(f"initdb failed:\n{self._log_tail()}")


class GivenRabbit:
    """A server somebody else runs (EGOV_TEST_AMQP_URL): it has a URL and can't be killed."""

    def __init__(self, url: str) -> None:
        self.url = url

    def remove(self) -> None:
        """It isn't ours."""


class GivenPostgres:
    """A server somebody else runs (EGOV_TEST_DB_URL, a user who may create databases)."""

    def __init__(self, url: str) -> None:
        self._admin_url = url.replace("postgresql+asyncpg:", "postgresql:")
        self._databases = 0

    def database(self, name: str | None = None) -> str:
        self._databases += 1
        return _fresh_database(self._admin_url, name or f"egov_test_{os.getpid()}_{self._databases}")

    def remove(self) -> None:
        """It isn't ours; the databases stay for whoever wants to look at a failure."""


def installed() -> None:
    """ServerMissing where the programs of one of them are not."""
    for program in (RABBIT, POSTGRES):
        newest(*program)


def _started(server: _Server) -> _Server:
    try:
        server.start()
    except BaseException:
        server.remove()
        raise
    return server


def _unprivileged() -> str | None:
    """The user PostgreSQL runs as when we are root, which it refuses to be."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise ServerMissing("PostgreSQL can't run as root and there is no user postgres")


def _erl(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'<<"{quoted}">>'


def _plain_environment() -> dict[str, str]:
    """Without PGDATA, PGPORT and the like of the developer."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}


def _fresh_database(admin_url: str, name: str) -> str:
    if not DATABASE_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a database name")
    _in_thread(_recreate(admin_url, name))
    parts = urlsplit(admin_url)
    return urlunsplit(parts._replace(scheme="postgresql+asyncpg", path=f"/{name}"))


async def _recreate(admin_url: str, name: str) -> None:
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()


async def _until_ready(url: str) -> None:
    """The port opens before recovery after a crash has ended; until then the server answers 57P03."""
    clock = SystemClock()
    for _ in range(int(START_S / POLL_S)):
        try:
            connection = await asyncpg.connect(url)
        except (asyncpg.CannotConnectNowError, OSError):
            await clock.sleep(POLL_S)
            continue
        await connection.close()
        return
    raise ServerFailed(f"PostgreSQL takes no connections after {START_S:.0f} s")


def _in_thread(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end on a loop of its own, whether or not the caller is inside one."""
    failure: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(work)
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
