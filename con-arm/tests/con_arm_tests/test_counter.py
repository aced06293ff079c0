"""The counter itself: the electronic queue, refusal to accept an incomplete package, the survey (E10)."""

from __future__ import annotations

import base64
import io
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from pypdf import PdfReader

from egovorigin.testing import REGULATION

pytestmark = pytest.mark.service

SATISFIED = {"quality_of_result": "удовлетворен", "quality_of_information": "частично удовлетворен"}


async def ticket(operator: Any, **body: Any) -> dict[str, Any]:
    answer = await operator.post("/v1/tickets", body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def move(operator: Any, one: dict[str, Any], what: str, body: Any = None) -> Any:
    return await operator.post(f"/v1/tickets/{one['id']}/{what}", body)


async def test_a_ticket_is_taken_called_served_and_finished_with_its_times(world: Any, operator: Any) -> None:
    one = await ticket(operator, regulation=REGULATION)
    assert (one["number"], one["state"], one["waited_s"]) == (1, "waiting", None)
    await world.clock.advance(300)
    assert (await move(operator, one, "call")).json()["state"] == "called"
    await world.clock.advance(60)
    started = (await move(operator, one, "start")).json()
    assert (started["state"], started["waited_s"], started["operator"]) == ("in_service", 360, operator.id)
    await world.clock.advance(600)
    ended = (await move(operator, one, "finish")).json()
    assert (ended["state"], ended["served_s"]) == ("finished", 600)
    assert ended["waiting_term"] == ended["counter_term"] == {"limit_s": None, "clause": None}  # the act states none


async def test_a_person_who_does_not_come_is_called_again_and_then_given_up(operator: Any) -> None:
    one = await ticket(operator)
    await move(operator, one, "call")
    assert (await move(operator, one, "call")).status_code == 200
    ended = (await move(operator, one, "finish", {"no_show": True})).json()
    assert ended["state"] == "no_show" and ended["served_s"] is None


@pytest.mark.parametrize("what", ["start", "finish"])
async def test_a_ticket_nobody_called_is_not_served(operator: Any, what: str) -> None:
    one = await ticket(operator)
    answer = await move(operator, one, what)
    assert answer.status_code == 409 and answer.json()["code"] == "ticket.wrong_state"


async def test_numbers_begin_anew_every_day_in_every_centre(world: Any, operator: Any) -> None:
    stranger = await world.hire("stranger", centre="con-2")
    numbers = [(await ticket(one))["number"] for one in (operator, operator, stranger)]
    await world.clock.advance(timedelta(hours=16))  # past midnight in Kazakhstan
    for one in (operator, stranger):
        await one.log_in()
    assert [*numbers, (await ticket(operator))["number"]] == [1, 2, 1, 1]


async def test_the_queue_is_listed_in_its_order_and_by_state(world: Any, operator: Any) -> None:
    made = [await ticket(operator) for _ in range(3)]
    await move(operator, made[0], "call")
    waiting = (await operator.get("/v1/tickets", state="waiting")).json()["items"]
    assert [one["number"] for one in waiting] == [2, 3]
    first = (await operator.get("/v1/tickets", limit=2)).json()
    second = (await operator.get("/v1/tickets", limit=2, cursor=first["next"])).json()
    assert [one["number"] for one in first["items"] + second["items"]] == [1, 2, 3]
    stranger = await world.hire("stranger", centre="con-2")
    assert (await stranger.get("/v1/tickets")).json()["items"] == []
    assert (await move(stranger, made[1], "call")).json()["code"] == "ticket.not_found"


async def test_taking_a_ticket_twice_under_one_key_takes_one(operator: Any) -> None:
    first = await operator.post("/v1/tickets", {}, "one")
    assert (await operator.post("/v1/tickets", {}, "one")).json() == first.json()
    assert (await ticket(operator))["number"] == 2
    assert (await operator.post("/v1/tickets", {"regulation": "nothing"})).json()["code"] == "service.not_at_centre"


async def test_a_case_carries_the_ticket_that_is_being_served(world: Any, operator: Any) -> None:
    one = await ticket(operator)
    early = await operator.post("/v1/cases", {"regulation": REGULATION, "ticket": one["id"]})
    assert early.status_code == 409 and early.json()["code"] == "ticket.wrong_state"
    await move(operator, one, "call")
    case = await operator.open(ticket=one["id"])
    assert (await operator.page(case))["ticket"] == one["id"]
    again = await operator.post("/v1/cases", {"regulation": REGULATION, "ticket": one["id"]})
    assert again.json()["code"] == "ticket.wrong_state"
    nobodys = await operator.post("/v1/cases", {"regulation": REGULATION, "ticket": "nobody's"})
    assert nobodys.json()["code"] == "ticket.not_found"


async def test_waiting_and_service_are_reported_to_the_senior(world: Any, operator: Any, senior: Any) -> None:
    for wait in (100, 300):
        one = await ticket(operator)
        await world.clock.advance(wait)
        await move(operator, one, "call")
        await move(operator, one, "start")
        await world.clock.advance(50)
        await move(operator, one, "finish")
    await ticket(operator)
    report = (await senior.get("/v1/tickets/report")).json()
    assert report["waiting"] == {"count": 2, "average_s": 200, "longest_s": 300, "over": 0}
    assert report["service"] == {"count": 2, "average_s": 50, "longest_s": 50, "over": 0}
    assert report["states"] == {"finished": 2, "waiting": 1}
    other = (await senior.get("/v1/tickets/report", first="2025-01-01", last="2025-12-31")).json()
    assert other["waiting"]["count"] == 0 and other["waiting"]["average_s"] is None
    assert (await operator.get("/v1/tickets/report")).json()["code"] == "staff.role_not_enough"


def words(content: bytes) -> str:
    """The PDF's text without spaces and breaks."""
    return re.sub(r"[\s\u200b]", "", "".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages))


