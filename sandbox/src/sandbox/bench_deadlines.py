"""`egov bench deadlines`: what the future costs the present. Ratios of one run on one SQLite file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import MetaData, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.clock import SystemClock
from egovkit.db import Database, deadlines_table
from egovkit.deadlines import Deadline, DeadlineRunner
from sandbox.running import run

FEW, MANY = 10_000, 1_000_000
LOOKS = 200
CHUNK = 10_000
Row = Mapping[str, Any]


def run_deadlines() -> dict[str, Any]:
    """Median milliseconds of a look that finds nothing and of one that fires a row, with few rows and with many."""
    return run(_deadlines())


async def _deadlines() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="egov-bench-") as home:
        few = await _measured(Path(home) / "few.sqlite3", FEW)
        many = await _measured(Path(home) / "many.sqlite3", MANY)
    return {
        "future_rows": [FEW, MANY],
        "look_ms": [few[0], many[0]],
        "look_ratio": round(many[0] / few[0], 2),
        "fire_ms": [few[1], many[1]],
        "fire_ratio": round(many[1] / few[1], 2),
    }


async def _measured(path: Path, count: int) -> tuple[float, float]:
    clock, table = SystemClock(), deadlines_table(metadata := MetaData())
    db = Database(f"sqlite:///{path}")
    try:
        async with db.engine.begin() as conn:
            await conn.run_sync(metadata.create_all)
            for rows in _future(clock.now(), count):
                await conn.execute(insert(table), rows)
        runner = DeadlineRunner(db, table, clock, {"bench": _nothing})
        looks, fires = [], []
        for number in range(LOOKS):
            began = clock.monotonic()
            await runner.fire_due()
            looks.append(clock.monotonic() - began)
            async with db.begin() as conn:
                key, now = f"due-{number}", clock.now()
                await runner.deadlines.set(conn, key=key, kind="bench", due_at=now, subject="bench")
            began = clock.monotonic()
            await runner.fire_due()
            fires.append(clock.monotonic() - began)
    finally:
        await db.close()
    return round(1000 * median(looks), 3), round(1000 * median(fires), 3)


def _future(now: datetime, count: int) -> Iterator[list[Row]]:
    """Spread over a year from tomorrow on."""
    first, step = now + timedelta(days=1), timedelta(days=365) / count
    for start in range(0, count, CHUNK):
        numbers = range(start, min(start + CHUNK, count))
        yield [_row(f"future-{number}", first + number * step) for number in numbers]


def _row(key: str, at: datetime) -> Row:
    return {"key": key, "kind": "bench", "subject": key, "due_at": at, "next_at": at, "attempts": 0, "facts": "{}"}


async def _nothing(_: AsyncConnection, __: Deadline) -> None:
    """The look is measured, not the work."""
