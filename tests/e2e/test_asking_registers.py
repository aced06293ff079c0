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
REPEATABLE = ("unusable", "refused", "waiting", "superseded")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def official(world: Deployment) -> Official:
    return await world.official(region=DESK.region)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def operator(world: Deployment) -> Operator:
    return await world.operator()


async def seen_by_shep(world: Deployment, case: str, code: str) -> None:
    """Until ШЭП's journal has refused something of this case with this code (an unauthenticated one has no case)."""
    deadline = world.clock.monotonic() + 30
    while not any(row.facts.get("code") == code for row in await case_rows(world, case)):
        assert world.clock.monotonic() < deadline, f"ШЭП has not refused anything with {code}"
        await world.clock.sleep(0.1)


async def last_query(clerk: Clerk, case: str) -> dict[str, Any]:
    return (await clerk.queries(case))[-1]


@pytest.mark.parametrize(
    ("kind", "code"),
    [("garbage", "data.invalid"), ("twice", "order.already_answered"), ("wrong_person", None)],
)
@pytest.mark.parametrize("side", ["desk", "counter"])
async def test_a_register_that_answers_wrongly_is_asked_again(
    world: Deployment, official: Official, operator: Operator, side: str, kind: str, code: str | None
) -> None:
    clerk, scenario = (official, DESK) if side == "desk" else (operator, COUNTER)
    case = await begun(world, clerk, scenario)
    async with bent(world, PERSONS, kind=kind, times=1):
        await clerk.ask(case)
        if code is not None:
            await seen_by_shep(world, case, code)
        if kind == "twice":
            await clerk.until(case, "data_checked")
            return
        if kind == "wrong_person":
            path = f"{clerk.drafts}/{case}/queries"
            await clerk.wait(path, "an unusable answer", lambda seen: seen["items"][-1]["state"] == "unusable")
    assert (await clerk.draft(case))["state"] == "data_requested"
    query = await last_query(clerk, case)
    assert query["state"] in REPEATABLE and query["why"]["kk"] and query["why"]["ru"]
    await clerk.ask(case)
    await clerk.until(case, "data_checked")


async def test_a_forged_answer_reaches_nobody(world: Deployment, operator: Operator) -> None:
    case = await begun(world, operator, COUNTER)
    async with bent(world, PERSONS, kind="wrong_signature", times=1):
        await operator.ask(case)
        await said(world, PERSONS, case)
    assert (await operator.draft(case))["state"] == "data_requested"
    await operator.ask(case)
    await operator.until(case, "data_checked")


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
    assert [one["register"] for one in await operator.queries(case)] == [PERSONS]


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
