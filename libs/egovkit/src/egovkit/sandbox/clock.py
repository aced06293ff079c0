"""A service's part in the sandbox's clock: one per deployment, moved in all its processes together.

The time of a deployment that is no sandbox is the machine's. The order of a
move is the mover's (`egov clock`): hold every intake, prepare, move every process, release, wait until all are idle.

    GET  /v1/sandbox/clock            now, the offset, what comes due next, what is still in work
    POST /v1/sandbox/clock/hold       take nothing from the broker
    POST /v1/sandbox/clock/prepare    make lists that outlive the move (НУЦ first, then who fetches them)
    POST /v1/sandbox/clock/offset     move; the same offset again changes nothing
    POST /v1/sandbox/clock/release    take again
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

from fastapi import params
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Table, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.bus import Bus, BusError
from egovkit.bus.holdable import HoldableBus
from egovkit.clock import Clock, ShiftedClock, SystemClock
from egovkit.contracts import contracts_dir
from egovkit.db.engine import Database
from egovkit.deadlines import DeadlineRunner
from egovkit.declared import refuses
from egovkit.errors import EgovError
from egovkit.routes import Routes
from egovkit.sandbox.exchanges import Exchanges
from egovkit.sandbox.fault_names import CERTIFICATE, DELIVERY, PUBLISH
from egovkit.sandbox.faults import Faults, Hit
from egovkit.sandbox.faulty_bus import FaultyBus
from egovkit.sandbox.skew import SkewedClock
from egovkit.settings import ServiceSettings

OFFSET_FILE = "clock.json"
DEADLINE, QUESTION = "deadline", "end of a question's limit"  # what `--to-next-deadline` goes to
PATH = "/v1/sandbox/clock"
FARTHEST_S = 40 * 366 * 86400.0  # certificates and dates end before that
# The first attempts of an envelope are stops of the clock, since an act's limit may run meanwhile; beyond them a broker
# that is away would make a jump of a month stop every few seconds.
STOPS_FOR_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happens at `at`. `stops`: the clock does not jump over it."""

    what: str
    at: datetime
    stops: bool = True


Moments = Callable[[], Awaitable[list[Moment]]]
Work = Callable[[], Awaitable[str | None]]  # None = nothing to do, else what is


class Control:
    """What one process knows of its time. A service adds what it waits for, and what it works at."""

    def __init__(self, settings: ServiceSettings, clock: ShiftedClock) -> None:
        self.settings = settings
        self.clock = SkewedClock(clock)
        self.faults = Faults(settings.code, contracts_dir(settings.contracts), self.clock)
        self.exchanges = Exchanges(settings, clock)
        self.faults.on_hit.append(self._note)
        self.bus: HoldableBus | None = None
        self.moments: list[Moments] = []
        self.work: list[Work] = []
        self.prepares: list[Callable[[datetime], Awaitable[None]]] = []

    def take_bus(self, bus: Bus) -> HoldableBus:
        """The bus to be used from now on. A new start begins with nothing known."""
        self.moments.clear()
        self.work.clear()
        self.prepares.clear()
        self.bus = bus if isinstance(bus, HoldableBus) else HoldableBus(bus)
        inner = self.bus.inner
        self.bus.inner = self.faults.bus = FaultyBus(
            inner.inner if isinstance(inner, FaultyBus) else inner, self.faults
        )
        self.bus.tap = self.exchanges if self.exchanges.on else None
        self.work.append(self._deliveries)
        self.moments.append(self._held_back)
        return self.bus

    def _note(self, hit: Hit) -> None:
        message = hit.what if hit.place in (PUBLISH, DELIVERY, CERTIFICATE) else None
        self.exchanges.note(f"fault {hit.fault}, rule {hit.rule}", message_id=message)

    async def leave_bus(self) -> None:
        """At the end of its service: nothing a fault held back leaves after it."""
        if self.faults.bus is not None:
            await self.faults.bus.stop()

    async def hold(self) -> None:
        if self.bus is not None:
            await self.bus.hold()

    async def release(self) -> None:
        if self.bus is not None:
            await self.bus.release()

    async def prepare(self, offset: timedelta) -> None:
        target = self.clock.now() - self.clock.offset + offset
        for prepare in self.prepares:
            await prepare(target)

    async def move(self, offset: timedelta) -> None:
        """The file first: a process that falls now starts again with the new time, never with an older one."""
        if offset < self.clock.offset:
            raise EgovError("clock.backwards", offset_s=self.clock.offset.total_seconds())
        await asyncio.to_thread(keep_offset, self.settings.home, offset)
        if offset > self.clock.offset:  # asked again after the thread: services of one process share their clock
            self.clock.advance(offset - self.clock.offset)

    async def following(self) -> list[Moment]:
        """What comes, the earliest first; by the deployment's time, whatever this service believes."""
        now, ahead = self.clock.now(), self.clock.ahead
        found = [moment for ask in self.moments for moment in await ask()]
        coming = (replace(one, at=one.at - ahead) for one in found if one.at > now)
        return sorted(coming, key=lambda one: one.at)

    async def busy(self) -> list[str]:
        return [answer for ask in self.work if (answer := await ask()) is not None]

    async def _held_back(self) -> list[Moment]:
        return (
            []
            if self.faults.bus is None
            else [Moment("message a fault holds back", at) for at in self.faults.bus.waiting()]
        )

    async def _deliveries(self) -> str | None:
        assert self.bus is not None
        if self.bus.in_work:
            return "deliveries in work"
        try:
            waiting = 0 if self.bus.held else await self.bus.waiting()
        except BusError:
            return "connection to the broker"
        return f"{waiting} messages in the queues" if waiting else None


