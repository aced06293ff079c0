"""What a replay says: for people, for machines, for CI."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console
from typer.testing import CliRunner

from sandbox.cli import app
from sandbox.replay.command import Choice, NothingChosen, chosen
from sandbox.replay.reporting import Report, as_json, as_junit, as_text
from sandbox.replay.scenario import Cell
from sandbox.replay.verdicts import Step, Verdict

GOOD = Step("portal-pep", "P5", "6 8)", "case.submitted done", "case.submitted done", "0.1 s of 60 s")
BAD = Step(
    "gateway-shep", "P6", "6 9)", "case.registered accepted", "nothing", "", (("6 9)", "did not happen <&>\x00"),)
)
PASSED = Verdict("one", "Один", "act-a", "portal", "P8", "case-1", 1.5, (GOOD,))
FAILED = Verdict("two", "Два", "act-a", "centre", "P9", "case-2", 2.0, (GOOD, BAD))
EMPTY = Cell("act-b", "portal", "P2")


def report(*verdicts: Verdict, empty: bool = False) -> Report:
    cells = [PASSED.cell, *([EMPTY] if empty else [])]
    return Report(verdicts, cells, datetime(2026, 1, 15, 4, 0, tzinfo=UTC), 12.34, 2)


def text_of(found: Report) -> str:
    stream = io.StringIO()
    as_text(found, Console(file=stream, width=200))
    return stream.getvalue()


def test_a_verdict_survives_the_way_between_processes() -> None:
    assert Verdict.of_data(json.loads(json.dumps(FAILED.data()))) == FAILED


def test_the_text_tells_step_by_step_where_it_went_wrong_and_sums_up() -> None:
    said = text_of(report(PASSED, FAILED))
    assert "two: act-a centre P9  case-2" in said
    assert "✓ п. 6 8)    portal-pep             P5" in said
    assert "✗ п. 6 9)" in said and "| seen: nothing" in said and "п. 6 9): did not happen" in said
    assert "1 of 2 scenarios as the acts say, 1 of 2 cells green, 12.3 s in 2 worlds" in said
    assert "one:" not in said, "what is as it should be needs no page"


def test_an_empty_cell_is_no_success() -> None:
    found = report(PASSED, empty=True)
    assert (found.passed, found.empty) == (False, [EMPTY])
    assert "EMPTY act-b portal P2" in text_of(found)
    assert report(PASSED).passed


def test_a_cell_is_green_only_when_everything_played_there_is() -> None:
    also = replace(FAILED, channel="portal", outcome="P8")
    for order in ((PASSED, also), (also, PASSED)):
        assert set(report(*order).cells().values()) == {"✗"}


def test_json_has_every_step_with_what_was_expected_and_seen() -> None:
    data = json.loads(as_json(report(PASSED, FAILED, empty=True)))
    assert (data["passed"], data["scenarios"], data["failed"]) == (False, 2, 1)
    assert [cell["mark"] for cell in data["matrix"]] == ["passed", "empty", "failed"]
    step = data["verdicts"][1]["steps"][1]
    assert (step["clause"], step["expected"], step["seen"]) == ("6 9)", "case.registered accepted", "nothing")
    assert step["wrong"][0][0] == "6 9)"


def test_junit_has_what_its_strict_readers_demand() -> None:
    """The attributes and the order of elements that Ant's own schema and Jenkins' ask for."""
    root = ElementTree.fromstring(as_junit(report(PASSED, FAILED, empty=True)))
    assert root.tag == "testsuites"
    suites = {suite.get("name"): suite for suite in root}
    assert set(suites) == {"act-a", "act-b"}
    for n, suite in enumerate(root):
        wanted = {"name", "package", "id", "hostname", "timestamp", "tests", "failures", "errors", "time"}
        assert set(suite.attrib) == wanted and suite.get("id") == str(n)
        datetime.strptime(suite.get("timestamp") or "", "%Y-%m-%dT%H:%M:%S")
        tags = [child.tag for child in suite]
        assert tags == ["properties", *["testcase"] * (len(tags) - 3), "system-out", "system-err"]
        cases = suite.findall("testcase")
        assert int(suite.get("tests") or -1) == len(cases)
        assert int(suite.get("failures") or -1) == len(suite.findall("testcase/failure"))
        for case in cases:
            assert set(case.attrib) == {"name", "classname", "time"}
            assert float(case.get("time") or "x") >= 0
            assert all(set(one.attrib) == {"type", "message"} for one in case.findall("failure"))
    [failure] = suites["act-a"].findall("testcase/failure")
    assert failure.get("type") == "п. 6 9)"
    assert failure.get("message") == "did not happen <&>"


@pytest.mark.parametrize(
    ("choice", "count"),
    [
        (Choice(regulation="atyrau-housing-queue"), 10),
        (Choice(regulation="atyrau-housing-queue", channel="portal"), 4),
        (Choice(channel="state_corporation", outcome="P7"), 10),
    ],
)
def test_a_choice_takes_its_scenarios_and_demands_their_cells(choice: Choice, count: int) -> None:
    scenarios, cells = chosen(choice)
    assert len(cells) == count == len({one.cell for one in scenarios})
    assert all(choice.takes(one.cell) for one in scenarios)


def test_a_choice_of_nothing_is_said() -> None:
    with pytest.raises(NothingChosen):
        chosen(Choice(regulation="atyrau-bicycle-certificate"))


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["replay", *arguments])
    return done.exit_code, done.output


def test_without_a_choice_nothing_is_played() -> None:
    status, said = run()
    assert (status, "say --all" in said) == (2, True)


def test_a_mistake_in_a_scenario_ends_with_2_and_its_line(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text("given: {}\n")
    status, said = run(str(tmp_path))
    assert (status, "odd.yaml:1: " in said) == (2, True)


def test_a_target_where_nothing_runs_ends_with_2(tmp_path: Path) -> None:
    status, said = run("--regulation", "atyrau-housing-queue", "--target", str(tmp_path))
    assert (status, "holds no running deployment" in said) == (2, True)


def test_what_is_made_from_the_catalogue_can_be_looked_at(tmp_path: Path) -> None:
    status, said = run("--regulation", "atyrau-housing-queue", "--write", str(tmp_path / "made"))
    assert (status, "10 scenarios" in said) == (0, True)
    assert len(list((tmp_path / "made").glob("*.yaml"))) == 10
