"""Production on one machine: every service its own process, RabbitMQ and PostgreSQL given by their addresses.

The supervisor starts the processes, restarts one that dies, and stops them all. On real machines that is the work
of compose or Kubernetes; the processes and their settings are the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

import asyncpg

from egovkit.clock import Clock, SystemClock
from egovkit.ids import Ids
from sandbox import bootstrap
from sandbox.composition import NUC, RSHEP, SHEP, Service, environment, values_for
from sandbox.hosting import StartFailed, listen
from sandbox.target import Member
from sandbox.world import Deployment, Ports

if TYPE_CHECKING:
    from egovkit.bus import Outgoing, PublishError
    from egovkit.bus.rabbit import RabbitBus

STOP_SECONDS = 15.0  # uvicorn's grace and the bus's, one after the other
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0  # before a dead process is started again; doubles while it keeps dying
HEALTHY_SECONDS = 30.0  # a process that lived so long starts again with the first pause


@dataclass(slots=True)
class Child:
    """One process of a service. `instance` is part of its journal writer's name."""

    service: Service
    instance: str
    url: str
    environment: dict[str, str]
    log: Path
    command: tuple[str, ...] = ()  # other than `python -m <package>`: tests run services with a fuse in them
    process: asyncio.subprocess.Process | None = None
    restarts: int = 0

    @property
    def name(self) -> str:
        return f"{self.service.code}/{self.instance}"


