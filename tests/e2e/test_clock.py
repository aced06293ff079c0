"""The one clock of a deployment: what comes due on the way is done, once, whether in one process or in many."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from egovkit.contracts import contracts_dir
from egovkit.sandbox.clock import PATH, QUESTION
from egovlaw.loader import load_calendar
from sandbox.bootstrap import answer, bearer
from sandbox.clock import Target
from sandbox.composition import BY_CODE, CENTRE, NUC, PERSONS, PROVIDER, RSHEP, SHEP
from sandbox.exchange_log import Log
from sandbox.production import ProductionWorld
from sandbox.sabotage import case_rows
from sandbox.world import Deployment, World

from .conftest import broker_urls
from .registers import COUNTER, DESK, begun, bent, said

if TYPE_CHECKING:
    from egovkit.testing.servers import PrivatePostgres, PrivateRabbit

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
ANSWER = "kz.egov.answer.person.v1"
LATE = timedelta(hours=1)


# Not on the way of a question of the provider's desk to the person register.
BYSTANDERS = tuple(code for code in BY_CODE if code not in (NUC, SHEP, RSHEP, PROVIDER, PERSONS))


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["embedded", "processes"])
async def own_world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Deployment]:
    """A world whose clock nobody else looks at."""
    home: Path = tmp_path_factory.mktemp("clock")
    made: Deployment
    if request.param == "embedded":
        made = World(home, ports="auto")
    else:
        servers: tuple[PrivateRabbit, PrivatePostgres] = request.getfixturevalue("own_servers")
        node, cluster = servers
        db = cluster.database("egov_operator")
        made = ProductionWorld(
            home, amqp=broker_urls(node), db=db, gateways=2, ports="auto", sandbox=True, without=BYSTANDERS
        )
    async with made:
        yield made


async def test_a_week_passes_and_what_was_due_happened_once(own_world: Deployment) -> None:
    """An answer that is an hour late leaves after the hour and not before; the case goes on a week later."""
    world = own_world
    clerk = await world.official(region=DESK.region)
    case = await begun(world, clerk, DESK)
    async with bent(world, PERSONS, kind="late", seconds=LATE.total_seconds(), times=1):
        await clerk.ask(case)
        await said(world, PERSONS, case)
        early = await world.advance(Target(by=LATE / 2))
        assert early.stops == [f"{PROVIDER}: {QUESTION}"] and await answers(world, case) == 0
        moved = await world.advance(Target(by=timedelta(days=7)))
    assert [stop for stop in moved.stops if stop.startswith(PERSONS)] == [f"{PERSONS}: answer that is late on purpose"]
    assert await answers(world, case) == 1
    clerk = await world.official(region=DESK.region)  # nobody's session lasts a week
    case = await begun(world, clerk, DESK)
    await clerk.ask(case)
    await clerk.until(case, "data_checked")


async def test_the_next_deadline_is_the_end_of_a_question_that_nobody_answers(own_world: Deployment) -> None:
    world = own_world
    for scenario, asker in ((DESK, PROVIDER), (COUNTER, CENTRE)):
        if asker not in {one.code for one in world.members()}:
            continue  # the world of processes has the desk alone
        clerk = await (world.official(region=scenario.region) if scenario is DESK else world.operator())
        case = await begun(world, clerk, scenario)
        async with bent(world, PERSONS, kind="silent", times=1):
            await clerk.ask(case)
            await said(world, PERSONS, case)
        [asked] = await clerk.queries(case)
        moved = await world.advance(Target())
        assert moved.stops == [f"{asker}: {QUESTION}"]
        assert moved.now - datetime.fromisoformat(asked["asked_at"]) >= timedelta(seconds=asked["limit_s"])
        [seen] = await clerk.queries(case)
        assert (asked["state"], seen["state"]) == ("waiting", "expired")


async def test_the_request_logs_of_all_processes_are_read_as_one(own_world: Deployment) -> None:
    world, log = own_world, Log(own_world.aim)
    clerk = await world.official(region=DESK.region)
    case = await begun(world, clerk, DESK)
    await clerk.ask(case)
    await clerk.until(case, "data_checked")
    found = await log.every({"case": case})
    assert {PROVIDER, SHEP, RSHEP, PERSONS} <= {one.member.code for one in found}
    bus = [one for one in found if one.facts["medium"] == "bus"]
    sent = {one.facts["message_id"] for one in bus if one.facts["event"] == "published"}
    got = {one.facts["message_id"] for one in bus if one.facts["event"] == "delivered"}
    assert got and got <= sent, "whoever published what arrived is in the log, too"


async def test_working_days_leap_over_a_holiday_and_a_moved_day_off_and_end_on_the_saturday_worked_for_it(
    own_world: Deployment, tmp_path: Path
) -> None:
    world, calendar = own_world, load_calendar(contracts_dir())
    days = [calendar.local(world.clock.now()).date() + timedelta(days=n) for n in range(2, 400)]
    holiday = next(
        day for day in days[7:] if calendar.day(day).reason == "holiday" and day.isoweekday() in calendar.week
    )
    before = max(day for day in days if day < holiday and calendar.is_working_day(day))
    off = calendar.next_working_day(holiday)
    saturday = next(d for d in days if d > off and d.isoweekday() == 6 and calendar.day(d).reason == "weekend")
    between = [day for day in days if before < day < saturday and day != off and calendar.is_working_day(day)]
    start = datetime.combine(before, time(10), calendar.zone)
    await world.advance(Target(by=start - world.clock.now()))
    done = await egov(world, moved_off(tmp_path, off, saturday), "--working-days", str(len(between) + 1))
    assert done == 0
    views = [datetime.fromisoformat(view["now"]) for view in await times(world)]
    assert {calendar.local(now).strftime("%F %H") for now in views} == {f"{saturday} 10"}


def moved_off(folder: Path, off: date, worked: date) -> Path:
    """The contracts with one more decree."""
    contracts = Path(shutil.copytree(contracts_dir(), folder / "contracts"))
    file = contracts / "calendar.yaml"
    text = re.sub(r"(?m)^known_until: .*$", f"known_until: {worked.year}-12-31", file.read_text(encoding="utf-8"))
    line = f"  - {{off: {off}, worked: {worked}, decree: null}}\n"
    file.write_text(text.replace("transfers:\n", f"transfers:\n{line}"), encoding="utf-8")
    return contracts


async def egov(world: Deployment, contracts: Path, *how_far: str) -> int:
    """`egov clock advance` as a tester calls it."""
    command = [sys.executable, "-m", "sandbox", "clock", "advance", *how_far, "--home", str(world.home.path)]
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, "EGOV_CONTRACTS": str(contracts)})
    return await process.wait()


async def times(world: Deployment) -> list[dict[str, Any]]:
    headers = bearer(world.home.clock_token.read_text().strip())
    return [answer(await world.http.get(f"{one.url}{PATH}", headers=headers)) for one in world.members()]


async def answers(world: Deployment, case: str) -> int:
    """How many the national gateway has seen."""
    rows = [row.facts for row in await case_rows(world, case)]
    return sum(facts.get("type") == ANSWER and facts.get("service") == SHEP for facts in rows)
