"""Registers that answer as they should not, seen from counter and desk: never a refusal of the person (E1)."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from sandbox.composition import ATTORNEYS, PERSONS
from sandbox.sabotage import case_rows
from sandbox.staff import Clerk, Official, Operator
from sandbox.world import Deployment

from .problems import problem
from .registers import COUNTER, DESK, begun, bent, said

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def official(world: Deployment) -> Official:
    return await world.official(region=DESK.region)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def operator(world: Deployment) -> Operator:
    return await world.operator()


async def refused_at_shep(world: Deployment, case: str, code: str) -> None:
    """Until ШЭП's journal has a refusal of something of this case with this code."""
    deadline = world.clock.monotonic() + 30
    while not any(row.facts.get("code") == code for row in await case_rows(world, case)):
        assert world.clock.monotonic() < deadline, f"ШЭП has not refused anything with {code}"
        await world.clock.sleep(0.1)


async def last_query(clerk: Clerk, case: str) -> dict[str, Any]:
    return (await clerk.queries(case))[-1]


@pytest.mark.parametrize("side", ["desk", "counter"])
@pytest.mark.parametrize(("kind", "code"), [("garbage", "data.invalid"), ("wrong_signature", "signature.invalid")])
async def test_an_answer_that_is_none_reaches_nobody(
    world: Deployment, official: Official, operator: Operator, side: str, kind: str, code: str
) -> None:
    """ШЭП keeps it back; the question stands until its time is up."""
    clerk, scenario = (official, DESK) if side == "desk" else (operator, COUNTER)
    case = await begun(world, clerk, scenario)
    async with bent(world, PERSONS, kind=kind, times=1):
        await clerk.ask(case)
        await refused_at_shep(world, case, code)
    assert (await clerk.draft(case))["state"] == "data_requested"
    query = await last_query(clerk, case)
    assert query["state"] == "waiting" and query["why"]["kk"] and query["why"]["ru"]


@pytest.mark.parametrize("side", ["desk", "counter"])
async def test_an_answer_about_somebody_else_is_not_used_and_the_question_may_be_repeated(
    world: Deployment, official: Official, operator: Operator, side: str
) -> None:
    clerk, scenario = (official, DESK) if side == "desk" else (operator, COUNTER)
    case = await begun(world, clerk, scenario)
    async with bent(world, PERSONS, kind="wrong_person", times=1):
        await clerk.ask(case)
        path = f"{clerk.drafts}/{case}/queries"
        await clerk.wait(path, "an unusable answer", lambda seen: seen["items"][-1]["state"] == "unusable")
    assert (await clerk.draft(case))["state"] == "data_requested"
    await clerk.ask(case)
    await clerk.until(case, "data_checked")


@pytest.mark.parametrize("side", ["desk", "counter"])
async def test_a_second_answer_to_one_question_is_refused_to_the_register(
    world: Deployment, official: Official, operator: Operator, side: str
) -> None:
    clerk, scenario = (official, DESK) if side == "desk" else (operator, COUNTER)
    case = await begun(world, clerk, scenario)
    async with bent(world, PERSONS, kind="twice", times=1):
        await clerk.ask(case)
        await refused_at_shep(world, case, "order.already_answered")
    await clerk.until(case, "data_checked")


async def test_a_register_that_is_down_takes_the_question_when_it_is_up_again(
    world: Deployment, operator: Operator
) -> None:
    case = await begun(world, operator, COUNTER)
    async with bent(world, PERSONS, kind="down"):
        await operator.ask(case)
        assert (await last_query(operator, case))["state"] == "waiting"
    await operator.until(case, "data_checked")


async def test_the_register_knows_who_read_and_why(world: Deployment, operator: Operator) -> None:
    case = await begun(world, operator, COUNTER)
    await operator.ask(case)
    await operator.until(case, "data_checked")
    read = await said(world, PERSONS, case)
    assert (read["source"], read["clause"], read["found"]) == ("con-arm", "8 3)", 1)
    assert read["purpose_ru"] and read["official"]


async def test_the_notaries_are_asked_only_about_a_notarised_power_of_attorney(
    world: Deployment, operator: Operator
) -> None:
    attorney = await world.example(ATTORNEYS, "valid")
    case = await operator.open(COUNTER.regulation)
    other = {"iin": attorney["representative_iin"], "attorney": {"certified": "other", "note": "начальник госпиталя"}}
    body = {"iin": attorney["principal_iin"], "representative": other}
    await operator.call("PUT", f"/v1/cases/{case}/consumer", json=body)
    await operator.ask(case)
    await operator.until(case, "data_checked")
    assert [one["register"] for one in await operator.queries(case)] == ["person"]


@pytest.mark.parametrize("example", ["deceased", "underage", "foreign", "missing", "incapable"])
async def test_what_the_register_knows_of_a_person_is_a_fact_and_no_refusal(
    world: Deployment, operator: Operator, example: str
) -> None:
    """E2."""
    case = await begun(world, operator, COUNTER, example)
    await operator.ask(case)
    seen = await operator.until(case, "data_checked")
    assert any(example in fact["code"] and fact["kk"] and fact["ru"] for fact in seen["facts"]), seen["facts"]


@pytest.mark.parametrize("example", ["without_address", "two_documents"])
async def test_an_unusual_person_is_no_obstacle(world: Deployment, operator: Operator, example: str) -> None:
    case = await begun(world, operator, COUNTER, example)
    await operator.ask(case)
    await operator.until(case, "data_checked")


@pytest.mark.parametrize("iin", ["991231600013", "990230600018", "12345678901", "99123160001a"])
async def test_a_number_that_is_no_iin_is_refused_at_once(operator: Operator, official: Official, iin: str) -> None:
    for clerk, scenario in ((operator, COUNTER), (official, DESK)):
        case = await clerk.open(scenario.regulation)
        answered = await clerk.send("PUT", f"{clerk.drafts}/{case}/consumer", json={"iin": iin})
        found = answered.json()
        assert answered.status_code == 422 and found["remedy"], found


@pytest.mark.parametrize("example", ["expired", "revoked", "other_principal"])
async def test_a_power_of_attorney_that_is_no_good_ends_with_process_4(
    world: Deployment, operator: Operator, example: str
) -> None:
    attorney = await world.example(ATTORNEYS, example)
    case = await operator.open(COUNTER.regulation)
    principal = attorney["principal_iin"] if example != "other_principal" else await world.example(PERSONS, "principal")
    await operator.enter_consumer(case, principal, attorney)
    await operator.ask(case)
    await operator.until(case, "no_data")


async def test_a_scan_that_is_not_what_its_name_says_is_refused(world: Deployment, operator: Operator) -> None:
    case = await begun(world, operator, COUNTER)
    await operator.ask(case)
    await operator.until(case, "data_checked")
    path = f"/v1/cases/{case}/attachments/spravka.pdf"
    answered = await operator.send(
        "PUT", path, content=b"MZ\x90\x00 no pdf", headers={"Content-Type": "application/pdf"}
    )
    assert answered.status_code in (415, 422) and answered.json()["remedy"]


async def test_an_official_without_the_role_does_not_work_at_the_desk(world: Deployment) -> None:
    clerk = await world.official(region=DESK.region, roles=("clerk",))
    answered = await clerk.send("POST", "/v1/own-cases", json={"regulation": DESK.regulation})
    assert problem(answered, answered.json()["code"])["status"] == 403
