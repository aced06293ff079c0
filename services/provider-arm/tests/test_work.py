"""The inbox of work: listing, taking, giving back, and who sees what."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Arm, Official

pytestmark = pytest.mark.service


async def listed(official: Official, **query: Any) -> list[dict[str, Any]]:
    answer = await official.get("/v1/tasks", **query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def problem(answer: Any) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["side"] and body["remedy"], body
    return answer.status_code, body["code"]


@pytest.mark.law(topic="interface", regulation="atyrau-housing-queue", clause="9 7)")
async def test_a_registered_application_is_an_open_task(arm: Arm) -> None:
    case, executor = await arm.submit(), await arm.appoint("executor")
    [task] = await listed(executor)
    assert (task["case"], task["kind"], task["state"]) == (case, "check_documents", "open")
    assert (task["number"], task["case_state"], task["verified"]) == ("26000000001", "registered", True)
    assert task["title_ru"].startswith("Постановка на учет")
    assert task["title_kk"].startswith("Мемлекеттік тұрғын үй")
    assert task["limit"] is None  # A4: the human check has no term of its own


async def test_a_list_never_shows_a_whole_iin(arm: Arm) -> None:
    await arm.submit()
    head = await arm.appoint("head", "executor", "authorised")
    for path in ("/v1/tasks", "/v1/cases"):
        answer = await head.get(path)
        assert arm.applicant not in answer.text
        assert answer.json()["items"][0]["applicant_iin"] == f"{arm.applicant[:4]}******{arm.applicant[-2:]}"


async def test_taking_a_task_tells_the_applicant_that_work_has_begun(arm: Arm) -> None:
    case, executor = await arm.submit(), await arm.appoint("executor")
    taken = await executor.take(case)
    assert taken.status_code == 200
    assert taken.json()["state"] == "under_consideration"
    assert taken.headers["etag"] == '"2"'
    _, status = await arm.outgoing(2)
    assert (status.type, status.step) == ("kz.egov.case.status.v1", "P6")
    assert status.data == {
        "number": "26000000001",
        "status": "under_consideration",
        "text_ru": "Заявление на рассмотрении",
        "text_kk": "Өтініш қаралуда",
        "version": 2,
        "at": "2026-01-15T04:00:00.000Z",
    }


async def test_taking_ones_own_task_again_changes_nothing(arm: Arm) -> None:
    case, executor = await arm.submit(), await arm.appoint("executor")
    first, second = await executor.take(case), await executor.take(case)
    assert second.status_code == 200
    assert second.json() == first.json()
    assert len(await arm.outgoing(2)) == 2


async def test_of_two_who_take_at_once_one_gets_it_and_the_other_learns_who_has(arm: Arm) -> None:
    case = await arm.submit()
    officials = [await arm.appoint("executor") for _ in range(2)]
    answers = await asyncio.gather(*(official.take(case) for official in officials))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    loser = next(answer for answer in answers if answer.status_code == 409)
    winner = officials[0] if answers[0].status_code == 200 else officials[1]
    assert problem(loser) == (409, "task.taken")
    name = (await winner.get("/v1/sessions/current")).json()["name"]
    assert (loser.json()["by"], loser.json()["at"]) == (name, "2026-01-15T04:00:00.000Z")
    assert len(await arm.outgoing(2)) == 2  # one status, not two


async def test_a_released_task_is_everybodys_again_and_the_applicant_is_not_told_twice(arm: Arm) -> None:
    case = await arm.submit()
    first, second = await arm.appoint("executor"), await arm.appoint("executor")
    await first.take(case)
    task = await first.task_of(case)
    released = await first.post(f"/v1/tasks/{task['id']}/release", {"reason": "отпуск"})
    assert released.json()["task_state"] == "open"
    assert (await second.take(case)).status_code == 200
    await arm.submit()
    assert [one.type.split(".")[3] for one in await arm.outgoing(3)] == ["registered", "status", "registered"]


async def test_releasing_an_open_task_is_no_mistake(arm: Arm) -> None:
    case, executor = await arm.submit(), await arm.appoint("executor")
    task = await executor.task_of(case)
    assert (await executor.post(f"/v1/tasks/{task['id']}/release", {})).json()["task_state"] == "open"


async def test_only_the_head_takes_work_back_from_others(arm: Arm) -> None:
    case = await arm.submit()
    holder, other, head = [await arm.appoint(role) for role in ("executor", "executor", "head")]
    await holder.take(case)
    path = f"/v1/tasks/{(await holder.task_of(case))['id']}/release"
    assert problem(await other.post(path, {})) == (409, "task.taken")
    assert (await head.post(path, {"reason": "болезнь"})).status_code == 200


async def test_a_clerk_sees_work_and_takes_none(arm: Arm) -> None:
    case, clerk = await arm.submit(), await arm.appoint("clerk")
    assert len(await listed(clerk)) == 1
    refused = await clerk.take(case)
    assert problem(refused) == (403, "staff.role_not_enough")
    assert refused.json()["needed"] == ["executor", "head"]


@pytest.mark.parametrize("place", [{"region": "semey"}, {"region": "atyrau", "provider": "another-department"}])
async def test_work_of_another_region_or_provider_does_not_exist(arm: Arm, place: dict[str, str]) -> None:
    case, here = await arm.submit(), await arm.appoint("executor")
    task = await here.task_of(case)
    stranger = await arm.appoint("executor", "head", "authorised", "clerk", **place)
    assert await listed(stranger) == []
    assert (await stranger.get("/v1/cases")).json()["items"] == []
    assert problem(await stranger.post(f"/v1/tasks/{task['id']}/take")) == (404, "task.unknown")
    assert problem(await stranger.post(f"/v1/tasks/{task['id']}/release", {})) == (404, "task.unknown")
    for path in (f"/v1/cases/{case}", f"/v1/cases/{case}/history"):
        assert problem(await stranger.get(path)) == (404, "provider.case_unknown")
    assert problem(await stranger.check(case)) == (404, "provider.case_unknown")


async def test_an_official_of_the_provider_sees_its_work(arm: Arm) -> None:
    await arm.submit()
    assert len(await listed(await arm.appoint("executor", provider="atyrau"))) == 1


async def test_a_task_nobody_knows(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    assert problem(await executor.post("/v1/tasks/nothing/take")) == (404, "task.unknown")


async def test_filters_narrow_the_list(arm: Arm) -> None:
    cases = [await arm.submit() for _ in range(3)]
    executor = await arm.appoint("executor")
    await executor.take(cases[1])
    assert [task["case"] for task in await listed(executor, mine=True)] == [cases[1]]
    assert [task["case"] for task in await listed(executor, state="open")] == [cases[0], cases[2]]
    assert len(await listed(executor, kind="check_documents")) == 3
    assert await listed(executor, kind="issue_result") == []
    assert await listed(executor, regulation="another") == []


async def test_what_is_done_leaves_the_list_unless_asked_for(arm: Arm) -> None:
    case, executor = await arm.submit(), await arm.appoint("executor")
    await executor.take(case)
    await executor.check(case, {"code": "documents.missing", "text": "Нет справки"})
    assert await listed(executor) == []
    assert [task["state"] for task in await listed(executor, state="done")] == ["done"]
    assert len(await listed(executor, state="all")) == 1


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "number", "-number"])
async def test_pages_cover_everything_once_in_either_direction(arm: Arm, sort: str) -> None:
    cases = []
    for _ in range(5):
        cases.append(await arm.submit())
        await arm.clock.advance(1)
    executor = await arm.appoint("executor")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": 2, "sort": sort} | ({"cursor": cursor} if cursor else {})
        page = (await executor.get("/v1/tasks", **query)).json()
        seen += [task["case"] for task in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == (cases[::-1] if sort.startswith("-") else cases)


@pytest.mark.parametrize("cursor", ["x", "e30", "WzEsMiwzXQ", "a" * 499, "ы"])
async def test_a_cursor_we_did_not_give_is_the_callers_mistake(arm: Arm, cursor: str) -> None:
    executor = await arm.appoint("executor")
    assert problem(await executor.get("/v1/tasks", cursor=cursor)) == (422, "request.invalid")


async def test_a_cursor_of_another_order_is_the_callers_mistake(arm: Arm) -> None:
    await arm.submit()
    await arm.submit()
    executor = await arm.appoint("executor")
    cursor = (await executor.get("/v1/tasks", limit=1)).json()["next"]
    answer = await executor.get("/v1/tasks", cursor=cursor, sort="number")
    assert problem(answer) == (422, "request.invalid")


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 201}, {"sort": "iin"}, {"state": "x"}, {"kind": "x"}, {"unknown": 1}]
)
async def test_a_query_the_list_does_not_know_is_named(arm: Arm, query: dict[str, Any]) -> None:
    executor = await arm.appoint("executor")
    answer = await executor.get("/v1/tasks", **query)
    assert problem(answer) == (422, "request.invalid")
    assert next(iter(query)) in answer.json()["errors"][0]["field"]


async def test_the_result_has_the_acts_term_and_the_head_sees_who_overran_it(arm: Arm) -> None:
    case = await arm.submit()
    executor, head = await arm.appoint("executor"), await arm.appoint("head")
    await executor.take(case)
    await executor.check(case)
    await arm.clock.advance(60)
    [task] = await listed(head)
    assert task["kind"] == "issue_result"
    assert task["limit"] == {
        "limit_s": 900,
        "term": None,
        "used_s": 60.0,
        "clause": "Приложение 1, таблица 1, 8",
        "due_at": "2026-01-15T04:15:00Z",
        "overdue": False,
    }
    assert await listed(head, overdue=True) == []
    await arm.clock.advance(900)
    [late] = await listed(head, overdue=True)
    assert late["limit"]["overdue"] is True
    assert problem(await executor.get("/v1/tasks", overdue=True)) == (403, "staff.role_not_enough")


async def test_a_stale_version_takes_nothing(arm: Arm) -> None:
    case, executor = await arm.submit(), await arm.appoint("executor")
    task = await executor.task_of(case)
    answer = await executor.post(f"/v1/tasks/{task['id']}/take", if_match='"7"')
    assert problem(answer) == (409, "decision.conflict")
    assert (await executor.post(f"/v1/tasks/{task['id']}/take", if_match='"1"')).status_code == 200


async def test_nobody_works_without_a_session(arm: Arm) -> None:
    for path in ("/v1/tasks", "/v1/cases", "/v1/reads", "/v1/incidents", "/v1/cases/x", "/v1/sessions/current"):
        assert problem(await arm.http.get(path)) == (401, "session.invalid")
