"""Certificates, lists and answers that nobody of ours has made: each is refused by a code, and none costs much."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from egovkit.clock import HandClock
from egovkit.errors import EgovError
from egovkit.signatures.asn1 import cms, core, tsp, x509
from egovkit.signatures.certificates import sent_certificate
from egovkit.signatures.cms import MAX_CERTIFICATE, sign_cms
from egovkit.signatures.der import MAX_TEXT
from egovkit.signatures.documents import DocumentSignatures
from egovkit.signatures.keys import der
from egovkit.signatures.ocsp import OcspClient, OcspUnusable
from egovkit.signatures.stamps import check_token
from egovkit.testing.pki import TestPki
from egovkit.testing.signing import OcspAnswer, bent, resigned

NOW = datetime(2026, 1, 15, 4, tzinfo=UTC)
IIN, DATA = "991231600012", b"{}"
PKI = TestPki(HandClock(NOW))
TRUST = PKI.trust()
PERSON = PKI.person(IIN)
ECDSA_SHA256, UNKNOWN = bytes.fromhex("06082a8648ce3d040302"), bytes.fromhex("06082a8648ce3d04037f")


def odd(change: Callable[[Any], None]) -> bytes:
    """The person's certificate, changed: nobody's signature is over it."""
    certificate = x509.Certificate.load(der(PERSON.certificate))
    change(certificate["tbs_certificate"])
    return bytes(certificate.dump(force=True))


def signed_by(certificate: bytes) -> bytes:
    """A CMS that holds and names it."""
    read = x509.Certificate.load(certificate)

    def swap(content: Any, signer: Any) -> None:
        content["certificates"] = [read]
        named = {"issuer": read.issuer, "serial_number": read.serial_number}
        signer["sid"] = cms.SignerIdentifier("issuer_and_serial_number", named)

    def attributes(told: list[Any]) -> list[Any]:
        value = tsp.SigningCertificateV2({"certs": [{"cert_hash": hashlib.sha256(certificate).digest()}]})
        others = [one for one in told if one["type"].native != "signing_certificate_v2"]
        return [*others, cms.CMSAttribute({"type": "signing_certificate_v2", "values": [value]})]

    return resigned(bent(sign_cms(DATA, PERSON, NOW), swap), PERSON, attributes)


def twice(told: Any) -> None:
    told["extensions"] = [*(one.copy() for one in told["extensions"]), told["extensions"][0].copy()]


def more(oid: str, value: bytes) -> Callable[[Any], None]:
    def change(told: Any) -> None:
        fresh = x509.Extension({"extn_id": oid, "extn_value": core.ParsableOctetString(value)})
        told["extensions"] = [*(one.copy() for one in told["extensions"]), fresh]

    return change


def nameless(told: Any) -> None:
    told["issuer"] = x509.Name.load(b"\x30\x02\x31\x00")


def before_all_years(told: Any) -> None:
    told["validity"] = x509.Validity.load(b"\x30\x22\x18\x0f00000101000000Z\x18\x0f20990101000000Z")


async def code_of(signature: bytes) -> str | None:
    try:
        return (await DocumentSignatures(TRUST).verify(DATA, signature, NOW, IIN)).refusal
    except EgovError as error:
        return error.code


@pytest.mark.parametrize("change", [twice, more("2.5.29.30", b"\x30\x00"), nameless, before_all_years])
async def test_a_certificate_that_cannot_be_read_is_a_mistake_of_who_sent_it(change: Callable[[Any], None]) -> None:
    certificate = odd(change)
    assert await code_of(signed_by(certificate)) == "signature.cms_malformed"
    with pytest.raises(EgovError, match=r"certificate\.malformed"):
        sent_certificate(certificate)


def test_a_certificate_of_a_version_that_does_not_exist_is_none() -> None:
    with pytest.raises(EgovError, match=r"certificate\.malformed"):
        sent_certificate(der(PERSON.certificate).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07", 1))


async def test_a_certificate_signed_in_a_way_we_do_not_know_is_not_trusted() -> None:
    """By НУЦ's own name: GOST is one of those ways."""
    certificate = der(PERSON.certificate).replace(ECDSA_SHA256, UNKNOWN)
    assert await code_of(signed_by(certificate)) == "certificate.untrusted"
    facts = TRUST.check_person(sent_certificate(certificate), NOW, IIN)
    assert facts.refusal == "certificate.untrusted"


def test_a_list_signed_in_a_way_we_do_not_know_is_no_list() -> None:
    with pytest.raises(EgovError, match=r"certificate\.crl_invalid"):
        PKI.trust().load_crl(PKI.crl().replace(ECDSA_SHA256, UNKNOWN), NOW)


