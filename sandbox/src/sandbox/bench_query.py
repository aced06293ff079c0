"""`egov bench query`: a question of the provider's desk to the person register and back, through both gateways.

One question at a time. Measured by the workstation's own journal: from the commit that sends the question to the one
that applies its answer. Beside it, on the same broker in the same run, a plain round trip over two quorum queues.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sandbox.bench import PIPE_FROM, PIPE_TO, Unfinished, private_world
from sandbox.composition import PERSONS, PROVIDER
from sandbox.production import ProductionWorld
from sandbox.replay.reading import load_all
from sandbox.replay.scenario import Scenario
from sandbox.running import run

PLAIN_ROUND_TRIP = Path(__file__).resolve().parents[2] / "bench" / "plain_round_trip.py"
WARM_UP = 5
MESSAGE_BYTES = 1500  # about a question's
ASKED, ANSWERED = "kz.egov.query.person.v1", "kz.egov.answer.person.v1"


def run_query(count: int) -> dict[str, Any]:
    return run(_query(count))


async def _query(count: int) -> dict[str, Any]:
    async with private_world(ProductionWorld, 1) as world:
        plain = await round_trips(world, count)
        queries = await questions(world, desk_scenario(), count)
        processes = len(world.supervisor.children)
    p50, p99 = quantiles(queries)
    plain_p50, plain_p99 = quantiles(plain)
    return {
        "query_p50_ms": p50,
        "query_p99_ms": p99,
        "plain_p50_ms": plain_p50,
        "plain_p99_ms": plain_p99,
        "ratio_to_plain": round(p50 / plain_p50, 1),
        "queries": count,
        "processes": processes,
    }


def desk_scenario() -> Scenario:
    """The demo's own scenario in which an official of the provider asks for a consumer."""
    return next(one for one in load_all() if one.side == "provider" and one.demo)


async def round_trips(world: ProductionWorld, count: int) -> list[float]:
    from egovkit.bus import Topology

    await world.bus.declare(Topology.of(PIPE_FROM, PIPE_TO))
    command = [sys.executable, str(PLAIN_ROUND_TRIP), world.amqp_url(), PIPE_FROM, PIPE_TO]
    process = await asyncio.create_subprocess_exec(
        *command, str(count), str(MESSAGE_BYTES), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise Unfinished(f"the plain round trip ended with {process.returncode}")
    found: list[float] = json.loads(said)
    return found


async def questions(world: ProductionWorld, scenario: Scenario, count: int) -> list[float]:
    """Seconds of each question, after a few that warm the way up."""
    official = await world.official(region=scenario.region)
    iin = await world.example(PERSONS, scenario.given.consumer.example or "")
    cases = []
    for _ in range(WARM_UP + count):
        case = await official.open(scenario.regulation)
        await official.enter_consumer(case, iin)
        await official.ask(case)
        await official.until(case, "data_checked")
        cases.append(case)
    return await journaled(world, cases[WARM_UP:])


async def journaled(world: ProductionWorld, cases: Sequence[str]) -> list[float]:
    from sandbox.journals import read_copy

    rows = (await read_copy(PROVIDER, world.journals()[PROVIDER])).rows
    at = {(row.case_id, row.facts.get("type")): row.time for row in rows if row.kind == "envelope"}
    return [(at[case, ANSWERED] - at[case, ASKED]).total_seconds() for case in cases]


def quantiles(seconds: Sequence[float]) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    ordered = sorted(seconds)
    last = len(ordered) - 1
    return round(1000 * ordered[len(ordered) // 2], 2), round(1000 * ordered[min(last, int(len(ordered) * 0.99))], 2)