class Supervisor:
    """Keeps processes running until closed."""

    def __init__(self, clock: Clock, progress: bootstrap.Progress) -> None:
        self._clock = clock
        self._progress = progress
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = False
        self.children: list[Child] = []

    async def start(self, child: Child) -> None:
        await self._spawn(child)
        self.children.append(child)
        self._keepers.append(asyncio.create_task(self._keep(child), name=f"keep:{child.name}"))

    async def close(self) -> None:
        """SIGTERM to all, in the opposite order of their start; SIGKILL to who stays."""
        self._stopping = True
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        running = [c.process for c in reversed(self.children) if c.process and c.process.returncode is None]
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        exits = [asyncio.create_task(process.wait()) for process in running]
        if exits:
            await asyncio.wait(exits, timeout=STOP_SECONDS)
        for process in running:
            if process.returncode is None:
                process.kill()
        await asyncio.gather(*exits)

    async def _keep(self, child: Child) -> None:
        pause = FIRST_PAUSE
        while not self._stopping:
            assert child.process is not None
            began = self._clock.monotonic()
            status = await child.process.wait()
            if self._clock.monotonic() - began > HEALTHY_SECONDS:
                pause = FIRST_PAUSE
            self._progress(f"{child.name} ended with {status}, starting again in {pause:.1f} s")
            await self._clock.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            child.restarts += 1
            await self._spawn(child)

    async def _spawn(self, child: Child) -> None:
        child.log.parent.mkdir(parents=True, exist_ok=True)
        with open_log(child.log) as log:
            child.process = await asyncio.create_subprocess_exec(
                sys.executable,
                *(child.command or ("-m", child.service.package)),
                env={**os.environ, **child.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C at the terminal is ours to pass on, once and in order
            )


def open_log(path: Path) -> IO[bytes]:
    return path.open("ab")


class ProductionWorld(Deployment):
    """Every service in a process of its own on RabbitMQ and PostgreSQL.

    `amqp` is one URL for all, or one per participant code (a broker user each), "" naming the administrator's.
    `gateways` is the number of processes of each gateway. With `sandbox` the time of all can be moved; without it
    there is nothing to move it with. With `tls` the services speak https alone; the servers do what their URLs say
    (amqps://, ?ssl=verify-full), by certificates of the same authority or the one that PGSSLROOTCERT names.
    """

    def __init__(
        self,
        home: Path,
        *,
        amqp: str | Mapping[str, str],
        db: str,
        gateways: int = 1,
        ports: Ports = "fixed",
        ids: Ids | None = None,
        sandbox: bool = False,
        without: Sequence[str] = (),
        tls: bool = False,
    ) -> None:
        super().__init__(home, clock=None if sandbox else SystemClock(), ids=ids, without=without)
        self.sandbox = sandbox
        self._amqp = amqp
        self._db = db
        self._gateways = gateways
        self._ports = ports
        self.supervisor = Supervisor(SystemClock(), self._tell)
        self._bus: RabbitBus | None = None
        self._tls = tls
        self._children: list[Child] = []

    def _tell(self, text: str) -> None:
        self.progress(text)

    def amqp_url(self, code: str = "") -> str:
        url = self._amqp if isinstance(self._amqp, str) else self._amqp[code]
        if not url.startswith("amqps:") or "cafile=" in url:
            return url
        return f"{url}{'&' if '?' in url else '?'}cafile={quote(str(self.home.tls_root))}"

    def database_url(self, code: str) -> str:
        from sqlalchemy.engine import make_url

        url = make_url(self._db).set(database=database_name(code), drivername="postgresql+asyncpg")
        return url.render_as_string(hide_password=False)

    async def prepare(self) -> None:
        """With TLS the certificates, which this process's own calls rest on too."""
        bootstrap.make_secrets(self.home, self.ids)
        self._children = self._plan()
        if not self._tls:
            return
        from sandbox.deployment import prepare_certificates

        prepare_certificates(self.home, SystemClock(), self.ids, self.url(NUC))
        self._trust_postgres()

    def _trust_postgres(self) -> None:
        """asyncpg takes whom to trust from the environment alone; the children have it from there too."""
        if "PGSSLROOTCERT" not in os.environ:
            os.environ["PGSSLROOTCERT"] = str(self.home.tls_root)
            self._stack.callback(os.environ.pop, "PGSSLROOTCERT", None)

    async def start(self) -> None:
        await self._prepare_servers()
        children = self._children
        self._stack.push_async_callback(self.supervisor.close)
        by_service = {code: [c for c in children if c.service.code == code] for code in self.urls}
        await self._launch(by_service.pop(NUC))
        await self._ready_alone(NUC)
        await self._certify()
        await self._launch(by_service.pop(SHEP))
        await self._ready_alone(SHEP)
        await self._register()
        # All the others at once: they wait for one another through their readiness, not through their order.
        for its in by_service.values():
            await self._launch(its)
        urls = {child.name: child.url for child in children}
        await bootstrap.wait_ready(self.http, urls, self.clock, self.progress)

    async def _prepare_servers(self) -> None:
        """Databases and queues. StartFailed says which server it was: never its URL, which holds a password."""
        from sqlalchemy.exc import SQLAlchemyError

        from egovkit.bus import BusError

        try:
            await create_databases(self._db, [service.code for service in self.services])
        except (OSError, ValueError, SQLAlchemyError, asyncpg.PostgresError) as error:
            raise StartFailed(f"PostgreSQL (--db): {type(error).__name__}: {error}") from error
        try:
            await self._declare()
        except BusError as error:
            raise StartFailed(f"RabbitMQ (--amqp): {error}") from error

    async def _ready_alone(self, code: str) -> None:
        await bootstrap.wait_ready(self.http, {code: self.url(code)}, self.clock)

    async def _launch(self, children: list[Child]) -> None:
        for child in children:
            await self.supervisor.start(child)

    def _plan(self) -> list[Child]:
        ports = {
            (s.code, n): s.port + n if self._ports == "fixed" else free_port()
            for s in self.services
            for n in range(self._gateways if s.scales else 1)
        }
        for port in ports.values():
            listen("127.0.0.1", port).close()  # told now and by its number, not by children that keep dying
        scheme = "https" if self._tls else "http"
        self.urls = {s.code: f"{scheme}://127.0.0.1:{ports[s.code, 0]}" for s in self.services}
        return [self._child(s, str(n + 1), ports[s.code, n]) for s in self.services for (c, n) in ports if c == s.code]

    def processes(self) -> list[Member]:
        return [Member(child.name, child.service.code, child.url) for child in self.supervisor.children]

    def _child(self, service: Service, instance: str, port: int) -> Child:
        values = values_for(service, self.home, self.urls, port, sandbox=self.sandbox, tls=self._tls)
        values |= {"instance": instance, "db_url": self.database_url(service.code)}
        if service.code in (SHEP, RSHEP):
            values["webhook_private"] = True  # partners of this composition are on this machine
        if service.on_bus:
            values["amqp_url"] = self.amqp_url(service.code)
        log = self.home.log(service.code, instance)
        url = f"{'https' if self._tls else 'http'}://127.0.0.1:{port}"
        return Child(service, instance, url, environment(service, values), log)

    async def _declare(self) -> None:
        from egovkit.bus import Topology
        from egovkit.bus.rabbit import RabbitBus
        from egovkit.contracts import contracts_dir

        self._bus = RabbitBus(self.amqp_url())
        await self._bus.start()
        self._stack.push_async_callback(self._bus.close)
        await self._bus.declare(Topology.load(contracts_dir()))

    @property
    def bus(self) -> RabbitBus:
        """The operator's own hold on the broker."""
        assert self._bus is not None, "the world is not started"
        return self._bus

    async def publish(self, messages: list[Outgoing]) -> list[PublishError | None]:
        return await self.bus.publish(messages)

    def pids(self, code: str) -> list[int]:
        """The processes of a service."""
        return [c.process.pid for c in self.supervisor.children if c.service.code == code and c.process]

    def kill(self, code: str, instance: str = "1") -> None:
        """kill -9 one process; the supervisor starts it again."""
        for child in self.supervisor.children:
            if (child.service.code, child.instance) == (code, instance) and child.process is not None:
                os.kill(child.process.pid, signal.SIGKILL)
                return
        raise StartFailed(f"{code}/{instance} does not run")


def database_name(code: str) -> str:
    return f"egov_{code.replace('-', '_')}"


async def create_databases(server: str, codes: list[str]) -> None:
    """One database per service on the given server, where it is not there yet."""
    from sqlalchemy import text
    from sqlalchemy.engine import make_url
    from sqlalchemy.ext.asyncio import create_async_engine

    url = make_url(server).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as conn:
            there = set((await conn.execute(text("SELECT datname FROM pg_database"))).scalars())
            for code in codes:
                if database_name(code) not in there:
                    await conn.execute(text(f'CREATE DATABASE "{database_name(code)}"'))
    finally:
        await engine.dispose()


def free_port() -> int:
    """A port nobody uses now. The process binds it a moment later: good enough for tests on one machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
