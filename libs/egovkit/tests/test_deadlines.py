from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.clock import HandClock
from egovkit.db import Database, deadlines_table
from egovkit.deadlines import Deadline, DeadlineHandler, DeadlineMetrics, DeadlinePace, DeadlineRunner, _Statements

if TYPE_CHECKING:
    from egovkit.testing.servers import PrivatePostgres

START = datetime(2026, 3, 2, 4, tzinfo=UTC)
METADATA = MetaData()
TABLE = deadlines_table(METADATA)
EFFECTS = Table("effects", METADATA, Column("n", Integer, primary_key=True), Column("key", String(200)))
SECOND = timedelta(seconds=1)


async def opened(url: str) -> Database:
    db = Database(url)
    async with db.engine.begin() as conn:
        await conn.run_sync(METADATA.create_all)
    return db


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Database]:
    db = await opened(f"sqlite:///{tmp_path / 'deadlines.sqlite3'}")
    yield db
    await db.close()


@pytest.fixture
def hand() -> HandClock:
    return HandClock(START)


async def note(conn: AsyncConnection, deadline: Deadline) -> None:
    await conn.execute(insert(EFFECTS).values(key=deadline.key))


async def refuse(conn: AsyncConnection, deadline: Deadline) -> None:
    await note(conn, deadline)
    raise RuntimeError("not today")


def runner(db: Database, clock: HandClock, handlers: Mapping[str, DeadlineHandler] | None = None) -> DeadlineRunner:
    return DeadlineRunner(db, TABLE, clock, handlers or {"note": note, "refuse": refuse})


async def put(to: DeadlineRunner, db: Database, key: str, after: float, kind: str = "note", **facts: object) -> None:
    async with db.begin() as conn:
        due = START + timedelta(seconds=after)
        await to.deadlines.set(conn, key=key, kind=kind, due_at=due, subject="case", facts=facts)


async def effects(db: Database) -> list[str]:
    async with db.read() as conn:
        return list((await conn.execute(select(EFFECTS.c.key).order_by(EFFECTS.c.n))).scalars())


async def left(to: DeadlineRunner, db: Database) -> list[Deadline]:
    async with db.read() as conn:
        return await to.deadlines.of(conn, "case")


async def test_a_deadline_fires_when_its_moment_comes_and_never_again(store: Database, hand: HandClock) -> None:
    timers = runner(store, hand)
    await put(timers, store, "a", 60, why="limit")
    await hand.advance(59.9)
    assert await timers.fire_due() == 0
    await hand.advance(0.1)
    assert await timers.fire_due() == 1
    await hand.advance(3600)
    assert await timers.fire_due() == 0
    assert await effects(store) == ["a"]


async def test_setting_a_key_again_moves_it_and_a_cancelled_one_is_gone(store: Database, hand: HandClock) -> None:
    timers = runner(store, hand)
    await put(timers, store, "a", 10)
    await put(timers, store, "a", 90, round=2)
    await put(timers, store, "b", 20)
    async with store.begin() as conn:
        assert await timers.deadlines.cancel(conn, "b")
        assert not await timers.deadlines.cancel(conn, "b")
        assert await timers.deadlines.next_due(conn) == START + timedelta(seconds=90)
    assert [(one.key, one.facts) for one in await left(timers, store)] == [("a", {"round": 2})]
    await hand.advance(60)
    assert await timers.fire_due() == 0


async def test_a_handler_may_set_its_own_key_anew(store: Database, hand: HandClock) -> None:
    async def daily(conn: AsyncConnection, deadline: Deadline) -> None:
        await note(conn, deadline)
        due = deadline.due_at + timedelta(days=1)
        await timers.deadlines.set(conn, key=deadline.key, kind="daily", due_at=due, subject="case")

    timers = runner(store, hand, {"daily": daily})
    await put(timers, store, "a", 0, "daily")
    for _ in range(3):
        assert await timers.fire_due() == 1
        await hand.advance(timedelta(days=1))
    assert await effects(store) == ["a", "a", "a"]


async def test_a_failing_handler_leaves_nothing_behind_and_keeps_nobody_waiting(
    store: Database, hand: HandClock
) -> None:
    timers = runner(store, hand)
    await put(timers, store, "bad", 0, "refuse")
    await put(timers, store, "unknown", 0, "newer_version")
    await put(timers, store, "good", 0)
    assert await timers.fire_due() == 1
    assert await effects(store) == ["good"]
    assert {one.key: one.attempts for one in await left(timers, store)} == {"bad": 1, "unknown": 1}
    assert await timers.fire_due() == 0, "not before the back-off has ended"
    await hand.advance(DeadlinePace().first_delay)
    assert await timers.fire_due() == 0
    assert {one.attempts for one in await left(timers, store)} == {2}


async def test_the_running_loop_sleeps_until_the_next_moment_and_wakes_for_a_new_row(
    store: Database, hand: HandClock
) -> None:
    fired: asyncio.Queue[str] = asyncio.Queue()

    async def tell(_: AsyncConnection, deadline: Deadline) -> None:
        fired.put_nowait(deadline.key)

    timers = runner(store, hand, {"note": tell})
    task = asyncio.create_task(timers.run())
    try:
        await put(timers, store, "now", 0)
        async with asyncio.timeout(5):
            assert await fired.get() == "now"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_fall_during_the_handler_fires_it_once_after_the_restart(store: Database, hand: HandClock) -> None:
    reached = asyncio.Event()

    async def hang(conn: AsyncConnection, deadline: Deadline) -> None:
        await note(conn, deadline)
        reached.set()
        await asyncio.Event().wait()

    dying = runner(store, hand, {"note": hang})
    await put(dying, store, "a", 0)
    task = asyncio.create_task(dying.run())
    async with asyncio.timeout(5):
        await reached.wait()
    assert dying.firing
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await effects(store) == []
    assert await runner(store, hand).fire_due() == 1
    assert await effects(store) == ["a"]


