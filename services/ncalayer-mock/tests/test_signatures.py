"""What the agent signs is what the bus, openssl and other libraries take for signed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import InvalidDigest, InvalidSignature
from signxml.verifier import SignatureConfiguration, XMLVerifier

from egovkit.clock import HandClock
from egovkit.signatures.agent import cms_pem
from egovkit.signatures.documents import DocumentSignatures
from egovkit.signatures.keys import SigningKey
from egovkit.testing.pki import TestPki
from ncalayer_mock.app import Agent

from .conftest import IIN, OTHER_IIN, Page, give

DATA = "Өтініш: тұрғын үй".encode()
BASE64 = base64.b64encode(DATA).decode()
DETACHED = {"decode": True, "encapsulate": False, "digested": False}
ATTACHED = {**DETACHED, "encapsulate": True}
DIGESTED = {**DETACHED, "digested": True}
XML = '<application xmlns="urn:x"><!-- a remark --><rooms>3</rooms></application>'


async def refusal(pki: TestPki, clock: HandClock, cms: bytes, data: bytes = DATA) -> str | None:
    facts = await DocumentSignatures(pki.trust()).verify(data, cms, clock.now(), IIN)
    assert facts.signing_time == clock.now()
    return facts.refusal


def openssl_content(cms: bytes, pki: TestPki, folder: Path, data: bytes | None = None) -> bytes:
    """What openssl says was signed; it fails the test when it does not believe the signature."""
    from egovkit.signatures.keys import der

    (folder / "root.pem").write_bytes(_pem(der(pki.root)))
    (folder / "cms.der").write_bytes(cms)
    content: list[str] = []
    if data is not None:
        (folder / "data").write_bytes(data)
        content = ["-content", str(folder / "data")]
    command = ["openssl", "cms", "-verify", "-inform", "DER", "-in", str(folder / "cms.der"), "-binary", *content]
    when = str(int(pki.clock.now().timestamp()))
    command += ["-CAfile", str(folder / "root.pem"), "-purpose", "any", "-attime", when]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def _pem(certificate: bytes) -> bytes:
    body = base64.encodebytes(certificate)
    return b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n"


def der_of(pem: str) -> bytes:
    assert pem.startswith("-----BEGIN CMS-----\n") and pem.endswith("-----END CMS-----\n")
    return base64.b64decode("".join(pem.split("\n")[1:-2]))


def xml_config(key: SigningKey) -> SignatureConfiguration:
    method = SignatureMethod.RSA_SHA256 if "RSA" in type(key.private_key).__name__ else SignatureMethod.ECDSA_SHA256
    return SignatureConfiguration(
        signature_methods=frozenset({method}), digest_algorithms=frozenset({DigestAlgorithm.SHA256})
    )


def xml_holds(xml: str, key: SigningKey) -> Any:
    """The part of the document that signxml says is signed by this certificate."""
    return XMLVerifier().verify(xml.encode(), x509_cert=key.certificate, expect_config=xml_config(key)).signed_xml


async def test_a_detached_cms_of_basics_is_a_citizens_signature_on_the_bus(
    page: Page, pki: TestPki, clock: HandClock, tmp_path: Path
) -> None:
    [pem] = (await page.basics(BASE64, signing=DETACHED))["body"]["result"]
    assert await refusal(pki, clock, pem.encode()) is None
    assert openssl_content(der_of(pem), pki, tmp_path, DATA) == DATA


async def test_an_attached_cms_carries_its_document(page: Page, pki: TestPki, tmp_path: Path) -> None:
    [pem] = (await page.basics(BASE64, signing=ATTACHED))["body"]["result"]
    assert openssl_content(der_of(pem), pki, tmp_path) == DATA


async def test_an_array_is_signed_one_by_one_in_its_order(page: Page, pki: TestPki, clock: HandClock) -> None:
    documents = [b"first", b"second", b"third"]
    data = [base64.b64encode(one).decode() for one in documents]
    signed = (await page.basics(data, signing=DETACHED))["body"]["result"]
    assert [await refusal(pki, clock, pem.encode(), one) for pem, one in zip(signed, documents, strict=True)] == [
        None
    ] * 3
    assert await refusal(pki, clock, signed[0].encode(), documents[1]) == "signature.of_other_data"


async def test_a_ready_hash_is_signed_as_its_document(page: Page, pki: TestPki, clock: HandClock) -> None:
    digest = base64.b64encode(hashlib.sha256(DATA).digest()).decode()
    [pem] = (await page.basics(digest, signing=DIGESTED))["body"]["result"]
    older = (await page.common("createCAdESFromBase64Hash", "PKCS12", "SIGNATURE", digest))["responseObject"]
    assert await refusal(pki, clock, pem.encode()) is None
    assert await refusal(pki, clock, base64.b64decode(older)) is None


async def test_without_decode_the_text_itself_is_signed(page: Page, pki: TestPki, clock: HandClock) -> None:
    [pem] = (await page.basics(BASE64))["body"]["result"]
    assert await refusal(pki, clock, pem.encode(), BASE64.encode()) is None


async def test_the_older_interface_gives_base64_of_der(
    page: Page, pki: TestPki, clock: HandClock, tmp_path: Path
) -> None:
    detached = await page.common("createCAdESFromBase64", "PKCS12", "SIGNATURE", BASE64, False)
    attached = await page.common("createCAdESFromBase64", "PKCS12", "SIGNATURE", BASE64, True)
    assert await refusal(pki, clock, base64.b64decode(detached["responseObject"])) is None
    assert openssl_content(base64.b64decode(attached["responseObject"]), pki, tmp_path) == DATA


async def test_an_rsa_key_signs_as_well(agent: Agent, page: Page, pki: TestPki, clock: HandClock) -> None:
    give(agent, pki.person(OTHER_IIN, key="rsa2048"), "rsa.p12")
    [pem] = (await page.basics(BASE64, signing=DETACHED, iin=OTHER_IIN))["body"]["result"]
    facts = await DocumentSignatures(pki.trust()).verify(DATA, pem.encode(), clock.now(), OTHER_IIN)
    assert facts.refusal is None


async def test_output_cert_names_the_certificate_beside_the_signatures(page: Page, person: SigningKey) -> None:
    result = (await page.basics(BASE64, signing={**DETACHED, "outputCert": True}))["body"]["result"]
    assert set(result) == {"signatures", "certificate"} and len(result["signatures"]) == 1
    from egovkit.signatures.certificates import load_certificate

    assert load_certificate(result["certificate"].encode()) == person.certificate


# ---- XML


@pytest.mark.parametrize("kind", ["p256", "rsa2048"])
async def test_an_enveloped_signature_has_the_form_of_ncalayers_and_holds(
    agent: Agent, page: Page, pki: TestPki, kind: Any
) -> None:
    key = pki.person(OTHER_IIN, key=kind)
    give(agent, key, "xml.p12")
    plain = XML.replace("<!-- a remark -->", "")  # signxml signs remarks with URI="" where the standard leaves them out
    [signed] = (await page.basics(plain, form="xml", iin=OTHER_IIN))["body"]["result"]
    assert signed.startswith('<?xml version="1.0" encoding="UTF-8" standalone="no"?><application xmlns="urn:x">')
    assert "\n" not in signed
    assert etree.tostring(xml_holds(signed, key), method="c14n") == plain.encode()
    assert [one.rpartition("/")[2] for one in algorithms(signed)] == [
        "REC-xml-c14n-20010315",
        "xmldsig-more#rsa-sha256" if kind == "rsa2048" else "xmldsig-more#ecdsa-sha256",
        "xmldsig#enveloped-signature",
        "REC-xml-c14n-20010315#WithComments",
        "xmlenc#sha256",
    ]


def algorithms(signed: str) -> list[str]:
    return [one.get("Algorithm") for one in etree.fromstring(signed.encode()).iter() if one.get("Algorithm")]


async def test_a_remark_is_no_part_of_what_is_signed_and_xmlsec_agrees(page: Page, person: SigningKey) -> None:
    """XML Signature 1.1, 4.4.3.3: URI="" is the document without its comments; Java's and Aleksey's libraries do so."""
    [signed] = (await page.basics(XML, form="xml"))["body"]["result"]
    assert xmlsec_holds(signed, person)
    assert xmlsec_holds(signed.replace(" a remark ", " another "), person)
    assert not xmlsec_holds(signed.replace("<rooms>3", "<rooms>4"), person)


def xmlsec_holds(signed: str, key: SigningKey) -> bool:
    import xmlsec

    from egovkit.signatures.agent import facts_of

    root = etree.fromstring(signed.encode())
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(facts_of(key).pem, xmlsec.constants.KeyDataFormatCertPem)
    try:
        context.verify(root.find("{http://www.w3.org/2000/09/xmldsig#}Signature"))
    except xmlsec.Error:
        return False
    return True


async def test_a_changed_document_or_signature_is_refused(page: Page, person: SigningKey) -> None:
    [signed] = (await page.basics("<a><b>1</b></a>", form="xml"))["body"]["result"]
    assert xml_holds(signed, person) is not None
    with pytest.raises(InvalidDigest):
        xml_holds(signed.replace("<b>1", "<b>2"), person)
    value = signed[signed.index("<ds:SignatureValue>") + 19 :][:8]
    with pytest.raises(InvalidSignature):
        xml_holds(signed.replace(value, value[::-1]), person)


async def test_the_older_interface_breaks_the_lines_of_base64(page: Page, person: SigningKey) -> None:
    signed = (await page.common("signXml", "PKCS12", "SIGNATURE", "<a>1</a>", "", ""))["responseObject"]
    certificate = signed[signed.index("<ds:X509Certificate>") :].split("</")[0].split("\n")
    assert {len(line) for line in certificate[1:-2]} == {76}
    assert xml_holds(signed, person).text == "1"
    several = (await page.common("signXmls", "PKCS12", "SIGNATURE", ["<a>1</a>", "<b>2</b>"], "", ""))["responseObject"]
    assert [xml_holds(one, person).tag for one in several] == ["a", "b"]


async def test_one_element_is_signed_by_its_id(page: Page, person: SigningKey) -> None:
    xml = '<x><part Id="p-1">1</part><part Id="p-2">2</part><signatures/></x>'
    answer = await page.common("signXml", "PKCS12", "SIGNATURE", xml, "//part[@Id='p-2']", "/x/signatures")
    signed = answer["responseObject"]
    held = xml_holds(signed, person)
    assert (held.tag, held.text) == ("part", "2")
    assert etree.fromstring(signed.encode()).find("signatures")[0].tag.endswith("}Signature")
    assert xml_holds(signed.replace(">1</part>", ">9</part>"), person).text == "2"
    with pytest.raises(InvalidDigest):
        xml_holds(signed.replace(">2</part>", ">9</part>"), person)


@pytest.mark.parametrize(
    ("xml", "path", "parent", "told"),
    [
        ("<this>is not a valid XML", "", "", "lineNumber: 1; columnNumber: 25; XML document structures must start"),
        ("", "", "", "lineNumber: 1; columnNumber: 1; Document is empty"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "", "", "DOCTYPE is disallowed"),
        ("<a>" * 300, "", "", "Excessive depth"),
        ('<a xmlns="relative"/>', "", "", "no canonical form"),
        ('<a Id="1"><b/></a>', "/a", "/a/b", "within the element it signs"),
        ('<a Id="1"/>', "/a", "/a", "within the element it signs"),
        ("<x><a/><b/></x>", "//a", "//b", "no Id"),
        ('<x><a Id="xpointer(/)"/><b/></x>', "//a", "//b", "no Id of letters"),
        ('<x><a Id="a b"/><b/></x>', "//a", "//b", "no Id of letters"),
        ('<x><a Id="1"/><b Id="1"/></x>', "//a", "//b", "another element has the Id"),
        ('<x><a Id="i"/><b xml:id="i"/></x>', "//a", "//b", "another element has the Id"),
        ('<x><a Id="1"/><a Id="2"/><b/></x>', "//a", "//b", "leads to 2 elements"),
        ('<x><a Id="1"/><b/></x>', "//a[count(//*[count(//*)>0])>0]", "//b", "the path is none of"),
        ('<x><a Id="1"/><b/></x>', "//n:a", "//b", "cannot be followed"),
    ],
)
async def test_a_document_that_cannot_be_signed_is_told_in_javas_words(
    page: Page, xml: str, path: str, parent: str, told: str
) -> None:
    answer = await page.common("signXml", "PKCS12", "SIGNATURE", xml, path, parent)
    assert answer["code"] == "500" and "responseObject" not in answer
    assert answer["message"].startswith("org.xml.sax.SAXParseException; ") and told in answer["message"]
    if not path:
        newer = await page.basics(xml, form="xml")
        assert (newer["status"], newer["code"]) == (False, "SIGNING_FAILURE") and told in newer["details"]


# ---- time stamps


@pytest.fixture
def stamped(agent: Agent, pki: TestPki, monkeypatch: pytest.MonkeyPatch) -> Page:
    """A page at an agent whose time stamping authority is pyHanko's, without HTTP between them."""
    agent.signing._stamps = lambda: stamper(pki)  # type: ignore[assignment, return-value]
    return Page(agent)


