"""What a signing agent makes: over hashes, with content, with stamps asked of somebody; what it tells of a key."""

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest

from egovkit.clock import HandClock
from egovkit.errors import EgovError
from egovkit.signatures.agent import add_stamp, cms_pem, facts_of, is_issued_by, sign_content, sign_digest
from egovkit.signatures.documents import DocumentSignatures
from egovkit.signatures.keys import SigningKey, der
from egovkit.signatures.xmldsig import MAX_PATH, XmlMalformed, sign_element, sign_enveloped
from egovkit.testing.pki import TestPki

NOW = datetime(2026, 1, 15, 4, tzinfo=UTC)
IIN, BIN = "991231600012", "999940000010"
DATA = "Өтініш".encode()
PKI = TestPki(HandClock(NOW))
PERSON = PKI.person(IIN, patronymic="СЫНАҚҰЛЫ", bin_=BIN)
RSA_PERSON = PKI.person(IIN, key="rsa2048")


@pytest.mark.parametrize("key", [PERSON, RSA_PERSON], ids=["P-256", "RSA-2048"])
async def test_over_a_hash_and_over_the_bytes_is_the_same_signature(key: SigningKey) -> None:
    hashed = await sign_digest(hashlib.sha256(DATA).digest(), key, NOW)
    for cms in (hashed, await sign_content(DATA, key, NOW, attached=False), cms_pem(hashed).encode()):
        assert (await DocumentSignatures(PKI.trust()).verify(DATA, cms, NOW, IIN)).refusal is None
        assert (
            await DocumentSignatures(PKI.trust()).verify(DATA + b" ", cms, NOW, IIN)
        ).refusal == "signature.of_other_data"


async def test_an_attached_signature_is_not_one_of_the_bus() -> None:
    attached = await sign_content(DATA, PERSON, NOW, attached=True)
    assert DATA in attached
    with pytest.raises(EgovError, match="not_detached"):
        await DocumentSignatures(PKI.trust()).verify(DATA, attached, NOW, IIN)


@pytest.mark.parametrize("digest", [b"", b"short", hashlib.sha512(DATA).digest()])
async def test_what_is_no_sha256_is_not_signed(digest: bytes) -> None:
    with pytest.raises(ValueError, match="a SHA-256 has 32 bytes"):
        await sign_digest(digest, PERSON, NOW)


class Counting:
    """A stamping authority that refuses, and counts."""

    asked = 0

    async def token(self, digest: bytes) -> bytes:
        self.asked += 1
        assert len(digest) == 32
        raise EgovError("stamp.refused", reason="authority_refused")


@pytest.mark.parametrize("cms", [b"", b"0", b"-----BEGIN CMS-----", bytes(100), PERSON.certificate.public_bytes])
async def test_what_is_no_signature_is_not_stamped(cms: Any) -> None:
    stamps = Counting()
    given = cms if isinstance(cms, bytes) else der(PERSON.certificate)
    with pytest.raises(EgovError, match="cms_malformed"):
        await add_stamp(given, stamps)
    assert stamps.asked == 0


async def repeated(member: str, times: int) -> bytes:
    """A signature whose first certificate or signer is there so often."""
    from egovkit.signatures.asn1 import cms as asn1_cms

    info = asn1_cms.ContentInfo.load(await sign_content(DATA, PERSON, NOW, attached=True))
    info["content"][member] = [info["content"][member][0]] * times
    return bytes(info.dump())


async def test_what_would_take_minutes_to_read_is_not_stamped() -> None:
    stamps = Counting()
    for bomb, reason in (
        (bytes(100_000_000), "too_long"),
        (b"\x30\x84\x00\x98\x96\x80" * 5000, "beyond_end"),
        (await repeated("certificates", 200), "too_many_values"),
        (await repeated("signer_infos", 9), "too_many_values"),
    ):
        with pytest.raises(EgovError, match="cms_malformed") as refused:
            await add_stamp(bomb, stamps)
        assert refused.value.params["reason"] == reason
    assert stamps.asked == 0


async def test_each_of_several_signers_gets_a_stamp() -> None:
    alone = await add_stamp(await repeated("signer_infos", 1), PKI.stamper())
    both = await add_stamp(await repeated("signer_infos", 2), PKI.stamper())
    assert [one.count(bytes.fromhex("060b2a864886f70d010910020e")) for one in (alone, both)] == [1, 2]


