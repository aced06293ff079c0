from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Row, select

from egovkit.clock import HandClock
from egovkit.contracts import contracts_dir, read_once
from egovkit.db import Database, KitTables
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.errors import EgovError
from egovkit.ids import Ids
from egovkit.log import bound_trace
from egovkit.messages import MessageRegister
from egovkit.outbox import Draft, Outbox, OutboxItem, enqueue
from egovkit.signatures.jws import read_header, verify_detached
from egovkit.signatures.keys import SigningKey
from egovkit.testing.pki import TestPki

CASE = "019bc000-0000-7000-8000-000000000001"
OTHER = "019bc000-0000-7000-8000-000000000002"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
DRAFT = Draft(
    type="kz.egov.case.status.v1",
    case=CASE,
    recipient="portal-pep",
    regulation="atyrau-housing-queue",
    channel="portal",
    step="P6",
    region="atyrau",
    data={
        "number": None,
        "status": "checking",
        "text_ru": "Документы <b>проверяются</b>; DROP TABLE outbox;--",
        "text_kk": "Құжаттар тексерілуде: ә ғ қ ң ө ұ ү һ і",
        "version": 1,
        "at": "2026-01-15T04:00:00Z",
    },
    queue="rshep.atyrau.ingress",
)


@pytest.fixture
def key(pki: TestPki) -> SigningKey:
    return pki.system("provider-arm")


@pytest.fixture
def woken() -> list[str]:
    return []


@pytest.fixture
def outbox(key: SigningKey, clock: HandClock, ids: Ids, kit: KitTables, woken: list[str]) -> Outbox:
    register = read_once(MessageRegister.load, contracts_dir())
    return Outbox(key, "provider-arm", clock, ids, kit.outbox, messages=register, on_commit=woken.append)


async def send(db: Database, outbox: Outbox, draft: Draft = DRAFT) -> Envelope:
    async with db.begin() as conn:
        return await outbox.send(conn, draft)


async def stored(db: Database, kit: KitTables) -> list[Row[Any]]:
    async with db.read() as conn:
        return list(await conn.execute(select(kit.outbox.outbox).order_by(kit.outbox.outbox.c.position)))


async def test_the_stored_bytes_are_signed_by_the_sender(
    db: Database, kit: KitTables, outbox: Outbox, key: SigningKey
) -> None:
    envelope = await send(db, outbox)
    (row,) = await stored(db, kit)
    wire = WireEnvelope.of(row.body, json.loads(row.headers))
    verify_detached(wire.raw, wire.signature, key.certificate)
    assert read_header(wire.signature).thumbprint == key.thumbprint
    assert Envelope.parse(row.body) == envelope
    assert wire.receipts == ()


async def test_the_envelope_says_what_the_draft_and_the_register_say(
    db: Database, outbox: Outbox, clock: HandClock
) -> None:
    expires = clock.now() + timedelta(seconds=30)
    draft = replace(DRAFT, expires=expires, correlation=OTHER, causation=CASE)
    envelope = await send(db, outbox, draft)
    assert (envelope.source, envelope.recipient, envelope.subject) == ("provider-arm", "portal-pep", CASE)
    assert (envelope.regulation, envelope.channel, envelope.step) == ("atyrau-housing-queue", "portal", "P6")
    assert envelope.dataschema == "urn:egov:schema:case.status.v1"
    assert (envelope.time, envelope.expirytime) == (clock.now(), expires)
    assert (envelope.correlationid, envelope.causationid) == (OTHER, CASE)
    assert envelope.data == DRAFT.data, "markup and Kazakh letters travel as they are"


async def test_envelopes_of_a_case_are_numbered_from_one_without_gaps(db: Database, outbox: Outbox) -> None:
    numbers = [(await send(db, outbox)).caseseq for _ in range(3)]
    elsewhere = (await send(db, outbox, replace(DRAFT, case=OTHER))).caseseq
    assert (numbers, elsewhere) == ([1, 2, 3], 1)


async def test_a_rolled_back_send_gives_its_number_back_and_sends_nothing(
    db: Database, kit: KitTables, outbox: Outbox, woken: list[str]
) -> None:
    with pytest.raises(RuntimeError):
        async with db.begin() as conn:
            await outbox.send(conn, DRAFT)
            raise RuntimeError
    assert (await stored(db, kit), woken) == ([], [])
    assert (await send(db, outbox)).caseseq == 1


async def test_sends_of_one_case_at_once_get_different_numbers_in_the_order_of_leaving(
    db: Database, kit: KitTables, outbox: Outbox
) -> None:
    await asyncio.gather(*(send(db, outbox) for _ in range(10)))
    sequence = [Envelope.parse(row.body).caseseq for row in await stored(db, kit)]
    assert sequence == list(range(1, 11))


async def test_the_relay_is_woken_after_the_commit_once_for_many(
    db: Database, outbox: Outbox, woken: list[str]
) -> None:
    async with db.begin() as conn:
        await outbox.send(conn, DRAFT)
        await outbox.send(conn, DRAFT)
        assert woken == []
    assert woken == ["rshep.atyrau.ingress"]


async def test_data_that_we_would_refuse_ourselves_is_not_signed(db: Database, kit: KitTables, outbox: Outbox) -> None:
    with pytest.raises(EgovError) as refused:
        await send(db, outbox, replace(DRAFT, data={**DRAFT.data, "version": "one"}))
    assert refused.value.code == "data.invalid"
    assert [error.field for error in refused.value.errors] == ["version"]
    with pytest.raises(EgovError) as unknown:
        await send(db, outbox, replace(DRAFT, type="kz.egov.case.invented.v1"))
    assert unknown.value.code == "message.type_unknown"
    assert await stored(db, kit) == []


async def test_an_envelope_that_is_too_large_is_refused_at_the_sender(db: Database, outbox: Outbox) -> None:
    document = "A" * 400_000
    data = {
        "number": "00000000001",
        "reasons": [{"code": "documents.missing", "text": "х"}],
        "document": document,
        "refused_at": "2026-01-15T04:00:00Z",
        "version": 1,
        "trail": [],
    }
    with pytest.raises(EgovError) as refused:
        await send(db, outbox, replace(DRAFT, type="kz.egov.case.refused.v1", data=data))
    assert refused.value.code in ("envelope.too_large", "data.invalid")


async def test_the_trace_of_the_request_travels_with_the_envelope(db: Database, kit: KitTables, outbox: Outbox) -> None:
    with bound_trace(TRACE):
        envelope = await send(db, outbox)
    own = await send(db, outbox, replace(DRAFT, traceparent=TRACE.replace("0af7", "1af7")))
    none = await send(db, outbox)
    assert envelope.traceparent == TRACE
    assert own.traceparent == TRACE.replace("0af7", "1af7")
    assert none.traceparent is None
    assert json.loads((await stored(db, kit))[0].headers)["traceparent"] == TRACE


async def test_ready_made_bytes_can_be_enqueued_as_they_are(db: Database, kit: KitTables, clock: HandClock) -> None:
    items = [
        OutboxItem(f"id-{number}", None, "t", "portal-pep", "inbox.portal-pep", b"\x00\xff", {"egov-signature": "s"})
        for number in (1, 2)
    ]
    async with db.begin() as conn:
        await enqueue(conn, kit.outbox.outbox, items, clock.now())
        await enqueue(conn, kit.outbox.outbox, [], clock.now())
    rows = await stored(db, kit)
    assert [row.id for row in rows] == ["id-1", "id-2"]
    assert rows[0].body == b"\x00\xff"
    assert (rows[0].sent_at, rows[0].attempts, rows[0].next_at) == (None, 0, clock.now())
