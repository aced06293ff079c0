"""What a page may say and what it is answered: NCALayer's shapes."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from egovkit.clock import HandClock
from egovkit.signatures.keys import SigningKey, der
from egovkit.testing.pki import TestPki
from ncalayer_mock.app import Agent
from ncalayer_mock.domain.choosing import Wanted
from ncalayer_mock.domain.protocol import BASICS, COMMON
from ncalayer_mock.handlers import METHODS
from ncalayer_mock.service.desk import Standing

from .conftest import BIN, IIN, OTHER_IIN, Page, give

BASE64 = base64.b64encode(b"document").decode()
MISMATCH = "java.lang.IllegalArgumentException: argument type mismatch. Method: "
COUNT = "java.lang.IllegalArgumentException: wrong number of arguments. Method: "


async def test_the_mobile_extension_is_answered_as_by_plain_ncalayer(page: Page) -> None:
    answer = await page.say({"module": "kz.digiflow.mobile.extensions", "method": "getVersion"})
    assert answer == {"success": False, "errorCode": "MODULE_NOT_FOUND"}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", "null", '"x"', '{"module":7}', '{"module":"a","method":[]}', '{"a":1,"a":2}', "[" * 100_000,
     '{"module":"a","uuid":"\\ud800"}', "\ud800", "NaN", '{"module":' + "9" * 400 + "}"],
    ids=range(14),
)  # fmt: skip
async def test_what_is_no_request_is_told_so(page: Page, text: str) -> None:
    assert await page.say(text) == {"success": False, "code": "COMMON_JSON_WRAPPING_EXCEPTION"}


async def test_without_a_module_the_applet_is_gone(page: Page) -> None:
    assert await page.say({"method": "signXml", "args": [], "uuid": "u1"}) == {
        "errorCode": "Method not implemented. Method:signXml", "uuid": "u1"
    }  # fmt: skip


async def test_tokens_are_hardware_and_files_are_never_listed(agent: Agent, page: Page, pki: TestPki) -> None:
    assert await page.common("getActiveTokens") == {"code": "200", "responseObject": []}
    give(agent, pki.person(OTHER_IIN), "token", storage="AKKaztokenStore")
    assert (await page.common("getActiveTokens"))["responseObject"] == ["AKKaztokenStore"]


async def test_key_info_tells_the_certificate(page: Page, person: SigningKey, clock: HandClock) -> None:
    info = (await page.common("getKeyInfo", "PKCS12"))["responseObject"]
    assert set(info) == {
        *("alias", "keyId", "algorithm", "subjectCn", "subjectDn", "issuerCn", "issuerDn", "serialNumber"),
        *("certNotAfter", "certNotBefore", "authorityKeyIdentifier", "pem"),
    }
    assert info["subjectCn"] == "СЫНАҚОВ СЫНАҚ" and f"SERIALNUMBER=IIN{IIN}" in info["subjectDn"]
    assert info["serialNumber"] == str(person.certificate.serial_number)
    assert info["certNotBefore"] == "14.01.2026 09:00:00" and info["certNotAfter"] == "15.01.2027 09:00:00"
    assert base64.b64decode("".join(info["pem"].split("\n")[1:-2])) == der(person.certificate)
    assert info["issuerDn"].startswith(f"CN={info['issuerCn']}") and len(info["authorityKeyIdentifier"]) == 40


async def test_a_change_of_language_has_no_result(agent: Agent, page: Page) -> None:
    assert await page.common("changeLocale", "kz") == {"code": "200"}
    assert agent.signing.language == "kk"
    assert await page.common("changeLocale", "en") == {"code": "200"}
    assert agent.signing.language == "kk"


async def test_a_uuid_comes_back_as_it_went(page: Page) -> None:
    assert (await page.common("getActiveTokens", uuid="a-7"))["uuid"] == "a-7"
    assert (await page.common("getKeyInfo", 1, uuid=5))["uuid"] == 5
    assert "uuid" not in await page.common("getActiveTokens")


@pytest.mark.parametrize(
    ("method", "args", "message"),
    [
        ("getKeyInfo", [None], MISMATCH),
        ("getKeyInfo", [1], MISMATCH),
        ("getKeyInfo", [], COUNT),
        ("getKeyInfo", ["PKCS12", "x"], COUNT),
        ("createCAdESFromBase64", ["PKCS12", 123, "MTEK", False], MISMATCH),
        ("createCAdESFromBase64", ["PKCS12", "SIGNATURE", "MTEK", "true"], MISMATCH),
        ("createCAdESFromBase64", ["PKCS12", "SIGNATURE", "MTEK", 1], MISMATCH),
        ("createCMSSignatureFromBase64", ["PKCS12", [7, 7], "MTEK", False], MISMATCH),
        ("signXml", ["PKCS12", "123", 555, "", ""], MISMATCH),
        ("signXmls", ["PKCS12", "123", "<a/>", "", ""], MISMATCH),
        ("signXmls", ["PKCS12", "123", ["<a/>", 1], "", ""], MISMATCH),
        ("changeLocale", [2], MISMATCH),
        ("applyCAdEST", ["PKCS12", "SIGNATURE"], COUNT),
    ],
)
async def test_a_wrong_argument_is_told_in_javas_words(page: Page, method: str, args: list[Any], message: str) -> None:
    answer = await page.say({"module": COMMON, "method": method, "args": args})
    assert answer == {"code": "500", "message": f"{message}{method}"}


@pytest.mark.parametrize(
    ("method", "args", "message"),
    [
        ("getKeyInfo", ["MyStore"], "UNKNOWN_STORAGE"),
        ("createCAdESFromBase64", ["PKCS12", "SIGNATURE", "**", False], "not base64"),
        ("createCAdESFromBase64Hash", ["PKCS12", "SIGNATURE", ""], "a SHA-256 has 32 bytes, not 0"),
        ("createCAdESFromBase64Hash", ["PKCS12", "SIGNATURE", "MTEK"], "a SHA-256 has 32 bytes, not 3"),
        ("signXmls", ["PKCS12", "", [], "", ""], "1 to 100 documents"),
        ("signXmls", ["PKCS12", "", ["<a/>"] * 101, "", ""], "1 to 100 documents"),
        ("signXml", ["PKCS12", "", "<a/>", "/a", ""], "both paths"),
        ("showFileChooser", ["ALL", ""], "method showFileChooser is not implemented"),
    ],
)
async def test_what_cannot_be_done_is_refused(page: Page, method: str, args: list[Any], message: str) -> None:
    answer = await page.say({"module": COMMON, "method": method, "args": args})
    assert answer["code"] == "500" and message in answer["message"]


OK: dict[str, Any] = {"format": "cms", "data": "MTEK", "signingParams": {}, "signerParams": {"extKeyUsageOids": []}}
BOTH = {"decode": True, "digested": True, "encapsulate": True}


@pytest.mark.parametrize(
    ("args", "code", "details"),
    [
        (None, "INVOCATION_ERROR", 'JSONObject["args"] not found.'),
        ([], "INVOCATION_ERROR", 'JSONObject["args"] is not a JSONObject.'),
        ({**OK, "format": 1}, "INVOCATION_ERROR", 'JSONObject["format"] is not a string.'),
        ({**OK, "format": "pdf"}, "INVALID_SIGNING_PARAMS", "format pdf is not supported"),
        ({**OK, "data": 1}, "INVOCATION_ERROR", 'JSONObject["data"]'),
        ({**OK, "data": []}, "INVOCATION_ERROR", 'JSONObject["data"]'),
        ({**OK, "data": ["a", 1]}, "INVOCATION_ERROR", 'JSONObject["data"]'),
        ({**OK, "data": ["a"] * 101}, "INVALID_SIGNING_PARAMS", "more than 100 documents"),
        (
            {**OK, "signingParams": 555},
            "INVOCATION_ERROR",
            'org.json.JSONException: JSONObject["signingParams"] is not a JSONObject.',
        ),
        ({**OK, "signingParams": {"decode": 1}}, "INVOCATION_ERROR", 'JSONObject["decode"] is not a Boolean.'),
        ({**OK, "signingParams": {"decode": True}, "data": "%"}, "SIGNING_FAILURE", "not base64"),
        ({**OK, "signingParams": BOTH}, "INVALID_SIGNING_PARAMS", "cannot be encapsulated"),
        ({**OK, "signingParams": {"decode": True, "digested": True}}, "INVALID_SIGNING_PARAMS", "32 bytes, not 3"),
        ({**OK, "signingParams": {"tsaProfile": "x"}}, "INVOCATION_ERROR", 'JSONObject["tsaProfile"]'),
        ({**OK, "signerParams": None}, "INVOCATION_ERROR", 'JSONObject["signerParams"] not found.'),
        ({**OK, "signerParams": {"extKeyUsageOids": "1.2"}}, "INVOCATION_ERROR", 'JSONObject["extKeyUsageOids"]'),
        ({**OK, "signerParams": {"iin": 1}}, "INVOCATION_ERROR", 'JSONObject["iin"] is not a string.'),
        ({**OK, "signerParams": {"chain": ["MTEK"]}}, "INVOCATION_ERROR", "chain holds what is no certificate"),
        ({**OK, "allowedStorages": "PKCS12"}, "INVOCATION_ERROR", 'JSONObject["allowedStorages"]'),
        ({**OK, "format": "xml", "signingParams": {"decode": True}, "data": "/w=="}, "SIGNING_FAILURE", "not UTF-8"),
    ],
    ids=range(20),
)
async def test_basics_tells_what_is_wrong_with_its_arguments(page: Page, args: Any, code: str, details: str) -> None:
    answer = await page.say({"module": BASICS, "method": "sign", "args": args})
    assert set(answer) == {"status", "code", "message", "details"}
    assert (answer["status"], answer["code"]) == (False, code) and details in answer["details"]


async def test_a_method_of_basics_we_have_not_is_a_general_error(page: Page) -> None:
    answer = await page.say({"module": BASICS, "method": "generateCsr", "args": {}})
    assert (answer["status"], answer["code"]) == (False, "GENERAL_ERROR")


async def test_a_person_who_says_no_is_told_in_the_shape_of_each_interface(agent: Agent, page: Page) -> None:
    agent.desk.standing = Standing.CANCEL
    assert await page.basics() == {"status": True, "body": {}}
    assert await page.basics("<a/>", form="xml") == {"status": True, "body": {}}
    for method, args in {
        "getKeyInfo": ["PKCS12"],
        "createCAdESFromBase64": ["PKCS12", "SIGNATURE", BASE64, False],
        "signXmls": ["PKCS12", "SIGNATURE", ["<a/>"], "", ""],
    }.items():
        assert await page.common(method, *args) == {"code": "500", "message": "action.canceled"}


async def test_a_fault_of_ours_is_answered_and_not_told(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> Any:
        raise RuntimeError("a secret of ours")

    monkeypatch.setitem(METHODS, (BASICS, "sign"), broken)  # type: ignore[arg-type]
    monkeypatch.setitem(METHODS, (COMMON, "getActiveTokens"), broken)  # type: ignore[arg-type]
    answer = await page.basics()
    assert (answer["code"], answer["details"]) == ("GENERAL_ERROR", "RuntimeError")
    assert await page.common("getActiveTokens") == {"code": "500", "message": "RuntimeError"}


# ---- which key


@pytest.fixture
def several(agent: Agent, pki: TestPki) -> dict[str, str]:
    """Name of the file to its certificate's subject, beside the one key the agent has."""
    give(agent, pki.person(IIN, profile="person_auth"), "auth.p12")
    give(agent, pki.person(OTHER_IIN, "ЖҰМЫСШЫ", bin_=BIN, profile="employee_sign"), "employee.p12")
    give(agent, pki.person(OTHER_IIN, "ТОКЕНОВ"), "token", storage="AKKaztokenStore")
    return {card.name: card.subject_cn for card in agent.ring.cards}


