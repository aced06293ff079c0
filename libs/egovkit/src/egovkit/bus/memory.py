"""The bus inside one process: the twin of RabbitMQ for the embedded mode and the tests.

It has the broker's semantics (bytes, another task, redelivery, limits, dead letters) with one difference:
a publish is confirmed only when its consumer has settled the message, because nothing here survives the
process and a sender that marks a message as sent before the receiver's commit would lose it in a crash. So a
handler must never await a publish whose consumer waits for that handler; senders publish from a task of their
own (egovkit.relay).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from egovkit.bus import (
    DEAD_DELIVERIES,
    DEAD_QUEUE,
    DEAD_REASON,
    DEFAULT_LIMITS,
    DELIVERY_LIMIT,
    BatchHandler,
    BusLimits,
    BusUnavailable,
    Delivery,
    Outcome,
    Outgoing,
    PublishError,
    PublishFailure,
    QueueUnknown,
    Topology,
    Verdict,
)
from egovkit.bus.batches import dead_reason, judge, unencodable
from egovkit.clock import Clock, SystemClock

Confirm = asyncio.Future[PublishError | None]


@dataclass(slots=True, eq=False)
class _Message:
    body: bytes
    headers: Mapping[str, str]
    message_id: str
    confirm: Confirm | None  # None once it is a dead letter: the sender has its answer
    returns: int = 0

    def confirmed(self) -> None:
        if self.confirm is not None and not self.confirm.done():
            self.confirm.set_result(None)


class _Queue:
    """Waiting messages of one queue; those in a consumer's hands are not here."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting: deque[_Message] = deque()
        self.available = asyncio.Event()
        self.max_length: int | None = None
        self.delivery_limit: int | None = None  # None: the dead letters, which wait for ever

    def put(self, message: _Message) -> None:
        self.waiting.append(message)
        self.available.set()

    def put_back(self, message: _Message) -> None:
        self.waiting.appendleft(message)
        self.available.set()

    def take(self, most: int) -> list[_Message]:
        batch = [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]
        if not self.waiting:
            self.available.clear()
        return batch


class MemoryBroker:
    """The queues. Several MemoryBus objects may share one, as several services share a broker."""

    def __init__(self, delivery_limit: int | None = None) -> None:
        self._delivery_limit = delivery_limit
        self._queues: dict[str, _Queue] = {}
        self._dead_letters = ""
        self._kept: set[str] = set()

    def declare(self, topology: Topology) -> None:
        for name in topology.names:
            queue = self._queues.setdefault(name, _Queue(name))
            if name == topology.dead_letters:
                continue
            queue.max_length = topology.max_length
            queue.delivery_limit = self._delivery_limit or topology.delivery_limit
        self._dead_letters = topology.dead_letters
        self.keep([topology.dead_letters])

    def keep(self, names: Iterable[str]) -> None:
        """Queues nobody here consumes: what is put there is safe at once, else its sender would wait for ever."""
        self._kept.update(names)

    def queue(self, name: str) -> _Queue:
        if name not in self._queues:
            raise QueueUnknown(name)
        return self._queues[name]

    def publish(self, message: Outgoing, confirm: Confirm) -> _Message | None:
        """Put it in its queue, or answer at once why not."""
        queue = self._queues.get(message.queue)
        problem = unencodable(message)
        if problem is not None:
            confirm.set_result(PublishError(PublishFailure.INVALID, problem))
        elif queue is None:
            confirm.set_result(PublishError(PublishFailure.UNROUTABLE, f"no queue {message.queue}"))
        elif queue.max_length is not None and len(queue.waiting) >= queue.max_length:
            confirm.set_result(PublishError(PublishFailure.REJECTED, f"{message.queue} is full"))
        else:
            put = _Message(message.body, dict(message.headers), message.message_id, confirm)
            queue.put(put)
            if message.queue not in self._kept:
                return put
            put.confirmed()
        return None

    def withdraw(self, queue: str, message: _Message) -> None:
        """Take back what nobody waits for any more, unless a consumer has it: its sender will publish it again."""
        with contextlib.suppress(ValueError):
            self._queues[queue].waiting.remove(message)

    def give_back(self, queue: _Queue, batch: Sequence[_Message]) -> None:
        """Return messages to the head of their queue, in order, or bury those that returned too often."""
        for message in reversed(batch):
            message.returns += 1
            if queue.delivery_limit is not None and message.returns > queue.delivery_limit:
                self.bury(queue, message, DELIVERY_LIMIT, message.returns)
            else:
                queue.put_back(message)

    def bury(self, queue: _Queue, message: _Message, reason: str, deliveries: int) -> None:
        found = {DEAD_REASON: reason, DEAD_QUEUE: queue.name, DEAD_DELIVERIES: str(deliveries)}
        headers = {**message.headers, **found}
        self._queues[self._dead_letters].put(_Message(message.body, headers, message.message_id, None))
        message.confirmed()


