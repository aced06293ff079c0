"""Certificates for systems and persons, over HTTP, as the services of the bus get and judge them."""

from base64 import b64decode, b64encode
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from egovkit.clock import HandClock
from egovkit.signatures.keys import SigningKey, csr, new_private_key

pytestmark = pytest.mark.service

Twin = Any  # the class is conftest's, which tests cannot import
IIN, BIN = "991231600012", "999940000010"
PERSON = {"iin": IIN, "surname": "Әуезова", "name": "Қымбат", "patronymic": "Өмірқызы", "password": "Qwerty12"}

OFFICE = {"bin": BIN, "organisation": "Тұрғын үй бөлімі"}


def pem(certificate: dict[str, Any]) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate["certificate"].encode())


# --- systems


async def test_a_system_gets_a_certificate_the_bus_accepts(twin: Twin, clock: HandClock) -> None:
    answer = await twin.order()
    assert answer.status_code == 201
    facts = (await twin.trust()).check_system(pem(answer.json()), clock.now())
    assert facts.refusal is None
    assert (facts.subject_cn, facts.bin, facts.iin) == ("portal-pep", BIN, None)


async def test_the_authority_decides_on_the_name_not_the_request(twin: Twin) -> None:
    certificate = (await twin.order()).json()
    assert "whatever" not in pem(certificate).subject.rfc4514_string()
    assert certificate["common_name"] == "portal-pep"


async def test_the_answer_carries_the_chain_issuer_first(twin: Twin) -> None:
    chain = x509.load_pem_x509_certificates((await twin.order()).json()["chain"].encode())
    published = [(await twin.http.get(f"/ca/{name}.cer")).content for name in ("issuing", "root")]
    assert chain == [x509.load_der_x509_certificate(one) for one in published]


async def test_a_certificate_is_good_from_a_minute_ago_for_its_profiles_time(twin: Twin, clock: HandClock) -> None:
    certificate = pem((await twin.order()).json())
    assert certificate.not_valid_before_utc == clock.now() - timedelta(minutes=1)
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=730)


async def test_two_certificates_of_one_system_overlap_for_rotation(twin: Twin, clock: HandClock) -> None:
    first, second = [pem((await twin.order()).json()) for _ in range(2)]
    assert first.serial_number != second.serial_number
    store = await twin.trust()
    assert [store.check_system(one, clock.now()).refusal for one in (first, second)] == [None, None]


@pytest.mark.parametrize(
    ("request_text", "reason"),
    [
        ("nonsense", "unreadable"),
        ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "unreadable"),
        ("", "unreadable"),
    ],
)
async def test_an_unreadable_request_is_refused_with_a_reason(twin: Twin, request_text: str, reason: str) -> None:
    answer = await twin.order(csr=request_text)
    assert (answer.status_code, answer.json()["code"]) == (422, "nuc.request_unusable")
    assert answer.json()["reason"] == reason


async def test_a_request_not_signed_by_its_own_key_is_refused(twin: Twin) -> None:
    lines = csr(new_private_key(), "x").decode().splitlines()
    body = bytearray(b64decode("".join(lines[1:-1])))
    body[-1] ^= 1
    forged = "\n".join([lines[0], b64encode(bytes(body)).decode(), lines[-1]])
    answer = await twin.order(csr=forged)
    assert answer.json()["code"] == "nuc.request_unusable"
    assert answer.json()["reason"] == "signature"


async def test_a_request_of_a_version_there_is_not_is_unreadable(twin: Twin) -> None:
    lines = csr(new_private_key(), "x").decode().splitlines()
    body = b64decode("".join(lines[1:-1])).replace(b"\x02\x01\x00", b"\x02\x01\x05", 1)
    answer = await twin.order(csr="\n".join([lines[0], b64encode(body).decode(), lines[-1]]))
    assert (answer.json()["code"], answer.json()["reason"]) == ("nuc.request_unusable", "unreadable")


# --- persons


@pytest.mark.parametrize("kind", ["p256", "rsa2048"])
async def test_a_person_gets_a_container_whose_key_signs_for_the_iin(twin: Twin, clock: HandClock, kind: str) -> None:
    person = await twin.person(key=kind)
    key = SigningKey.load(b64decode(person["pkcs12"]), "Qwerty12")
    facts = (await twin.trust()).check_person(key.certificate, clock.now(), IIN, "sign")
    assert facts.refusal is None and facts.iin_matches is True
    assert facts.subject_cn == "ӘУЕЗОВА ҚЫМБАТ"
    assert [one.subject for one in key.chain] == [key.certificate.issuer]
    assert key.thumbprint == person["thumbprint"] and person["key"] == kind


