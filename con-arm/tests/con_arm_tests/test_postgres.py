"""The same workstation on PostgreSQL: what SQLite forgives."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from con_arm.settings import Settings

from .conftest import attorney, person
from .test_offices import CARRIED, NAMED_ONLY, PAPERS, use

pytestmark = pytest.mark.connected


@pytest.fixture
def settings(settings: Settings, postgres_url: str) -> Settings:
    return settings.model_copy(update={"db_url": postgres_url})


async def test_an_application_goes_its_way_on_postgresql(world: Any, operator: Any) -> None:
    iin, representative = world.iin(), world.represented()
    provider = await operator.completed(iin, representative)
    assert (await operator.page(provider.case))["state"] == "completed"
    assert (await operator.record(provider.case, "representative", representative["iin"])).status_code == 200


@pytest.mark.usefixtures("with_receipts")
async def test_receipts_intakes_and_couriers_are_kept_on_postgresql(world: Any, operator: Any) -> None:
    case = await operator.open()
    body = {"missing": [{"name": "Жеке куәлік"}]}
    assert (await operator.post(f"/v1/cases/{case}/refuse-acceptance", body)).status_code == 200
    intake = {"regulation": NAMED_ONLY.code, "iin": world.iin(), "papers": PAPERS}
    taken = await operator.post("/v1/intakes", intake)
    assert taken.status_code == 201 and (await operator.get("/v1/intakes")).json()["items"] == [taken.json()]
    use(world, CARRIED)
    branch = await world.hire("batyr", branch=True)
    path = f"/v1/cases/{(await branch.send()).subject}/courier"
    assert (await branch.post(f"{path}/dispatch")).status_code == 200
    assert (await branch.post(f"{path}/arrive")).json()["state"] == "arrived"


async def test_two_answers_at_once_meet_the_condition_once(world: Any, operator: Any) -> None:
    """Each sees its own transaction: the case's row lock makes the second one see the first."""
    iin, representative = world.iin(), world.represented()
    persons, attorneys = await operator.asked(iin, representative)
    await asyncio.gather(
        world.shep.answer(persons, person(iin)),
        world.shep.answer(attorneys, attorney(iin, representative["iin"])),
    )
    page = await operator.page(persons.subject)
    assert page["state"] == "data_checked"
    assert [one["event"] for one in await operator.history(persons.subject)].count("step.ok") == 1


async def test_tickets_taken_at_once_have_numbers_of_their_own(operator: Any) -> None:
    answers = await asyncio.gather(*(operator.post("/v1/tickets", {}) for _ in range(8)))
    assert sorted(one.json()["number"] for one in answers) == list(range(1, 9))


async def test_two_windows_that_call_one_ticket_both_see_who_called_last(world: Any, operator: Any) -> None:
    one = (await operator.post("/v1/tickets", {})).json()
    colleague = await world.hire("colleague")
    answers = await asyncio.gather(*(who.post(f"/v1/tickets/{one['id']}/call") for who in (operator, colleague)))
    assert [answer.status_code for answer in answers] == [200, 200]
    [kept] = (await operator.get("/v1/tickets")).json()["items"]
    assert kept["operator"] in (operator.id, colleague.id)
