"""The workstation alone: SQLite file, memory bus, hand-moved clock, a certification authority of the test, and a ШЭП of
the test that owns the gateways', the registers' and the provider's keys, reads shep.ingress and speaks to the inbox."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import FastAPI

from con_arm.app import create_app
from con_arm.settings import Settings
from con_arm.tables import kit
from egovkit.bus import Delivery, Outgoing, Verdict
from egovkit.bus.memory import MemoryBus
from egovkit.clock import HandClock
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.errors import EgovError
from egovkit.ids import Ids
from egovkit.journal import read_rows
from egovkit.membership import Member, MemberCertificate, Members, sign_members
from egovkit.signatures.cms import sign_cms
from egovkit.signatures.jws import sign_detached
from egovkit.signatures.keys import SigningKey
from egovkit.signatures.receipt import Receipt, issue_receipt
from egovkit.testing.journal import BODIES, give_journal_key
from egovkit.testing.pki import TestPki, lay_key
from egovkit.testing.plugin import Migrated
from egovlaw.identifiers import synthetic_iin
from egovorigin.domain.files import Attachment

REGULATION = "atyrau-housing-queue"
PASSWORD = "жасыл-көл-2026"
ADMIN = "the administrator's token"
BIN = "991240990056"  # the centre's own, under which its employees' certificates are issued
PDF = b"%PDF-1.7\n" + b"a scan\n" * 20
NUMBER = "26000000001"
LETTER = json.dumps({"kind": "refusal", "number": NUMBER, "text": "Құжаттар толық емес"}, ensure_ascii=False).encode()
NOTICE = json.dumps({"kind": "result", "number": NUMBER, "text": "Есепке қойылды"}, ensure_ascii=False).encode()
KINDS = {
    "gateway-shep": "national_gateway",
    "regional-gateway-rshep": "regional_gateway",
    "con-arm": "centre",
    "provider-arm": "provider",
    "gbd-fl-mock": "person_register",
    "enis-mock": "attorney_register",
    "other-arm": "provider",
}
DONE = {"code": "00000", "name_ru": "Сообщение успешно обработано", "name_kk": "Хабарлама сәтті өңделді"}
ATTORNEY = {"certified": "notary", "registry_number": "№ 1-Ә/2026", "date": "2025-06-01"}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def entry(code: str, ru: str = "значение", kk: str = "мәні") -> dict[str, str]:
    return {"code": code, "name_ru": ru, "name_kk": kk}


def person(iin: str, **more: Any) -> dict[str, Any]:
    """A person as ГБД ФЛ describes one; `more` replaces, None takes away."""
    found = {
        "iin": iin,
        "surname": "ӘБДІҚАДЫРОВА",
        "name": "ҰЛЖАН",
        "birth_date": "1980-05-17",
        "gender": entry("2", "Женский", "Әйел"),
        "nationality": entry("005", "казах", "қазақ"),
        "citizenship": entry("398", "Казахстан", "Қазақстан"),
        "life_status": entry("0", "Нормальный", "Қалыпты"),
        "birth_place": {"city": "Атырау"},
        "reg_address": {"city": "Атырау", "street": "Сәтпаев көшесі", "building": "1"},
        **more,
    }
    return {name: value for name, value in found.items() if value is not None}


def attorney(principal: str, representative: str, **more: Any) -> dict[str, Any]:
    """A power of attorney as ЕНИС describes one."""
    return {
        "registry_number": ATTORNEY["registry_number"],
        "date": ATTORNEY["date"],
        "notary": {"surname": "СЫНАҚОВ", "name": "НОТАРИУС", "licence_number": "1", "region": "Атырау"},
        "principals": [{"iin": principal, "name": "ӘБДІҚАДЫРОВА ҰЛЖАН"}],
        "representatives": [{"iin": representative, "name": "СЫНАҚОВ СЫНАҚ"}],
        "valid_from": "2025-06-01",
        "valid_to": "2026-06-01",
        "status": entry("1", "Действует", "Жарамды"),
        "substitution_right": False,
        "powers_text": "представлять интересы",
        **more,
    }


class FakeStore:
    """ШЭП's attachment store, as the workstation sees it."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[str, str, bytes]] = {}
        self.failure: EgovError | None = None

    async def put(self, case: str, recipient: str, facts: Attachment, content: bytes) -> None:
        if self.failure is not None:
            raise self.failure
        assert hashlib.sha256(content).hexdigest() == facts.sha256
        self.kept[facts.sha256] = (case, recipient, content)


