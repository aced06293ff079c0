"""The keeper alone: it pauses what the fault stops, and resumes only what it paused itself."""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from egovkit.clock import HandClock
from egovregister.domain import Fault, FaultKind
from egovregister.keeper import EVERY, Keeper


class Scripted:
    """Answering, subscription and store in one: what is set, and what was done."""

    def __init__(self, clock: HandClock) -> None:
        self.fault: Fault | None = None
        self.done: list[str] = []
        self.broken = False
        database = SimpleNamespace(read=self._nothing, begin=self._nothing)
        self.node = SimpleNamespace(clock=clock, db=database, control=None)
        self.store = SimpleNamespace(fault=self._fault, set_fault=self._set)
        self.subscription: Any = SimpleNamespace(pause=self._does("pause"), resume=self._does("resume"))

    @asynccontextmanager
    async def _nothing(self) -> Any:
        yield None

    async def _fault(self, _: Any) -> Fault | None:
        return self.fault

    async def _set(self, _: Any, fault: Fault | None) -> None:
        self.fault = fault

    def _does(self, what: str) -> Any:
        async def do() -> None:
            self.done.append(what)

        return do

    async def leave_due(self) -> None:
        if self.broken:
            raise OSError("the database is away")
        self.done.append("due")

    async def note_action(self, _: Any, action: str, case: None, **facts: object) -> None:
        self.done.append(action)


@pytest.fixture
def scripted(clock: HandClock) -> Scripted:
    return Scripted(clock)


@pytest.fixture
def keeper(scripted: Scripted) -> Keeper:
    parts: Any = scripted
    return Keeper(parts, parts)


def fault(kind: FaultKind, clock: HandClock) -> Fault:
    return Fault(kind, None, None, None, clock.now())


async def test_down_pauses_at_once_and_the_end_of_it_resumes(
    scripted: Scripted, keeper: Keeper, clock: HandClock
) -> None:
    await keeper.set_fault(fault(FaultKind.DOWN, clock))
    assert scripted.done == ["fault.set", "pause"]
    await keeper.once()
    assert scripted.done[2:] == ["pause", "due"], "again: a sandbox that held the intake may have let it go"
    await keeper.set_fault(None)
    assert scripted.done[4:] == ["fault.deleted", "resume"]


async def test_another_fault_instead_of_down_resumes(scripted: Scripted, keeper: Keeper, clock: HandClock) -> None:
    await keeper.set_fault(fault(FaultKind.DOWN, clock))
    await keeper.set_fault(fault(FaultKind.SILENT, clock))
    assert scripted.done == ["fault.set", "pause", "fault.set", "resume"]


async def test_what_somebody_else_paused_is_not_resumed(scripted: Scripted, keeper: Keeper, clock: HandClock) -> None:
    """A sandbox holds the intake to make a system answer late."""
    await keeper.set_fault(fault(FaultKind.SILENT, clock))
    await keeper.once()
    assert "resume" not in scripted.done


async def test_before_there_is_an_intake_nothing_is_paused(
    scripted: Scripted, keeper: Keeper, clock: HandClock
) -> None:
    subscription, scripted.subscription = scripted.subscription, None
    scripted.fault = fault(FaultKind.DOWN, clock)
    await keeper.once()
    assert scripted.done == ["due"]
    scripted.subscription = subscription
    await keeper.once()
    assert scripted.done == ["due", "pause", "due"]


async def test_a_round_that_fails_is_followed_by_the_next(scripted: Scripted, keeper: Keeper, clock: HandClock) -> None:
    import asyncio

    scripted.broken = True
    running = asyncio.create_task(keeper.run())
    await clock.advance(EVERY)
    scripted.broken = False
    await clock.advance(EVERY)
    assert scripted.done == ["due"]
    running.cancel()