async def test_a_login_certificate_logs_in_and_does_not_sign(twin: Twin, clock: HandClock) -> None:
    certificate = pem(await twin.person(profile="person_auth"))
    store = await twin.trust()
    assert store.check_person(certificate, clock.now(), IIN, "auth").refusal is None
    assert store.check_person(certificate, clock.now(), IIN, "sign").refusal == "certificate.wrong_usage"


@pytest.mark.parametrize("profile", ["employee_sign", "head_sign"])
async def test_an_employee_and_a_head_sign_with_the_bin_of_their_organisation(
    twin: Twin, clock: HandClock, profile: str
) -> None:
    certificate = pem(await twin.person(profile=profile, **OFFICE))
    facts = (await twin.trust()).check_person(certificate, clock.now(), IIN, "sign")
    assert facts.refusal is None
    assert (facts.iin, facts.bin) == (IIN, BIN)


async def test_a_persons_key_is_kept_nowhere(twin: Twin) -> None:
    person = await twin.person(key="rsa2048")
    key = SigningKey.load(b64decode(person["pkcs12"]), "Qwerty12").private_key
    assert isinstance(key, rsa.RSAPrivateKey)
    secret = key.private_numbers().d.to_bytes(256, "big")
    stored = b"".join(file.read_bytes() for file in twin.settings.home.rglob("*") if file.is_file())
    assert secret not in stored
    assert b64decode(person["pkcs12"])[200:300] not in stored


async def test_a_container_in_a_stored_answer_is_forgotten_with_it(twin: Twin, clock: HandClock) -> None:
    headers = {"idempotency-key": "order-1"}
    first = await twin.admin.post("/v1/persons", json=PERSON, headers=headers)
    await clock.advance(timedelta(hours=twin.settings.answers_kept_h))
    repeated = await twin.admin.post("/v1/persons", json=PERSON, headers=headers)
    assert repeated.content == first.content
    for _ in range(100):  # forgetting is a task of its own, and goes to the database
        await clock.advance(timedelta(hours=1))
        again = await twin.admin.post("/v1/persons", json=PERSON, headers=headers)
        if "idempotency-replayed" not in again.headers:
            break
    assert again.status_code == 201 and again.json()["serial"] != first.json()["serial"]


@pytest.mark.parametrize(
    ("dates", "refusal"),
    [
        ({"not_after": "2026-01-14T00:00:00Z"}, "certificate.expired"),
        ({"not_before": "2020-01-01T00:00:00+05:00", "not_after": "2021-01-01T00:00:00+05:00"}, "certificate.expired"),
        ({"not_before": "2026-02-01T00:00:00Z"}, "certificate.not_yet_valid"),
        ({"not_after": "2026-01-15T04:00:01Z"}, None),
    ],
)
async def test_dates_are_the_callers_to_choose(
    twin: Twin, clock: HandClock, dates: dict[str, str], refusal: str | None
) -> None:
    certificate = pem(await twin.person(**dates))
    for name, text in dates.items():
        assert getattr(certificate, f"{name.replace('not_', 'not_valid_')}_utc") == datetime.fromisoformat(text)
    facts = (await twin.trust()).check_person(certificate, clock.now(), IIN)
    assert facts.refusal == refusal


async def test_kazakh_letters_and_markup_in_names_come_back_as_they_were(twin: Twin) -> None:
    surname = "Әғқңөұүһі'<b>--"
    person = await twin.person(surname=surname, name='";DROP', patronymic="ҒЕЙІН")
    assert person["common_name"] == f'{surname.upper()} ";DROP'
    found = (await twin.admin.get(f"/v1/certificates/{person['serial']}")).json()
    assert found["common_name"] == person["common_name"]


