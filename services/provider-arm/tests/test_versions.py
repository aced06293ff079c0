"""A new version of an act while drafts of the former one lie on the desk."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from egovlaw.testing import newer

if TYPE_CHECKING:
    from conftest import Arm, Official

pytestmark = pytest.mark.service
REGULATION = "atyrau-housing-queue"


def enact(arm: Arm, code: str = REGULATION, **changes: Any) -> None:
    """From now on the act is another; `changes` say in what, besides its name."""
    procedures = arm.ws.procedures
    procedures.catalogue = newer(procedures.catalogue, code, **changes)


async def named(official: Official, case: str) -> set[str]:
    """What every list and page calls the act of a case."""
    tasks = (await official.get("/v1/tasks", state="all")).json()["items"]
    lines = (await official.get("/v1/cases")).json()["items"]
    page = (await official.get(f"/v1/cases/{case}")).json()
    return {one["title_ru"] for one in [*tasks, *lines, page] if case in (one.get("case"), one.get("id"))}


async def test_a_running_case_goes_to_its_end_and_by_its_name_under_the_version_it_began_with(arm: Arm) -> None:
    case, official = await arm.submit(), await arm.appoint("executor", "authorised", "head")
    before = arm.ws.procedures.required(REGULATION).title_ru
    enact(arm, channels={})  # the new version knows no channel, so whoever reads it serves nobody
    assert (await official.take(case)).status_code == 200
    assert (await official.check(case)).status_code == 200
    assert await named(official, case) == {before}
    assert (await official.post(f"/v1/cases/{case}/register-queries", {})).status_code == 202
    key = official.certificate()
    document = base64.b64decode((await official.prepare(case, key)).json()["document"])
    assert (await official.issue(case, document, key)).status_code == 200
    assert (await official.get(f"/v1/cases/{case}")).json()["state"] == "completed"
    assert await named(official, case) == {before}


async def test_the_term_of_a_running_case_is_ruled_and_told_as_its_version_has_it(arm: Arm) -> None:
    act, region = "tayynsha-social-assistance", "tayynsha"
    case, head = await arm.lodge(act, region), await arm.appoint("head", region=region)
    enact(arm, act, channels={}, terms=())
    why = {"reason_ru": "Нужен запрос в архив", "reason_kk": "Мұрағатқа сұрау салу керек"}
    assert (await head.post(f"/v1/cases/{case}/extend", {"working_days": 3, **why})).status_code == 200
    await arm.clock.advance(timedelta(days=30))
    await arm.fire()
    told = [one.type.split(".")[3] for one in await arm.outgoing(3)]
    assert told == ["registered", "extended", "status"], "the applicant is told of both, as the old act lets us"


async def test_a_draft_of_the_former_version_is_not_worked_on_and_the_next_one_is_of_the_new(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    draft = await executor.open_own()
    enact(arm)
    refused = await executor.enter(draft)
    assert (refused.status_code, refused.json()["code"]) == (409, "case.regulation_changed")
    assert (refused.json()["began"], refused.json()["now"]) == (1, 2)
    fresh = await executor.open_own()
    assert (await executor.enter(fresh)).status_code == 200
