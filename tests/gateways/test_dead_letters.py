"""Dead letters on the real broker: seen with reason and queue, put back, and not lost with a process of ШЭП."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
import pytest_asyncio

from egovkit.bus import (
    DEAD_QUEUE,
    DEAD_REASON,
    BusLimits,
    Delivery,
    Outcome,
    Outgoing,
    PublishFailure,
    QueueUnknown,
    Topology,
    Verdict,
)
from egovkit.bus.rabbit import RabbitBus
from egovkit.contracts import contracts_dir
from egovkit.testing.servers import PrivateRabbit
from sandbox.bootstrap import bearer
from sandbox.composition import ATTORNEYS, PORTAL, PROVIDER, SHEP
from sandbox.journals import read_copy

from .bus import PATIENCE, Gateways

pytestmark = [pytest.mark.connected, pytest.mark.asyncio(loop_scope="session")]
QUEUE = f"inbox.{ATTORNEYS}"  # of a system that does not run here: the test is its consumer
PATH = "/v1/dead-letters"
NOTE = {"note": "the consumer was mended"}
WAY = (("P1", "done"), ("C1", "ok"), ("P3", "done"), ("C2", "ok"))


@dataclass
class Consumer:
    """A system that may be broken, and what it was handed."""

    bus: RabbitBus
    broken: bool = False
    handed: list[Delivery] = field(default_factory=list)

    async def __call__(self, batch: Sequence[Delivery]) -> list[Outcome]:
        self.handed.extend(batch)
        return [Verdict.RETRY if self.broken else Verdict.ACK for _ in batch]

    def bodies(self, body: bytes) -> list[Delivery]:
        return [delivery for delivery in self.handed if delivery.body == body]

    async def put(self, body: bytes) -> None:
        assert await self.bus.publish([Outgoing(QUEUE, body, {"n": "1"}, f"id-{body.decode()}")]) == [None]


@pytest_asyncio.fixture(loop_scope="session")
async def consumer(gateways: Gateways) -> AsyncIterator[Consumer]:
    bus = RabbitBus(gateways.amqp_url(), limits=BusLimits(retry_delay=0.0))
    await bus.start()
    made = Consumer(bus)
    await gateways.listening[ATTORNEYS].cancel()
    await bus.consume(QUEUE, made)
    yield made
    await bus.close()
    await gateways.listen(ATTORNEYS)


async def until(gateways: Gateways, what: str, found: Callable[[], Awaitable[Any]]) -> Any:
    deadline = gateways.clock.monotonic() + PATIENCE
    while not (answer := await found()):
        assert gateways.clock.monotonic() < deadline, f"{what}: did not happen in {PATIENCE:.0f} s"
        await gateways.clock.sleep(0.05)
    return answer


async def operate(gateways: Gateways, method: str, path: str, **body: Any) -> httpx.Response:
    """An operator's call; a process that was just killed is started again meanwhile."""
    headers = {
        **bearer(gateways.admin_token(SHEP)),
        "Egov-Operator": "test",
        "Idempotency-Key": path.replace("/", "-"),
    }
    while True:
        try:
            return await gateways.http.request(method, f"{gateways.url(SHEP)}{path}", headers=headers, **body)
        except httpx.TransportError:
            await gateways.clock.sleep(0.2)


async def letters(gateways: Gateways, body: bytes) -> list[dict[str, Any]]:
    answer = await operate(gateways, "GET", f"{PATH}?queue={QUEUE}")
    return [one for one in answer.json()["items"] if one["message_id"] == f"id-{body.decode()}"]


async def dead(gateways: Gateways, consumer: Consumer, body: bytes) -> dict[str, Any]:
    """The letter of a message that its consumer could not process."""
    consumer.broken = True
    await consumer.put(body)
    [letter] = await until(gateways, "the letter", lambda: letters(gateways, body))
    consumer.broken = False
    return dict(letter)


async def test_a_poison_message_is_seen_with_its_reason_and_taken_after_its_consumer_was_mended(
    gateways: Gateways, consumer: Consumer
) -> None:
    letter = await dead(gateways, consumer, b"poison")
    assert (letter["queue"], letter["reason"], letter["state"]) == (QUEUE, "delivery_limit", "waiting")
    assert letter["deliveries"] == len(consumer.bodies(b"poison")) == 21
    consumer.handed.clear()
    answer = await operate(gateways, "POST", f"{PATH}/{letter['id']}/redrive", json=NOTE)
    assert answer.status_code == 200
    await until(gateways, "its return", lambda: returned(consumer, b"poison"))
    [taken] = consumer.bodies(b"poison")
    assert (taken.message_id, taken.headers["n"], taken.attempt, taken.dead_reason) == ("id-poison", "1", 1, None)
    assert len(await letters(gateways, b"poison")) == 1


