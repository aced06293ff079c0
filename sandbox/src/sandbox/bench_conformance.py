"""`egov bench conformance`: journals of made-up cases in the services' own databases, then checked like any others."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData

from egovkit.clock import SystemClock
from egovkit.contracts import contracts_dir, read_once
from egovkit.db import Database, journal_tables
from egovkit.ids import SystemIds
from egovkit.journal import COLUMNS, JournalRow
from egovlaw.loader import load_catalogue
from sandbox.conformance import check_all, parties
from sandbox.evidence import databases
from sandbox.made_up import many
from sandbox.places import Place

BEGAN = datetime(2014, 3, 3, 4, 0, tzinfo=UTC)


def run_bench(count: int) -> dict[str, Any]:
    """Cases a second, reading included; memory is the process's peak with all reports kept."""
    with tempfile.TemporaryDirectory(prefix="egov-bench-") as home:
        return asyncio.run(_bench(count, Path(home)))


async def _bench(count: int, home: Path) -> dict[str, Any]:
    import psutil

    clock = SystemClock()
    urls = databases(home, None)
    law = read_once(load_catalogue, contracts_dir())
    channels = [(one, channel) for one in law.regulations for channel in one.channels.values() if channel.has_flow]
    rows = many(count, channels, parties(contracts_dir(), tuple(urls)), SystemIds(clock).new, BEGAN)
    await write(urls, rows)
    total = len(rows)
    del rows
    before = psutil.Process().memory_info().rss
    began = clock.monotonic()
    reports = await check_all(urls)
    seconds = clock.monotonic() - began
    grown = psutil.Process().memory_info().rss - before
    unfaithful = sum(one.overall < 1.0 for one in reports)
    return {
        "cases": len(reports),
        "rows": total,
        "below_1": unfaithful,
        "seconds": round(seconds, 2),
        "cases_per_s": round(len(reports) / seconds, 1),
        "memory_grown_mb": round(grown / 2**20, 1),
    }


async def write(places: Mapping[str, Place], rows: Sequence[JournalRow]) -> None:
    """The rows into the journals of their writers."""
    metadata = MetaData()
    table = journal_tables(metadata).rows
    for code, place in places.items():
        own = [{n: getattr(r, n) for n in COLUMNS} for r in rows if r.writer == f"{code}/1"]
        database = Database(place.url, pool_size=1)
        async with database.begin() as conn:
            await conn.run_sync(metadata.create_all)
            for start in range(0, len(own), 5000):
                await conn.execute(table.insert(), own[start : start + 5000])
        await database.close()
