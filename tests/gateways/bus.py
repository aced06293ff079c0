"""Two processes of each gateway on RabbitMQ and PostgreSQL; the test itself is every other system."""

from __future__ import annotations

import asyncio
import base64
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from egovkit.bus import Delivery, Outgoing, Subscription, Verdict
from egovkit.bus.rabbit import RabbitBus
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.signatures.jws import sign_detached
from egovkit.signatures.keys import SigningKey
from sandbox.composition import ATTORNEYS, CENTRE, NUC, PERSONS, PORTAL, PROVIDER, RSHEP, SHEP
from sandbox.production import Child, ProductionWorld

FUSED = Path(__file__).with_name("fused.py")
BYTES = base64.b64encode(b"the exact bytes of a document").decode()
NUMBER = "00000000017"
ASKED = {"official": "op-1", "purpose_ru": "постановка на учёт", "clause": "8 3)"}
DONE = {"code": "00000", "name_ru": "Сообщение успешно обработано", "name_kk": "Хабарлама сәтті өңделді"}
MEMBERS = (PORTAL, CENTRE, PROVIDER, PERSONS, ATTORNEYS)  # the test itself is all of these
ORIGIN = {"portal": PORTAL, "centre": CENTRE, "provider": PROVIDER}  # by channel
OF_ORIGIN = ("case.submitted", "case.handed_over", "steps.reported", "query.person", "query.attorney")
PATIENCE = 60.0  # seconds until something that should come is called lost


