"""Who is on the bus, whose word the list is, and the numbered steps from bytes to facts."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from egovkit.clock import HandClock
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.errors import EgovError
from egovkit.ids import SystemIds
from egovkit.membership import (
    MEMBERS_TYP,
    Member,
    MemberCertificate,
    Members,
    Membership,
    sign_members,
    verify_envelope,
    verify_receipts,
)
from egovkit.signatures.jws import sign_compact, sign_detached
from egovkit.signatures.keys import SigningKey
from egovkit.signatures.receipt import Receipt, issue_receipt
from egovkit.testing.pki import TestPki

NOW = datetime(2026, 1, 15, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
CLOCK = HandClock(NOW)
PKI = TestPki(CLOCK)
TRUST = PKI.trust()
IDS = SystemIds(CLOCK)
SHEP = PKI.system("gateway-shep")
RSHEP = PKI.system("regional-gateway-rshep")
PORTAL = PKI.system("portal-pep")
PROVIDER = PKI.system("provider-arm")


def _member(code: str, kind: str, *keys: SigningKey, **changes: Any) -> Member:
    member = Member(
        code=code,
        kind=kind,
        name_ru="Портал",
        name_kk="Портал: ӘҒҚ",
        bin="999940000030",
        kato="750000000",
        regions=("atyrau",),
        services=("*",),
        state="active",
        delivery="amqp",
        certificates=tuple(MemberCertificate.of(key.certificate) for key in keys),
    )
    return dataclasses.replace(member, **changes)


MEMBERS = Members(
    7,
    (
        _member("gateway-shep", "national_gateway", SHEP),
        _member("regional-gateway-rshep", "regional_gateway", RSHEP),
        _member("portal-pep", "portal", PORTAL),
        _member("provider-arm", "provider", PROVIDER),
    ),
)


def _replaced(code: str, **changes: Any) -> Members:
    return Members(
        8, tuple(dataclasses.replace(one, **changes) if one.code == code else one for one in MEMBERS.members)
    )


def _envelope(source: str = "portal-pep") -> Envelope:
    return Envelope(
        id=IDS.new(),
        source=source,
        type="kz.egov.case.submitted.v1",
        subject=IDS.new(),
        time=NOW,
        dataschema="urn:egov:schema:case.submitted.v1",
        recipient="provider-arm",
        regulation="atyrau-housing-queue",
        channel="portal",
        step="P5",
        region="atyrau",
        caseseq=1,
        data={"атауы": "Қала"},
    )


def _wire(key: SigningKey = PORTAL, source: str = "portal-pep") -> WireEnvelope:
    raw = _envelope(source).encode()
    return WireEnvelope(raw, sign_detached(raw, key))


def _code(wire: WireEnvelope, members: Members = MEMBERS, at: datetime = NOW) -> str | None:
    try:
        verify_envelope(wire, members, TRUST, at)
    except EgovError as error:
        return error.code
    return None


def test_the_list_comes_back_from_its_signed_form() -> None:
    assert Members.from_payload(MEMBERS.to_payload()) == MEMBERS


def test_members_are_found_by_code_kind_and_certificate() -> None:
    assert MEMBERS.get("portal-pep") is MEMBERS.members[2] and MEMBERS.get("nobody") is None
    assert MEMBERS.by_thumbprint(PORTAL.thumbprint) == (MEMBERS.members[2], PORTAL.certificate)
    assert MEMBERS.by_thumbprint("x") is None and MEMBERS.certificate_for("x") is None
    gateway = MEMBERS.gateway()
    assert gateway is not None and gateway.code == "gateway-shep" and gateway.is_gateway
    regional = MEMBERS.gateway("regional_gateway")
    assert regional is not None and regional.code == "regional-gateway-rshep"


def test_a_member_serves_all_or_the_named_regulations() -> None:
    assert MEMBERS.members[2].serves("anything")
    named = dataclasses.replace(MEMBERS.members[2], services=("atyrau-housing-queue",))
    assert named.serves("atyrau-housing-queue") and not named.serves("wko-adoption")


def test_whom_to_ask_is_active_serves_the_regulation_and_works_in_the_region() -> None:
    everywhere = MEMBERS.members[2]
    here = dataclasses.replace(everywhere, code="x", regions=("atyrau",), certificates=())
    away = dataclasses.replace(here, state="suspended")
    other = dataclasses.replace(here, services=("wko-adoption",))
    for members, found in (((here,), here), ((away,), None), ((other,), None), ((everywhere,), everywhere)):
        assert Members(1, members).serving(here.kind, "atyrau-housing-queue", "atyrau") is found
    assert Members(1, (here,)).serving(here.kind, "atyrau-housing-queue", "semey") is None
    assert Members(1, (here,)).serving("centre", "atyrau-housing-queue", "atyrau") is None


def test_one_certificate_belongs_to_one_member() -> None:
    with pytest.raises(ValueError, match="twice"):
        Members(1, (_member("a", "portal", PORTAL), _member("b", "portal", PORTAL)))
    with pytest.raises(ValueError, match="twice"):
        Members(1, (_member("a", "portal"), _member("a", "portal")))


def test_a_signed_list_is_taken_once_and_never_backwards() -> None:
    membership = Membership(TRUST, CLOCK)
    assert not membership.members.is_known
    assert membership.update(sign_members(MEMBERS, SHEP))
    held = membership.members
    assert held == MEMBERS
    assert not membership.update(sign_members(MEMBERS, SHEP))
    assert not membership.update(sign_members(dataclasses.replace(MEMBERS, version=6), SHEP))
    assert membership.members is held
    assert membership.update(sign_members(_replaced("portal-pep", state="suspended"), SHEP))
    portal = membership.members.get("portal-pep")
    assert portal is not None and not portal.is_active


def _update_code(jws: str) -> str:
    membership = Membership(TRUST, CLOCK)
    with pytest.raises(EgovError) as caught:
        membership.update(jws)
    assert not membership.members.is_known
    return caught.value.code


def test_a_list_signed_by_a_member_is_refused() -> None:
    assert _update_code(sign_members(MEMBERS, PORTAL)) == "participant.list_not_of_gateway"


def test_a_list_that_calls_a_member_the_gateway_is_refused() -> None:
    """The list alone could say anything: the certificate's CN, said by НУЦ, decides."""
    forged = Members(9, (_member("gateway-shep", "national_gateway", PORTAL),))
    assert _update_code(sign_members(forged, PORTAL)) == "participant.list_not_of_gateway"


