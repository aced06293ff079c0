"""Confirmed publishing to one exchange, on a channel of its own.

RabbitMQ refuses a publish by closing its channel, and every unconfirmed message of that channel goes with it. So
no two exchanges share a channel, and the first message of a channel goes alone: what is queued behind a refused
message would reach the broker after the close was agreed, and for that it closes the whole connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial

from aiormq import Channel, spec
from aiormq.abc import ChannelFrame, FrameType
from aiormq.exceptions import (
    AMQPError,
    ChannelAccessRefused,
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    DeliveryError,
)
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from egovkit.bus import BusUnavailable, Outgoing, PublishError, PublishFailure
from egovkit.bus.batches import SHORT_TEXT, unencodable

CONFIRM_TIMEOUT_S = 30.0  # a broker out of memory or disk stops reading; senders must not hang with it
PERSISTENT = 2  # AMQP's delivery mode
WRITE_SIZE = 262_144  # bytes given to the socket at once, so that heartbeats and acknowledgements come between

Confirm = asyncio.Future[object]
Answer = PublishError | None


class ExchangePublisher:
    """Publishes to one exchange, opening its channel when it is first needed and after it was lost."""

    def __init__(self, open_channel: Callable[[], Awaitable[Channel]]) -> None:
        self._open_channel = open_channel
        self._proven: ConfirmedChannel | None = None  # the broker answered on it: the exchange is there, and ours
        self._proving = asyncio.Lock()

    async def publish(self, messages: Sequence[Outgoing]) -> list[Answer]:
        """One answer per message, in order."""
        answers: list[Answer] = [None] * len(messages)
        good: list[int] = []
        for position, message in enumerate(messages):
            problem = unencodable(message)
            if problem is None:
                good.append(position)
            else:
                answers[position] = PublishError(PublishFailure.INVALID, problem)
        found = await self._publish([messages[position] for position in good])
        for position, answer in zip(good, found, strict=True):
            answers[position] = answer
        return answers

    async def _publish(self, messages: Sequence[Outgoing]) -> list[Answer]:
        answers: list[Answer] = []
        if messages and not self._ready:
            async with self._proving:  # of several callers one proves the channel, the others find it proven
                if not self._ready:
                    answers = await self._prove(messages)
        rest = messages[len(answers) :]
        if self._proven is None or not rest:
            return answers
        return answers + await self._proven.publish(rest)

    @property
    def _ready(self) -> bool:
        return self._proven is not None and not self._proven.channel.is_closed

    async def _prove(self, messages: Sequence[Outgoing]) -> list[Answer]:
        """Publish the first message on a new channel. Its answer alone, or the refusal for all of them."""
        self._proven = None
        try:
            fresh = ConfirmedChannel(await self._open_channel())
        except BusUnavailable as error:
            return [PublishError(PublishFailure.CLOSED, str(error))] * len(messages)
        (answer,) = await fresh.publish(messages[:1])
        if fresh.channel.is_closed or (answer is not None and answer.reason is PublishFailure.CLOSED):
            return [answer] * len(messages)
        self._proven = fresh
        return [answer]


class ConfirmedChannel:
    """A channel that writes whole batches and waits for the broker's confirm of each message.

    aiormq's own `basic_publish` takes one task, one timer and one system call a message; this takes one of each a
    batch, keeping aiormq's book of confirms as it does itself.
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._under_way: dict[str, Confirm] = {}  # by message id

    async def publish(self, messages: Sequence[Outgoing]) -> list[Answer]:
        """One answer per message, in order. A quorum queue confirms when a majority has the message on disk."""
        answers: list[Answer] = [None] * len(messages)
        rest = list(range(len(messages)))
        while rest:
            wave, rest = self._of_different_ids(messages, rest)
            if not wave:
                await asyncio.wait(
                    {self._under_way[messages[n].message_id] for n in rest},
                    return_when=asyncio.FIRST_COMPLETED,
                )
            for position, answer in zip(wave, await self._send([messages[n] for n in wave]), strict=True):
                answers[position] = answer
        return answers

    def _of_different_ids(self, messages: Sequence[Outgoing], positions: Sequence[int]) -> tuple[list[int], list[int]]:
        """Those that may go now, and the rest: aiormq finds a message the broker returns by its id alone."""
        ids = set(self._under_way)
        now: list[int] = []
        later: list[int] = []
        for position in positions:
            message_id = messages[position].message_id
            (later if message_id in ids else now).append(position)
            ids.add(message_id)
        return now, later

    async def _send(self, messages: Sequence[Outgoing]) -> list[Answer]:
        confirms: list[Confirm] = []
        failure: BaseException = TimeoutError(f"no confirm within {CONFIRM_TIMEOUT_S:.0f} s")
        try:
            async with asyncio.timeout(CONFIRM_TIMEOUT_S):
                async with self.channel.lock:
                    for part in _parts(messages):
                        confirms.extend(await self._write(part))
                if confirms:
                    await asyncio.wait(confirms)
        except TimeoutError:
            pass  # what has no confirm by now is answered with that
        except (AMQPError, OSError, RuntimeError) as error:  # the channel was closed before all was written
            failure = error
        answers = [self._answer(confirm, failure) for confirm in confirms]
        unsent = len(messages) - len(confirms)
        return answers + [_publish_error(self.channel, failure)] * unsent

    async def _write(self, messages: Sequence[Outgoing]) -> list[Confirm]:
        """Number the messages and queue them for the socket; the caller holds the channel's lock."""
        channel = self.channel
        frames = [frame for message in messages for frame in _frames(message, channel.max_content_size)]
        batch = ChannelFrame.marshall(channel.number, frames)
        before = channel.delivery_tag
        confirms: list[Confirm] = []
        for tag, message in enumerate(messages, before + 1):
            confirm: Confirm = channel.create_future()
            channel.confirmations[tag] = confirm
            channel.message_id_delivery_tag[message.message_id] = tag
            self._under_way[message.message_id] = confirm
            confirm.add_done_callback(partial(self._forget, message.message_id))
            confirms.append(confirm)
        channel.delivery_tag += len(messages)
        try:
            await channel.write_queue.put(batch)
        except BaseException:  # the broker has not seen them, so its next confirm counts from before them
            channel.delivery_tag = before
            for tag, confirm in enumerate(confirms, before + 1):
                channel.confirmations.pop(tag, None)
                confirm.cancel()
            raise
        return confirms

    def _forget(self, message_id: str, confirm: Confirm) -> None:
        if self._under_way.get(message_id) is confirm:
            del self._under_way[message_id]
            self.channel.message_id_delivery_tag.pop(message_id, None)

    def _answer(self, confirm: Confirm, failure: BaseException) -> Answer:
        if not confirm.done():
            confirm.cancel()
            return _publish_error(self.channel, failure)
        error = asyncio.CancelledError() if confirm.cancelled() else confirm.exception()
        return None if error is None else _publish_error(self.channel, error)


