"""РШЭП's judgement: which door, whose region, which recipient; a routing row per case."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import FastAPI

from egovgateway.domain import REDRIVEN_TO, Arrival, EnvelopeState, Result
from egovkit.bus import Delivery, Outgoing, PublishError, PublishFailure, Topology, Verdict
from egovkit.bus.memory import MemoryBus
from egovkit.clock import HandClock
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.ids import Ids
from egovkit.membership import Member, MemberCertificate, Members, sign_members
from egovkit.signatures.jws import sign_detached
from egovkit.signatures.keys import SigningKey
from egovkit.signatures.receipt import Receipt, issue_receipt
from egovkit.testing.journal import give_journal_key
from egovkit.testing.pki import TestPki, lay_key
from egovkit.testing.plugin import Migrated
from regional_gateway_rshep.app import create_app
from regional_gateway_rshep.handlers import Redriven
from regional_gateway_rshep.settings import Settings
from regional_gateway_rshep.tables import gateway as gateway_tables
from regional_gateway_rshep.tables import metadata

pytestmark = pytest.mark.service
PLACES: dict[str, tuple[str, tuple[str, ...]]] = {
    "gateway-shep": ("national_gateway", ()),
    "regional-gateway-rshep": ("regional_gateway", ("atyrau", "semey")),
    "portal-pep": ("portal", ()),
    "provider-arm": ("provider", ("atyrau",)),
    "registers-mock": ("akimat_register", ("atyrau",)),
    "far-arm": ("provider", ("wko",)),
}
STATUS = {"number": None, "status": "in_work", "text_ru": "в работе", "text_kk": "жұмыста", "version": 1}


@dataclass
class Region:
    app: FastAPI
    clock: HandClock
    ids: Ids
    keys: dict[str, SigningKey]
    suspended: set[str]
    arrived: dict[str, list[Delivery]]
    version: int = 1

    def members(self) -> str:
        listed = tuple(
            Member(
                code,
                kind,
                code,
                code,
                "991240990016",
                "230000000",
                regions,
                ("*",),
                "suspended" if code in self.suspended else "active",
                "amqp",
                (MemberCertificate.of(self.keys[code].certificate),),
            )
            for code, (kind, regions) in PLACES.items()
        )
        return sign_members(Members(self.version, listed), self.keys["gateway-shep"])

    def envelope(self, source: str, recipient: str, **changes: Any) -> Envelope:
        values: dict[str, Any] = {
            "id": self.ids.new(),
            "source": source,
            "type": "kz.egov.case.status.v1",
            "subject": self.ids.new(),
            "time": self.clock.now(),
            "dataschema": "urn:egov:schema:case.status.v1",
            "recipient": recipient,
            "regulation": "atyrau-housing-queue",
            "channel": "portal",
            "step": "P6",
            "region": "atyrau",
            "caseseq": 1,
            "data": {**STATUS, "at": "2026-01-15T04:00:00Z"},
        }
        return Envelope(**{**values, **changes})

    def sign(self, envelope: Envelope, receipt_of: str | None = None) -> WireEnvelope:
        raw = envelope.encode()
        wire = WireEnvelope(raw, sign_detached(raw, self.keys[envelope.source]))
        if receipt_of is None:
            return wire
        now = self.clock.now()
        receipt = Receipt(envelope.id, wire.sha256, receipt_of, "s/1", 1, "0" * 64, now, now)
        return wire.with_receipt(issue_receipt(receipt, self.keys[receipt_of]))

    async def take(self, wire: WireEnvelope, door: str) -> Result:
        gateway = self.app.state.door.gateway
        [result] = await gateway.process([Arrival(wire, door, self.clock.now())])
        await gateway.parts.publisher.idle()
        return result

    async def inward(self, envelope: Envelope, receipt_of: str | None = "gateway-shep") -> Result:
        return await self.take(self.sign(envelope, receipt_of), "rshep.trunk")

    async def outward(self, envelope: Envelope, door: str = "rshep.atyrau.ingress") -> Result:
        return await self.take(self.sign(envelope), door)


@pytest.fixture
async def region(
    tmp_path: Path, migrated: Migrated, clock: HandClock, ids: Ids, pki: TestPki, memory_bus: MemoryBus
) -> AsyncIterator[Region]:
    keys = {code: pki.system(code) for code in PLACES}
    own = "regional-gateway-rshep"
    migrated("regional_gateway_rshep", tmp_path / f"{own}.sqlite3")
    (tmp_path / "keys").mkdir()
    (tmp_path / "trust").mkdir()
    lay_key(tmp_path / f"keys/{own}.p12", tmp_path / f"secrets/{own}.keystore", keys[own], own)
    (tmp_path / "trust/root.cer").write_bytes(pki.root.public_bytes(Encoding.DER))
    given = give_journal_key(tmp_path, own)
    holder: list[Region] = []

    def outside(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/members":
            return httpx.Response(200, text=holder[0].members())
        issuing = request.url.path == "/ca/issuing.cer"
        return httpx.Response(200, content=pki.issuing.public_bytes(Encoding.DER) if issuing else pki.crl())

    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient(transport=httpx.MockTransport(outside)))
        app = create_app(Settings(home=tmp_path, **given), bus=memory_bus, clock=clock, ids=ids, http=http)
        region = Region(app, clock, ids, keys, set(), {})
        holder.append(region)
        await stack.enter_async_context(app.router.lifespan_context(app))
        await app.state.node.joined.wait()

        async def collect(deliveries: Any) -> list[Verdict]:
            for delivery in deliveries:
                region.arrived.setdefault(delivery.queue, []).append(delivery)
            return [Verdict.ACK] * len(deliveries)

        for queue in ("shep.trunk", "inbox.provider-arm", "inbox.registers-mock"):
            await memory_bus.consume(queue, collect)
        yield region


async def test_what_shep_passed_reaches_the_regions_system_with_both_receipts(region: Region) -> None:
    sent = region.envelope("portal-pep", "provider-arm")
    assert (await region.inward(sent)).error is None
    [delivery] = region.arrived["inbox.provider-arm"]
    assert delivery.body == sent.encode()
    assert len(WireEnvelope.of(delivery.body, delivery.headers).receipts) == 2


async def test_what_shep_did_not_pass_is_not_passed_on(region: Region) -> None:
    result = await region.inward(region.envelope("portal-pep", "provider-arm"), receipt_of=None)
    assert result.error is not None and result.error.code == "receipt.missing"
    own = await region.inward(region.envelope("portal-pep", "provider-arm"), receipt_of="regional-gateway-rshep")
    assert own.error is not None and own.error.code == "receipt.missing"
    assert "inbox.provider-arm" not in region.arrived


async def test_a_provider_may_tell_shep_of_a_case_that_began_at_his_own_desk(region: Region) -> None:
    case = region.ids.new()
    told = await region.outward(region.envelope("provider-arm", "gateway-shep", subject=case))
    assert told.error is None and region.arrived["shep.trunk"]
    others = await region.outward(region.envelope("provider-arm", "portal-pep", subject=region.ids.new()))
    assert others.error is not None and others.error.code == "order.case_unknown"


async def test_a_provider_answers_only_on_cases_that_came_to_it(region: Region) -> None:
    case = region.ids.new()
    unknown = await region.outward(region.envelope("provider-arm", "portal-pep", subject=case))
    assert unknown.error is not None and unknown.error.code == "order.case_unknown"
    submitted = region.envelope("portal-pep", "provider-arm", subject=case)
    await region.inward(submitted)
    answer = await region.outward(region.envelope("provider-arm", "portal-pep", subject=case, caseseq=2))
    assert answer.error is None
    assert region.arrived["shep.trunk"][-1].headers["egov-receipt"]


@pytest.mark.parametrize(
    ("source", "recipient", "change", "code"),
    [
        ("portal-pep", "nobody", {}, "route.recipient_unknown"),
        ("portal-pep", "far-arm", {}, "route.recipient_unknown"),  # wko is no region of this РШЭП
        ("portal-pep", "provider-arm", {"region": "semey"}, "route.region_mismatch"),
        ("portal-pep", "provider-arm", {"region": "mars"}, "route.region_mismatch"),
    ],
)
async def test_a_wrong_way_inward_is_refused_and_the_refusal_goes_back_by_the_trunk(
    region: Region, source: str, recipient: str, change: dict[str, str], code: str
) -> None:
    result = await region.inward(region.envelope(source, recipient, **change))
    assert result.error is not None and result.error.code == code
    [back] = [Envelope.parse(d.body) for d in region.arrived["shep.trunk"]]
    assert (back.type, back.recipient) == ("kz.egov.envelope.refused.v1", "portal-pep")


@pytest.mark.parametrize(
    ("source", "door", "change", "code"),
    [
        ("portal-pep", "rshep.atyrau.ingress", {}, "route.wrong_door"),  # a national system
        ("far-arm", "rshep.atyrau.ingress", {}, "route.wrong_door"),
        ("provider-arm", "rshep.semey.ingress", {}, "route.region_mismatch"),
        ("provider-arm", "rshep.semey.ingress", {"region": "semey"}, "route.region_mismatch"),
        ("provider-arm", "rshep.atyrau.ingress", {"type": "kz.egov.case.invented.v1"}, "route.type_unknown"),
    ],
)
async def test_a_wrong_way_outward_is_refused(
    region: Region, source: str, door: str, change: dict[str, str], code: str
) -> None:
    result = await region.outward(region.envelope(source, "portal-pep", **change), door)
    assert result.error is not None and result.error.code == code
    assert all(Envelope.parse(d.body).type.endswith("refused.v1") for d in region.arrived.get("shep.trunk", []))


async def test_news_of_the_member_list_takes_effect_at_once(region: Region) -> None:
    region.suspended.add("provider-arm")
    region.version = 2
    news = region.envelope(
        "gateway-shep",
        "regional-gateway-rshep",
        type="kz.egov.members.updated.v1",
        dataschema="urn:egov:schema:members.updated.v1",
        data={"list": region.members()},
        regulation="-",
        channel="-",
        step="-",
        region="-",
        caseseq=0,
    )
    result = await region.inward(news)
    assert result.state is EnvelopeState.CONSUMED
    refused = await region.inward(region.envelope("portal-pep", "provider-arm"))
    assert refused.error is not None and refused.error.code == "route.recipient_suspended"


# Dead letters that ШЭП sends back.


async def redriven(region: Region, bus: MemoryBus, queue: str | None, wire: WireEnvelope) -> None:
    """As ШЭП puts a letter back; returns when РШЭП has settled it."""
    headers = {**wire.headers(), "n": "1", **({} if queue is None else {REDRIVEN_TO: queue})}
    assert await bus.publish([Outgoing("rshep.redrive", wire.raw, headers, "id-1")]) == [None]


async def test_a_letter_for_a_regions_system_goes_back_into_its_inbox_as_it_was(
    region: Region, memory_bus: MemoryBus
) -> None:
    wire = region.sign(region.envelope("portal-pep", "provider-arm"), "gateway-shep")
    await redriven(region, memory_bus, "inbox.provider-arm", wire)
    [delivery] = region.arrived["inbox.provider-arm"]
    assert (delivery.body, delivery.message_id) == (wire.raw, "id-1")
    assert delivery.headers == {**wire.headers(), "n": "1"}


async def test_a_letter_that_died_in_a_regions_ingress_is_judged_as_if_it_came_there(
    region: Region, memory_bus: MemoryBus
) -> None:
    case = region.ids.new()
    await region.inward(region.envelope("portal-pep", "provider-arm", subject=case))
    sent = region.envelope("provider-arm", "portal-pep", subject=case)
    await redriven(region, memory_bus, "rshep.atyrau.ingress", region.sign(sent))
    await region.app.state.door.gateway.parts.publisher.idle()
    assert [one.body for one in region.arrived["shep.trunk"]] == [sent.encode()]


@pytest.mark.parametrize("queue", [None, "nowhere", "inbox.portal-pep", "rshep.redrive"])
async def test_a_letter_for_where_the_regional_gateway_may_not_write_goes_nowhere(
    region: Region, memory_bus: MemoryBus, queue: str | None
) -> None:
    await redriven(
        region, memory_bus, queue, region.sign(region.envelope("portal-pep", "provider-arm"), "gateway-shep")
    )
    assert await memory_bus.depth("dead-letters") == 1
    assert region.arrived == {}


async def test_a_letter_whose_queue_is_full_is_tried_again(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = region.sign(region.envelope("portal-pep", "provider-arm"), "gateway-shep")
    node = region.app.state.node
    handler = Redriven(region.app.state.door.gateway, node.bus, Topology.load(node.contracts))

    async def full(messages: Sequence[Outgoing]) -> list[PublishError | None]:
        return [PublishError(PublishFailure.REJECTED, "full") for _ in messages]

    monkeypatch.setattr(node.bus, "publish", full)
    headers = {**wire.headers(), REDRIVEN_TO: "inbox.provider-arm"}
    assert await handler.take([Delivery("rshep.redrive", wire.raw, headers, "id-1", 1)]) == [Verdict.RETRY]


def test_the_migrations_make_exactly_the_tables() -> None:
    from egovkit.db.migrate import assert_migrations_match

    assert_migrations_match("regional_gateway_rshep", metadata)


QUERY = {
    "register": "housing_queue",
    "operation": "enqueue",
    "person_iin": "991231600012",
    "official": "staff-1",
    "purpose_ru": "Постановка на учёт",
    "clause": "6 8)",
    "trail": [],
}
ANSWER = {
    "result": {"code": "00000", "name_ru": "Обработано", "name_kk": "Өңделді"},
    "answered_at": "2026-01-15T04:00:00Z",
    "register": "housing_queue",
    "operation": "enqueue",
    "entries": [],
}


def back_from_shep(region: Region, delivery: Delivery) -> WireEnvelope:
    """What went up the trunk comes down again, with ШЭП's receipt beside ours."""
    wire, now = WireEnvelope.of(delivery.body, delivery.headers), region.clock.now()
    receipt = Receipt(Envelope.parse(wire.raw).id, wire.sha256, "gateway-shep", "s/1", 1, "0" * 64, now, now)
    return wire.with_receipt(issue_receipt(receipt, region.keys["gateway-shep"]))