# --- refusals


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"iin": "900101300017"}, {"iin": "not_synthetic"}),
        ({"iin": "99123160001"}, {"iin": "wrong_form"}),
        ({"iin": ""}, {"iin": "missing"}),
        ({"password": "1"}, {"password": "weak_password"}),
        ({"surname": ""}, {"surname": "missing"}),
        ({"surname": "Ә" * 10_000}, {"common_name": "too_long", "surname": "too_long"}),
        ({"patronymic": "\u0007"}, {"patronymic": "wrong_form"}),
        ({"profile": "employee_sign"}, {"bin": "missing", "organisation": "missing"}),
        ({"iin": "1", "password": "x"}, {"iin": "wrong_form", "password": "weak_password"}),
        ({"profile": "system"}, {"profile": "invalid"}),
        ({"profile": "citizen"}, {"profile": "not_allowed"}),
        ({"key": "p384"}, {"key": "not_allowed"}),
        ({"surname": 5}, {"surname": "wrong_type"}),
        ({"extra": 1}, {"extra": "unknown"}),
        ({"not_after": 1893456000}, {"not_after": "invalid"}),
        ({"not_after": "2027-01-01T00:00:00"}, {"not_after": "invalid"}),
        ({"not_after": "9999-12-31T23:59:59-05:00"}, {"not_after": "invalid"}),
        ({"not_after": "0001-01-01T00:00:00Z"}, {"not_after": "out_of_range"}),
        ({"not_before": "9999-12-31T00:00:00Z"}, {"not_before": "out_of_range"}),
        ({"not_before": "1949-01-01T00:00:00Z"}, {"not_before": "out_of_range"}),
        ({"not_before": "2026-02-01T00:00:00Z", "not_after": "2026-01-31T00:00:00Z"}, {"not_after": "out_of_range"}),
    ],
)
async def test_a_wrong_order_is_refused_naming_every_field_and_nothing_is_issued(
    twin: Twin, changes: dict[str, Any], errors: dict[str, str]
) -> None:
    answer = await twin.admin.post("/v1/persons", json={**PERSON, **changes})
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert problem["code"] == "request.invalid" and problem["side"] == "sender" and problem["remedy"]
    assert {error["field"]: error["code"] for error in problem["errors"]} == errors
    assert (await twin.admin.get("/v1/certificates")).json()["items"] == []


@pytest.mark.parametrize(("bits", "accepted"), [(1024, False), (2048, True)])
async def test_only_keys_the_bus_can_verify_with_are_certified(twin: Twin, bits: int, accepted: bool) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    answer = await twin.order(csr=csr(key, "x").decode())
    assert (answer.status_code == 201) is accepted
    if not accepted:
        assert (answer.json()["code"], answer.json()["key"]) == ("nuc.key_not_accepted", "rsa1024")


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
async def test_refusals_are_told_in_the_readers_language(twin: Twin, language: str) -> None:
    answers = [
        await twin.admin.post("/v1/persons", json={**PERSON, "password": "x"}, headers={"accept-language": tongue})
        for tongue in (language, "en")
    ]
    assert answers[0].headers["content-language"] == language
    same = answers[0].json()["errors"][0]["message"] == answers[1].json()["errors"][0]["message"]
    assert same is (language == "en")


UNSAFE = [
    "/v1/certificates", "/v1/persons", f"/v1/certificates/{'0' * 40}/revoke", f"/v1/certificates/{'0' * 40}/release",
    "/v1/control/certificates", "/v1/control/persons", "/v1/control/crl",
]  # fmt: skip


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic {token}", "Bearer {token}x", "Bearer Ә"])
async def test_nothing_is_changed_without_the_administrators_token(twin: Twin, authorization: str | None) -> None:
    token = twin.settings.admin_token_path.read_text()
    given = None if authorization is None else authorization.format(token=token).encode()
    headers = {} if given is None else {b"authorization": given}
    for path in UNSAFE:
        answer = await twin.http.post(path, json={}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "nuc.not_authorised"), path


async def test_certificates_hold_personal_data_and_are_shown_to_the_administrator_alone(twin: Twin) -> None:
    person = await twin.person()
    for path in ("/v1/certificates", f"/v1/certificates/{person['serial']}"):
        assert (await twin.http.get(path)).status_code == 401


async def test_a_repeated_order_with_its_key_gets_the_first_answer_and_makes_no_second_certificate(
    twin: Twin,
) -> None:
    headers = {"idempotency-key": "order-1"}
    answers = [await twin.admin.post("/v1/persons", json=PERSON, headers=headers) for _ in range(2)]
    assert answers[0].content == answers[1].content
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert len((await twin.admin.get("/v1/certificates")).json()["items"]) == 1
    other = await twin.admin.post("/v1/persons", json={**PERSON, "name": "Айгүл"}, headers=headers)
    assert other.json()["code"] == "idempotency.key_reused"
