"""An origin as its neighbours see it, for its tests: ШЭП with the provider behind it, НУЦ and the member list behind
one HTTP transport. No socket is opened."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

import httpx
from fastapi import FastAPI

from egovkit.attachments import Claim
from egovkit.bus import Delivery, Outgoing, Verdict
from egovkit.bus.memory import MemoryBus
from egovkit.clock import Clock, HandClock
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.errors import EgovError
from egovkit.files import Attachment
from egovkit.ids import Ids
from egovkit.journal import read_rows
from egovkit.membership import Member, MemberCertificate, Members, sign_members
from egovkit.signatures.cms import sign_cms
from egovkit.signatures.jws import sign_detached
from egovkit.signatures.keys import SigningKey, der
from egovkit.signatures.receipt import Receipt, issue_receipt
from egovkit.testing.journal import BODIES, give_journal_key
from egovkit.testing.pki import TestPki, lay_key
from egovlaw.identifiers import synthetic_iin
from egovorigin.domain.document import document_bytes, stamp
from egovorigin.origin import INGRESS

REGULATION = "atyrau-housing-queue"
PASSWORD = "жасыл-көл-2026"
PDF = b"%PDF-1.7\n" + b"copy of a document\n" * 20
NUMBER = "26000000001"
LETTER = document_bytes({"kind": "refusal", "number": NUMBER, "text": "Құжаттар толық емес"})
NOTICE = document_bytes(
    {"kind": "result", "number": NUMBER, "text_kk": "Есепке қойылды", "text_ru": "Поставлены на учёт"}
)
SHEP, PROVIDER = "gateway-shep", "provider-arm"
NEIGHBOURS = {
    SHEP: "national_gateway",
    "regional-gateway-rshep": "regional_gateway",
    PROVIDER: "provider",
    "other-arm": "provider",
}
REGIONS = {PROVIDER: ("atyrau", "tayynsha", "zhambyl", "wko"), "other-arm": ("semey",)}
WAIT_SECONDS = 10.0

# What a provider says of a case, but for the gateways' notices.
FACTS = (
    "case.registered",
    "case.status",
    "case.extended",
    "case.paused",
    "case.resumed",
    "case.refused",
    "case.completed",
)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class CreateApp(Protocol):
    def __call__(
        self,
        settings: Any,
        *,
        bus: MemoryBus,
        clock: Clock,
        ids: Ids,
        http: httpx.AsyncClient,
        attachments: FakeStore,
    ) -> FastAPI: ...


@dataclass(frozen=True)
class Labels:
    """Where most acts of a channel have the provider's messages: labels of steps, and the clause a gateway cites."""

    registered: str
    refused: str
    completed: str
    checked: str  # the provider's local step, in the trail of what ends the case
    clause: str


@dataclass(frozen=True)
class Place:
    """The origin under test: its code, its channel, and the other members its tests need."""

    code: str
    kind: str
    channel: str
    labels: Labels
    neighbours: Mapping[str, str] = field(default_factory=dict)  # code to kind
    regions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bin: str = "999940000010"  # the origin's own
    limit_s: float = 90.0  # what the receipts say of the limit