class FakeShep:
    """ШЭП and, behind it, the registers and the provider: signs what they would sign, with receipts."""

    def __init__(self, pki: TestPki, bus: MemoryBus, clock: HandClock, ids: Ids) -> None:
        self.pki, self.bus, self.clock, self.ids = pki, bus, clock, ids
        self.keys: dict[str, SigningKey] = {code: pki.system(code) for code in KINDS}
        self.regions = {"provider-arm": ("atyrau", "wko"), "other-arm": ("semey",)}
        self.regulation, self.channel, self.region = REGULATION, "centre", "atyrau"
        self.arrived: asyncio.Queue[Envelope] = asyncio.Queue()
        self.raw: dict[str, bytes] = {}
        self.version = 1
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
                    bin=BIN if code == "con-arm" else "999940000010",
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

    def envelope(self, name: str, case: str, data: Mapping[str, Any], **more: Any) -> Envelope:
        return Envelope(
            id=self.ids.new(),
            source=more.get("source", "provider-arm"),
            type=f"kz.egov.{name}.v1",
            subject=case,
            time=self.clock.now(),
            dataschema=f"urn:egov:schema:{name}.v1",
            recipient="con-arm",
            regulation=self.regulation,
            channel=self.channel,
            step=more.get("step", "P7"),
            region=self.region,
            caseseq=more.get("caseseq", 1),
            data=dict(data),
            correlationid=more.get("correlation"),
        )

    def outgoing(self, envelope: Envelope, **passage: Any) -> Outgoing:
        """The message with ШЭП's receipt; `passage` changes what the receipt says."""
        raw = envelope.encode()
        self._position += 1
        now = passage.get("received", self.clock.now())
        digest = hashlib.sha256(raw).hexdigest()
        facts = (envelope.id, digest, "gateway-shep", "gateway-shep/1", self._position, "0" * 64, now, now)
        receipt = issue_receipt(Receipt(*facts, 90.0, 5.0, envelope.step), self.keys["gateway-shep"])
        signature = sign_detached(raw, self.keys[passage.get("signer", envelope.source)])
        wire = WireEnvelope(raw, signature, (receipt,))
        return Outgoing("inbox.con-arm", raw, wire.headers(), envelope.id)

    async def say(self, name: str, case: str, data: Mapping[str, Any], **more: Any) -> Outgoing:
        """Sends one message and returns when the workstation has settled it."""
        message = self.outgoing(self.envelope(name, case, data, **more))
        await self.send(message)
        return message

    async def send(self, message: Outgoing) -> None:
        async with asyncio.timeout(10):
            assert await self.bus.publish([message]) == [None]

    def answering(self, asked: Envelope, found: list[dict[str, Any]], **more: Any) -> Envelope:
        """What the asked register would answer; `more` replaces parts of envelope or data."""
        name = asked.type.split(".")[3]
        data = {"result": DONE, "answered_at": stamp(self.clock), f"{name}s": found, **more.pop("data", {})}
        values = {"source": asked.recipient, "step": asked.step, "correlation": asked.id, "caseseq": 0, **more}
        return self.envelope(f"answer.{name}", asked.subject, data, **values)

    async def answer(self, asked: Envelope, *found: dict[str, Any], **more: Any) -> Outgoing:
        message = self.outgoing(self.answering(asked, list(found), **more))
        await self.send(message)
        return message

    async def accept(self, envelope: Envelope) -> None:
        data = {"id": envelope.id, "sha256": "0" * 64, "receipt": "r.e.ceipt"}
        await self.say("envelope.accepted", envelope.subject, data, step=envelope.step, source="gateway-shep")

    async def refuse(self, envelope: Envelope, code: str = "time.late", source: str = "gateway-shep") -> Outgoing:
        texts = {
            f"{part}_{lang}": f"{part} in {lang}"
            for part in ("title", "detail", "remedy")
            for lang in ("ru", "kk", "en")
        }
        problem = {
            "code": code,
            "side": "sender",
            "hop": source,
            "clause": "8 7)",
            "status": 409,
            **texts,
            "received": stamp(self.clock),
            "expires": None,
            "limit_s": 60,
            "used_s": 75.5,
        }
        data = {"id": envelope.id, "sha256": "0" * 64, "type": envelope.type, "problem": problem}
        return await self.say("envelope.refused", envelope.subject, data, step=envelope.step, source=source)