class _MemorySubscription:
    def __init__(self, bus: MemoryBus, queue: _Queue, handler: BatchHandler, most: int) -> None:
        self._bus = bus
        self._queue = queue
        self._handler = handler
        self._most = most
        self._open = asyncio.Event()  # cleared while paused
        self._open.set()
        self._idle = asyncio.Event()  # set while no batch is in the handler's hands
        self._idle.set()
        self._stopping = False
        self._held: dict[_Message, asyncio.Task[None]] = {}  # retries waiting for their delay
        self._task = asyncio.create_task(self._run(), name=f"bus:{queue.name}")

    @property
    def queue(self) -> str:
        return self._queue.name

    async def pause(self) -> None:
        self._open.clear()
        if asyncio.current_task() is not self._task:  # a handler may pause its own queue, not wait for itself
            await self._idle.wait()

    async def resume(self) -> None:
        self._open.set()

    async def cancel(self) -> None:
        self._stopping = True
        self._bus.forget(self)
        if asyncio.current_task() is self._task:
            return
        if not self._idle.is_set():
            await asyncio.wait({self._task}, timeout=self._bus.limits.grace)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for sleeper in self._held.values():
            sleeper.cancel()
        await asyncio.gather(*self._held.values(), return_exceptions=True)
        self._bus.broker.give_back(self._queue, list(self._held))
        self._held.clear()

    async def _run(self) -> None:
        while not self._stopping:
            await self._open.wait()
            await self._queue.available.wait()
            if not self._open.is_set():
                continue  # paused while waiting for a message
            batch = self._queue.take(self._most)
            if not batch:
                continue  # another consumer was quicker
            self._idle.clear()
            try:
                await self._process(batch)
            finally:
                self._idle.set()

    async def _process(self, batch: list[_Message]) -> None:
        try:
            outcomes = await judge(self._handler, [_delivery(self._queue.name, message) for message in batch])
        except BaseException:  # cancelled in the middle of the handler: nobody knows, so all comes again
            self._bus.broker.give_back(self._queue, batch)
            raise
        self._settle(batch, outcomes)

    def _settle(self, batch: Sequence[_Message], outcomes: Sequence[Outcome]) -> None:
        at_once: list[_Message] = []
        for message, outcome in zip(batch, outcomes, strict=True):
            reason = dead_reason(outcome)
            if reason is not None:
                self._bus.broker.bury(self._queue, message, reason, message.returns + 1)
            elif outcome is Verdict.ACK:
                message.confirmed()
            elif delay := self._bus.limits.delay(message.returns + 1):
                self._held[message] = asyncio.create_task(self._return_later(message, delay))
            else:
                at_once.append(message)
        self._bus.broker.give_back(self._queue, at_once)

    async def _return_later(self, message: _Message, delay: float) -> None:
        await self._bus.clock.sleep(delay)
        if self._held.pop(message, None) is not None:
            self._bus.broker.give_back(self._queue, [message])


def _delivery(queue: str, message: _Message) -> Delivery:
    return Delivery(queue, message.body, dict(message.headers), message.message_id, message.returns + 1)


class MemoryBus:
    """One client of a MemoryBroker; `client()` makes another one of the same broker."""

    def __init__(
        self,
        delivery_limit: int | None = None,
        *,
        broker: MemoryBroker | None = None,
        limits: BusLimits = DEFAULT_LIMITS,
        clock: Clock | None = None,
    ) -> None:
        """`delivery_limit` overrides the declared topology's; `clock` is asked for the delay of retries."""
        self.broker = broker or MemoryBroker(delivery_limit)
        self.limits = limits
        self.clock: Clock = clock or SystemClock()
        self._started = False
        self._subscriptions: list[_MemorySubscription] = []
        self._confirms: set[Confirm] = set()

    def client(self) -> MemoryBus:
        """Another service's bus: its close() ends neither this one nor the queues."""
        return MemoryBus(broker=self.broker, limits=self.limits, clock=self.clock)

    @property
    def connected(self) -> bool:
        return self._started

    async def start(self) -> None:
        self._started = True

    async def close(self) -> None:
        self._started = False
        await asyncio.gather(*(subscription.cancel() for subscription in list(self._subscriptions)))
        for confirm in self._confirms:
            if not confirm.done():
                confirm.set_result(PublishError(PublishFailure.CLOSED, "closed before the confirm"))

    async def publish(self, messages: Sequence[Outgoing]) -> list[PublishError | None]:
        if not self._started:
            return [PublishError(PublishFailure.CLOSED, "the bus is not started")] * len(messages)
        loop = asyncio.get_running_loop()
        confirms: list[Confirm] = [loop.create_future() for _ in messages]
        pairs = zip(messages, confirms, strict=True)
        waiting = [(message.queue, self.broker.publish(message, confirm)) for message, confirm in pairs]
        self._confirms.update(confirms)
        try:
            return [await confirm for confirm in confirms]
        except asyncio.CancelledError:
            for queue, put in waiting:
                if put is not None:
                    self.broker.withdraw(queue, put)
            raise
        finally:
            self._confirms.difference_update(confirms)

    async def consume(
        self, queue: str, handler: BatchHandler, *, prefetch: int = 200, max_batch: int = 100
    ) -> _MemorySubscription:
        if not self._started:
            raise BusUnavailable("the bus is not started")
        subscription = _MemorySubscription(self, self.broker.queue(queue), handler, min(prefetch, max_batch))
        self._subscriptions.append(subscription)
        return subscription

    async def declare(self, topology: Topology) -> None:
        self.broker.declare(topology)

    async def depth(self, queue: str) -> int:
        return len(self.broker.queue(queue).waiting)

    def forget(self, subscription: _MemorySubscription) -> None:
        """The subscription's own call, when it is cancelled."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
