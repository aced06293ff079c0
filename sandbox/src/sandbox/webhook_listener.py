"""A partner's web server that its gateway calls: believes nothing unverified, keeps what it got, answers as it is told.

async with listening(partner) as listener:
    await partner.webhook("PUT", json={"url": listener.url})
    got = await listener.next("case.registered")
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.composition import NUC, SHEP
from sandbox.hosting import Host, listen

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

    from egovkit.envelope import Envelope, WireEnvelope
    from egovkit.membership import Membership
    from egovkit.signatures.certificates import TrustStore
    from egovkit.signatures.keys import Certificate
    from egovkit.signatures.trust_source import TrustSource
    from sandbox.partner import Partner

PATH = "/egov"
WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Received:
    """One call whose signature held, and whose envelope's did; a ping has no envelope."""

    delivery: str
    wire: WireEnvelope | None
    envelope: Envelope | None


@dataclass(frozen=True, slots=True)
class Lists:
    """What a member of the bus knows of the others: НУЦ's lists and ШЭП's."""

    trust: TrustStore
    source: TrustSource
    membership: Membership
    partner: Partner

    async def refresh(self) -> None:
        await self.source.refresh(force=True)
        await self.membership.fetch(self.partner.world.http, self.partner.world.url(SHEP))


@dataclass(slots=True)
class Listener:
    """`answer` gives the status of each call. Calls that did not verify are answered 401 and kept in `refused`, by the
    code of what was wrong."""

    partner: Partner
    lists: Lists
    url: str
    answer: Callable[[Received], int] = lambda _: 204
    received: list[Received] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def next(self, name: str, case: str | None = None) -> Received:
        """The first one with this message (`case.registered`), when it has come; TimeoutError when it does not."""

        def found() -> Received | None:
            for one in self.received:
                envelope = one.envelope
                if envelope and envelope.type == f"kz.egov.{name}.v1" and case in (None, envelope.subject):
                    return one
            return None

        async with asyncio.timeout(WAIT_S), self._came:
            await self._came.wait_for(lambda: found() is not None)
        got = found()
        assert got is not None
        return got

    async def take(self, request: Request) -> Response:
        from fastapi import Response

        from egovkit.errors import EgovError

        body, headers = await request.body(), dict(request.headers)
        try:
            try:
                got = self._verified(body, headers)
            except EgovError:  # of somebody who joined a moment ago, or with a key that is new
                await self.lists.refresh()
                got = self._verified(body, headers)
        except EgovError as error:
            self.refused.append(error.code)
            return Response(status_code=401)
        async with self._came:
            self.received.append(got)
            self._came.notify_all()
        return Response(status_code=self.answer(got))

    def _verified(self, body: bytes, headers: dict[str, str]) -> Received:
        """First the call, which is the gateway's; then the envelope with its receipts, as whoever listens on AMQP."""
        from egovkit.envelope import WireEnvelope
        from egovkit.membership import verify_envelope, verify_receipts
        from egovkit.signatures.webhook import verify_webhook

        now, members, trust = self.partner.world.clock.now(), self.lists.membership.members, self.lists.trust
        delivery = verify_webhook(body, headers, self._certificate_of_gateway, now)
        if headers.get("egov-event") == "ping":
            return Received(delivery, None, None)
        wire = WireEnvelope.of(body, headers)
        facts = verify_envelope(wire, members, trust, now)
        verify_receipts(wire, members, trust, now)
        return Received(delivery, wire, facts.envelope)

    def _certificate_of_gateway(self, thumbprint: str) -> Certificate | None:
        found = self.lists.membership.members.by_thumbprint(thumbprint)
        return found[1] if found is not None and found[0].code == self.partner.door else None


@asynccontextmanager
async def listening(partner: Partner) -> AsyncIterator[Listener]:
    """On a free port of this machine, with the lists of НУЦ and ШЭП in hand."""
    host, bound = Host(), listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{bound.getsockname()[1]}{PATH}"
    listener = Listener(partner, await _lists(partner), url)
    await host.serve(f"{partner.code} webhook", _app(listener), bound)
    try:
        yield listener
    finally:
        await host.close()


async def _lists(partner: Partner) -> Lists:
    from egovkit.membership import Membership
    from egovkit.signatures.certificates import TrustStore, load_certificate
    from egovkit.signatures.trust_source import TrustSource

    world = partner.world
    trust = TrustStore(load_certificate(await asyncio.to_thread(world.home.trust_root.read_bytes)))
    source = TrustSource(trust, world.http, world.clock, world.url(NUC))
    lists = Lists(trust, source, Membership(trust, world.clock), partner)
    await lists.refresh()
    return lists


def _app(listener: Listener) -> FastAPI:
    from fastapi import FastAPI

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.router.add_route(PATH, listener.take, methods=["POST"])
    return app
