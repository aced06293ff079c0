"""One consumer of a RabbitMQ queue: its channel, its batches, its acknowledgements.

A file beside rabbit.py because acknowledging is a subject of its own: the only rule that may never break is
that a multiple acknowledgement doesn't cover a message nobody has settled.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import structlog
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import AMQPError, ChannelInvalidStateError

from egovkit.bus import (
    DEAD_DELIVERIES,
    DEAD_QUEUE,
    DEAD_REASON,
    BatchHandler,
    BusUnavailable,
    Delivery,
    Outcome,
    Outgoing,
    Verdict,
)
from egovkit.bus.batches import dead_reason, judge

if TYPE_CHECKING:
    from egovkit.bus.rabbit import RabbitBus

log = structlog.get_logger(__name__)

COUNT = "x-delivery-count"  # RabbitMQ's header: how often the message came back to its quorum queue
FIRST_DEATH = "x-first-death-"  # ... and the headers of a message it dead-lettered itself
BROKERS_OWN = (COUNT, "x-death", "x-last-death-", FIRST_DEATH)
REATTACH_S = 1.0  # pause before consuming again from a queue that was deleted or refused


class Ledger:
    """The delivery tags of one channel that aren't settled yet, oldest first."""

    def __init__(self) -> None:
        self._open: dict[int, None] = {}  # a dict, not a set: it keeps the order of arrival

    def opened(self, tag: int) -> None:
        self._open[tag] = None

    def returned(self, tag: int) -> bool:
        """Take out a tag that goes back to the queue; False if it is settled already."""
        return self._open.pop(tag, 0) is None

    def settled(self, tags: Iterable[int]) -> tuple[int | None, list[int]]:
        """Take out tags to acknowledge: (up to which all at once, or None; which ones singly).

        All at once is right up to the first open tag that isn't among them, and not beyond.
        """
        mine = {tag for tag in tags if tag in self._open}
        upto: int | None = None
        for tag in self._open:
            if tag not in mine:
                break
            upto = tag
        singly = sorted(tag for tag in mine if upto is None or tag > upto)
        for tag in mine:
            del self._open[tag]
        return upto, singly


class _Attached:
    """One life of the consumer: from basic.consume to the end of its channel."""

    def __init__(self, channel: AbstractChannel) -> None:
        self.channel = channel
        self.ledger = Ledger()
        self.buffer: asyncio.Queue[DeliveredMessage | None] = asyncio.Queue()  # None: no more will come
        self.returning: set[asyncio.Task[None]] = set()

    async def receive(self, message: DeliveredMessage) -> None:
        self.ledger.opened(message.delivery_tag or 0)
        self.buffer.put_nowait(message)

    def end(self, _: object = None) -> None:
        self.buffer.put_nowait(None)

    def at_hand(self, first: DeliveredMessage, most: int) -> list[DeliveredMessage]:
        """The first message and whatever came meanwhile; never waits for more."""
        batch = [first]
        while len(batch) < most and not self.buffer.empty():
            message = self.buffer.get_nowait()
            if message is None:
                self.end()  # leave it for the next round
                break
            batch.append(message)
        return batch

    async def close(self) -> None:
        for task in self.returning:
            task.cancel()
        with contextlib.suppress(AMQPError, OSError, RuntimeError, TimeoutError):
            await self.channel.close()


