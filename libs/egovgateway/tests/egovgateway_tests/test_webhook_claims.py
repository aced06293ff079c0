"""Claims on a real PostgreSQL: processes share the deliveries, no two hold one, and each case keeps its order."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import MetaData, Table, select, update

from egovgateway.domain import EnvelopeState
from egovgateway.tables import WebhookTables, gateway_tables, webhook_tables
from egovgateway.webhooks.store import ACTIVE, Claim, DeliveryState, WebhookStore
from egovkit.clock import HandClock
from egovkit.db import Database
from egovkit.ids import Ids
from egovkit.testing.journal import BODIES

if TYPE_CHECKING:
    from egovkit.testing.servers import PrivatePostgres

pytestmark = pytest.mark.connected
CASES, EACH, PROCESSES = 6, 5, 4
LEASE = timedelta(seconds=30)


@dataclass
class Shared:
    """One database as several processes see it."""

    dbs: list[Database]
    store: WebhookStore
    tables: WebhookTables
    envelopes: Table
    clock: HandClock
    deliveries: dict[str, tuple[str, int]]  # its case and its place in it


@pytest.fixture
async def shared(postgres: PrivatePostgres, clock: HandClock, ids: Ids) -> AsyncIterator[Shared]:
    metadata = MetaData()
    gateway, tables = gateway_tables(metadata), webhook_tables(metadata)
    url = postgres.database("egov_webhook_claims")
    dbs = [Database(url) for _ in range(PROCESSES)]
    now = clock.now()
    store = WebhookStore(gateway, tables, BODIES)
    async with dbs[0].begin() as conn:
        await conn.run_sync(metadata.drop_all)
        await conn.run_sync(metadata.create_all)
        hook = {"member": "poll", "url": "https://partner.example/", "state": ACTIVE, "reason": None}
        await store.put_hook(conn, {**hook, "updated_at": now, "updated_by": "poll"})
        for n in range(CASES * EACH):
            await conn.execute(gateway.envelopes.insert().values(waiting(ids, clock, f"case-{n % CASES}", n // CASES)))
    found = Shared(dbs, store, tables, gateway.envelopes, clock, {})
    await asyncio.gather(*(enrol(found, ids, db) for db in dbs))
    async with dbs[0].read() as conn:
        for row in await conn.execute(select(tables.deliveries)):
            found.deliveries[row.id] = (row.case_id, row.caseseq)
    yield found
    await asyncio.gather(*(db.close() for db in dbs))


def waiting(ids: Ids, clock: HandClock, case: str, seq: int) -> dict[str, Any]:
    blank = {"sha256": "0" * 64, "raw": b"{}", "signature": "a..b", "receipts": "r", "door": "door"}
    about = {"source": "alpha", "id": ids.new(), "type": "t", "case_id": case, "caseseq": seq, "recipient": "poll"}
    times = {"received_at": clock.now(), "settled_at": clock.now() + timedelta(milliseconds=seq)}
    return {**blank, **about, **times, "state": EnvelopeState.WAITING, "attempts": 0}


async def enrol(shared: Shared, ids: Ids, db: Database) -> None:
    """As the courier does, all processes at once."""
    async with db.begin() as conn:
        rows = [
            {
                **{name: row[name] for name in ("source", "type", "case_id", "caseseq")},
                **{"id": ids.new(), "member": "poll", "envelope_id": row["id"], "waiting_since": row["settled_at"]},
                **{"state": DeliveryState.WAITING, "manual": False, "attempts": 0, "round_from": 0},
                "next_at": shared.clock.now(),
            }
            for row in await shared.store.new(conn, ["poll"], 100)
        ]
        await shared.store.enrol(conn, rows)


async def claim(shared: Shared, db: Database) -> Claim | None:
    now = shared.clock.now()
    async with db.begin() as conn:
        return await shared.store.claim(conn, "poll", now, now + LEASE)


async def test_processes_that_claim_at_once_get_each_delivery_once_and_each_case_in_order(shared: Shared) -> None:
    assert len(shared.deliveries) == CASES * EACH  # enrolled once, by whichever process
    taken: list[str] = []

    async def process(db: Database) -> None:
        while len(taken) < CASES * EACH:
            found = await claim(shared, db)
            if found is None:
                continue  # what is left waits for the one before it, in another process's hands
            taken.append(found.id)
            async with db.begin() as conn:
                assert await shared.store.settle(conn, found, state=DeliveryState.DELIVERED)

    await asyncio.gather(*(process(db) for db in shared.dbs))
    assert max(Counter(taken).values()) == 1
    for case in {case for case, _ in shared.deliveries.values()}:
        places = [shared.deliveries[one][1] for one in taken if shared.deliveries[one][0] == case]
        assert places == sorted(places) and len(places) == EACH


async def test_a_claim_is_one_processs_own_until_its_lease_ends_and_then_no_longer_its(shared: Shared) -> None:
    held = [await claim(shared, shared.dbs[0]) for _ in range(CASES)]  # the first of every case
    assert all(held) and await claim(shared, shared.dbs[1]) is None
    await shared.clock.advance(LEASE)
    again = await claim(shared, shared.dbs[1])
    assert again is not None and again.number == 2
    [late] = [one for one in held if one and one.id == again.id]
    async with shared.dbs[0].begin() as conn:
        assert not await shared.store.settle(conn, late, state=DeliveryState.EXHAUSTED)
    async with shared.dbs[1].begin() as conn:
        assert await shared.store.settle(conn, again, state=DeliveryState.DELIVERED)


async def test_an_envelope_that_was_spoiled_at_rest_is_given_up_and_the_next_one_delivered(shared: Shared) -> None:
    e, d = shared.envelopes, shared.tables.deliveries
    in_turn = (d.c.next_at, d.c.waiting_since, d.c.caseseq, d.c.id)
    async with shared.dbs[0].begin() as conn:
        spoiled = BODIES.seal_bytes(b"{}", "another place")
        first = (await conn.execute(select(d).order_by(*in_turn).limit(1))).one()
        await conn.execute(update(e).where(e.c.id == first.envelope_id).values(raw=spoiled))
    assert await claim(shared, shared.dbs[0]) is None
    found = await claim(shared, shared.dbs[1])
    assert found is not None and found.id != first.id
    async with shared.dbs[0].read() as conn:
        row = (await conn.execute(select(d.c.state, d.c.attempts).where(d.c.id == first.id))).one()
    assert tuple(row) == (DeliveryState.EXHAUSTED, 0)
