"""A running deployment that the CLI, the demo and the end-to-end tests use alike, in one process or in many.

    async with World(home, ports="auto") as world:
        citizen = await world.citizen()

Whoever holds a world speaks to the services through their public HTTP only; `journals` and `key` are for those
who check the twin from behind (the trace, the journal's verification, sabotage).
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import httpx

from egovkit.clock import Clock, ShiftedClock
from egovkit.ids import Ids, SystemIds
from sandbox import bootstrap
from sandbox.clock import Moved, Mover, Target, moved_before
from sandbox.composition import ADMINISTERED, BY_CODE, NEEDED, NUC, SERVICES, SHEP, Home, Service, values_for
from sandbox.hosting import Host, StartFailed, listen
from sandbox.places import Place
from sandbox.target import Aim, Member, write_members

if TYPE_CHECKING:
    from egovkit.bus import Outgoing, PublishError
    from egovkit.bus.holdable import HoldableBus
    from egovkit.bus.memory import MemoryBroker
    from egovkit.signatures.keys import SigningKey
    from sandbox.people import Citizen
    from sandbox.staff import Official, Operator

Ports = Literal["fixed", "auto"]
# The services close a connection that was idle for five seconds; whoever sends at that very moment is not heard.
IDLE = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=2.0)
HTTP_SECONDS = 30.0  # a CMS check and an argon2 login on a busy machine
# httpcore asks at every call which loop runs, by importing a package that may not be there: a search through the whole
# path each time, a tenth of a replay. None is Python's own word for "not there".
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type] # typeshed knows modules only
NOTE = "deployment.json"  # of a running one: where its services listen and its journals are


def present(without: Sequence[str]) -> tuple[Service, ...]:
    """The services but those left out. StartFailed for a name that is none, or one that nothing runs without."""
    unknown = [code for code in without if code not in BY_CODE or code in NEEDED]
    if unknown:
        free = ", ".join(code for code in BY_CODE if code not in NEEDED)
        raise StartFailed(f"cannot leave out {', '.join(unknown)}; only {free}")
    return tuple(service for service in SERVICES if service.code not in without)


class Deployment:
    """What a world of either kind offers. Subclasses start and stop the services."""

    def __init__(
        self, home: Path, *, clock: Clock | None = None, ids: Ids | None = None, without: Sequence[str] = ()
    ) -> None:
        """`without`: codes of systems that are left out, for somebody else to take their places."""
        self.services = present(without)
        self.home = Home(home.resolve())
        self.clock: Clock = clock or moved_before(self.home)
        self.ids: Ids = ids or SystemIds(self.clock)
        self.urls: dict[str, str] = {}
        self.sandbox = False  # whether the services offer their clock to be moved
        self.progress: bootstrap.Progress = lambda _: None
        self._http: httpx.AsyncClient | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            self._stack.enter_context(bootstrap.held(self.home))
            await self.prepare()
            client = httpx.AsyncClient(timeout=HTTP_SECONDS, trust_env=False, limits=IDLE, verify=self.home.trust)
            self._http = await self._stack.enter_async_context(client)
            await self.start()
            self._note_down()
            write_members(self.home, self.members())
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def prepare(self) -> None:
        """What has to be there before the first call: nothing."""

    async def start(self) -> None:
        raise NotImplementedError

    def _note_down(self) -> None:
        """For whoever comes from outside with the right to read the home; gone with the deployment."""
        path = self.home.path / NOTE
        places = {code: {"url": place.url, "key": str(place.key)} for code, place in self.journals().items()}
        processes = [asdict(process) for process in self.processes()]
        content = {"urls": self.urls, "journals": places, "processes": processes}
        bootstrap.write_private(path, json.dumps(content, indent=2).encode())
        self._stack.callback(path.unlink, missing_ok=True)

    def members(self) -> list[Member]:
        """Every process that has a clock to be moved; none where nobody may move it."""
        return self.processes() if self.sandbox else []

    def processes(self) -> list[Member]:
        """Every process, and where it listens."""
        return [Member(code, code, url) for code, url in self.urls.items()]

    async def advance(self, target: Target) -> Moved:
        """Move the time of all of it, stopping wherever something comes due."""
        moved = await self._mover().advance(target)
        if isinstance(self.clock, ShiftedClock) and self.clock.offset < moved.offset:
            self.clock.advance(moved.offset - self.clock.offset)  # ours, where the services are other processes
        return moved

    async def idle(self) -> None:
        """Once nobody in it has anything to do."""
        await self._mover().idle()

    def _mover(self) -> Mover:
        return Mover(self.aim)

    @property
    def aim(self) -> Aim:
        """What a tester's command would find of it."""
        return Aim(self.http, self.members(), self.home.clock_token.read_text().strip())

    @property
    def http(self) -> httpx.AsyncClient:
        assert self._http is not None, "the world is not started"
        return self._http

    def url(self, code: str) -> str:
        """Base URL of a service (of its first process)."""
        return self.urls[code]

    def admin_token(self, code: str) -> str:
        return self.home.admin_token(code).read_text()

    @property
    def admin_tokens(self) -> dict[str, str]:
        return {code: self.admin_token(code) for code in ADMINISTERED}

    def journals(self) -> dict[str, Place]:
        """The database of every service that keeps a journal, by code, and the key of its bodies."""
        codes = [service.code for service in self.services if service.on_bus]
        return {code: Place(self.database_url(code), self.home.journal_key(code)) for code in codes}

    def database_url(self, code: str) -> str:
        return self.home.database_url(code)

    async def key(self, code: str) -> SigningKey:
        """A system's own signing key: for checking the twin from behind."""
        return await asyncio.to_thread(bootstrap.load_key, self.home, code)

    async def publish(self, messages: list[Outgoing]) -> list[PublishError | None]:
        """Raw messages straight to the broker, past every service: for sabotage."""
        raise NotImplementedError

    async def citizen(self, **wanted: Any) -> Citizen:
        """A new synthetic person with a certificate of nuc-mock, not yet known to the portal."""
        from sandbox.people import Citizen

        return await Citizen.issue(self, self._next_person(), **wanted)

    async def official(self, **wanted: Any) -> Official:
        """A new synthetic official of the provider with every role and a certificate, logged in."""
        from sandbox.staff import Official

        return await Official.appoint(self, self._next_person(), **wanted)

    async def operator(self, **wanted: Any) -> Operator:
        """A new synthetic operator of the centre with a certificate, logged in."""
        from sandbox.staff import Operator

        return await Operator.appoint(self, self._next_person(), **wanted)

    async def example(self, register: str, name: str) -> Any:
        """One of the well-known entries of a register's seed, by its name."""
        headers = bootstrap.bearer(self.admin_token(register))
        answered = await self.http.get(f"{self.url(register)}/v1/control/examples", headers=headers)
        return bootstrap.answer(answered)[name]

    def _next_person(self) -> int:
        """A number of the reserved range of synthetic ИИН. Random, so that a second start on the same home
        meets new persons."""
        from egovlaw.identifiers import SYNTHETIC_COUNT

        return int(self.ids.new().replace("-", "")[-12:], 16) % SYNTHETIC_COUNT

    async def _certify(self) -> None:
        """With nuc-mock running: trust anchor and key stores."""
        await bootstrap.fetch_root(self.http, self.home, self.url(NUC))
        await bootstrap.make_keystores(self.http, self.home, self.url(NUC))

    async def _register(self) -> None:
        await bootstrap.register_certificates(self.http, self.home, self.url(SHEP))


