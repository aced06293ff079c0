"""The door to time: everything that asks what time it is, or waits, holds a `Clock`.

`datetime.now`, `time.monotonic` and `asyncio.sleep` are banned by lint elsewhere, so that a test, the sandbox
or a replay can move the time of a whole deployment by hand.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["Clock", "HandClock", "ShiftedClock", "SystemClock"]

# After a hand-moved clock wakes a sleeper, its task and the tasks it wakes in turn get this many turns of the
# loop before time moves on. Work in threads (databases, CMS) is not waited for: such tests await the effect
# instead.
SETTLE_TURNS = 20
RESOLUTION_S = 1e-6  # datetimes count microseconds; a wait shorter than that is over


class Clock(Protocol):
    """Wall time in UTC, a steady count of seconds, and a way to wait for them."""

    def now(self) -> datetime:
        """The present moment, always aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; only differences mean something."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` of this clock have passed; zero or less gives the loop one turn."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - this is the door

    def monotonic(self) -> float:
        return time.monotonic()  # noqa: TID251 - this is the door

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0.0))  # noqa: TID251 - this is the door


class HandClock:
    """A clock that stands still until `advance` moves it; for tests and replays.

    One event loop only: sleepers are futures of the loop they were created in.
    """

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock needs an aware start: its zone is part of the moment")
        self._start = start.astimezone(UTC)
        self._now = self._start
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._start).total_seconds()

    @property
    def next_due(self) -> datetime | None:
        """When the earliest sleeper wakes, or None when nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)  # a cancelled sleeper waits for nothing
        return self._sleepers[0][0] if self._sleepers else None

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)  # noqa: TID251 - this is the door
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + timedelta(seconds=seconds), next(self._order), woken))
        await woken

    async def advance(self, by: float | timedelta) -> None:
        """Move time forward, waking sleepers one moment after another, each seeing its own moment as `now()`.

        `by` is seconds or a timedelta; a negative one raises ValueError. Who falls asleep again within the
        span is woken again within the span.
        """
        step = by if isinstance(by, timedelta) else timedelta(seconds=by)
        if step < timedelta(0):
            raise ValueError("time doesn't go back")
        target = self._now + step
        await self._settle()  # a task that was just created may be about to fall asleep
        while (due := self.next_due) is not None and due <= target:
            self._now = max(self._now, due)
            heapq.heappop(self._sleepers)[2].set_result(None)
            await self._settle()
        self._now = max(self._now, target)
        await self._settle()

    async def _settle(self) -> None:
        for _ in range(SETTLE_TURNS):
            await asyncio.sleep(0)  # noqa: TID251 - this is the door


class ShiftedClock:
    """Another clock, moved ahead: time runs as in `base` and jumps on `advance`.

    The sandbox gives one of these to every service of a deployment, so that working days pass in a moment.
    """

    def __init__(self, base: Clock) -> None:
        self._base = base
        self._offset = timedelta(0)
        self._sleepers: set[asyncio.Future[None]] = set()

    @property
    def offset(self) -> timedelta:
        """How far ahead of its base this clock is."""
        return self._offset

    def now(self) -> datetime:
        return self._base.now() + self._offset

    def monotonic(self) -> float:
        return self._base.monotonic() + self._offset.total_seconds()

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await self._base.sleep(0)
            return
        deadline = self.monotonic() + seconds
        while (left := deadline - self.monotonic()) > RESOLUTION_S:
            await self._nap(left)

    def advance(self, by: timedelta) -> None:
        """Jump ahead and wake everyone whose time has come; a negative jump raises ValueError."""
        if by < timedelta(0):
            raise ValueError("time doesn't go back")
        self._offset += by
        for woken in list(self._sleepers):
            if not woken.done():
                woken.set_result(None)

    async def _nap(self, seconds: float) -> None:
        """Until `seconds` of the base have passed or the clock jumped, whichever comes first."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        nap = asyncio.ensure_future(self._base.sleep(seconds))
        nap.add_done_callback(lambda _: None if woken.done() else woken.set_result(None))
        self._sleepers.add(woken)
        try:
            await woken
        finally:
            self._sleepers.discard(woken)
            nap.cancel()