class FakeStore:
    """ШЭП's attachment store, as the origin sees it."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[str, bytes]] = {}
        self.failure: EgovError | None = None
        self.fetched = 0

    async def put(self, case: str, facts: Attachment, content: bytes) -> None:
        if self.failure is not None:
            raise self.failure
        assert hashlib.sha256(content).hexdigest() == facts.sha256
        self.kept[facts.sha256] = (case, content)

    async def fetch(self, claim: Claim) -> bytes:
        self.fetched += 1
        if self.failure is not None:
            raise self.failure
        case, content = self.kept.get(claim.sha256, ("", b""))
        if case != claim.case:
            raise EgovError("attachment.gone", sha256=claim.sha256)
        return content


class FakeShep:
    """ШЭП and, behind it, everybody else: signs what they would sign, with receipts."""

    def __init__(self, place: Place, pki: TestPki, bus: MemoryBus, clock: HandClock, ids: Ids) -> None:
        self.place, self.pki, self.bus, self.clock, self.ids = place, pki, bus, clock, ids
        self.kinds = {**NEIGHBOURS, place.code: place.kind, **place.neighbours}
        self.regions = {**REGIONS, **place.regions}
        self.keys: dict[str, SigningKey] = {code: pki.system(code) for code in self.kinds}
        self.regulation, self.channel, self.region = REGULATION, place.channel, "atyrau"
        self.arrived: asyncio.Queue[Envelope] = asyncio.Queue()
        self.raw: dict[str, bytes] = {}
        self.version = 1
        self.used_s = 5.0  # what the receipts say was used of the limit
        self.suspended: set[str] = set()
        self._position = 0

    async def start(self) -> None:
        await self.bus.consume(INGRESS, self._take)

    async def _take(self, deliveries: Sequence[Delivery]) -> list[Verdict]:
        for delivery in deliveries:
            envelope = Envelope.parse(delivery.body)
            self.raw[envelope.id] = delivery.body
            self.arrived.put_nowait(envelope)
        return [Verdict.ACK] * len(deliveries)

    async def next(self) -> Envelope:
        async with asyncio.timeout(5):
            return await self.arrived.get()

    def members(self) -> Members:
        return Members(self.version, tuple(self._member(code, kind) for code, kind in self.kinds.items()))

    def _member(self, code: str, kind: str) -> Member:
        return Member(
            code=code,
            kind=kind,
            name_ru=code,
            name_kk=code,
            bin=self.place.bin if code == self.place.code else "999940000010",
            kato="750000000",
            regions=self.regions.get(code, ()),
            services=("*",),
            state="suspended" if code in self.suspended else "active",
            delivery="amqp",
            certificates=(MemberCertificate.of(self.keys[code].certificate),),
        )

    def http(self, request: httpx.Request) -> httpx.Response:
        """НУЦ and the member list, as far as joining asks."""
        if request.url.path == "/ca/issuing.cer":
            return httpx.Response(200, content=der(self.pki.issuing))
        if request.url.path in ("/crl", "/crl/root"):
            return httpx.Response(200, content=self.pki.crl() if request.url.path == "/crl" else self.pki.root_crl())
        if request.url.path == "/v1/members":
            return httpx.Response(200, text=sign_members(self.members(), self.keys[SHEP]))
        return httpx.Response(404)

    def envelope(self, name: str, case: str, data: Mapping[str, Any], **more: Any) -> Envelope:
        """`more`: source, step, caseseq, correlation; the provider's registration where it does not say."""
        return Envelope(
            id=self.ids.new(),
            source=more.get("source", PROVIDER),
            type=f"kz.egov.{name}.v1",
            subject=case,
            time=self.clock.now(),
            dataschema=f"urn:egov:schema:{name}.v1",
            recipient=self.place.code,
            regulation=self.regulation,
            channel=self.channel,
            step=more.get("step", self.place.labels.registered),
            region=self.region,
            caseseq=more.get("caseseq", 1),
            data=dict(data),
            correlationid=more.get("correlation"),
        )

    def outgoing(self, envelope: Envelope, **passage: Any) -> Outgoing:
        """The message with ШЭП's receipt. `passage`: who signed it instead of its source, when it was received."""
        raw = envelope.encode()
        self._position += 1
        now = passage.get("received", self.clock.now())
        digest = hashlib.sha256(raw).hexdigest()
        facts = (envelope.id, digest, SHEP, f"{SHEP}/1", self._position, "0" * 64, now, now)
        receipt = issue_receipt(Receipt(*facts, self.place.limit_s, self.used_s, envelope.step), self.keys[SHEP])
        signature = sign_detached(raw, self.keys[passage.get("signer", envelope.source)])
        wire = WireEnvelope(raw, signature, (receipt,))
        return Outgoing(f"inbox.{self.place.code}", raw, wire.headers(), envelope.id)

    async def say(self, name: str, case: str, data: Mapping[str, Any], **more: Any) -> Outgoing:
        """Sends one message and returns when the origin has settled it."""
        message = self.outgoing(self.envelope(name, case, data, **more))
        await self.send(message)
        return message

    async def send(self, message: Outgoing) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            assert await self.bus.publish([message]) == [None]

    def acceptance(self, envelope: Envelope) -> Outgoing:
        data = {"id": envelope.id, "sha256": "0" * 64, "receipt": "r.e.ceipt"}
        said = self.envelope("envelope.accepted", envelope.subject, data, step=envelope.step, source=SHEP)
        return self.outgoing(said)

    async def accept(self, envelope: Envelope) -> None:
        await self.send(self.acceptance(envelope))

    async def refuse(self, envelope: Envelope, code: str = "time.late", source: str = SHEP, **more: Any) -> Outgoing:
        parts, languages = ("title", "detail", "remedy"), ("ru", "kk", "en")
        texts = {f"{part}_{lang}": f"{part} in {lang}" for part in parts for lang in languages}
        problem = {
            "code": code,
            "side": "sender",
            "hop": source,
            "clause": self.place.labels.clause,
            "status": 409,
            **texts,
            "received": stamp(self.clock.now()),
            "expires": None,
            "limit_s": 60,
            "used_s": 75.5,
            **more,
        }
        data = {"id": envelope.id, "sha256": "0" * 64, "type": envelope.type, "problem": problem}
        return await self.say("envelope.refused", envelope.subject, data, step=envelope.step, source=source)


