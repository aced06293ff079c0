"""Certificates that are wrong on purpose: what a tester asks for, and how the bus's own checks see them."""

from base64 import b64decode
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from egovkit.clock import HandClock

pytestmark = pytest.mark.service

Twin = Any  # the class is conftest's, which tests cannot import
IIN, BIN = "991231600012", "999940000010"
PERSON = {"iin": IIN, "surname": "Әуезова", "name": "Қымбат", "patronymic": "Өмірқызы", "password": "Qwerty12"}
PERSONS, CERTIFICATES = "/v1/control/persons", "/v1/control/certificates"


def pem(certificate: dict[str, Any]) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate["certificate"].encode())


@pytest.mark.parametrize(
    ("odd", "refusal"),
    [
        ({"key_usages": ["key_agreement"]}, "certificate.wrong_usage"),
        ({"key_usages": ["digital_signature"]}, "certificate.wrong_usage"),
        ({"extended_key_usages": []}, "certificate.wrong_usage"),
        ({"extended_key_usages": ["1.3.6.1.5.5.7.3.1"]}, "certificate.wrong_usage"),
        ({"subject_serial_number": "IIN991231600022"}, "certificate.of_another_person"),
        ({"subject_serial_number": ""}, "certificate.of_another_person"),
        ({"stranger": True}, "certificate.untrusted"),
        ({}, None),
    ],
)
async def test_each_oddity_is_what_the_buss_own_check_refuses(
    twin: Twin, clock: HandClock, odd: dict[str, Any], refusal: str | None
) -> None:
    certificate = pem(await twin.person(PERSONS, odd=odd))
    assert (await twin.trust()).check_person(certificate, clock.now(), IIN).refusal == refusal


async def test_an_odd_certificate_is_marked_as_such_in_the_record(twin: Twin) -> None:
    person = await twin.person(PERSONS, odd={"key_usages": ["crl_sign"], "stranger": True})
    assert person["oddities"] == ["key_usages", "stranger"]
    assert (await twin.person())["oddities"] == []


@pytest.mark.parametrize("kind", ["p384", "ed25519", "rsa1024"])
async def test_containers_with_keys_nuc_would_not_certify_can_be_had(twin: Twin, kind: str) -> None:
    from cryptography.hazmat.primitives.serialization import pkcs12

    person = await twin.person(PERSONS, key=kind)
    assert person["key"] == kind
    opened = pkcs12.load_pkcs12(b64decode(person["pkcs12"]), b"Qwerty12")
    assert opened.cert is not None and opened.cert.certificate == pem(person)


async def test_a_systems_certificate_may_be_given_to_a_person_to_see_it_refused(twin: Twin, clock: HandClock) -> None:
    certificate = pem(await twin.person(PERSONS, profile="system", bin=BIN))
    store = await twin.trust()
    assert store.check_person(certificate, clock.now(), IIN).refusal == "certificate.wrong_usage"


async def test_an_odd_key_of_ones_own_is_certified_by_the_control_api_alone(twin: Twin) -> None:
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "x")])
    key = ed25519.Ed25519PrivateKey.generate()
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, None)
    text = request.public_bytes(Encoding.PEM).decode()
    assert (await twin.order(csr=text)).json()["code"] == "nuc.key_not_accepted"
    answer = await twin.order(CERTIFICATES, csr=text)
    assert answer.status_code == 201 and answer.json()["key"] == "ed25519"


async def test_a_system_with_a_foreign_usage_is_refused_by_the_bus(twin: Twin, clock: HandClock) -> None:
    answer = await twin.order(CERTIFICATES, odd={"extended_key_usages": ["1.3.6.1.5.5.7.3.1"]})
    facts = (await twin.trust()).check_system(pem(answer.json()), clock.now())
    assert facts.refusal == "certificate.wrong_usage"


async def test_a_stranger_has_the_issuers_name_but_not_its_signature(twin: Twin) -> None:
    stranger = pem(await twin.person(PERSONS, odd={"stranger": True}))
    issuing = x509.load_der_x509_certificate((await twin.http.get("/ca/issuing.cer")).content)
    assert stranger.issuer == issuing.subject
    with pytest.raises(InvalidSignature):
        stranger.verify_directly_issued_by(issuing)
    assert stranger.fingerprint(SHA256())


@pytest.mark.parametrize(
    "odd",
    [
        {"key_usages": []},
        {"key_usages": ["encipher_only"]},
        {"extended_key_usages": ["9.9"]},
        {"extended_key_usages": ["0.40.1"]},
        {"subject_serial_number": "ИИН1"},
        {"stranger": "yes"},
        {"unknown": 1},
    ],
)
async def test_a_senseless_oddity_is_refused(twin: Twin, odd: dict[str, Any]) -> None:
    answer = await twin.admin.post(PERSONS, json={**PERSON, "odd": odd})
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    assert answer.json()["errors"][0]["field"].startswith("odd.")


async def test_the_ordinary_api_knows_no_oddities(twin: Twin) -> None:
    answer = await twin.admin.post("/v1/persons", json={**PERSON, "odd": {"stranger": True}})
    assert [error["code"] for error in answer.json()["errors"]] == ["unknown"]
