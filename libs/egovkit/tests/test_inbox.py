from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Row, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.bus import Dead, Delivery, Outcome, Outgoing, Verdict
from egovkit.bus.memory import MemoryBus
from egovkit.clock import HandClock
from egovkit.contracts import contracts_dir, read_once
from egovkit.db import Database, KitTables, migrate
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.errors import EgovError
from egovkit.ids import Ids
from egovkit.inbox import MEMBERS_UPDATED, Handler, Inbox, Received
from egovkit.membership import Member, MemberCertificate, Members, Membership, sign_members
from egovkit.messages import MessageRegister
from egovkit.signatures.certificates import TrustStore
from egovkit.signatures.jws import sign_detached
from egovkit.signatures.keys import SigningKey
from egovkit.signatures.receipt import Receipt, issue_receipt
from egovkit.testing.pki import TestPki

CASE = "019bc000-0000-7000-8000-000000000001"
STATUS = "kz.egov.case.status.v1"
QUEUE = "inbox.portal-pep"
DATA = {
    "number": None,
    "status": "checking",
    "text_ru": "Проверяются",
    "text_kk": "Тексерілуде",
    "version": 1,
    "at": "2026-01-15T04:00:00Z",
}


def member(code: str, kind: str, *keys: SigningKey, state: str = "active") -> Member:
    certificates = tuple(MemberCertificate.of(key.certificate) for key in keys)
    return Member(code, kind, code, code, "999940000010", "750000000", (), ("*",), state, "amqp", certificates)


class World:
    """A provider that sends, a gateway that receipts, the portal's inbox that takes."""

    def __init__(self, pki: TestPki, clock: HandClock, ids: Ids, db: Database, kit: KitTables) -> None:
        self.pki, self.clock, self.ids, self.db, self.kit = pki, clock, ids, db, kit
        self.provider, self.gateway = pki.system("provider-arm"), pki.system("gateway-shep")
        self.trust: TrustStore = pki.trust()
        self.membership = Membership(self.trust, clock, self.members(1))
        self.bus = MemoryBus()
        self.handled: list[Received] = []
        self.handler: Handler = self.keep
        self.refreshes = 0
        self.on_refresh: Callable[[], None] = lambda: None
        self.inbox = self.make({STATUS: self.handle})

    def make(self, handlers: dict[str, Handler], db: Database | None = None, **more: Any) -> Inbox:
        return Inbox(
            db or self.db,
            self.bus,
            QUEUE,
            code="portal-pep",
            membership=self.membership,
            trust=self.trust,
            clock=self.clock,
            table=self.kit.inbox,
            messages=read_once(MessageRegister.load, contracts_dir()),
            handlers=handlers,
            refresh=self.refresh,
            **more,
        )

    def members(self, version: int, *provider_keys: SigningKey, state: str = "active") -> Members:
        keys = provider_keys or (self.provider,)
        return Members(
            version,
            (
                member("gateway-shep", "national_gateway", self.gateway),
                member("provider-arm", "provider", *keys, state=state),
                member("portal-pep", "portal"),
            ),
        )

    async def refresh(self) -> None:
        self.refreshes += 1
        self.on_refresh()

    async def handle(self, conn: AsyncConnection, received: Received) -> None:
        await self.handler(conn, received)

    async def keep(self, conn: AsyncConnection, received: Received) -> None:
        await conn.execute(text("INSERT INTO things (name) VALUES (:name)"), {"name": received.envelope.id})
        self.handled.append(received)

    def envelope(self, **other: Any) -> Envelope:
        base = Envelope(
            id=self.ids.new(),
            source="provider-arm",
            type=STATUS,
            subject=CASE,
            time=self.clock.now(),
            dataschema="urn:egov:schema:case.status.v1",
            recipient="portal-pep",
            regulation="atyrau-housing-queue",
            channel="portal",
            step="P6",
            region="atyrau",
            caseseq=1,
            data=dict(DATA),
        )
        return replace(base, **other)

    def wire(self, envelope: Envelope, key: SigningKey | None = None) -> WireEnvelope:
        raw = envelope.encode()
        wire = WireEnvelope(raw, sign_detached(raw, key or self.provider))
        now = self.clock.now()
        receipt = Receipt(envelope.id, wire.sha256, "gateway-shep", "gateway-shep/1", 7, "ab" * 32, now, now)
        return wire.with_receipt(issue_receipt(receipt, self.gateway))

    def delivery(self, wire: WireEnvelope, attempt: int = 1) -> Delivery:
        return Delivery(QUEUE, wire.raw, wire.headers(), "m", attempt)

    async def take(self, *wires: WireEnvelope) -> list[Outcome]:
        return await self.inbox.take([self.delivery(wire) for wire in wires])

    async def rows(self) -> list[Row[Any]]:
        async with self.db.read() as conn:
            return list(await conn.execute(select(self.kit.inbox)))

    async def things(self) -> list[str]:
        async with self.db.read() as conn:
            return list((await conn.execute(text("SELECT name FROM things ORDER BY id"))).scalars())


