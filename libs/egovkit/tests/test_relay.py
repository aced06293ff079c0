from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Row, select

from egovkit.bus import Outgoing, PublishError, PublishFailure
from egovkit.bus.memory import MemoryBus
from egovkit.clock import Clock, HandClock, SystemClock
from egovkit.db import Database, KitTables, migrate
from egovkit.outbox import OutboxItem, enqueue
from egovkit.relay import Relay, RelayPace, forget_sent

A, B = "019bc000-0000-7000-8000-00000000000a", "019bc000-0000-7000-8000-00000000000b"


class Broker(MemoryBus):
    """A bus that answers as told, remembers what came, and can hold publishes."""

    def __init__(self) -> None:
        super().__init__()
        self.came: list[str] = []
        self.batches: list[list[str]] = []
        self.refused: dict[str, PublishFailure] = {}
        self.broken = False
        self.open = asyncio.Event()
        self.open.set()

    async def publish(self, messages: Sequence[Outgoing]) -> list[PublishError | None]:
        self.batches.append([message.message_id for message in messages])
        self.came += self.batches[-1]
        await self.open.wait()
        if self.broken:
            raise ConnectionError("the whole bus")
        refusals = (self.refused.get(message.message_id) for message in messages)
        return [None if refusal is None else PublishError(refusal, "as told") for refusal in refusals]


@pytest.fixture
def broker() -> Broker:
    return Broker()


async def put(db: Database, kit: KitTables, clock: Clock, *items: tuple[str, str | None]) -> None:
    async with db.begin() as conn:
        made = [OutboxItem(id_, case, "type", "to", "queue", b"body", {"h": "v"}) for id_, case in items]
        await enqueue(conn, kit.outbox.outbox, made, clock.now())


async def rows(db: Database, kit: KitTables) -> dict[str, Row[Any]]:
    async with db.read() as conn:
        return {row.id: row for row in await conn.execute(select(kit.outbox.outbox))}


@pytest.fixture
def relay(db: Database, kit: KitTables, broker: Broker, clock: HandClock) -> Relay:
    return Relay(db, broker, kit.outbox.outbox, clock)


async def test_what_is_confirmed_is_marked_and_not_sent_again(
    db: Database, kit: KitTables, relay: Relay, broker: Broker, clock: HandClock
) -> None:
    await put(db, kit, clock, ("1", A), ("2", B), ("3", None))
    assert await relay.run_once() == 3
    assert await relay.run_once() == 0
    assert broker.batches == [["1", "2", "3"]]
    assert {row.sent_at for row in (await rows(db, kit)).values()} == {clock.now()}
    assert await relay.backlog() == 0


async def test_the_message_goes_out_with_its_bytes_and_headers(
    db: Database, kit: KitTables, broker: Broker, clock: HandClock
) -> None:
    sent: list[Outgoing] = []

    class Listening(Broker):
        async def publish(self, messages: Sequence[Outgoing]) -> list[PublishError | None]:
            sent.extend(messages)
            return [None] * len(messages)

    await put(db, kit, clock, ("1", A))
    await Relay(db, Listening(), kit.outbox.outbox, clock).run_once()
    assert sent == [Outgoing("queue", b"body", {"h": "v"}, "1")]


async def test_one_envelope_of_a_case_is_under_way_at_a_time_in_order(
    db: Database, kit: KitTables, relay: Relay, broker: Broker, clock: HandClock
) -> None:
    await put(db, kit, clock, ("a1", A), ("a2", A), ("b1", B), ("a3", A), ("n1", None), ("n2", None))
    while await relay.run_once():
        pass
    assert broker.batches == [["a1", "b1", "n1", "n2"], ["a2"], ["a3"]]


async def test_a_refused_envelope_holds_its_case_back_and_no_other(
    db: Database, kit: KitTables, relay: Relay, broker: Broker, clock: HandClock
) -> None:
    broker.refused = {"a1": PublishFailure.REJECTED}
    await put(db, kit, clock, ("a1", A), ("a2", A), ("b1", B), ("b2", B))
    while await relay.run_once():
        pass
    assert broker.came == ["a1", "b1", "b2"]
    waiting = (await rows(db, kit))["a1"]
    assert (waiting.sent_at, waiting.attempts) == (None, 1)
    assert "rejected" in waiting.last_error
    broker.refused = {}
    await clock.advance(1)
    while await relay.run_once():
        pass
    assert broker.came == ["a1", "b1", "b2", "a1", "a2"]
    assert (await rows(db, kit))["a1"].last_error is None


