"""What every partner's system does, whatever its role: joins the bus, believes only what is proved, acts once, knows
the act. The five calls of the certification driver are at the foot."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import httpx
from fastapi import FastAPI, Request, Response

from egovkit.clock import ShiftedClock, SystemClock
from egovkit.contracts import contracts_dir, contracts_version, read_once
from egovkit.envelope import CONTENT_TYPE, Envelope, WireEnvelope
from egovkit.errors import EgovError
from egovkit.ids import SystemIds
from egovkit.membership import Membership, verify_envelope, verify_receipts
from egovkit.signatures.certificates import TrustStore, load_certificate
from egovkit.signatures.cms import sign_cms
from egovkit.signatures.documents import DocumentSignatures
from egovkit.signatures.jws import sign_detached
from egovkit.signatures.keys import SigningKey, csr, new_private_key
from egovkit.signatures.trust_source import TrustSource
from egovlaw.catalogue import Branch, Channel
from egovlaw.kinds import message_name, message_type
from egovlaw.loader import load_catalogue

GATEWAY = "gateway-shep"
ANSWERED_WITHIN = timedelta(seconds=50)


@dataclass(slots=True)
class Known:
    """A case as this system knows it. `at`: the last step anybody told; `told`: the messages sent already."""

    case: str
    regulation: str
    channel: str
    region: str
    other: str = ""
    at: str | None = None
    sequence: int = 0
    version: int = 0
    number: str = ""
    told: set[str] = field(default_factory=set)
    facts: dict[str, Any] = field(default_factory=dict)


class Partner:
    """Subclasses say what they do on a message (`on_...`) and at their people's wish (`act_...`)."""

    role: ClassVar[str]
    about: ClassVar[Mapping[str, Any]] = {}

    def __init__(self) -> None:
        self.clock = ShiftedClock(SystemClock())
        self.ids = SystemIds(self.clock)
        self.http = httpx.AsyncClient(trust_env=False, timeout=20.0)
        self.reset()

    def reset(self) -> None:
        self.cases: dict[str, Known] = {}
        self.seen: set[tuple[str, str]] = set()

    # joining

    def request(self, code: str) -> bytes:
        self.code, self.private = code, new_private_key()
        return csr(self.private, code)

    async def join(self, facts: Mapping[str, Any]) -> None:
        chain = tuple(load_certificate(one.encode()) for one in facts["chain"])
        self.key = SigningKey(self.private, load_certificate(facts["certificate"].encode()), chain)
        self.door, self.systems = facts["door"], list(facts["systems"])
        person = facts["official"]
        self.official = SigningKey.load(base64.b64decode(person["pkcs12"]), person["password"])
        self.trust = TrustStore(load_certificate(base64.b64decode(facts["root"])))
        self.signatures = DocumentSignatures(self.trust)
        self.lists = TrustSource(self.trust, self.http, self.clock, facts["nuc"])
        await self.lists.refresh(force=True)
        self.members = Membership(self.trust, self.clock)
        self.members_url = facts["members"].removesuffix("/v1/members")
        await self.members.fetch(self.http, self.members_url)

    def system(self, kind: str, region: str = "") -> str:
        """The participant of this kind that works in the region."""
        fitting = (one for one in self.systems if one["kind"] == kind and (not region or region in one["regions"]))
        return str(next(fitting)["code"])

    # receiving

    async def receive(self, wire: WireEnvelope) -> None:
        """EgovError for what is not to be believed; nothing for what is known."""
        envelope = await self.proved(wire)
        if envelope.recipient != self.code:
            raise EgovError("envelope.misdelivered", recipient=envelope.recipient)
        if self.known_already(envelope):
            return
        name = message_name(envelope.type)
        handler = getattr(self, f"on_{name.replace('.', '_')}", None)
        if handler is not None:
            await handler(envelope)

    def known_already(self, envelope: Envelope) -> bool:
        key = (envelope.source, envelope.id)
        known = key in self.seen
        self.seen.add(key)
        return known

    async def proved(self, wire: WireEnvelope) -> Envelope:
        """Of whom it says, and past the gateways. A sender nobody knew may have joined a moment ago."""
        await self.lists.refresh()
        try:
            return self._proved(wire)
        except EgovError:
            if not await self.members.fetch(self.http, self.members_url):
                raise
        return self._proved(wire)

    def _proved(self, wire: WireEnvelope) -> Envelope:
        now = self.clock.now()
        facts = verify_envelope(wire, self.members.members, self.trust, now)
        verify_receipts(wire, self.members.members, self.trust, now)
        return facts.envelope

    # sending

    def channel(self, known: Known) -> Channel:
        return read_once(load_catalogue, contracts_dir()).by_code[known.regulation].channels[known.channel]

    async def send(self, known: Known, name: str, step: str, data: Mapping[str, Any], **more: Any) -> httpx.Response:
        """`more`: attributes of the envelope, and `to`."""
        numbered = not name.startswith("answer.")
        known.sequence += numbered
        envelope = Envelope(
            id=self.ids.new(), source=self.code, type=message_type(name), subject=known.case, time=self.clock.now(),
            dataschema=f"urn:egov:schema:{name}.v1", recipient=more.pop("to", known.other),
            regulation=known.regulation, channel=known.channel, region=known.region, step=step,
            caseseq=known.sequence if numbered else 0, data=dict(data), **more,
        )  # fmt: skip
        known.told.add(name)
        known.at = step
        return await self.post(envelope.encode())

    async def post(self, raw: bytes) -> httpx.Response:
        headers = {"Content-Type": CONTENT_TYPE, "Egov-Signature": sign_detached(raw, self.key)}
        return await self.http.post(f"{self.door}/v1/envelopes", content=raw, headers=headers)

    def trail(self, known: Known, step: str) -> list[dict[str, Any]]:
        """The local steps of the act between where the case stands and this one, each with its end."""
        if known.at == step:
            return []
        channel = self.channel(known)
        way = path(channel, known.at, step)
        return [
            {"step": label, "outcome": outcome, "at": self.now, "writer": f"{self.code}/1", "position": n,
             "hash": "0" * 64}
            for n, (label, outcome) in enumerate(way, 1)
        ]  # fmt: skip

    async def question(self, known: Known, iin: str) -> None:
        """To the person register, about who applies."""
        channel = self.channel(known)
        step = step_of(channel, "query_registers")
        known.facts |= {"iin": iin, "asked": self.clock.now()}
        data = {"criterion": {"iin": iin}, "official": "official-7", "purpose_ru": "Оказание государственной услуги",
                "clause": channel.by_label[step].clause, "trail": self.trail(known, step)}  # fmt: skip
        until = self.clock.now() + ANSWERED_WITHIN
        await self.send(known, "query.person", step, data, to=self.system("person_register"), expirytime=until)

    async def answered(self, envelope: Envelope) -> None:
        """What comes after the act's limit is none; where nobody is found, the act ends here."""
        known = self.cases[envelope.subject]
        limits = [one.max_s for one in self.channel(known).limits if one.stops_on.name == message_name(envelope.type)]
        waited = (self.clock.now() - known.facts["asked"]).total_seconds()
        if waited > min(limits, default=ANSWERED_WITHIN.total_seconds()):
            return
        known.facts["person"] = next(iter(envelope.data["persons"]), None)
        if known.facts["person"] is None:
            await self.report(known, "report_no_data", "register.no_data")

    async def report(self, known: Known, kind: str, code: str) -> None:
        """The flow ends here, and ШЭП is told so."""
        step = step_of(self.channel(known), kind)
        data = {"trail": self.trail(known, step), "outcome": {"step": step, "code": code}}
        await self.send(known, "steps.reported", step, data, to=GATEWAY)

    @property
    def now(self) -> str:
        return stamp(self.clock.now())

    def sign(self, document: bytes) -> dict[str, str]:
        """As an official signs."""
        signature = sign_cms(document, self.official, self.clock.now())
        return {
            name: base64.b64encode(raw).decode() for name, raw in (("document", document), ("signature", signature))
        }

    # people

    async def act(self, wish: Mapping[str, Any]) -> None:
        known = self.cases.get(wish["case"])
        if known is None:
            known = Known(wish["case"], wish["regulation"], wish["channel"], wish["region"])
            self.cases[known.case] = known
        handler = getattr(self, f"act_{wish['act']}", None)
        if handler is None:
            raise EgovError("request.invalid")
        await handler(known, wish)

    def told_time(self, text: str) -> None:
        """The time of the bus, which may be ahead of the machine's."""
        ahead = datetime.fromisoformat(text).astimezone(UTC) - self.clock.now()
        if ahead > timedelta(seconds=1):
            self.clock.advance(ahead)


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def path(channel: Channel, at: str | None, goal: str) -> list[tuple[str, str]]:
    """The shortest way of local steps from behind `at` to `goal`."""
    start = channel.flow[0].label if at is None else None
    first = [start] if start else list(channel.by_label[at or ""].successors)
    waiting: list[tuple[str, list[tuple[str, str]]]] = [(label, []) for label in first]
    for label, way in waiting:  # grows while it is read
        if label == goal:
            return way
        item = channel.by_label[label]
        if item.entering:
            continue
        ends: Sequence[tuple[str, str | None]] = (
            (("ok", item.next.ok), ("violation", item.next.violation))
            if isinstance(item.next, Branch)
            else (("done", item.next),)
        )
        waiting += [(after, [*way, (label, outcome)]) for outcome, after in ends if after is not None]
    raise LookupError(f"no way from {at} to {goal}")


