"""One behaviour suite for both buses: what a service may rely on, whichever it runs on."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from egovkit.bus import (
    DEAD_DELIVERIES,
    DEAD_QUEUE,
    DEAD_REASON,
    Bus,
    BusLimits,
    BusUnavailable,
    Dead,
    Delivery,
    Outcome,
    Outgoing,
    PublishError,
    PublishFailure,
    QueueUnknown,
    Topology,
    Verdict,
)
from egovkit.bus.memory import MemoryBroker, MemoryBus
from egovkit.clock import SystemClock

LIMIT = 2  # the topology's delivery limit here: three deliveries in all
PATIENCE_S = 20.0
worlds = itertools.count(1)


@dataclass
class World:
    """One broker with two queues of this test's own, and as many clients as the test asks for."""

    name: str
    connect: Callable[[BusLimits], Bus]
    buses: list[Bus] = field(default_factory=list)
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    max_length: int = 1000

    @property
    def topology(self) -> Topology:
        return Topology.of(
            self.q("a"), self.q("b"), delivery_limit=LIMIT, max_length=self.max_length, dead_letters=self.q("dead")
        )

    def q(self, short: str) -> str:
        return f"{self.name}.{short}"

    async def bus(self, *, retry_delay: float = 0.0, grace: float = 0.1) -> Bus:
        bus = self.connect(BusLimits(retry_delay=retry_delay, grace=grace))
        self.buses.append(bus)
        await bus.start()
        await bus.declare(self.topology)
        return bus

    def out(self, text: str, queue: str = "a", **headers: str) -> Outgoing:
        return Outgoing(self.q(queue), text.encode(), headers, f"id-{text}")

    def send(self, bus: Bus, *texts: str, queue: str = "a") -> asyncio.Task[list[PublishError | None]]:
        """Publish in a task: the memory bus confirms only when somebody has consumed."""
        task = asyncio.create_task(bus.publish([self.out(text, queue) for text in texts]))
        self.tasks.append(task)
        return task

    async def fill(self, bus: Bus, *texts: str, queue: str = "a") -> None:
        """Publish and return when the messages wait in the queue."""
        before = await bus.depth(self.q(queue))
        self.send(bus, *texts, queue=queue)
        await until_depth(bus, self.q(queue), before + len(texts))

    async def close(self) -> None:
        for bus in self.buses:
            await bus.close()
        await asyncio.gather(*self.tasks, return_exceptions=True)


class Seen:
    """A handler that records every batch and answers by a rule; texts are the messages' names."""

    def __init__(self, rule: Callable[[Delivery], Outcome] = lambda delivery: Verdict.ACK) -> None:
        self.batches: list[list[Delivery]] = []
        self._rule = rule

    async def __call__(self, batch: Sequence[Delivery]) -> list[Outcome]:
        self.batches.append(list(batch))
        return [self._rule(delivery) for delivery in batch]

    @property
    def deliveries(self) -> list[Delivery]:
        return [delivery for batch in self.batches for delivery in batch]

    @property
    def texts(self) -> list[str]:
        return [delivery.body.decode() for delivery in self.deliveries]

    async def wait(self, count: int) -> None:
        await until(lambda: len(self.deliveries) >= count)