async def test_the_back_off_is_kept_in_the_database_and_grows(
    db: Database, kit: KitTables, relay: Relay, broker: Broker, clock: HandClock
) -> None:
    broker.refused = {"a1": PublishFailure.CLOSED}
    await put(db, kit, clock, ("a1", A))
    waits = []
    for _ in range(5):
        assert await relay.run_once() == 1
        row = (await rows(db, kit))["a1"]
        waits.append((row.next_at - clock.now()).total_seconds())
        assert await relay.run_once() == 0, "not before its time"
        await clock.advance(row.next_at - clock.now())
    assert row.attempts == 5
    assert all(0.25 * 2**n / 2 <= wait <= 0.25 * 2**n for n, wait in enumerate(waits)), waits


def test_the_back_off_is_jittered_bounded_and_repeatable() -> None:
    pace = RelayPace()
    third = {pace.delay(f"id-{number}", 3) for number in range(200)}
    assert len(third) > 190
    assert all(timedelta(seconds=0.5) <= delay <= timedelta(seconds=1) for delay in third)
    assert pace.delay("x", 1000) <= timedelta(seconds=15)
    assert pace.delay("x", 3) == pace.delay("x", 3)


async def test_a_bus_that_fails_as_a_whole_loses_nothing(
    db: Database, kit: KitTables, relay: Relay, broker: Broker, clock: HandClock
) -> None:
    broker.broken = True
    await put(db, kit, clock, ("1", A))
    with pytest.raises(ConnectionError):
        await relay.run_once()
    broker.broken = False
    assert await relay.run_once() == 1
    assert broker.came == ["1", "1"]


async def test_a_bus_that_never_answers_counts_as_failed(
    db: Database, kit: KitTables, broker: Broker, clock: HandClock
) -> None:
    broker.open.clear()
    await put(db, kit, clock, ("1", A))
    relay = Relay(db, broker, kit.outbox.outbox, clock, pace=RelayPace(publish_timeout=0.05))
    assert await relay.run_once() == 1
    assert "no answer" in (await rows(db, kit))["1"].last_error


async def test_killed_between_publish_and_mark_it_sends_again(
    db: Database, kit: KitTables, relay: Relay, broker: Broker, clock: HandClock
) -> None:
    broker.open.clear()
    await put(db, kit, clock, ("1", A))
    await relay.start()
    while not broker.came:
        await SystemClock().sleep(0.01)
    await relay.close()
    assert (await rows(db, kit))["1"].sent_at is None
    broker.open.set()
    again = Relay(db, broker, kit.outbox.outbox, clock)
    assert await again.run_once() == 1
    assert broker.came == ["1", "1"]


async def test_a_batch_is_bounded(db: Database, kit: KitTables, broker: Broker, clock: HandClock) -> None:
    await put(db, kit, clock, *((str(number), None) for number in range(7)))
    relay = Relay(db, broker, kit.outbox.outbox, clock, pace=RelayPace(batch=3))
    while await relay.run_once():
        pass
    assert [len(batch) for batch in broker.batches] == [3, 3, 1]


async def test_it_wakes_on_commit_without_waiting_for_the_poll(
    db: Database, kit: KitTables, relay: Relay, broker: Broker, clock: HandClock, until: Any
) -> None:
    await relay.start()
    await relay.start()
    await SystemClock().sleep(0.05)
    async with db.begin() as conn:
        item = OutboxItem("1", A, "type", "to", "queue", b"", {})
        await enqueue(conn, kit.outbox.outbox, [item], clock.now(), relay.wake)

    async def arrived() -> bool:
        return broker.came == ["1"]

    await until(arrived)  # the hand clock never moved
    await relay.close()


async def test_the_poll_finds_what_nobody_announced(
    db: Database, kit: KitTables, relay: Relay, broker: Broker, clock: HandClock, until: Any
) -> None:
    await relay.start()
    await put(db, kit, clock, ("1", A))

    async def arrived() -> bool:
        await clock.advance(0.3)
        return broker.came == ["1"]

    await until(arrived)
    await relay.close()


