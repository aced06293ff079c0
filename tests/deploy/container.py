"""One container of docker-compose.yml as a process: its folder, its address, what it sees, how it is kept running."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .compose_file import ROOT, Image, image, seconds

if TYPE_CHECKING:
    from .compose import ComposeWorld

APP_BIN = Path(sys.executable).parent
PATHS = re.compile(r"(?<![\w:/.@~-])/[\w.@-]+(?:/[\w.@-]+)*")
LOOPBACK = re.compile(r"\b(127\.0\.0\.1|0\.0\.0\.0)\b")
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 60.0  # docker's own, before it starts a container again
STOP_SECONDS = 20.0


class Unhealthy(Exception):
    """A container did not become what others wait for; the message ends with its last words."""


class Container:
    """One service of the file: its folder, its address, its process."""

    def __init__(self, world: ComposeWorld, name: str, spec: dict[str, Any], address: str) -> None:
        self.world, self.name, self.spec, self.address = world, name, spec, address
        self.image = image(ROOT / spec["build"]["dockerfile"]) if "build" in spec else Image()
        self.root = world.folder / "containers" / f"{name}-{address.rpartition('.')[2]}"
        self.log = self.root.with_suffix(".log")
        self.process: asyncio.subprocess.Process | None = None
        self.starts = 0
        self._mount()

    # ---- what it sees

    def _mount(self) -> None:
        """Links where the file mounts something; FileNotFoundError for a source that is not there, as docker says."""
        self.root.mkdir(parents=True)
        for secret in self.spec.get("secrets", []):
            self._link(self.world.place(self.world.file["secrets"][secret]["file"]), f"/run/secrets/{secret}")
        for volume in self.spec.get("volumes", []):
            source, place, *_ = volume.split(":")
            self._link(self.world.volume(source), place)
        for config in self.spec.get("configs", []):
            self._link(ROOT / self.world.file["configs"][config["source"]]["file"], config["target"])
        for scratch in (*self.spec.get("tmpfs", []), *self.image.volumes):
            if not self.inside_path(scratch).exists():
                self.inside_path(scratch).mkdir(parents=True)

    def _link(self, source: Path, place: str) -> None:
        if not source.exists():
            raise FileNotFoundError(f"{self.name}: bind source path does not exist: {source}")
        target = self.inside_path(place)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)

    def inside_path(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def inside(self, text: str) -> str:
        """A variable or an argument as the process has to see it here."""
        text = PATHS.sub(lambda found: self._path(found.group()), text)
        text = LOOPBACK.sub(self.address, text)
        for host, address in self.world.hosts(self.spec).items():
            text = re.sub(rf"(?<![\w.-]){host}(?=:\d)", address, text)
        return text

    def _path(self, path: str) -> str:
        if path.startswith("/app/bin/"):
            return str(APP_BIN / path.removeprefix("/app/bin/"))
        for place, source in self.image.copied.items():
            if path == place or path.startswith(f"{place}/"):
                return str(ROOT / source) + path.removeprefix(place)
        return str(self.inside_path(path))

    @property
    def environment(self) -> dict[str, str]:
        """The image's and the file's, and nothing of ours."""
        written = {**self.image.environment, **self.spec.get("environment", {})}
        seen = {name: self.inside(str(value)) for name, value in written.items()}
        return {"PATH": f"{APP_BIN}:{os.defpath}", "LC_ALL": "C.UTF-8", **seen}

    @property
    def command(self) -> list[str]:
        return [self.inside(part) for part in self.spec.get("command") or self.image.command]

    # ---- what it does

    async def run_once(self) -> None:
        """To its end, which must be a good one: service_completed_successfully."""
        await self._spawn()
        assert self.process is not None
        if await self.process.wait() != 0:
            raise Unhealthy(f"{self.name} ended with {self.process.returncode}: {self.last_words()}")

    async def run_on(self) -> None:
        """Start, and start again by its restart policy until cancelled."""
        pause = FIRST_PAUSE
        await self._spawn()
        while True:
            assert self.process is not None
            await self.process.wait()
            if self.spec.get("restart", "no") not in ("always", "unless-stopped"):
                return
            await self.world.clock.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            await self._spawn()

    async def until_healthy(self, patience: float | None = None) -> None:
        """Ask its health check, as it is written, until it is content: service_healthy."""
        check = {**self.image.healthcheck, **self.spec.get("healthcheck", {})}
        wait = seconds(check["start_period"]) + int(check.get("retries", 3)) * seconds(check["interval"])
        deadline = self.world.clock.monotonic() + (patience or wait)
        kind, *command = check["test"]
        assert kind == "CMD", check
        while not await self._content([self.inside(part) for part in command], seconds(check["timeout"])):
            if self.world.clock.monotonic() > deadline:
                raise Unhealthy(f"{self.name} is not healthy: {self.last_words()}")
            await self.world.clock.sleep(min(0.3, seconds(check.get("start_interval", "5s"))))

    async def _content(self, command: list[str], timeout: float) -> bool:
        environment = {**self.environment, **self.world.server_environment(self.name)}
        program = shutil.which(command[0], path=environment["PATH"]) or command[0]
        asked = await asyncio.create_subprocess_exec(
            program, *command[1:], env=environment, cwd=self.root,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with asyncio.timeout(max(timeout, 10.0)):  # this machine has two cores for all of them
                return await asked.wait() == 0
        except TimeoutError:
            return False
        finally:
            if asked.returncode is None:
                asked.kill()
                await asked.wait()

    async def _spawn(self) -> None:
        self.starts += 1
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command, env=self.environment, cwd=self.root, stdin=asyncio.subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    async def stop(self) -> None:
        if self.process is None or self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()

    def words(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def last_words(self) -> str:
        return self.words()[-1500:]

    def written_outside(self) -> list[str]:
        """Files where nothing is mounted: a read-only container would have refused them."""
        allowed = [self.inside_path(place) for place in (*self.spec.get("tmpfs", []), *self.image.volumes)]
        return [
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if path.is_file() and not path.is_symlink() and not any(path.is_relative_to(one) for one in allowed)
        ]