def sandbox_clock(settings: ServiceSettings) -> Clock:
    """The machine's time; in a sandbox one that can be moved, ahead by what the deployment was moved before."""
    if not settings.sandbox:
        return SystemClock()
    clock = ShiftedClock(SystemClock())
    clock.advance(kept_offset(settings.home))
    return clock


def sandbox_control(settings: ServiceSettings, clock: Clock) -> Control | None:
    """None outside a sandbox, and where a test gave a clock that moves otherwise."""
    return Control(settings, clock) if settings.sandbox and isinstance(clock, ShiftedClock) else None


def kept_offset(home: Path) -> timedelta:
    """How far this home's deployment was moved; zero for a new one."""
    try:
        return timedelta(seconds=float(json.loads((home / OFFSET_FILE).read_text())["offset_s"]))
    except FileNotFoundError:
        return timedelta(0)


def keep_offset(home: Path, offset: timedelta) -> None:
    """For the next start. Processes of one home write the same; none takes back what another one wrote."""
    if offset <= kept_offset(home):
        return
    scratch = home / f".{OFFSET_FILE}.{os.getpid()}"
    scratch.write_text(json.dumps({"offset_s": offset.total_seconds()}))
    scratch.replace(home / OFFSET_FILE)


# --- what the kit's own parts wait for


def watch_deadlines(control: Control, runner: DeadlineRunner) -> None:
    async def moments() -> list[Moment]:
        first, again = await runner.moments()
        found = [] if first is None else [Moment(DEADLINE, first)]
        # Who failed is tried again at any stop after its back-off: no stop of its own, or a handler that always
        # fails would make a jump of a month stop every few minutes.
        return found + ([] if again is None else [Moment("deadline tried again", again, stops=False)])

    async def work() -> str | None:
        return "deadlines" if runner.firing or await runner.due_now() else None

    control.moments.append(moments)
    control.work.append(work)


def watch_outbox(control: Control, db: Database, outbox: Table) -> None:
    column = outbox.c
    unsent = and_(column.sent_at.is_(None), column.dead_at.is_(None))

    async def moments() -> list[Moment]:
        ahead = select(func.min(column.next_at)).where(unsent, column.next_at > control.clock.now())
        async with db.read() as conn:
            few = (await conn.execute(ahead.where(column.attempts <= STOPS_FOR_ATTEMPTS))).scalar_one()
            many = (await conn.execute(ahead.where(column.attempts > STOPS_FOR_ATTEMPTS))).scalar_one()
        found = [] if few is None else [Moment("envelope sent again", few)]
        return found + ([] if many is None else [Moment("envelope sent again", many, stops=False)])

    async def work() -> str | None:
        query = select(func.count()).where(unsent, column.next_at <= control.clock.now())
        async with db.read() as conn:
            ready = (await conn.execute(query)).scalar_one()
        return f"{ready} envelopes to be sent" if ready else None

    control.moments.append(moments)
    control.work.append(work)


def watch_questions(
    control: Control, db: Database, next_end: Callable[[AsyncConnection, datetime], Awaitable[datetime | None]]
) -> None:
    """Questions whose limit runs: that it has ended is seen by looking, so there is no row of a deadline for it.
    `next_end` finds the first end after a moment."""

    async def moments() -> list[Moment]:
        async with db.read() as conn:
            at = await next_end(conn, control.clock.now())
        return [] if at is None else [Moment(QUESTION, at)]

    control.moments.append(moments)


# --- HTTP


class MomentView(BaseModel):
    what: str
    at: datetime
    stops: bool


class ClockView(BaseModel):
    service: str
    instance: str
    now: datetime
    skew_s: float = Field(description="how far ahead of that this service believes to be: the fault clock-skew")
    offset_s: float
    held: bool
    taken: int = Field(description="deliveries handled since the start")
    busy: list[str] = Field(description="what is still in work; empty when idle")
    next: list[MomentView] = Field(description="what comes due, the earliest first")


class Offset(BaseModel):
    model_config = ConfigDict(extra="forbid")
    offset_s: Annotated[float, Field(ge=0, le=FARTHEST_S, allow_inf_nan=False)]


async def _view(control: Control) -> ClockView:
    bus = control.bus
    moments = [MomentView(what=one.what, at=one.at, stops=one.stops) for one in await control.following()]
    return ClockView(
        service=control.settings.code,
        instance=control.settings.instance,
        now=control.clock.shared.now(),
        skew_s=control.clock.ahead.total_seconds(),
        offset_s=control.clock.offset.total_seconds(),
        held=bus is not None and bus.held,
        taken=0 if bus is None else bus.taken,
        busy=await control.busy(),
        next=moments,
    )


def clock_router(control: Control, guards: Sequence[params.Depends]) -> Routes:
    """The routes above."""
    router = Routes(prefix=PATH, tags=["sandbox"], dependencies=guards)

    @router.get("")
    async def show() -> ClockView:
        return await _view(control)

    @router.post("/hold")
    async def hold() -> dict[str, bool]:
        await control.hold()
        return {"held": True}

    @router.post("/release")
    async def release() -> dict[str, bool]:
        await control.release()
        return {"held": False}

    @router.post("/prepare")
    async def prepare(wish: Offset) -> dict[str, float]:
        await control.prepare(timedelta(seconds=wish.offset_s))
        return {"prepared_s": wish.offset_s}

    @router.post("/offset")
    @refuses("clock.backwards")
    async def move(wish: Offset) -> dict[str, float]:
        await control.move(timedelta(seconds=wish.offset_s))
        return {"offset_s": control.clock.offset.total_seconds()}

    return router