async def test_a_failing_pass_is_tried_again(
    db: Database, kit: KitTables, relay: Relay, broker: Broker, clock: HandClock, until: Any
) -> None:
    broker.broken = True
    await put(db, kit, clock, ("1", A))
    await relay.start()

    async def sent() -> bool:
        broker.broken = len(broker.came) < 2
        await clock.advance(1)
        return (await rows(db, kit))["1"].sent_at is not None

    await until(sent)
    await relay.close()


async def test_only_one_relay_works_on_a_sqlite_file_and_the_next_takes_over(
    db: Database, kit: KitTables, relay: Relay, broker: Broker, clock: HandClock
) -> None:
    other_process = Database(str(db.url))
    second = Relay(other_process, broker, kit.outbox.outbox, clock)
    await put(db, kit, clock, ("1", None))
    assert await relay.run_once() == 1
    await put(db, kit, clock, ("2", None))
    assert await second.run_once() == 0
    await relay.close()
    assert await second.run_once() == 1
    await second.close()
    await other_process.close()


async def test_rows_sent_long_ago_can_be_forgotten(
    db: Database, kit: KitTables, relay: Relay, clock: HandClock
) -> None:
    await put(db, kit, clock, ("1", None))
    await relay.run_once()
    await clock.advance(60)
    await put(db, kit, clock, ("2", None))
    async with db.begin() as conn:
        assert await forget_sent(conn, kit.outbox.outbox, clock.now()) == 1
    assert set(await rows(db, kit)) == {"2"}


@pytest.mark.connected
async def test_two_relays_on_postgresql_never_carry_two_envelopes_of_one_case(
    postgres_url: str, service_package: str, kit: KitTables, clock: HandClock
) -> None:
    """Both publish slowly; whatever overlaps in time must be of different cases, and in order within each."""
    await asyncio.to_thread(migrate, postgres_url, service_package)
    under_way: set[str] = set()
    came: list[str] = []

    class Watching(Broker):
        async def publish(self, messages: Sequence[Outgoing]) -> list[PublishError | None]:
            cases = {message.message_id[0] for message in messages}
            assert len(cases) == len(messages)
            assert not cases & under_way, "two envelopes of one case under way"
            under_way.update(cases)
            came.extend(message.message_id for message in messages)
            await SystemClock().sleep(0.02)
            under_way.difference_update(cases)
            return [None] * len(messages)

    dbs = [Database(postgres_url) for _ in range(2)]
    ids = [(f"{letter}{number}", letter) for number in range(6) for letter in "abcdefgh"]
    await put(dbs[0], kit, clock, *ids)
    relays = [Relay(db, Watching(), kit.outbox.outbox, clock, pace=RelayPace(batch=3)) for db in dbs]

    async def drain(relay: Relay) -> int:
        taken = 0
        while await relays[0].backlog():
            taken += await relay.run_once()
        return taken

    try:
        taken = await asyncio.gather(*(drain(relay) for relay in relays))
        assert sum(taken) == len(ids) == len(came)
        assert min(taken) > 0, "both worked"
        for letter in "abcdefgh":
            assert [id_ for id_ in came if id_[0] == letter] == [f"{letter}{number}" for number in range(6)]
    finally:
        for db in dbs:
            await db.close()


@pytest.mark.connected
async def test_a_relay_that_dies_on_postgresql_leaves_its_rows_to_the_next_at_once(
    postgres_url: str, service_package: str, kit: KitTables, clock: HandClock
) -> None:
    await asyncio.to_thread(migrate, postgres_url, service_package)
    dying, living = Database(postgres_url), Database(postgres_url)
    await put(living, kit, clock, ("1", A), ("2", A))
    stuck, broker = Broker(), Broker()
    stuck.open.clear()
    first, second = (Relay(db, bus, kit.outbox.outbox, clock) for db, bus in ((dying, stuck), (living, broker)))
    try:
        await first.start()
        while not stuck.came:
            await SystemClock().sleep(0.01)
        assert await second.run_once() == 0, "its case is under way elsewhere"
        await first.close()
        while await second.run_once():
            pass
        assert broker.came == ["1", "2"]
    finally:
        await dying.close()
        await living.close()


# --- a lane for every queue ------------------------------------------------------------------------------------


async def put_in(db: Database, kit: KitTables, clock: Clock, queue: str, *items: tuple[str, str | None]) -> None:
    async with db.begin() as conn:
        made = [OutboxItem(id_, case, "type", "to", queue, b"body", {}) for id_, case in items]
        await enqueue(conn, kit.outbox.outbox, made, clock.now())