async def test_a_refused_stamp_is_told() -> None:
    stamps = Counting()
    with pytest.raises(EgovError, match="authority_refused"):
        await add_stamp(await sign_content(DATA, PERSON, NOW, attached=False), stamps)
    assert stamps.asked == 1


def test_a_certificate_is_told_in_the_order_of_its_name() -> None:
    facts = facts_of(PERSON)
    assert facts.subject == (f"CN=СЫНАҚОВ СЫНАҚ,SURNAME=СЫНАҚОВ,SERIALNUMBER=IIN{IIN},C=KZ,OU=BIN{BIN},G=СЫНАҚҰЛЫ")
    assert facts.issuer == "CN=ҰЛТТЫҚ КУӘЛАНДЫРУШЫ ОРТАЛЫҚ TEST,C=KZ" and facts.issuer_cn in facts.issuer
    assert (facts.algorithm, facts_of(RSA_PERSON).algorithm) == ("EC", "RSA")
    assert facts.serial == PERSON.certificate.serial_number and len(facts.authority_key_id) == 40
    assert facts_of(SigningKey(PKI.root_authority.private_key, PKI.root)).authority_key_id == ""


def test_an_authority_is_known_in_the_chain_or_above_it() -> None:
    stranger = TestPki(HandClock(NOW))
    assert is_issued_by(PERSON, [der(PKI.issuing)]) and is_issued_by(PERSON, [der(PKI.root)])
    assert is_issued_by(SigningKey(PERSON.private_key, PERSON.certificate), [der(PKI.issuing)])
    assert not is_issued_by(PERSON, [der(stranger.issuing), der(stranger.root)])
    assert not is_issued_by(PERSON, [])
    with pytest.raises(ValueError, match=r"."):
        is_issued_by(PERSON, [b"no certificate"])


# These take libxml2 the square of the document's length, or worse.
SLOW = ("//a//b", "/a//b", "//*//*//*", "//b/..", "//b/.", "//*/..//*")
OTHER = ("", "b", "//b[position()=1]", "//b | //c", "/a" * MAX_PATH, "//*[string-length(.)>0]", "//b[@Id=1]")


async def test_a_path_without_end_or_of_another_grammar_is_refused_before_it_is_followed() -> None:
    xml = '<a><b Id="1"/><c/></a>'
    for path in (*OTHER, *SLOW):
        with pytest.raises(XmlMalformed, match="the path is none of"):
            sign_element(xml, PERSON, path, "/a/c")
    assert "ds:Signature" in await asyncio.to_thread(sign_element, xml, PERSON, "//b[@Id='1']", "/a/c[1]")


def test_a_signature_adds_nothing_to_the_document_but_itself() -> None:
    signed = sign_enveloped('<?xml version="1.0" encoding="windows-1251"?>\n<a>Қ &amp; &lt;</a>', PERSON)
    start, end = signed.index("<ds:Signature"), signed.index("</ds:Signature>") + len("</ds:Signature>")
    left = signed[:start] + signed[end:]
    assert left == '<?xml version="1.0" encoding="UTF-8" standalone="no"?><a>Қ &amp; &lt;</a>'


CARRIED = '<a xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Certificate>one\n two</ds:X509Certificate></a>'


@pytest.mark.parametrize("document", ["<a>1</a>", CARRIED], ids=["signed before", "carries a certificate"])
@pytest.mark.parametrize("wrapped", [True, False], ids=["in lines", "in one"])
def test_the_base64_that_is_signed_stays_as_it_was(document: str, wrapped: bool) -> None:
    """Two persons sign one document one after the other, each by another interface."""
    before = sign_enveloped(document, RSA_PERSON, wrapped=not wrapped)
    assert last_signature_holds(before, RSA_PERSON)
    assert last_signature_holds(sign_enveloped(before, PERSON, wrapped=wrapped), PERSON)


def last_signature_holds(xml: str, key: SigningKey) -> bool:
    import xmlsec
    from lxml import etree

    *_, last = etree.fromstring(xml.encode()).iter("{http://www.w3.org/2000/09/xmldsig#}Signature")
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(facts_of(key).pem, xmlsec.constants.KeyDataFormatCertPem)
    try:
        context.verify(last)
    except xmlsec.Error:
        return False
    return True
