"""Acts that were repealed: history and training by default, nothing new where only acts in force may run (D20)."""

from __future__ import annotations

from typing import Any

import pytest

from egovorigin.testing import REGULATION

from .test_offices import NAMED_ONLY, PAPERS

pytestmark = pytest.mark.service


def in_force_only(world: Any) -> None:
    centre = world.app.state.centre
    object.__setattr__(centre, "settings", centre.settings.model_copy(update={"policy": "in_force_only"}))


def brought(world: Any) -> dict[str, Any]:
    return {"regulation": NAMED_ONLY.code, "iin": world.iin(), "papers": PAPERS}


async def test_by_default_repealed_acts_run_and_say_that_they_are_not_in_force(world: Any, operator: Any) -> None:
    page = await operator.page(await operator.open())
    services = (await operator.get("/v1/services")).json()["items"]
    assert page["service"]["regulation"] == REGULATION
    assert {one["in_force"] for one in services if one["regulation"] == REGULATION} == {False}
    assert (await operator.post("/v1/intakes", brought(world))).status_code == 201


async def test_where_only_acts_in_force_run_nothing_new_begins_and_what_runs_goes_on(world: Any, operator: Any) -> None:
    running = await operator.checked(world.iin())
    in_force_only(world)
    for path, body in (("/v1/cases", {"regulation": REGULATION}), ("/v1/intakes", brought(world))):
        refused = await operator.post(path, body)
        assert (refused.status_code, refused.json()["code"]) == (409, "service.not_in_force")
        assert refused.json()["remedy"] and refused.json()["side"] == "sender"
    assert (await operator.submit(running, operator.sign(await operator.prepared(running)))).status_code == 202
