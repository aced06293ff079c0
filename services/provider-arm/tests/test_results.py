"""Preparing and issuing the result: every outcome, and two people at once."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from egovkit.signatures.documents import DocumentSignatures
from egovlaw.identifiers import synthetic_iin

if TYPE_CHECKING:
    from conftest import Arm, Official

pytestmark = pytest.mark.service

MISSING = {"code": "documents.missing", "text": "Нет справки о составе семьи"}


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["side"] and body["remedy"], body
    return answer.status_code, body["code"]


def bytes_of(prepared: httpx.Response) -> bytes:
    assert prepared.status_code == 200, prepared.text
    return base64.b64decode(prepared.json()["document"])


async def taken(arm: Arm, *roles: str, **changes: Any) -> tuple[str, Official]:
    case, official = await arm.submit(**changes), await arm.appoint(*(roles or ("executor",)))
    assert (await official.take(case)).status_code == 200
    return case, official


async def checked(arm: Arm) -> tuple[str, Official]:
    """A case that awaits its result, and an official who may sign it."""
    case, official = await taken(arm, "executor", "authorised")
    assert (await official.check(case)).status_code == 200
    return case, official


async def test_the_authorised_person_completes_the_case_with_his_own_signature(arm: Arm) -> None:
    case, official = await checked(arm)
    await arm.clock.advance(300)
    key = official.certificate()
    prepared = await official.prepare(case, key)
    document = bytes_of(prepared)
    answer = await official.issue(case, document, key)
    assert (answer.status_code, answer.json()["state"]) == (200, "completed")
    *_, completed = await arm.outgoing(3)
    assert (completed.type, completed.step) == ("kz.egov.case.completed.v1", "P8")
    assert base64.b64decode(completed.data["document"]) == document
    facts = await DocumentSignatures(arm.pki.trust()).verify(
        document, base64.b64decode(completed.data["signature"]), arm.clock.now(), official.iin
    )
    assert facts.refusal is None
    [step] = completed.data["trail"]
    assert (step["step"], step["outcome"]) == ("C3", "ok")
    body = json.loads(document)
    assert (body["kind"], body["case"], body["number"]) == ("result", case, "26000000001")
    assert body["values"] == {"queue_number": 17}
    assert body["certificate"] == key.thumbprint
    assert body["applicant"] == {"iin": arm.applicant}
    assert official.iin not in document.decode()


async def test_the_step_shows_how_much_of_the_acts_quarter_of_an_hour_was_used(arm: Arm) -> None:
    case, official = await checked(arm)
    await arm.clock.advance(300)
    key = official.certificate()
    await official.issue(case, bytes_of(await official.prepare(case, key)), key)
    rows = (await official.get(f"/v1/cases/{case}/history")).json()["items"]
    last = next(row for row in rows if row["step"] == "P8")
    assert (last["limit_s"], last["used_s"], last["clause"]) == (900, 300, "6 12)")
    assert (last["state_before"], last["state_after"]) == ("documents_checked", "completed")


async def test_late_results_are_still_results(arm: Arm) -> None:
    case, official = await checked(arm)
    await arm.clock.advance(4000)
    key = official.certificate()
    assert (await official.issue(case, bytes_of(await official.prepare(case, key)), key)).status_code == 200


async def test_an_rsa_key_signs_as_well(arm: Arm) -> None:
    case, official = await checked(arm)
    key = official.certificate(key="rsa2048")
    assert (await official.issue(case, bytes_of(await official.prepare(case, key)), key)).status_code == 200


async def test_a_pem_certificate_is_read_too(arm: Arm) -> None:
    case, official = await checked(arm)
    raw = base64.encodebytes(base64.b64decode(pem_body(official))).decode()
    pem = f"-----BEGIN CERTIFICATE-----\n{raw}-----END CERTIFICATE-----\n"
    body = {"certificate": pem, "text_ru": "Да", "text_kk": "Иә"}
    assert (await official.post(f"/v1/cases/{case}/result/prepare", body)).status_code == 200


def pem_body(official: Official) -> str:
    from egovkit.signatures.keys import der

    return base64.b64encode(der(official.certificate().certificate)).decode()


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"profile": "person_sign"}, "result.certificate_not_official"),
        ({"profile": "person_auth"}, "certificate.wrong_usage"),
        ({"span": -1}, "certificate.expired"),
        ({"span": 1}, "certificate.not_yet_valid"),
    ],
)
async def test_only_a_good_certificate_of_an_employee_prepares_a_result(
    arm: Arm, wanted: dict[str, Any], code: str
) -> None:
    case, official = await checked(arm)
    if "span" in wanted:
        now, shift = arm.clock.now(), timedelta(days=10 * wanted["span"])
        wanted = {"span": type(arm.pki.span())(now + shift - timedelta(days=1), now + shift + timedelta(days=1))}
    answer = await official.prepare(case, official.certificate(**wanted))
    assert problem(answer)[1] == code


async def test_the_certificate_of_a_colleague_prepares_nothing(arm: Arm) -> None:
    case, official = await checked(arm)
    colleague = arm.pki.person(synthetic_iin(5), profile="employee_sign")
    assert problem(await official.prepare(case, colleague))[1] == "certificate.of_another_person"


async def test_a_certificate_revoked_between_preparing_and_signing_signs_nothing(arm: Arm) -> None:
    case, official = await checked(arm)
    key = official.certificate()
    document = bytes_of(await official.prepare(case, key))
    arm.pki.revoke(key.certificate)
    await arm.app.state.node.refresh()
    assert problem(await official.issue(case, document, key))[1] == "certificate.revoked"
    assert (await official.get(f"/v1/cases/{case}")).json()["state"] == "awaiting_result"


@pytest.mark.parametrize(
    "text",
    [
        "not a certificate, and long enough to be one " * 3,
        "-----BEGIN CERTIFICATE-----" + "\nAAAA" * 20,
        "A" * 100,
        "ы" * 100,
    ],
)
async def test_what_is_no_certificate_is_told_by_its_field(arm: Arm, text: str) -> None:
    case, official = await checked(arm)
    body = {"certificate": text, "text_ru": "Да", "text_kk": "Иә"}
    answer = await official.post(f"/v1/cases/{case}/result/prepare", body)
    assert problem(answer) == (422, "request.invalid")
    assert answer.json()["errors"][0]["field"] == "certificate"


async def test_a_signature_over_other_bytes_issues_nothing(arm: Arm) -> None:
    case, official = await checked(arm)
    key = official.certificate()
    document = bytes_of(await official.prepare(case, key))
    tampered = document.replace("Вы поставлены".encode(), "Вы не поставлены".encode())
    assert problem(await official.issue(case, tampered, key))[1] == "signature.of_other_data"


async def test_a_signature_by_another_certificate_than_prepared_issues_nothing(arm: Arm) -> None:
    case, official = await checked(arm)
    document = bytes_of(await official.prepare(case, official.certificate()))
    assert problem(await official.issue(case, document, official.certificate())) == (422, "result.other_certificate")


async def test_a_signature_by_somebody_else_issues_nothing(arm: Arm) -> None:
    case, official = await checked(arm)
    document = bytes_of(await official.prepare(case, official.certificate()))
    stranger = arm.pki.person(synthetic_iin(6), profile="employee_sign")
    assert problem(await official.issue(case, document, stranger))[1] == "certificate.of_another_person"


@pytest.mark.parametrize(
    ("signature", "code"),
    [
        ("AAAA", "signature.cms_malformed"),
        (base64.b64encode(b"x" * 3000).decode(), "signature.cms_malformed"),
        ("A", "request.invalid"),
        ("AAAAA", "request.invalid"),
        ("не подпись", "request.invalid"),
        ("A" * 200_000, "request.invalid"),
    ],
)
async def test_what_is_no_signature_issues_nothing(arm: Arm, signature: str, code: str) -> None:
    case, official = await checked(arm)
    bytes_of(await official.prepare(case, official.certificate()))
    answer = await official.post(f"/v1/cases/{case}/result", {"signature": signature})
    assert problem(answer)[1] == code


async def test_nothing_is_issued_that_was_not_prepared(arm: Arm) -> None:
    case, official = await checked(arm)
    assert problem(await official.issue(case, b"{}", official.certificate())) == (409, "result.not_prepared")


async def test_what_was_prepared_yesterday_bears_the_wrong_day(arm: Arm) -> None:
    await arm.clock.advance(timedelta(hours=14, minutes=50).total_seconds())  # ten to midnight in Kazakhstan
    case, official = await checked(arm)
    key = official.certificate()
    document = bytes_of(await official.prepare(case, key))
    await arm.clock.advance(600)
    assert problem(await official.issue(case, document, key)) == (409, "result.not_prepared")
    again = bytes_of(await official.prepare(case, key))
    assert (await official.issue(case, again, key)).status_code == 200


async def test_nobody_signs_what_a_colleague_prepared(arm: Arm) -> None:
    case, official = await checked(arm)
    colleague = await arm.appoint("authorised")
    document = bytes_of(await official.prepare(case, official.certificate()))
    assert problem(await colleague.issue(case, document, colleague.certificate())) == (409, "result.not_prepared")
    assert problem(await colleague.prepare(case, colleague.certificate())) == (409, "task.taken")


async def test_preparing_again_makes_the_first_document_void(arm: Arm) -> None:
    case, official = await checked(arm)
    key = official.certificate()
    first = bytes_of(await official.prepare(case, key))
    await arm.clock.advance(1)
    second = bytes_of(await official.prepare(case, key))
    assert problem(await official.issue(case, first, key))[1] == "signature.of_other_data"
    assert (await official.issue(case, second, key)).status_code == 200


@pytest.mark.parametrize("role", ["clerk", "executor", "head"])
async def test_the_wrong_role_neither_prepares_nor_issues(arm: Arm, role: str) -> None:
    case, _ = await checked(arm)
    other = await arm.appoint(role)
    assert problem(await other.prepare(case, other.certificate())) == (403, "staff.role_not_enough")
    assert problem(await other.issue(case, b"{}", other.certificate())) == (403, "staff.role_not_enough")


async def test_there_is_no_result_before_the_check(arm: Arm) -> None:
    case, official = await taken(arm, "executor", "authorised")
    answer = await official.prepare(case, official.certificate())
    assert problem(answer) == (409, "decision.too_early")
    assert answer.json()["state"] == "under_consideration"


async def test_of_two_authorised_persons_at_once_one_prepares(arm: Arm) -> None:
    case, first = await checked(arm)
    second = await arm.appoint("authorised")
    answers = await asyncio.gather(*(one.prepare(case, one.certificate()) for one in (first, second)))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    loser = next(answer for answer in answers if answer.status_code == 409)
    assert problem(loser) == (409, "task.taken")
    assert loser.json()["by"].startswith("Сынақов")


async def test_a_result_issued_twice_at_once_leaves_once(arm: Arm) -> None:
    case, official = await checked(arm)
    key = official.certificate()
    document = bytes_of(await official.prepare(case, key))
    answers = await asyncio.gather(*(official.issue(case, document, key) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert problem(next(a for a in answers if a.status_code == 409)) == (409, "decision.conflict")
    await arm.submit()
    kinds = [one.type.split(".")[3] for one in await arm.outgoing(4)]
    assert sorted(kinds) == ["completed", "registered", "registered", "status"]


async def test_an_ended_case_takes_no_further_decision(arm: Arm) -> None:
    case, official = await taken(arm, "executor", "authorised", "head")
    await official.check(case, MISSING)
    assert problem(await official.check(case)) == (409, "decision.conflict")
    assert problem(await official.prepare(case, official.certificate())) == (409, "decision.conflict")
    task = (await official.get("/v1/tasks", state="done")).json()["items"][0]["id"]
    assert problem(await official.post(f"/v1/tasks/{task}/take")) == (409, "task.done")
    assert problem(await official.post(f"/v1/tasks/{task}/release", {})) == (409, "task.done")


async def test_a_result_that_would_not_fit_its_envelope_is_refused_before_it_is_signed(arm: Arm) -> None:
    case, official = await checked(arm)
    body = {
        "certificate": pem_body(official),
        "text_ru": "ы" * 4000,
        "text_kk": "і" * 4000,
        "values": {f"value_{n}": "ү" * 1000 for n in range(100)},
    }
    assert problem(await official.post(f"/v1/cases/{case}/result/prepare", body)) == (413, "result.too_large")


@pytest.mark.parametrize(
    "values",
    [{"Bad Name": 1}, {"a": 1.5}, {"a": None}, {"a": ["x"]}, {"a": 2**60}, {"a": "x\u0000"}, {"a": "x" * 1001}],
)
async def test_values_that_mean_different_things_to_different_readers_are_refused(
    arm: Arm, values: dict[str, Any]
) -> None:
    case, official = await checked(arm)
    body = {"certificate": pem_body(official), "text_ru": "Да", "text_kk": "Иә", "values": values}
    assert problem(await official.post(f"/v1/cases/{case}/result/prepare", body))[0] in (400, 422)


async def test_versions_told_to_the_applicant_only_grow(arm: Arm) -> None:
    case, official = await checked(arm)
    key = official.certificate()
    await official.issue(case, bytes_of(await official.prepare(case, key)), key)
    versions = [one.data["version"] for one in await arm.outgoing(3)]
    assert versions == sorted(set(versions)) == [1, 2, 4]