SIGN, AUTH, PERSON, LEGAL = "1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.2", "1.2.398.3.3.4.1.1", "1.2.398.3.3.4.1.2"


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (Wanted(), ["sign.p12", "auth.p12", "employee.p12", "token"]),
        (Wanted(ekus=frozenset({SIGN})), ["sign.p12", "employee.p12", "token"]),
        (Wanted(ekus=frozenset({AUTH, PERSON})), ["auth.p12"]),
        (Wanted(ekus=frozenset({SIGN, LEGAL})), ["employee.p12"]),
        (Wanted(storages=frozenset({"AKKaztokenStore", "AKKZIDCardStore"})), ["token"]),
        (Wanted(storages=frozenset({"JKS"})), []),
        (Wanted(iin=OTHER_IIN), ["employee.p12", "token"]),
        (Wanted(iin=OTHER_IIN, bin=BIN), ["employee.p12"]),
        (Wanted(serial="zz"), []),
    ],
    ids=range(9),
)
async def test_a_page_narrows_the_choice(
    agent: Agent, several: dict[str, str], wanted: Wanted, fits: list[str]
) -> None:
    assert set(several) == {"sign.p12", "auth.p12", "employee.p12", "token"}
    assert [held.card.name for held in agent.ring.fitting(wanted)] == fits