class Provider:
    """The provider of one case: says what the contract lets it say, with its own versions."""

    def __init__(self, world: World, case: str, steps: Mapping[str, str] | None = None) -> None:
        """`steps`: where this act has the messages, if not where most acts have them."""
        self.world, self.case, self.steps = world, case, steps or world.steps
        self.official = world.pki.person(synthetic_iin(900), bin_="999940000040", profile="employee_sign")
        self.letter, self.notice = LETTER, NOTICE

    @property
    def now(self) -> str:
        return stamp(self.world.clock.now())

    def trail(self, outcome: str) -> list[dict[str, Any]]:
        place = {"writer": f"{PROVIDER}/1", "position": 7, "hash": "a" * 64}
        return [{"step": self.world.shep.place.labels.checked, "outcome": outcome, "at": self.now, **place}]

    def data(self, name: str, version: int) -> tuple[dict[str, Any], str]:
        labels = self.world.shep.place.labels
        why = {"reason_ru": "Нужна проверка", "reason_kk": "Тексеру керек", "at": self.now}
        status = {"status": "under_consideration", "text_ru": "На рассмотрении", "text_kk": "Қаралуда", "at": self.now}
        refused = {
            "reasons": [{"code": "documents.incomplete", "text": "Нет копии"}],
            "document": b64(self.letter),
            "refused_at": self.now,
            "trail": self.trail("violation"),
        }
        completed = {
            "document": b64(self.notice),
            "signature": b64(sign_cms(self.notice, self.official, self.world.clock.now())),
            "completed_at": self.now,
            "trail": self.trail("ok"),
        }
        made: dict[str, tuple[dict[str, Any], str]] = {
            "case.registered": ({"registered_at": self.now, "trail": []}, labels.registered),
            "case.status": (status, labels.registered),
            "case.extended": ({**why, "until": "2026-02-01T19:00:00.000Z"}, labels.registered),
            "case.paused": (why, labels.registered),
            "case.resumed": ({**why, "until": "2026-02-08T19:00:00.000Z"}, labels.registered),
            "case.refused": (refused, labels.refused),
            "case.completed": (completed, labels.completed),
        }
        data, step = made[name]
        return {"number": NUMBER, "version": version, **data}, self.steps.get(name, step)

    def message(self, name: str, version: int, source: str = PROVIDER, **changed: Any) -> Outgoing:
        data, step = self.data(name, version)
        shep = self.world.shep
        return shep.outgoing(shep.envelope(name, self.case, {**data, **changed}, step=step, source=source))

    async def say(self, name: str, version: int, source: str = PROVIDER, **changed: Any) -> Outgoing:
        message = self.message(name, version, source, **changed)
        await self.world.shep.send(message)
        return message


