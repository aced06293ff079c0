"""A memory bus whose subscriptions can be held from outside: how the sandbox makes a system answer late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from egovkit.bus.memory import MemoryBroker, MemoryBus
from egovkit.clock import Clock

if TYPE_CHECKING:
    from egovkit.bus import BatchHandler
    from egovkit.bus.memory import _MemorySubscription as MemorySubscription


class HoldableBus(MemoryBus):
    """As MemoryBus; `hold` keeps messages waiting in their queues until `release`."""

    def __init__(self, broker: MemoryBroker, clock: Clock) -> None:
        super().__init__(broker=broker, clock=clock)
        self.open: list[MemorySubscription] = []

    async def consume(
        self, queue: str, handler: BatchHandler, *, prefetch: int = 200, max_batch: int = 100
    ) -> MemorySubscription:
        subscription = await super().consume(queue, handler, prefetch=prefetch, max_batch=max_batch)
        self.open.append(subscription)
        return subscription

    async def hold(self) -> None:
        for subscription in self.open:
            await subscription.pause()

    async def release(self) -> None:
        for subscription in self.open:
            await subscription.resume()