class World(Deployment):
    """Everything in this process: one event loop, a memory bus, an SQLite file per service."""

    def __init__(
        self,
        home: Path,
        *,
        ports: Ports = "fixed",
        clock: Clock | None = None,
        ids: Ids | None = None,
        tuned: Mapping[str, Any] | None = None,
        without: Sequence[str] = (),
    ) -> None:
        """`tuned`: settings by their field names, for every service that has them."""
        super().__init__(home, clock=clock, ids=ids, without=without)
        self.sandbox = isinstance(self.clock, ShiftedClock)
        self._ports = ports
        self._tuned = dict(tuned or {})
        self._host = Host()
        self._broker: MemoryBroker | None = None
        self._buses: dict[str, HoldableBus] = {}

    async def start(self) -> None:
        bootstrap.make_secrets(self.home, self.ids)
        sockets = self._listen()
        self._stack.push_async_callback(self._host.close)
        await self._open_broker()
        for service in self.services:
            await self._serve(service, sockets.pop(service.code))
            if service.code == NUC:
                await self._certify()
            elif service.code == SHEP:
                await bootstrap.wait_ready(self.http, {SHEP: self.url(SHEP)}, self.clock)
                await self._register()
        await bootstrap.wait_ready(self.http, self.urls, self.clock, self.progress)

    def _listen(self) -> dict[str, socket.socket]:
        sockets: dict[str, socket.socket] = {}
        try:
            for service in self.services:
                bound = listen("127.0.0.1", service.port if self._ports == "fixed" else 0)
                sockets[service.code] = bound
                self._stack.callback(bound.close)
                self.urls[service.code] = f"http://127.0.0.1:{bound.getsockname()[1]}"
        except BaseException:
            for bound in sockets.values():
                bound.close()
            raise
        return sockets

    async def _open_broker(self) -> None:
        from egovkit.bus import Topology
        from egovkit.bus.memory import MemoryBroker
        from egovkit.contracts import contracts_dir

        self._broker = MemoryBroker()
        topology, here = Topology.load(contracts_dir()), {service.code for service in self.services}
        self._broker.declare(topology)
        self._broker.keep(queue.name for queue in topology.queues if queue.owner not in here)

    async def _serve(self, service: Service, bound: socket.socket) -> None:
        from egovkit.bus.holdable import HoldableBus
        from egovkit.bus.memory import MemoryBus

        assert self._broker is not None, "the broker opens before the services"
        port = bound.getsockname()[1]
        settings = service.settings(
            {**values_for(service, self.home, self.urls, port, sandbox=self.sandbox), **self._tuned}
        )
        bus = self._buses[service.code] = HoldableBus(MemoryBus(broker=self._broker, clock=self.clock))
        app = service.app(settings, bus=bus, clock=self.clock, ids=self.ids)
        await self._host.serve(service.code, app, bound)

    def intake(self, code: str) -> HoldableBus:
        """A service's hold on the broker: its intake can be stopped and let go again."""
        return self._buses[code]

    async def publish(self, messages: list[Outgoing]) -> list[PublishError | None]:
        from egovkit.bus.memory import MemoryBus

        bus = MemoryBus(broker=self._broker, clock=self.clock)
        await bus.start()
        try:
            return await bus.publish(messages)
        finally:
            await bus.close()