@pytest.fixture
def world(pki: TestPki, clock: HandClock, ids: Ids, db: Database, kit: KitTables) -> World:
    return World(pki, clock, ids, db, kit)


async def test_a_good_envelope_takes_effect_and_is_acknowledged(world: World) -> None:
    envelope = world.envelope()
    wire = world.wire(envelope)
    assert await world.take(wire) == [Verdict.ACK]
    assert await world.things() == [envelope.id]
    (received,) = world.handled
    assert received.envelope == envelope
    assert received.data == DATA
    assert received.facts.member.code == "provider-arm"
    assert [receipt.gateway for receipt in received.receipts] == ["gateway-shep"]
    assert received.at == world.clock.now()


async def test_the_row_keeps_hash_signature_and_receipts_as_witnesses(world: World) -> None:
    envelope = world.envelope()
    wire = world.wire(envelope)
    await world.take(wire)
    (row,) = await world.rows()
    assert (row.source, row.id, row.case_id) == ("provider-arm", envelope.id, CASE)
    assert (row.sha256, row.signature, row.type) == (wire.sha256, wire.signature, STATUS)
    assert json.loads(row.receipts) == list(wire.receipts)
    assert row.received == world.clock.now()


async def test_the_same_bytes_again_are_acknowledged_without_effect(world: World) -> None:
    wire = world.wire(world.envelope())
    assert await world.take(wire, wire) == [Verdict.ACK, Verdict.ACK]
    assert await world.take(wire) == [Verdict.ACK]
    assert len(await world.things()) == 1


async def test_the_same_id_with_other_bytes_is_dead(world: World) -> None:
    envelope = world.envelope()
    other = world.wire(replace(envelope, data={**DATA, "status": "refused"}))
    assert await world.take(world.wire(envelope), other) == [Verdict.ACK, Dead("replayed_with_other_body")]
    assert len(await world.things()) == 1
    assert world.handled[0].data["status"] == "checking"


async def test_the_same_delivery_twice_at_once_takes_effect_once(world: World) -> None:
    wire = world.wire(world.envelope())
    outcomes = await asyncio.gather(*(world.take(wire) for _ in range(5)))
    assert outcomes == [[Verdict.ACK]] * 5
    assert len(await world.things()) == 1


async def test_a_handler_that_refuses_for_good_kills_the_message_and_leaves_nothing(world: World) -> None:
    async def refuse(conn: AsyncConnection, received: Received) -> None:
        await world.keep(conn, received)
        raise EgovError("order.case_unknown")

    world.handler = refuse
    assert await world.take(world.wire(world.envelope())) == [Dead("order.case_unknown")]
    assert (await world.rows(), await world.things()) == ([], [])


@pytest.mark.parametrize("error", [RuntimeError("bug"), EgovError("service.unavailable", waiting_for="x")])
async def test_a_failure_that_may_pass_returns_the_message_and_leaves_nothing(world: World, error: Exception) -> None:
    async def fail(conn: AsyncConnection, received: Received) -> None:
        await world.keep(conn, received)
        raise error

    world.handler = fail
    wire = world.wire(world.envelope())
    assert await world.take(wire) == [Verdict.RETRY]
    assert (await world.rows(), await world.things()) == ([], [])
    world.handler = world.keep
    assert await world.take(wire) == [Verdict.ACK]
    assert len(await world.things()) == 1


async def test_neighbours_in_a_batch_do_not_share_a_fate(world: World) -> None:
    good, late = world.envelope(), world.envelope(caseseq=2)
    forged = world.wire(world.envelope(), world.pki.system("provider-arm"))
    outcomes = await world.take(world.wire(good), forged, world.wire(late))
    assert outcomes == [Verdict.ACK, Dead("signature.unknown_certificate"), Verdict.ACK]
    assert await world.things() == [good.id, late.id]