def _parts(messages: Sequence[Outgoing]) -> Iterator[list[Outgoing]]:
    part: list[Outgoing] = []
    size = 0
    for message in messages:
        part.append(message)
        size += len(message.body)
        if size >= WRITE_SIZE:
            yield part
            part, size = [], 0
    if part:
        yield part


def _frames(message: Outgoing, frame_size: int) -> Iterator[FrameType]:
    yield spec.Basic.Publish(exchange=message.queue, routing_key="", mandatory=True)
    kind = message.headers.get("content-type", "")
    properties = spec.Basic.Properties(
        message_id=message.message_id,
        delivery_mode=PERSISTENT,
        headers=dict(message.headers),
        content_type=kind if len(kind.encode()) <= SHORT_TEXT else None,  # for foreign clients; ours read the header
    )
    yield ContentHeader(properties=properties, body_size=len(message.body))
    for start in range(0, len(message.body), frame_size):
        yield ContentBody(message.body[start : start + frame_size])


def _publish_error(channel: Channel, error: BaseException) -> PublishError:
    """What the caller may do about it. A closed channel's own reason counts, not that it is closed now."""
    if isinstance(error, ChannelInvalidStateError | asyncio.CancelledError):
        closing = channel.closing
        if closing.done() and not closing.cancelled():
            error = closing.exception() or error
    reason = PublishFailure.CLOSED
    if isinstance(error, ChannelNotFoundEntity):
        reason = PublishFailure.UNROUTABLE
    elif isinstance(error, ChannelAccessRefused):
        reason = PublishFailure.FORBIDDEN
    elif isinstance(error, ChannelPreconditionFailed):  # larger than the broker's max_message_size
        reason = PublishFailure.INVALID
    elif isinstance(error, DeliveryError):
        returned = isinstance(error.frame, spec.Basic.Return)
        reason = PublishFailure.UNROUTABLE if returned else PublishFailure.REJECTED
    return PublishError(reason, str(error) or repr(error))