class Stuck:
    """A handler that holds its batch until it is told to finish."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.finish = asyncio.Event()

    async def __call__(self, batch: Sequence[Delivery]) -> list[Outcome]:
        self.entered.set()
        await self.finish.wait()
        return [Verdict.ACK for _ in batch]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await pause()


async def pause(seconds: float = 0.01) -> None:
    await SystemClock().sleep(seconds)


async def until_depth(bus: Bus, queue: str, depth: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await bus.depth(queue) != depth:
            await pause()


async def dead_letters(bus: Bus, world: World, count: int) -> list[Delivery]:
    seen = Seen()
    subscription = await bus.consume(world.q("dead"), seen)
    await seen.wait(count)
    await subscription.cancel()
    return seen.deliveries


def reasons(answers: Sequence[PublishError | None]) -> list[PublishFailure | None]:
    return [None if answer is None else answer.reason for answer in answers]


@pytest.fixture(params=["memory", pytest.param("rabbit", marks=pytest.mark.connected)])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    name = f"t{next(worlds)}"
    if request.param == "memory":
        broker = MemoryBroker()
        made = World(name, lambda limits: MemoryBus(broker=broker, limits=limits))
    else:
        from egovkit.bus.rabbit import RabbitBus

        url = request.getfixturevalue("rabbit").url
        made = World(name, lambda limits: RabbitBus(url, limits=limits, dead_letters=f"{name}.dead"))
    yield made
    await made.close()


async def test_a_message_arrives_as_the_same_bytes_and_headers(world: World) -> None:
    bus, seen = await world.bus(), Seen()
    await bus.consume(world.q("a"), seen)
    headers = {
        "content-type": "application/cloudevents+json",
        "egov-signature": "e30..c2ln" * 100,
        "x-name": "Әлия Ғұмарқызы",
        "empty": "",
    }
    body = bytes(range(256)) * 40
    assert await bus.publish([Outgoing(world.q("a"), body, headers, "0192-id")]) == [None]
    await seen.wait(1)
    assert seen.deliveries == [Delivery(world.q("a"), body, headers, "0192-id", attempt=1)]


async def test_an_empty_body_and_a_body_of_256_kib_arrive(world: World) -> None:
    bus, seen = await world.bus(), Seen()
    await bus.consume(world.q("a"), seen)
    bodies = [b"", b"\x00" * 262_144]
    answers = await bus.publish([Outgoing(world.q("a"), body, {}, f"m{len(body)}") for body in bodies])
    assert answers == [None, None]
    await seen.wait(2)
    assert [delivery.body for delivery in seen.deliveries] == bodies


async def test_a_publish_to_an_unknown_queue_is_unroutable_and_its_neighbours_are_delivered(
    world: World,
) -> None:
    bus, seen = await world.bus(), Seen()
    await bus.consume(world.q("a"), seen)
    answers = await bus.publish([world.out("1"), world.out("2", "nowhere"), world.out("3")])
    assert reasons(answers) == [None, PublishFailure.UNROUTABLE, None]
    await seen.wait(2)
    assert seen.texts == ["1", "3"]
    assert reasons(await bus.publish([world.out("4", "nowhere"), world.out("5")])) == [
        PublishFailure.UNROUTABLE,
        None,
    ]


async def test_what_can_not_be_encoded_is_invalid_and_its_neighbours_are_delivered(world: World) -> None:
    bus, seen = await world.bus(), Seen()
    await bus.consume(world.q("a"), seen)
    odd: list[Any] = [
        Outgoing(world.q("a"), "text", {}, "m1"),  # type: ignore[arg-type]
        Outgoing(world.q("a"), b"", {"number": 7}, "m2"),  # type: ignore[dict-item]
        Outgoing(world.q("a"), b"", {"n" * 129: ""}, "m3"),
        Outgoing(world.q("a"), b"", {"large": "x" * 121_000}, "m4"),
        Outgoing(world.q("a"), b"", {}, "i" * 256),
        Outgoing(world.q("a"), b"", {}, ""),
        Outgoing(world.q("a"), b"", {"half": "\ud800"}, "m5"),
        Outgoing("очередь", b"", {}, "m6"),
    ]
    assert reasons(await bus.publish(odd)) == [PublishFailure.INVALID] * 8
    answers = reasons(await bus.publish([world.out("1"), *odd, world.out("2")]))
    assert answers == [None, *[PublishFailure.INVALID] * 8, None]
    await seen.wait(2)
    assert seen.texts == ["1", "2"]


async def test_a_bus_that_is_not_started_or_closed_answers_closed(world: World) -> None:
    bus = await world.bus()
    stranger = world.connect(BusLimits())
    assert reasons(await stranger.publish([world.out("1")])) == [PublishFailure.CLOSED]
    assert not stranger.connected
    with pytest.raises(BusUnavailable):
        await stranger.consume(world.q("a"), Seen())
    assert bus.connected
    await bus.close()
    assert not bus.connected
    assert reasons(await bus.publish([world.out("1"), world.out("2")])) == [PublishFailure.CLOSED] * 2


async def test_a_closed_bus_can_be_started_again(world: World) -> None:
    bus, seen = await world.bus(), Seen()
    await bus.close()
    await bus.start()
    await bus.consume(world.q("a"), seen)
    assert await bus.publish([world.out("1")]) == [None]
    await seen.wait(1)


async def test_batches_respect_max_batch_and_keep_the_order(world: World) -> None:
    bus, seen = await world.bus(), Seen()
    texts = [str(n) for n in range(25)]
    await world.fill(bus, *texts)
    await bus.consume(world.q("a"), seen, max_batch=10)
    await seen.wait(25)
    assert seen.texts == texts
    assert max(len(batch) for batch in seen.batches) <= 10
    assert len(seen.batches) < 25, "messages that wait together are handed over together"


async def test_a_batch_is_never_larger_than_the_prefetch(world: World) -> None:
    bus, seen = await world.bus(), Seen()
    await world.fill(bus, *[str(n) for n in range(9)])
    await bus.consume(world.q("a"), seen, prefetch=3)
    await seen.wait(9)
    assert max(len(batch) for batch in seen.batches) <= 3


async def test_a_lone_message_is_not_kept_waiting_for_a_full_batch(world: World) -> None:
    bus, seen = await world.bus(), Seen()
    await bus.consume(world.q("a"), seen, max_batch=100)
    for text in ("1", "2"):
        assert await bus.publish([world.out(text)]) == [None]
        await seen.wait(int(text))
    assert [len(batch) for batch in seen.batches] == [1, 1]


async def test_each_verdict_of_a_batch_applies_to_its_own_message(world: World) -> None:
    bus = await world.bus()
    verdicts: dict[str, Outcome] = {
        "ack": Verdict.ACK, "retry": Verdict.RETRY, "dead": Verdict.DEAD,
        "reasoned": Dead("data.invalid"), "ack2": Verdict.ACK,
    }  # fmt: skip
    seen = Seen(lambda d: verdicts[d.body.decode()] if d.attempt == 1 else Verdict.ACK)
    await world.fill(bus, *verdicts)
    await bus.consume(world.q("a"), seen)
    await seen.wait(6)
    assert sorted(seen.texts) == sorted([*verdicts, "retry"])
    assert [d.body for d in seen.deliveries if d.attempt == 2] == [b"retry"]
    letters = await dead_letters(bus, world, 2)
    assert {(letter.body, letter.dead_reason) for letter in letters} == {
        (b"dead", "dead"),
        (b"reasoned", "data.invalid"),
    }
    assert {letter.headers[DEAD_QUEUE] for letter in letters} == {world.q("a")}
    assert await bus.depth(world.q("a")) == 0


async def test_a_dead_letter_keeps_its_body_headers_and_id(world: World) -> None:
    bus = await world.bus()
    await bus.consume(world.q("a"), Seen(lambda d: Dead("case.unknown")))
    assert await bus.publish([world.out("x", traceparent="00-1-2-01")]) == [None]
    (letter,) = await dead_letters(bus, world, 1)
    assert (letter.body, letter.message_id) == (b"x", "id-x")
    assert letter.headers == {
        "traceparent": "00-1-2-01",
        DEAD_REASON: "case.unknown",
        DEAD_QUEUE: world.q("a"),
        DEAD_DELIVERIES: "1",
    }


async def test_retry_redelivers_until_the_delivery_limit_and_then_the_message_is_dead(world: World) -> None:
    bus, seen = await world.bus(), Seen(lambda d: Verdict.RETRY)
    await bus.consume(world.q("a"), seen)
    world.send(bus, "poison")
    (letter,) = await dead_letters(bus, world, 1)
    assert [d.attempt for d in seen.deliveries] == [1, 2, 3]
    assert (letter.body, letter.dead_reason, letter.headers[DEAD_QUEUE]) == (
        b"poison",
        "delivery_limit",
        world.q("a"),
    )


async def test_a_redriven_dead_letter_starts_anew_in_the_queue_it_died_in(world: World) -> None:
    bus = await world.bus()
    dying = await bus.consume(world.q("a"), Seen(lambda d: Verdict.RETRY))
    world.send(bus, "again")
    (letter,) = await dead_letters(bus, world, 1)
    await dying.cancel()
    seen = Seen()
    await bus.consume(world.q("a"), seen)
    assert await bus.publish([letter.redriven()]) == [None]
    await seen.wait(1)
    assert seen.deliveries == [Delivery(world.q("a"), b"again", {}, "id-again", attempt=1)]
    with pytest.raises(ValueError, match="no dead letter"):
        seen.deliveries[0].redriven()


async def test_an_exception_hands_each_message_over_alone_so_that_one_does_not_take_the_others_with_it(
    world: World,
) -> None:
    bus = await world.bus()
    committed: list[str] = []

    async def handler(batch: Sequence[Delivery]) -> list[Outcome]:
        if any(d.body == b"poison" for d in batch):
            raise RuntimeError("the whole transaction rolled back")
        committed.extend(d.body.decode() for d in batch)
        return [Verdict.ACK for _ in batch]

    await world.fill(bus, "1", "2", "poison", "3")
    await bus.consume(world.q("a"), handler)
    (letter,) = await dead_letters(bus, world, 1)
    assert committed == ["1", "2", "3"]
    assert (letter.body, letter.dead_reason) == (b"poison", "delivery_limit")


async def test_a_handler_that_answers_for_fewer_messages_than_it_got_loses_none(world: World) -> None:
    bus = await world.bus()
    seen: list[bytes] = []

    async def handler(batch: Sequence[Delivery]) -> list[Outcome]:
        if len(batch) > 1:
            return [Verdict.ACK]
        seen.append(batch[0].body)
        return [Verdict.ACK]

    await world.fill(bus, "1", "2", "3")
    await bus.consume(world.q("a"), handler)
    await until(lambda: len(seen) == 3)
    assert seen == [b"1", b"2", b"3"]


async def test_a_message_held_back_for_its_retry_does_not_hold_up_the_others(world: World) -> None:
    bus = await world.bus(retry_delay=0.3)
    seen = Seen(lambda d: Verdict.RETRY if (d.body, d.attempt) == (b"later", 1) else Verdict.ACK)
    await world.fill(bus, "later", "1", "2")
    await bus.consume(world.q("a"), seen, max_batch=1)
    await seen.wait(4)
    assert seen.texts == ["later", "1", "2", "later"]
    assert seen.deliveries[-1].attempt == 2


async def test_a_message_held_back_for_its_retry_comes_back_at_once_when_its_consumer_closes(
    world: World,
) -> None:
    bus, other, seen = await world.bus(retry_delay=25.0), await world.bus(), Seen()
    first = Seen(lambda d: Verdict.RETRY if d.body == b"held" else Verdict.ACK)
    await world.fill(other, "1", "held", "2", "3")
    await bus.consume(world.q("a"), first)
    await first.wait(4)
    await bus.close()
    await other.consume(world.q("a"), seen)
    await seen.wait(1)
    await pause(0.1)
    assert [(d.body, d.attempt) for d in seen.deliveries] == [(b"held", 2)], "and nothing that was settled"


async def test_what_a_handler_still_holds_at_close_is_redelivered_to_the_next_consumer(world: World) -> None:
    sender, victim, seen, stuck = await world.bus(), await world.bus(), Seen(), Stuck()
    await world.fill(sender, "1", "2", "3")
    await victim.consume(world.q("a"), stuck, max_batch=2)
    await stuck.entered.wait()
    await victim.close()
    heir = await world.bus()
    await heir.consume(world.q("a"), seen)
    await seen.wait(3)
    assert seen.texts == ["1", "2", "3"]
    assert [d.attempt for d in seen.deliveries][:2] == [2, 2]


async def test_a_handler_that_finishes_within_the_grace_of_close_is_settled(world: World) -> None:
    sender, leaving, seen, stuck = await world.bus(), await world.bus(grace=10.0), Seen(), Stuck()
    sent = world.send(sender, "1")
    await leaving.consume(world.q("a"), stuck)
    await stuck.entered.wait()
    closing = asyncio.create_task(leaving.close())
    await pause()
    assert not closing.done()
    stuck.finish.set()
    await closing
    assert await sent == [None]
    await sender.consume(world.q("a"), seen)
    await pause(0.2)
    assert seen.texts == []


async def test_after_cancel_nothing_more_comes_and_the_rest_waits_for_another_consumer(world: World) -> None:
    bus, heir, stuck = await world.bus(grace=10.0), Seen(), Stuck()
    await world.fill(bus, "1", "2", "3")
    subscription = await bus.consume(world.q("a"), stuck, max_batch=1)
    await stuck.entered.wait()
    cancelling = asyncio.create_task(subscription.cancel())
    await pause()  # the cancellation is known before the first batch is let go, or all three might be taken
    stuck.finish.set()
    await cancelling
    await subscription.cancel()
    await until_depth(bus, world.q("a"), 2)  # what was fetched ahead comes back a moment after the channel closed
    await bus.consume(world.q("a"), heir)
    await heir.wait(2)
    assert heir.texts == ["2", "3"]


async def test_a_handler_may_cancel_its_own_subscription(world: World) -> None:
    bus = await world.bus()
    subscriptions: list[Any] = []
    seen: list[bytes] = []

    async def handler(batch: Sequence[Delivery]) -> list[Outcome]:
        seen.extend(d.body for d in batch)
        await subscriptions[0].cancel()
        return [Verdict.ACK for _ in batch]

    subscriptions.append(await bus.consume(world.q("a"), handler, max_batch=1))
    sent = world.send(bus, "1")
    await until(lambda: seen == [b"1"])
    assert await sent == [None]
    await world.fill(bus, "2")
    await pause(0.05)
    assert seen == [b"1"]


async def test_a_full_queue_rejects_publishes_and_takes_them_again_when_it_has_room(world: World) -> None:
    world.max_length = 5
    bus, seen = await world.bus(), Seen()
    tasks: list[asyncio.Task[list[PublishError | None]]] = []

    def rejected() -> bool:
        return any(t.done() and reasons(t.result()) == [PublishFailure.REJECTED] for t in tasks)

    for number in range(50):  # RabbitMQ's limit is a soft one: it lets a few more in
        tasks.append(world.send(bus, f"{number}"))
        await pause(0.02)
        if rejected():
            break
    assert rejected()
    await bus.consume(world.q("a"), seen)
    taken = sum(not (t.done() and reasons(t.result()) == [PublishFailure.REJECTED]) for t in tasks)
    assert taken >= 5
    await seen.wait(taken)
    async with asyncio.timeout(PATIENCE_S):
        while await bus.publish([world.out("after")]) != [None]:
            await pause()
    await until(lambda: "after" in seen.texts)
    answers = [reasons(await task)[0] for task in tasks]
    confirmed = [f"{number}" for number, answer in enumerate(answers) if answer is None]
    assert set(confirmed) <= set(seen.texts), "what was confirmed was delivered"


async def test_two_consumers_share_a_queue(world: World) -> None:
    bus, other, first, second = await world.bus(), await world.bus(), Stuck(), Stuck()
    await bus.consume(world.q("a"), first, prefetch=1, max_batch=1)
    await other.consume(world.q("a"), second, prefetch=1, max_batch=1)
    sent = world.send(bus, "1", "2")
    await asyncio.wait_for(asyncio.gather(first.entered.wait(), second.entered.wait()), PATIENCE_S)
    first.finish.set()
    second.finish.set()
    assert await sent == [None, None]


async def test_two_consumers_together_get_every_message_once(world: World) -> None:
    bus, other, one, two = await world.bus(), await world.bus(), Seen(), Seen()
    await bus.consume(world.q("a"), one, prefetch=5, max_batch=5)
    await other.consume(world.q("a"), two, prefetch=5, max_batch=5)
    texts = [str(n) for n in range(100)]
    assert await world.send(bus, *texts) == [None] * 100
    await until(lambda: len(one.texts) + len(two.texts) >= 100)
    assert sorted(one.texts + two.texts) == sorted(texts)


async def test_publishing_500_in_one_call_confirms_each(world: World) -> None:
    bus, seen = await world.bus(), Seen()
    await bus.consume(world.q("a"), seen)
    texts = [str(n) for n in range(500)]
    answers = await bus.publish([world.out(text) for text in texts])
    assert answers == [None] * 500
    await seen.wait(500)
    assert seen.texts == texts


async def test_the_order_of_one_publisher_is_kept_for_one_consumer(world: World) -> None:
    bus, seen = await world.bus(), Seen()
    await bus.consume(world.q("a"), seen, max_batch=7)
    for start in range(0, 120, 40):
        assert await bus.publish([world.out(f"{n}") for n in range(start, start + 40)]) == [None] * 40
    await seen.wait(120)
    assert seen.texts == [f"{n}" for n in range(120)]


async def test_the_same_id_twice_in_one_call_is_two_messages(world: World) -> None:
    bus, seen = await world.bus(), Seen()
    await bus.consume(world.q("a"), seen)
    assert await bus.publish([world.out("same"), world.out("same")]) == [None, None]
    await seen.wait(2)
    assert seen.texts == ["same", "same"]


async def test_the_same_id_published_by_two_tasks_is_two_messages(world: World) -> None:
    bus, seen = await world.bus(), Seen()
    await bus.consume(world.q("a"), seen)
    calls = [bus.publish([world.out("same"), world.out(f"{n}")]) for n in range(5)]
    assert await asyncio.gather(*calls) == [[None, None]] * 5
    await seen.wait(10)
    assert sorted(seen.texts) == sorted([*["same"] * 5, *"01234"])


async def test_tasks_that_publish_at_once_each_get_their_own_answers(world: World) -> None:
    bus, seen = await world.bus(), Seen()
    await bus.consume(world.q("a"), seen)
    calls = [bus.publish([world.out(f"{n}"), world.out("x", "nowhere")]) for n in range(20)]
    for answers in await asyncio.gather(*calls):
        assert reasons(answers) == [None, PublishFailure.UNROUTABLE]
    await seen.wait(20)
    assert sorted(seen.texts) == sorted(f"{n}" for n in range(20))


async def test_a_long_content_type_is_a_header_like_any_other(world: World) -> None:
    bus, seen = await world.bus(), Seen()
    await bus.consume(world.q("a"), seen)
    headers = {"content-type": "application/" + "x" * 300}
    assert await bus.publish([Outgoing(world.q("a"), b"", headers, "1")]) == [None]
    await seen.wait(1)
    assert seen.deliveries[0].headers == headers


async def test_publishing_nothing_is_answered_with_nothing(world: World) -> None:
    bus = await world.bus()
    assert await bus.publish([]) == []


async def test_a_publisher_that_is_cancelled_leaves_the_bus_in_order(world: World) -> None:
    bus, seen = await world.bus(), Seen()
    for number in range(10):
        task = asyncio.create_task(bus.publish([world.out(f"{number}.{n}") for n in range(50)]))
        for _ in range(number):
            await pause(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await bus.consume(world.q("a"), seen)
    assert await bus.publish([world.out("last")]) == [None]
    await until(lambda: "last" in seen.texts)


async def test_a_paused_subscription_takes_nothing_until_it_is_resumed(world: World) -> None:
    bus, seen = await world.bus(), Seen()
    subscription = await bus.consume(world.q("a"), seen)
    await subscription.pause()
    sent = world.send(bus, "1", "2")
    await pause(0.1)
    assert seen.texts == []
    await subscription.resume()
    assert await sent == [None, None]
    await seen.wait(2)
    assert seen.texts == ["1", "2"]


async def test_pause_returns_when_no_batch_is_in_the_handlers_hands(world: World) -> None:
    bus, stuck = await world.bus(), Stuck()
    subscription = await bus.consume(world.q("a"), stuck)
    world.send(bus, "1")
    await stuck.entered.wait()
    pausing = asyncio.create_task(subscription.pause())
    await pause()
    assert not pausing.done()
    stuck.finish.set()
    await pausing


async def test_a_paused_subscription_can_be_cancelled(world: World) -> None:
    bus, seen = await world.bus(), Seen()
    subscription = await bus.consume(world.q("a"), seen)
    await subscription.pause()
    world.send(bus, "1")
    await pause(0.05)
    await subscription.cancel()
    await until_depth(bus, world.q("a"), 1)
    assert seen.texts == []
    assert subscription.queue == world.q("a")


async def test_depth_counts_what_waits_in_the_queue(world: World) -> None:
    bus = await world.bus()
    assert await bus.depth(world.q("a")) == 0
    await world.fill(bus, "1", "2", "3")
    await world.fill(bus, "1", queue="b")
    assert await bus.depth(world.q("a")) == 3
    assert await bus.depth(world.q("b")) == 1


async def test_an_undeclared_queue_can_be_neither_consumed_nor_measured(world: World) -> None:
    bus = await world.bus()
    with pytest.raises(QueueUnknown):
        await bus.consume(world.q("nowhere"), Seen())
    with pytest.raises(QueueUnknown):
        await bus.depth(world.q("nowhere"))
    with pytest.raises(QueueUnknown):
        await bus.consume("очередь", Seen())
    with pytest.raises(QueueUnknown):
        await bus.depth("очередь")
    assert await bus.depth(world.q("a")) == 0, "a refused question does no harm"


async def test_declaring_again_keeps_the_messages(world: World) -> None:
    bus, seen = await world.bus(), Seen()
    await world.fill(bus, "1")
    await bus.declare(world.topology)
    await bus.consume(world.q("a"), seen)
    await seen.wait(1)


async def test_a_handler_may_publish_to_another_queue(world: World) -> None:
    bus, seen = await world.bus(), Seen()

    async def forward(batch: Sequence[Delivery]) -> list[Outcome]:
        answers = await bus.publish([world.out(d.body.decode() + "!", "b") for d in batch])
        return [Verdict.ACK if answer is None else Verdict.RETRY for answer in answers]

    await bus.consume(world.q("b"), seen)
    await bus.consume(world.q("a"), forward)
    assert await world.send(bus, "1", "2") == [None, None]
    await seen.wait(2)
    assert seen.texts == ["1!", "2!"]


async def test_a_handler_runs_in_another_task_than_the_publisher(world: World) -> None:
    bus = await world.bus()
    tasks: list[asyncio.Task[Any] | None] = []

    async def handler(batch: Sequence[Delivery]) -> list[Outcome]:
        tasks.append(asyncio.current_task())
        return [Verdict.ACK for _ in batch]

    await bus.consume(world.q("a"), handler)
    await bus.publish([world.out("1")])
    await until(lambda: len(tasks) == 1)
    assert tasks[0] is not asyncio.current_task()


# What only the memory bus promises, because nothing in it outlives the process.


async def test_memory_confirms_only_when_the_consumer_has_settled_the_message() -> None:
    bus, stuck = MemoryBus(), Stuck()
    await bus.declare(Topology.of("a"))
    await bus.start()
    await bus.consume("a", stuck)
    publishing = asyncio.create_task(bus.publish([Outgoing("a", b"1", {}, "1")]))
    await stuck.entered.wait()
    await pause()
    assert not publishing.done()
    stuck.finish.set()
    assert await publishing == [None]
    await bus.close()


async def test_memory_answers_closed_for_what_nobody_settled_before_the_publisher_closed() -> None:
    bus = MemoryBus()
    await bus.declare(Topology.of("a"))
    await bus.start()
    publishing = asyncio.create_task(bus.publish([Outgoing("a", b"1", {}, "1")]))
    await pause()
    await bus.close()
    assert reasons(await publishing) == [PublishFailure.CLOSED]


async def test_memory_clients_of_one_broker_close_for_themselves_alone() -> None:
    bus = MemoryBus(delivery_limit=1)
    await bus.declare(Topology.of("a"))
    await bus.start()
    other, seen = bus.client(), Seen()
    await other.start()
    await other.consume("a", seen)
    assert await bus.publish([Outgoing("a", b"1", {}, "1")]) == [None]
    await other.close()
    assert bus.connected
    assert not other.connected
    await bus.close()


async def test_memory_hands_over_copies_of_the_headers() -> None:
    bus, headers = MemoryBus(), {"name": "before"}
    await bus.declare(Topology.of("a"))
    await bus.start()
    publishing = asyncio.create_task(bus.publish([Outgoing("a", b"1", headers, "1")]))
    await pause()
    headers["name"] = "after"
    seen = Seen()
    await bus.consume("a", seen)
    await publishing
    assert seen.deliveries[0].headers == {"name": "before"}
    await bus.close()


async def test_memory_withdraws_what_its_publisher_stopped_waiting_for() -> None:
    """A relay that gives up and publishes again must not fill the queue of a consumer that is away."""
    bus = MemoryBus()
    await bus.declare(Topology.of("a"))
    await bus.start()
    for _ in range(5):
        publishing = asyncio.create_task(bus.publish([Outgoing("a", b"1", {}, "1")]))
        await pause()
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
    assert await bus.depth("a") == 0
    publishing = asyncio.create_task(
        bus.publish([Outgoing("a", b"1", {}, "1"), Outgoing("dead-letters", b"2", {}, "2")])
    )
    await pause()
    publishing.cancel()
    await asyncio.gather(publishing, return_exceptions=True)
    assert await bus.depth("dead-letters") == 1, "what is confirmed stays"
    await bus.close()


async def test_what_is_put_into_a_queue_nobody_here_consumes_is_safe_at_once_and_waits() -> None:
    broker = MemoryBroker()
    broker.declare(Topology.of("here", "elsewhere"))
    broker.keep(["elsewhere"])
    bus = MemoryBus(broker=broker)
    await bus.start()
    assert await bus.publish([Outgoing("elsewhere", b"news", {}, "m1")]) == [None]
    assert await bus.depth("elsewhere") == 1
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(bus.publish([Outgoing("here", b"news", {}, "m2")]), 0.01)
    await bus.close()