class RabbitSubscription:
    """Keeps consuming: when its channel or the connection goes, it takes the next one.

    RabbitMQ counts every return as a delivery, also of messages that only lay in the buffer of a consumer that
    crashed or closed: a consumer that crashes more often than the delivery limit sends its prefetch to the dead
    letters, from where an operator drives it back.
    """

    def __init__(self, bus: RabbitBus, queue: str, handler: BatchHandler, *, prefetch: int, max_batch: int) -> None:
        self._bus = bus
        self._queue = queue
        self._handler = handler
        self._prefetch = prefetch
        self._max_batch = max_batch
        self._open = asyncio.Event()  # cleared while paused
        self._open.set()
        self._idle = asyncio.Event()  # set while no batch is in the handler's hands
        self._idle.set()
        self._stopping = False
        self._attached: _Attached | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def queue(self) -> str:
        return self._queue

    async def attach(self) -> None:
        """Consume on a channel of its own. Raises what the broker says: no such queue, not allowed."""
        attached = _Attached(await self._bus.open_channel())
        try:
            attached.channel.closing.add_done_callback(attached.end)
            attached.channel.on_consumer_cancel_callbacks.add(attached.end)  # the queue was deleted
            await attached.channel.basic_qos(prefetch_count=self._prefetch)
            await attached.channel.basic_consume(self._queue, attached.receive)
        except BaseException:
            await attached.close()
            raise
        self._attached = attached

    def begin(self) -> None:
        """Start the task that hands over batches."""
        self._task = asyncio.create_task(self._run(), name=f"bus:{self._queue}")

    async def pause(self) -> None:
        self._open.clear()
        if asyncio.current_task() is not self._task:  # a handler may pause its own queue, not wait for itself
            await self._idle.wait()

    async def resume(self) -> None:
        self._open.set()

    async def cancel(self) -> None:
        self._stopping = True
        self._bus.forget(self)
        task = self._task
        if task is None or asyncio.current_task() is task:
            return
        if not self._idle.is_set():
            await asyncio.wait({task}, timeout=self._bus.limits.grace)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while not self._stopping:
            if self._attached is None:
                await self._reattach()
                continue
            try:
                await self._serve(self._attached)
            finally:
                attached, self._attached = self._attached, None
                await attached.close()

    async def _reattach(self) -> None:
        await self._bus.wait_connected()
        try:
            await self.attach()
        except (AMQPError, OSError, RuntimeError, BusUnavailable) as error:
            log.warning("bus.consume_failed", queue=self._queue, error=repr(error))
            await self._bus.clock.sleep(REATTACH_S)

    async def _serve(self, attached: _Attached) -> None:
        while not self._stopping:
            first = await attached.buffer.get()
            await self._open.wait()
            if first is None or attached.channel.is_closed:
                return  # what is left in the buffer is not ours any more: the broker delivers it again
            batch = attached.at_hand(first, self._max_batch)
            self._idle.clear()
            try:
                outcomes = await judge(self._handler, [_delivery(self._queue, message) for message in batch])
                await self._settle(attached, batch, outcomes)
            except (AMQPError, OSError, ChannelInvalidStateError) as error:
                log.warning("bus.settle_failed", queue=self._queue, size=len(batch), error=repr(error))
                return  # the channel went: unsettled messages come again, their handlers know them
            finally:
                self._idle.set()

    async def _settle(
        self, attached: _Attached, batch: Sequence[DeliveredMessage], outcomes: Sequence[Outcome]
    ) -> None:
        done: list[DeliveredMessage] = []
        again: list[DeliveredMessage] = []
        dead: list[tuple[DeliveredMessage, str]] = []
        for message, outcome in zip(batch, outcomes, strict=True):
            reason = dead_reason(outcome)
            if reason is not None:
                dead.append((message, reason))
            else:
                (done if outcome is Verdict.ACK else again).append(message)
        buried = await self._bury(dead)
        done.extend(message for (message, _), there in zip(dead, buried, strict=True) if there)
        again.extend(message for (message, _), there in zip(dead, buried, strict=True) if not there)
        for message in again:
            await self._give_back(attached, message)
        upto, singly = attached.ledger.settled(message.delivery_tag or 0 for message in done)
        if upto is not None:
            await attached.channel.basic_ack(upto, multiple=True, wait=False)
        for tag in singly:
            await attached.channel.basic_ack(tag, wait=False)

    async def _bury(self, dead: Sequence[tuple[DeliveredMessage, str]]) -> list[bool]:
        """Copy to the dead letters; only a confirmed copy lets the original be acknowledged."""
        if not dead:
            return []
        letters = []
        for message, reason in dead:
            known = _delivery(self._queue, message)
            found = {DEAD_REASON: reason, DEAD_QUEUE: self._queue, DEAD_DELIVERIES: str(known.attempt)}
            letters.append(Outgoing(self._bus.dead_letters, known.body, {**known.headers, **found}, known.message_id))
        errors = await self._bus.publish(letters)
        for letter, error in zip(letters, errors, strict=True):
            if error is not None:
                log.error("bus.not_buried", queue=self._queue, message_id=letter.message_id, error=str(error))
        return [error is None for error in errors]

    async def _give_back(self, attached: _Attached, message: DeliveredMessage) -> None:
        delay = self._bus.limits.delay(_attempt(message))
        if delay <= 0:
            await self._nack(attached, message)
            return
        task = asyncio.create_task(self._nack_later(attached, message, delay))
        attached.returning.add(task)
        task.add_done_callback(attached.returning.discard)

    async def _nack_later(self, attached: _Attached, message: DeliveredMessage, delay: float) -> None:
        await self._bus.clock.sleep(delay)
        with contextlib.suppress(AMQPError, OSError, ChannelInvalidStateError):
            await self._nack(attached, message)

    async def _nack(self, attached: _Attached, message: DeliveredMessage) -> None:
        tag = message.delivery_tag or 0
        if attached.ledger.returned(tag):
            await attached.channel.basic_nack(tag, requeue=True, wait=False)


def _attempt(message: DeliveredMessage) -> int:
    count = (message.header.properties.headers or {}).get(COUNT, 0)
    return 1 + count if isinstance(count, int) else 1


def _delivery(queue: str, message: DeliveredMessage) -> Delivery:
    """The message without the broker's own headers; the broker's dead letters get ours instead."""
    properties = message.header.properties
    raw = properties.headers or {}
    headers = {name: text for name, text in raw.items() if isinstance(text, str) and not name.startswith(BROKERS_OWN)}
    reason, origin = raw.get(f"{FIRST_DEATH}reason"), raw.get(f"{FIRST_DEATH}queue")
    if isinstance(reason, str) and isinstance(origin, str):
        headers |= {DEAD_REASON: reason, DEAD_QUEUE: origin}
    return Delivery(queue, message.body, headers, properties.message_id or "", _attempt(message))