@dataclass
class World:
    """The running origin and its neighbours."""

    app: FastAPI
    http: httpx.AsyncClient
    shep: FakeShep
    store: FakeStore
    pki: TestPki
    clock: HandClock
    bus: MemoryBus
    settings: Any
    people: int = 0
    steps: dict[str, str] = field(default_factory=dict)  # where the act has the provider's messages, if elsewhere

    def iin(self) -> str:
        """Somebody nobody has met before."""
        self.people += 1
        return synthetic_iin(self.people)

    async def journal(self, case: str | None) -> list[dict[str, Any]]:
        node = self.app.state.node
        async with node.db.read() as conn:
            rows = await read_rows(conn, node.journal.tables, case_id=case or None, bodies=BODIES)
        return [{"kind": row.kind, **row.facts} for row in rows]

    async def dead(self) -> list[str]:
        """The reasons of the dead letters."""
        reasons: list[str] = []

        async def take(deliveries: Sequence[Delivery]) -> list[Verdict]:
            reasons.extend(one.dead_reason or "" for one in deliveries)
            return [Verdict.ACK] * len(deliveries)

        depth = await self.bus.depth("dead-letters")
        subscription = await self.bus.consume("dead-letters", take)
        while len(reasons) < depth:
            await self.clock.sleep(0)
        await subscription.cancel()
        return reasons

    async def signed_page(self, official: SigningKey, number: str = NUMBER) -> bytes:
        return await self.pki.signed_page(official, number, self.settings.home)

    def store_page(self, case: str, pdf: bytes) -> dict[str, Any]:
        """The provider puts it into ШЭП's store; what his message says of it."""
        digest = hashlib.sha256(pdf).hexdigest()
        self.store.kept[digest] = (case, pdf)
        return {"sha256": digest, "size": len(pdf)}

    async def revoke(self, key: SigningKey, since: datetime | None = None) -> None:
        """НУЦ revokes, and the origin has heard of it."""
        self.pki.revoke(key.certificate, since)
        await self.app.state.node.trust_source.refresh(force=True)


W = TypeVar("W", bound=World)


def files_in(home: Path, pki: TestPki, code: str) -> dict[str, Any]:
    """Folders and trust root; the values of the settings that name them, with the cheapest passwords."""
    (home / "keys").mkdir()
    (home / "trust").mkdir()
    (home / "trust" / "root.cer").write_bytes(der(pki.root))
    return {"home": home, "argon2_time": 1, "argon2_memory_kib": 8, **give_journal_key(home, code)}


@asynccontextmanager
async def running(create_app: CreateApp, settings: Any, shep: FakeShep, kind: type[W]) -> AsyncIterator[W]:
    """The origin on a memory bus, joined. `kind`: the world of its tests."""
    code = shep.place.code
    lay_key(settings.keystore, settings.keystore_password_file, shep.keys[code], code)
    store = FakeStore()
    async with AsyncExitStack() as stack:
        outward = await stack.enter_async_context(httpx.AsyncClient(transport=httpx.MockTransport(shep.http)))
        app = create_app(settings, bus=shep.bus, clock=shep.clock, ids=shep.ids, http=outward, attachments=store)
        await stack.enter_async_context(app.router.lifespan_context(app))
        async with asyncio.timeout(WAIT_SECONDS):
            await app.state.node.joined.wait()
        await shep.start()
        inward = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://origin")
        http = await stack.enter_async_context(inward)
        yield kind(app, http, shep, store, shep.pki, shep.clock, shep.bus, settings)
