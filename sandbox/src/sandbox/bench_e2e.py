"""`egov bench e2e`: applications from the citizen's submit to the registered number on his page.

A constant number of applications is in flight: each place sends one, waits until the portal has its number, and sends
the next. With n in flight the median latency is about n divided by the rate; with one it is the way itself.

Not measured, and told apart: the account, its login and certificate, and for every application the form, the check of
the certificate and the signature (a person's minutes; here some 0.1 s of processor time each).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sandbox.bench import PATIENCE_SECONDS, Unfinished, private_world
from sandbox.composition import PORTAL
from sandbox.production import ProductionWorld
from sandbox.replay.reading import load_all
from sandbox.replay.scenario import Scenario
from sandbox.running import run

if TYPE_CHECKING:
    from egovkit.db import Database
    from sandbox.people import Citizen

IN_FLIGHT = 16  # two processors are busy with it; more only measures the queue in front of them
CHUNK = 100  # applications prepared before they are sent: the act gives the sending (P5) a minute
WARM_UP = 8  # applications before the first that counts: connections, prepared statements, imports
LOOK_SECONDS = 0.02  # between two looks at the portal's journal
REGISTERED = "kz.egov.case.registered.v1"

Ready = Sequence[tuple[str, str]]  # cases with the signature over their document


def run_e2e(count: int, in_flight: int = IN_FLIGHT) -> dict[str, Any]:
    """Rate, latencies, and the processor time each service spent on one application."""
    return run(_e2e(count, in_flight))


@dataclass(slots=True)
class Measured:
    """Of all chunks together."""

    latencies: list[float]
    seconds: float
    spent: dict[str, float]  # processor seconds by service
    set_up: float


async def _e2e(count: int, in_flight: int) -> dict[str, Any]:
    from egovkit.db import Database

    async with private_world(ProductionWorld, 1) as world:
        portal = Database(world.database_url(PORTAL), pool_size=1)
        try:
            measured = await measure(world, portal, count, in_flight)
        finally:
            await portal.close()
        processes = len(world.supervisor.children)
    latencies = sorted(measured.latencies)
    return {
        "applications_per_s": round(count / measured.seconds, 2),
        "p50_s": round(latencies[count // 2], 3),
        "p99_s": round(latencies[min(count - 1, int(count * 0.99))], 3),
        "applications": count,
        "in_flight": min(in_flight, count),
        "processes": processes,
        "cpu_ms_per_application": {code: round(1000 * s / count, 1) for code, s in measured.spent.items()},
        "set_up_s": round(measured.set_up, 1),
    }


async def measure(world: ProductionWorld, portal: Database, count: int, in_flight: int) -> Measured:
    clock, scenario = world.clock, load_all()[0]
    began = clock.monotonic()
    citizen = await world.citizen()
    await citizen.settle_in()
    arrivals = Arrivals(world, portal)
    await send(world, citizen, arrivals, await prepare(citizen, WARM_UP, scenario), in_flight)
    measured = Measured([], 0.0, {}, clock.monotonic() - began)
    while (left := count - len(measured.latencies)) > 0:
        began = clock.monotonic()
        ready = await prepare(citizen, min(CHUNK, left), scenario)
        measured.set_up += clock.monotonic() - began
        before = processor_times(world)
        began = clock.monotonic()
        measured.latencies += await send(world, citizen, arrivals, ready, in_flight)
        measured.seconds += clock.monotonic() - began
        for code, seconds in processor_times(world).items():
            measured.spent[code] = measured.spent.get(code, 0.0) + seconds - before[code]
    return measured


async def prepare(citizen: Citizen, count: int, scenario: Scenario) -> Ready:
    """What a person does before sending: choose the service, have the certificate checked, sign."""
    ready = []
    for _ in range(count):
        case = await citizen.choose(scenario.regulation)
        ready.append((case, await citizen.sign(await citizen.prepare(case))))
    return ready


async def send(
    world: ProductionWorld, citizen: Citizen, arrivals: Arrivals, ready: Ready, in_flight: int
) -> list[float]:
    """Seconds from each submit to the moment the portal wrote down the number."""
    slots = asyncio.Semaphore(in_flight)

    async def one(case: str, signature: str) -> float:
        async with slots:
            registered = arrivals.expect(case)
            submitted = world.clock.now()
            await citizen.call("POST", f"/v1/cases/{case}/submit", json={"signature": signature})
            return ((await registered) - submitted).total_seconds()

    watching = asyncio.create_task(arrivals.watch())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return list(await asyncio.gather(*(one(case, signature) for case, signature in ready)))
    except TimeoutError:
        raise Unfinished(f"{len(arrivals.expected)} applications were not registered") from None
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


class Arrivals:
    """Who waits for which case; the portal's own journal says when its number came. Asking the portal would be a
    load of its own."""

    def __init__(self, world: ProductionWorld, portal: Database) -> None:
        self._world = world
        self._portal = portal
        self._bodies = world.journals()[PORTAL].bodies()
        self._seen = 0  # position in the journal
        self.expected: dict[str, asyncio.Future[datetime]] = {}

    def expect(self, case: str) -> asyncio.Future[datetime]:
        self.expected[case] = asyncio.get_running_loop().create_future()
        return self.expected[case]

    async def watch(self) -> None:
        while True:
            for position, case, at, told in await self._rows():
                self._seen = position
                if told and (waiting := self.expected.pop(case, None)) is not None:
                    waiting.set_result(at)
            await self._world.clock.sleep(LOOK_SECONDS)

    async def _rows(self) -> list[tuple[int, str, datetime, bool]]:
        from sqlalchemy import MetaData, select

        from egovkit.db import journal_tables
        from egovkit.journal import row_of

        table = journal_tables(MetaData()).rows
        query = select(table).where(table.c.position > self._seen).order_by(table.c.position)
        async with self._portal.read() as conn:
            rows = [row_of(row._mapping, self._bodies) for row in await conn.execute(query)]
        told = [row.kind == "envelope" and row.facts["type"] == REGISTERED for row in rows]
        return [(row.position, row.case_id or "", row.time, one) for row, one in zip(rows, told, strict=True)]


def processor_times(world: ProductionWorld) -> dict[str, float]:
    """Seconds of processor time by service so far; without the servers' (PostgreSQL, RabbitMQ) and our own."""
    import psutil

    spent: dict[str, float] = {}
    for child in world.supervisor.children:
        if child.process is not None:
            times = psutil.Process(child.process.pid).cpu_times()
            code = child.service.code
            spent[code] = spent.get(code, 0.0) + times.user + times.system
    return spent
