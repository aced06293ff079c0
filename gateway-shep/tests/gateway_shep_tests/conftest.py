"""ШЭП alone: a SQLite file, the memory bus, a clock moved by hand, a certification authority of the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import FastAPI

from egovgateway.domain import Arrival, Result
from egovkit.bus import Delivery, Verdict
from egovkit.bus.memory import MemoryBus
from egovkit.clock import HandClock
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.ids import Ids
from egovkit.signatures.jws import sign_compact, sign_detached
from egovkit.signatures.keys import SigningKey
from egovkit.testing.journal import give_journal_key
from egovkit.testing.pki import TestPki, lay_key
from egovkit.testing.plugin import Migrated
from gateway_shep.app import create_app
from gateway_shep.settings import Settings

TOKEN = "operators-token-of-this-test"
CODES = ("gateway-shep", "regional-gateway-rshep", "portal-pep", "provider-arm")


@dataclass
class Receiver:
    """A partner's web server, as an ASGI application: answers in turn with `answers`, then 204; while `open` is not
    set it keeps its callers waiting."""

    answers: list[int] = field(default_factory=list)
    calls: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    called: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        status = 204
        if b"members.updated" not in body:  # news that every change of the register brings are not what tests count
            self.calls.append(({name.decode(): value.decode() for name, value in scope["headers"]}, body))
            self.called.set()
            status = self.answers.pop(0) if self.answers else 204
            await self.open.wait()
        await send({"type": "http.response.start", "status": status, "headers": [(b"location", b"https://10.9.9.9/")]})
        await send({"type": "http.response.body", "body": b"not for the gateway"})

    @property
    def types(self) -> list[str]:
        """Of the envelopes that came, in their order: submitted, registered, ..."""
        return [Envelope.parse(body).type.split(".")[-2] for _, body in self.calls]


@dataclass
class Shep:
    """The running service and everybody's keys."""

    app: FastAPI
    http: httpx.AsyncClient
    pki: TestPki
    clock: HandClock
    ids: Ids
    bus: MemoryBus
    keys: dict[str, SigningKey]
    arrived: dict[str, list[Delivery]]
    receiver: Receiver

    @property
    def admin(self) -> dict[str, str]:
        return {"authorization": f"Bearer {TOKEN}"}

    def access(self, code: str, **changes: Any) -> dict[str, str]:
        """The header of a member's own call."""
        now = int(self.clock.now().timestamp())
        claims = {"iss": code, "aud": "gateway-shep", "iat": now, "exp": now + 60, "jti": self.ids.new(), **changes}
        return {"authorization": f"Bearer {sign_compact(claims, self.keys[code], 'egov-access+jwt')}"}

    def pem(self, key: SigningKey) -> dict[str, str]:
        return {"certificate": key.certificate.public_bytes(Encoding.PEM).decode()}

    async def enrol(self, code: str, key: SigningKey | None = None) -> httpx.Response:
        self.keys[code] = key or self.pki.system(code)
        return await self.http.post(
            f"/v1/participants/{code}/certificates", json=self.pem(self.keys[code]), headers=self.admin
        )

    def sign(self, envelope: Envelope) -> WireEnvelope:
        raw = envelope.encode()
        return WireEnvelope(raw, sign_detached(raw, self.keys[envelope.source]))

    async def take(self, envelope: Envelope, door: str = "shep.ingress") -> Result:
        gateway = self.app.state.running.door.gateway
        [result] = await gateway.process([Arrival(self.sign(envelope), door, self.clock.now())])
        await gateway.parts.publisher.idle()
        return result

    def inbox(self, queue: str) -> list[Envelope]:
        return [Envelope.parse(delivery.body) for delivery in self.arrived.get(queue, [])]


@pytest.fixture
async def shep(
    tmp_path: Path, migrated: Migrated, clock: HandClock, ids: Ids, pki: TestPki, memory_bus: MemoryBus
) -> AsyncIterator[Shep]:
    migrated("gateway_shep", tmp_path / "gateway-shep.sqlite3")
    keys = {"gateway-shep": pki.system("gateway-shep")}
    (tmp_path / "keys").mkdir()
    (tmp_path / "trust").mkdir()
    (tmp_path / "secrets").mkdir()
    password = tmp_path / "secrets/gateway-shep.keystore"
    lay_key(tmp_path / "keys/gateway-shep.p12", password, keys["gateway-shep"], "gateway-shep")
    (tmp_path / "trust/root.cer").write_bytes(pki.root.public_bytes(Encoding.DER))
    (tmp_path / "secrets/gateway-shep.admin").write_text(f"{TOKEN}\n")
    (tmp_path / "secrets/gateway-shep.sealing").write_text("ab" * 32)
    given = give_journal_key(tmp_path, "gateway-shep")

    def nuc(request: httpx.Request) -> httpx.Response:
        issuing = request.url.path == "/ca/issuing.cer"
        return httpx.Response(200, content=pki.issuing.public_bytes(Encoding.DER) if issuing else pki.crl())

    async with AsyncExitStack() as stack:
        outside = await stack.enter_async_context(httpx.AsyncClient(transport=httpx.MockTransport(nuc)))
        receiver = Receiver()
        receiver.open.set()
        partners = await stack.enter_async_context(httpx.AsyncClient(transport=httpx.ASGITransport(receiver)))
        settings = Settings(home=tmp_path, webhook_private=True, **given)
        app = create_app(settings, bus=memory_bus, clock=clock, ids=ids, http=outside, partners=partners)
        await stack.enter_async_context(app.router.lifespan_context(app))
        await app.state.node.joined.wait()
        transport = httpx.ASGITransport(app)
        http = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://shep"))
        shep = Shep(app, http, pki, clock, ids, memory_bus, keys, {}, receiver)

        async def collect(deliveries: Any) -> list[Verdict]:
            for delivery in deliveries:
                shep.arrived.setdefault(delivery.queue, []).append(delivery)
            return [Verdict.ACK] * len(deliveries)

        national = ("portal-pep", "con-arm", "gbd-fl-mock", "enis-mock")
        for queue in (*(f"inbox.{code}" for code in national), "rshep.trunk", "rshep.redrive"):
            await memory_bus.consume(queue, collect)
        yield shep
