"""The partners' reference of signatures against the bus's own, both ways; it shares no code with it."""

from __future__ import annotations

import ast
import base64
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from egovkit.clock import HandClock
from egovkit.contracts import contracts_dir
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.ids import SystemIds, is_uuid7
from egovkit.membership import Member, MemberCertificate, Members, sign_members, verify_envelope
from egovkit.signatures.jws import sign_compact, sign_detached, verify_compact
from egovkit.signatures.receipt import Receipt, issue_receipt
from egovkit.testing.pki import TestPki

SOURCE = contracts_dir().parent / "partner-kit" / "python" / "src"
sys.path.insert(0, str(SOURCE))

from egov_client import signing  # noqa: E402
from egov_client.signing import NotGenuine, Signer, Trust  # noqa: E402

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
PARTNER, SHEP, PORTAL = "akimat-demo", "gateway-shep", "portal-pep"


class Bus:
    """Three members, as ШЭП's list has them."""

    def __init__(self) -> None:
        self.clock = HandClock(NOW)
        self.ids = SystemIds(self.clock)
        self.pki = TestPki(self.clock)
        self.keys = {code: self.pki.system(code) for code in (SHEP, PORTAL, PARTNER)}
        kinds = {SHEP: "national_gateway", PORTAL: "portal", PARTNER: "provider"}
        self.members = Members(7, tuple(self.member(code, kind) for code, kind in kinds.items()))

    def member(self, code: str, kind: str) -> Member:
        held = (MemberCertificate.of(self.keys[code].certificate),)
        texts = (code, kind, "Система", "Жүйе", "990440000008", "750000000")
        return Member(*texts, (), ("*",), "active", "http", held)

    def envelope(self, source: str = PORTAL, recipient: str = PARTNER) -> Envelope:
        named = {"source": source, "recipient": recipient, "subject": self.ids.new(), "id": self.ids.new()}
        kind = {"type": "kz.egov.case.status.v1", "dataschema": "urn:egov:schema:case.status.v1"}
        place = {"regulation": "atyrau-housing-queue", "channel": "portal", "step": "P6", "region": "atyrau"}
        return Envelope(**named, **kind, **place, time=NOW, caseseq=1, data={"words": "Қабылданды"})

    def item(self, **changes: Any) -> dict[str, Any]:
        """As GET /v1/inbox gives it."""
        raw = self.envelope().encode()
        found = {
            "envelope": base64.b64encode(raw).decode(),
            "signature": sign_detached(raw, self.keys[PORTAL]),
            "receipts": [self.receipt(raw)],
        }
        return {**found, **changes}

    def receipt(self, raw: bytes, by: str = SHEP, gateway: str = SHEP) -> str:
        place = {"writer": "gateway-shep/1", "position": 4, "head": "0" * 64}
        told = Receipt(self.ids.new(), sha256(raw).hexdigest(), gateway, **place, received=NOW, forwarded=NOW)
        return issue_receipt(told, self.keys[by])

    def partner(self) -> Signer:
        key = self.keys[PARTNER]
        return Signer(PARTNER, key.private_key, key.certificate)  # type: ignore[arg-type] # a P-256 key

    def trust(self) -> Trust:
        trust = Trust(self.pki.root, self.pki.issuing)
        trust.learn(sign_members(self.members, self.keys[SHEP]), NOW)
        return trust


@pytest.fixture(scope="module")
def bus() -> Bus:
    return Bus()


def test_the_bus_believes_an_envelope_the_reference_signed(bus: Bus) -> None:
    envelope = bus.envelope(PARTNER, PORTAL)
    raw = signing.encode(json.loads(envelope.encode()))
    wire = WireEnvelope(raw, bus.partner().sign(raw))
    facts = verify_envelope(wire, bus.members, bus.pki.trust(), NOW)
    assert (facts.member.code, facts.envelope) == (PARTNER, envelope)


def test_a_gateway_takes_the_reference_s_access_token(bus: Bus) -> None:
    token = bus.partner().access("regional-gateway-rshep", NOW)
    claims = verify_compact(token, bus.members.certificate_for, signing.ACCESS)
    assert (claims["iss"], claims["aud"]) == (PARTNER, "regional-gateway-rshep")
    assert 0 < claims["exp"] - claims["iat"] <= 60
    assert is_uuid7(claims["jti"])


def test_the_reference_opens_what_the_bus_delivers(bus: Bus) -> None:
    received = bus.trust().open(bus.item(), NOW)
    assert (received.signer.code, received.document["data"]) == (PORTAL, {"words": "Қабылданды"})
    assert [one["gateway"] for one in received.receipts] == [SHEP]