def step_of(channel: Channel, *kinds: str) -> str:
    """The step of the flow that is of one of these kinds."""
    return next(item.label for item in channel.flow if item.kind.name in kinds)


def driver(partner: Partner) -> FastAPI:
    """The certification driver: contracts/certification/driver.openapi.yaml."""
    app = FastAPI(openapi_url=None)

    @app.get("/certification")
    async def about() -> dict[str, Any]:
        version = contracts_version(contracts_dir())
        return {"name": type(partner).__name__, "role": partner.role, "contracts": version, **partner.about}

    @app.post("/certification/reset", status_code=204)
    async def reset() -> Response:
        partner.reset()
        return Response(status_code=204)

    @app.post("/certification/request")
    async def request(body: dict[str, str]) -> dict[str, str]:
        return {"csr": partner.request(body["code"]).decode()}

    @app.post("/certification/join", status_code=204)
    async def join(body: dict[str, Any], call: Request) -> Response:
        partner.told_time(call.headers["egov-time"])
        await partner.join(body)
        return Response(status_code=204)

    _add_traffic(app, partner)
    return app


def _add_traffic(app: FastAPI, partner: Partner) -> None:
    @app.post("/certification/act", status_code=202)
    async def act(body: dict[str, Any], call: Request) -> Response:
        partner.told_time(call.headers["egov-time"])
        return await _answered(partner.act(body))

    @app.post("/certification/envelopes", status_code=202)
    async def envelopes(call: Request) -> Response:
        partner.told_time(call.headers["egov-time"])
        try:
            wire = WireEnvelope.of(await call.body(), dict(call.headers))
        except EgovError as error:
            return Response(error.code, status_code=422)
        return await _answered(partner.receive(wire))

    async def _answered(doing: Any) -> Response:
        try:
            await doing
        except EgovError as error:
            return Response(error.code, status_code=422)
        return Response(status_code=202)
