"""`egov bench`: start, gateway, end to end. Numbers of one run on one machine: compare ratios, not seconds.

Servers are private, with PostgreSQL's fsync and synchronous_commit on; gateways are the real processes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from egovkit.clock import SystemClock
from sandbox.composition import BY_CODE, NEEDED, PORTAL, SHEP
from sandbox.production import ProductionWorld
from sandbox.replay.reading import load_all
from sandbox.running import run

if TYPE_CHECKING:
    from egovkit.bus import Outgoing

PLAIN_PIPE = Path(__file__).resolve().parents[2] / "bench" / "plain_pipe.py"
INGRESS, TRUNK = "shep.ingress", "rshep.trunk"
PIPE_FROM, PIPE_TO = "bench.from", "bench.to"
PUBLISH_BATCH = 500
POLL_SECONDS = 0.02
PATIENCE_SECONDS = 300.0
UP_LINE = "The bus is up"


class Unfinished(Exception):
    """Not everything that was sent arrived in time: a number made of the rest would be a lie."""


def run_start() -> dict[str, Any]:
    """First and second start of `egov up` in one process, to the line that says it is up; memory after it."""
    with tempfile.TemporaryDirectory(prefix="egov-bench-") as home:
        first, _ = time_start(home)
        second, memory = time_start(home)
    return {"first_start_s": first, "second_start_s": second, "rss_mb": memory, "processes": 1}


def run_commands() -> dict[str, Any]:
    """`egov` itself, and a replay of one scenario from cold: a world that starts, a case, the verdict. Beside them what
    Python takes to import the libraries a service is made of, in the same run."""
    from sandbox.replay.reading import SCENARIOS

    demo = next(one.name for one in load_all() if one.demo)
    egov = ("-m", "sandbox")
    libraries = "import fastapi, uvicorn, httpx, sqlalchemy.ext.asyncio, alembic.command, cryptography.x509, jwt"
    commands = {
        "libraries_s": ("-c", libraries),
        "egov_s": (*egov, "--help"),
        "replay_of_one_s": (*egov, "replay", str(SCENARIOS / f"{demo}.yaml")),
    }
    found: dict[str, Any] = {name: fastest(command) for name, command in commands.items()}
    ratio = round(found["replay_of_one_s"] / found["libraries_s"], 1)
    return {**found, "replay_to_libraries": ratio, "scenario": demo}


def fastest(command: Sequence[str], times: int = 3) -> float:
    """Seconds of the quickest of some runs. Unfinished when one fails."""
    clock, seconds = SystemClock(), []
    for _ in range(times):
        began = clock.monotonic()
        done = subprocess.run([sys.executable, *command], capture_output=True, check=False)
        if done.returncode != 0:
            raise Unfinished(f"{' '.join(command)} ended with {done.returncode}")
        seconds.append(clock.monotonic() - began)
    return round(min(seconds), 2)


def time_start(home: str) -> tuple[float, float]:
    import psutil

    clock = SystemClock()
    began = clock.monotonic()
    command = [sys.executable, "-m", "sandbox", "up", "--home", home, "--ports", "auto"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        for text in process.stdout:
            if UP_LINE in text:
                break
        seconds = clock.monotonic() - began
        memory = psutil.Process(process.pid).memory_info().rss / 2**20
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
    if process.returncode != 0:
        raise Unfinished(f"egov up ended with {process.returncode}")
    return round(seconds, 2), round(memory, 1)


def run_catalogue() -> dict[str, Any]:
    """Reading and checking the whole law: in a new process with its imports, again without them, and as kept."""
    clock = SystemClock()
    began = clock.monotonic()
    from egovkit.contracts import contracts_dir, read_once
    from egovlaw.loader import load_catalogue

    contracts = contracts_dir()
    found = read_once(load_catalogue, contracts)
    cold = clock.monotonic()
    read_once(load_catalogue, contracts)
    kept = clock.monotonic()
    load_catalogue(contracts)
    again = clock.monotonic()
    times = {"cold_s": cold - began, "kept_s": kept - cold, "again_s": again - kept}
    return {"regulations": len(found.regulations), **{name: round(taken, 4) for name, taken in times.items()}}


class GatewayWorld(ProductionWorld):
    """НУЦ's twin and ШЭП alone: what it forwards stays on the trunk and is counted there."""

    def __init__(self, home: Path, **how: Any) -> None:
        super().__init__(home, without=[code for code in BY_CODE if code not in NEEDED], **how)


@asynccontextmanager
async def private_world(kind: type[ProductionWorld], gateways: int) -> AsyncIterator[ProductionWorld]:
    """A production world on servers of its own."""
    from egovkit.testing.servers import PrivatePostgres, PrivateRabbit

    rabbit = await asyncio.to_thread(PrivateRabbit.started)
    try:
        postgres = await asyncio.to_thread(PrivatePostgres.started, fsync=True)
        try:
            with tempfile.TemporaryDirectory(prefix="egov-bench-") as home:
                db = await asyncio.to_thread(postgres.database, "egov_operator")
                async with kind(Path(home), amqp=rabbit.url, db=db, gateways=gateways, ports="auto") as world:
                    yield world
        finally:
            await asyncio.to_thread(postgres.remove)
    finally:
        await asyncio.to_thread(rabbit.remove)


