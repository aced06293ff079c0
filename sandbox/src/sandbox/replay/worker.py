"""A world of its own in a process of its own: plays the scenarios it is handed, several at a time.

    python -m sandbox.replay.worker HOME [--log] [--without=CODE]...

One line in is a scenario, one line out its verdict. It ends when nothing can come any more: whoever started it is gone
or has closed its hand; what is on its way then still arrives, so that the journals it leaves tell whole cases.
"""

from __future__ import annotations

import asyncio
import base64
import json
import pickle
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.replay.player import Player
from sandbox.replay.watching import Watch

if TYPE_CHECKING:
    from sandbox.replay.scenario import Scenario

# A world that lives for one replay keeps nobody's secret: its people's passwords may be hashed cheaply.
THROWAWAY = {"argon2_time": 1, "argon2_memory_kib": 64, "argon2_at_once": 1, "registrations_per_hour": 1_000_000}
UNLOGGED = {"sandbox_log_mb": 0}  # nobody can read the request log of a world that is gone
LOG, WITHOUT = "--log", "--without="
RSS = "rss"


def packed(scenario: Scenario) -> bytes:
    """From this program to itself; nobody else can write there."""
    return base64.b64encode(pickle.dumps(scenario)) + b"\n"


def unpacked(line: bytes) -> Scenario:
    scenario: Scenario = pickle.loads(base64.b64decode(line))
    return scenario


@asynccontextmanager
async def one_world(home: Path, *, logged: bool, without: Sequence[str] = ()) -> AsyncIterator[Player]:
    """Somebody who plays scenarios in a world of its own, on free ports in a home of its own; `logged`: it keeps a
    request log. At the end it is waited for until nothing is on its way, when it `logged`: somebody will look at it."""
    from sandbox.running import logging_to, starting
    from sandbox.world import World

    with logging_to(home):
        tuned = THROWAWAY | ({} if logged else UNLOGGED)
        world = World(home, ports="auto", tuned=tuned, without=without)
        with starting():
            await world.__aenter__()
        try:
            async with Watch(world.journals(), world.clock) as watch:
                yield Player(world, watch)
            if logged:
                await world.idle()
        finally:
            await world.__aexit__(None, None, None)


async def serve(home: Path, *, logged: bool, without: Sequence[str]) -> None:
    async with one_world(home, logged=logged, without=without) as player:
        await _answer(player)


async def _answer(player: Player) -> None:
    say({"ready": True})
    lines, tasks = await _stdin(), set[asyncio.Task[None]]()
    while line := await lines.readline():
        if line.strip() == RSS.encode():
            say({RSS: memory_mb()})
            continue
        task = asyncio.create_task(_one(player, unpacked(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _one(player: Player, scenario: Scenario) -> None:
    say((await player.play(scenario)).data())


async def _stdin() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


def say(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def memory_mb() -> float:
    import psutil

    return round(psutil.Process().memory_info().rss / 2**20, 1)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches everybody; the starter decides
    from sandbox.running import NOT_STARTED, run

    try:
        without = [word.removeprefix(WITHOUT) for word in sys.argv if word.startswith(WITHOUT)]
        run(serve(Path(sys.argv[1]), logged=LOG in sys.argv, without=without))
    except NOT_STARTED as error:
        say({"not_started": str(error)})
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
