"""A service's own view of the deployment's clock: the same one, wrong by a skew. Zero until a tester sets it."""

from __future__ import annotations

from datetime import datetime, timedelta

from egovkit.clock import ShiftedClock


class SkewedClock(ShiftedClock):
    """All services of one process share `shared`; what one of them believes is shown to it alone. Durations are not
    skewed: a clock that is wrong still counts seconds."""

    def __init__(self, shared: ShiftedClock) -> None:
        super().__init__(shared)
        self.shared = shared
        self.ahead = timedelta(0)

    def skew(self, seconds: float) -> None:
        """From now on ahead of the others by so much; negative is behind."""
        self.ahead = timedelta(seconds=seconds)

    @property
    def offset(self) -> timedelta:
        return self.shared.offset

    def now(self) -> datetime:
        return self.shared.now() + self.ahead

    def monotonic(self) -> float:
        return self.shared.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self.shared.sleep(seconds)

    def advance(self, by: timedelta) -> None:
        self.shared.advance(by)