@pytest.mark.usefixtures("with_receipts")
@pytest.mark.law(topic="receipt", regulation=("wko-asp-recipient-certificate", "wko-home-education-reimbursement"))
async def test_an_incomplete_package_is_not_accepted_and_the_consumer_gets_a_receipt(world: Any, operator: Any) -> None:
    iin = world.iin()
    case = await operator.open()
    assert (await operator.consumer(case, iin)).status_code == 200
    missing = [{"name": "Жеке куәлік", "note": None}, {"name": "<b>Справка</b>", "note": "за 2025 год"}]
    answer = await operator.post(f"/v1/cases/{case}/refuse-acceptance", {"missing": missing, "note": "қайта келіңіз"})
    assert answer.status_code == 200
    receipt = answer.json()
    body = json.loads(base64.b64decode(receipt["document"]))
    assert receipt["number"] == body["number"] == "2026-000001" and body["missing"] == missing
    assert body["text_ru"].endswith("Не хватает: Жеке куәлік; <b>Справка</b>") and body["applicant"] == {"iin": iin}
    assert body["text_kk"].startswith("Құжаттар топтамасы толық болмағандықтан")
    assert (body["operator"], body["centre"]) == (operator.id, "con-1")
    page = await operator.page(case)
    assert page["state"] == "acceptance_refused" and page["status"]["ended"]
    assert (await operator.get(f"/v1/cases/{case}/receipt")).json() == receipt
    printed = await operator.get(f"/v1/cases/{case}/receipt.pdf")
    assert printed.status_code == 200 and printed.headers["content-type"] == "application/pdf"
    assert printed.headers["content-disposition"] == 'inline; filename="2026-000001.pdf"'
    text = words(printed.content)
    for one in (
        "РАСПИСКА ОБ ОТКАЗЕ В ПРИЕМЕ ДОКУМЕНТОВ № 2026-000001", "ҚАБЫЛДАУДАН БАС ТАРТУ ТУРАЛЫ",
            "<b>Справка</b>, за 2025 год", iin,
        "қайта келіңіз", receipt["sha256"], "Құжат электрондық үкімет жүйесінде құрылған",
    ):  # fmt: skip
        assert re.sub(r"\s", "", one) in text, one
    last = (await world.journal(case))[-1]
    assert (last["kind"], last["action"], last["by"]) == ("admin", "acceptance.refused", operator.id)
    assert world.shep.arrived.empty()  # no message of the act tells of it