async def test_an_answer_signed_in_a_way_we_do_not_know_is_no_answer() -> None:
    from egovkit.signatures.authority import PROFILES, Usage

    offers = Usage(PROFILES["person_sign"].ekus, non_repudiation=True, ocsp="http://nuc.test/ocsp")
    asked = PKI.person(IIN, usage=offers).certificate
    reply = OcspAnswer(asked, PKI.issuing, NOW).signed(PKI.responder(), bytes(32)).replace(ECDSA_SHA256, UNKNOWN)
    headers = {"content-type": "application/ocsp-response"}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=reply, headers=headers))
    async with httpx.AsyncClient(transport=transport) as http:
        client = OcspClient(http, HandClock(NOW), "http://nuc.test", nonce=lambda: bytes(32))
        with pytest.raises(OcspUnusable):
            await client.status(asked, PKI.issuing)


@pytest.mark.parametrize(
    "moment",
    [b"\x18\x0f00000101000000Z", b"\x18\x0f99991231235959Z", b"\x18\x0e20260101000000", b"\x18\x0f18991231235959Z"],
)
async def test_a_signing_time_that_nobody_could_show_is_refused(moment: bytes) -> None:
    """It would be kept with the case, and every look at the case fail."""
    whole = b"\x30" + bytes([len(moment) + 13]) + bytes.fromhex("06092a864886f70d010905") + b"\x31"
    attribute = whole + bytes([len(moment)]) + moment
    signature = sign_cms(DATA, PERSON, NOW)
    at = signature.rindex(b"\x17\x0d")
    own = signature[at - 15 : at + 15]  # the attribute
    assert own[2:13] == attribute[2:13]
    longer = len(attribute) - len(own)
    changed = bytearray(signature.replace(own, attribute))
    for start, head in _enclosing(signature, at - 15):
        size = int.from_bytes(signature[start : start + head], "big") + longer
        changed[start : start + head] = size.to_bytes(head, "big")
    assert await code_of(bytes(changed)) == "signature.cms_malformed"


def _enclosing(data: bytes, place: int) -> list[tuple[int, int]]:
    """Where the lengths stand of all values around a place, and their octets."""
    found, begin, end = [], 0, len(data)
    while begin < place:
        octets = data[begin + 1] & 0x7F if data[begin + 1] & 0x80 else 0
        start, head = (begin + 2, octets) if octets else (begin + 1, 1)
        size, inside = int.from_bytes(data[start : start + head], "big"), start + head
        if inside + size <= place:
            begin = inside + size
            continue
        found.append((start, head))
        begin, end = inside, inside + size
    assert place < end
    return found


def _names(text: str) -> Any:
    return x509.Name.build({"common_name": text})


async def test_names_and_identifiers_that_are_long_in_the_square_of_their_length_are_refused_unread() -> None:
    """Comparing one such name, or reading one such number, took more than a second."""
    restless = "a" + "\u0301" * 10_000 + "\u0316" * 10_000

    def elsewhere(_: Any, signer: Any) -> None:
        named = {"issuer": _names(restless), "serial_number": PERSON.certificate.serial_number}
        signer["sid"] = cms.SignerIdentifier("issuer_and_serial_number", named)

    number = b"\xff" * 60_000 + b"\x01"
    bombs = (bent(sign_cms(DATA, PERSON, NOW), elsewhere), b"\x30\x82\xea\x65\x06\x82\xea\x61" + number)
    for bomb in bombs:
        with pytest.raises(EgovError) as caught:
            await DocumentSignatures(TRUST).verify(DATA, bomb, NOW, IIN)
        assert caught.value.params["reason"] == "too_long"


async def test_a_certificate_longer_than_any_is_refused_unread() -> None:
    """Read, it is a hundred times as large, and what was read is kept."""
    certificate = odd(more("1.2.3.4", bytes(MAX_CERTIFICATE)))
    with pytest.raises(EgovError) as caught:
        await DocumentSignatures(TRUST).verify(DATA, signed_by(certificate), NOW, IIN)
    assert caught.value.params["reason"] == "too_long"


async def test_a_name_as_long_as_they_come_is_read() -> None:
    name = "Қ" * (MAX_TEXT // 2)
    assert await code_of(sign_cms(DATA, PKI.person(IIN, surname="А", name="Б", patronymic=name), NOW)) is None


def test_a_stamp_whose_policy_is_endless_is_refused_unread() -> None:
    policy = b"\x06\x82\xea\x61" + b"\xff" * 60_000 + b"\x01"
    info = b"\x30\x82\xea\x68\x02\x01\x01" + policy
    token = cms.ContentInfo(
        {
            "content_type": "signed_data",
            "content": cms.SignedData(
                {
                    "version": "v3",
                    "digest_algorithms": [],
                    "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(info)},
                    "signer_infos": [cms.ContentInfo.load(sign_cms(DATA, PERSON, NOW))["content"]["signer_infos"][0]],
                }
            ),
        }
    ).dump()
    with pytest.raises(EgovError) as caught:
        check_token(token, bytes(32), TRUST, NOW + timedelta(days=1))
    assert caught.value.params["reason"] == "too_long"
