from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.bus import Delivery, Outcome, Outgoing, Verdict
from egovkit.bus.memory import MemoryBus
from egovkit.clock import HandClock
from egovkit.db import Database, KitTables
from egovkit.envelope import WireEnvelope
from egovkit.equipment import make_bus
from egovkit.errors import EgovError
from egovkit.inbox import Received
from egovkit.journal import JournalEntry, read_rows
from egovkit.membership import Member, MemberCertificate, Members, sign_members
from egovkit.node import Node
from egovkit.outbox import Draft
from egovkit.parts import NotStarted
from egovkit.settings import ServiceSettings
from egovkit.signatures.jws import sign_detached
from egovkit.signatures.keys import SigningKey, der
from egovkit.signatures.receipt import Receipt, issue_receipt
from egovkit.testing.journal import give_journal_key
from egovkit.testing.pki import TestPki

CASE = "019bc000-0000-7000-8000-000000000001"
STATUS = "kz.egov.case.status.v1"


class Settings(ServiceSettings):
    code: ClassVar[str] = "provider-arm"


class World:
    """НУЦ and ШЭП over a transport without network; a provider's home with its files."""

    def __init__(self, home: Path, pki: TestPki, clock: HandClock, bus: MemoryBus) -> None:
        self.pki, self.clock, self.bus, self.home = pki, clock, bus, home
        self.key, self.gateway = pki.system("provider-arm"), pki.system("gateway-shep")
        self.nuc_up = self.shep_up = True
        self.version = 1
        self.asked: list[str] = []
        (home / "keys").mkdir(parents=True)
        (home / "trust").mkdir()
        (home / "keys" / "provider-arm.p12").write_bytes(self.key.to_pkcs12("secret", "provider-arm"))
        (home / "password").write_text("secret\n")
        (home / "trust" / "root.cer").write_bytes(der(pki.root))
        given = give_journal_key(home, "provider-arm")
        self.settings = Settings(home=home, keystore_password_file=home / "password", **given)
        self.http = httpx.AsyncClient(transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if request.url.port == 8010:
            if not self.nuc_up:
                raise httpx.ConnectError("НУЦ is down")
            issuing = der(self.pki.issuing)
            return httpx.Response(200, content=issuing if request.url.path == "/ca/issuing.cer" else self.pki.crl())
        if not self.shep_up:
            return httpx.Response(503)
        return httpx.Response(200, text=sign_members(self.members(), self.gateway))

    def members(self) -> Members:
        def member(code: str, kind: str, key: SigningKey) -> Member:
            certificates = (MemberCertificate.of(key.certificate),)
            return Member(
                code, kind, code, code, "999940000010", "750000000", (), ("*",), "active", "amqp", certificates
            )

        gateway = member("gateway-shep", "national_gateway", self.gateway)
        return Members(self.version, (gateway, member("provider-arm", "provider", self.key)))

    def node(self, package: str, **options: Any) -> Node:
        options = {"bus": self.bus, "clock": self.clock, "http": self.http, **options}
        return Node(self.settings, package=package, **options)


@pytest.fixture
async def world(tmp_path: Path, pki: TestPki, clock: HandClock, memory_bus: MemoryBus) -> AsyncIterator[World]:
    world = World(tmp_path / "home", pki, clock, memory_bus)
    yield world
    await world.http.aclose()


async def joined(node: Node) -> None:
    async with asyncio.timeout(5):
        await node.joined.wait()


def draft(queue: str = "rshep.atyrau.ingress") -> Draft:
    data = {
        "number": None,
        "status": "checking",
        "text_ru": "Проверяются",
        "text_kk": "Тексерілуде",
        "version": 1,
        "at": "2026-01-15T04:00:00Z",
    }
    return Draft(STATUS, CASE, "provider-arm", "atyrau-housing-queue", "portal", "P6", "atyrau", data, queue)


async def test_parts_exist_only_between_start_and_stop(world: World, service_package: str, kit: KitTables) -> None:
    node = world.node(service_package, tables=kit)
    assert node.code == "provider-arm"
    assert "service.internal" in node.problems
    assert STATUS in node.messages
    with pytest.raises(NotStarted):
        _ = node.db
    async with node:
        assert node.key.signing_key().thumbprint == world.key.thumbprint
        assert node.journal.writer == "provider-arm/1"
        await node.db.ping()
    with pytest.raises(NotStarted):
        _ = node.outbox
    assert world.bus.connected, "a bus that was given is not closed"


async def test_it_starts_again_after_a_stop(world: World, service_package: str, kit: KitTables) -> None:
    node = world.node(service_package, tables=kit)
    for _ in range(2):
        async with node:
            await joined(node)
        assert not node.joined.is_set()


async def test_it_migrates_its_database_and_joins_in_the_background(
    world: World, service_package: str, kit: KitTables
) -> None:
    async with world.node(service_package, tables=kit) as node:
        await joined(node)
        assert node.membership.members.version == 1
        assert node.trust.crl_next_update is not None
        assert (world.home / "provider-arm.sqlite3").is_file()
        assert await node.relay.backlog() == 0


async def test_a_neighbour_that_is_down_delays_joining_not_starting(
    world: World, service_package: str, kit: KitTables
) -> None:
    world.nuc_up = False
    node = world.node(service_package, tables=kit)
    async with node:
        while not world.asked:
            await node.db.ping()
        assert await node.checks["members"]() == "revocation list"
        world.nuc_up, world.shep_up = True, False
        asked = len(world.asked)
        while len(world.asked) < asked + 3:
            await world.clock.advance(1)
            await node.db.ping()
        assert await node.checks["members"]() == "member list"
        world.shep_up = True
        while not node.joined.is_set():
            await world.clock.advance(1)
            await node.db.ping()
        assert await node.checks["members"]() is None


async def test_a_newer_member_list_is_found_without_being_pushed(
    world: World, service_package: str, kit: KitTables
) -> None:
    async with world.node(service_package, tables=kit) as node:
        await joined(node)
        world.version = 2
        while node.membership.members.version < 2:
            await world.clock.advance(5)
            await node.db.ping()
        world.version = 3
        await node.refresh()
        assert node.membership.members.version == 3
        world.nuc_up = False
        await node.refresh()
        assert node.membership.members.version == 3


async def test_what_is_sent_in_a_transaction_reaches_the_broker(
    world: World, service_package: str, kit: KitTables
) -> None:
    came: list[Delivery] = []

    async def gateway(deliveries: Any) -> list[Outcome]:
        came.extend(deliveries)
        return [Verdict.ACK for _ in deliveries]

    subscription = await world.bus.consume("rshep.atyrau.ingress", gateway)
    async with world.node(service_package, tables=kit) as node:
        async with node.db.begin() as conn:
            envelope = await node.outbox.send(conn, draft())
            await node.journal.append(conn, [JournalEntry("admin", world.clock.now(), CASE, {"sent": envelope.id})])
        while not came:
            await node.db.ping()
        async with node.db.read() as conn:
            (row,) = await read_rows(conn, kit.journal)
    assert came[0].message_id == envelope.id
    assert row.signature is not None
    await subscription.cancel()


async def receipted(world: World, node: Node) -> WireEnvelope:
    """An envelope of the provider to itself, as the gateway would hand it on."""
    async with node.db.begin() as conn:
        envelope = await node.outbox.send(conn, draft())
    wire = WireEnvelope(envelope.encode(), sign_detached(envelope.encode(), world.key))
    now = world.clock.now()
    receipt = Receipt(envelope.id, wire.sha256, "gateway-shep", "gateway-shep/1", 1, "ab" * 32, now, now)
    return wire.with_receipt(issue_receipt(receipt, world.gateway))


async def test_it_takes_envelopes_only_after_it_has_joined(world: World, service_package: str, kit: KitTables) -> None:
    handled: list[Received] = []

    async def handle(conn: AsyncConnection, received: Received) -> None:
        handled.append(received)

    world.shep_up = False
    async with world.node(service_package, tables=kit) as node:
        inbox = await node.receive("inbox.provider-arm", {STATUS: handle})
        wire = await receipted(world, node)
        publishing = asyncio.create_task(
            world.bus.publish([Outgoing("inbox.provider-arm", wire.raw, wire.headers(), "m")])
        )
        await node.db.ping()
        assert inbox.subscription is None
        assert (handled, await world.bus.depth("inbox.provider-arm")) == ([], 1)
        world.shep_up = True
        while not publishing.done():
            await world.clock.advance(1)
            await node.db.ping()
        assert publishing.result() == [None]
        assert [received.envelope.subject for received in handled] == [CASE]
        late = await node.receive("inbox.portal-pep", {STATUS: handle})
        assert late.subscription is not None
        assert node.inboxes == (inbox, late)
    assert inbox.subscription is None


async def test_a_gateway_uses_it_without_outbox_and_inbox_and_joins_its_own_way(
    world: World, service_package: str, kit: KitTables
) -> None:
    async def join(node: Node) -> None:
        await node.trust_source.refresh()
        node.membership.members = world.members()

    node = world.node(service_package, journal=kit.journal, join=join)
    async with node:
        await joined(node)
        assert node.journal.writer == "provider-arm/1"
        assert "/v1/members" not in world.asked
        for part in ("outbox", "relay", "idempotent"):
            with pytest.raises(NotStarted, match="kit tables"):
                getattr(node, part)
        with pytest.raises(NotStarted):
            await node.receive("inbox.provider-arm", {})
    async with world.node(service_package, join=join) as bare:
        with pytest.raises(NotStarted, match="journal tables"):
            _ = bare.journal


async def test_a_missing_key_store_stops_the_start_and_names_the_file(
    world: World, service_package: str, kit: KitTables
) -> None:
    world.settings.keystore.unlink()
    with pytest.raises(FileNotFoundError, match=r"provider-arm\.p12"):
        async with world.node(service_package, tables=kit):
            pass


async def test_a_failed_start_closes_what_was_opened(
    world: World, service_package: str, kit: KitTables, versions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    close = Database.close

    async def counting(self: Database) -> None:
        closed.append(self.dialect)
        await close(self)

    monkeypatch.setattr(Database, "close", counting)
    (versions / "0001_first.py").write_text("revision, down_revision = '0001', None\ndef upgrade(): 1 / 0\n")
    node = world.node(service_package, tables=kit)
    with pytest.raises(ZeroDivisionError):
        await node.__aenter__()
    assert closed == ["sqlite"]


async def test_without_a_broker_or_a_bus_the_setting_is_named(world: World) -> None:
    with pytest.raises(ValueError, match="amqp_url"):
        make_bus(world.settings, world.clock)


async def test_background_work_ends_with_the_node_and_its_failure_is_logged(
    world: World, service_package: str, kit: KitTables, caplog: pytest.LogCaptureFixture
) -> None:
    ended = asyncio.Event()

    async def for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def fails() -> None:
        raise RuntimeError("boom")

    async with world.node(service_package, tables=kit) as node:
        node.background(for_ever(), "for ever")
        await asyncio.wait([node.background(fails(), "fails")])
        await joined(node)
    assert ended.is_set()
    assert "node.background_failed" in caplog.text


async def test_the_app_of_a_node_says_what_it_waits_for(world: World, service_package: str, kit: KitTables) -> None:
    world.shep_up = False
    node = world.node(service_package, tables=kit)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with node:
            yield

    app = node.create_service(lifespan=lifespan, title="АРМ")
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://arm") as http:
        assert app.state.node is node
        assert (await http.get("/health/live")).status_code == 200
        while True:
            ready = await http.get("/health/ready")
            if ready.json()["checks"]["members"] == "member list":
                break
        assert ready.status_code == 503
        assert ready.json()["checks"] == {"database": "ok", "bus": "ok", "members": "member list"}
        world.shep_up = True
        while not node.joined.is_set():
            await world.clock.advance(1)
            await node.db.ping()
        assert (await http.get("/health/ready")).status_code == 200
        await node.journal_keeper.stamp()  # nobody there gives stamps
        ready = await http.get("/health/ready")
        assert (ready.status_code, ready.json()["stamps"]["late"]) == (200, False)


async def test_a_database_in_memory_works_too(world: World, service_package: str, kit: KitTables) -> None:
    world.settings = Settings(
        home=world.home, keystore_password_file=world.home / "password", db_url="sqlite+aiosqlite://"
    )
    async with world.node(service_package, tables=kit) as node:
        await joined(node)
        assert await node.relay.backlog() == 0


async def test_a_node_signs_by_a_new_key_once_the_member_list_knows_it_and_shows_which(
    world: World, service_package: str, kit: KitTables
) -> None:
    path, old, new = world.home / "keys" / "provider-arm.p12", world.key, world.pki.system("provider-arm")
    node = world.node(service_package, tables=kit)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with node:
            yield

    app = node.create_service(lifespan=lifespan)

    async def states() -> dict[str, str]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://arm") as http:
            return {one["thumbprint"]: one["state"] for one in (await http.get("/health/ready")).json()["keys"]}

    async with app.router.lifespan_context(app):
        await joined(node)
        scratch = path.with_suffix(".new")
        scratch.write_bytes(new.to_pkcs12("secret", "provider-arm"))
        scratch.replace(path)
        while new.thumbprint not in await states():
            await world.clock.advance(1)
            await node.db.ping()
        assert await states() == {new.thumbprint: "waiting", old.thumbprint: "signing"}
        world.key, world.version = new, 2  # ШЭП's next list
        await node.refresh()
        assert await states() == {new.thumbprint: "signing", old.thumbprint: "former"}
        async with node.db.begin() as conn:
            await node.outbox.send(conn, draft())
        text = await node._metrics_text()
    assert (
        f'egov_certificate_expires_seconds{{service="provider-arm",state="signing",thumbprint="{new.thumbprint}"}}'
        in (text.decode())
    )


async def test_a_node_counts_the_days_of_the_certificate_it_shows_to_tls_clients(
    world: World, service_package: str, kit: KitTables, caplog: pytest.LogCaptureFixture
) -> None:
    shown = world.pki.system("provider-arm", span=world.pki.span(timedelta(days=20)))
    (world.home / "tls.crt").write_bytes(shown.certificate.public_bytes(Encoding.PEM))
    files = {"tls_certificate": world.home / "tls.crt", "tls_key_file": world.home / "tls.key"}
    world.settings = world.settings.model_copy(update=files)
    async with world.node(service_package, tables=kit) as node:
        await joined(node)
        text = (await node._metrics_text()).decode()
    days = 'egov_certificate_alarm_days{service="provider-arm",state="serving",thumbprint="%s"} 30.0'
    assert days % shown.thumbprint in text
    assert caplog.text.count("custody.certificate_ends") == 1 and shown.thumbprint in caplog.text


async def test_a_node_does_not_start_on_a_key_that_others_can_read(
    world: World, service_package: str, kit: KitTables, caplog: pytest.LogCaptureFixture
) -> None:
    (world.home / "keys" / "provider-arm.p12").chmod(0o644)
    with pytest.raises(EgovError, match=r"custody\.open_to_others"):
        async with world.node(service_package, tables=kit):
            pass
    assert "chmod 600" in caplog.text
