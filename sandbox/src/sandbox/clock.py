"""Moving the one clock of a running deployment, in one process or in many: `egov clock`, and worlds in tests.

Not a jump: the way to the target stops wherever something comes due in any process, and goes on when all of them are
idle again. While the processes move one after another, none of them takes anything from the broker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from egovkit.clock import ShiftedClock, SystemClock
from egovkit.sandbox.clock import DEADLINE, PATH, QUESTION, kept_offset
from sandbox.composition import NUC, Home
from sandbox.target import Aim, Member, TargetRefused

ALMATY = ZoneInfo("Asia/Almaty")
POLL_SECONDS = 0.05
PATIENCE_SECONDS = 60.0  # of the machine: until a deployment that never becomes idle is reported
FARTHEST_DAYS = 4000  # working days; beyond it no certificate lives


class Immovable(Exception):
    """The clock could not be moved; says why."""


class WorkingDays(Protocol):
    def is_working_day(self, day: date) -> bool: ...


@dataclass(frozen=True, slots=True)
class Target:
    """Where to: by a duration, by working days (the same time of the day), or to the next deadline."""

    by: timedelta | None = None
    working_days: int | None = None
    calendar: WorkingDays | None = None

    def moment(self, now: datetime, views: Sequence[dict[str, Any]]) -> datetime:
        if self.by is not None:
            return now + self.by
        if self.working_days is not None and self.calendar is not None:
            return after_working_days(now, self.working_days, self.calendar)
        deadlines = [one["at"] for view in views for one in view["next"] if one["what"] in (DEADLINE, QUESTION)]
        if not deadlines:
            raise Immovable("no deadline is set anywhere in the deployment")
        return datetime.fromisoformat(min(deadlines, key=datetime.fromisoformat))


@dataclass(slots=True)
class Moved:
    """What became of it: the new offset, and the stops made on the way."""

    offset: timedelta
    now: datetime
    stops: list[str] = field(default_factory=list)


class Mover:
    def __init__(self, aim: Aim, progress: Callable[[str], None] = lambda _: None) -> None:
        if not aim.members:
            raise Immovable("this deployment was not started with --sandbox")
        self._aim = aim
        # НУЦ's lists have to be there for the others.
        self._first = [member for member in aim.members if member.code == NUC]
        self._others = [member for member in aim.members if member.code != NUC]
        self._progress = progress

    async def show(self) -> list[dict[str, Any]]:
        """Every process's view of its time."""
        views = await asyncio.gather(*(self._ask("GET", member) for member in (*self._first, *self._others)))
        return list(views)

    async def advance(self, target: Target) -> Moved:
        """Returns when the time is there and nothing that came due on the way is still in work."""
        views = await self.idle()
        goal = target.moment(_now(views), views)
        moved = Moved(_offset(views), _now(views))
        while (now := _now(views)) < goal:
            due = _next_stop(views)
            stop = goal if due is None else min(goal, due[0])
            if due is not None and due[0] <= goal:
                moved.stops.append(due[1])
                self._progress(f"{due[0]:%Y-%m-%d %H:%M:%S} {due[1]}")
            await self._move(_offset(views) + max(stop - now, timedelta(0)))
            views = await self.idle()
        moved.offset, moved.now = _offset(views), _now(views)
        return moved

    async def idle(self) -> list[dict[str, Any]]:
        """Once nobody has anything to do, twice in a row with nothing taken between: what is on its way from one
        process to another is seen by neither."""
        clock = SystemClock()
        ends = clock.monotonic() + PATIENCE_SECONDS
        before: list[int] | None = None
        while True:
            views = await self.show()
            busy = [
                f"{view['service']}/{view['instance']}: {', '.join(view['busy'])}" for view in views if view["busy"]
            ]
            taken = [int(view["taken"]) for view in views]
            if not busy and taken == before:
                return views
            if clock.monotonic() > ends:
                raise Immovable(f"not idle after {PATIENCE_SECONDS:.0f} s: {'; '.join(busy)}")
            before = None if busy else taken
            await clock.sleep(POLL_SECONDS)

    async def _move(self, offset: timedelta) -> None:
        everybody, wish = (*self._first, *self._others), {"offset_s": offset.total_seconds()}
        try:
            await self._all(everybody, "hold")
            await self._all(self._first, "prepare", wish)
            await self._all(self._others, "prepare", wish)
            await self._all(self._first, "offset", wish)
            await self._all(self._others, "offset", wish)
        finally:
            await self._all(everybody, "release")

    async def _all(self, members: Sequence[Member], what: str, body: dict[str, float] | None = None) -> None:
        await asyncio.gather(*(self._ask("POST", member, f"/{what}", body) for member in members))

    async def _ask(
        self, method: str, member: Member, path: str = "", body: dict[str, float] | None = None
    ) -> dict[str, Any]:
        try:
            found: dict[str, Any] = await self._aim.ask(method, member, PATH + path, json=body)
        except TargetRefused as refused:
            raise Immovable(str(refused)) from None
        return found


def after_working_days(now: datetime, count: int, calendar: WorkingDays) -> datetime:
    """The same time of the day in Almaty, `count` working days later."""
    local, left = now.astimezone(ALMATY), count
    for days in range(1, FARTHEST_DAYS):
        day = local + timedelta(days=days)
        left -= calendar.is_working_day(day.date())
        if left <= 0:
            return day.astimezone(UTC)
    raise Immovable(f"{count} working days are too many")


def _now(views: Sequence[dict[str, Any]]) -> datetime:
    """The slowest process's: the target is reached when all are there."""
    return min(datetime.fromisoformat(view["now"]) for view in views)


def _offset(views: Sequence[dict[str, Any]]) -> timedelta:
    """The largest: a process that was away during a move is taken along."""
    return timedelta(seconds=max(float(view["offset_s"]) for view in views))


def _next_stop(views: Sequence[dict[str, Any]]) -> tuple[datetime, str] | None:
    stops = [
        (datetime.fromisoformat(one["at"]), f"{view['service']}: {one['what']}")
        for view in views
        for one in view["next"]
        if one["stops"]
    ]
    return min(stops, default=None)


# --- what lies in the home


def moved_before(home: Home) -> ShiftedClock:
    """A clock as far ahead as this home's deployment was: its rows must not lie in the future."""
    clock = ShiftedClock(SystemClock())
    clock.advance(kept_offset(home.path))
    return clock
