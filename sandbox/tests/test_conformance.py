"""Cases held against their acts from journals alone: faithful ones, and every way one event can be wrong."""

from __future__ import annotations

import asyncio
import json
import random  # noqa: TID251 # seeded: the same mutations in every run
import re
import xml.etree.ElementTree as ElementTree  # reads what was just written
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from egovkit.contracts import contracts_dir, read_once
from egovkit.journal import JournalRow
from egovlaw.catalogue import Catalogue, Channel, Regulation
from egovlaw.conformance import CaseReport, Parties, check_case
from egovlaw.loader import load_catalogue
from sandbox.bench_conformance import write
from sandbox.conformance import parties, run_conformance
from sandbox.evidence import databases
from sandbox.made_up import MadeUp, faithful

CASE = "01a2129a-e0cd-707e-ab15-7d975640769e"
BEGAN = datetime(2014, 3, 3, 4, 0, tzinfo=UTC)
KINDS = ("portal", "provider", "centre", "state_corporation")


@pytest.fixture(scope="module")
def law() -> Catalogue:
    return read_once(load_catalogue, contracts_dir())


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return parties(contracts_dir(), tuple(databases(tmp_path_factory.mktemp("none"), None)))


def flows(law: Catalogue) -> Iterator[tuple[Regulation, Channel]]:
    return ((one, channel) for one in law.regulations for channel in one.channels.values() if channel.has_flow)


def lived(regulation: Regulation, channel: Channel, sides: Parties, prefer: str = "ok") -> list[JournalRow]:
    return faithful(MadeUp(CASE, regulation, channel, sides, BEGAN, {}), prefer)


@pytest.fixture(params=KINDS)
def channel(request: pytest.FixtureRequest, law: Catalogue) -> tuple[Regulation, Channel]:
    return next((one, channel) for one, channel in flows(law) if channel.code == request.param)


@pytest.fixture
def rows(channel: tuple[Regulation, Channel], sides: Parties) -> list[JournalRow]:
    return lived(*channel, sides)


@pytest.fixture
def judge(law: Catalogue, sides: Parties) -> Callable[[list[JournalRow]], CaseReport]:
    return lambda rows: check_case(CASE, rows, law, sides)


def cited(channel: Channel, row: JournalRow) -> set[str]:
    """The clauses of an event: its item's, and those of its step's limits."""
    step = row.facts["step"]
    return {channel.by_label[step].clause} | {limit.clause for limit in channel.limits if limit.label == step}


@pytest.mark.parametrize("prefer", ["ok", "violation"])
def test_a_faithful_case_of_every_flow_is_worth_one(law: Catalogue, sides: Parties, prefer: str) -> None:
    found = {
        (one.code, channel.code): check_case(CASE, lived(one, channel, sides, prefer), law, sides)
        for one, channel in flows(law)
    }
    assert len(found) > 20
    assert {key: report.deviations for key, report in found.items() if report.overall < 1.0} == {}
    assert all(report.ended for report in found.values())


def test_any_event_that_is_dropped_is_missed_with_its_clause(
    channel: tuple[Regulation, Channel], rows: list[JournalRow], judge: Callable[[list[JournalRow]], CaseReport]
) -> None:
    for n, row in enumerate(rows):
        report = judge([*rows[:n], *rows[n + 1 :]])
        assert report.overall < 1.0, row
        assert cited(channel[1], row) & set(report.clauses), row


def test_any_two_neighbours_of_one_journal_that_change_places_are_out_of_order(
    channel: tuple[Regulation, Channel], rows: list[JournalRow], judge: Callable[[list[JournalRow]], CaseReport]
) -> None:
    swapped = 0
    for n, row in enumerate(rows):
        after = next((m for m in range(n + 1, len(rows)) if rows[m].writer == row.writer), None)
        steps = (row.facts["step"], rows[after].facts["step"] if after else row.facts["step"])
        if after is None or steps[0] == steps[1]:
            continue  # hops of one step are covered by what follows
        mixed = list(rows)
        mixed[n] = replace(rows[after], time=row.time, position=row.position)
        mixed[after] = replace(row, time=rows[after].time, position=rows[after].position)
        report = judge(mixed)
        swapped += 1
        assert report.overall < 1.0, row
        assert cited(channel[1], row) & set(report.clauses), row
    assert swapped >= 3


def test_any_event_that_comes_after_the_next_one_of_its_case_is_out_of_order(
    channel: tuple[Regulation, Channel], rows: list[JournalRow], judge: Callable[[list[JournalRow]], CaseReport]
) -> None:
    for row in rows[:-1]:
        delayed = [replace(one, time=rows[-1].time + timedelta(hours=1)) if one is row else one for one in rows]
        report = judge(delayed)
        assert report.overall < 1.0, row
        assert cited(channel[1], row) & set(report.clauses), row


def test_time_beyond_a_limit_is_late_by_the_limits_own_clause(
    channel: tuple[Regulation, Channel], rows: list[JournalRow], judge: Callable[[list[JournalRow]], CaseReport]
) -> None:
    told = {one.label for one in channel[1].limits if (one.starts_on.kind, one.starts_on.moment) == ("step", "begin")}
    measured = [one for one in judge(rows).limits if one.cls != "citizen" and one.step not in told]
    assert measured, "a channel without a limit that anybody keeps"
    for limit in measured:
        stop = next(n for n, row in enumerate(rows) if f"{row.writer} {row.position}" == limit.row)
        beyond = timedelta(seconds=limit.max_s + 5)
        late = [*rows[:stop], *(replace(row, time=row.time + beyond) for row in rows[stop:])]
        report = judge(late)
        assert report.scores["time"] < 1.0
        assert limit.clause in report.clauses