def test_a_list_of_a_certificate_that_is_not_good_is_refused() -> None:
    foreign = TestPki(CLOCK).system("gateway-shep")
    expired = PKI.system("gateway-shep", span=type(PKI.span())(NOW - 2 * HOUR, NOW - HOUR))
    person = PKI.person("991231600012", "gateway-shep")
    revoked = PKI.system("gateway-shep")
    PKI.revoke(revoked.certificate)
    found = [
        _update_code(sign_members(Members(9, (_member("gateway-shep", "national_gateway", key),)), key))
        for key in (foreign, expired, person, revoked)
    ]
    reasons = ("untrusted", "expired", "wrong_usage", "revoked")
    assert found == [f"certificate.{reason}" for reason in reasons]


def test_a_changed_list_is_refused() -> None:
    header, payload, signature = sign_members(MEMBERS, SHEP).split(".")
    _, other, _ = sign_members(_replaced("portal-pep", state="suspended"), SHEP).split(".")
    assert _update_code(f"{header}.{other}.{signature}") == "signature.invalid"
    assert _update_code(f"{header}.{payload}") == "signature.malformed"
    assert _update_code("") == "signature.malformed"


@pytest.mark.parametrize(
    "change",
    [
        {"version": 0},
        {"version": "7"},
        {"version": True},
        {"members": None},
        {"members": [1]},
        {"members": [{}]},
        {"more": 1},
    ],
    ids=str,
)
def test_a_list_of_another_form_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(EgovError, match=r"participant\.list_invalid"):
        Members.from_payload({**MEMBERS.to_payload(), **change})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "retired"),
        ("delivery", "post"),
        ("code", 5),
        ("regions", "atyrau"),
        ("services", [1]),
        ("certificates", [{"certificate": "!", "not_before": "x", "not_after": "x"}]),
        ("certificates", [{"certificate": "AAAA", "not_before": "x", "not_after": "x"}]),
    ],
)
def test_a_member_of_another_form_is_refused(name: str, value: Any) -> None:
    payload = MEMBERS.to_payload()
    payload["members"][2][name] = value
    with pytest.raises(EgovError, match=r"participant\.list_invalid"):
        Members.from_payload(payload)
    token = sign_compact(payload, SHEP, MEMBERS_TYP)
    assert _update_code(token) == "participant.list_invalid"


