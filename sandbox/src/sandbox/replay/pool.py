"""Worlds side by side: one process each, handed a scenario whenever it has room.

For more scenarios than one world has room for; those play in the process that asks (`worker.one_world`).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.hosting import StartFailed
from sandbox.replay.player import AT_ONCE, Heard
from sandbox.replay.verdicts import Verdict
from sandbox.replay.worker import LOG, RSS, WITHOUT, packed

if TYPE_CHECKING:
    from sandbox.replay.scenario import Scenario

LINE_LIMIT = 2**24


@dataclass(slots=True)
class Worker:
    process: asyncio.subprocess.Process
    under_way: int = 0
    memory: list[float] = field(default_factory=list)

    async def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            raise StartFailed(f"a world of the replay ended with {await self.process.wait()}; its errors are above")
        found: dict[str, Any] = json.loads(line)
        if "not_started" in found:
            raise StartFailed(found["not_started"])
        return found

    def tell(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line)

    async def end(self) -> None:
        """Let it come to its end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.process.wait()

    async def stop(self) -> None:
        """Nothing of a throwaway world is worth an orderly end."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


class Pool:
    """`play` may be called again and again: the worlds stay as they are between the rounds."""

    def __init__(self, folder: Path, *, logged: bool, without: Sequence[str]) -> None:
        """`logged`: the worlds keep request logs, for who looks at what they leave. `without`: systems left out."""
        self._folder = folder
        self._options = [*([LOG] if logged else []), *(WITHOUT + code for code in without)]
        self._workers: list[Worker] = []

    async def grow(self, size: int) -> None:
        """Until there are `size` worlds, each ready. StartFailed."""
        new = []
        for n in range(len(self._workers) + 1, size + 1):
            worker = await _start(self._folder / f"world-{n}", self._options)
            self._workers.append(worker)  # at once: whoever stops us while the next one starts stops this one, too
            new.append(worker)
        for worker in new:
            await worker.hear()

    async def end(self) -> None:
        await asyncio.gather(*(worker.end() for worker in self._workers))

    async def stop(self) -> None:
        await asyncio.gather(*(worker.stop() for worker in self._workers), return_exceptions=True)

    async def play(self, scenarios: Sequence[Scenario], heard: Heard = lambda _: None) -> list[Verdict]:
        """Every scenario once, those that need a world for themselves last; verdicts in the order they come."""
        waiting = deque(sorted(scenarios, key=lambda one: one.alone))
        found: list[Verdict] = []

        def take(verdict: Verdict) -> None:
            found.append(verdict)
            heard(verdict)

        async with asyncio.TaskGroup() as group:
            for worker in self._workers:
                group.create_task(self._feed(worker, waiting, take))
        return found

    async def _feed(self, worker: Worker, waiting: deque[Scenario], take: Heard) -> None:
        while True:
            while waiting and worker.under_way < AT_ONCE:
                worker.tell(packed(waiting.popleft()))
                worker.under_way += 1
            if not worker.under_way:
                return
            verdict = Verdict.of_data(await worker.hear())
            worker.under_way -= 1
            take(verdict)

    async def memory(self) -> float:
        """Resident memory of all worlds together, in MB."""
        for worker in self._workers:
            worker.tell(f"{RSS}\n".encode())
        return float(sum([(await worker.hear())[RSS] for worker in self._workers]))


@asynccontextmanager
async def pool(keep: Path | None = None, without: Sequence[str] = ()) -> AsyncIterator[Pool]:
    """Worlds on free ports in homes of their own (below `keep`); without `keep` nothing of them stays."""
    with folder_for(keep) as folder:
        worlds = Pool(folder, logged=keep is not None, without=without)
        try:
            yield worlds
            if keep is not None:
                await worlds.end()
        except* StartFailed as group:
            raise group.exceptions[0] from None
        finally:
            await worlds.stop()


@contextmanager
def folder_for(keep: Path | None) -> Iterator[Path]:
    """Where worlds have their homes: `keep`, or a folder that goes with them."""
    if keep is not None:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="egov-replay-") as folder:
        yield Path(folder)


async def _start(home: Path, options: Sequence[str]) -> Worker:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sandbox.replay.worker", str(home), *options),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_LIMIT,
        env=dict(os.environ),
    )
    return Worker(process)
