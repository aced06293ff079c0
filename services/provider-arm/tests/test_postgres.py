"""The races again where they are real: many connections of PostgreSQL instead of SQLite's one writer."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from provider_arm.store import cases

pytestmark = pytest.mark.connected


WHY = {"reason_ru": "Нужен запрос в архив", "reason_kk": "Мұрағатқа сұрау салу керек"}
ACT, REGION = "tayynsha-social-assistance", "tayynsha"  # an act with a term of its own


def problems(answers: Sequence[httpx.Response]) -> list[tuple[int, str | None]]:
    """Status and code of each, those that went well first."""
    found = [(answer.status_code, answer.json()["code"] if answer.is_error else None) for answer in answers]
    return sorted(found, key=lambda one: one[0])


async def test_numbers_stay_unique_without_gaps(starting: Any, postgres_url: str) -> None:
    async with starting(db_url=postgres_url) as arm:

        async def one() -> int:
            async with arm.ws.db.begin() as conn:
                return int(await cases.next_number(conn, "department"))

        assert sorted(await asyncio.gather(*(one() for _ in range(40)))) == list(range(1, 41))


async def test_of_two_who_take_or_decide_at_once_one_wins(starting: Any, postgres_url: str) -> None:
    async with starting(db_url=postgres_url) as arm:
        case = await arm.submit()
        officials = [await arm.appoint("executor", "authorised") for _ in range(3)]
        taken = await asyncio.gather(*(official.take(case) for official in officials))
        assert problems(taken) == [(200, None), *[(409, "task.taken")] * 2]
        winner = next(one for one, answer in zip(officials, taken, strict=True) if answer.status_code == 200)
        name = (await winner.get("/v1/sessions/current")).json()["name"]
        assert {answer.json()["by"] for answer in taken if answer.is_error} == {name}
        checked = await asyncio.gather(*(winner.check(case) for _ in range(3)))
        assert problems(checked) == [(200, None), *[(409, "decision.conflict")] * 2]
        prepared = await asyncio.gather(*(one.prepare(case, one.certificate()) for one in officials))
        assert sorted(answer.status_code for answer in prepared) == [200, 409, 409]
        assert [one.data["version"] for one in await arm.outgoing(2)] == [1, 2]


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        (("extend", {"working_days": 3, **WHY}), ("extend", {"working_days": 5, **WHY}), "decision.conflict"),
        (("pause", WHY), ("extend", {"working_days": 3, **WHY}), "decision.conflict"),
        (("pause", WHY), ("pause", WHY), "decision.conflict"),
    ],
)
async def test_of_two_heads_who_rule_one_term_at_once_one_is_told_who_was_quicker(
    starting: Any, postgres_url: str, first: Any, second: Any, code: str
) -> None:
    async with starting(db_url=postgres_url) as arm:
        case = await arm.lodge(ACT, REGION)
        heads = [await arm.appoint("head", region=REGION) for _ in range(2)]
        names = [(await head.get("/v1/sessions/current")).json()["name"] for head in heads]
        calls = zip(heads, (first, second), strict=True)
        answers = await asyncio.gather(
            *(head.post(f"/v1/cases/{case}/{path}", body, if_match='"1"') for head, (path, body) in calls)
        )
        assert problems(answers) == [(200, None), (409, code)]
        quicker = answers.index(next(answer for answer in answers if answer.is_success))
        late = answers[1 - quicker].json()
        assert (late["by"], late["version"], bool(late["remedy"])) == (names[quicker], 2, True)
        term = (await heads[0].get(f"/v1/cases/{case}")).json()["term"]
        assert len(term["extensions"]) + len(term["pauses"]) == 1
        assert [one.data["version"] for one in await arm.outgoing(2)] == [1, 2]


async def test_a_term_paused_twice_at_once_without_looking_is_paused_once(starting: Any, postgres_url: str) -> None:
    async with starting(db_url=postgres_url) as arm:
        case = await arm.lodge(ACT, REGION)
        heads = [await arm.appoint("head", region=REGION) for _ in range(2)]
        for path, body, code in (("pause", WHY, "term.already_paused"), ("resume", {}, "term.not_paused")):
            answers = await asyncio.gather(*(head.post(f"/v1/cases/{case}/{path}", body) for head in heads))
            assert problems(answers) == [(200, None), (409, code)]


async def test_of_two_members_who_speak_for_the_commission_at_once_one_is_heard(
    starting: Any, postgres_url: str
) -> None:
    async with starting(db_url=postgres_url) as arm:
        case = await arm.lodge("semey-housing-queue", "semey")
        members = [await arm.appoint("commission", region="semey") for _ in range(2)]
        said = {"positive": True, "text_ru": "Поставить на учёт", "text_kk": "Есепке қою"}
        answers = await asyncio.gather(*(one.post(f"/v1/cases/{case}/commission", said) for one in members))
        assert problems(answers) == [(200, None), (409, "decision.opinion_given")]


async def test_a_case_runs_to_its_result(starting: Any, postgres_url: str) -> None:
    async with starting(db_url=postgres_url) as arm:
        case, official = await arm.submit(), await arm.appoint("executor", "authorised", "head")
        await official.take(case)
        await official.check(case)
        key = official.certificate()
        document = base64.b64decode((await official.prepare(case, key)).json()["document"])
        answers = await asyncio.gather(*(official.issue(case, document, key) for _ in range(3)))
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
        assert len((await official.get("/v1/tasks", state="all", sort="-number")).json()["items"]) == 2
        await official.get(f"/v1/cases/{case}")
        assert len((await official.get("/v1/reads")).json()["items"]) == 1
        assert [one.step for one in await arm.outgoing(3)] == ["P6", "P6", "P8"]


async def test_an_account_wanted_many_times_at_once_is_made_once(starting: Any, postgres_url: str) -> None:
    async with starting(db_url=postgres_url) as arm:
        body = {
            "iin": arm.next_iin(),
            "name": "Сынақов",
            "password": arm.password,
            "roles": ["clerk"],
            "region": "atyrau",
            "office": "Бөлім",
        }
        headers = {"authorization": "Bearer administrator-of-the-test"}
        answers = await asyncio.gather(*(arm.http.post("/v1/staff", json=body, headers=headers) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
        wrong = {"iin": body["iin"], "password": "wrong"}
        await asyncio.gather(*(arm.http.post("/v1/sessions", json=wrong) for _ in range(6)))
        assert (await arm.http.post("/v1/sessions", json=wrong)).status_code == 429


async def test_a_case_of_the_own_channel_runs_from_login_to_number(starting: Any, postgres_url: str) -> None:
    async with starting(db_url=postgres_url) as arm:
        executor, head = await arm.appoint("executor"), await arm.appoint("head")
        case = await executor.open_own()
        await executor.enter(case)
        asked = await asyncio.gather(*(executor.post(f"/v1/own-cases/{case}/queries") for _ in range(3)))
        assert sorted(answer.status_code for answer in asked) == [202, 409, 409]
        [query] = await arm.outgoing(1)
        answer = arm.wire(arm.answer(query, arm.somebody()), arm.register)
        await arm.deliver(answer, answer)
        assert (await executor.scan(case)).status_code == 200
        key = executor.employee()
        document = base64.b64decode((await executor.fix(case, key)).json()["document"])
        answers = await asyncio.gather(*(executor.file(case, document, key) for _ in range(3)))
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
        [draft] = (await head.get("/v1/own-cases", state="registered")).json()["items"]
        assert (draft["id"], draft["number"]) == (case, "26000000001")
        assert [one.step for one in await arm.outgoing(2)] == ["P3", "P6"]
        assert arm.letters == []


async def test_desk_and_bus_register_at_once_and_neither_waits_for_ever(starting: Any, postgres_url: str) -> None:
    """Both need the next number and the journal: taken in different orders, they would end in a deadlock."""
    async with starting(db_url=postgres_url) as arm:
        ready = []
        for _ in range(6):
            executor = await arm.appoint("executor")
            case, key = await executor.known(), executor.employee()
            document = base64.b64decode((await executor.fix(case, key)).json()["document"])
            ready.append((executor, case, document, key))
        filed, _ = await asyncio.gather(
            asyncio.gather(*(one.file(case, document, key) for one, case, document, key in ready)),
            asyncio.gather(*(arm.submit() for _ in range(6))),
        )
        assert [answer.status_code for answer in filed] == [200] * 6
        head = await arm.appoint("head")
        tasks = (await head.get("/v1/tasks", limit="50")).json()["items"]
        assert len({task["number"] for task in tasks}) == 12 and arm.letters == []


async def test_no_data_on_postgres_leaves_neither_person_nor_problem(starting: Any, postgres_url: str) -> None:
    async with starting(db_url=postgres_url) as arm:
        executor = await arm.appoint("executor")
        case = await executor.open_own()
        await executor.enter(case)
        await arm.answered(await executor.ask(case))
        own = await executor.own(case)
        assert (own["state"], own["person"], own["queries"][0]["problem"]) == ("no_data", None, None)