def test_ids_and_moments_are_of_the_envelope_s_form(bus: Bus) -> None:
    made = signing.new_id(NOW)
    assert is_uuid7(made)
    assert int(made.replace("-", "")[:12], 16) == int(NOW.timestamp() * 1000)
    assert signing.moment(NOW) == "2026-03-02T09:00:00.000Z"


def test_a_certificate_on_the_revocation_list_is_not_believed(bus: Bus) -> None:
    trust = bus.trust()
    trust.load_crl(bus.pki.crl(), NOW)
    trust.open(bus.item(), NOW)
    trust.revoked = frozenset({bus.keys[PORTAL].certificate.serial_number})
    with pytest.raises(NotGenuine, match="revoked"):
        trust.open(bus.item(), NOW)


Spoiled = Callable[[Bus], dict[str, Any]]


def changed(bus: Bus) -> dict[str, Any]:
    item = bus.item()
    raw = base64.b64decode(item["envelope"]).replace(b'"caseseq":1', b'"caseseq":2')
    return {**item, "envelope": base64.b64encode(raw).decode()}


def in_anothers_name(bus: Bus) -> dict[str, Any]:
    raw = base64.b64decode(bus.item()["envelope"])
    return bus.item(envelope=base64.b64encode(raw).decode(), signature=sign_detached(raw, bus.keys[PARTNER]))


def of_a_stranger(bus: Bus) -> dict[str, Any]:
    raw = base64.b64decode(bus.item()["envelope"])
    return bus.item(envelope=base64.b64encode(raw).decode(), signature=sign_detached(raw, bus.pki.system(PORTAL)))


def receipt_of_another(bus: Bus) -> dict[str, Any]:
    item = bus.item()
    raw = base64.b64decode(item["envelope"])
    return {**item, "receipts": [bus.receipt(raw + b" ")]}


def receipt_of_no_gateway(bus: Bus) -> dict[str, Any]:
    item = bus.item()
    raw = base64.b64decode(item["envelope"])
    return {**item, "receipts": [bus.receipt(raw, by=PORTAL, gateway=PORTAL)]}


def another_kind(bus: Bus) -> dict[str, Any]:
    return bus.item(signature=sign_compact({"a": 1}, bus.keys[PORTAL], signing.ACCESS))


@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        (changed, "not of this certificate over these bytes"),
        (in_anothers_name, "another's name"),
        (of_a_stranger, "no member has the certificate"),
        (receipt_of_another, "of another envelope"),
        (receipt_of_no_gateway, "not a gateway's own"),
        (another_kind, "no egov-envelope"),
        (lambda bus: bus.item(receipts=[]), "no gateway has passed"),
        (lambda bus: bus.item(signature="nonsense"), "no signature"),
    ],
)
def test_what_is_not_genuine_is_not_opened(bus: Bus, spoiled: Spoiled, said: str) -> None:
    with pytest.raises(NotGenuine, match=said):
        bus.trust().open(spoiled(bus), NOW)


def test_a_certificate_out_of_its_time_is_not_believed(bus: Bus) -> None:
    with pytest.raises(NotGenuine, match="out of its time"):
        bus.trust().open(bus.item(), NOW + timedelta(days=800))


def test_only_the_national_gateway_says_who_the_members_are(bus: Bus) -> None:
    trust = bus.trust()
    with pytest.raises(NotGenuine, match="not signed by the national gateway"):
        trust.learn(sign_members(replace(bus.members, version=9), bus.keys[PORTAL]), NOW)
    other = TestPki(bus.clock).system(SHEP)
    forged = Members(9, (replace(bus.members.members[0], certificates=(MemberCertificate.of(other.certificate),)),))
    with pytest.raises(NotGenuine, match="not of НУЦ"):
        trust.learn(sign_members(forged, other), NOW)
    assert trust.version == 7


def test_an_older_list_is_left_aside(bus: Bus) -> None:
    trust = bus.trust()
    trust.learn(sign_members(Members(3, bus.members.members[:1]), bus.keys[SHEP]), NOW)
    assert (trust.version, len(trust.members)) == (7, 3)


def test_the_reference_imports_nothing_of_the_twin() -> None:
    tree = ast.parse((Path(signing.__file__)).read_text("utf-8"))
    named = {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    named |= {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    assert named - set(sys.stdlib_module_names) == {"jwt", "cryptography"}
