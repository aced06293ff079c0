from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.bus import Delivery, Outcome, Outgoing, Verdict
from egovkit.bus.holdable import HoldableBus
from egovkit.bus.memory import MemoryBus
from egovkit.clock import ShiftedClock
from egovkit.contracts import contracts_dir, read_once
from egovkit.db import Database
from egovkit.problems import Problems
from egovkit.sandbox.clock import (
    PATH,
    QUESTION,
    Control,
    Moment,
    kept_offset,
    sandbox_clock,
    sandbox_control,
    watch_questions,
)
from egovkit.sandbox.door import sandbox_router
from egovkit.service import create_service
from egovkit.settings import ServiceSettings

QUEUE = "inbox.portal-pep"


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    token = tmp_path / "token"
    token.write_text("sesame\n")
    return ServiceSettings(home=tmp_path, sandbox=True, sandbox_token_file=token)


def control_of(settings: ServiceSettings) -> Control:
    clock = sandbox_clock(settings)
    control = sandbox_control(settings, clock)
    assert control is not None
    return control


def client(control: Control, token: str = "sesame") -> httpx.AsyncClient:
    app = create_service("twin", problems=read_once(Problems.load, contracts_dir()), clock=control.clock)
    app.serve(sandbox_router(control))
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://twin", headers=headers)


async def test_only_the_holder_of_the_token_sees_or_moves_the_clock(settings: ServiceSettings) -> None:
    control = control_of(settings)
    async with client(control, "guess") as stranger:
        assert (await stranger.get(PATH)).json()["code"] == "sandbox.refused"
        assert (await stranger.post(f"{PATH}/offset", json={"offset_s": 60})).status_code == 401
    assert control.clock.offset == timedelta(0)


async def test_a_move_outlives_a_restart_and_never_goes_back(settings: ServiceSettings) -> None:
    async with client(control_of(settings)) as mover:
        for _ in range(2):  # a repeated call changes nothing
            assert (await mover.post(f"{PATH}/offset", json={"offset_s": 3600})).json() == {"offset_s": 3600}
        refused = await mover.post(f"{PATH}/offset", json={"offset_s": 10})
        assert (refused.status_code, refused.json()["code"]) == (409, "clock.backwards")
        assert (await mover.post(f"{PATH}/offset", json={"offset_s": -1})).status_code == 422
    again = sandbox_clock(settings)
    assert isinstance(again, ShiftedClock) and again.offset == kept_offset(settings.home) == timedelta(hours=1)


async def test_without_the_setting_there_is_no_clock_to_move(settings: ServiceSettings) -> None:
    control_of(settings).clock.advance(timedelta(hours=1))
    plain = ServiceSettings(home=settings.home)
    assert not isinstance(sandbox_clock(plain), ShiftedClock)
    assert sandbox_control(plain, ShiftedClock(sandbox_clock(plain))) is None


async def test_a_view_tells_what_comes_and_what_is_in_work(settings: ServiceSettings) -> None:
    control = control_of(settings)
    prepared: list[timedelta] = []

    async def moments() -> list[Moment]:
        now = control.clock.now()
        days = (3, -1, 1)
        return [Moment(f"in {day}", now + timedelta(days=day), stops=day != 1) for day in days]

    async def work() -> str | None:
        return "sorting letters"

    async def prepare(target: Any) -> None:
        prepared.append(target - control.clock.now())

    control.moments.append(moments)
    control.work.append(work)
    control.prepares.append(prepare)
    async with client(control) as mover:
        view = (await mover.get(PATH)).json()
        await mover.post(f"{PATH}/prepare", json={"offset_s": 7200})
    assert [(one["what"], one["stops"]) for one in view["next"]] == [("in 1", False), ("in 3", True)]
    assert view["busy"] == ["sorting letters"]
    assert prepared[0].total_seconds() == pytest.approx(7200, abs=5)
    assert control.clock.offset == timedelta(0), "preparing moves nothing"


async def test_the_end_of_a_questions_limit_is_a_stop_and_a_deadline(settings: ServiceSettings) -> None:
    control, db = control_of(settings), Database("sqlite://")
    due = control.clock.now() + timedelta(seconds=90)

    async def next_end(conn: AsyncConnection, now: datetime) -> datetime | None:
        return due if now < due else None

    watch_questions(control, db, next_end)
    assert await control.following() == [Moment(QUESTION, due, stops=True)]
    control.clock.advance(timedelta(seconds=91))
    assert await control.following() == []
    await db.close()


async def test_a_held_bus_takes_nothing_and_keeps_its_services_own_pause(memory_bus: MemoryBus) -> None:
    came: asyncio.Queue[str] = asyncio.Queue()

    async def take(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        for delivery in deliveries:
            came.put_nowait(delivery.message_id)
        return [Verdict.ACK] * len(deliveries)

    async def sent(id_: str) -> None:
        await memory_bus.publish([Outgoing(QUEUE, b"x", {}, id_)])

    bus = HoldableBus(memory_bus)
    await bus.hold()
    subscription = await bus.consume(QUEUE, take)  # opened while held: holds too
    first = asyncio.create_task(sent("a"))
    for _ in range(20):
        await asyncio.sleep(0)  # noqa: TID251 - turns of the loop, no time
    assert came.empty() and await bus.waiting() == 1
    await subscription.pause()
    await bus.release()
    for _ in range(20):
        await asyncio.sleep(0)  # noqa: TID251 - turns of the loop, no time
    assert came.empty(), "its service had paused it for its own reasons"
    await subscription.resume()
    async with asyncio.timeout(5):
        assert await came.get() == "a"
        await first
    assert (bus.taken, bus.in_work, await bus.waiting()) == (1, 0, 0)
    await subscription.cancel()
