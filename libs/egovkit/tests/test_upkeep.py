from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from egovkit.bus import Dead, Outgoing, PublishError, PublishFailure, Verdict
from egovkit.bus.memory import MemoryBus
from egovkit.clock import HandClock
from egovkit.db import Database, KitTables
from egovkit.outbox import OutboxItem, enqueue
from egovkit.relay import Relay
from egovkit.settings import ServiceSettings
from egovkit.upkeep import FORGET_EVERY, FORGET_FIRST, BusMetrics, forget_for_ever, forget_old


class Broker(MemoryBus):
    """Takes everything but one message that cannot be encoded."""

    async def publish(self, messages: Sequence[Outgoing]) -> list[PublishError | None]:
        odd = PublishError(PublishFailure.INVALID, "odd")
        return [odd if message.message_id == "odd" else None for message in messages]


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    return ServiceSettings(home=tmp_path, answers_kept_h=48, sent_kept_h=168)


@pytest.fixture
def relay(db: Database, kit: KitTables, clock: HandClock) -> Relay:
    return Relay(db, Broker(), kit.outbox.outbox, clock)


async def put(db: Database, kit: KitTables, clock: HandClock, *ids: str, queue: str = "inbox.x") -> None:
    async with db.begin() as conn:
        items = [OutboxItem(id_, None, "type", "to", queue, b"", {}) for id_ in ids]
        await enqueue(conn, kit.outbox.outbox, items, clock.now())


async def answer(db: Database, kit: KitTables, clock: HandClock, key: str) -> None:
    row = {"scope": "s", "key": key, "fingerprint": "0" * 64, "attempt": key, "started": clock.now()}
    async with db.begin() as conn:
        await conn.execute(kit.idempotency.insert().values(**row))


async def left(db: Database, kit: KitTables) -> tuple[set[str], set[str]]:
    async with db.read() as conn:
        keys = set((await conn.execute(select(kit.idempotency.c.key))).scalars())
        return keys, set((await conn.execute(select(kit.outbox.outbox.c.id))).scalars())


async def test_metrics_tell_what_became_of_deliveries_and_what_waits(
    db: Database, kit: KitTables, relay: Relay, clock: HandClock
) -> None:
    metrics = BusMetrics("portal-pep")
    for outcome in (Verdict.ACK, Verdict.ACK, Verdict.RETRY, Dead("signature.invalid"), Verdict.DEAD):
        metrics.taken("inbox.portal-pep", outcome)
    await put(db, kit, clock, "odd")
    await relay.run_once()
    await put(db, kit, clock, "1", "2")
    text = (await metrics.text(relay)).decode()
    name = 'egov_inbox_deliveries_total{outcome="%s",queue="inbox.portal-pep",service="portal-pep"} %s'
    for outcome, count in (("ack", "2.0"), ("retry", "1.0"), ("dead", "2.0")):
        assert name % (outcome, count) in text
    assert 'egov_outbox_waiting{queue="inbox.x",service="portal-pep"} 2.0' in text
    assert 'egov_outbox_dead{service="portal-pep"} 1.0' in text
    await relay.run_once()
    text = (await metrics.text(relay)).decode()
    assert 'egov_outbox_waiting{queue="inbox.x",service="portal-pep"} 0.0' in text


async def test_a_service_sets_gauges_of_its_own_before_every_answer() -> None:
    from prometheus_client import Gauge

    metrics, asked = BusMetrics("gateway-shep"), []
    gauge = Gauge("egov_things", "Things", registry=metrics.registry)

    async def fails() -> None:
        raise OSError

    async def refresh() -> None:
        asked.append(1)
        gauge.set(len(asked))

    metrics.ask(fails)
    metrics.ask(refresh)
    for number in (1, 2):
        assert f"egov_things {number}.0" in (await metrics.text(None)).decode()


async def test_metrics_answer_also_without_an_outbox_and_without_a_database(relay: Relay) -> None:
    async def away() -> Any:
        raise OSError

    metrics = BusMetrics("gateway-shep")
    assert b"egov_inbox_deliveries" in await metrics.text(None)
    relay.backlog_by_queue = away  # type: ignore[method-assign]
    assert b"egov_inbox_deliveries" in await metrics.text(relay)


async def test_answers_live_two_days_and_sent_envelopes_a_week(
    db: Database, kit: KitTables, relay: Relay, clock: HandClock, settings: ServiceSettings
) -> None:
    await put(db, kit, clock, "sent", "odd")
    await relay.run_once()
    await put(db, kit, clock, "waiting")
    await answer(db, kit, clock, "old")
    await clock.advance(timedelta(hours=47))
    await answer(db, kit, clock, "young")
    assert await forget_old(db, kit.idempotency, kit.outbox.outbox, clock, settings) == (0, 0)
    await clock.advance(timedelta(hours=2))
    assert await forget_old(db, kit.idempotency, kit.outbox.outbox, clock, settings) == (1, 0)
    await clock.advance(timedelta(days=6))
    assert await forget_old(db, kit.idempotency, kit.outbox.outbox, clock, settings) == (1, 1)
    assert await left(db, kit) == (set(), {"odd", "waiting"}), "what is dead or waiting is never forgotten"


async def test_forgetting_comes_back_every_hour_and_survives_an_absent_database(
    db: Database, kit: KitTables, clock: HandClock, settings: ServiceSettings, until: Any, monkeypatch: Any
) -> None:
    await answer(db, kit, clock, "old")
    await clock.advance(timedelta(days=3))
    begin = db.begin
    tries = 0

    def failing() -> Any:
        nonlocal tries
        tries += 1
        raise OSError

    monkeypatch.setattr(db, "begin", failing)
    task = asyncio.create_task(forget_for_ever(db, kit.idempotency, kit.outbox.outbox, clock, settings))
    await clock.advance(0)
    await clock.advance(FORGET_FIRST)

    async def tried() -> bool:
        return tries == 1

    await until(tried)
    monkeypatch.setattr(db, "begin", begin)
    await clock.advance(FORGET_EVERY)

    async def forgotten() -> bool:
        return await left(db, kit) == (set(), set())

    await until(forgotten)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
