"""Repealed acts: history and training by default, nothing new of our own where only acts in force may run (D20)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Arm, Starting

pytestmark = pytest.mark.service
REGULATION = "atyrau-housing-queue"
NAMED = ("wko-asp-recipient-certificate", "employment_centre", "wko")  # the act describes no steps at this desk


async def begun(arm: Arm) -> list[tuple[int, str | None]]:
    """What comes of an application of the own channel, and of one that is taken in on paper."""
    executor = await arm.appoint("executor")
    own = await executor.post("/v1/own-cases", {"regulation": REGULATION})
    regulation, channel, region = NAMED
    clerk = await arm.appoint("clerk", region=region, office_kind=channel)
    papers = [{"name": "Жеке куәлік", "kind": "copy", "note": ""}]
    body = {"regulation": regulation, "channel": channel, "iin": arm.applicant, "papers": papers}
    taken = await clerk.post("/v1/intakes", body)
    return [(one.status_code, one.json().get("code")) for one in (own, taken)]


async def test_by_default_repealed_acts_run(arm: Arm) -> None:
    assert await begun(arm) == [(201, None), (201, None)]


async def test_where_only_acts_in_force_run_we_begin_nothing_new_and_finish_what_others_sent(
    starting: Starting,
) -> None:
    async with starting(policy="in_force_only") as arm:
        assert await begun(arm) == [(409, "service.not_in_force")] * 2
        case, official = await arm.submit(), await arm.appoint("executor")  # ШЭП let it pass: it had begun before
        assert (await official.take(case)).status_code == 200
        assert (await official.check(case)).status_code == 200