async def test_two_replicas_fire_each_row_once(store: Database, hand: HandClock) -> None:
    one, two = runner(store, hand), runner(store, hand)
    for number in range(12):
        await put(one, store, f"k{number}", 0)
    assert sum(await asyncio.gather(one.fire_due(), two.fire_due())) == 12
    assert sorted(await effects(store)) == sorted(f"k{number}" for number in range(12))


async def test_metrics_tell_what_is_late(store: Database, hand: HandClock) -> None:
    registry = CollectorRegistry()
    metrics = DeadlineMetrics("twin", registry)
    timers = DeadlineRunner(store, TABLE, hand, {"note": note, "refuse": refuse}, metrics=metrics)
    await put(timers, store, "bad", 0, "refuse")
    await put(timers, store, "good", 0)
    await put(timers, store, "later", 3600)
    await timers.fire_due()
    await hand.advance(30)
    await metrics.refresh([timers])
    shown = generate_latest(registry).decode()
    assert 'egov_deadlines_fired_total{kind="note",service="twin"} 1.0' in shown
    assert 'egov_deadlines_failed_total{kind="refuse",service="twin"} 1.0' in shown
    assert 'egov_deadlines_due{service="twin"} 1.0' in shown
    assert 'egov_deadlines_oldest_overdue_seconds{service="twin"} 30.0' in shown


async def test_the_scan_goes_along_the_index(store: Database) -> None:
    asked = _Statements.first_due(TABLE).params(now=START)
    query = asked.compile(store.engine.sync_engine, compile_kwargs={"literal_binds": True})
    async with store.read() as conn:
        plan = [row.detail for row in await conn.execute(text(f"EXPLAIN QUERY PLAN {query}"))]
    assert len(plan) == 1, plan
    assert "USING INDEX deadlines_next (next_at<?)" in plan[0], plan


@pytest.mark.connected
async def test_postgres_scans_along_the_index_and_shares_rows_among_replicas(
    postgres: PrivatePostgres, hand: HandClock
) -> None:
    db = await opened(postgres.database("deadlines_kit"))
    try:
        one, two = runner(db, hand), runner(db, hand)
        later = START + timedelta(days=1)
        future = {"kind": "note", "subject": "x", "due_at": later, "next_at": later, "attempts": 0, "facts": "{}"}
        async with db.begin() as conn:
            await conn.execute(insert(TABLE), [{**future, "key": f"future-{number}"} for number in range(5000)])
        async with db.begin() as conn:
            await conn.execute(text("ANALYZE deadlines"))
            asked = _Statements.first_due(TABLE).params(now=START)
            query = asked.compile(db.engine.sync_engine, compile_kwargs={"literal_binds": True})
            plan = "\n".join((await conn.execute(text(f"EXPLAIN {query}"))).scalars())
        assert "Index Scan using deadlines_next" in plan and "Seq Scan" not in plan, plan
        for number in range(10):
            await put(one, db, f"k{number}", 0)
        assert sum(await asyncio.gather(one.fire_due(), two.fire_due())) == 10
        assert sorted(await effects(db)) == sorted(f"k{number}" for number in range(10))
    finally:
        await db.close()


# --- what may ever happen to a set of deadlines

KEYS = st.sampled_from("abcd")
SOON = st.integers(0, 30)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), KEYS, SOON),
        st.tuples(st.just("cancel"), KEYS, st.just(0)),
        st.tuples(st.just("advance"), st.just(""), SOON),
        st.tuples(st.just("crash"), st.just(""), st.just(0)),  # the next handler fails before its commit
        st.tuples(st.just("restart"), st.just(""), st.just(0)),
    ),
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_no_timer_fails_to_fire_and_none_fires_twice(steps: Sequence[tuple[str, str, int]]) -> None:
    asyncio.run(_play(steps))


async def _play(steps: Sequence[tuple[str, str, int]]) -> None:
    clock, db = HandClock(START), await opened("sqlite://")
    crashes, pending, expected = 0, dict[str, tuple[int, datetime]](), list[str]()

    async def fuse(conn: AsyncConnection, deadline: Deadline) -> None:
        nonlocal crashes
        await conn.execute(insert(EFFECTS).values(key=json.dumps([deadline.key, deadline.facts["n"]])))
        assert clock.now() >= deadline.due_at
        if crashes:
            crashes -= 1
            raise RuntimeError("fell before the commit")

    timers = runner(db, clock, {"note": fuse})
    try:
        for number, (what, key, seconds) in enumerate(steps):
            if what == "set":
                due = clock.now() + timedelta(seconds=seconds)
                await put(timers, db, key, (due - START).total_seconds(), n=number)
                pending[key] = number, due
            elif what == "cancel":
                async with db.begin() as conn:
                    assert await timers.deadlines.cancel(conn, key) == (key in pending)
                pending.pop(key, None)
            elif what == "crash":
                crashes = 1
            elif what == "restart":
                timers = runner(db, clock, {"note": fuse})
            else:
                await clock.advance(seconds)
                await timers.fire_due()
                crashes = 0
                await clock.advance(DeadlinePace().first_delay)  # who fell is tried again
                await timers.fire_due()
                due_now = [name for name, (_, due) in pending.items() if due <= clock.now()]
                expected += [json.dumps([name, pending.pop(name)[0]]) for name in due_now]
                assert sorted(await effects(db)) == sorted(expected)
    finally:
        await db.close()
