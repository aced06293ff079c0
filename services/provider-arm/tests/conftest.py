"""The workstation as its neighbours see it: a portal that sends signed applications, gateways that receipt them, НУЦ,
ШЭП's member list and attachment store, and officials with certificates and passwords."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from egovkit.bus import DEAD_REASON, Delivery, Outgoing, Verdict
from egovkit.bus.memory import MemoryBus
from egovkit.clock import HandClock
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.ids import Ids
from egovkit.membership import Member, MemberCertificate, Members, sign_members
from egovkit.node import Node
from egovkit.signatures.certificates import Certificate
from egovkit.signatures.cms import sign_cms
from egovkit.signatures.jws import sign_detached, verify_compact
from egovkit.signatures.keys import SigningKey, der
from egovkit.signatures.receipt import Receipt, issue_receipt
from egovkit.testing.journal import give_journal_key
from egovkit.testing.pki import StampAuthority, TestPki, lay_key
from egovkit.testing.plugin import Migrated
from egovlaw.identifiers import synthetic_iin
from provider_arm.api.access import Desk
from provider_arm.app import create_app
from provider_arm.service.context import Workstation
from provider_arm.settings import Settings

ADMIN = "administrator-of-the-test"
PASSWORD = "құпия сөз 2026"
REGULATION = "atyrau-housing-queue"
REGION = "atyrau"
PROVIDER = "atyrau"
COLLECTED = tuple(f"rshep.{region}.ingress" for region in (REGION, "tayynsha"))
APPLICANT = synthetic_iin(1)
PAPER = b"%PDF-1.7 a scanned paper"
PROVIDER_BIN, CENTRE_BIN = "999940000010", "999940000020"
DONE = {"code": "00000", "name_ru": "Сообщение успешно обработано", "name_kk": "Хабарлама сәтті өңделді"}


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def pem_free(certificate: Certificate) -> str:
    return b64(der(certificate))


@dataclass
class Neighbours:
    """НУЦ and ШЭП behind one HTTP transport; `files` is the attachment store."""

    pki: TestPki
    gateway: SigningKey
    members: Members
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[httpx.Request] = field(default_factory=list)
    broken: int | None = None
    stamps: StampAuthority | None = None  # None: the authority is away

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        path = request.url.path
        if path == "/ca/issuing.cer":
            return httpx.Response(200, content=der(self.pki.issuing))
        if path == "/crl":
            return httpx.Response(200, content=self.pki.crl())
        if path == "/crl/root":
            return httpx.Response(200, content=self.pki.root_crl())
        if path == "/crl/delta":
            return httpx.Response(404)
        if path == "/tsp":
            return httpx.Response(503) if self.stamps is None else self.stamps.answer(request)
        if path == "/v1/members":
            return httpx.Response(200, text=sign_members(self.members, self.gateway))
        return self._attachment(path, request)

    def _attachment(self, path: str, request: httpx.Request) -> httpx.Response:
        if self.broken is not None:
            return httpx.Response(self.broken)
        if request.method == "PUT":
            self.files[path.rsplit("/", 1)[1]] = request.content
            return httpx.Response(201)
        token = request.headers["authorization"].removeprefix("Bearer ")
        claims = verify_compact(token, self.members.certificate_for, "egov-access+jwt")
        assert claims["iss"] == "provider-arm"
        content = self.files.get(path.rsplit("/", 1)[1])
        return httpx.Response(404) if content is None else httpx.Response(200, content=content)


@dataclass
class Arm:
    """The running workstation and the means to talk to it."""

    app: FastAPI
    http: httpx.AsyncClient
    bus: MemoryBus
    clock: HandClock
    ids: Ids
    pki: TestPki
    portal: SigningKey
    centre: SigningKey
    register: SigningKey
    gateway: SigningKey
    neighbours: Neighbours
    sent: list[Delivery]
    letters: list[Delivery]  # dead ones
    akimat: SigningKey
    persons: int = 10
    applicant: str = APPLICANT
    paper: bytes = PAPER
    password: str = PASSWORD
    bin: str = PROVIDER_BIN
    centre_bin: str = CENTRE_BIN

    @property
    def desk(self) -> Desk:
        desk: Desk = self.app.state.desk
        return desk

    @property
    def ws(self) -> Workstation:
        return self.desk.ws

    def from_address(self, host: str) -> httpx.AsyncClient:
        """Another client, at another address."""
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False, client=(host, 4000))
        return httpx.AsyncClient(transport=transport, base_url="http://arm.test")

    async def dead(self, count: int = 1) -> list[str]:
        """Why the inbox gave letters up, once there are `count`; what is settled earlier was settled before."""
        async with asyncio.timeout(10):
            while len(self.letters) < count:
                await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        return [str(letter.headers[DEAD_REASON]) for letter in self.letters]

    def next_iin(self) -> str:
        self.persons += 1
        return synthetic_iin(self.persons)

    async def collect(self, queue: str) -> list[Delivery]:
        """What goes there; two who read one queue would share it."""
        return self.sent if queue in COLLECTED else await collected(self.bus, queue)

    async def fire(self) -> int:
        """Fires what is due by now; how many did."""
        node: Node = self.app.state.node
        [timers] = node.timers
        return await timers.fire_due()

    # --- what came out ---------------------------------------------------------------------------------------

    async def outgoing(self, count: int) -> list[Envelope]:
        """The first `count` envelopes that left, once they have; the relay works in a task of its own."""
        async with asyncio.timeout(10):
            while len(self.sent) < count:
                await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        return [Envelope.parse(delivery.body) for delivery in self.sent]

    # --- what goes in ----------------------------------------------------------------------------------------

    def application(self, *, key: SigningKey, case: str | None = None, **changes: Any) -> dict[str, Any]:
        """The document of an application, as the portal makes it; `changes` bend it before it is signed."""
        body = {
            "kind": "application",
            "case": case or self.ids.new(),
            "regulation": REGULATION,
            "version": 1,
            "provider": PROVIDER,
            "region": REGION,
            "channel": "portal",
            "applicant": {"iin": APPLICANT},
            "form": {"family": 4, "address": "Атырау қ., Әлия көшесі, 7-үй"},
            "attachments": [
                {
                    "name": "справка.pdf",
                    "type": "application/pdf",
                    "size": len(PAPER),
                    "sha256": hashlib.sha256(PAPER).hexdigest(),
                }
            ],
            "certificate": key.thumbprint,
            "prepared_at": "2026-01-15T04:00:00.000Z",
        }
        return body | changes

    def submission(self, body: dict[str, Any], key: SigningKey, **data: Any) -> Envelope:
        """The envelope that tells the same story as `body`; `data` bends what it carries."""
        document = json.dumps(body, ensure_ascii=False).encode()
        carried = {
            "provider": PROVIDER,
            "applicant": {"iin": APPLICANT},
            "document": b64(document),
            "signature": b64(sign_cms(document, key, self.clock.now())),
            "attachments": body["attachments"],
            "trail": [],
        }
        return Envelope(
            id=self.ids.new(),
            source="portal-pep",
            type="kz.egov.case.submitted.v1",
            subject=body["case"],
            time=self.clock.now(),
            dataschema="urn:egov:schema:case.submitted.v1",
            recipient="provider-arm",
            regulation=REGULATION,
            channel="portal",
            step="P5",
            region=REGION,
            caseseq=1,
            data=carried | data,
        )

    def wire(self, envelope: Envelope, key: SigningKey | None = None) -> WireEnvelope:
        raw = envelope.encode()
        wire = WireEnvelope(raw, sign_detached(raw, key or self.portal))
        now = self.clock.now()
        receipt = Receipt(
            id=envelope.id,
            sha256=wire.sha256,
            gateway="gateway-shep",
            writer="gateway-shep/1",
            position=1,
            head="0" * 64,
            received=now,
            forwarded=now,
        )
        return wire.with_receipt(issue_receipt(receipt, self.gateway))

    def answer(self, asked: Envelope, *persons: dict[str, Any], **changes: Any) -> Envelope:
        """The register's answer to a question that left; `changes` bend it."""
        at = self.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        values: dict[str, Any] = {
            "id": self.ids.new(),
            "source": asked.recipient,
            "type": "kz.egov.answer.person.v1",
            "subject": asked.subject,
            "time": self.clock.now(),
            "dataschema": "urn:egov:schema:answer.person.v1",
            "recipient": asked.source,
            "regulation": asked.regulation,
            "channel": asked.channel,
            "step": asked.step,
            "region": asked.region,
            "caseseq": 0,
            "data": {"result": DONE, "answered_at": at, "persons": list(persons)},
            "correlationid": asked.id,
        }
        return Envelope(**(values | changes))

    def somebody(self, iin: str = APPLICANT, **changes: Any) -> dict[str, Any]:
        return person(iin, **changes)

    async def answered(self, asked: Envelope, *persons: dict[str, Any], **changes: Any) -> None:
        await self.deliver(self.wire(self.answer(asked, *persons, **changes), self.register))

    async def deliver(self, *wires: WireEnvelope) -> None:
        """Hands envelopes to the inbox; returns when each is settled (a memory bus confirms no sooner)."""
        messages = [Outgoing("inbox.provider-arm", wire.raw, wire.headers(), self.ids.new()) for wire in wires]
        assert await self.bus.publish(messages) == [None] * len(messages)

    async def submit(self, **changes: Any) -> str:
        """A good application (or one bent by `changes`), registered; its case."""
        key = self.pki.person(APPLICANT)
        body = self.application(key=key, **changes)
        self.neighbours.files[hashlib.sha256(PAPER).hexdigest()] = PAPER
        await self.deliver(self.wire(self.submission(body, key)))
        return str(body["case"])

    async def lodge(self, regulation: str, region: str) -> str:
        """A good application under another act; its case."""
        key = self.pki.person(APPLICANT)
        body = self.application(key=key, regulation=regulation, region=region, provider=region)
        sent = self.submission(body, key, provider=region)
        await self.deliver(self.wire(replace(sent, regulation=regulation, region=region)))
        return str(body["case"])

    # --- people ----------------------------------------------------------------------------------------------

    async def appoint(self, *roles: str, **wanted: Any) -> Official:
        """An official with these roles, logged in."""
        iin = self.next_iin()
        body = {
            "iin": iin,
            "name": f"Сынақов Қызметкер {self.persons}",
            "password": PASSWORD,
            "roles": list(roles),
            "region": REGION,
            "office": "Тұрғын үй бөлімі",
        }
        made = await self.http.post("/v1/staff", json=body | wanted, headers=admin())
        assert made.status_code == 201, made.text
        login = await self.http.post("/v1/sessions", json={"iin": iin, "password": PASSWORD})
        assert login.status_code == 201, login.text
        return Official(self, iin, made.json()["id"], login.json()["token"])


