"""Every end of every channel of every act, from outside: all of them embedded, a sample as processes of their own.

Of all that was played the journals are kept, and held against the acts once more by the checker that knows nothing of
what was wanted; then one event of each channel's record is lost, swapped or late, and it has to be missed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from egovkit.contracts import contracts_dir
from egovkit.journal import JournalRow
from egovlaw.catalogue import Channel
from egovlaw.conformance import Parties, check_case
from sandbox.conformance import CaseReader, is_case, parties
from sandbox.evidence import databases
from sandbox.replay.generating import generate
from sandbox.replay.player import play_in
from sandbox.replay.reading import load_all, the_law
from sandbox.replay.scenario import Scenario
from sandbox.replay.verdicts import Verdict, wanted_cells
from sandbox.world import Deployment

pytestmark = pytest.mark.e2e
EVERYTHING = [sys.executable, "-m", "sandbox", "replay", "--all", "--parallel", "2"]
SECONDS = 300.0


def sample() -> list[Scenario]:
    """Of every channel the acts know its first refusal at the provider or the registers, its first result, and its
    first intake by hand."""
    chosen: dict[tuple[str, str], Scenario] = {}
    law = the_law()
    for one in generate(law):
        item = law.by_code[one.regulation].channels[one.channel].item(one.ends)
        if item is None or item.kind.name != "refuse_login":
            chosen.setdefault((one.channel, one.ends if item is None else item.outcome), one)
    return list(chosen.values())


@dataclass(frozen=True, slots=True)
class Played:
    """What the command came to, and what the journals of its worlds say of each case."""

    done: subprocess.CompletedProcess[str]
    report: dict[str, Any]
    rows: Mapping[str, Sequence[JournalRow]]
    sides: Parties

    @property
    def verdicts(self) -> list[Verdict]:
        return [Verdict.of_data(one) for one in self.report["verdicts"]]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Everything from the command line, in two worlds: what CI runs."""
    folder = tmp_path_factory.mktemp("replay")
    found, kept = folder / "replay.json", folder / "worlds"
    command = [*EVERYTHING, "--report", "json", "-o", str(found), "--keep", str(kept)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert found.exists(), done.stderr
    return asyncio.run(_read(done, json.loads(found.read_text()), sorted(kept.iterdir())))


async def _read(done: subprocess.CompletedProcess[str], report: dict[str, Any], worlds: Sequence[Path]) -> Played:
    rows: dict[str, Sequence[JournalRow]] = {}
    for world in worlds:
        async with CaseReader(databases(world, None)) as reader:
            sides = parties(contracts_dir(), reader.services)
            async for group in reader.groups(await reader.cases()):
                rows |= {case: found for case, found in group.items() if found and is_case(found)}
    return Played(done, report, rows, sides)


def test_every_end_of_every_channel_is_as_the_acts_say(played: Played) -> None:
    wrong = {one.name: one.differences[:2] for one in played.verdicts if not one.passed}
    assert wrong == {}, played.done.stderr
    assert played.done.returncode == 0, played.done.stderr
    matrix = [one for one in played.report["matrix"] if one["mark"] != "empty"]
    filled = [(one["regulation"], one["channel"], one["outcome"]) for one in matrix]
    assert filled == [(one.regulation, one.channel, one.outcome) for one in wanted_cells(the_law())]
    assert {one.name for one in load_all()} <= {one.name for one in played.verdicts}, (
        "the stories written by hand as well"
    )


def test_the_journals_alone_tell_of_cases_that_went_as_their_acts_say(played: Played) -> None:
    reports = {case: check_case(case, rows, the_law(), played.sides) for case, rows in played.rows.items()}
    assert {one.case for one in played.verdicts if one.case} <= set(reports)
    assert {case: one.deviations for case, one in reports.items() if one.overall < 1.0} == {}
    ended = {(one.regulation, one.channel) for one in reports.values() if one.ended}
    every = [(law.code, channel) for law in the_law().regulations for channel in law.channels.values()]
    # At a counter that an act only names papers are taken in, and no case is born on the bus.
    assert ended == {(code, c.code) for code, c in every if c.has_flow or c.origin_kind != "centre"}


def test_an_event_lost_swapped_or_late_in_the_record_of_any_channel_is_missed_with_its_clause(played: Played) -> None:
    longest: dict[tuple[str, str], tuple[str, list[JournalRow]]] = {}
    for case, rows in played.rows.items():
        report = check_case(case, rows, the_law(), played.sides)
        known = longest.get((report.regulation or "", report.channel or ""), ("", []))
        if report.ended and len(rows) > len(known[1]):
            longest[report.regulation or "", report.channel or ""] = (case, list(rows))
    unnoticed = []
    for (code, name), (case, rows) in longest.items():
        channel = the_law().by_code[code].channels[name]
        for how, row, spoiled in spoilings(channel, rows):
            report = check_case(case, spoiled, the_law(), played.sides)
            if report.overall == 1.0 or not clauses_of(channel, row) & set(report.clauses):
                unnoticed.append((code, name, how, row.writer, row.facts.get("type"), row.facts.get("step")))
    assert unnoticed == []


def spoilings(channel: Channel, recorded: Sequence[JournalRow]) -> Iterator[tuple[str, JournalRow, list[JournalRow]]]:
    """Every row lost, every two neighbours of one journal swapped, every row an hour late; what the act leaves open is
    left out: a precondition need not be seen, and news on the way (side messages) come when they come."""
    yield from spoilings_by_hand(recorded)
    told = [row for row in recorded if row.kind in ("step", "envelope") and channel.item(row.facts.get("step") or "")]
    rows = sorted(told, key=lambda row: (row.time, row.writer, row.position))
    news = {f"kz.egov.{one.type}.v1" for one in channel.side_messages}
    for n, row in enumerate(rows):
        if row.facts.get("type", "").startswith("kz.egov.envelope."):
            continue  # between gateways; no act speaks of it
        if channel.by_label[row.facts["step"]].type != "precondition":
            yield "lost", row, [*rows[:n], *rows[n + 1 :]]
        if row.facts.get("type") in news:
            continue
        if row is not rows[-1]:
            yield "late", row, [*rows[:n], replace(row, time=rows[-1].time + timedelta(hours=1)), *rows[n + 1 :]]
        after = next((m for m in range(n + 1, len(rows)) if rows[m].writer == row.writer), None)
        if after is None or rows[after].facts.get("type") in news or rows[after].facts["step"] == row.facts["step"]:
            continue
        mixed = list(rows)
        mixed[n] = replace(rows[after], time=row.time, position=row.position)
        mixed[after] = replace(row, time=rows[after].time, position=rows[after].position)
        yield "swapped", row, mixed


def spoilings_by_hand(recorded: Sequence[JournalRow]) -> Iterator[tuple[str, JournalRow, list[JournalRow]]]:
    """The provider's own steps, lost, or swapped with the next one of their branch."""
    rows = sorted(recorded, key=lambda row: (row.time, row.writer, row.position))
    steps = [n for n, row in enumerate(rows) if row.facts.get("action") == "internal.done"]
    for n in steps:
        yield "lost", rows[n], [*rows[:n], *rows[n + 1 :]]
    for n, after in pairwise(steps):
        if rows[n].facts["branch"] == rows[after].facts["branch"]:
            mixed = list(rows)
            mixed[n] = replace(rows[after], time=rows[n].time, position=rows[n].position)
            mixed[after] = replace(rows[n], time=rows[after].time, position=rows[after].position)
            yield "swapped", rows[n], mixed


def clauses_of(channel: Channel, row: JournalRow) -> set[str]:
    if row.facts.get("action"):
        return {row.facts["clause"]}
    step = row.facts["step"]
    return {channel.by_label[step].clause} | {limit.clause for limit in channel.limits if limit.label == step}


def test_ctrl_c_leaves_nothing_running_and_nothing_lying_about(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(EVERYTHING, stderr=subprocess.PIPE, text=True, env=environment) as replay:
        worlds: list[psutil.Process] = []
        while len(worlds) < 2 and replay.poll() is None:
            worlds = psutil.Process(replay.pid).children()
        assert list(tmp_path.iterdir()) != []
        replay.send_signal(signal.SIGINT)
        _, said = replay.communicate(timeout=SECONDS)
    assert (replay.returncode, "stopped before the end" in said) == (2, True)
    assert [world.pid for world in worlds if world.is_running()] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("world", ["production", "compose"], indirect=True, scope="session")
async def test_a_sample_of_every_channel_goes_as_the_acts_say(world: Deployment) -> None:
    verdicts = await play_in(world, sample())
    assert {one.name: one.differences[:2] for one in verdicts if not one.passed} == {}
