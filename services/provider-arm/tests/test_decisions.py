"""Checking documents and refusing: every outcome, and two people at once."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

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


# --- the document check ----------------------------------------------------------------------------------------


async def test_documents_in_order_make_the_case_await_its_result(arm: Arm) -> None:
    case, official = await taken(arm)
    answer = await official.check(case)
    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["version"]) == ("awaiting_result", 3)
    assert answer.headers["etag"] == '"3"'


async def test_violations_refuse_with_a_letter_whose_bytes_are_kept(arm: Arm) -> None:
    case, official = await taken(arm)
    answer = await official.check(case, MISSING)
    assert answer.json()["state"] == "refused"
    *_, refused = await arm.outgoing(3)
    assert (refused.type, refused.step) == ("kz.egov.case.refused.v1", "P7")
    assert refused.data["reasons"] == [MISSING]
    assert refused.data["version"] == 3
    [step] = refused.data["trail"]
    assert (step["step"], step["outcome"], step["writer"]) == ("C3", "violation", "provider-arm/1")
    letter = json.loads(base64.b64decode(refused.data["document"]))
    assert letter["kind"] == "refusal"
    assert letter["signed"] is False
    assert letter["reasons"] == [MISSING]
    assert (letter["number"], letter["case"]) == ("26000000001", case)
    assert letter["clause"] == "6 11)"
    kept = (await official.get(f"/v1/cases/{case}")).json()["answer"]
    assert kept == {"kind": "refusal", "document": refused.data["document"], "signature": None, "judged": None}


async def test_the_trail_points_at_the_row_of_our_journal(arm: Arm) -> None:
    case, official = await taken(arm)
    await official.check(case, MISSING)
    *_, refused = await arm.outgoing(3)
    [step] = refused.data["trail"]
    rows = (await official.get(f"/v1/cases/{case}/history")).json()["items"]
    row = next(row for row in rows if row["step"] == "C3")
    assert (row["position"], row["hash"], row["outcome"]) == (step["position"], step["hash"], "violation")


async def test_violations_without_a_reason_are_no_refusal(arm: Arm) -> None:
    case, official = await taken(arm)
    answer = await official.post(f"/v1/cases/{case}/check", {"outcome": "violations", "reasons": []})
    assert problem(answer) == (422, "request.invalid")
    assert answer.json()["errors"][0]["field"] == "reasons"


async def test_reasons_without_violations_are_a_mistake(arm: Arm) -> None:
    case, official = await taken(arm)
    answer = await official.post(f"/v1/cases/{case}/check", {"outcome": "ok", "reasons": [MISSING]})
    assert problem(answer) == (422, "request.invalid")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"outcome": "maybe"},
        {"outcome": "violations", "reasons": [{"code": "Bad Code", "text": "x"}]},
        {"outcome": "violations", "reasons": [{"code": "a.b", "text": ""}]},
        {"outcome": "violations", "reasons": [{"code": "a.b", "text": "   "}]},
        {"outcome": "violations", "reasons": [{"code": "a.b", "text": "x\u0001"}]},
        {"outcome": "violations", "reasons": [{"code": "a.b", "text": "ы" * 10_000}]},
        {"outcome": "violations", "reasons": [MISSING] * 21},
        {"outcome": "violations", "reasons": "x"},
        {"outcome": "ok", "surprise": 1},
        {"outcome": True},
    ],
)
async def test_a_check_that_cannot_be_read_changes_nothing(arm: Arm, body: dict[str, Any]) -> None:
    case, official = await taken(arm)
    assert problem(await official.post(f"/v1/cases/{case}/check", body)) == (422, "request.invalid")
    assert (await official.get(f"/v1/cases/{case}")).json()["state"] == "under_consideration"


async def test_a_refusal_as_long_as_allowed_fits_its_envelope(arm: Arm) -> None:
    case, official = await taken(arm)
    longest = {"code": "documents.missing", "text": "😀" * 1000}
    assert (await official.check(case, *[longest] * 20)).status_code == 200
    assert len((await arm.outgoing(3))[2].data["reasons"]) == 20


@pytest.mark.parametrize(
    "text", ["'; DROP TABLE cases; --", "<script>alert(1)</script>", "әғқңөұүһі ӘҒҚҢӨҰҮҺІ ₸", "{by} {0} %s"]
)
async def test_odd_texts_arrive_as_they_were_written(arm: Arm, text: str) -> None:
    case, official = await taken(arm)
    await official.check(case, {"code": "other", "text": text})
    *_, refused = await arm.outgoing(3)
    assert refused.data["reasons"][0]["text"] == text
    assert json.loads(base64.b64decode(refused.data["document"]))["reasons"][0]["text"] == text


async def test_who_decides_must_hold_the_task(arm: Arm) -> None:
    case = await arm.submit()
    official, holder = await arm.appoint("executor"), await arm.appoint("executor")
    assert problem(await official.check(case)) == (409, "task.not_taken")
    await holder.take(case)
    assert problem(await official.check(case)) == (409, "task.taken")


@pytest.mark.parametrize("role", ["clerk", "authorised"])
async def test_the_wrong_role_checks_nothing(arm: Arm, role: str) -> None:
    case, other = await arm.submit(), await arm.appoint(role)
    answer = await other.check(case)
    assert problem(answer) == (403, "staff.role_not_enough")
    assert answer.json()["have"] == [role]


async def test_an_application_not_verified_can_only_be_refused_with_the_machines_reasons(arm: Arm) -> None:
    case, official = await taken(arm, version=99)
    seen = (await official.get(f"/v1/cases/{case}")).json()
    assert seen["verified"] is False
    assert [reason["code"] for reason in seen["reasons"]] == ["document.unknown_version"]
    answer = await official.check(case)
    assert problem(answer) == (409, "decision.not_verified")
    assert answer.json()["reasons"] == ["document.unknown_version"]
    refusal = await official.post(f"/v1/cases/{case}/check", {"outcome": "violations"})
    assert refusal.json()["state"] == "refused"
    *_, refused = await arm.outgoing(3)
    assert [reason["code"] for reason in refused.data["reasons"]] == ["document.unknown_version"]


async def test_of_two_decisions_at_once_one_counts_and_the_other_learns_who_and_when(arm: Arm) -> None:
    """One official in two windows: the task is his in both."""
    case, official = await taken(arm)
    answers = await asyncio.gather(official.check(case), official.check(case, MISSING))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    loser = next(answer for answer in answers if answer.status_code == 409)
    assert problem(loser) == (409, "decision.conflict")
    name = (await official.get("/v1/sessions/current")).json()["name"]
    assert (loser.json()["by"], loser.json()["at"]) == (name, "2026-01-15T04:00:00.000Z")
    assert (await official.get(f"/v1/cases/{case}")).json()["version"] == 3


async def test_two_officials_who_saw_the_same_version_do_not_both_decide(arm: Arm) -> None:
    case = await arm.submit()
    first, head = await arm.appoint("executor"), await arm.appoint("head")
    await first.take(case)
    seen = (await head.get(f"/v1/cases/{case}")).headers["etag"]
    await head.post(f"/v1/tasks/{(await head.task_of(case))['id']}/release", {"reason": "срочно"})
    await head.take(case)
    by_head = await head.check(case, MISSING, if_match=seen)
    late = await first.check(case, if_match=seen)
    assert by_head.status_code == 200
    assert problem(late) == (409, "decision.conflict")
    assert late.json()["state"] == "refused"


async def test_a_stale_etag_is_a_conflict_and_a_strange_one_a_mistake(arm: Arm) -> None:
    case, official = await taken(arm)
    assert problem(await official.check(case, if_match='"1"')) == (409, "decision.conflict")
    assert problem(await official.check(case, if_match="soon")) == (422, "request.invalid")
    assert (await official.check(case, if_match='"2"')).status_code == 200


async def test_the_same_check_with_its_key_is_answered_as_before(arm: Arm) -> None:
    case, official = await taken(arm)
    first = await official.check(case, idempotency_key="check-1")
    again = await official.check(case, idempotency_key="check-1")
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    other = await official.check(case, MISSING, idempotency_key="check-1")
    assert problem(other) == (422, "idempotency.key_reused")
