"""Intake at desks whose channel the act only names, receipts, and results given out there by hand."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pypdf import PdfReader

from egovkit.contracts import contracts_dir, read_once
from egovkit.journal import read_rows
from egovkit.testing.journal import BODIES
from egovlaw.loader import load_catalogue
from provider_arm.domain.desks import unknown_papers
from provider_arm.tables import kit

if TYPE_CHECKING:
    from conftest import Arm, Official

pytestmark = pytest.mark.service

CENTRE = ("wko-asp-recipient-certificate", "employment_centre")
AKIM = ("zhambyl-social-assistance-certificate", "akim")
PAPERS = [{"name": "Жеке куәлік", "kind": "copy", "note": ""}]


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


def done(answer: httpx.Response) -> dict[str, Any]:
    assert answer.is_success, answer.text
    body: dict[str, Any] = answer.json()
    return body


def brought(arm: Arm, place: tuple[str, str], **changes: Any) -> dict[str, Any]:
    regulation, channel = place
    return {"regulation": regulation, "channel": channel, "iin": arm.applicant, "papers": PAPERS} | changes


async def clerk(arm: Arm, desk: str = "employment_centre", region: str = "wko", *more: str) -> Official:
    return await arm.appoint("clerk", *more, region=region, office_kind=desk)


async def test_an_application_taken_in_has_a_number_a_receipt_and_its_first_task(arm: Arm) -> None:
    official = await clerk(arm)
    receipt = done(await official.post("/v1/intakes", brought(arm, CENTRE)))
    document = json.loads(base64.b64decode(receipt["document"]))
    assert (document["number"], document["papers"]) == (receipt["number"], PAPERS)
    assert document["text_ru"] and document["text_kk"] and document["text_ru"] != document["text_kk"]
    case = done(await official.get(f"/v1/cases/{receipt['case']}"))
    assert (case["channel"], case["number"], case["verified"]) == ("employment_centre", receipt["number"], True)
    task = await official.task_of(receipt["case"])
    assert (task["kind"], task["internal"]["n"], task["internal"]["role"]) == ("internal", 1, "clerk")


NAMED_ONLY = [
    (one, channel.code)
    for one in read_once(load_catalogue, contracts_dir()).regulations
    for channel in one.channels.values()
    if channel.origin_kind == "provider" and not channel.has_flow
]


@pytest.mark.law(topic="general", regulation="wko-asp-recipient-certificate", clause=("1 2)", "1 4)"))
@pytest.mark.law(topic="general", regulation="wko-special-*", clause="1 2)")
@pytest.mark.law(topic="general", regulation="wko-targeted-social-assistance", clause=("1 1)", "1 2)"))
@pytest.mark.law(topic="general", regulation="wko-*", clause="2 2)")
@pytest.mark.law(topic="general", regulation="zhambyl-*", clause=("1 2)", "1 3)"))
async def test_every_desk_that_an_act_names_takes_in(arm: Arm) -> None:
    clerks = {place: await clerk(arm, *place) for place in {(desk, one.region) for one, desk in NAMED_ONLY}}
    for one, desk in NAMED_ONLY:
        official = clerks[desk, one.region]
        receipt = done(await official.post("/v1/intakes", brought(arm, (one.code, desk))))
        case = done(await official.get(f"/v1/cases/{receipt['case']}"))
        assert (case["channel"], case["regulation"], case["number"]) == (desk, one.code, receipt["number"])
    assert NAMED_ONLY and await arm.outgoing(0) == []


async def test_an_intake_is_journalled_and_told_to_nobody(arm: Arm) -> None:
    official = await clerk(arm)
    case = done(await official.post("/v1/intakes", brought(arm, CENTRE)))["case"]
    async with arm.ws.db.read() as conn:
        rows = await read_rows(conn, kit.journal, bodies=BODIES, case_id=case)
    assert [row.facts.get("action") for row in rows] == ["intake.accepted"]
    assert await arm.outgoing(0) == []


async def test_where_the_act_has_no_procedure_the_case_is_considered_and_the_result_given_out(arm: Arm) -> None:
    official = await clerk(arm, "akim", "zhambyl", "executor", "authorised")
    case = done(await official.post("/v1/intakes", brought(arm, AKIM)))["case"]
    assert problem(await official.post(f"/v1/cases/{case}/give-out", {"way": "by_hand"})) == (409, "decision.too_early")
    done(await official.take(case))
    done(await official.check(case))
    key = official.certificate()
    document = base64.b64decode(done(await official.prepare(case, key))["document"])
    assert done(await official.issue(case, document, key))["state"] == "completed"
    way = {"way": "by_email", "to": "a@example.kz"}
    assert problem(await official.post(f"/v1/cases/{case}/give-out", way)) == (422, "give_out.way_not_allowed")
    first = done(await official.post(f"/v1/cases/{case}/give-out", {"way": "by_hand", "to": arm.applicant}))
    assert first["state"] == "handed_over"
    assert done(await official.post(f"/v1/cases/{case}/give-out", {"way": "by_hand"})) == first
    assert await arm.outgoing(0) == []


async def test_the_internal_procedure_of_an_intake_ends_in_a_result_given_out_by_hand(arm: Arm) -> None:
    official = await clerk(arm, "employment_centre", "wko", "head", "executor")
    case = done(await official.post("/v1/intakes", brought(arm, CENTRE)))["case"]
    words = {"text_ru": "Справка", "text_kk": "Анықтама"}
    for left in ({}, {"executor": official.id}, words, None, {}):  # clause 5: register, assign, examine, sign, issue
        task = await official.task_of(case)
        done(await official.post(f"/v1/tasks/{task['id']}/take"))
        if left is None:
            key = official.certificate()
            document = base64.b64decode(done(await official.prepare(case, key))["document"])
            done(await official.issue(case, document, key))
        else:
            done(await official.post(f"/v1/tasks/{task['id']}/done", left))
    given = done(await official.post(f"/v1/cases/{case}/give-out", {"way": "by_hand"}))
    assert given["state"] == "handed_over"


@pytest.mark.parametrize(
    ("place", "desk", "roles", "expected"),
    [
        (CENTRE, "provider", ("clerk",), (403, "intake.other_desk")),
        (CENTRE, "employment_centre", ("executor",), (403, "staff.role_not_enough")),
        (("wko-asp-recipient-certificate", "portal"), "provider", ("clerk",), (404, "intake.channel_unknown")),
        (("wko-oralman-status", "provider"), "provider", ("clerk",), (404, "intake.channel_unknown")),
        (("no-such-service", "provider"), "provider", ("clerk",), (404, "intake.channel_unknown")),
        (AKIM, "akim", ("clerk",), (404, "intake.channel_unknown")),  # of another region
    ],
)
async def test_only_the_desk_the_act_names_takes_in(
    arm: Arm, place: tuple[str, str], desk: str, roles: tuple[str, ...], expected: tuple[int, str]
) -> None:
    official = await arm.appoint(*roles, region="wko", office_kind=desk)
    assert problem(await official.post("/v1/intakes", brought(arm, place))) == expected


async def test_where_the_act_describes_the_steps_they_are_used(arm: Arm) -> None:
    official = await arm.appoint("clerk")
    answer = await official.post("/v1/intakes", brought(arm, ("atyrau-housing-queue", "provider")))
    assert problem(answer) == (409, "intake.has_flow")
    assert answer.json()["clause"] == "7"


async def test_an_incomplete_package_gets_a_numbered_refusal_where_the_act_has_one(arm: Arm) -> None:
    official = await clerk(arm)
    body = brought(arm, CENTRE, missing=PAPERS)
    del body["papers"]
    first, second = [done(await official.post("/v1/intakes/refusals", body)) for _ in range(2)]
    assert (first["kind"], first["case"]) == ("refused", None)
    assert int(second["number"]) == int(first["number"]) + 1
    document = json.loads(base64.b64decode(first["document"]))
    assert document["missing"] == PAPERS and "отказано" in document["text_ru"] and "бас тарт" in document["text_kk"]
    assert done(await official.get("/v1/cases"))["items"] == []


async def test_receipts_are_printed_in_the_form_of_their_act(arm: Arm) -> None:
    official = await clerk(arm)
    accepted = done(await official.post("/v1/intakes", brought(arm, CENTRE)))
    body = brought(arm, CENTRE, missing=PAPERS)
    del body["papers"]
    refused = done(await official.post("/v1/intakes/refusals", body))
    for receipt in (accepted, refused):
        printed = await official.get(f"/v1/intakes/{receipt['id']}/receipt.pdf")
        assert printed.status_code == 200 and printed.headers["content-type"] == "application/pdf", printed.text
        assert f"receipt-{receipt['number']}.pdf" in printed.headers["content-disposition"]
        words = "".join(page.extract_text() for page in PdfReader(io.BytesIO(printed.content)).pages)
        words = re.sub(r"[\s\u200b]", "", words)
        assert receipt["number"] in words and arm.applicant in words
        assert all(re.sub(r"\s", "", paper["name"]) in words for paper in PAPERS)
    stranger = await clerk(arm, "akim", "zhambyl")
    assert problem(await stranger.get(f"/v1/intakes/{accepted['id']}/receipt.pdf")) == (404, "intake.unknown")


async def test_a_desk_without_that_right_takes_the_application(arm: Arm) -> None:
    official = await clerk(arm, "provider")
    body = brought(arm, ("wko-asp-recipient-certificate", "provider"), missing=PAPERS)
    del body["papers"]
    assert problem(await official.post("/v1/intakes/refusals", body)) == (409, "intake.no_refusal")


async def test_a_call_repeated_with_its_key_takes_in_once(arm: Arm) -> None:
    official = await clerk(arm)
    first, again = [await official.post("/v1/intakes", brought(arm, CENTRE), idempotency_key="k") for _ in range(2)]
    assert first.content == again.content
    assert len(done(await official.get("/v1/cases"))["items"]) == 1


async def test_what_the_desk_saw_of_waiting_and_service_is_reported(arm: Arm) -> None:
    official = await clerk(arm)
    arrived = arm.clock.now().isoformat()
    await arm.clock.advance(600)
    called = arm.clock.now().isoformat()
    await arm.clock.advance(120)
    receipt = done(await official.post("/v1/intakes", brought(arm, CENTRE, arrived_at=arrived, called_at=called)))
    assert (receipt["waiting"]["used_s"], receipt["counter"]["used_s"]) == (600.0, 120.0)
    assert receipt["waiting"]["limit_s"] is None  # this act gives its desks none
    wrong = brought(arm, CENTRE, arrived_at=called, called_at=arrived)
    assert problem(await official.post("/v1/intakes", wrong)) == (422, "request.invalid")


async def test_receipts_are_listed_by_page_and_kind_without_names_of_persons(arm: Arm) -> None:
    official = await clerk(arm)
    for _ in range(3):
        await arm.clock.advance(1)
        done(await official.post("/v1/intakes", brought(arm, CENTRE)))
    body = brought(arm, CENTRE, missing=PAPERS)
    del body["papers"]
    done(await official.post("/v1/intakes/refusals", body))
    page = done(await official.get("/v1/intakes", kind="accepted", limit=2))
    rest = done(await official.get("/v1/intakes", kind="accepted", limit=2, cursor=page["next"]))
    assert [len(page["items"]), len(rest["items"]), rest["next"]] == [2, 1, None]
    assert arm.applicant not in json.dumps(page)
    one = page["items"][0]["id"]
    assert done(await official.get(f"/v1/intakes/{one}"))["kind"] == "accepted"
    stranger = await clerk(arm, "akim", "zhambyl")
    assert problem(await stranger.get(f"/v1/intakes/{one}")) == (404, "intake.unknown")
    assert done(await stranger.get("/v1/intakes"))["items"] == []


def test_papers_are_held_against_the_acts_list_where_it_has_one() -> None:
    laws = read_once(load_catalogue, contracts_dir()).by_code
    assert unknown_papers(laws["wko-wheelchairs"], ["anything"]) == []  # A15: not in the file
    listed = laws["semey-disabled-child-home-education"]
    known = listed.settings["required_documents"].value[0]
    assert unknown_papers(listed, [known, "Билет в кино"]) == ["Билет в кино"]
