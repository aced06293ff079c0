"""A register as its neighbours see it, for the tests of its twin: a centre that asks, a gateway that receipts, НУЦ and
ШЭП's member list behind one HTTP transport. No socket is opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import httpx
from fastapi import FastAPI

from egovkit.bus import DEAD_REASON, Delivery, Outgoing, Verdict
from egovkit.bus.memory import MemoryBus
from egovkit.clock import Clock, HandClock
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.ids import Ids
from egovkit.journal import row_of
from egovkit.membership import Member, MemberCertificate, Members, sign_members
from egovkit.node import Node
from egovkit.signatures.jws import sign_detached
from egovkit.signatures.keys import SigningKey, der
from egovkit.signatures.receipt import Receipt, issue_receipt
from egovkit.testing.journal import BODIES, give_journal_key
from egovkit.testing.pki import TestPki, lay_key
from egovlaw.kinds import message_type
from egovregister.finding import NATIONAL_INGRESS

ADMIN = "administrator-of-the-test"
CENTRE, PROVIDER, SHEP = "con-arm", "provider-arm", "gateway-shep"
WAIT_SECONDS = 10.0


class CreateApp(Protocol):
    def __call__(
        self, settings: Any, *, bus: MemoryBus, clock: Clock, ids: Ids, http: httpx.AsyncClient
    ) -> FastAPI: ...


@dataclass
class Keys:
    """Made once for a test, so that a second start of the twin finds its neighbours unchanged."""

    register: SigningKey
    centre: SigningKey
    provider: SigningKey
    shep: SigningKey

    def of(self, code: str) -> SigningKey:
        return {CENTRE: self.centre, PROVIDER: self.provider, SHEP: self.shep}[code]

    @classmethod
    def made(cls, pki: TestPki, code: str) -> Keys:
        return cls(pki.system(code), pki.system(CENTRE), pki.system(PROVIDER), pki.system(SHEP))


@dataclass
class Bench:
    """The running twin and the means to talk to it."""

    app: FastAPI
    http: httpx.AsyncClient  # without rights
    admin: httpx.AsyncClient
    bus: MemoryBus
    clock: HandClock
    ids: Ids
    keys: Keys
    code: str
    sent: list[Delivery] = field(default_factory=list)
    letters: list[Delivery] = field(default_factory=list)  # dead ones

    @property
    def node(self) -> Node:
        node: Node = self.app.state.node
        return node

    def question(self, name: str, criterion: Mapping[str, Any] | None, **changes: Any) -> Envelope:
        """A centre's question, good for 90 seconds; `changes` are of the envelope, `data` of what it carries."""
        data = {
            **({} if criterion is None else {"criterion": dict(criterion)}),
            "official": "operator-1",
            "purpose_ru": "Постановка на учёт нуждающихся в жилье",
            "clause": "8 3)",
            "trail": [],
            **changes.pop("data", {}),
        }
        values: dict[str, Any] = {
            "id": self.ids.new(),
            "source": CENTRE,
            "type": message_type(name),
            "subject": self.ids.new(),
            "time": self.clock.now(),
            "dataschema": f"urn:egov:schema:{name}.v1",
            "recipient": self.code,
            "regulation": "test-regulation",
            "channel": "centre",
            "step": "P3",
            "region": "test-region",
            "caseseq": 1,
            "data": data,
            "expirytime": self.clock.now() + timedelta(seconds=90),
        }
        return Envelope(**(values | changes))

    def refusal(self, of: Envelope, code: str) -> Envelope:
        """ШЭП's word against an answer of ours."""
        words = {f"{part}_{lang}": "…" for part in ("title", "detail", "remedy") for lang in ("ru", "kk", "en")}
        problem = {
            **{"code": code, "side": "sender", "hop": SHEP, "clause": None, "status": 422},
            **words,
            **{"received": _text(self.clock.now()), "expires": None, "limit_s": None, "used_s": None},
        }
        data = {"id": of.id, "sha256": "0" * 64, "type": of.type, "problem": problem}
        told = self.question("envelope.refused", {}, source=SHEP, subject=of.subject, caseseq=0, expirytime=None)
        told.data.clear()
        told.data.update(data)
        return told

    async def deliver(self, *envelopes: Envelope) -> None:
        """Through ШЭП into the inbox; returns when each is settled (a memory bus confirms no sooner)."""
        wires = [self._wire(envelope) for envelope in envelopes]
        messages = [Outgoing(f"inbox.{self.code}", wire.raw, wire.headers(), self.ids.new()) for wire in wires]
        assert await self.bus.publish(messages) == [None] * len(messages)

    def _wire(self, envelope: Envelope) -> WireEnvelope:
        raw, now = envelope.encode(), self.clock.now()
        wire = WireEnvelope(raw, sign_detached(raw, self.keys.of(envelope.source)))
        receipt = Receipt(
            id=envelope.id,
            sha256=wire.sha256,
            gateway=SHEP,
            writer=f"{SHEP}/1",
            position=1,
            head="0" * 64,
            received=now,
            forwarded=now,
        )
        return wire.with_receipt(issue_receipt(receipt, self.keys.shep))

    async def answers(self, count: int) -> list[Envelope]:
        """What left, once there are `count`; the relay works in a task of its own."""
        await self.until(lambda: len(self.sent) >= count)
        return [Envelope.parse(delivery.body) for delivery in self.sent]

    async def dead(self, count: int = 1) -> list[str]:
        """Why the inbox gave letters up."""
        await self.until(lambda: len(self.letters) >= count)
        return [str(letter.headers[DEAD_REASON]) for letter in self.letters]

    async def until(self, there: Callable[[], object]) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            while not there():
                await asyncio.get_running_loop().run_in_executor(None, lambda: None)

    async def later(self, seconds: float) -> None:
        """So much time passes, and the register has done what was due then."""
        await self.clock.advance(seconds)
        await self.app.state.desk.keeper.once()

    async def reads(self, **params: Any) -> list[dict[str, Any]]:
        found = await self.admin.get("/v1/reads", params=params)
        assert found.status_code == 200, found.text
        items: list[dict[str, Any]] = found.json()["items"]
        return items

    async def fault(self, **wish: Any) -> None:
        answer = await self.admin.put("/v1/control/fault", json=wish)
        assert answer.status_code == 200, answer.text

    async def journal(self, kind: str = "envelope") -> list[dict[str, Any]]:
        """Bodies of one kind, in order."""
        tables = self.node.journal.tables
        query = tables.rows.select().where(tables.rows.c.kind == kind).order_by(tables.rows.c.position)
        async with self.node.db.read() as conn:
            return [row_of(row._mapping, BODIES).facts for row in await conn.execute(query)]