class Halted(Broker):
    """Never confirms what goes to one queue: its consumer is paused."""

    def __init__(self, queue: str) -> None:
        super().__init__()
        self.queue = queue
        self.forever = asyncio.Event()

    async def publish(self, messages: Sequence[Outgoing]) -> list[PublishError | None]:
        if any(message.queue == self.queue for message in messages):
            await self.forever.wait()
        return await super().publish(messages)


async def test_a_queue_whose_consumer_is_paused_holds_no_other_queue(
    db: Database, kit: KitTables, clock: HandClock, until: Any
) -> None:
    broker = Halted("paused")
    relay = Relay(db, broker, kit.outbox.outbox, clock)
    await put_in(db, kit, clock, "paused", ("p1", A), ("p2", None))
    await put_in(db, kit, clock, "well", ("w1", B))
    await relay.start()

    async def first() -> bool:
        return broker.came == ["w1"]

    await until(first)
    await put_in(db, kit, clock, "well", ("w2", B))
    relay.wake("well")

    async def second() -> bool:
        return broker.came == ["w1", "w2"]

    await until(second)

    async def written() -> bool:
        return await relay.backlog_by_queue() == {"paused": 2}

    await until(written)
    await relay.close()


async def test_a_case_that_changes_queues_keeps_its_order_and_does_not_wait_for_the_poll(
    db: Database, kit: KitTables, broker: Broker, clock: HandClock, until: Any
) -> None:
    for number, queue in enumerate(("here", "there", "here", "there")):
        await put_in(db, kit, clock, queue, (str(number), A))
    relay = Relay(db, broker, kit.outbox.outbox, clock)
    await relay.start()

    async def all_sent() -> bool:
        return broker.came == ["0", "1", "2", "3"]

    await until(all_sent)  # the hand clock never moved
    await relay.close()


async def test_what_comes_while_its_queue_is_busy_follows_at_once(
    db: Database, kit: KitTables, relay: Relay, broker: Broker, clock: HandClock, until: Any
) -> None:
    broker.open.clear()
    await put(db, kit, clock, ("1", A))
    await relay.start()

    async def under_way() -> bool:
        return broker.came == ["1"]

    await until(under_way)
    await put(db, kit, clock, ("2", B))
    relay.wake("queue")
    broker.open.set()

    async def both() -> bool:
        return broker.came == ["1", "2"] and await relay.backlog() == 0

    await until(both)
    await relay.close()


# --- what can never be sent ------------------------------------------------------------------------------------


async def test_what_no_broker_can_take_is_dead_with_its_reason_and_its_case_goes_on(
    db: Database, kit: KitTables, relay: Relay, broker: Broker, clock: HandClock
) -> None:
    broker.refused = {"a1": PublishFailure.INVALID}
    await put(db, kit, clock, ("a1", A), ("a2", A), ("b1", B))
    while await relay.run_once():
        pass
    await clock.advance(3600)
    assert await relay.run_once() == 0, "never again"
    assert sorted(set(broker.came)) == ["a1", "a2", "b1"]
    row = (await rows(db, kit))["a1"]
    assert row.dead_at is not None and row.sent_at is None
    assert row.last_error == "invalid: as told"
    assert (await relay.backlog(), await relay.dead()) == (0, 1)


async def test_a_message_is_given_up_only_when_it_was_refused_alone(
    db: Database, kit: KitTables, clock: HandClock
) -> None:
    class Blaming(Broker):
        """As RabbitMQ, which closes the channel of a whole batch for one message that is too large."""

        async def publish(self, messages: Sequence[Outgoing]) -> list[PublishError | None]:
            await super().publish(messages)
            guilty = any(message.message_id == "large" for message in messages)
            return [PublishError(PublishFailure.INVALID, "too large") if guilty else None for _ in messages]

    broker = Blaming()
    relay = Relay(db, broker, kit.outbox.outbox, clock)
    await put(db, kit, clock, ("1", A), ("large", B), ("3", None))
    assert await relay.run_once() == 3
    found = await rows(db, kit)
    assert {id_ for id_, row in found.items() if row.dead_at} == {"large"}
    assert {id_ for id_, row in found.items() if row.sent_at} == {"1", "3"}