def stamper(pki: TestPki) -> Any:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from pyhanko.sign.timestamps import DummyTimeStamper
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    from egovkit.signatures.asn1 import keys, x509
    from egovkit.signatures.authority import PROFILES
    from egovkit.signatures.keys import der

    class Authority(DummyTimeStamper):
        async def token(self, digest: bytes) -> bytes:
            return bytes((await self.async_timestamp(digest, "sha256")).dump())

    key = pki.system("tsa", usage=PROFILES["stamping"], key="rsa2048")  # it knows no other keys
    private = key.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return Authority(
        x509.Certificate.load(der(key.certificate)),
        keys.PrivateKeyInfo.load(private),
        certs_to_embed=SimpleCertificateStore.from_certs([x509.Certificate.load(der(pki.issuing))]),
        fixed_dt=pki.clock.now() + timedelta(seconds=1),
    )


def stamp_in(cms: bytes) -> tuple[bool, Any]:
    """(the stamp is over this signature, its moment)."""
    from egovkit.signatures.asn1 import cms as asn1_cms

    signer = asn1_cms.ContentInfo.load(cms)["content"]["signer_infos"][0]
    [attribute] = [one for one in signer["unsigned_attrs"] if one["type"].native == "signature_time_stamp_token"]
    info = attribute["values"][0]["content"]["encap_content_info"]["content"].parsed.native
    over = hashlib.sha256(signer["signature"].native).digest()
    return info["message_imprint"]["hashed_message"] == over, info["gen_time"]


