"""The door to time and ids: clocks that are moved by hand, ids that keep their order."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest

from egovkit.clock import Clock, HandClock, ShiftedClock, SystemClock
from egovkit.ids import SystemIds, is_uuid7

START = datetime(2026, 1, 15, 4, tzinfo=UTC)


async def _note(clock: Clock, seconds: float, seen: list[tuple[float, datetime]]) -> None:
    await clock.sleep(seconds)
    seen.append((seconds, clock.now()))


def test_a_hand_clock_stands_still_and_speaks_utc() -> None:
    clock = HandClock(datetime(2026, 1, 15, 9, tzinfo=timezone(timedelta(hours=5))))
    assert clock.now() == clock.now() == START
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() == 0.0


def test_a_hand_clock_refuses_a_start_without_zone() -> None:
    with pytest.raises(ValueError, match="aware"):
        HandClock(datetime(2026, 1, 15))


async def test_sleepers_wake_in_order_each_at_its_own_moment() -> None:
    clock, seen = HandClock(START), list[tuple[float, datetime]]()
    tasks = [asyncio.create_task(_note(clock, seconds, seen)) for seconds in (30, 10, 20, 40)]
    await clock.advance(30)
    assert seen == [(s, START + timedelta(seconds=s)) for s in (10, 20, 30)]
    await clock.advance(timedelta(seconds=10))
    assert len(seen) == 4
    await asyncio.gather(*tasks)


async def test_who_sleeps_again_within_the_span_wakes_again_within_it() -> None:
    clock, ticks = HandClock(START), list[datetime]()

    async def tick() -> None:
        while True:
            await clock.sleep(10)
            ticks.append(clock.now())

    task = asyncio.create_task(tick())
    await clock.advance(35)
    assert ticks == [START + timedelta(seconds=s) for s in (10, 20, 30)]
    assert clock.now() == START + timedelta(seconds=35)
    task.cancel()


async def test_sleepers_of_one_moment_wake_first_come_first() -> None:
    clock, order = HandClock(START), list[int]()

    async def sleeper(number: int) -> None:
        await clock.sleep(5)
        order.append(number)

    tasks = [asyncio.create_task(sleeper(n)) for n in range(5)]
    await clock.advance(5)
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3, 4]


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    clock = HandClock(START)
    task = asyncio.create_task(clock.sleep(5))
    await clock.advance(0)
    assert clock.next_due == START + timedelta(seconds=5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert clock.next_due is None
    await clock.advance(10)


async def test_sleeping_for_nothing_returns_at_once() -> None:
    clock = HandClock(START)
    await clock.sleep(0)
    await clock.sleep(-3)
    await ShiftedClock(clock).sleep(0)
    assert clock.now() == START


async def test_time_never_goes_back() -> None:
    clock = HandClock(START)
    with pytest.raises(ValueError, match="back"):
        await clock.advance(-1)
    with pytest.raises(ValueError, match="back"):
        ShiftedClock(clock).advance(timedelta(seconds=-1))


async def test_a_shifted_clock_runs_as_its_base() -> None:
    base, seen = HandClock(START), list[tuple[float, datetime]]()
    clock = ShiftedClock(base)
    task = asyncio.create_task(_note(clock, 10, seen))
    await base.advance(9)
    assert seen == []
    await base.advance(1)
    await task
    assert clock.now() == base.now() and clock.monotonic() == base.monotonic()


async def test_a_jump_of_a_shifted_clock_wakes_those_whose_time_has_come() -> None:
    base, seen = HandClock(START), list[tuple[float, datetime]]()
    clock = ShiftedClock(base)
    soon, late = (asyncio.create_task(_note(clock, s, seen)) for s in (3600, 86_400))
    await base.advance(0)
    clock.advance(timedelta(hours=2))
    await soon
    assert [seconds for seconds, _ in seen] == [3600]
    assert clock.now() == START + timedelta(hours=2) and clock.offset == timedelta(hours=2)
    assert clock.monotonic() == 7200.0
    await base.advance(86_400 - 7200 - 1)
    assert len(seen) == 1  # what was left after the jump still has to pass
    await base.advance(1)
    await late


async def test_a_sleeper_of_a_shifted_clock_can_be_cancelled() -> None:
    base = HandClock(START)
    task = asyncio.create_task(ShiftedClock(base).sleep(60))
    await base.advance(0)
    task.cancel()
    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
    await base.advance(0)
    assert base.next_due is None  # nothing is left waiting in the base


async def test_the_system_clock_is_aware_and_moves() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0.001)
    await clock.sleep(-1)
    assert clock.monotonic() > before
    assert clock.now().utcoffset() == timedelta(0)


def test_ids_are_uuids_of_version_7_with_the_clocks_time() -> None:
    text = SystemIds(HandClock(START)).new()
    found = uuid.UUID(text)
    assert is_uuid7(text) and found.version == 7 and found.variant == uuid.RFC_4122
    assert found.int >> 80 == int(START.timestamp() * 1000)


def test_ids_keep_their_order_while_the_clock_stands_still() -> None:
    ids = SystemIds(HandClock(START))
    made = [ids.new() for _ in range(10_000)]  # more than the counter holds: milliseconds are borrowed
    assert made == sorted(made)
    assert len(set(made)) == len(made)


async def test_ids_keep_their_order_when_time_moves() -> None:
    clock = HandClock(START)
    ids, made = SystemIds(clock), list[str]()
    for _ in range(50):
        made.append(ids.new())
        await clock.advance(0.001)
    assert made == sorted(made)


def test_tokens_are_random_and_url_safe() -> None:
    ids = SystemIds(HandClock(START))
    assert len(ids.token()) == 43 and len(ids.token(16)) == 22
    assert ids.token() != ids.token()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "019bbf2c-5800-4abc-8def-0123456789ab",  # version 4
        "019bbf2c-5800-7abc-cdef-0123456789ab",  # variant 11
        "019BBF2C-5800-7ABC-8DEF-0123456789AB",
        "019bbf2c58007abc8def0123456789ab",
        "019bbf2c-5800-7abc-8def-0123456789ab\n",
    ],
)
def test_other_texts_are_not_ids_of_ours(text: str) -> None:
    assert not is_uuid7(text)
