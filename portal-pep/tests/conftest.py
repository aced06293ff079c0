"""The portal alone: SQLite file, memory bus, hand-moved clock, a certification authority of the test, and a ШЭП of the
test that owns a gateway's key, reads shep.ingress and speaks to inbox.portal-pep."""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import FastAPI

from egovkit.bus import Delivery, Outgoing, Verdict
from egovkit.bus.memory import MemoryBus
from egovkit.clock import HandClock
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.errors import EgovError
from egovkit.ids import Ids
from egovkit.membership import Member, MemberCertificate, Members, sign_members
from egovkit.signatures.cms import sign_cms
from egovkit.signatures.jws import sign_detached
from egovkit.signatures.keys import SigningKey
from egovkit.signatures.receipt import Receipt, issue_receipt
from egovkit.testing.journal import give_journal_key
from egovkit.testing.pki import TestPki, lay_key
from egovkit.testing.plugin import Migrated
from egovlaw.identifiers import synthetic_iin
from egovorigin.domain.files import Attachment
from portal_pep.app import create_app
from portal_pep.settings import PortalPepSettings

NUMBER = "26000000001"
REGULATION = "atyrau-housing-queue"
PASSWORD = "жасыл-көл-2026"
PDF = b"%PDF-1.7\n" + b"copy of a document\n" * 20
KINDS = {
    "gateway-shep": "national_gateway",
    "regional-gateway-rshep": "regional_gateway",
    "portal-pep": "portal",
    "provider-arm": "provider",
    "other-arm": "provider",
    "registers-mock": "akimat_register",
    "gbd-fl-mock": "person_register",
}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def document(**body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


class FakeStore:
    """ШЭП's attachment store, as the portal sees it."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[str, str, bytes]] = {}
        self.failure: EgovError | None = None

    async def put(self, case: str, recipient: str, facts: Attachment, content: bytes) -> None:
        if self.failure is not None:
            raise self.failure
        assert hashlib.sha256(content).hexdigest() == facts.sha256
        self.kept[facts.sha256] = (case, recipient, content)


class FakeShep:
    """ШЭП and, behind it, the provider: signs what they would sign, with receipts."""

    def __init__(self, pki: TestPki, bus: MemoryBus, clock: HandClock, ids: Ids) -> None:
        self.pki, self.bus, self.clock, self.ids = pki, bus, clock, ids
        self.keys: dict[str, SigningKey] = {code: pki.system(code) for code in KINDS}
        self.regions = {
            "provider-arm": ("atyrau", "tayynsha", "zhambyl", "wko"),
            "other-arm": ("semey",),
            "registers-mock": ("atyrau",),
        }
        self.arrived: asyncio.Queue[Envelope] = asyncio.Queue()
        self.raw: dict[str, bytes] = {}
        self.version = 1
        self.used_s = 5.0  # what the receipts say was used of the limit
        self.suspended: set[str] = set()
        self._position = 0

    async def start(self) -> None:
        await self.bus.consume("shep.ingress", self._take)

    async def _take(self, deliveries: Any) -> list[Verdict]:
        for delivery in deliveries:
            self._keep(delivery)
        return [Verdict.ACK] * len(deliveries)

    def _keep(self, delivery: Delivery) -> None:
        envelope = Envelope.parse(delivery.body)
        self.raw[envelope.id] = delivery.body
        self.arrived.put_nowait(envelope)

    async def next(self) -> Envelope:
        async with asyncio.timeout(5):
            return await self.arrived.get()

    def members(self) -> Members:
        return Members(
            self.version,
            tuple(
                Member(
                    code=code,
                    kind=kind,
                    name_ru=code,
                    name_kk=code,
                    bin="999940000010",
                    kato="750000000",
                    regions=self.regions.get(code, ()),
                    services=("*",),
                    state="suspended" if code in self.suspended else "active",
                    delivery="amqp",
                    certificates=(MemberCertificate.of(self.keys[code].certificate),),
                )
                for code, kind in KINDS.items()
            ),
        )

    def http(self, request: httpx.Request) -> httpx.Response:
        """НУЦ and the member list, as far as joining asks."""
        if request.url.path == "/ca/issuing.cer":
            return httpx.Response(200, content=self.pki.issuing.public_bytes(Encoding.DER))
        if request.url.path == "/crl":
            return httpx.Response(200, content=self.pki.crl())
        if request.url.path == "/v1/members":
            return httpx.Response(200, text=sign_members(self.members(), self.keys["gateway-shep"]))
        return httpx.Response(404)

    def envelope(self, name: str, case: str, data: Mapping[str, Any], *, step: str, source: str) -> Envelope:
        return Envelope(
            id=self.ids.new(),
            source=source,
            type=f"kz.egov.{name}.v1",
            subject=case,
            time=self.clock.now(),
            dataschema=f"urn:egov:schema:{name}.v1",
            recipient="portal-pep",
            regulation=REGULATION,
            channel="portal",
            step=step,
            region="atyrau",
            caseseq=1,
            data=dict(data),
        )

    def outgoing(self, envelope: Envelope, signer: str | None = None) -> Outgoing:
        raw = envelope.encode()
        self._position += 1
        now = self.clock.now()
        digest = hashlib.sha256(raw).hexdigest()
        facts = (envelope.id, digest, "gateway-shep", "gateway-shep/1", self._position, "0" * 64, now, now)
        receipt = issue_receipt(Receipt(*facts, 60.0, self.used_s, envelope.step), self.keys["gateway-shep"])
        signature = sign_detached(raw, self.keys[signer or envelope.source])
        wire = WireEnvelope(raw, signature, (receipt,))
        return Outgoing("inbox.portal-pep", raw, wire.headers(), envelope.id)

    async def say(
        self, name: str, case: str, data: Mapping[str, Any], *, step: str = "P6", source: str = "provider-arm"
    ) -> Outgoing:
        """Sends one message and returns when the portal has settled it."""
        message = self.outgoing(self.envelope(name, case, data, step=step, source=source))
        await self.send(message)
        return message

    async def send(self, message: Outgoing) -> None:
        async with asyncio.timeout(10):
            assert await self.bus.publish([message]) == [None]

    async def accept(self, envelope: Envelope) -> None:
        data = {"id": envelope.id, "sha256": "0" * 64, "receipt": "r.e.ceipt"}
        await self.say("envelope.accepted", envelope.subject, data, step=envelope.step, source="gateway-shep")

    async def refuse(
        self, envelope: Envelope, code: str = "time.late", source: str = "gateway-shep", **more: Any
    ) -> Outgoing:
        texts = {
            f"{part}_{lang}": f"{part} in {lang}"
            for part in ("title", "detail", "remedy")
            for lang in ("ru", "kk", "en")
        }
        problem = {
            "code": code,
            "side": "sender",
            "hop": source,
            "clause": "6 8)",
            "status": 409,
            **texts,
            "received": stamp(self.clock),
            "expires": None,
            "limit_s": 60,
            "used_s": 75.5,
            **more,
        }
        data = {"id": envelope.id, "sha256": "0" * 64, "type": envelope.type, "problem": problem}
        return await self.say("envelope.refused", envelope.subject, data, step=envelope.step, source=source)


def stamp(clock: HandClock) -> str:
    return clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Citizen:
    """A person with a browser and an ЭЦП; `post` gives every call its own Idempotency-Key."""

    world: World
    iin: str
    key: SigningKey
    token: str = ""
    calls: int = 0

    def headers(self, **more: str) -> dict[str, str]:
        self.calls += 1
        auth = {"authorization": f"Bearer {self.token}"} if self.token else {}
        return {**auth, "idempotency-key": f"{self.iin}-{self.calls}", **more}

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.world.http.get(path, headers=self.headers(), params=params)

    async def post(self, path: str, body: Any = None, key: str | None = None) -> httpx.Response:
        headers = self.headers(**({"idempotency-key": key} if key else {}))
        return await self.world.http.post(path, headers=headers, json=body)

    async def put_form(self, case: str, values: Mapping[str, Any], version: int | str = 1) -> httpx.Response:
        headers = self.headers(**{"if-match": f'"{version}"'})
        return await self.world.http.put(f"/v1/cases/{case}/form", headers=headers, json={"values": values})

    async def attach(
        self, case: str, name: str = "copy.pdf", content: bytes = PDF, type_: str = "application/pdf"
    ) -> httpx.Response:
        path = f"/v1/cases/{case}/attachments/{name}"
        return await self.world.http.put(path, headers=self.headers(**{"content-type": type_}), content=content)

    async def register(self, **more: str) -> httpx.Response:
        return await self.post("/v1/accounts", {"iin": self.iin, "password": PASSWORD, **more})

    async def log_in(self, password: str = PASSWORD, **more: str) -> httpx.Response:
        answer = await self.post("/v1/sessions", {"iin": self.iin, "password": password, **more})
        if answer.status_code == 201:
            self.token = answer.json()["token"]
        return answer

    async def confirm(self, key: SigningKey | None = None) -> httpx.Response:
        prepared = await self.post("/v1/accounts/confirmation/prepare")
        assert prepared.status_code == 200, prepared.text
        document = base64.b64decode(prepared.json()["document"])
        return await self.post("/v1/accounts/confirmation", {"signature": self.sign(document, key)})

    def sign(self, document: bytes, key: SigningKey | None = None) -> str:
        return b64(sign_cms(document, key or self.key, self.world.clock.now()))

    async def arrive(self) -> Citizen:
        """Registered, logged in, confirmed."""
        assert (await self.register()).status_code == 201
        assert (await self.log_in()).status_code == 201
        assert (await self.confirm()).status_code == 200
        return self

    async def open(self, **more: Any) -> str:
        answer = await self.post("/v1/cases", {"regulation": REGULATION, **more})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def prepare(self, case: str, key: SigningKey | None = None) -> httpx.Response:
        certificate = (key or self.key).certificate.public_bytes(Encoding.DER)
        return await self.post(f"/v1/cases/{case}/prepare", {"certificate": b64(certificate)})

    async def prepared(self, case: str) -> bytes:
        answer = await self.prepare(case)
        assert answer.status_code == 200, answer.text
        return base64.b64decode(answer.json()["document"])

    async def submit(self, case: str, signature: str, key: str | None = None) -> httpx.Response:
        return await self.post(f"/v1/cases/{case}/submit", {"signature": signature}, key)

    async def send(self, regulation: str = REGULATION, **values: Any) -> Envelope:
        """A whole application, up to what ШЭП receives."""
        case = await self.open(regulation=regulation)
        if values or regulation == REGULATION:  # others print forms of their own, or none
            assert (await self.put_form(case, values or {"surname": "СЫНАҚОВ"})).status_code == 200
        answer = await self.submit(case, self.sign(await self.prepared(case)))
        assert answer.status_code == 202, answer.text
        return await self.world.shep.next()

    async def page(self, case: str) -> dict[str, Any]:
        answer = await self.get(f"/v1/cases/{case}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def history(self, case: str) -> list[dict[str, Any]]:
        return list((await self.get(f"/v1/cases/{case}/history", limit=100)).json()["items"])

    async def notices(self) -> list[str]:
        found = (await self.get("/v1/notifications", limit=100)).json()["items"]
        return [one["kind"] for one in reversed(found)]


class Provider:
    """The provider of one case: says what the contract lets it say, with its own versions."""

    def __init__(self, world: Any, case: str, steps: Mapping[str, str] | None = None) -> None:
        """`steps`: where this act has the messages, if not where most acts have them."""
        self.world, self.case, self.steps = world, case, dict(steps or {})
        self.official = world.pki.person(synthetic_iin(900), bin_="999940000040", profile="employee_sign")
        self.letter = document(kind="refusal", number=NUMBER, text="Құжаттар толық емес")
        self.notice = document(kind="result", number=NUMBER, text_kk="Есепке қойылды", text_ru="Поставлены на учёт")

    @property
    def now(self) -> str:
        return str(self.world.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"))

    def trail(self, outcome: str) -> list[dict[str, Any]]:
        place = {"writer": "provider-arm/1", "position": 7, "hash": "a" * 64}
        return [{"step": "C3", "outcome": outcome, "at": self.now, **place}]

    def data(self, name: str, version: int) -> tuple[dict[str, Any], str]:
        base = {"number": NUMBER, "version": version}
        why = {"reason_ru": "Нужна проверка", "reason_kk": "Тексеру керек", "at": self.now}
        made: dict[str, tuple[dict[str, Any], str]] = {
            "case.registered": ({"registered_at": self.now, "trail": []}, "P6"),
            "case.status": (
                {"status": "under_consideration", "text_ru": "На рассмотрении", "text_kk": "Қаралуда", "at": self.now},
                "P6",
            ),
            "case.extended": ({**why, "until": "2026-02-01T19:00:00.000Z"}, "P6"),
            "case.paused": (why, "P6"),
            "case.resumed": ({**why, "until": "2026-02-08T19:00:00.000Z"}, "P6"),
            "case.refused": (
                {
                    "reasons": [{"code": "documents.incomplete", "text": "Нет копии"}],
                    "document": b64(self.letter), "refused_at": self.now, "trail": self.trail("violation"),
                },
                "P7",
            ),
            "case.completed": (
                {
                    "document": b64(self.notice), "completed_at": self.now,
                    "signature": b64(sign_cms(self.notice, self.official, self.world.clock.now())),
                    "trail": self.trail("ok"),
                },
                "P8",
            ),
        }  # fmt: skip
        data, step = made[name]
        return {**base, **data}, self.steps.get(name, step)

    def message(self, name: str, version: int, source: str = "provider-arm", **changed: Any) -> Any:
        data, step = self.data(name, version)
        shep = self.world.shep
        return shep.outgoing(shep.envelope(name, self.case, {**data, **changed}, step=step, source=source))

    async def say(self, name: str, version: int, source: str = "provider-arm", **changed: Any) -> Any:
        message = self.message(name, version, source, **changed)
        await self.world.shep.send(message)
        return message


@dataclass
class World:
    app: FastAPI
    http: httpx.AsyncClient
    shep: FakeShep
    store: FakeStore
    pki: TestPki
    clock: HandClock
    bus: MemoryBus
    settings: PortalPepSettings
    people: int = 0

    def citizen(self, **odd: Any) -> Citizen:
        self.people += 1
        iin = synthetic_iin(self.people)
        return Citizen(self, iin, self.pki.person(iin, "СЫНАҚОВА", "ӘСЕЛ", **odd))

    async def revoke(self, key: SigningKey) -> None:
        """НУЦ revokes, and the portal has heard of it."""
        self.pki.revoke(key.certificate)
        await self.app.state.node.trust_source.refresh(force=True)


@pytest.fixture
def settings(tmp_path: Path, pki: TestPki, migrated: Migrated) -> PortalPepSettings:
    migrated("portal_pep", tmp_path / "portal-pep.sqlite3")
    (tmp_path / "keys").mkdir()
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "root.cer").write_bytes(pki.root.public_bytes(Encoding.DER))
    given = give_journal_key(tmp_path, "portal-pep")
    return PortalPepSettings(home=tmp_path, argon2_time=1, argon2_memory_kib=8, **given)


@pytest.fixture
async def world(
    settings: PortalPepSettings, pki: TestPki, memory_bus: MemoryBus, clock: HandClock, ids: Ids
) -> AsyncIterator[World]:
    shep = FakeShep(pki, memory_bus, clock, ids)
    lay_key(settings.keystore, settings.keystore_password_file, shep.keys["portal-pep"], "portal-pep")
    store = FakeStore()
    outward = httpx.AsyncClient(transport=httpx.MockTransport(shep.http))
    app = create_app(settings, bus=memory_bus, clock=clock, ids=ids, http=outward, attachments=store)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(outward)
        await stack.enter_async_context(app.router.lifespan_context(app))
        async with asyncio.timeout(10):
            await app.state.node.joined.wait()
        await shep.start()
        http = await stack.enter_async_context(
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://portal")
        )
        yield World(app, http, shep, store, pki, clock, memory_bus, settings)


@pytest.fixture
async def citizen(world: World) -> Citizen:
    return await world.citizen().arrive()


@pytest.fixture
def provider_of(world: World) -> Callable[[str], Provider]:
    """The provider of a case."""
    return functools.partial(Provider, world)


@pytest.fixture
async def sent(citizen: Citizen, provider_of: Callable[[str], Provider]) -> tuple[Envelope, Provider]:
    """An application ШЭП has received."""
    envelope = await citizen.send()
    return envelope, provider_of(envelope.subject)
