"""A gateway between two systems on a real database and the memory bus, with a judge that a test can script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import MetaData, func, select

from egovgateway.checking import Checker
from egovgateway.domain import (
    Arrival,
    CaseRow,
    Decision,
    Forward,
    Park,
    Refuse,
    Result,
    Standing,
    Trace,
    Verified,
)
from egovgateway.notices import Notices
from egovgateway.pipeline import Gateway, GatewayParts
from egovgateway.publisher import Publisher
from egovgateway.store import GatewayStore
from egovgateway.tables import GatewayTables, gateway_tables
from egovkit.bus import BusLimits, Delivery, Topology, Verdict
from egovkit.bus.memory import MemoryBus
from egovkit.clock import HandClock
from egovkit.contracts import contracts_dir, read_once
from egovkit.db import Database
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.errors import EgovError
from egovkit.ids import Ids
from egovkit.journal import Journal
from egovkit.membership import Member, MemberCertificate, Members, Membership
from egovkit.messages import MessageRegister
from egovkit.problems import Problems
from egovkit.signatures.jws import sign_detached
from egovkit.signatures.keys import SigningKey
from egovkit.testing.journal import BODIES
from egovkit.testing.pki import TestPki

DOOR, TRUNK, PATIENCE = "door", "trunk", timedelta(minutes=5)


def scripted(item: Verified, standing: Standing) -> Decision:
    """Forwards to the recipient, keeps the order of each source, refuses the step `NO`."""
    envelope, case = item.envelope, standing.case
    trace = Trace(envelope.step, clause="6 8)", state_before=case.position if case else None)
    if standing.taken(envelope.source, envelope.caseseq):
        return Refuse(EgovError("order.sequence_taken", caseseq=envelope.caseseq), trace)
    if standing.early(envelope.source, envelope.caseseq):
        until = item.arrival.received + PATIENCE
        if standing.now >= until:
            return Refuse(EgovError("order.predecessor_missing", caseseq=envelope.caseseq), trace)
        return Park(until, trace)
    if envelope.step == "NO":
        return Refuse(EgovError("order.not_party_of_case", clause="6 8)", source=envelope.source), trace)
    case = case or CaseRow(envelope.subject, envelope.regulation, 1, "portal", "atyrau", "alpha", "beta")
    moved = replace(case, position=envelope.step, sequences={**case.sequences, envelope.source: envelope.caseseq})
    to = MEMBERS_BY_CODE[envelope.recipient]
    return Forward(to, moved, replace(trace, state_after=envelope.step), notify_sender=envelope.step == "P5")


MEMBERS_BY_CODE: dict[str, Member] = {}


@dataclass
class Rig:
    """One gateway and what a test needs to talk to it."""

    clock: HandClock
    ids: Ids
    pki: TestPki
    bus: MemoryBus
    db: Database
    tables: GatewayTables
    keys: Mapping[str, SigningKey]
    membership: Membership
    make: Callable[..., Gateway]
    gateway: Gateway
    arrived: dict[str, list[Delivery]] = field(default_factory=dict)
    newest: Members | None = None
    refreshes: int = 0

    def envelope(self, step: str = "P5", source: str = "alpha", **changes: Any) -> Envelope:
        """A valid case.status from alpha to beta; `changes` are attributes."""
        values: dict[str, Any] = {
            "id": self.ids.new(),
            "source": source,
            "type": "kz.egov.case.status.v1",
            "subject": self.ids.new(),
            "time": self.clock.now(),
            "dataschema": "urn:egov:schema:case.status.v1",
            "recipient": "beta",
            "regulation": "some-act",
            "channel": "portal",
            "step": step,
            "region": "atyrau",
            "caseseq": 1,
            "data": {
                "number": None,
                "status": "in_work",
                "text_ru": "В работе: ә ғ қ ң ө ұ ү һ і",
                "text_kk": "Жұмыста",
                "version": 1,
                "at": "2026-01-15T04:00:00Z",
            },
        }
        return Envelope(**{**values, **changes})

    def sign(self, envelope: Envelope, by: str | None = None) -> WireEnvelope:
        raw = envelope.encode()
        return WireEnvelope(raw, sign_detached(raw, self.keys[by or envelope.source]))

    async def send(self, *envelopes: Envelope | WireEnvelope, by: str | None = None) -> list[Result]:
        wires = [e if isinstance(e, WireEnvelope) else self.sign(e, by) for e in envelopes]
        now = self.clock.now()
        return await self.gateway.process([Arrival(wire, DOOR, now) for wire in wires])

    async def published(self) -> None:
        """Wait until everything in flight has been confirmed or given up."""
        await self.gateway.parts.publisher.idle()

    def inbox(self, code: str) -> list[Envelope]:
        return [Envelope.parse(d.body) for d in self.arrived.get(f"inbox.{code}", [])]

    async def count(self, table: str) -> int:
        chosen = self.tables.journal.rows if table == "journal" else getattr(self.tables, table)
        async with self.db.read() as conn:
            return int((await conn.execute(select(func.count()).select_from(chosen))).scalar_one())

    async def states(self) -> dict[str, str]:
        t = self.tables.envelopes
        async with self.db.read() as conn:
            return {row.id: row.state for row in await conn.execute(select(t.c.id, t.c.state))}


def member(code: str, kind: str, key: SigningKey, delivery: str = "amqp", state: str = "active") -> Member:
    certificates = (MemberCertificate.of(key.certificate),)
    return Member(code, kind, code, code, "999940000010", "230000000", (), ("*",), state, delivery, certificates)


@pytest.fixture
async def rig(clock: HandClock, ids: Ids, pki: TestPki) -> AsyncIterator[Rig]:
    keys = {code: pki.system(code) for code in ("gate", "alpha", "beta", "poll", "lost")}
    members = (
        member("gate", "national_gateway", keys["gate"]),
        member("alpha", "portal", keys["alpha"]),
        member("beta", "provider", keys["beta"]),
        member("poll", "provider", keys["poll"], delivery="http"),
        member("lost", "portal", keys["lost"], state="suspended"),
    )
    MEMBERS_BY_CODE.update({m.code: m for m in members})
    trust = pki.trust()
    membership = Membership(trust, clock, Members(1, members))
    metadata = MetaData()
    tables = gateway_tables(metadata)
    db = Database("sqlite+aiosqlite:///:memory:")
    async with db.begin() as conn:
        await conn.run_sync(metadata.create_all)
    bus = MemoryBus(limits=BusLimits(retry_delay=0.0, grace=0.2))
    await bus.declare(Topology.of(DOOR, TRUNK, "inbox.alpha", "inbox.beta", "inbox.lost"))
    await bus.start()
    problems, messages = read_once(Problems.load, contracts_dir()), read_once(MessageRegister.load, contracts_dir())

    async def refresh() -> None:
        """The newest list, as ШЭП would give it."""
        if rig.newest is not None:
            rig.refreshes += 1
            membership.members = rig.newest

    def make(writer: str = "gate/1", checkpoint: Callable[[str], None] = lambda _: None) -> Gateway:
        store = GatewayStore(tables, BODIES)
        parts = GatewayParts(
            code="gate",
            db=db,
            store=store,
            journal=Journal(tables.journal, writer),
            key=keys["gate"],
            clock=clock,
            checker=Checker(membership, trust, messages, trunk=TRUNK, home="gate"),
            notices=Notices("gate", keys["gate"], clock, ids, problems, messages),
            publisher=Publisher(db, bus, store, clock, checkpoint),
            queue_for=lambda m: None if m.delivery == "http" else f"inbox.{m.code}",
            not_ready=lambda: None,
            refresh=refresh,
        )
        return Gateway(parts, scripted, checkpoint)

    rig = Rig(clock, ids, pki, bus, db, tables, keys, membership, make, make())

    async def collect(deliveries: Any) -> list[Verdict]:
        for delivery in deliveries:
            rig.arrived.setdefault(delivery.queue, []).append(delivery)
        return [Verdict.ACK] * len(deliveries)

    for code in ("alpha", "beta", "lost"):
        await bus.consume(f"inbox.{code}", collect)
    yield rig
    await rig.gateway.parts.publisher.close()
    await bus.close()
    await db.close()