async def test_a_serial_number_is_hexadecimal(agent: Agent, several: dict[str, str], person: SigningKey) -> None:
    serial = format(person.certificate.serial_number, "X")
    assert [held.card.name for held in agent.ring.fitting(Wanted(serial=serial))] == ["sign.p12"]


async def test_a_chain_admits_only_keys_of_its_authorities(page: Page, pki: TestPki, clock: HandClock) -> None:
    ours = [base64.b64encode(der(one)).decode() for one in (pki.issuing, pki.root)]
    foreign = base64.b64encode(der(TestPki(clock).root)).decode()
    for chain in ([], ours, ours[:1], ours[1:], [foreign, *ours[1:]]):
        assert "result" in (await page.basics(chain=chain))["body"], chain
    assert await page.basics(chain=[foreign]) == {"status": True, "body": {}}


@pytest.mark.parametrize(("key_type", "name"), [("AUTHENTICATION", "auth.p12"), ("SIGNATURE", "sign.p12")])
async def test_the_key_type_chooses_between_login_and_signature(
    agent: Agent, page: Page, several: dict[str, str], key_type: str, name: str
) -> None:
    from ncalayer_mock.domain.orders import from_storage

    assert agent.ring.fitting(from_storage("PKCS12", key_type))[0].card.name == name
    answer = await page.common("createCAdESFromBase64", "PKCS12", key_type, BASE64, False)
    assert answer["code"] == "200"
    assert len(agent.ring.fitting(from_storage("PKCS12", "123"))) == 3


async def test_when_no_key_fits_nothing_is_signed(page: Page) -> None:
    assert await page.basics(storages=["AKKaztokenStore"]) == {"status": True, "body": {}}
    answer = await page.common("createCAdESFromBase64", "AKKaztokenStore", "SIGNATURE", BASE64, False)
    assert answer == {"code": "500", "message": "action.canceled"}