async def test_a_question_between_two_systems_of_a_region_passes_twice_and_its_answer_too(region: Region) -> None:
    changes: dict[str, Any] = {"type": "kz.egov.query.register.v1", "dataschema": "urn:egov:schema:query.register.v1"}
    asked = region.envelope("provider-arm", "registers-mock", data=QUERY, **changes)
    opened = region.envelope("portal-pep", "provider-arm", subject=asked.subject)
    assert (await region.inward(opened)).error is None
    assert (await region.outward(asked)).error is None
    down = back_from_shep(region, region.arrived["shep.trunk"][-1])
    for _ in range(2):  # a trunk delivers again when it likes
        assert (await region.take(down, "rshep.trunk")).error is None
    [came] = region.arrived["inbox.registers-mock"]
    gateways = [receipt for receipt in WireEnvelope.of(came.body, came.headers).receipts]
    assert len(gateways) == 3, "РШЭП, ШЭП, РШЭП"

    changes = {"type": "kz.egov.answer.register.v1", "dataschema": "urn:egov:schema:answer.register.v1", "caseseq": 0}
    told = region.envelope(
        "registers-mock", "provider-arm", data=ANSWER, subject=asked.subject, correlationid=asked.id, **changes
    )
    assert (await region.outward(told)).error is None
    down = back_from_shep(region, region.arrived["shep.trunk"][-1])
    assert (await region.take(down, "rshep.trunk")).error is None
    assert [Envelope.parse(one.body).id for one in region.arrived["inbox.provider-arm"]] == [opened.id, told.id]
    status = region.envelope("provider-arm", "portal-pep", subject=asked.subject, caseseq=2)
    assert (await region.outward(status)).error is None, "the case is its provider's still"