def run_gateway(count: int, processes: int) -> dict[str, Any]:
    """ШЭП beside the plain pipe on the same broker, with messages of the same size."""
    return run(_gateway(count, processes))


async def _gateway(count: int, processes: int) -> dict[str, Any]:
    async with private_world(GatewayWorld, processes) as world:
        pipe = await measure_pipe(world, await submissions(world, count, PIPE_FROM), processes)
        messages = await submissions(world, count, INGRESS)
        gateway = await measure_gateway(world, messages)
        journaled, settings = await evidence(world)
    return {
        "gateway_per_s": round(gateway, 1),
        "pipe_per_s": round(pipe, 1),
        "ratio_to_pipe": round(gateway / pipe, 3),
        "rows_journaled": journaled,
        "rows_delivered": count,
        "sent": count,
        "message_bytes": len(messages[0].body),
        "processes": processes,
        **settings,
    }


async def submissions(world: ProductionWorld, count: int, queue: str) -> list[Outgoing]:
    """Signed case.submitted envelopes of as many new cases, as the portal would send them."""
    from egovkit.bus import Outgoing
    from egovkit.envelope import WireEnvelope
    from sandbox.partner import Partner, Where

    scenario = load_all()[0]
    where = Where(scenario.regulation, scenario.channel, scenario.region)
    portal = Partner(world, PORTAL, await world.key(PORTAL), where)
    found = []
    for _ in range(count):
        envelope = portal.submission()
        raw = envelope.encode()
        wire = WireEnvelope(raw, portal.sign(raw))
        found.append(Outgoing(queue, raw, wire.headers(), envelope.id))
    return found


async def measure_gateway(world: ProductionWorld, messages: Sequence[Outgoing]) -> float:
    """Envelopes a second: the processes are stopped while the queue fills, then let go."""
    pids = world.pids(SHEP)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    await fill(world, messages)
    began = world.clock.monotonic()
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    await until_depth(world, TRUNK, len(messages))
    return len(messages) / (world.clock.monotonic() - began)


async def measure_pipe(world: ProductionWorld, messages: Sequence[Outgoing], processes: int) -> float:
    from egovkit.bus import Topology

    await world.bus.declare(Topology.of(PIPE_FROM, PIPE_TO))
    await fill(world, messages)
    shares = [len(messages) // processes] * processes
    shares[0] += len(messages) - sum(shares)
    began = world.clock.monotonic()
    command = [sys.executable, str(PLAIN_PIPE), world.amqp_url(), PIPE_FROM, PIPE_TO]
    pipes = [
        await asyncio.create_subprocess_exec(*command, str(share), stdout=asyncio.subprocess.PIPE) for share in shares
    ]
    for pipe in pipes:
        assert pipe.stdout is not None
        await pipe.stdout.readline()  # connected: only now the clock runs
        began = max(began, world.clock.monotonic()) if pipe is pipes[0] else began
    await until_depth(world, PIPE_TO, len(messages))
    seconds = world.clock.monotonic() - began
    for pipe in pipes:
        if pipe.returncode is None:
            pipe.kill()
        await pipe.wait()
    return len(messages) / seconds


async def fill(world: ProductionWorld, messages: Sequence[Outgoing]) -> None:
    for start in range(0, len(messages), PUBLISH_BATCH):
        problems = await world.publish(list(messages[start : start + PUBLISH_BATCH]))
        if any(problems):
            raise Unfinished(f"not published: {next(filter(None, problems))}")


async def until_depth(world: ProductionWorld, queue: str, depth: int) -> None:
    deadline = world.clock.monotonic() + PATIENCE_SECONDS
    while (found := await world.bus.depth(queue)) < depth:
        if world.clock.monotonic() > deadline:
            raise Unfinished(f"{queue} has {found} of {depth} messages")
        await world.clock.sleep(POLL_SECONDS)


async def evidence(world: ProductionWorld) -> tuple[int, dict[str, str]]:
    """Rows ШЭП journaled of the submissions, and how durable its database was."""
    from sqlalchemy import text

    from egovkit.db import Database
    from sandbox.journals import read_copy

    rows = (await read_copy(SHEP, world.journals()[SHEP])).rows
    journaled = sum(row.kind == "envelope" and row.facts["type"].endswith("case.submitted.v1") for row in rows)
    database = Database(world.database_url(SHEP), pool_size=1)
    try:
        async with database.read() as conn:
            names = ("fsync", "synchronous_commit")
            settings = {name: str((await conn.execute(text(f"SHOW {name}"))).scalar_one()) for name in names}
    finally:
        await database.close()
    return journaled, settings
