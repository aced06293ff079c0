"""A register that answers after the act's limit, from outside. Only one process has a clock that can be moved: the same
code judges the time in production, where a minute and a half would have to be waited out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from egovkit.clock import ShiftedClock
from sandbox.composition import PERSONS, SHEP
from sandbox.sabotage import case_rows
from sandbox.staff import Clerk
from sandbox.world import World

from .registers import COUNTER, DESK, begun, bent, said

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
LIMIT_S = 90  # act 427, annex 1, tables 2 and 3, row 3


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def own_world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A world whose clock nobody else looks at."""
    home: Path = tmp_path_factory.mktemp("late")
    async with World(home, ports="auto") as made:
        yield made


async def clerk_of(world: World, side: str) -> Clerk:
    return await world.official(region=DESK.region) if side == "desk" else await world.operator()


def advance(world: World, seconds: float) -> None:
    assert isinstance(world.clock, ShiftedClock)
    world.clock.advance(timedelta(seconds=seconds))


@pytest.mark.parametrize("side", ["desk", "counter"])
async def test_a_late_answer_is_recorded_and_not_applied(own_world: World, side: str) -> None:
    world, clerk = own_world, await clerk_of(own_world, side)
    case = await begun(world, clerk, DESK if side == "desk" else COUNTER)
    async with bent(world, PERSONS, kind="late", seconds=LIMIT_S + 5, times=1):
        await clerk.ask(case)
        await said(world, PERSONS, case)
        advance(world, LIMIT_S + 6)
        path = f"{clerk.drafts}/{case}/queries"
        seen = await clerk.wait(path, "a late answer", lambda seen: seen["items"][-1]["state"] == "late_answer")
    query = seen["items"][-1]
    assert (query["limit_s"], query["used_s"] > LIMIT_S, bool(query["clause"])) == (LIMIT_S, True, True)
    assert (await clerk.draft(case))["state"] == "data_requested"
    at_shep = [row.facts for row in await case_rows(world, case) if row.facts.get("service") == SHEP]
    assert [one["late"] for one in at_shep if one["type"] == "kz.egov.answer.person.v1"] == [True]
    await clerk.ask(case)
    await clerk.until(case, "data_checked")


@pytest.mark.parametrize("kind", ["silent", "garbage", "wrong_signature"])
@pytest.mark.parametrize("side", ["desk", "counter"])
async def test_without_a_good_answer_the_question_runs_out_and_may_be_asked_again(
    own_world: World, side: str, kind: str
) -> None:
    world, clerk = own_world, await clerk_of(own_world, side)
    case = await begun(world, clerk, DESK if side == "desk" else COUNTER)
    async with bent(world, PERSONS, kind=kind, times=1):
        await clerk.ask(case)
        await said(world, PERSONS, case)
        assert (await clerk.queries(case))[-1]["state"] == "waiting"
        advance(world, LIMIT_S + 3)
    query = (await clerk.queries(case))[-1]
    assert query["state"] == "expired" and str(LIMIT_S) in query["why"]["ru"] + str(query["limit_s"])
    await clerk.ask(case)
    await clerk.until(case, "data_checked")