def _http(answer: httpx.Response, asked: list[httpx.Request]) -> httpx.AsyncClient:
    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answer

    return httpx.AsyncClient(transport=httpx.MockTransport(handle), base_url="http://shep")


@pytest.mark.parametrize("form", ["jws", "json"])
async def test_the_list_is_fetched_from_the_gateway(form: str) -> None:
    jws, asked, membership = sign_members(MEMBERS, SHEP), list[httpx.Request](), Membership(TRUST, CLOCK)
    text = httpx.Response(200, text=jws + "\n", headers={"content-type": "application/jose"})
    answer = text if form == "jws" else httpx.Response(200, json={"list": jws})
    assert await membership.fetch(_http(answer, asked))
    assert membership.members == MEMBERS
    assert asked[0].url.path == "/v1/members" and "if-none-match" not in asked[0].headers
    assert not await membership.fetch(_http(httpx.Response(304), asked))
    assert asked[1].headers["if-none-match"] == '"7"'


async def test_an_error_or_rubbish_instead_of_the_list_is_told() -> None:
    membership, asked = Membership(TRUST, CLOCK), list[httpx.Request]()
    with pytest.raises(httpx.HTTPStatusError):
        await membership.fetch(_http(httpx.Response(503), asked))
    with pytest.raises(EgovError, match="list_invalid"):
        await membership.fetch(_http(httpx.Response(200, json={"no": "list"}), asked))
    with pytest.raises(EgovError, match=r"signature\.malformed"):
        await membership.fetch(_http(httpx.Response(200, html="<p>hello"), asked))
    assert not membership.members.is_known


def test_a_good_envelope_gives_its_facts() -> None:
    wire = _wire()
    facts = verify_envelope(wire, MEMBERS, TRUST, NOW)
    assert facts.envelope.encode() == wire.raw and facts.thumbprint == PORTAL.thumbprint
    assert facts.member.code == "portal-pep" and facts.certificate.refusal is None


def test_the_steps_refuse_in_their_order() -> None:
    good = _wire()
    assert _code(WireEnvelope(b"{}", good.signature)) == "envelope.attribute_invalid"
    assert _code(WireEnvelope(good.raw, "x")) == "signature.malformed"
    assert _code(good, Members()) == "participant.list_unknown"
    assert _code(_wire(PKI.system("portal-pep"))) == "signature.unknown_certificate"
    assert _code(WireEnvelope(_envelope().encode(), good.signature)) == "signature.invalid"
    assert _code(good, at=NOW + timedelta(days=400)) == "certificate.expired"
    assert _code(_wire(PROVIDER)) == "signature.not_of_source"
    assert _code(good, _replaced("portal-pep", state="suspended")) == "participant.suspended"
    assert _code(good) is None