def stamp(clock: HandClock) -> str:
    return clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Provider:
    """The provider of one case: says what the contract lets it say, with its own versions."""

    def __init__(self, world: World, case: str) -> None:
        self.world, self.case, self.steps = world, case, world.steps
        self.official = world.pki.person(synthetic_iin(900), bin_="999940000040", profile="employee_sign")

    def data(self, name: str, version: int) -> tuple[dict[str, Any], str]:
        now = stamp(self.world.clock)
        place = {"writer": "provider-arm/1", "position": 7, "hash": "a" * 64}
        why = {"reason_ru": "Нужна проверка", "reason_kk": "Тексеру керек", "at": now}
        status = {"status": "under_consideration", "text_ru": "На рассмотрении", "text_kk": "Қаралуда", "at": now}
        signature = b64(sign_cms(NOTICE, self.official, self.world.clock.now()))
        made: dict[str, tuple[dict[str, Any], str]] = {
            "case.registered": ({"registered_at": now, "trail": []}, "P7"),
            "case.status": (status, "P7"),
            "case.extended": ({**why, "until": "2026-02-01T19:00:00.000Z"}, "P7"),
            "case.paused": (why, "P7"),
            "case.resumed": ({**why, "until": "2026-02-08T19:00:00.000Z"}, "P7"),
            "case.refused": (
                {
                    "reasons": [{"code": "documents.incomplete", "text": "Нет копии"}],
                    "document": b64(LETTER),
                    "refused_at": now,
                    "trail": [{"step": "C2", "outcome": "violation", "at": now, **place}],
                },
                "P8",
            ),
            "case.completed": (
                {
                    "document": b64(NOTICE),
                    "signature": signature,
                    "completed_at": now,
                    "trail": [{"step": "C2", "outcome": "ok", "at": now, **place}],
                },
                "P9",
            ),
        }
        data, step = made[name]
        return {"number": NUMBER, "version": version, **data}, self.steps.get(name, step)

    def message(self, name: str, version: int, source: str = "provider-arm", **changed: Any) -> Outgoing:
        data, step = self.data(name, version)
        shep = self.world.shep
        return shep.outgoing(shep.envelope(name, self.case, {**data, **changed}, step=step, source=source))

    async def say(self, name: str, version: int, source: str = "provider-arm", **changed: Any) -> Outgoing:
        message = self.message(name, version, source, **changed)
        await self.world.shep.send(message)
        return message