async def test_a_centres_question_makes_no_register_the_provider_of_a_case(region: Region) -> None:
    changes: dict[str, Any] = {"type": "kz.egov.query.register.v1", "dataschema": "urn:egov:schema:query.register.v1"}
    asked = region.envelope("portal-pep", "registers-mock", data=QUERY, **changes)
    assert (await region.inward(asked)).error is None
    assert (await region.inward(region.envelope("portal-pep", "provider-arm", subject=asked.subject))).error is None
    assert (await region.outward(region.envelope("provider-arm", "portal-pep", subject=asked.subject))).error is None


async def test_a_register_that_nobody_asked_about_a_case_is_refused(region: Region) -> None:
    told = region.envelope(
        "registers-mock",
        "provider-arm",
        type="kz.egov.answer.register.v1",
        dataschema="urn:egov:schema:answer.register.v1",
        caseseq=0,
        data=ANSWER,
    )
    result = await region.outward(told)
    assert result.error is not None and result.error.code == "order.answer_unasked"


async def test_a_question_about_no_case_and_its_answer_pass_and_leave_no_row(region: Region) -> None:
    data = {"iin": "991231600012", "limit": 100}
    nowhere = {"regulation": "-", "channel": "-", "step": "-", "caseseq": 0}
    asked = region.envelope("portal-pep", "registers-mock", type="kz.egov.query.reads.v1", data=data, **nowhere)
    assert (await region.inward(asked)).error is None
    assert len(region.arrived["inbox.registers-mock"]) == 1
    result = {"code": "00000", "name_ru": "…", "name_kk": "…"}
    told = {"result": result, "answered_at": "2026-01-15T04:00:00Z", "iin": data["iin"], "reads": [], "more": False}
    answer = region.envelope("registers-mock", "portal-pep", type="kz.egov.answer.reads.v1", data=told, **nowhere)
    assert (await region.outward(answer)).error is None
    assert region.arrived["shep.trunk"][-1].body == answer.encode()
    elsewhere = await region.outward(region.envelope("registers-mock", "portal-pep", type=answer.type, data=told,
                                                     **{**nowhere, "region": "semey"}))  # fmt: skip
    assert elsewhere.error is not None and elsewhere.error.code == "route.region_mismatch"
    gateway = region.app.state.door.gateway
    async with gateway.parts.db.read() as conn:
        assert (await conn.execute(gateway_tables.cases.select())).all() == []