async def test_a_letter_that_dies_again_is_a_new_one_that_names_the_first(
    gateways: Gateways, consumer: Consumer
) -> None:
    first = await dead(gateways, consumer, b"again")
    consumer.broken = True
    await operate(gateways, "POST", f"{PATH}/{first['id']}/redrive", json=NOTE)

    async def both() -> list[dict[str, Any]]:
        found = await letters(gateways, b"again")
        return found if len(found) == 2 else []

    second, _ = await until(gateways, "the second death", both)
    assert (second["first_id"], second["generation"], second["state"]) == (first["id"], 2, "waiting")
    consumer.broken = False
    consumer.handed.clear()
    answer = await operate(gateways, "POST", f"{PATH}/redrive", json={**NOTE, "queue": QUEUE})
    assert second["id"] in answer.json()["redriven"]
    await until(gateways, "its return", lambda: returned(consumer, b"again"))


async def test_what_died_in_a_queue_of_the_regions_goes_back_by_way_of_the_regional_gateway(
    gateways: Gateways,
) -> None:
    envelope = gateways.envelope("case.submitted", gateways.ids.new(), "P5", 1, gateways.data("case.submitted", WAY))
    key = (envelope.source, envelope.id)
    await gateways.put("shep.ingress", envelope)
    await gateways.until("its arrival", lambda: key in gateways.arrived[PROVIDER])
    del gateways.arrived[PROVIDER][key]
    headers = {DEAD_REASON: "case.not_served", DEAD_QUEUE: "inbox.provider-arm"}
    letter = Outgoing("dead-letters", envelope.encode(), headers, envelope.id)
    assert await gateways.mouth.publish([letter]) == [None]

    async def found() -> list[dict[str, Any]]:
        return list((await operate(gateways, "GET", f"{PATH}?case={envelope.subject}")).json()["items"])

    [stored] = await until(gateways, "the letter", found)
    assert (stored["queue"], stored["reason"]) == ("inbox.provider-arm", "case.not_served")
    await operate(gateways, "POST", f"{PATH}/{stored['id']}/redrive", json=NOTE)
    await gateways.until("its return", lambda: key in gateways.arrived[PROVIDER])
    assert gateways.copies[key] == {envelope.encode()}


async def test_a_death_between_storing_and_acknowledging_keeps_the_letter_once(
    gateways: Gateways, consumer: Consumer
) -> None:
    before = gateways.restarts(SHEP)
    gateways.fuse(SHEP).write_text("letter-stored")
    await dead(gateways, consumer, b"stored")
    await until(gateways, "the restart", lambda: restarted(gateways, before))
    await until(gateways, "an empty queue", lambda: nothing_waits(gateways))
    assert len(await letters(gateways, b"stored")) == 1


async def test_a_death_between_decision_and_publishing_loses_nothing_and_decides_nothing_twice(
    gateways: Gateways, consumer: Consumer
) -> None:
    letter = await dead(gateways, consumer, b"decided")
    consumer.handed.clear()
    before = gateways.restarts(SHEP)
    gateways.fuse(SHEP).write_text("redrive-committed")
    answer = await operate(gateways, "POST", f"{PATH}/{letter['id']}/redrive", json=NOTE)
    assert (answer.status_code, answer.headers.get("idempotency-replayed")) == (200, "true")
    assert gateways.restarts(SHEP) > before
    await until(gateways, "its return", lambda: returned(consumer, b"decided"))
    assert {delivery.body for delivery in consumer.handed} == {b"decided"}
    rows = (await read_copy(SHEP, gateways.journals()[SHEP])).rows
    assert sum(letter["id"] in (row.body or "") for row in rows) == 1


async def returned(consumer: Consumer, body: bytes) -> bool:
    return bool(consumer.bodies(body))


async def restarted(gateways: Gateways, before: int) -> bool:
    return gateways.restarts(SHEP) > before


async def nothing_waits(gateways: Gateways) -> bool:
    return await gateways.bus.depth("dead-letters") == 0


async def test_the_broker_lets_shep_alone_read_the_dead_letters_and_put_them_back_where_it_may(
    private_rabbit: PrivateRabbit,
) -> None:
    real = Topology.load(contracts_dir())
    queues = tuple(replace(spec, name=f"rights.{spec.name}") for spec in real.queues)  # beside those in use
    topology = replace(real, queues=queues, dead_letters="rights.dead-letters")
    rights = {f"{code}-rights": topology.permission(code) for code in (SHEP, PORTAL)}
    urls = await asyncio.to_thread(private_rabbit.add_users, rights)
    operator, shep, portal = buses = [RabbitBus(url) for url in (private_rabbit.url, *urls.values())]
    try:
        for bus in buses:
            await bus.start()
        await operator.declare(topology)
        with pytest.raises(QueueUnknown):
            await portal.consume(topology.dead_letters, Consumer(portal))
        await shep.consume(topology.dead_letters, Consumer(shep))
        for spec in topology.queues:
            [failure] = await shep.publish([Outgoing(spec.name, b"", {}, "1")])
            allowed = spec.name in topology.written_by(SHEP)
            assert (failure.reason if failure else None) == (None if allowed else PublishFailure.FORBIDDEN), spec
    finally:
        for bus in buses:
            await bus.close()