def test_every_flipped_byte_of_an_envelope_is_noticed() -> None:
    wire = _wire()
    for position in range(len(wire.raw)):
        changed = bytearray(wire.raw)
        changed[position] ^= 0x01
        code = _code(WireEnvelope(bytes(changed), wire.signature))
        assert code and code.startswith(("envelope.", "signature.")), position


def test_a_revoked_system_is_refused() -> None:
    key = PKI.system("portal-pep")
    members = _replaced("portal-pep", certificates=(MemberCertificate.of(key.certificate),))
    wire = _wire(key)
    assert _code(wire, members) is None
    PKI.revoke(key.certificate)
    assert _code(wire, members) == "certificate.revoked"


def test_certificates_overlap_while_they_are_rotated() -> None:
    """The old one signs until its registered end, the new one from its registered begin, both in between."""
    new = PKI.system("portal-pep")
    both = (
        MemberCertificate.of(PORTAL.certificate, not_after=NOW + 2 * HOUR),
        MemberCertificate.of(new.certificate, not_before=NOW + HOUR),
    )
    members = _replaced("portal-pep", certificates=both)
    found = {
        hours: (_code(_wire(PORTAL), members, NOW + hours * HOUR), _code(_wire(new), members, NOW + hours * HOUR))
        for hours in (0, 1, 2, 3)
    }
    assert found == {
        0: (None, "certificate.not_yet_valid"),
        1: (None, None),
        2: (None, None),
        3: ("certificate.expired", None),
    }


def _receipt(wire: WireEnvelope, gateway: str = "gateway-shep", **changes: Any) -> Receipt:
    return dataclasses.replace(Receipt("id", wire.sha256, gateway, "w", 1, "ab" * 32, NOW, NOW, 60, 1, "P5"), **changes)


def test_receipts_are_verified_in_order_of_passage() -> None:
    wire = _wire()
    wire = wire.with_receipt(issue_receipt(_receipt(wire), SHEP))
    wire = wire.with_receipt(issue_receipt(_receipt(wire, "regional-gateway-rshep"), RSHEP))
    receipts = verify_receipts(wire, MEMBERS, TRUST, NOW)
    assert [one.gateway for one in receipts] == ["gateway-shep", "regional-gateway-rshep"]


def _receipt_refusal(wire: WireEnvelope, members: Members = MEMBERS, at: datetime = NOW) -> tuple[str, object]:
    with pytest.raises(EgovError) as caught:
        verify_receipts(wire, members, TRUST, at)
    return caught.value.code, caught.value.params.get("reason")


def test_what_no_gateway_passed_is_refused() -> None:
    assert _receipt_refusal(_wire())[0] == "receipt.missing"
    wire = _wire()
    signed = wire.with_receipt(issue_receipt(_receipt(wire), SHEP))
    assert _receipt_refusal(signed, Members())[0] == "participant.list_unknown"


def test_a_receipt_holds_only_for_its_envelope_its_gateway_and_its_time() -> None:
    wire, other = _wire(), _wire()
    token = issue_receipt(_receipt(wire), SHEP)
    good = wire.with_receipt(token)
    assert len(verify_receipts(good, MEMBERS, TRUST, NOW)) == 1
    assert _receipt_refusal(other.with_receipt(token)) == ("receipt.invalid", "of_another_envelope")
    borrowed = issue_receipt(_receipt(wire), RSHEP)
    assert _receipt_refusal(wire.with_receipt(borrowed)) == ("receipt.invalid", "of_another_gateway")
    by_member = issue_receipt(_receipt(wire, "portal-pep"), PORTAL)
    assert _receipt_refusal(wire.with_receipt(by_member)) == ("receipt.invalid", "signature.unknown_certificate")
    late = _receipt_refusal(good, at=NOW + timedelta(days=400))
    assert late == ("receipt.invalid", "certificate.expired")
    assert _receipt_refusal(good, at=NOW + timedelta(days=31))[0] == "certificate.revocation_unknown"
    assert _receipt_refusal(good.with_receipt("x"))[0] == "receipt.invalid"