async def test_a_tsa_profile_asks_for_a_time_stamp_over_the_signature(
    stamped: Page, pki: TestPki, clock: HandClock
) -> None:
    [pem] = (await stamped.basics(BASE64, signing={**DETACHED, "tsaProfile": {}}))["body"]["result"]
    assert stamp_in(der_of(pem)) == (True, clock.now() + timedelta(seconds=1))
    assert await refusal(pki, clock, pem.encode()) is None


async def test_the_older_signature_always_has_a_stamp_and_cades_gets_it_later(
    stamped: Page, pki: TestPki, clock: HandClock, tmp_path: Path
) -> None:
    always = await stamped.common("createCMSSignatureFromBase64", "PKCS12", "SIGNATURE", BASE64, True)
    assert stamp_in(base64.b64decode(always["responseObject"]))[0]
    bare = (await stamped.common("createCAdESFromBase64", "PKCS12", "SIGNATURE", BASE64, False))["responseObject"]
    made = await stamped.common("applyCAdEST", "PKCS12", "SIGNATURE", bare)
    later = base64.b64decode(made["responseObject"])
    assert stamp_in(later)[0] and later != base64.b64decode(bare)
    assert await refusal(pki, clock, later) is None
    assert openssl_content(later, pki, tmp_path, DATA) == DATA


