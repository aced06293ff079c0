"""A person's signature: the facts about it, each bent once, and bytes nobody should trust."""

import asyncio
import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from egovkit.clock import HandClock
from egovkit.errors import EgovError
from egovkit.signatures import cms as cms_module
from egovkit.signatures.cms import MAX_CMS, sign_cms
from egovkit.signatures.documents import DocumentFacts, DocumentSignatures
from egovkit.signatures.keys import SigningKey, new_private_key
from egovkit.testing.pki import TestPki
from egovkit.testing.signing import resigned

NOW = datetime(2026, 1, 15, 4, tzinfo=UTC)
IIN = "991231600012"
DATA = '{"kind":"application","форма":"Тұрғын үй: ӘҒҚҢӨҰҮҺІ"}'.encode()
PKI = TestPki(HandClock(NOW))
TRUST = PKI.trust()
PERSON = PKI.person(IIN)
RSA_PERSON = PKI.person(IIN, key="rsa2048")
SIGNED = sign_cms(DATA, PERSON, NOW)


async def _facts(cms: bytes, data: bytes = DATA, at: datetime = NOW, iin: str | None = IIN) -> DocumentFacts:
    return await DocumentSignatures(TRUST).verify(data, cms, at, iin)


async def _malformed(cms: bytes) -> object:
    with pytest.raises(EgovError) as caught:
        await _facts(cms)
    assert caught.value.code == "signature.cms_malformed"
    return caught.value.params["reason"]


@pytest.mark.parametrize("key", [PERSON, RSA_PERSON], ids=["P-256", "RSA-2048"])
async def test_a_good_signature_has_nothing_against_it(key: SigningKey) -> None:
    facts = await _facts(sign_cms(DATA, key, NOW - timedelta(minutes=1)))
    assert facts.refusal is None and facts.intact
    assert facts.signer.iin == IIN and facts.signer.iin_matches
    assert facts.certificate == key.certificate and facts.reading.digest == "sha256"
    assert facts.reading.signing_time == NOW - timedelta(minutes=1)


async def test_signing_works_inside_a_running_loop() -> None:
    assert (await _facts(sign_cms(DATA, PERSON, NOW))).intact


async def test_pem_of_the_signing_agent_is_read_as_well() -> None:
    body = base64.encodebytes(SIGNED).decode()
    for label in ("CMS", "PKCS7"):
        pem = f"-----BEGIN {label}-----\n{body}-----END {label}-----\n".encode()
        assert (await _facts(pem)).refusal is None


@pytest.mark.parametrize("data", [b"", DATA[:-1], DATA + b"\n", DATA.replace(b"application", b"Application")])
async def test_a_signature_of_another_document_is_refused(data: bytes) -> None:
    facts = await _facts(SIGNED, data)
    assert not facts.reading.digest_ok and facts.reading.signature_ok and not facts.intact
    assert facts.refusal == "signature.of_other_data"


async def test_every_reason_of_process_4_has_its_code() -> None:
    hour = timedelta(hours=1)
    revoked = PKI.person(IIN)
    PKI.revoke(revoked.certificate)
    span = type(PKI.span())
    cases = {
        "certificate.expired": PKI.person(IIN, span=span(NOW - 2 * hour, NOW - hour)),
        "certificate.not_yet_valid": PKI.person(IIN, span=span(NOW + hour, NOW + 2 * hour)),
        "certificate.revoked": revoked,
        "certificate.of_another_person": PKI.person("991231600022"),
        "certificate.wrong_usage": PKI.person(IIN, profile="person_auth"),
        "certificate.untrusted": TestPki(HandClock(NOW)).person(IIN),
    }
    found = {code: (await _facts(sign_cms(DATA, key, NOW))).refusal for code, key in cases.items()}
    assert found == {code: code for code in cases}


async def test_the_moment_asked_about_decides() -> None:
    assert (await _facts(SIGNED, at=NOW + timedelta(days=400))).refusal == "certificate.expired"
    stale = await _facts(SIGNED, at=NOW + timedelta(days=31))
    assert stale.intact and stale.refusal == "certificate.revocation_unknown"


async def test_without_a_claim_the_iin_is_only_told() -> None:
    facts = await _facts(SIGNED, iin=None)
    assert facts.refusal is None and facts.signer.iin == IIN and facts.signer.iin_matches is None


async def test_no_flipped_byte_passes_for_another_signature() -> None:
    """A flip is refused, or lies in what no one signed (the chain beside it) and changes no fact."""
    good = await _facts(SIGNED)
    harmless = 0
    for position in range(0, len(SIGNED), 2):  # the signed part is flipped byte by byte below
        changed = bytearray(SIGNED)
        changed[position] ^= 0x01
        try:
            facts = await _facts(bytes(changed))
        except EgovError as error:
            assert error.code == "signature.cms_malformed"
            continue
        if facts.refusal is None:
            harmless += 1
            assert facts == good, position
    assert harmless < len(SIGNED) // 2  # the issuing certificate and the list of digests


