"""A bus whose subscriptions can be held from outside, for a sandbox that moves the time of all services together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from egovkit.bus import BatchHandler, Bus, Delivery, Outcome, Outgoing, PublishError, Subscription
from egovkit.bus.topology import Topology


class Tap(Protocol):
    """Who is told of every message as the service sent or got it, whatever lies below; and then what came of it."""

    def publishing(self, messages: Sequence[Outgoing]) -> Callable[[Sequence[PublishError | None]], None]: ...

    def delivering(self, deliveries: Sequence[Delivery]) -> Callable[[Sequence[Outcome] | None], None]: ...


class HeldSubscription:
    """A subscription with two reasons to rest: its own service's, and the sandbox's. Neither ends the other."""

    def __init__(self, inner: Subscription, bus: HoldableBus) -> None:
        self._inner = inner
        self._bus = bus
        self._paused = False

    @property
    def queue(self) -> str:
        return self._inner.queue

    async def pause(self) -> None:
        self._paused = True
        await self._inner.pause()

    async def resume(self) -> None:
        self._paused = False
        await self.follow()

    async def cancel(self) -> None:
        self._bus.open.remove(self)
        await self._inner.cancel()

    async def follow(self) -> None:
        """As the two reasons say now."""
        await (self._inner.pause() if self._paused or self._bus.held else self._inner.resume())


class HoldableBus:
    """Any bus; `hold` keeps messages waiting in their queues until `release`."""

    def __init__(self, inner: Bus) -> None:
        self.inner = inner
        self.tap: Tap | None = None
        self.held = False
        self.open: list[HeldSubscription] = []
        self.taken = 0  # deliveries handled so far
        self.in_work = 0  # and those in a handler's hands now

    @property
    def connected(self) -> bool:
        return self.inner.connected

    async def start(self) -> None:
        await self.inner.start()

    async def close(self) -> None:
        await self.inner.close()

    async def publish(self, messages: Sequence[Outgoing]) -> list[PublishError | None]:
        if (tap := self.tap) is None:
            return await self.inner.publish(messages)
        done = tap.publishing(messages)
        answers = await self.inner.publish(messages)
        done(answers)
        return answers

    async def consume(
        self, queue: str, handler: BatchHandler, *, prefetch: int = 200, max_batch: int = 100
    ) -> HeldSubscription:
        async def counted(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
            self.in_work += len(deliveries)
            done = self.tap.delivering(deliveries) if self.tap is not None else None
            outcomes = None
            try:
                outcomes = await handler(deliveries)
                return outcomes
            finally:
                self.in_work -= len(deliveries)
                self.taken += len(deliveries)
                if done is not None:
                    done(outcomes)

        inner = await self.inner.consume(queue, counted, prefetch=prefetch, max_batch=max_batch)
        subscription = HeldSubscription(inner, self)
        self.open.append(subscription)
        if self.held:
            await subscription.follow()
        return subscription

    async def declare(self, topology: Topology) -> None:
        await self.inner.declare(topology)

    async def depth(self, queue: str) -> int:
        return await self.inner.depth(queue)

    async def hold(self) -> None:
        """Returns when nothing is in a handler's hands."""
        self.held = True
        for subscription in list(self.open):
            await subscription.follow()

    async def release(self) -> None:
        self.held = False
        for subscription in list(self.open):
            await subscription.follow()

    async def waiting(self) -> int:
        """Messages in the queues this service takes from."""
        return sum([await self.depth(queue) for queue in {subscription.queue for subscription in self.open}])