def files_in(home: Path, keys: Keys, pki: TestPki) -> dict[str, Any]:
    """Key store, trust root and administrator's token; the values of the settings that name them."""
    lay_key(home / "register.p12", home / "register.keystore", keys.register, "register")
    (home / "root.cer").write_bytes(der(pki.root))
    (home / "admin").write_text(ADMIN + "\n")
    return {
        "home": home,
        "keystore": home / "register.p12",
        "keystore_password_file": home / "register.keystore",
        "trust_root": home / "root.cer",
        "admin_token_file": home / "admin",
        "nuc_url": "http://nuc.test",
        "shep_url": "http://shep.test",
        **give_journal_key(home, "register"),
    }


@asynccontextmanager
async def running(
    create_app: CreateApp,
    settings: Any,
    keys: Keys,
    pki: TestPki,
    world: tuple[MemoryBus, HandClock, Ids],
    *,
    ingress: str = NATIONAL_INGRESS,
) -> AsyncIterator[Bench]:
    """The twin on a memory bus, joined; what it sends to its gateway by the queue `ingress` is collected."""
    bus, clock, ids = world
    members = Members(1, tuple(_member(code, kind, key) for code, kind, key in _parties(settings.code, keys)))

    def neighbours(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/v1/members":
            return httpx.Response(200, text=sign_members(members, keys.shep))
        return httpx.Response(200, content=pki.crl() if path == "/crl" else der(pki.issuing))

    sent, letters = await _collected(bus, ingress), await _collected(bus, "dead-letters")
    async with httpx.AsyncClient(transport=httpx.MockTransport(neighbours)) as out:
        app = create_app(settings, bus=bus, clock=clock, ids=ids, http=out)
        inward = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        rights = {"authorization": f"Bearer {ADMIN}", "accept-language": "en"}
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=inward, base_url="http://register.test") as http,
            httpx.AsyncClient(transport=inward, base_url="http://register.test", headers=rights) as admin,
        ):
            await asyncio.wait_for(app.state.node.joined.wait(), WAIT_SECONDS)
            yield Bench(app, http, admin, bus, clock, ids, keys, settings.code, sent, letters)


def _parties(code: str, keys: Keys) -> list[tuple[str, str, SigningKey]]:
    return [
        (SHEP, "national_gateway", keys.shep),
        (CENTRE, "centre", keys.centre),
        (PROVIDER, "provider", keys.provider),
        (code, "person_register", keys.register),
    ]


def _member(code: str, kind: str, key: SigningKey) -> Member:
    certificates = (MemberCertificate.of(key.certificate),)
    return Member(code, kind, code, code, "999940000010", "750000000", (), ("*",), "active", "amqp", certificates)


async def _collected(bus: MemoryBus, queue: str) -> list[Delivery]:
    found: list[Delivery] = []

    async def collect(deliveries: Sequence[Delivery]) -> list[Verdict]:
        found.extend(deliveries)
        return [Verdict.ACK] * len(deliveries)

    await bus.consume(queue, collect)
    return found


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