def test_an_hour_at_a_citizens_form_is_measured_and_nobodys_fault(
    law: Catalogue, sides: Parties, judge: Callable[[list[JournalRow]], CaseReport]
) -> None:
    regulation, portal = next((one, c) for one, c in flows(law) if c.code == "portal")
    rows = lived(regulation, portal, sides)
    slow = next(n for n, row in enumerate(rows) if row.facts["step"] == "P3")
    facts = {**rows[slow].facts, "used_s": 3600.0}
    rows[slow] = replace(rows[slow], body=json.dumps(facts))
    report = judge(rows)
    assert report.overall == 1.0
    assert [one.late for one in report.limits if one.step == "P3"] == [True]


def test_a_refused_envelope_is_listed_and_hurts_nothing(
    rows: list[JournalRow], judge: Callable[[list[JournalRow]], CaseReport]
) -> None:
    told = next(row for row in rows if row.writer == "gateway-shep/1")
    facts = {
        **told.facts,
        "id": "01a2129a-0000-7000-8000-000000000000",
        "outcome": "refused",
        "code": "order.trail_broken",
    }
    refused = replace(told, kind="refusal", position=9999, body=json.dumps(facts))
    report = judge([*rows, refused])
    assert report.overall == 1.0
    assert [one.code for one in report.refusals] == ["order.trail_broken"]


def test_a_row_of_another_case_of_another_law_or_of_an_unknown_step_is_named(
    rows: list[JournalRow], judge: Callable[[list[JournalRow]], CaseReport]
) -> None:
    one = rows[0]
    foreign = replace(one, case_id="01a2129a-ffff-7000-8000-000000000000", position=9001)
    other = replace(one, position=9002, body=json.dumps({**one.facts, "regulation": "semey-housing-queue"}))
    strange = replace(one, position=9003, body=json.dumps({**one.facts, "step": "P99"}))
    for added, word in ((foreign, "row of case"), (other, "semey-housing-queue"), (strange, "P99"), (one, "twice")):
        report = judge([*rows, added])
        assert report.scores["fitness"] < 1.0
        assert any(word in found.text and found.rows for found in report.deviations)


def test_a_version_nobody_has_and_a_case_without_rows_are_worth_nothing(
    rows: list[JournalRow], judge: Callable[[list[JournalRow]], CaseReport]
) -> None:
    newer = [replace(row, body=json.dumps({**row.facts, "regulation_version": 7})) for row in rows]
    for given in (newer, []):
        report = judge(given)
        assert (report.overall, report.ended) == (0.0, False)
    assert "version 7" in judge(newer).deviations[0].text


def test_no_mutation_breaks_the_checker_or_leaves_the_scale(
    rows: list[JournalRow], judge: Callable[[list[JournalRow]], CaseReport]
) -> None:
    dice = random.Random(427)  # a fixed seed: the same mutations in every run
    for _ in range(150):
        mutated = list(rows)
        for _ in range(dice.randint(1, 6)):
            n = dice.randrange(len(mutated))
            one = mutated[n]
            facts = {
                **one.facts,
                dice.choice(sorted(one.facts) or ["step"]): dice.choice([None, 5, "P1", "x", [], {"n": []}, True]),
            }
            changes = (
                [],
                [one, one],
                [replace(one, time=one.time + timedelta(seconds=dice.uniform(-5000, 5000)))],
                [replace(one, body=None)],
                [replace(one, body=json.dumps(facts))],
                [replace(one, kind=dice.choice(["step", "envelope", "refusal", "admin"]))],
            )
            mutated[n : n + 1] = dice.choice(changes)
            if not mutated:
                break
        report = judge(mutated)
        assert all(0.0 <= score <= 1.0 for score in report.scores.values())
        json.dumps(report.as_data())


def test_journals_on_disk_are_checked_shown_and_exported(
    rows: list[JournalRow], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    urls = databases(tmp_path, None)
    asyncio.run(write(urls, rows))
    assert run_conformance(tmp_path, None, None, xes=tmp_path / "log.xes") == 0
    assert "1 cases, overall 1.00" in capsys.readouterr().out
    log = ElementTree.parse(tmp_path / "log.xes").getroot()  # our own file
    order = [re.sub("{.*}", "", child.tag) for child in log]
    assert order == ["extension"] * 4 + ["global"] * 2 + ["classifier", "string", "trace"]
    assert float(log.attrib["xes.version"])
    events = log.findall(".//{*}trace/{*}event")
    assert len(events) == len(rows)
    for event in events:
        keys = [child.attrib["key"] for child in event]
        assert {"concept:name", "time:timestamp", "lifecycle:transition", "org:resource"} <= set(keys)
        assert len(keys) == len(set(keys))
    assert run_conformance(tmp_path, None, CASE, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["items"][0]["case"] == CASE
    assert run_conformance(tmp_path, None, "01a2129a-ffff-7000-8000-000000000000") == 2


def test_one_lost_row_makes_the_command_fail_and_names_the_clause(
    channel: tuple[Regulation, Channel], rows: list[JournalRow], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(write(databases(tmp_path, None), rows[1:]))
    assert run_conformance(tmp_path, None, None) == 1
    assert channel[1].by_label[rows[0].facts["step"]].clause in capsys.readouterr().out