async def test_no_flipped_byte_of_the_signed_part_passes() -> None:
    # contentType, first of the signed attributes
    start = SIGNED.index(b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03")
    for position in range(start, len(SIGNED)):
        changed = bytearray(SIGNED)
        changed[position] ^= 0x10
        try:
            refusal = (await _facts(bytes(changed))).refusal
        except EgovError:
            continue
        assert refusal is not None, position


@pytest.mark.parametrize(
    "cms",
    [
        b"",
        b"x",
        b"0",
        b"\x30\x80",
        b"\x30\x84\xff\xff\xff\xff",
        b"-----BEGIN CMS-----\n!!!\n-----END CMS-----",
        b"-----BEGIN",
        SIGNED[:-1],
        SIGNED + b"\x00",
        SIGNED[: len(SIGNED) // 2],
        base64.b64encode(SIGNED),
        bytes(MAX_CMS + 1),
        b"\x30\x80" * 2000,
    ],
    ids=range(13),
)
async def test_bytes_that_are_no_cms_are_malformed(cms: bytes) -> None:
    assert await _malformed(cms)


def _bent(**changes: Any) -> bytes:
    """SIGNED with parts of SignedData replaced, by asn1crypto's names."""
    from egovkit.signatures.asn1 import cms as asn1_cms

    info = asn1_cms.ContentInfo.load(SIGNED)
    for name, value in changes.items():
        info["content"][name] = value
    return bytes(info.dump(force=True))


async def test_a_content_inside_is_refused_even_the_right_one() -> None:
    assert await _malformed(_bent(encap_content_info={"content_type": "data", "content": DATA})) == "not_detached"


async def test_a_signature_without_its_certificate_is_refused() -> None:
    assert await _malformed(_bent(certificates=[]))


@pytest.mark.parametrize(
    ("name", "reason"),
    [(b"\x31\x00" * 1000, "too_many_values"), (b"\x31\x00" * 5000, "too_long")],
    ids=["values", "bytes"],
)
async def test_a_certificate_of_thousands_of_values_is_not_remembered(name: bytes, reason: str) -> None:
    """Each would keep a megabyte for as long as the process lives."""
    from egovkit.signatures.asn1 import core, x509

    bomb = x509.Certificate.load(PERSON.certificate.public_bytes(Encoding.DER))
    bomb["tbs_certificate"]["subject"] = x509.Name.load(core.SequenceOf(spec=core.Any, contents=name).dump())
    before = cms_module._parsed.cache_info().currsize
    assert await _malformed(_bent(certificates=[bomb])) == reason
    assert cms_module._parsed.cache_info().currsize == before


async def test_several_signers_or_none_are_refused() -> None:
    from egovkit.signatures.asn1 import cms as asn1_cms

    signer = asn1_cms.ContentInfo.load(SIGNED)["content"]["signer_infos"][0]
    assert await _malformed(_bent(signer_infos=[signer, signer.copy()]))
    assert await _malformed(_bent(signer_infos=[])) == "not_one_signer"


def _with_signer(change: Any) -> bytes:
    from egovkit.signatures.asn1 import cms as asn1_cms

    info = asn1_cms.ContentInfo.load(SIGNED)
    signer = info["content"]["signer_infos"][0]
    change(signer)
    return bytes(info.dump(force=True))


async def test_a_bare_signature_without_attributes_is_refused() -> None:
    """Plain CMS: the signature covers the data alone, and any certificate with this key could claim it."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    from egovkit.signatures.asn1 import cms as asn1_cms

    key: Any = PERSON.private_key
    info = asn1_cms.ContentInfo.load(SIGNED)
    old = info["content"]["signer_infos"][0]
    bare = asn1_cms.SignerInfo(
        {
            "version": "v1",
            "sid": old["sid"],
            "digest_algorithm": old["digest_algorithm"],
            "signature_algorithm": old["signature_algorithm"],
            "signature": key.sign(DATA, ec.ECDSA(hashes.SHA256())),
        }
    )
    assert await _malformed(_bent(signer_infos=[bare])) == "no_attributes"


@pytest.mark.parametrize("digest", ["sha1", "md5", "sha224"])
async def test_a_weak_digest_is_refused(digest: str) -> None:
    def weaken(signer: Any) -> None:
        signer["digest_algorithm"] = {"algorithm": digest}

    assert await _malformed(_with_signer(weaken)) == "unknown_digest"


async def test_a_signature_without_the_signing_certificate_attribute_is_refused() -> None:
    def strip(signer: Any) -> None:
        kept = [one for one in signer["signed_attrs"] if one["type"].native != "signing_certificate_v2"]
        signer["signed_attrs"] = kept

    assert await _malformed(_with_signer(strip)) == "no_signing_certificate"


async def test_another_certificate_with_the_same_key_can_not_be_put_in_its_place() -> None:
    """The signed attribute names the certificate by its hash (ETSI EN 319 122-1, 5.2.2)."""
    from egovkit.signatures.asn1 import cms as asn1_cms
    from egovkit.signatures.asn1 import x509 as asn1_x509
    from egovkit.signatures.authority import PROFILES, person_name
    from egovkit.signatures.keys import der

    name = person_name("991231600022", "БӨТЕН", "БІРЕУ")
    twin = PKI.issuing_authority.issue(name, PERSON.private_key.public_key(), PROFILES["person_sign"], PKI.span())
    certificate = asn1_x509.Certificate.load(der(twin))
    info = asn1_cms.ContentInfo.load(SIGNED)
    info["content"]["certificates"] = [certificate]
    signer = info["content"]["signer_infos"][0]
    sid = {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
    signer["sid"] = asn1_cms.SignerIdentifier("issuer_and_serial_number", sid)
    assert await _malformed(info.dump(force=True)) == "names_another_certificate"


async def test_a_signature_made_by_a_stolen_name_is_invalid() -> None:
    """Someone else's key under the person's certificate."""
    from egovkit.signatures.asn1 import cms as asn1_cms

    thief = sign_cms(DATA, PKI.person(IIN), NOW)
    made = asn1_cms.ContentInfo.load(thief)["content"]["signer_infos"][0]["signature"].native

    def swap(signer: Any) -> None:
        signer["signature"] = made

    facts = await _facts(_with_signer(swap))
    assert facts.reading.digest_ok and not facts.reading.signature_ok and facts.refusal == "signature.invalid"


async def test_many_are_checked_side_by_side() -> None:
    found = await asyncio.gather(*(_facts(SIGNED) for _ in range(20)))
    assert {one.refusal for one in found} == {None}


async def test_a_weak_key_is_no_key_of_ours() -> None:
    with pytest.raises(ValueError, match="not the certificate's"):
        SigningKey(new_private_key(), PERSON.certificate)


# --- whom and what the signed attributes name beside the certificate's hash


def _named_so(change: Callable[[Any], None]) -> bytes:
    """Honestly signed, with an issuerSerial (RFC 5035, 5.4.1) that was changed."""
    from egovkit.signatures.asn1 import cms, tsp

    def attributes(told: list[Any]) -> list[Any]:
        own = next(one for one in told if one["type"].native == "signing_certificate_v2")
        value = tsp.SigningCertificateV2.load(own["values"][0].dump())
        change(value["certs"][0]["issuer_serial"])
        fresh = tsp.SigningCertificateV2.load(value.dump(force=True))
        others = [one for one in told if one is not own]
        return [*others, cms.CMSAttribute({"type": "signing_certificate_v2", "values": [fresh]})]

    return resigned(SIGNED, PERSON, attributes)


def _of(issuer: Any) -> Callable[[Any], None]:
    from egovkit.signatures.asn1 import x509

    def change(named: Any) -> None:
        named["issuer"] = x509.GeneralNames([x509.GeneralName("directory_name", issuer)])

    return change


def _small(text: str) -> Any:
    from egovkit.signatures.asn1 import x509

    return x509.DirectoryString("utf8_string", text.lower())


def _other_number(named: Any) -> None:
    named["serial_number"] = 1


async def test_an_issuer_and_number_named_beside_the_hash_have_to_be_the_certificates() -> None:
    from egovkit.signatures.asn1 import x509

    own = x509.Certificate.load(PERSON.certificate.public_bytes(Encoding.DER)).issuer
    assert (await _facts(_named_so(_of(own)))).refusal is None
    small = [
        x509.RelativeDistinguishedName([{"type": kind, "value": _small(text)}]) for kind, text in own.native.items()
    ]
    same = x509.Name("", x509.RDNSequence(small))  # in other letters (RFC 5280, 7.1)
    assert same.dump() != own.dump() and (await _facts(_named_so(_of(same)))).refusal is None
    stranger = x509.Name.build({"common_name": "Somebody"})
    for change in (_of(stranger), _other_number):
        assert await _malformed(_named_so(change)) == "names_another_issuer"


async def test_the_protected_algorithms_have_to_be_those_that_were_used() -> None:
    from egovkit.signatures.asn1 import cms

    def protecting(digest: str) -> bytes:
        said = {"digest_algorithm": {"algorithm": digest}, "signature_algorithm": {"algorithm": "sha256_ecdsa"}}
        one = cms.CMSAttribute({"type": "cms_algorithm_protection", "values": [cms.CMSAlgorithmProtection(said)]})
        others = "cms_algorithm_protection"
        return resigned(SIGNED, PERSON, lambda told: [*(a for a in told if a["type"].native != others), one])

    assert (await _facts(protecting("sha256"))).refusal is None
    assert await _malformed(protecting("sha512")) == "damaged"