@pytest.mark.parametrize("cms", ["", "AAAA", "MAA=", "not base64!", base64.b64encode(b"-----BEGIN CMS-----").decode()])
async def test_no_stamp_is_put_on_what_is_no_signature(stamped: Page, cms: str) -> None:
    answer = await stamped.common("applyCAdEST", "PKCS12", "SIGNATURE", cms)
    assert answer["code"] == "500" and ("cms_malformed" in answer["message"] or "not base64" in answer["message"])


async def test_a_signature_is_stamped_once(stamped: Page) -> None:
    first = await stamped.common("createCMSSignatureFromBase64", "PKCS12", "SIGNATURE", BASE64, False)
    again = await stamped.common("applyCAdEST", "PKCS12", "SIGNATURE", first["responseObject"])
    assert again["code"] == "500" and "has_stamp" in again["message"]


async def test_an_authority_that_is_silent_fails_the_signature(page: Page, agent: Agent) -> None:
    from egovkit.errors import EgovError

    class Silent:
        async def async_timestamp(self, digest: bytes, algorithm: str) -> Any:
            raise EgovError("stamp.unavailable", reason="ConnectError")

    agent.signing._stamps = Silent  # type: ignore[assignment]
    older = await page.common("createCMSSignatureFromBase64", "PKCS12", "SIGNATURE", BASE64, False)
    assert older["code"] == "500" and "stamp.unavailable" in older["message"]
    newer = await page.basics(BASE64, signing={**DETACHED, "tsaProfile": {}})
    assert (newer["code"], newer["message"]) == ("SIGNING_FAILURE", "Signing failure.")
    assert "stamp.unavailable" in newer["details"]


async def test_pem_is_what_ncalayer_writes() -> None:
    lines = cms_pem(bytes(range(100))).split("\n")
    assert lines[0] == "-----BEGIN CMS-----" and lines[-2:] == ["-----END CMS-----", ""]
    assert await asyncio.to_thread(base64.b64decode, "".join(lines[1:-2])) == bytes(range(100))
