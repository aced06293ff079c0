"""A citizen sees at the portal who read his data in which register, and what is not known."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from sandbox.bootstrap import bearer
from sandbox.composition import ATTORNEYS, CENTRE, PERSONS, PROVIDER, REGISTERS
from sandbox.people import Citizen
from sandbox.staff import Clerk, Official, Operator
from sandbox.world import Deployment

from .registers import COUNTER, DESK, bent

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def official(world: Deployment) -> Official:
    return await world.official(region=DESK.region)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def operator(world: Deployment) -> Operator:
    return await world.operator()


async def read_at(clerk: Clerk, regulation: str, iin: str) -> str:
    """Ask the registers about this person; the case."""
    case = await clerk.open(regulation)
    await clerk.enter_consumer(case, iin)
    await clerk.ask(case)
    path = f"{clerk.drafts}/{case}/queries"
    await clerk.wait(path, "answers", lambda seen: all(one["state"] != "waiting" for one in seen["items"]))
    return case


async def citizen_of(world: Deployment, **more: Any) -> Citizen:
    citizen = await world.citizen(**more)
    await citizen.settle_in()
    return citizen


def states(seen: dict[str, Any]) -> dict[str, str]:
    return {one["holder"]["code"]: one["state"] for one in seen["registers"]}


async def test_a_citizen_sees_who_read_his_data_for_what_and_by_which_clause(
    world: Deployment, official: Official, operator: Operator
) -> None:
    citizen = await citizen_of(world)
    counter = await read_at(operator, COUNTER.regulation, citizen.iin)
    desk = await read_at(official, DESK.regulation, citizen.iin)
    looked = f"{world.url(PERSONS)}/v1/persons?iin={citizen.iin}"
    assert (await world.http.get(looked, headers=bearer(world.admin_token(PERSONS)))).is_success
    seen = await citizen.who_read_my_data()
    assert states(seen) == {ATTORNEYS: "answered", PERSONS: "answered", REGISTERS: "answered"}
    by_person = [one for one in seen["items"] if one["holder"]["code"] == PERSONS]
    found = {(one["requester"]["code"], one["case"]): one for one in by_person}
    assert {(CENTRE, counter), (PROVIDER, desk)} <= found.keys()
    read = found[CENTRE, counter]
    assert read["service"]["regulation"] == COUNTER.regulation
    assert read["purpose_ru"] and read["requester"]["name_kk"] and read["requester"]["official"]
    assert read["ground"]["clause"] and read["ground"]["text_ru"] and read["ground"]["act_number"]
    assert all(read["text"][lang] for lang in ("kk", "ru", "en"))
    shown = [one["requester"]["official"] for one in by_person if one["outcome"] == "shown"]
    assert shown == ["administrator"], "an administrator of the register is seen as well"


async def test_he_sees_only_his_own_and_nothing_before_his_signature_has_shown_who_he_is(
    world: Deployment, operator: Operator
) -> None:
    one, other = await citizen_of(world), await citizen_of(world)
    case = await read_at(operator, COUNTER.regulation, one.iin)
    assert case not in {read["case"] for read in (await other.who_read_my_data())["items"]}
    assert case in {read["case"] for read in (await one.who_read_my_data())["items"]}
    stranger = await world.citizen()
    await stranger.register()
    await stranger.log_in()
    answered = await stranger.send("GET", "/v1/data-reads")
    assert (answered.status_code, answered.json()["code"]) == (403, "account.not_confirmed")


async def test_a_register_that_is_down_is_named_and_the_others_reads_are_shown(
    world: Deployment, operator: Operator
) -> None:
    citizen = await citizen_of(world)
    case = await read_at(operator, COUNTER.regulation, citizen.iin)
    async with bent(world, ATTORNEYS, kind="down"):
        seen = await citizen.who_read_my_data(silent=[ATTORNEYS])
        assert states(seen) == {ATTORNEYS: "waiting", PERSONS: "answered", REGISTERS: "answered"}
        assert case in {read["case"] for read in seen["items"]}
    seen = await citizen.wait("/v1/data-reads", "the late register", lambda now: states(now)[ATTORNEYS] == "answered")
    assert case in {read["case"] for read in seen["items"]}
