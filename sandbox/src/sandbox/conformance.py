"""`egov conformance`: the journals of a deployment read case by case, each case held against its act."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from sqlalchemy import MetaData, inspect, select

from egovkit.contracts import contracts_dir, read_once, read_yaml
from egovkit.db import Database, journal_tables
from egovkit.journal import JournalRow, row_of
from egovkit.journal_bodies import Bodies
from egovlaw.catalogue import Catalogue
from egovlaw.conformance import CaseReport, Parties, check_case
from egovlaw.loader import load_catalogue
from sandbox.evidence import NOT_READ, UNREADABLE, databases
from sandbox.places import Place
from sandbox.xes import XesFile

FAITHFUL, DEVIATES, NOTHING = 0, 1, 2  # exit statuses
AT_A_TIME = 200  # cases; memory stays flat however many there are
NO_CASE = ("-", "")

Progress = Callable[[int, int], None]
Journals = Mapping[str, Sequence[JournalRow]]  # rows by case


def parties(contracts: Path, readable: Sequence[str]) -> Parties:
    """Who stands where, from contracts/participants.yaml."""
    document = read_yaml(contracts / "participants.yaml")
    kinds = {one["kind"]: one["code"] for one in document["participants"]}
    local = [p["code"] for p in document["participants"] if p["regions"] and p["kind"] != "regional_gateway"]
    return Parties(kinds["national_gateway"], kinds["regional_gateway"], frozenset(local), frozenset(readable))


class CaseReader:
    """The journals of all services, a group of cases at a time."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        self._places = places
        self._rows = journal_tables(MetaData()).rows
        self._open: dict[str, Database] = {}
        self._bodies: dict[str, Bodies | None] = {}

    async def __aenter__(self) -> CaseReader:
        for code, place in self._places.items():
            database = Database(place.url, pool_size=1)
            if database.path is not None and not database.path.exists():
                continue
            self._open[code] = database
            self._bodies[code] = place.bodies()
            async with database.read() as conn:
                names = await conn.run_sync(lambda sync: inspect(sync).get_table_names())
            if self._rows.name not in names:
                await self._open.pop(code).close()
        return self

    async def __aexit__(self, *_: object) -> None:
        for database in self._open.values():
            await database.close()

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(self._open)

    async def cases(self) -> list[str]:
        """Every case an act could speak of. News of the member list have a subject too, and no act."""
        found: set[str] = set()
        wanted = select(self._rows.c.case_id).where(self._rows.c.case_id.is_not(None)).distinct()
        for database in self._open.values():
            async with database.read() as conn:
                found |= set((await conn.execute(wanted)).scalars())
        return sorted(found)

    async def groups(self, cases: Sequence[str]) -> AsyncIterator[Journals]:
        for start in range(0, len(cases), AT_A_TIME):
            yield await self._group(cases[start : start + AT_A_TIME])

    async def _group(self, cases: Sequence[str]) -> Journals:
        found: dict[str, list[JournalRow]] = {case: [] for case in cases}
        query = select(self._rows).where(self._rows.c.case_id.in_(cases))
        for code, database in self._open.items():
            async with database.read() as conn:
                for row in await conn.execute(query):
                    found[row.case_id].append(row_of(row._mapping, self._bodies[code]))
        return found


def is_case(rows: Sequence[JournalRow]) -> bool:
    """Whether any row belongs to a regulation: the bus's own envelopes name none."""
    return not rows or any((row.facts.get("regulation") or "-") not in NO_CASE for row in rows)


async def check_all(
    places: Mapping[str, Place],
    case: str | None = None,
    *,
    progress: Progress = lambda done, total: None,
    xes: XesFile | None = None,
    catalogue: Catalogue | None = None,
) -> list[CaseReport]:
    """Reports of one case or of all, in the order of their ids. A case without a row is not reported."""
    law = catalogue or read_once(load_catalogue, contracts_dir())
    reports: list[CaseReport] = []
    async with CaseReader(places) as reader:
        sides = parties(contracts_dir(), reader.services)
        cases = [case] if case else await reader.cases()
        done = 0
        async for group in reader.groups(cases):
            for key, rows in group.items():
                if rows and is_case(rows):
                    reports.append(check_case(key, rows, law, sides))
                    if xes is not None:
                        xes.add(key, rows, reports[-1])
            done += len(group)
            progress(done, len(cases))
    return reports


def run_conformance(
    home: Path, db: str | None, case: str | None, *, as_json: bool = False, xes: Path | None = None
) -> int:
    """Prints a line per case and its deviations; returns 0 faithful, 1 not, 2 no such case, 3 unreadable."""
    quiet = Console(stderr=True)
    with quiet.status("reading") as status:

        def progress(done: int, total: int) -> None:
            status.update(f"{done} of {total} cases")

        try:
            reports = asyncio.run(_run(databases(home, db), case, progress, xes))
        except NOT_READ as error:
            quiet.print(f"not read: {type(error).__name__}: {error}", style="red", soft_wrap=True)
            return UNREADABLE
    if not reports:
        quiet.print(f"no such case: {case}" if case else "no cases", style="red", highlight=False, soft_wrap=True)
    if as_json:
        print(json.dumps(summary(reports), ensure_ascii=False, indent=2))
    elif reports:
        show(reports, Console())
    return NOTHING if not reports else int(any(one.overall < 1.0 for one in reports))


async def _run(urls: Mapping[str, Place], case: str | None, progress: Progress, xes: Path | None) -> list[CaseReport]:
    if xes is None:
        return await check_all(urls, case, progress=progress)
    with XesFile(xes) as file:
        return await check_all(urls, case, progress=progress, xes=file)


def summary(reports: Sequence[CaseReport]) -> dict[str, Any]:
    overall = min((one.overall for one in reports), default=None)
    return {"cases": len(reports), "overall": overall, "items": [one.as_data() for one in reports]}


def show(reports: Sequence[CaseReport], console: Console) -> None:
    def line(text: str, style: str | None = None) -> None:
        console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)

    for one in reports:
        law = f"{one.regulation or '-'} v{one.version or '-'} {one.channel or '-'}"
        state = "ended" if one.ended else "running"
        scores = " ".join(f"{name} {value:.2f}" for name, value in one.scores.items())
        line(f"{one.case}  {one.overall:.2f}  {law}  {state}  {scores}", None if one.overall == 1.0 else "red")
        for found in one.deviations:
            rows = ", ".join(found.rows)
            line(f"    {found.dimension} {found.step} [{found.clause or '-'}]: {found.text} ({rows})", "red")
        for turned in one.refusals:
            line(f"    refused by {turned.service}: {turned.message} {turned.step} {turned.code} ({turned.row})", "dim")
    line(f"{len(reports)} cases, overall {min(one.overall for one in reports):.2f}", "bold")
