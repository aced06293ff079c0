"""The examples of contracts/asyncapi.yaml are accepted: whole cases, signed again, pass ШЭП in the order they were
recorded in, and what a gateway says itself passes the check of a member's inbox."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from egovgateway.domain import Arrival, Result
from egovkit.clock import HandClock
from egovkit.contracts import contracts_dir
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.errors import EgovError
from egovkit.membership import Member, MemberCertificate, Members, verify_envelope, verify_receipts
from egovkit.messages import MessageRegister
from egovkit.signatures.jws import sign_detached
from egovkit.signatures.receipt import Receipt, issue_receipt

from .conftest import CODES, Shep

pytestmark = pytest.mark.service
FOLDER = contracts_dir() / "messages" / "conversations"
TOLD = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}
SHEP, RSHEP = CODES[:2]
MESSAGES = MessageRegister.load(contracts_dir())
IN_REGIONS = ("provider-arm", "registers-mock")


def parsed(document: Mapping[str, Any]) -> Envelope:
    return Envelope.parse(json.dumps(document, ensure_ascii=False).encode())


@pytest.fixture(params=list(TOLD))
def told(request: pytest.FixtureRequest) -> list[Envelope]:
    return [parsed(one) for one in TOLD[request.param]]


@pytest.fixture
def clock(told: list[Envelope]) -> HandClock:
    """Standing where the recording begins."""
    return HandClock(min(envelope.time for envelope in told))


@pytest.fixture
async def bus(shep: Shep) -> Shep:
    for code in (*CODES[1:], "con-arm", "gbd-fl-mock", "enis-mock", "registers-mock"):
        assert (await shep.enrol(code)).status_code == 201
    return shep


async def take(shep: Shep, envelope: Envelope) -> Result:
    """At the door its sender uses; what comes from the regions has the receipt of РШЭП."""
    raw, now = envelope.encode(), shep.clock.now()
    wire, door = WireEnvelope(raw, sign_detached(raw, shep.keys[envelope.source])), "shep.ingress"
    if envelope.source in IN_REGIONS:
        receipt = Receipt(envelope.id, wire.sha256, RSHEP, "r/1", 1, "0" * 64, now, now)
        wire, door = wire.with_receipt(issue_receipt(receipt, shep.keys[RSHEP])), "shep.trunk"
    gateway = shep.app.state.running.door.gateway
    [result] = await gateway.process([Arrival(wire, door, now)])
    await gateway.parts.publisher.idle()
    return result


def read_by_its_recipient(shep: Shep, envelope: Envelope) -> None:
    """The checks of an inbox, on what the gateway signed."""
    raw, now, key = envelope.encode(), shep.clock.now(), shep.keys[SHEP]
    wire = WireEnvelope(raw, sign_detached(raw, key))
    wire = wire.with_receipt(issue_receipt(Receipt(envelope.id, wire.sha256, SHEP, "s/1", 1, "0" * 64, now, now), key))
    certificates = (MemberCertificate.of(key.certificate),)
    gateway = Member(
        SHEP, "national_gateway", SHEP, SHEP, "991240990016", "750000000", (), (), "active", "amqp", certificates
    )
    members, trust = Members(1, (gateway,)), shep.pki.trust()
    assert verify_envelope(wire, members, trust, now).member == gateway
    assert [one.gateway for one in verify_receipts(wire, members, trust, now)] == [SHEP]
    MESSAGES.check(envelope.type, envelope.data)


async def test_every_recorded_case_passes_again_in_its_order(bus: Shep, told: list[Envelope]) -> None:
    refused = {}
    for envelope in told:
        if envelope.source == SHEP:
            read_by_its_recipient(bus, envelope)
            continue
        behind = (envelope.time - bus.clock.now()).total_seconds()
        if behind > 0:
            await bus.clock.advance(behind)
        if (error := (await take(bus, envelope)).error) is not None:
            refused[envelope.type] = error.code
    assert refused == {}


@pytest.mark.parametrize("told", [[parsed(TOLD["4-desk-decided"][0])]])
async def test_an_example_with_a_field_too_many_is_refused_and_the_field_is_named(
    bus: Shep, told: list[Envelope]
) -> None:
    told[0].data["nummer"] = "1"
    error = (await take(bus, told[0])).error
    assert isinstance(error, EgovError) and error.code == "data.invalid"
    assert [one.field for one in error.errors] == ["nummer"]
