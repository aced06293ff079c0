"""What only a broker can do to a bus: close connections, die, refuse, lose a queue."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace

import pytest
from aiormq.exceptions import AMQPError

from egovkit.bus import (
    BusError,
    BusLimits,
    Delivery,
    Outcome,
    Outgoing,
    PublishError,
    PublishFailure,
    QueueUnknown,
    Topology,
    Verdict,
)
from egovkit.bus.rabbit import RabbitBus
from egovkit.bus.rabbit_subscription import Ledger
from egovkit.clock import SystemClock
from egovkit.testing.servers import PrivateRabbit

LIMITS = BusLimits(retry_delay=0.0, grace=0.1)
PATIENCE_S = 60.0
worlds = itertools.count(1)


class Seen:
    """A handler that acknowledges everything and remembers the texts."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def __call__(self, batch: Sequence[Delivery]) -> list[Outcome]:
        self.texts.extend(d.body.decode() for d in batch)
        return [Verdict.ACK for _ in batch]


async def until(condition: Callable[[], bool]) -> None:
    clock = SystemClock()
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await clock.sleep(0.02)


def out(queue: str, text: str) -> Outgoing:
    return Outgoing(queue, text.encode(), {"n": text}, f"id-{text}")


def reasons(answers: Sequence[PublishError | None]) -> list[PublishFailure | None]:
    return [None if answer is None else answer.reason for answer in answers]


async def persist(bus: RabbitBus, message: Outgoing) -> None:
    """Publish as a relay does: again and again until it is confirmed."""
    clock = SystemClock()
    async with asyncio.timeout(PATIENCE_S):
        while await bus.publish([message]) != [None]:
            await clock.sleep(0.05)


@pytest.fixture
def topology() -> Topology:
    name = f"r{next(worlds)}"
    return Topology.of(f"{name}.a", f"{name}.b", dead_letters=f"{name}.dead")