@dataclass
class Operator:
    """An operator with a screen and an ЭЦП; every call gets its own Idempotency-Key."""

    world: World
    login: str
    iin: str
    key: SigningKey
    token: str = ""
    id: str = ""
    calls: int = 0

    def headers(self, **more: str) -> dict[str, str]:
        self.calls += 1
        auth = {"authorization": f"Bearer {self.token}"} if self.token else {}
        return {**auth, "idempotency-key": f"{self.login}-{self.calls}", **more}

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.world.http.get(path, headers=self.headers(), params=params)

    async def post(self, path: str, body: Any = None, key: str | None = None) -> httpx.Response:
        headers = self.headers(**({"idempotency-key": key} if key else {}))
        return await self.world.http.post(path, headers=headers, json=body)

    async def put(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return await self.world.http.put(path, headers=self.headers(**headers), json=body)

    async def log_in(self, password: str = PASSWORD) -> httpx.Response:
        answer = await self.world.http.post("/v1/sessions", json={"login": self.login, "password": password})
        if answer.status_code == 201:
            self.token, self.id = answer.json()["token"], answer.json()["operator"]["id"]
        return answer

    async def open(self, **more: Any) -> str:
        answer = await self.post("/v1/cases", {"regulation": self.world.shep.regulation, **more})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def consumer(self, case: str, iin: str, representative: Any = None) -> httpx.Response:
        return await self.put(f"/v1/cases/{case}/consumer", {"iin": iin, "representative": representative})

    async def ask(self, case: str) -> httpx.Response:
        return await self.post(f"/v1/cases/{case}/queries")

    async def asked(self, iin: str, representative: Any = None) -> list[Envelope]:
        """A case whose registers are asked, up to what ШЭП receives."""
        case = await self.open()
        answer = await self.consumer(case, iin, representative)
        assert answer.status_code == 200, answer.text
        answer = await self.ask(case)
        assert answer.status_code == 202, answer.text
        notarised = representative is not None and representative["attorney"]["certified"] == "notary"
        return [await self.world.shep.next() for _ in range(2 if notarised else 1)]

    async def checked(self, iin: str, representative: Any = None) -> str:
        """A case whose registers have answered that all is in order."""
        for query in await self.asked(iin, representative):
            mine = query.type == "kz.egov.query.person.v1"
            found = person(iin) if mine else attorney(iin, representative["iin"])
            await self.world.shep.answer(query, found)
        return query.subject

    async def fill(self, case: str, values: Any = None, papers: Any = (), **headers: str) -> httpx.Response:
        return await self.put(f"/v1/cases/{case}/form", {"values": values or {}, "papers": list(papers)}, **headers)

    async def attach(
        self, case: str, name: str = "scan.pdf", content: bytes = PDF, type_: str = "application/pdf"
    ) -> httpx.Response:
        path = f"/v1/cases/{case}/attachments/{name}"
        return await self.world.http.put(path, headers=self.headers(**{"content-type": type_}), content=content)

    def certificate(self, key: SigningKey | None = None) -> str:
        return b64((key or self.key).certificate.public_bytes(Encoding.DER))

    def sign(self, document: bytes, key: SigningKey | None = None) -> str:
        return b64(sign_cms(document, key or self.key, self.world.clock.now()))

    async def prepare(self, case: str, key: SigningKey | None = None) -> httpx.Response:
        return await self.post(f"/v1/cases/{case}/prepare", {"certificate": self.certificate(key)})

    async def prepared(self, case: str) -> bytes:
        answer = await self.prepare(case)
        assert answer.status_code == 200, answer.text
        return base64.b64decode(answer.json()["document"])

    async def submit(self, case: str, signature: str, key: str | None = None) -> httpx.Response:
        return await self.post(f"/v1/cases/{case}/submit", {"signature": signature}, key)

    async def send(self, iin: str | None = None, representative: Any = None) -> Envelope:
        """A whole application, up to what ШЭП receives."""
        case = await self.checked(iin or self.world.iin(), representative)
        answer = await self.submit(case, self.sign(await self.prepared(case)))
        assert answer.status_code == 202, answer.text
        return await self.world.shep.next()

    async def completed(self, iin: str | None = None, representative: Any = None) -> Provider:
        """A case whose result waits at the counter."""
        envelope = await self.send(iin, representative)
        provider = Provider(self.world, envelope.subject)
        await provider.say("case.registered", 1)
        await provider.say("case.completed", 2)
        return provider

    async def record(self, case: str, capacity: str, iin: str, key: SigningKey | None = None) -> httpx.Response:
        body = {"received_by": {"capacity": capacity, "iin": iin}, "certificate": self.certificate(key)}
        return await self.post(f"/v1/cases/{case}/hand-over/prepare", body)

    async def page(self, case: str) -> dict[str, Any]:
        answer = await self.get(f"/v1/cases/{case}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def queries(self, case: str) -> list[dict[str, Any]]:
        return list((await self.get(f"/v1/cases/{case}/queries")).json()["items"])

    async def history(self, case: str) -> list[dict[str, Any]]:
        return list((await self.get(f"/v1/cases/{case}/history", limit=100)).json()["items"])


@dataclass
class World:
    app: FastAPI
    http: httpx.AsyncClient
    shep: FakeShep
    store: FakeStore
    pki: TestPki
    clock: HandClock
    bus: MemoryBus
    settings: Settings
    people: int = 0
    steps: dict[str, str] = field(default_factory=dict)  # where the act has the provider's messages, if elsewhere

    def iin(self) -> str:
        """Somebody nobody has met before."""
        self.people += 1
        return synthetic_iin(self.people)

    def represented(self, iin: str | None = None, **attorney: Any) -> dict[str, Any]:
        """A representative with a power of attorney; notarised unless it says otherwise."""
        return {"iin": iin or self.iin(), "name": "СЫНАҚОВ СЫНАҚ", "attorney": {**ATTORNEY, **attorney}}

    async def admin(self, method: str, path: str, body: Any = None, token: str = ADMIN) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return await self.http.request(method, path, headers=headers, json=body)

    async def hire(self, login: str, *roles: str, centre: str = "con-1", **office: Any) -> Operator:
        """An operator with an account, logged in."""
        iin = self.iin()
        key = self.pki.person(iin, "ОПЕРАТОРОВА", "ӘСЕЛ", bin_=BIN, profile="employee_sign")
        body = {"login": login, "name": "ОПЕРАТОРОВА ӘСЕЛ", "iin": iin, "password": PASSWORD}
        made = await self.admin(
            "POST", "/v1/operators", {**body, "roles": list(roles or ("operator",)), "centre": centre, **office}
        )
        assert made.status_code == 201, made.text
        operator = Operator(self, login, iin, key)
        assert (await operator.log_in()).status_code == 201
        return operator

    async def journal(self, case: str | None) -> list[dict[str, Any]]:
        async with self.app.state.node.db.read() as conn:
            rows = await read_rows(conn, kit.journal, case_id=case or None, bodies=BODIES)
        return [{"kind": row.kind, **row.facts} for row in rows]

    async def dead(self) -> list[str]:
        """The reasons of the dead letters."""
        reasons: list[str] = []

        async def take(deliveries: list[Delivery]) -> list[Verdict]:
            reasons.extend(one.dead_reason or "" for one in deliveries)
            return [Verdict.ACK] * len(deliveries)

        depth = await self.bus.depth("dead-letters")
        subscription = await self.bus.consume("dead-letters", take)
        while len(reasons) < depth:
            await self.clock.sleep(0)
        await subscription.cancel()
        return reasons

    async def revoke(self, key: SigningKey) -> None:
        """НУЦ revokes, and the workstation has heard of it."""
        self.pki.revoke(key.certificate)
        await self.app.state.node.trust_source.refresh(force=True)


@pytest.fixture
def settings(tmp_path: Path, pki: TestPki, migrated: Migrated) -> Settings:
    migrated("con_arm", tmp_path / "con-arm.sqlite3")
    (tmp_path / "keys").mkdir()
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "root.cer").write_bytes(pki.root.public_bytes(Encoding.DER))
    (tmp_path / "admin").write_text(f"{ADMIN}\n")
    given = give_journal_key(tmp_path, "con-arm")
    return Settings(home=tmp_path, argon2_time=1, argon2_memory_kib=8, admin_token_file=tmp_path / "admin", **given)


@pytest.fixture
async def world(
    settings: Settings, pki: TestPki, memory_bus: MemoryBus, clock: HandClock, ids: Ids
) -> AsyncIterator[World]:
    shep = FakeShep(pki, memory_bus, clock, ids)
    lay_key(settings.keystore, settings.keystore_password_file, shep.keys["con-arm"], "con-arm")
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
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://centre")
        )
        yield World(app, http, shep, store, pki, clock, memory_bus, settings)


@pytest.fixture
async def operator(world: World) -> Operator:
    return await world.hire("aigerim")


@pytest.fixture
async def senior(world: World) -> Operator:
    return await world.hire("senior", "senior")


@pytest.fixture
def with_receipts(world: Any) -> None:
    """An act that knows the receipt of refusal to accept."""
    world.shep.regulation = next(
        one.code
        for one in world.app.state.centre.catalogue.regulations
        if (known := one.settings.get("refusal_to_accept")) is not None and known.value[0] in one.channels
        and one.channels[known.value[0]].origin_kind == "centre"
    )  # fmt: skip
