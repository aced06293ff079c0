"""The survey of the act's Приложение 3: asked at the end, once, counted without persons (cl. 15, E10)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from egovkit.contracts import contracts_dir, read_once
from egovkit.journal import read_rows
from egovkit.testing.journal import BODIES
from egovlaw.loader import load_catalogue
from egovorigin.testing import REGULATION
from portal_pep.domain.surveys import GROUP, MAY_CHANGE, problems, published, questions, survey_form
from portal_pep.store import surveys as store
from portal_pep.store.surveys import Survey
from portal_pep.tables import kit, surveys

pytestmark = pytest.mark.service

GOOD = {"quality_of_result": 3, "quality_of_information": 2}


@pytest.fixture
async def completed(sent: Any) -> str:
    _, provider = sent
    await provider.say("case.completed", 2)
    return str(provider.case)


async def answer(citizen: Any, case: str, answers: Any = GOOD, key: str | None = None) -> Any:
    return await citizen.post(f"/v1/cases/{case}/survey", {"answers": answers}, key)


async def counted(world: Any) -> tuple[int, dict[tuple[str, int], int]]:
    """Read by nobody in particular."""
    found = (await world.http.get(f"/v1/surveys/{REGULATION}")).json()
    counts = {
        (one["name"], option["number"]): option["count"] for one in found["questions"] for option in one["options"]
    }
    return found["people"], counts


def test_the_rules_name_everything_wrong_with_the_answers() -> None:
    regulation = read_once(load_catalogue, contracts_dir()).regulation(REGULATION)
    assert regulation is not None
    form = survey_form(regulation)
    assert form is not None
    asked = questions(form)
    assert [one.name for one in asked] == list(GOOD)
    assert problems(asked, GOOD) == [] and problems(asked, {"quality_of_result": 1}) == []
    wrong = problems(asked, {"quality_of_result": 0, "quality_of_information": 4, "other": 1})
    assert {(one.question, one.code) for one in wrong} == {
        ("quality_of_result", "not_allowed"), ("quality_of_information", "not_allowed"), ("other", "unknown"),
    }  # fmt: skip
    assert [one.code for one in problems(asked, {})] == ["missing"]


@pytest.mark.parametrize(("people", "told"), [(0, 0), (4, 0), (5, 5), (9, 5), (10, 10), (1004, 1000)])
def test_answers_are_told_in_whole_groups(people: int, told: int) -> None:
    assert GROUP == 5 and published(people) == told


async def test_the_form_is_shown_as_data_in_both_languages(citizen: Any, completed: str) -> None:
    found = (await citizen.get(f"/v1/cases/{completed}/survey")).json()
    assert found["clause"] == "Приложение 3" and found["may_answer"] is True and found["given"] is None
    assert found["service"]["ru"].startswith("Постановка на учет") and found["title"]["kk_status"] == "translated"
    first, second = found["questions"]
    assert first["text"]["ru"].startswith("Удовлетворены ли Вы качеством процесса")
    assert first["text"]["kk"].startswith("Сіз электрондық мемлекеттік қызметті")
    for question in (first, second):
        assert [(one["number"], one["ru"]) for one in question["options"]] == [
            (1, "не удовлетворен"), (2, "частично удовлетворен"), (3, "удовлетворен"),
        ]  # fmt: skip
        assert [one["kk"] for one in question["options"]][2] == "қанағаттанамын"
        assert {one["kk_status"] for one in question["options"]} == {"translated"}


@pytest.mark.parametrize("message", ["case.completed", "case.refused"])
@pytest.mark.law(topic="survey")
async def test_it_is_answered_when_the_case_has_ended(citizen: Any, sent: Any, message: str) -> None:
    _, provider = sent
    await provider.say("case.registered", 1)
    early = await answer(citizen, provider.case)
    assert (early.status_code, early.json()["code"]) == (409, "survey.too_early")
    assert (await citizen.get(f"/v1/cases/{provider.case}/survey")).json()["may_answer"] is False
    await provider.say(message, 2)
    done = await answer(citizen, provider.case)
    assert done.status_code == 200 and done.json()["given"]["answers"] == GOOD
    assert (await citizen.get(f"/v1/cases/{provider.case}/survey")).json() == done.json()


async def test_who_got_no_service_at_all_is_not_asked(world: Any, citizen: Any, sent: Any) -> None:
    envelope, _ = sent
    await world.shep.refuse(envelope, "order.case_ended")
    assert (await answer(citizen, envelope.subject)).json()["code"] == "survey.too_early"


async def test_an_answer_may_be_changed_for_a_day_and_then_it_counts(world: Any, citizen: Any, completed: str) -> None:
    first = (await answer(citizen, completed)).json()["given"]
    given_at = datetime.fromisoformat(first["given_at"])
    assert datetime.fromisoformat(first["may_change_until"]) == given_at + MAY_CHANGE
    await world.clock.advance(MAY_CHANGE - timedelta(minutes=1))
    await citizen.log_in()
    changed = (await answer(citizen, completed, {"quality_of_result": 1})).json()["given"]
    assert changed["answers"] == {"quality_of_result": 1} and changed["given_at"] == first["given_at"]
    assert changed["may_change_until"] == first["may_change_until"], "changing does not buy another day"
    await world.clock.advance(timedelta(minutes=1))
    late = await answer(citizen, completed)
    assert (late.status_code, late.json()["code"]) == (409, "survey.settled")
    found = (await citizen.get(f"/v1/cases/{completed}/survey")).json()
    assert found["may_answer"] is False and found["given"]["answers"] == {"quality_of_result": 1}


@pytest.mark.parametrize(
    ("answers", "field", "code"),
    [
        ({"quality_of_result": 4}, "answers.quality_of_result", "not_allowed"),
        ({"service_name": 1}, "answers.service_name", "unknown"),
        ({"ж" * 5000: 1}, "answers." + "ж" * 60, "unknown"),
        ({"quality_of_result": 2**52}, "answers.quality_of_result", "not_allowed"),
        ({}, "answers", "missing"),
    ],
)
async def test_a_wrong_answer_names_its_question(
    citizen: Any, completed: str, answers: Any, field: str, code: str
) -> None:
    refused = await answer(citizen, completed, answers)
    assert (refused.status_code, refused.json()["code"]) == (422, "survey.invalid")
    assert [(one["field"], one["code"]) for one in refused.json()["errors"]] == [(field, code)]
    assert (await citizen.get(f"/v1/cases/{completed}/survey")).json()["given"] is None


@pytest.mark.parametrize("answers", [{"quality_of_result": "3"}, {"quality_of_result": True}, [3], None])
async def test_answers_of_another_type_are_refused(citizen: Any, completed: str, answers: Any) -> None:
    assert (await answer(citizen, completed, answers)).json()["code"] == "request.invalid"


async def test_the_same_call_twice_answers_once(world: Any, citizen: Any, completed: str) -> None:
    first = await answer(citizen, completed, key="survey-1")
    again = await answer(citizen, completed, key="survey-1")
    assert again.json() == first.json() and again.headers["idempotency-replayed"] == "true"
    assert [one["event"] for one in await citizen.history(completed)].count("survey_answered") == 1
    headers = {"authorization": f"Bearer {citizen.token}"}
    keyless = await world.http.post(f"/v1/cases/{completed}/survey", headers=headers, json={"answers": GOOD})
    assert keyless.json()["code"] == "idempotency.key_missing"


async def test_that_it_was_answered_is_journalled_and_what_was_answered_is_not(
    world: Any, citizen: Any, completed: str
) -> None:
    await answer(citizen, completed)
    await answer(citizen, completed, {"quality_of_result": 2})
    async with world.app.state.node.db.read() as conn:
        rows = [row.facts for row in await read_rows(conn, kit.journal, bodies=BODIES, case_id=completed)][-2:]
    assert [row["action"] for row in rows] == ["survey_answered", "survey_changed"]
    assert not any("quality" in str(row) for row in rows)


async def test_another_persons_case_is_not_there(world: Any, completed: str) -> None:
    stranger = await world.citizen().arrive()
    assert (await stranger.get(f"/v1/cases/{completed}/survey")).json()["code"] == "case.not_found"
    assert (await answer(stranger, completed)).json()["code"] == "case.not_found"


# --- the counts ---------------------------------------------------------------------------------------------------
async def people_answer(world: Any, count: int, option: int = 3) -> None:
    """So many others have answered now."""
    now = world.clock.now()
    async with world.app.state.node.db.begin() as conn:
        for _ in range(count):
            given = Survey(world.app.state.node.ids.new(), REGULATION, 1, now, now)
            await store.put(conn, given, {"quality_of_result": option}, first=True)


async def test_fewer_than_a_group_are_not_counted(world: Any) -> None:
    await people_answer(world, GROUP - 1)
    await world.clock.advance(MAY_CHANGE)
    people, counts = await counted(world)
    assert people == 0 and set(counts.values()) == {0}


@pytest.mark.law(topic="survey")
async def test_answers_are_counted_by_question_and_option_once_they_have_settled(
    world: Any, citizen: Any, completed: str
) -> None:
    await answer(citizen, completed)
    await people_answer(world, 3, option=3)
    await people_answer(world, 1, option=1)
    assert (await counted(world))[0] == 0, "they may still change"
    await world.clock.advance(MAY_CHANGE)
    people, counts = await counted(world)
    assert people == 5
    assert counts == {
        ("quality_of_result", 1): 1, ("quality_of_result", 2): 0, ("quality_of_result", 3): 4,
        ("quality_of_information", 1): 0, ("quality_of_information", 2): 1, ("quality_of_information", 3): 0,
    }  # fmt: skip


async def test_one_more_answer_changes_no_count(world: Any) -> None:
    await people_answer(world, GROUP)
    await world.clock.advance(MAY_CHANGE)
    before = await counted(world)
    for _ in range(GROUP - 1):
        await people_answer(world, 1, option=1)
        await world.clock.advance(MAY_CHANGE)
        assert await counted(world) == before
    await people_answer(world, 1, option=1)
    await world.clock.advance(MAY_CHANGE)
    people, counts = await counted(world)
    assert people == 2 * GROUP and counts["quality_of_result", 1] == GROUP == counts["quality_of_result", 3]


async def test_the_counts_name_nobody_and_are_for_everybody(world: Any, citizen: Any, completed: str) -> None:
    await answer(citizen, completed)
    await people_answer(world, 9)
    await world.clock.advance(MAY_CHANGE)
    shown = await world.http.get(f"/v1/surveys/{REGULATION}")
    assert shown.status_code == 200 and completed not in shown.text and citizen.iin not in shown.text
    found = shown.json()
    assert (found["people"], found["group"], found["settles_after_s"]) == (10, 5, 86400)
    assert found["clause"] == "Приложение 3" and found["service"]["kk"]
    async with world.app.state.node.db.read() as conn:
        assert len((await conn.execute(select(surveys))).all()) == 10


async def test_a_service_that_is_not_there_has_no_counts(world: Any) -> None:
    assert (await world.http.get("/v1/surveys/no-such-service")).json()["code"] == "service.not_found"
