"""Flows unlike the common one, from outside and to their ends: signed before the check, without a registration of their
own, and the State Corporation's counter with both things it hands over. The acts are found in the catalogue."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from egovkit.contracts import contracts_dir
from egovlaw.catalogue import Channel, Regulation
from egovlaw.identifiers import synthetic_iin
from egovlaw.loader import load_catalogue
from sandbox.people import Citizen
from sandbox.replay.scenario import ResultText
from sandbox.staff import Official
from sandbox.world import Deployment

FAMILY = 40  # an ordinary grown-up of the person register's seed

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("world", ["embedded"], indirect=True),
]


@functools.cache
def acts() -> tuple[Regulation, ...]:
    return load_catalogue(contracts_dir()).regulations


def kinds(channel: Channel) -> set[str]:
    return {item.kind.name for item in channel.flow}


SIGNED_FIRST = [
    one for one in acts() if "portal" in one.channels and "send_and_process" in kinds(one.channels["portal"])
]
UNREGISTERED = [
    one
    for one in acts()
    if "portal" in one.channels
    and "sign_and_send" in kinds(one.channels["portal"])
    and "register" not in kinds(one.channels["portal"])
]
COUNTER = [one for one in acts() for channel in one.channels.values() if "visit" in kinds(channel) - {"verify_login"}
           and channel.origin_kind == "centre"]  # fmt: skip
codes = functools.partial(map, lambda one: one.code)


def text(outcome: str = "positive") -> ResultText:
    return ResultText(ru="Ответ (образец).", kk="Жауап (үлгі).", values={}, outcome=outcome)


async def to_the_end(official: Official, case: str, outcome: str) -> None:
    """Every step of the provider's own procedure, and the result where the act has no procedure."""
    while True:
        await official.take(case)
        task = await official.find(case)
        if task.get("internal") is None:
            await official.issue_result(case, text(outcome))
            return
        await official.finish(task, text(outcome))
        if (await official.call("GET", f"/v1/cases/{case}"))["state"] != "awaiting_result":
            return


async def settled(world: Deployment) -> Citizen:
    citizen = await world.citizen()
    await citizen.settle_in()
    return citizen


@pytest.mark.parametrize("outcome", ["positive", "negative"])
@pytest.mark.parametrize("act", SIGNED_FIRST, ids=codes(SIGNED_FIRST))
async def test_an_application_signed_before_the_check_comes_to_either_answer(
    world: Deployment, act: Regulation, outcome: str
) -> None:
    citizen, official = await settled(world), await world.official(region=act.region)
    case = await citizen.apply(act.code, {})
    number = (await citizen.until(case, "registered"))["number"]
    await official.take(case)
    commission = act.settings.get("commission")
    if commission is not None and commission.value == "required":
        await official.give_opinion(case, positive=outcome == "positive", text="Қорытынды")
    if outcome == "positive":
        await official.check(case, "ok")
    else:
        await official.check(case, "violations", [{"code": "documents.incomplete", "text": "Нет / Жоқ"}])
    await to_the_end(official, case, outcome)
    page = await citizen.until(case, "completed")
    assert page["number"] == number and page["status"]["outcome"] == outcome
    result = await citizen.call("GET", f"/v1/cases/{case}/result")
    assert result["kind"] == ("result" if outcome == "positive" else "refusal") and result["signature"]


@pytest.mark.parametrize("act", UNREGISTERED, ids=codes(UNREGISTERED))
async def test_an_application_without_a_registration_of_its_own_has_a_number_and_a_result(
    world: Deployment, act: Regulation
) -> None:
    citizen, official = await settled(world), await world.official(region=act.region)
    case = await citizen.apply(act.code, {})
    assert (await citizen.until(case, "registered"))["number"]
    await official.take(case)
    await official.check(case, "ok")
    await to_the_end(official, case, "positive")
    assert (await citizen.until(case, "completed"))["status"]["outcome"] == "positive"


async def counter(world: Deployment, act: Regulation) -> tuple[Any, Official, str, str]:
    """An application sent from the Corporation's counter: operator, official, case, consumer."""
    operator = await world.operator(centre=f"{act.region}-1", office={"region": act.region})
    official = await world.official(region=act.region)
    iin = synthetic_iin(FAMILY)
    case = await operator.apply(act.code, iin, {})
    await operator.until(case, "registered")
    await official.take(case)
    return operator, official, case, iin


async def test_the_corporation_hands_over_what_the_internal_procedure_decided(world: Deployment) -> None:
    operator, official, case, iin = await counter(world, COUNTER[0])
    await official.check(case, "ok")
    await to_the_end(official, case, "positive")
    await operator.until(case, "completed")
    await operator.hand_over(case, iin)
    page = await operator.until(case, "handed_over")
    seen = {one["type"] + one["step"]: one for one in page["progress"]}
    assert seen["preconditionpre1"]["outcome"] == "done" and page["status"]["outcome"] == "positive"
    await official.wait(f"/v1/cases/{case}", "hand-over", lambda found: found["state"] == "handed_over")


async def test_the_corporation_hands_over_the_providers_refusal(world: Deployment) -> None:
    operator, official, case, iin = await counter(world, COUNTER[0])
    await official.check(case, "violations", [{"code": "documents.incomplete", "text": "Нет / Жоқ"}])
    page = await operator.until(case, "refused")
    assert not page["status"]["ended"] and page["may_hand_over"]
    await operator.hand_over(case, iin)
    assert (await operator.until(case, "handed_over"))["status"]["ended"]
    await official.wait(f"/v1/cases/{case}", "hand-over", lambda found: found["state"] == "handed_over")
