"""A place in the queue, from the application that asks for it to the applicant who sees it move."""

from __future__ import annotations

from typing import Any

import pytest

from egovkit.contracts import contracts_dir, read_once
from egovkit.sandbox.clock import PATH, QUESTION
from egovlaw.catalogue import Regulation
from egovlaw.loader import load_catalogue
from sandbox.bootstrap import answer, bearer
from sandbox.composition import PORTAL, REGISTERS
from sandbox.people import Citizen
from sandbox.replay.scenario import ResultText
from sandbox.world import Deployment

from .registers import bent

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


def followed() -> list[Regulation]:
    """The acts whose applicant may ask where he stands."""
    return [
        one
        for one in read_once(load_catalogue, contracts_dir()).regulations
        if "portal" in one.channels
        and any((s.type, s.sender) == ("query.register", "origin") for s in one.channels["portal"].side_messages)
    ]


async def told(citizen: Citizen, case: str) -> dict[str, Any]:
    """His place, asked for now."""
    path = f"/v1/cases/{case}/queue-position"
    asked = await citizen.call("POST", path)

    def there(seen: dict[str, Any]) -> bool:
        return seen["question"]["asked_at"] == asked["question"]["asked_at"] and seen["question"]["state"] == "answered"

    seen: dict[str, Any] = await citizen.wait(path, "the place in the queue", there)
    place: dict[str, Any] = seen["place"]
    return place


@pytest.mark.parametrize("act", followed(), ids=lambda one: one.code)
async def test_the_applicant_follows_his_place_as_those_before_him_are_served(
    world: Deployment, act: Regulation
) -> None:
    citizen, official = await world.citizen(), await world.official(region=act.region)
    await citizen.settle_in()
    case = await citizen.apply(act.code, {})
    await citizen.until(case, "registered")
    await official.take(case)
    commission = act.settings.get("commission")
    if commission is not None and commission.value == "required":
        await official.give_opinion(case, positive=True, text="Қорытынды")
    await official.check(case, "ok")
    wish: dict[str, Any] = {"family_size": 3}
    if any(field.name == "child_name" for form in act.forms for field in form.fields):
        wish["person_iin"] = (await world.citizen()).iin  # the parent follows his child's place
    await official.call("POST", f"/v1/cases/{case}/register-queries", json=wish)
    await official.wait(f"/v1/cases/{case}", "the place", lambda seen: seen["registers"][-1]["state"] == "answered")
    await official.take(case)
    variant = next((form.variant for form in act.forms if form.kind == "positive"), None)
    await official.issue_result(case, ResultText(ru="Поставлены на учёт.", kk="Есепке қойылды.", variant=variant))
    await citizen.until(case, "completed")
    first = await told(citizen, case)
    assert (first["family_size"], first["status"]["code"], first["direction"]) == (3, "standing", False)
    book = f"{world.url(REGISTERS)}/v1/control/queues/{act.settings['akimat_register'].value['name']}/{act.region}"
    headers = bearer(world.admin_token(REGISTERS))
    answer(await world.http.post(f"{book}/serve", json={"category": "general"}, headers=headers))
    second = await told(citizen, case)
    assert (second["number"], second["position"]) == (first["number"], first["position"] - 1)
    if world.sandbox:  # elsewhere nobody can move the clock
        async with bent(world, REGISTERS, kind="silent", times=1):
            asked = await citizen.call("POST", f"/v1/cases/{case}/queue-position")
        headers = bearer(world.home.clock_token.read_text())
        clock = answer(await world.http.get(f"{world.url(PORTAL)}{PATH}", headers=headers))
        assert (asked["question"]["state"], QUESTION in {one["what"] for one in clock["next"]}) == ("waiting", True)