class Gateways(ProductionWorld):
    """nuc-mock and the gateways alone."""

    keys: dict[str, SigningKey]
    arrived: dict[str, dict[tuple[str, str], Envelope]]
    copies: dict[tuple[str, str], set[bytes]]
    listening: dict[str, Subscription]

    async def start(self) -> None:
        await super().start()
        self.keys = {code: await self.key(code) for code in MEMBERS}
        self.arrived = {code: {} for code in MEMBERS}
        self.listening = {}
        self.copies = defaultdict(set)
        self.changed = asyncio.Event()
        self.mouth = RabbitBus(self.amqp_url())
        await self.mouth.start()
        self._stack.push_async_callback(self.mouth.close)
        for code in MEMBERS:
            await self.listen(code)
        self._engines = {code: create_async_engine(self.database_url(code)) for code in (SHEP, RSHEP)}
        for engine in self._engines.values():
            self._stack.push_async_callback(engine.dispose)

    def _plan(self) -> list[Child]:
        children = [child for child in super()._plan() if child.service.code in (NUC, SHEP, RSHEP)]
        for child in children:
            if child.service.code in (SHEP, RSHEP):
                child.command = (str(FUSED), child.service.package, str(self.fuse(child.service.code)))
        return children

    def fuse(self, code: str) -> Path:
        """Write a boundary's name here and the first process of `code` that reaches it dies."""
        return self.home.path / f"{code}.fuse"

    def restarts(self, code: str) -> int:
        return sum(child.restarts for child in self.supervisor.children if child.service.code == code)

    async def listen(self, code: str) -> None:
        """Be this member: take what comes to its inbox."""
        self.listening[code] = await self.mouth.consume(f"inbox.{code}", self._collector(code))

    def _collector(self, code: str) -> Any:
        async def collect(deliveries: Sequence[Delivery]) -> list[Verdict]:
            for delivery in deliveries:
                envelope = Envelope.parse(delivery.body)
                key = (envelope.source, envelope.id)
                self.arrived[code][key] = envelope
                self.copies[key].add(delivery.body)
            self.changed.set()
            return [Verdict.ACK] * len(deliveries)

        return collect

    async def put(self, queue: str, *envelopes: Envelope) -> None:
        """Sign as the source does and publish, past every service."""
        failures = await self.mouth.publish([self._outgoing(queue, envelope) for envelope in envelopes])
        assert failures == [None] * len(envelopes), failures

    def _outgoing(self, queue: str, envelope: Envelope) -> Outgoing:
        raw = envelope.encode()
        wire = WireEnvelope(raw, sign_detached(raw, self.keys[envelope.source]))
        return Outgoing(queue, raw, wire.headers(), envelope.id)

    async def until(self, what: str, done: Any) -> None:
        """Wait until `done()`, looking again whenever something arrives."""
        deadline = self.clock.monotonic() + PATIENCE
        while not done():
            left = deadline - self.clock.monotonic()
            assert left > 0, f"{what}: did not happen in {PATIENCE:.0f} s"
            self.changed.clear()
            try:
                async with asyncio.timeout(min(left, 0.5)):
                    await self.changed.wait()
            except TimeoutError:
                continue

    async def rows(self, code: str, sql: str, **values: Any) -> list[Mapping[str, Any]]:
        engine: AsyncEngine = self._engines[code]
        async with engine.connect() as conn:
            return [dict(row) for row in (await conn.execute(text(sql), values)).mappings()]

    def envelope(self, name: str, case: str, step: str, seq: int, data: Mapping[str, Any], **changes: Any) -> Envelope:
        """A message of the case from the side that sends such messages in its channel (the portal's, unless said)."""
        channel = changes.get("channel", "portal")
        source, recipient = sides(name, channel)
        values: dict[str, Any] = {
            "id": self.ids.new(),
            "source": source,
            "type": f"kz.egov.{name}.v1",
            "subject": case,
            "time": self.clock.now(),
            "dataschema": f"urn:egov:schema:{name}.v1",
            "recipient": recipient,
            "regulation": "atyrau-housing-queue",
            "channel": channel,
            "step": step,
            "region": "atyrau",
            "caseseq": seq,
            "data": dict(data),
        }
        return Envelope(**{**values, **changes})

    def data(self, name: str, trail: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
        """Data of the right form for a message; `trail` as (step, outcome)."""
        at = _text(self.clock.now() - timedelta(seconds=1))
        steps = [
            {"step": step, "outcome": outcome, "at": at, "writer": "w/1", "position": n, "hash": "0" * 64}
            for n, (step, outcome) in enumerate(trail, 1)
        ]
        reasons = {"reason_ru": "причина", "reason_kk": "себеп"}
        return {
            "case.submitted": {
                "provider": "any",
                "applicant": {"iin": "991231600012"},
                "document": BYTES,
                "signature": BYTES,
                "attachments": [],
                "trail": steps,
            },
            "case.registered": {"number": NUMBER, "registered_at": at, "version": 1, "trail": steps},
            "case.status": {
                "number": NUMBER,
                "status": "in_work",
                "text_ru": "в работе",
                "text_kk": "жұмыста",
                "version": 2,
                "at": at,
            },
            "case.extended": {"number": NUMBER, **reasons, "until": at, "version": 2, "at": at},
            "case.paused": {"number": NUMBER, **reasons, "version": 2, "at": at},
            "case.resumed": {"number": NUMBER, **reasons, "until": at, "version": 2, "at": at},
            "case.refused": {
                "number": NUMBER,
                "reasons": [{"code": "documents.missing", "text": "нет копии"}],
                "document": BYTES,
                "refused_at": at,
                "version": 3,
                "trail": steps,
            },
            "case.completed": {
                "number": NUMBER,
                "document": BYTES,
                "signature": BYTES,
                "completed_at": at,
                "version": 3,
                "trail": steps,
            },
            "steps.reported": {"trail": steps, "outcome": {"step": "P4", "code": "certificate.expired"}},
            "case.handed_over": {
                "number": NUMBER,
                "handed_over_at": at,
                "received_by": {"capacity": "applicant", "iin": "991231600012"},
                "document": BYTES,
                "signature": BYTES,
                "version": 3,
                "trail": steps,
            },
            "query.person": {**ASKED, "criterion": {"iin": "991231600012"}, "trail": steps},
            "query.attorney": {**ASKED, "criterion": {"representative_iin": "991231600012"}, "trail": steps},
            "answer.person": {"result": DONE, "answered_at": at, "persons": []},
            "answer.attorney": {"result": DONE, "answered_at": at, "attorneys": []},
        }[name]


def sides(name: str, channel: str) -> tuple[str, str]:
    """Who sends such a message to whom in a channel."""
    origin = ORIGIN[channel]
    if name.startswith("query."):
        return origin, PERSONS if name.endswith("person") else ATTORNEYS
    if name.startswith("answer."):
        return PERSONS if name.endswith("person") else ATTORNEYS, origin
    if name == "steps.reported":
        return origin, SHEP
    if name in OF_ORIGIN:
        return origin, SHEP if origin == PROVIDER else PROVIDER  # to himself nobody sends: ШЭП alone is told
    return PROVIDER, SHEP if origin == PROVIDER else origin


def door(envelope: Envelope) -> str:
    """Where the envelope's own system writes."""
    return f"rshep.{envelope.region}.ingress" if envelope.source == PROVIDER else "shep.ingress"


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
