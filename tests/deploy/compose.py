"""What docker-compose.yml says, started as plain processes: there is no container engine where the tests run.

Everything is taken as it is written: commands, environment, health checks, order, restart policies, what is mounted
where. Only this is rewritten, because a process has neither a file system nor a network of its own:

- a container is a folder. A path in a command or a variable becomes a path in that folder, where the file's mounts
  and secrets are links; a path that nothing is mounted at leads nowhere. /app/bin is this environment's bin.
- a container is a loopback address, 127.x.y.N, with the ports as they are written: a wrong one does not answer.
  Another service's name becomes its address, but only where the two share a network. 127.0.0.1 and 0.0.0.0 become the
  container's own.
  So do the names that TLS certificates stand for.
- rabbitmq and postgres are private servers with the same configuration, users, commands and health checks.
- A health check is asked three times a second and may take ten: the checks of a whole suite share two cores here.

What this can't show: that the images build, that a process runs as its user without rights and can't write elsewhere
(it is only looked whether it did), limits of memory and time.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import signal
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from egovkit.clock import SystemClock
from egovkit.settings import with_password
from egovkit.testing.servers import PrivatePostgres, PrivateRabbit
from sandbox.composition import NUC, Home
from sandbox.deployment import OPERATOR, make_certificates
from sandbox.production import database_name
from sandbox.world import Deployment

from .compose_file import BASE, project
from .container import Container, Unhealthy

if TYPE_CHECKING:
    from egovkit.bus import Outgoing, PublishError

SERVERS = ("rabbitmq", "postgres")  # images that private servers stand for
PATIENCE_SECONDS = 60.0
WORLDS = itertools.count()


class ComposeWorld(Deployment):
    """`docker compose run --rm secrets; docker compose up --wait`, without docker."""

    def __init__(self, folder: Path, *files: Path, wanted: Sequence[str] = ()) -> None:
        """`wanted`: the services to start with what they need; all without it."""
        super().__init__(folder, clock=SystemClock())
        self.folder = folder.resolve()
        self._wanted = wanted
        self._number = next(WORLDS)
        self.file = project(*(files or (BASE,)))
        self.home = Home(self.folder / "volumes" / "keys", secrets=self.folder / "secrets")
        self.containers: dict[str, Container] = {}
        self._rabbit: PrivateRabbit | None = None
        self._postgres: PrivatePostgres | None = None
        self._keepers: list[asyncio.Task[None]] = []
        self._made: dict[str, asyncio.Task[None]] = {}

    # ---- where things are

    def address(self, name: str) -> str:
        """One per service; the two middle numbers keep this world apart from others on the machine."""
        number = sorted(self.file["services"]).index(name) + 1
        return self._address(number)

    def _address(self, number: int) -> str:
        process = os.getpid()
        return f"127.{10 + process % 240}.{process // 240 % 25 * 10 + self._number % 10}.{number}"

    def hosts(self, spec: dict[str, Any]) -> dict[str, str]:
        """The names a container can resolve: those it shares a network with."""
        mine = set(spec.get("networks", []))
        return {name: self.address(name) for name, other in self.file["services"].items() if mine & nets(other)}

    def place(self, path: str) -> Path:
        """A path of the project's folder."""
        return self.folder / path

    def volume(self, source: str) -> Path:
        if source.startswith("."):
            place = self.place(source)
        else:
            assert source in self.file["volumes"], f"{source} is no volume"
            place = self.folder / "volumes" / source
        place.mkdir(parents=True, exist_ok=True)
        return place

    def server_environment(self, name: str) -> dict[str, str]:
        """What the programs of a server's image find in it, and ours find in the private server's folder."""
        if name == "rabbitmq" and self._rabbit is not None:
            programs = self._rabbit.environment()
            return {**programs, "PATH": f"{self._rabbit.sbin}:{programs['PATH']}"}
        if name == "postgres" and self._postgres is not None:
            return {"PATH": f"{self._postgres.bin}:{os.defpath}"}
        return {}

    def database_url(self, code: str) -> str:
        database = f"postgresql+asyncpg://{code}@{self.address('postgres')}:5432/{database_name(code)}"
        return with_password(database, self.home.database_password(code))

    # ---- up

    @property
    def secure(self) -> bool:
        """Whether the files have TLS in them."""
        return self.home.tls_root.name in self.file["secrets"]

    async def prepare(self) -> None:
        self._stack.push_async_callback(self._down)
        await self._container("secrets").run_once()
        if self.secure:
            self._certify_addresses()

    async def start(self) -> None:
        await self.up(*self._wanted)
        scheme = "https" if self.secure else "http"
        for name, container in self.containers.items():
            for port in container.spec.get("ports", []) if name not in SERVERS else []:
                self.urls[name] = f"{scheme}://{container.address}:{port.rpartition(':')[2]}"

    def _certify_addresses(self) -> None:
        """The servers' certificates again, for the addresses that their names have become."""
        addresses = {name: [self.address(name)] for name in self.file["services"]}
        make_certificates(self.home, self.clock, self.ids, f"https://{self.address(NUC)}:8010", addresses)

    async def up(self, *wanted: str) -> None:
        """Those wanted (everything of no profile) and what they depend on, each when that is there. A second time
        only the one-shots run."""
        self._made = {}
        names = self.needed(wanted or [name for name, spec in self.file["services"].items() if "profiles" not in spec])
        async with asyncio.TaskGroup() as group:
            for name in names:
                self._made[name] = group.create_task(self._bring_up(name))

    def needed(self, wanted: Iterable[str]) -> list[str]:
        found: list[str] = []
        for name in wanted:
            found += [*self.needed(self.file["services"][name].get("depends_on", {})), name]
        return list(dict.fromkeys(found))

    async def _bring_up(self, name: str) -> None:
        spec = self.file["services"][name]
        await asyncio.sleep(0)  # noqa: TID251 - until all tasks are there to be waited for
        await asyncio.gather(*(asyncio.shield(self._made[other]) for other in spec.get("depends_on", {})))
        if name in SERVERS:
            await self._serve(name)
        elif spec["restart"] == "no":
            await self._container(name).run_once()
        elif name not in self.containers:
            container = self._container(name)
            self._keepers.append(asyncio.create_task(container.run_on()))
            await container.until_healthy()

    def _container(self, name: str) -> Container:
        if name not in self.containers:
            self.containers[name] = Container(self, name, self.file["services"][name], self.address(name))
        return self.containers[name]

    async def _serve(self, name: str) -> None:
        if name not in self.containers:
            container = self._container(name)
            await asyncio.to_thread(self._serve_rabbit if name == "rabbitmq" else self._serve_postgres, container)
            await container.until_healthy()

    def _serve_rabbit(self, container: Container) -> None:
        [config] = container.spec["configs"]
        text = container.inside_path(config["target"]).read_text()
        settings = {key: container.inside(value) for key, value in re.findall(r"^([^#\s]\S*) = (.+)$", text, re.M)}
        settings["disk_free_limit.absolute"] = "50MB"  # a test machine's disk is not a broker's
        for kind in ("tcp", "ssl"):  # on every address, as an image does; here its own
            if port := settings.pop(f"listeners.{kind}.default", None):
                settings[f"listeners.{kind}.1"] = f"{container.address}:{port}"
        listened = 5671 if self.secure else 5672
        self._rabbit = PrivateRabbit(host=container.address, port=listened, settings=settings)
        self._stack.callback(self._rabbit.remove)
        self._rabbit.start()

    def _serve_postgres(self, container: Container) -> None:
        seen = container.environment
        owner = (seen["POSTGRES_USER"], Path(seen["POSTGRES_PASSWORD_FILE"]).read_text())
        program, *arguments = container.command
        assert program == "postgres"
        server = PrivatePostgres(host=container.address, port=5432, owner=owner)
        self._stack.callback(server.remove)
        server.arguments += [re.sub(rf"{container.root}\S+", lambda f: str(server.give(Path(f.group()))), one)
                             for one in arguments]  # fmt: skip
        self._postgres = server
        server.start()

    async def _down(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(container.stop() for container in self.containers.values()))

    # ---- what tests do with it

    async def publish(self, messages: list[Outgoing]) -> list[PublishError | None]:
        from egovkit.bus.rabbit import RabbitBus

        url = f"amqp://{OPERATOR}@{self.address('rabbitmq')}:5672/egov"
        bus = RabbitBus(with_password(url, self.home.broker_password(OPERATOR)), clock=self.clock)
        await bus.start()
        try:
            return await bus.publish(messages)
        finally:
            await bus.close()

    async def run(self, name: str, *command: str) -> str:
        """`docker compose run --rm NAME COMMAND`: to its good end; what it said."""
        spec = {**self.file["services"][name], "command": list(command)}
        container = Container(self, name, spec, self.address(name))
        await container.run_once()
        return container.words()

    def kill(self, name: str) -> None:
        process = self.containers[name].process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)

    async def goes_unnoticed(self, name: str, change: Callable[[dict[str, Any]], object], sign: str) -> str:
        """Start a service beside the others with its part of the file changed. "" when it came as far as saying
        `sign` in its log and is not healthy; else what happened instead."""
        spec = {**deepcopy(self.file["services"][name]), "restart": "no"}  # once is enough to see it
        change(spec)
        container = Container(self, name, spec, self._address(200 + len(self._keepers)))
        self._keepers.append(asyncio.create_task(container.run_on()))
        deadline = self.clock.monotonic() + PATIENCE_SECONDS
        while sign not in container.words():
            if self.clock.monotonic() > deadline:
                return f"it never said {sign!r}: {container.last_words()}"
            await self.clock.sleep(0.1)
        try:
            await container.until_healthy(patience=3.0)
        except Unhealthy:
            return ""
        finally:
            await container.stop()
        return "it is healthy all the same"


def nets(spec: dict[str, Any]) -> set[str]:
    return set(spec.get("networks", []))