async def test_what_is_not_an_envelope_is_dead(world: World) -> None:
    wire = world.wire(world.envelope())
    no_json = WireEnvelope(b"{", wire.signature, wire.receipts)
    no_signature = Delivery(QUEUE, wire.raw, {}, "m", 1)
    assert await world.take(no_json) == [Dead("envelope.malformed")]
    assert await world.inbox.take([no_signature]) == [Dead("signature.missing")]


async def test_a_flipped_byte_in_the_body_is_dead(world: World) -> None:
    wire = world.wire(world.envelope())
    flipped = replace(wire, raw=wire.raw.replace(b"checking", b"checkinG".lower().replace(b"c", b"d", 1)))
    assert await world.take(flipped) == [Dead("signature.invalid")]


async def test_a_source_that_is_not_the_signer_is_dead(world: World) -> None:
    stolen = world.envelope(source="portal-pep")
    assert await world.take(world.wire(stolen)) == [Dead("signature.not_of_source")]


async def test_an_envelope_that_no_gateway_passed_is_dead(world: World) -> None:
    wire = replace(world.wire(world.envelope()), receipts=())
    assert await world.take(wire) == [Dead("receipt.missing")]


async def test_a_receipt_of_another_envelope_is_dead(world: World) -> None:
    other = world.wire(world.envelope())
    wire = replace(world.wire(world.envelope()), receipts=other.receipts)
    assert await world.take(wire) == [Dead("receipt.invalid")]


async def test_an_envelope_for_someone_else_is_dead(world: World) -> None:
    assert await world.take(world.wire(world.envelope(recipient="con-arm"))) == [Dead("envelope.misdelivered")]


async def test_a_type_without_handler_is_dead(world: World) -> None:
    for type_ in ("kz.egov.case.invented.v1", "kz.egov.case.paused.v1"):
        assert await world.take(world.wire(world.envelope(type=type_))) == [Dead("message.type_unknown")]


async def test_data_against_the_schema_is_dead(world: World) -> None:
    wrong = world.envelope(data={**DATA, "unknown": 1})
    assert await world.take(world.wire(wrong)) == [Dead("data.invalid")]


async def test_handlers_for_unknown_types_are_a_mistake_at_start(world: World) -> None:
    with pytest.raises(ValueError, match="invented"):
        world.make({"kz.egov.case.invented.v1": world.keep})


async def test_a_suspended_sender_is_dead(world: World) -> None:
    world.membership.members = world.members(2, state="suspended")
    assert await world.take(world.wire(world.envelope())) == [Dead("participant.suspended")]


# --- batches ---------------------------------------------------------------------------------------------------


