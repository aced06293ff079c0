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
