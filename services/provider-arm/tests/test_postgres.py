"""The races again where they are real: many connections of PostgreSQL instead of SQLite's one writer."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from provider_arm.store import cases

pytestmark = pytest.mark.connected


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
        assert sorted(answer.status_code for answer in taken) == [200, 409, 409]
        winner = next(one for one, answer in zip(officials, taken, strict=True) if answer.status_code == 200)
        checked = await asyncio.gather(*(winner.check(case) for _ in range(3)))
        assert sorted(answer.status_code for answer in checked) == [200, 409, 409]
        prepared = await asyncio.gather(*(one.prepare(case, one.certificate()) for one in officials))
        assert sorted(answer.status_code for answer in prepared) == [200, 409, 409]
        assert [one.data["version"] for one in await arm.outgoing(2)] == [1, 2]


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


async def test_no_data_on_postgres_leaves_neither_person_nor_problem(starting: Any, postgres_url: str) -> None:
    async with starting(db_url=postgres_url) as arm:
        executor = await arm.appoint("executor")
        case = await executor.open_own()
        await executor.enter(case)
        await arm.answered(await executor.ask(case))
        own = await executor.own(case)
        assert (own["state"], own["person"], own["queries"][0]["problem"]) == ("no_data", None, None)