async def test_a_batch_on_sqlite_is_one_transaction(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = 0
    begin = world.db.begin

    def counted() -> Any:
        nonlocal begun
        begun += 1
        return begin()

    monkeypatch.setattr(world.db, "begin", counted)
    envelopes = [world.envelope(subject=world.ids.new()) for _ in range(7)]
    assert await world.take(*(world.wire(one) for one in envelopes)) == [Verdict.ACK] * 7
    assert begun == 1
    assert await world.things() == [one.id for one in envelopes]


async def test_a_neighbour_that_fails_in_the_same_transaction_takes_nobody_with_it(world: World) -> None:
    envelopes = [world.envelope(subject=world.ids.new()) for _ in range(5)]

    async def handler(conn: AsyncConnection, received: Received) -> None:
        await world.keep(conn, received)
        if received.envelope.id == envelopes[2].id:
            raise EgovError("order.case_unknown")
        if received.envelope.id == envelopes[3].id:
            raise RuntimeError("bug")

    world.handler = handler
    outcomes = await world.take(*(world.wire(one) for one in envelopes))
    assert outcomes == [Verdict.ACK, Verdict.ACK, Dead("order.case_unknown"), Verdict.RETRY, Verdict.ACK]
    assert await world.things() == [envelopes[n].id for n in (0, 1, 4)], "each once"


async def test_every_outcome_is_counted(world: World) -> None:
    counted: list[Outcome] = []
    inbox = world.make({STATUS: world.handle}, settled=counted.append)
    forged = world.wire(world.envelope(), world.pki.system("provider-arm"))
    await inbox.take([world.delivery(world.wire(world.envelope())), world.delivery(forged)])
    assert counted == [Verdict.ACK, Dead("signature.unknown_certificate")]


async def test_preparing_is_done_for_all_at_once_before_any_transaction(world: World) -> None:
    wires = [world.wire(world.envelope(subject=world.ids.new())) for _ in range(3)]
    preparing = 0
    all_here = asyncio.Event()

    async def prepare(received: Received) -> str:
        nonlocal preparing
        preparing += 1
        if preparing == len(wires):
            all_here.set()
        await asyncio.wait_for(all_here.wait(), 5)
        async with world.db.begin():  # nobody holds SQLite's one writer
            return f"checked {received.envelope.id}"

    inbox = world.make({STATUS: world.handle}, prepares={STATUS: prepare})
    assert await inbox.take([world.delivery(wire) for wire in wires]) == [Verdict.ACK] * 3
    assert [one.prepared for one in world.handled] == [f"checked {one.envelope.id}" for one in world.handled]


async def test_a_failed_preparation_counts_unless_the_envelope_was_handled_before(world: World) -> None:
    failure: Exception | None = None

    async def prepare(received: Received) -> None:
        if failure is not None:
            raise failure

    inbox = world.make({STATUS: world.handle}, prepares={STATUS: prepare})
    handled, fresh = (world.delivery(world.wire(world.envelope())) for _ in range(2))
    assert await inbox.take([handled]) == [Verdict.ACK]
    failure = EgovError("certificate.revoked", thumbprint="x")
    assert await inbox.take([handled, fresh]) == [Verdict.ACK, Dead("certificate.revoked")]
    failure = RuntimeError("bug")
    assert await inbox.take([handled, fresh]) == [Verdict.ACK, Verdict.RETRY]
    assert len(world.handled) == 1


@pytest.mark.connected
async def test_on_postgresql_cases_go_side_by_side_and_a_case_in_its_order(
    world: World, postgres_url: str, service_package: str
) -> None:
    await asyncio.to_thread(migrate, postgres_url, service_package)
    db = Database(postgres_url)
    under_way: set[str] = set()
    order: list[tuple[str, int]] = []
    most = 0

    async def handler(conn: AsyncConnection, received: Received) -> None:
        nonlocal most
        case = received.envelope.subject
        assert case not in under_way
        under_way.add(case)
        most = max(most, len(under_way))
        await conn.execute(text("SELECT pg_sleep(0.02)"))
        order.append((case, received.envelope.caseseq))
        under_way.remove(case)

    cases = [world.ids.new() for _ in range(6)]
    wires = [world.wire(world.envelope(subject=case, caseseq=n)) for n in (1, 2, 3) for case in cases]
    try:
        inbox = world.make({STATUS: handler}, db)
        assert await inbox.take([world.delivery(wire) for wire in wires]) == [Verdict.ACK] * 18
    finally:
        await db.close()
    assert most > 1
    assert all([n for at, n in order if at == case] == [1, 2, 3] for case in cases)


# --- what a fresh look can cure --------------------------------------------------------------------------------


async def test_a_certificate_newer_than_our_list_makes_us_look_once(world: World) -> None:
    rotated = world.pki.system("provider-arm")
    wire = world.wire(world.envelope(), rotated)

    def fresh_list() -> None:
        world.membership.members = world.members(2, world.provider, rotated)

    world.on_refresh = fresh_list
    assert await world.take(wire) == [Verdict.ACK]
    assert world.refreshes == 1


async def test_a_certificate_registered_since_we_last_looked_makes_the_envelope_come_again(world: World) -> None:
    await world.take(world.wire(world.envelope(), world.pki.system("provider-arm")))  # a forgery makes us look
    rotated = world.pki.system("provider-arm")

    def fresh_list() -> None:
        world.membership.members = world.members(2, world.provider, rotated)

    world.on_refresh = fresh_list
    wire = world.wire(world.envelope(), rotated)
    assert await world.take(wire) == [Verdict.RETRY]  # too soon to look again, too soon to bury it
    await world.clock.advance(6)
    assert await world.take(wire) == [Verdict.ACK]


async def test_forged_envelopes_do_not_make_us_look_again_and_again(world: World) -> None:
    forged = [world.wire(world.envelope(), world.pki.system("provider-arm")) for _ in range(3)]
    await world.take(*forged)
    assert world.refreshes == 1
    await world.clock.advance(6)
    await world.take(world.wire(world.envelope(), world.pki.system("provider-arm")))
    assert world.refreshes == 2


async def test_without_a_member_list_messages_wait(world: World) -> None:
    world.membership.members = Members()
    wire = world.wire(world.envelope())
    assert await world.take(wire) == [Verdict.RETRY]
    world.membership.members = world.members(1)
    assert await world.take(wire) == [Verdict.ACK]


async def test_a_stale_revocation_list_makes_messages_wait_not_die(world: World) -> None:
    wire = world.wire(world.envelope())
    await world.clock.advance(31 * 24 * 3600)
    assert await world.take(wire) == [Verdict.RETRY]
    world.on_refresh = world.pki.publish
    await world.clock.advance(6)
    assert await world.take(wire) == [Verdict.ACK]


async def test_a_pushed_member_list_is_taken_even_from_a_certificate_only_it_knows(world: World) -> None:
    old_gateway, world.gateway = world.gateway, world.pki.system("gateway-shep")
    fresh = world.members(5)
    envelope = world.envelope(
        source="gateway-shep",
        type=MEMBERS_UPDATED,
        dataschema="urn:egov:schema:members.updated.v1",
        data={"list": sign_members(fresh, world.gateway)},
    )
    assert old_gateway.thumbprint != world.gateway.thumbprint
    assert await world.take(world.wire(envelope, world.gateway)) == [Verdict.ACK]
    assert world.membership.members.version == 5
    assert await world.take(world.wire(world.envelope())) == [Verdict.ACK]


async def test_a_member_list_that_shep_did_not_sign_is_dead(world: World) -> None:
    forged = sign_members(world.members(9), world.provider)
    envelope = world.envelope(type=MEMBERS_UPDATED, data={"list": forged})
    assert await world.take(world.wire(envelope)) == [Dead("participant.list_not_of_gateway")]
    assert await world.take(world.wire(world.envelope(type=MEMBERS_UPDATED, data={}))) == [Dead("data.invalid")]
    assert world.membership.members.version == 1


async def test_text_that_only_mentions_the_list_type_is_an_ordinary_envelope(world: World) -> None:
    envelope = world.envelope(data={**DATA, "text_ru": MEMBERS_UPDATED})
    assert await world.take(world.wire(envelope)) == [Verdict.ACK]
    assert len(world.handled) == 1


# --- the database away -----------------------------------------------------------------------------------------


async def test_while_the_database_is_away_messages_are_held_and_then_handled(world: World) -> None:
    away = True

    async def no_database() -> None:
        if away:
            raise OperationalError("SELECT 1", {}, OSError("connection refused"))

    async def handler(conn: AsyncConnection, received: Received) -> None:
        if away:
            raise OperationalError("INSERT", {}, OSError("connection lost"))
        await world.keep(conn, received)

    world.handler = handler
    world.db.ping = no_database  # type: ignore[method-assign]
    taking = asyncio.create_task(world.take(world.wire(world.envelope())))
    for _ in range(20):
        await world.clock.advance(1)
    assert not taking.done()
    away = False
    while not taking.done():
        await world.clock.advance(1)
    assert taking.result() == [Verdict.ACK]
    assert len(await world.things()) == 1


async def test_a_statement_that_the_database_refuses_is_no_outage(world: World) -> None:
    async def handler(conn: AsyncConnection, received: Received) -> None:
        await conn.execute(text("INSERT INTO things (name) VALUES (NULL)"))

    world.handler = handler
    assert await world.take(world.wire(world.envelope())) == [Verdict.RETRY]


# --- on the bus ------------------------------------------------------------------------------------------------


async def test_on_the_bus_a_confirm_means_the_effect_is_committed(world: World, memory_bus: MemoryBus) -> None:
    world.bus = memory_bus
    inbox = world.make({STATUS: world.handle})
    await inbox.start()
    await inbox.start()
    assert inbox.subscription is not None
    wire = world.wire(world.envelope())
    forged = world.wire(world.envelope(), world.pki.system("provider-arm"))
    sent = [Outgoing(QUEUE, one.raw, one.headers(), str(number)) for number, one in enumerate([wire, wire, forged])]
    assert await memory_bus.publish(sent) == [None, None, None]
    assert len(await world.things()) == 1
    await inbox.close()
    dead: list[Delivery] = []

    async def bury(deliveries: Any) -> list[Verdict]:
        dead.extend(deliveries)
        return [Verdict.ACK for _ in deliveries]

    subscription = await memory_bus.consume("dead-letters", bury)
    while not dead:
        await asyncio.wait([asyncio.ensure_future(world.db.ping())])
    assert dead[0].dead_reason == "signature.unknown_certificate"
    await subscription.cancel()
