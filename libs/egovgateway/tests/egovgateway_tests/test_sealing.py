"""Envelopes at rest: nothing of them can be read in the database, what leaves it is what came, and a purge leaves the
proof."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import MetaData, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovgateway.domain import EnvelopeState
from egovgateway.sealing import opened, purge_envelopes, seal_plain_envelopes, sealed
from egovgateway.tables import gateway_tables
from egovkit.clock import HandClock
from egovkit.db import Database
from egovkit.envelope import Envelope
from egovkit.errors import EgovError
from egovkit.ids import Ids
from egovkit.journal_bodies import Bodies, BodiesSealed, holds_seal
from egovkit.signatures.sealing import Sealer
from egovkit.testing.journal import BODIES

from .conftest import Rig

if TYPE_CHECKING:
    from egovkit.testing.servers import PrivatePostgres

WORD = "Жұмыста".encode()  # of every envelope of the rig
TABLES = gateway_tables(MetaData())
E = TABLES.envelopes


async def rows(conn: AsyncConnection) -> dict[str, Mapping[str, Any]]:
    return {row["id"]: dict(row) for row in (await conn.execute(select(E))).mappings()}


async def spoil(rig: Rig, id_: str, raw: bytes) -> None:
    async with rig.db.begin() as conn:
        await conn.execute(update(E).where(E.c.id == id_).values(raw=raw))


@pytest.mark.service
async def test_what_passed_tells_nothing_at_rest_and_opens_with_the_key_at_its_own_row_alone(rig: Rig) -> None:
    passed, waiting, parked = rig.envelope("P6"), rig.envelope("P6", recipient="poll"), rig.envelope("P8", caseseq=2)
    await rig.send(passed, waiting, parked)
    await rig.published()
    async with rig.db.read() as conn:
        found = await rows(conn)
    assert {row["state"] for row in found.values()} == {"forwarded", "waiting", "parked"}
    for envelope in (passed, waiting, parked):
        row = found[envelope.id]
        assert holds_seal(row["raw"]) and WORD not in row["raw"] and opened(row, BODIES) == envelope.encode()
    with pytest.raises(EgovError, match=r"seal\.broken"):
        opened({**found[passed.id], "raw": found[waiting.id]["raw"]}, BODIES)
    with pytest.raises(EgovError, match=r"seal\.broken"):
        opened(found[passed.id], Bodies(Sealer.new_key()))
    with pytest.raises(BodiesSealed, match=passed.id):
        opened(found[passed.id], None)


@pytest.mark.service
async def test_what_was_left_behind_leaves_as_it_came_and_what_was_spoiled_stops_no_other(rig: Rig) -> None:
    left, spoiled = rig.envelope("P6"), rig.envelope("P6")
    publisher = rig.gateway.parts.publisher
    publisher.publish_soon = lambda _: None  # type: ignore[method-assign] # as if the process had died after the commit
    await rig.send(left, spoiled)
    del publisher.publish_soon  # type: ignore[attr-defined]
    await spoil(rig, spoiled.id, BODIES.seal_bytes(spoiled.encode(), "another place"))
    await rig.clock.advance(3600)
    await publisher.relay_once()
    await rig.published()
    assert [delivery.body for delivery in rig.arrived["inbox.beta"]] == [left.encode()]
    assert await rig.states() == {left.id: EnvelopeState.FORWARDED, spoiled.id: EnvelopeState.ACCEPTED}


@pytest.mark.service
async def test_an_envelope_of_before_the_seals_goes_its_way_and_is_sealed_by_and_by(rig: Rig) -> None:
    first, second = rig.envelope("P6", recipient="poll"), rig.envelope("P6", recipient="poll")
    await rig.send(first, second)
    await spoil(rig, first.id, first.encode())
    async with rig.db.begin() as conn:
        inbox = await rig.gateway.parts.store.inbox(conn, "poll", 10)
        assert {wire.raw for _, wire in inbox} == {first.encode(), second.encode()}
        before = (await rows(conn))[second.id]
        assert [await seal_plain_envelopes(conn, BODIES) for _ in range(2)] == [1, 0]
        after = await rows(conn)
    assert opened(after[first.id], BODIES) == first.encode() and holds_seal(after[first.id]["raw"])
    assert after[second.id] == before


@pytest.mark.service
async def test_a_purge_empties_what_is_done_with_and_leaves_signature_digest_and_receipt(rig: Rig) -> None:
    done, waits = rig.envelope("P6"), rig.envelope("P6", recipient="poll")
    await rig.send(done, waits)
    await rig.published()
    async with rig.db.begin() as conn:
        before = await rows(conn)
        assert await purge_envelopes(conn, rig.clock.now()) == 0
        later = rig.clock.now() + timedelta(seconds=1)
        assert [await purge_envelopes(conn, later) for _ in range(2)] == [1, 0]
        after = await rows(conn)
        assert await seal_plain_envelopes(conn, BODIES) == 0, "what is gone is not sealed"
    assert after[done.id] == {**before[done.id], "raw": b""} and opened(after[done.id], BODIES) == b""
    assert after[waits.id] == before[waits.id]
    again = await rig.send(rig.sign(done))
    assert again[0].receipt == before[done.id]["receipts"], "the same envelope still gets its old answer"


@pytest.fixture
async def database(postgres: PrivatePostgres) -> AsyncIterator[Database]:
    metadata = MetaData()
    gateway_tables(metadata)
    db = Database(postgres.database("egov_sealed_envelopes"))
    async with db.begin() as conn:
        await conn.run_sync(metadata.drop_all)
        await conn.run_sync(metadata.create_all)
    yield db
    await db.close()


@pytest.mark.connected
async def test_postgresql_seals_and_purges_the_same(database: Database, clock: HandClock, ids: Ids) -> None:
    blank = {"type": "t", "case_id": "c", "caseseq": 1, "recipient": "r", "signature": "a..b", "receipts": "r"}
    blank |= {"source": "s", "sha256": "0" * 64, "door": "d", "received_at": clock.now(), "attempts": 0}
    ends = {"state": EnvelopeState.FORWARDED, "settled_at": clock.now()}
    plain, kept, gone = ({**blank, **ends, "id": ids.new(), "raw": raw} for raw in (b"{1}", b"{2}", b""))
    async with database.begin() as conn:
        await conn.execute(E.insert(), [plain, sealed(kept, BODIES), gone])
        assert [await seal_plain_envelopes(conn, BODIES) for _ in range(2)] == [1, 0]
        found = await rows(conn)
        assert [opened(found[row["id"]], BODIES) for row in (plain, kept, gone)] == [b"{1}", b"{2}", b""]
        assert await purge_envelopes(conn, clock.now() + timedelta(seconds=1)) == 2
        assert {bytes(row["raw"]) for row in (await rows(conn)).values()} == {b""}


@pytest.mark.unit
def test_no_envelope_looks_like_a_seal() -> None:
    for raw in (b"{}", b" {}", b"", b"\xef\xbb\xbf{}"):
        assert not holds_seal(raw)
    with pytest.raises(EgovError):
        Envelope.parse(b"\x01{}")