@dataclass
class Official:
    arm: Arm
    iin: str
    id: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}", "accept-language": "en"}

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.arm.http.get(path, params=params, headers=self.headers)

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.arm.http.post(path, json=body, headers=self.headers | named)

    async def put(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        headers = self.headers | more.pop("headers", {})
        return await self.arm.http.put(path, json=body, headers=headers, **more)

    async def delete(self, path: str) -> httpx.Response:
        return await self.arm.http.delete(path, headers=self.headers)

    # --- the provider's own channel --------------------------------------------------------------------------

    async def open_own(self, **headers: str) -> str:
        opened = await self.post("/v1/own-cases", {"regulation": REGULATION}, **headers)
        assert opened.status_code == 201, opened.text
        return str(opened.json()["id"])

    async def enter(self, case: str, iin: str = APPLICANT) -> httpx.Response:
        return await self.put(f"/v1/own-cases/{case}/consumer", {"iin": iin})

    async def ask(self, case: str, **headers: str) -> Envelope:
        """Asks the register; the question as it left."""
        asked = await self.post(f"/v1/own-cases/{case}/queries", **headers)
        assert asked.status_code == 202, asked.text
        sent = await self.arm.outgoing(1)
        while (found := next((one for one in sent if one.id == asked.json()["id"]), None)) is None:
            sent = await self.arm.outgoing(len(sent) + 1)
        return found

    async def own(self, case: str) -> dict[str, Any]:
        shown = await self.get(f"/v1/own-cases/{case}")
        assert shown.status_code == 200, shown.text
        body: dict[str, Any] = shown.json()
        return body

    async def known(self, **changes: Any) -> str:
        """A draft whose consumer the register knows."""
        case = await self.open_own()
        await self.enter(case)
        await self.arm.answered(await self.ask(case), person(**changes))
        return case

    async def scan(
        self, case: str, name: str = "справка.pdf", content: bytes = PAPER, media: str = "application/pdf"
    ) -> httpx.Response:
        headers = self.headers | {"content-type": media}
        path = f"/v1/own-cases/{case}/attachments/{name}"
        return await self.arm.http.put(path, content=content, headers=headers)

    def employee(self, **wanted: Any) -> SigningKey:
        return self.certificate(**({"bin_": PROVIDER_BIN} | wanted))

    async def fix(self, case: str, key: SigningKey, **headers: str) -> httpx.Response:
        """Prepares the application for signature."""
        return await self.post(f"/v1/own-cases/{case}/prepare", {"certificate": pem_free(key.certificate)}, **headers)

    async def file(self, case: str, document: bytes, key: SigningKey, **headers: str) -> httpx.Response:
        signature = b64(sign_cms(document, key, self.arm.clock.now()))
        return await self.post(f"/v1/own-cases/{case}/submit", {"signature": signature}, **headers)

    async def filed(self) -> str:
        """An application taken at this desk, signed and registered."""
        case, key = await self.known(), self.employee()
        document = base64.b64decode((await self.fix(case, key)).json()["document"])
        registered = await self.file(case, document, key)
        assert registered.status_code == 200, registered.text
        return case

    async def task_of(self, case: str) -> dict[str, Any]:
        found = (await self.get("/v1/tasks", limit=200)).json()["items"]
        task: dict[str, Any] = next(task for task in found if task["case"] == case)
        return task

    async def take(self, case: str) -> httpx.Response:
        return await self.post(f"/v1/tasks/{(await self.task_of(case))['id']}/take")

    async def check(self, case: str, *reasons: dict[str, str], **headers: str) -> httpx.Response:
        body = {"outcome": "violations" if reasons else "ok", "reasons": list(reasons)}
        return await self.post(f"/v1/cases/{case}/check", body, **headers)

    def certificate(self, **wanted: Any) -> SigningKey:
        return self.arm.pki.person(self.iin, **({"profile": "employee_sign"} | wanted))

    async def prepare(self, case: str, key: SigningKey, **headers: str) -> httpx.Response:
        body = {
            "certificate": pem_free(key.certificate),
            "text_ru": "Вы поставлены на учёт",
            "text_kk": "Сіз есепке қойылдыңыз",
            "values": {"queue_number": 17},
        }
        return await self.post(f"/v1/cases/{case}/result/prepare", body, **headers)

    async def set_page(self, case: str, signature: str, **headers: str) -> httpx.Response:
        return await self.post(f"/v1/cases/{case}/result/page", {"signature": signature}, **headers)

    async def issue(self, case: str, document: bytes, key: SigningKey, **headers: str) -> httpx.Response:
        signature = b64(sign_cms(document, key, self.arm.clock.now()))
        return await self.post(f"/v1/cases/{case}/result", {"signature": signature}, **headers)


def entry(code: str, ru: str = "Значение", kk: str = "Мән") -> dict[str, str]:
    return {"code": code, "name_ru": ru, "name_kk": kk}


def person(iin: str = APPLICANT, **changes: Any) -> dict[str, Any]:
    """What the person register says of somebody of whom there is nothing special to say."""
    known = {
        "iin": iin,
        "surname": "СЫНАҚОВА",
        "name": "ҰЛЖАН",
        "birth_date": "1980-05-17",
        "gender": entry("2"),
        "nationality": entry("005"),
        "citizenship": entry("398", "Казахстан", "Қазақстан"),
        "life_status": entry("0", "Нормальный", "Қалыпты"),
        "birth_place": {"city": "Атырау"},
    }
    return known | changes


def admin(token: str = ADMIN) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", "accept-language": "en"}


def member(code: str, kind: str, key: SigningKey) -> Member:
    certificates = (MemberCertificate.of(key.certificate),)
    bin_ = CENTRE_BIN if kind == "centre" else PROVIDER_BIN
    return Member(code, kind, code, code, bin_, "750000000", (REGION,), ("*",), "active", "amqp", certificates)


async def collected(bus: MemoryBus, *queues: str) -> list[Delivery]:
    found: list[Delivery] = []

    async def collect(deliveries: Sequence[Delivery]) -> list[Verdict]:
        found.extend(deliveries)
        return [Verdict.ACK] * len(deliveries)

    for queue in queues:
        await bus.consume(queue, collect)
    return found


def settings_in(home: Path, arm: SigningKey, pki: TestPki, **wanted: Any) -> Settings:
    lay_key(home / "arm.p12", home / "arm.keystore", arm, "provider-arm")
    (home / "root.cer").write_bytes(der(pki.root))
    (home / "admin").write_text(ADMIN + "\n")
    values: dict[str, Any] = {
        "home": home,
        "keystore": home / "arm.p12",
        "keystore_password_file": home / "arm.keystore",
        "trust_root": home / "root.cer",
        "admin_token_file": home / "admin",
        "nuc_url": "http://nuc.test",
        "shep_url": "http://shep.test",
        **give_journal_key(home, "provider-arm"),
        "deadline_poll_s": 10.0**9,  # a hand-moved clock would stop at every look of a year
        "argon2_time": 1,
        "argon2_memory_kib": 32,
    }
    return Settings(**(values | wanted))


@asynccontextmanager
async def started(
    settings: Settings, arm_key: SigningKey, parts: Any, others: tuple[SigningKey | None, SigningKey | None]
) -> AsyncIterator[Arm]:
    """The workstation on a memory bus, joined; everything it sends to its region's gateway is collected."""
    bus, clock, ids, pki = parts
    portal, gateway = others[0] or pki.system("portal-pep"), others[1] or pki.system("gateway-shep")
    centre, register, akimat = (pki.system(code) for code in ("con-arm", "gbd-fl-mock", "registers-mock"))
    known = (
        member("gateway-shep", "national_gateway", gateway),
        member("portal-pep", "portal", portal),
        member("con-arm", "centre", centre),
        member("gbd-fl-mock", "person_register", register),
        member("registers-mock", "akimat_register", akimat),
        member("provider-arm", "provider", arm_key),
    )
    neighbours = Neighbours(pki, gateway, Members(1, known))
    sent, letters = await collected(bus, *COLLECTED), await collected(bus, "dead-letters")
    async with httpx.AsyncClient(transport=httpx.MockTransport(neighbours.answer)) as out:
        app = create_app(settings, bus=bus, clock=clock, ids=ids, http=out)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://arm.test") as http,
        ):
            await asyncio.wait_for(app.state.node.joined.wait(), 10)
            keys = (portal, centre, register, gateway)
            yield Arm(app, http, bus, clock, ids, pki, *keys, neighbours, sent, letters, akimat)


Starting = Callable[..., AbstractAsyncContextManager[Arm]]


@pytest.fixture
def starting(
    tmp_path: Path, migrated: Migrated, memory_bus: MemoryBus, clock: HandClock, ids: Ids, pki: TestPki
) -> Starting:
    """Starts the workstation with other settings; a second start finds the first one's database and key."""
    key = pki.system("provider-arm")
    migrated("provider_arm", tmp_path / "provider-arm.sqlite3")

    def start(
        *, portal: SigningKey | None = None, gateway: SigningKey | None = None, **wanted: Any
    ) -> AbstractAsyncContextManager[Arm]:
        settings = settings_in(tmp_path, key, pki, **wanted)
        return started(settings, key, (memory_bus, clock, ids, pki), (portal, gateway))

    return start


@pytest.fixture
async def arm(starting: Starting) -> AsyncIterator[Arm]:
    async with starting() as running:
        yield running