@pytest.mark.usefixtures("with_receipts")
async def test_acceptance_may_be_refused_only_before_the_flow_has_begun(world: Any, operator: Any) -> None:
    body = {"missing": [{"name": "паспорт"}]}
    opened, iin = await operator.open(), world.iin()
    assert (await operator.post(f"/v1/cases/{opened}/refuse-acceptance", body)).status_code == 200
    representative = world.represented(certified="other", registry_number=None, date=None)
    [query] = await operator.asked(iin)
    path = f"/v1/cases/{query.subject}"
    assert (await operator.post(f"{path}/refuse-acceptance", body)).json()["code"] == "case.wrong_state"
    assert (await operator.consumer(query.subject, iin, representative)).json()["state"] == "consumer_entered"
    assert (await operator.post(f"{path}/refuse-acceptance", body)).json()["code"] == "case.wrong_state"
    for name in ("receipt", "receipt.pdf"):
        assert (await operator.get(f"{path}/{name}")).json()["code"] == "receipt.not_found"


async def test_an_act_without_a_receipt_of_refusal_has_none(operator: Any) -> None:
    case = await operator.open()
    answer = await operator.post(f"/v1/cases/{case}/refuse-acceptance", {"missing": [{"name": "паспорт"}]})
    assert answer.status_code == 409 and answer.json()["code"] == "acceptance.no_receipt"
    assert (await operator.page(case))["state"] == "opened"


@pytest.mark.parametrize(
    "body",
    [
        {"missing": []},
        {"missing": [{"name": ""}]},
        {"missing": [{"name": "Қ" * 10_000}]},
        {"missing": [{"name": "a\x07"}]},
        {"missing": [{"name": "x"}] * 51},
        {"note": "nothing is missing"},
    ],
)
async def test_a_refusal_names_what_is_missing(operator: Any, body: dict[str, Any]) -> None:
    case = await operator.open()
    answer = await operator.post(f"/v1/cases/{case}/refuse-acceptance", body)
    assert answer.status_code == 422 and answer.json()["code"] == "request.invalid"


@pytest.mark.usefixtures("with_receipts")
async def test_receipts_are_numbered_without_gaps_and_once_per_key(operator: Any) -> None:
    body = {"missing": [{"name": "паспорт"}]}
    case = await operator.open()
    first = await operator.post(f"/v1/cases/{case}/refuse-acceptance", body, "one")
    assert (await operator.post(f"/v1/cases/{case}/refuse-acceptance", body, "one")).json() == first.json()
    second = await operator.post(f"/v1/cases/{await operator.open()}/refuse-acceptance", body)
    assert second.json()["number"] == "2026-000002"


@pytest.mark.law(topic="survey", regulation="atyrau-housing-queue")
async def test_the_survey_asks_the_acts_own_questions_and_is_counted(world: Any, operator: Any, senior: Any) -> None:
    """Annex 3, clause 15 of act 427."""
    case = await operator.open()
    asked = (await operator.get(f"/v1/cases/{case}/survey")).json()
    assert asked["clause"] == "Приложение 3" and asked["answers"] is None
    names = [one["name"] for one in asked["questions"] if one["options_ru"]]
    assert names == ["quality_of_result", "quality_of_information"]
    answer = await operator.post(f"/v1/cases/{case}/survey", {"answers": SATISFIED})
    assert answer.status_code == 201 and answer.json()["answers"] == SATISFIED
    assert (await operator.get(f"/v1/cases/{case}/survey")).json()["answers"] == SATISFIED
    again = await operator.post(f"/v1/cases/{case}/survey", {"answers": SATISFIED})
    assert again.status_code == 409 and again.json()["code"] == "survey.answered_already"
    report = (await senior.get("/v1/surveys/report", regulation=REGULATION)).json()
    assert report["answered"] == 1
    assert report["counts"]["quality_of_result"] == {
        "не удовлетворен": 0,
        "частично удовлетворен": 0,
        "удовлетворен": 1,
    }
    assert (await operator.get("/v1/surveys/report", regulation=REGULATION)).json()["code"] == "staff.role_not_enough"


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"quality_of_result": "отлично"}, ("answers.quality_of_result", "not_allowed")),
        ({"quality_of_result": None}, ("answers.quality_of_result", "missing")),
        ({"service_name": "ұ" * 10_000}, ("answers.service_name", "too_long")),
        ({"service_name": 5}, ("answers.service_name", "wrong_type")),
        ({"mood": "good"}, ("answers.mood", "unknown")),
    ],
)
async def test_a_wrong_answer_is_named(operator: Any, change: dict[str, Any], wrong: tuple[str, str]) -> None:
    case = await operator.open()
    answer = await operator.post(f"/v1/cases/{case}/survey", {"answers": {**SATISFIED, **change}})
    assert answer.status_code == 422
    assert [(one["field"], one["code"]) for one in answer.json()["errors"]] == [wrong]