Connect = Callable[[str], Awaitable[RabbitBus]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    buses: list[RabbitBus] = []

    async def made(url: str) -> RabbitBus:
        bus = RabbitBus(url, limits=LIMITS)
        buses.append(bus)
        await bus.start()
        return bus

    yield made
    for bus in buses:
        await bus.close()


@pytest.fixture
async def bus(private_rabbit: PrivateRabbit, connect: Connect, topology: Topology) -> RabbitBus:
    bus = await connect(private_rabbit.url)
    await bus.declare(topology)
    return bus


# The one rule of acknowledging: never cover a message nobody has settled.


def ledger(*tags: int) -> Ledger:
    made = Ledger()
    for tag in tags:
        made.opened(tag)
    return made


def test_a_settled_prefix_is_acknowledged_at_once() -> None:
    assert ledger(1, 2, 3, 4).settled([1, 2, 3]) == (3, [])


def test_what_lies_beyond_an_unsettled_message_is_acknowledged_singly() -> None:
    book = ledger(1, 2, 3, 4, 5)
    assert book.settled([1, 3, 5]) == (1, [3, 5])
    assert book.settled([4]) == (None, [4])
    assert book.settled([2]) == (2, [])


def test_a_returned_message_holds_nothing_up() -> None:
    book = ledger(1, 2, 3)
    assert book.returned(1)
    assert book.settled([2, 3]) == (3, [])


def test_a_message_is_settled_once_only() -> None:
    book = ledger(1, 2)
    assert book.settled([1]) == (1, [])
    assert book.settled([1]) == (None, [])
    assert not book.returned(1)


# Lost connections.


@pytest.mark.connected
async def test_after_the_broker_closed_the_connection_the_bus_comes_back_and_goes_on(
    private_rabbit: PrivateRabbit, bus: RabbitBus, topology: Topology
) -> None:
    queue, seen = topology.names[0], Seen()
    await bus.consume(queue, seen)
    assert await bus.publish([out(queue, "before")]) == [None]
    first = bus._connection
    await asyncio.to_thread(private_rabbit.close_connections)
    await persist(bus, out(queue, "after"))
    assert bus._connection is not first
    await until(lambda: seen.texts == ["before", "after"])
    assert bus.connected


@pytest.mark.connected
async def test_publishes_under_way_when_the_connection_goes_are_answered_not_raised(
    private_rabbit: PrivateRabbit, bus: RabbitBus, topology: Topology
) -> None:
    queue, answers = topology.names[0], []

    async def stream() -> None:
        for start in range(0, 100_000, 50):
            found = await bus.publish([out(queue, f"{n}") for n in range(start, start + 50)])
            answers.extend(found)
            if any(found):
                return

    streaming = asyncio.create_task(stream())
    await asyncio.to_thread(private_rabbit.close_connections)
    await asyncio.wait_for(streaming, PATIENCE_S)
    assert set(reasons(answers)) == {None, PublishFailure.CLOSED}
    await until(lambda: bus.connected)
    assert await bus.depth(queue) >= sum(answer is None for answer in answers)


@pytest.mark.connected
async def test_confirmed_messages_survive_kill_9_of_the_broker_and_the_consumer_resumes(
    private_rabbit: PrivateRabbit, bus: RabbitBus, connect: Connect, topology: Topology
) -> None:
    queue, other, seen, late = topology.names[0], topology.names[1], Seen(), Seen()
    await bus.consume(other, seen)
    assert await bus.publish([out(queue, f"{n}") for n in range(200)]) == [None] * 200
    await asyncio.to_thread(private_rabbit.kill9)
    await until(lambda: not bus.connected)
    assert reasons(await bus.publish([out(queue, "lost")])) == [PublishFailure.CLOSED]
    with pytest.raises(BusError):
        await bus.depth(queue)
    early = RabbitBus(private_rabbit.url, limits=LIMITS)
    starting = asyncio.create_task(early.start())
    await asyncio.to_thread(private_rabbit.start)
    await starting
    await early.consume(queue, late)
    await until(lambda: len(late.texts) == 200)
    assert late.texts == [f"{n}" for n in range(200)]
    await persist(bus, out(other, "resumed"))
    await until(lambda: seen.texts == ["resumed"])
    await early.close()


@pytest.mark.connected
async def test_a_bus_started_without_a_broker_is_not_connected_and_keeps_trying(
    private_rabbit: PrivateRabbit, bus: RabbitBus, topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("egovkit.bus.rabbit.CONNECT_TIMEOUT_S", 0.2)
    queue, seen = topology.names[0], Seen()
    nowhere = RabbitBus("amqp://a:b@127.0.0.1:9/egov", limits=LIMITS)
    await nowhere.start()
    assert not nowhere.connected
    waiting = await nowhere.consume(queue, seen)  # accepted: it begins when the broker is there
    assert reasons(await nowhere.publish([out(queue, "1")])) == [PublishFailure.CLOSED]
    nowhere._url = private_rabbit.url
    await persist(bus, out(queue, "1"))
    await until(lambda: seen.texts == ["1"])
    await waiting.cancel()
    await nowhere.close()


@pytest.mark.connected
async def test_a_wrong_password_is_a_bus_that_is_not_connected(
    private_rabbit: PrivateRabbit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("egovkit.bus.rabbit.CONNECT_TIMEOUT_S", 0.5)
    stranger = RabbitBus(private_rabbit.url_of("operator", "wrong"), limits=LIMITS)
    await stranger.start()
    assert not stranger.connected
    await stranger.close()


# Refusals.


@pytest.mark.connected
async def test_a_refused_exchange_fails_its_own_messages_and_no_others(
    private_rabbit: PrivateRabbit, bus: RabbitBus, connect: Connect, topology: Topology
) -> None:
    mine, foreign = topology.names[:2]
    named = replace(topology, queues=tuple(replace(q, owner="o", writers=("w",)) for q in topology.queues[:1]))
    urls = await asyncio.to_thread(private_rabbit.add_users, {"w": named.permission("w"), "o": named.permission("o")})
    writer, owner, seen = await connect(urls["w"]), await connect(urls["o"]), Seen()
    texts = [f"{n}" for n in range(20)]
    answers = await writer.publish([out(foreign if int(text) % 2 else mine, text) for text in texts])
    assert reasons(answers) == [None, PublishFailure.FORBIDDEN] * 10
    assert "refused" in str(answers[1])
    await owner.consume(mine, seen)
    await until(lambda: seen.texts == texts[::2])
    with pytest.raises(QueueUnknown):
        await writer.consume(mine, Seen())
    with pytest.raises(BusError, match="may not declare"):
        await writer.declare(topology)
    assert await writer.publish([out(mine, "still alive")]) == [None]
    await until(lambda: seen.texts[-1] == "still alive")
    assert await bus.depth(foreign) == 0


@pytest.mark.connected
async def test_a_message_that_can_not_be_buried_is_not_acknowledged(
    private_rabbit: PrivateRabbit, bus: RabbitBus, connect: Connect, topology: Topology
) -> None:
    """Without the right to write to the dead letters, DEAD ends in the broker's own dead-lettering, never in loss."""
    queue = topology.names[0]
    named = replace(topology, queues=(replace(topology.queues[0], owner="gravedigger"),))
    rights = replace(named.permission("gravedigger"), write="^$")
    urls = await asyncio.to_thread(private_rabbit.add_users, {"gravedigger": rights})
    owner = await connect(urls["gravedigger"])
    attempts: list[int] = []
    letters: list[Delivery] = []

    async def always_dead(batch: Sequence[Delivery]) -> list[Outcome]:
        attempts.extend(d.attempt for d in batch)
        return [Verdict.DEAD for _ in batch]

    async def collect(batch: Sequence[Delivery]) -> list[Outcome]:
        letters.extend(batch)
        return [Verdict.ACK for _ in batch]

    await owner.consume(queue, always_dead)
    await bus.publish([out(queue, "1")])
    await bus.consume(topology.dead_letters, collect)
    await until(lambda: len(letters) == 1)
    assert attempts == [1, 2, 3, 4, 5, 6]
    assert letters[0].dead_reason == "delivery_limit"


@pytest.mark.connected
async def test_declaring_with_other_settings_is_refused_with_a_reason(bus: RabbitBus, topology: Topology) -> None:
    with pytest.raises(BusError, match="other settings"):
        await bus.declare(replace(topology, max_length=7))
    await bus.declare(topology)


# Lost queues.


@pytest.mark.connected
async def test_an_exchange_without_its_queue_returns_the_message_as_unroutable(
    bus: RabbitBus, topology: Topology
) -> None:
    queue = topology.names[0]
    assert await bus.publish([out(queue, "1")]) == [None]
    channel = await bus.open_channel()
    await channel.queue_delete(queue)
    await channel.close()
    answers = await bus.publish([out(queue, "2"), out(queue, "2"), out(topology.names[1], "3")])
    assert reasons(answers) == [PublishFailure.UNROUTABLE, PublishFailure.UNROUTABLE, None]


async def declare_anew(bus: RabbitBus, topology: Topology) -> None:
    """RabbitMQ 3.10 may answer INTERNAL_ERROR while a quorum queue of that name is still going away."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await bus.declare(topology)
            except AMQPError:
                await SystemClock().sleep(0.3)
                await bus.wait_connected()


@pytest.mark.connected
async def test_a_consumer_whose_queue_was_deleted_and_made_anew_consumes_again(
    bus: RabbitBus, topology: Topology
) -> None:
    queue, seen = topology.names[0], Seen()
    subscription = await bus.consume(queue, seen)
    channel = await bus.open_channel()
    await channel.queue_delete(queue)
    await channel.close()
    await until(lambda: subscription._attached is None)
    await declare_anew(bus, topology)
    await persist(bus, out(queue, "1"))
    await until(lambda: seen.texts == ["1"])


@pytest.mark.connected
async def test_the_headers_of_a_foreign_client_that_are_not_text_are_left_out(
    bus: RabbitBus, topology: Topology
) -> None:
    from aiormq import spec

    queue = topology.names[0]
    got: list[Delivery] = []

    async def handler(batch: Sequence[Delivery]) -> list[Outcome]:
        got.extend(batch)
        return [Verdict.ACK for _ in batch]

    await bus.consume(queue, handler)
    channel = await bus.open_channel()
    properties = spec.Basic.Properties(headers={"text": "да", "number": 7, "table": {"a": 1}}, message_id="f")
    await channel.basic_publish(b"foreign", exchange=queue, properties=properties)
    await channel.basic_publish(b"bare", exchange=queue)
    await channel.close()
    await until(lambda: len(got) == 2)
    assert (got[0].body, dict(got[0].headers), got[0].message_id) == (b"foreign", {"text": "да"}, "f")
    assert (got[1].body, dict(got[1].headers), got[1].attempt) == (b"bare", {}, 1)
