"""The bus on RabbitMQ: quorum queues, publisher confirms, its own reconnect.

aio-pika makes the connection; publishing and consuming use the aiormq channels beneath it, because aio-pika's
own layer halves the rate of confirmed publishes and this bus needs none of its comforts. aio-pika's "robust"
connection isn't used: it hides a lost connection from publishers, who must know that a confirm will not come.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aio_pika
import structlog
from aiormq import Channel
from aiormq.abc import AbstractConnection
from aiormq.exceptions import (
    AMQPError,
    ChannelAccessRefused,
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)

from egovkit.bus import (
    DEFAULT_LIMITS,
    BatchHandler,
    BusError,
    BusLimits,
    BusUnavailable,
    Outgoing,
    PublishError,
    QueueUnknown,
    Topology,
)
from egovkit.bus.rabbit_publisher import ExchangePublisher
from egovkit.bus.rabbit_subscription import RabbitSubscription
from egovkit.clock import Clock, SystemClock

log = structlog.get_logger(__name__)

HEARTBEAT_S = 15  # a broker that vanished without closing its sockets is noticed within two of these
CONNECT_TIMEOUT_S = 5.0  # of one attempt, and the longest that `start` waits for the first connection
RECONNECT_FIRST_S = 0.1
RECONNECT_MOST_S = 5.0
FRAME_BUFFER = 1000  # frames read ahead per channel; aiormq's 10 makes the reader wait on every batch of confirms


class RabbitBus:
    """One connection to one vhost. See egovkit.bus for what it promises."""

    def __init__(
        self,
        url: str,
        *,
        limits: BusLimits = DEFAULT_LIMITS,
        clock: Clock | None = None,
        dead_letters: str = Topology.of().dead_letters,
    ) -> None:
        """`url`: amqp(s)://user:password@host:port/vhost; `clock` delays retries and reconnects."""
        self.limits = limits
        self.clock: Clock = clock or SystemClock()
        self.dead_letters = dead_letters
        self._url = url
        self._connection: AbstractConnection | None = None
        self._up = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._publishers: dict[str, ExchangePublisher] = {}
        self._subscriptions: list[RabbitSubscription] = []

    @property
    def connected(self) -> bool:
        return self._up.is_set()

    async def start(self) -> None:
        if self._keeper is not None:
            return
        self._keeper = asyncio.create_task(self._keep_connected(), name="bus:connection")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._up.wait()

    async def close(self) -> None:
        await asyncio.gather(*(subscription.cancel() for subscription in list(self._subscriptions)))
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None

    async def publish(self, messages: Sequence[Outgoing]) -> list[PublishError | None]:
        positions: dict[str, list[int]] = {}
        for position, message in enumerate(messages):
            positions.setdefault(message.queue, []).append(position)
        parts = await asyncio.gather(
            *(self._publisher(queue).publish([messages[n] for n in mine]) for queue, mine in positions.items())
        )
        answers: list[PublishError | None] = [None] * len(messages)
        for mine, part in zip(positions.values(), parts, strict=True):
            for position, answer in zip(mine, part, strict=True):
                answers[position] = answer
        return answers

    async def consume(
        self, queue: str, handler: BatchHandler, *, prefetch: int = 200, max_batch: int = 100
    ) -> RabbitSubscription:
        if self._keeper is None:
            raise BusUnavailable("the bus is not started")
        subscription = RabbitSubscription(self, queue, handler, prefetch=prefetch, max_batch=max_batch)
        if self.connected:
            try:
                await subscription.attach()
            except (ChannelNotFoundEntity, ChannelAccessRefused, ValueError) as error:
                raise QueueUnknown(f"{queue}: {error}") from error
        subscription.begin()
        self._subscriptions.append(subscription)
        return subscription

    async def declare(self, topology: Topology) -> None:
        async with self._own_channel() as channel:
            try:
                for name in topology.names:
                    await channel.exchange_declare(name, exchange_type="fanout", durable=True)
                    await channel.queue_declare(name, durable=True, arguments=topology.arguments(name))
                    await channel.queue_bind(name, name)
            except ChannelPreconditionFailed as error:
                raise BusError(f"a queue exists with other settings: delete it first ({error})") from error
            except ChannelAccessRefused as error:
                raise BusError(f"this user may not declare queues ({error})") from error

    async def depth(self, queue: str) -> int:
        async with self._own_channel() as channel:
            try:
                answer = await channel.queue_declare(queue, passive=True)
            except (ChannelNotFoundEntity, ChannelAccessRefused, ValueError) as error:
                raise QueueUnknown(queue) from error
        return answer.message_count or 0

    async def wait_connected(self) -> None:
        """Return when there is a connection; a subscription waits here between two of its channels."""
        await self._up.wait()

    async def open_channel(self) -> Channel:
        """A new channel with confirms. BusUnavailable without a connection."""
        connection = self._connection
        if connection is None:
            raise BusUnavailable("no connection to the broker")
        try:
            channel = await connection.channel(
                publisher_confirms=True, on_return_raises=True, frame_buffer_size=FRAME_BUFFER
            )
        except (AMQPError, OSError, RuntimeError) as error:  # lost at this very moment
            raise BusUnavailable(f"no connection to the broker: {error!r}") from error
        assert isinstance(channel, Channel)  # the abstract one doesn't know `wait`
        return channel

    def forget(self, subscription: RabbitSubscription) -> None:
        """The subscription's own call, when it is cancelled."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    async def _keep_connected(self) -> None:
        delay = RECONNECT_FIRST_S
        while True:
            try:
                options = {"timeout": CONNECT_TIMEOUT_S, **_heartbeat(self._url)}
                wrapper = await aio_pika.connect(self._url, **options)
            except (AMQPError, OSError) as error:  # TimeoutError is an OSError
                log.warning("bus.connect_failed", error=repr(error), again_in=delay)
                await self.clock.sleep(delay)
                delay = min(delay * 2, RECONNECT_MOST_S)
                continue
            delay = RECONNECT_FIRST_S
            try:
                await self._stay_connected(wrapper)
            finally:
                self._up.clear()
                self._connection = None
                self._publishers.clear()
                with contextlib.suppress(AMQPError, OSError, RuntimeError):
                    await wrapper.close()

    async def _stay_connected(self, wrapper: aio_pika.abc.AbstractConnection) -> None:
        assert wrapper.transport is not None  # it has just connected
        self._connection = wrapper.transport.connection
        self._up.set()
        log.info("bus.connected")
        closing = self._connection.closing
        await asyncio.wait({closing})
        error = None if closing.cancelled() else closing.exception()
        log.warning("bus.connection_lost", error=repr(error))

    def _publisher(self, exchange: str) -> ExchangePublisher:
        return self._publishers.setdefault(exchange, ExchangePublisher(self.open_channel))

    @contextlib.asynccontextmanager
    async def _own_channel(self) -> AsyncIterator[Channel]:
        """A channel for calls that may be refused, which closes it. BusUnavailable without a connection."""
        channel = await self.open_channel()
        try:
            yield channel
        except ChannelInvalidStateError as error:
            raise BusUnavailable("the connection was lost") from error
        finally:
            await channel.close()


def _heartbeat(url: str) -> dict[str, Any]:
    return {} if "heartbeat=" in url else {"heartbeat": HEARTBEAT_S}
