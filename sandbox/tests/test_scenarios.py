"""Scenarios are data: every mistake in them is told with file and line before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from egovlaw.catalogue import Catalogue
from egovlaw.identifiers import synthetic_iin
from sandbox.cli import app
from sandbox.demo import demonstrated
from sandbox.replay.generating import generate
from sandbox.replay.reading import SCENARIOS, ScenariosInvalid, load_all, the_law
from sandbox.replay.scenario import Scenario
from sandbox.replay.writing import as_document, as_yaml

ALL = load_all()
PORTAL = "housing-queue-portal-refused.yaml"
DESK = "housing-queue-desk-issued.yaml"


@pytest.fixture(scope="module")
def law() -> Catalogue:
    return the_law()


def test_the_demo_has_a_result_of_every_channel_and_one_refusal() -> None:
    shown = [(one.channel, "violations" if one.reasons else "ok") for one in demonstrated()]
    assert shown == [("portal", "ok"), ("portal", "violations"), ("provider", "ok"), ("centre", "ok")]


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.name)
def test_a_limit_written_by_hand_is_that_of_the_act_s_table(scenario: Scenario, law: Catalogue) -> None:
    """The lines were not made from the catalogue; that both say the same is checked here."""
    columns = {
        limit.clause: limit.max_s for limit in law.by_code[scenario.regulation].channels[scenario.channel].limits
    }
    named = [line for line in scenario.then.lines if line.limit_s is not None]
    assert named and all(line.table is not None and columns[line.table] == line.limit_s for line in named)


def test_no_python_of_the_sandbox_names_a_regulation(law: Catalogue) -> None:
    sources = list((Path(__file__).resolve().parents[1] / "src").rglob("*.py"))
    assert [path.name for path in sources for code in law.by_code if code in path.read_text()] == []


Change = Callable[[str], str]


def instead(old: str, new: str) -> Change:
    def change(text: str) -> str:
        assert text.count(old) >= 1, f"{old} is not in the scenario"
        return text.replace(old, new, 1)

    return change


@pytest.mark.parametrize(
    ("file", "change", "at", "said"),
    [
        (PORTAL, instead("title:", "titel:"), "titel:", "unknown key titel"),
        (PORTAL, instead("      outcome: violation", "      outcom: violation"), "outcom:", "unknown key outcom"),
        (PORTAL, instead("atyrau-housing-queue", "atyrau-housing-cue"), "housing-cue", "no regulation"),
        (PORTAL, instead("  portal:", "  akim:"), "akim:", "opens no channel akim; it opens portal, provider, centre"),
        (PORTAL, instead("{step: P6}", "{step: P16}"), "step: P16", "has no step P16"),
        (PORTAL, instead("{step: P6}", "{step: P8}"), "{step: P8}", "P8 cannot follow here: the act leads to P6"),
        (PORTAL, instead("    - {step: P7}\n", ""), "- step: C3", "stops before its end: the act leads to P7"),
        (PORTAL, instead("{step: C2, outcome: ok}", "{step: C2}"), "{step: C2}", "C2 is a condition"),
        (PORTAL, instead("{step: P5}", "{step: P5, outcome: ok}"), "{step: P5, outc", "P5 is no condition"),
        (PORTAL, instead("citizen: {", "consumer: {example: ordinary_adult}\n    citizen: {"), "consumer:", "citizen"),
        (PORTAL, instead("    official:", "    operator: {}\n    official:"), "operator:", "has no operator"),
        (PORTAL, instead("message: case.submitted", "message: case.submited"), "submited", "no message is called"),
        (PORTAL, instead("service: gateway-shep", "service: gateway-shp"), "service: gateway-shp", "no service"),
        (PORTAL, instead("state: refused", "state: 7"), "state: 7", '7 is not of type "string"'),
        (DESK, instead("ordinary_adult", "ordinary_adlut"), "ordinary_adlut", "no example ordinary_adlut"),
        (DESK, instead("{example: ordinary_adult}", '{iin: "990101000001"}'), "990101000001", "is no ИИН"),
        (DESK, instead("when:", "  registers: {attorney: lost}\nwhen:"), "attorney: lost", "no example lost"),
        (DESK, instead('clause: "7 1)"', 'clause: "7 2)"'), 'P1, clause: "7 2)"', "stands in clause 7 1), not 7 2)"),
        (DESK, instead("таблица 2, 1", "таблица 2, 11"), "таблица 2, 11", "no limit of channel provider stands in"),
        (DESK, instead("outcome: ok}\n    - step: P8", "outcome: violation}\n    - step: P8"), "C2, outc", "reasons"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_file_and_line(
    tmp_path: Path, file: str, change: Change, at: str, said: str, law: Catalogue
) -> None:
    text = change((SCENARIOS / file).read_text(encoding="utf-8"))
    (tmp_path / file).write_text(text, encoding="utf-8")
    with pytest.raises(ScenariosInvalid) as caught:
        load_all(tmp_path, law)
    line = text[: text.index(at)].count("\n") + 1
    faults = {(one.file, one.line): one.message for one in caught.value.faults}
    assert (file, line) in faults, faults
    assert any(said in message for message in faults.values()), faults


def test_lines_that_end_elsewhere_than_the_way_are_a_contradictory_outcome(tmp_path: Path, law: Catalogue) -> None:
    text = (SCENARIOS / PORTAL).read_text(encoding="utf-8")
    lines = text.rstrip().split("\n")
    (tmp_path / PORTAL).write_text(
        "\n".join(line for line in lines if "step: P7, clause" not in line), encoding="utf-8"
    )
    with pytest.raises(ScenariosInvalid, match="contradictory outcome: people go on to P7, and the lines end at C3"):
        load_all(tmp_path, law)


def test_two_scenarios_that_claim_one_person_are_both_named(tmp_path: Path, law: Catalogue) -> None:
    text = (SCENARIOS / PORTAL).read_text(encoding="utf-8")
    claiming = text.replace("citizen: {", f'citizen: {{iin: "{synthetic_iin(9000)}", ')
    for name in ("first.yaml", "second.yaml"):
        (tmp_path / name).write_text(claiming, encoding="utf-8")
    with pytest.raises(ScenariosInvalid) as caught:
        load_all(tmp_path, law)
    [fault] = caught.value.faults
    line = claiming[: claiming.index("iin:")].count("\n") + 1
    assert (fault.file, fault.line) == ("second.yaml", line)
    assert f"first.yaml:{line}" in fault.message


@pytest.mark.parametrize("fault", ["a typo", "a person claimed twice"])
def test_the_command_names_file_and_line_and_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    text = (SCENARIOS / PORTAL).read_text(encoding="utf-8")
    claiming = text.replace("citizen: {", f'citizen: {{iin: "{synthetic_iin(9000)}", ')
    bad, at = (claiming, "iin:") if fault != "a typo" else (text.replace("title:", "titel:", 1), "titel:")
    for name, content in (("first.yaml", claiming), ("second.yaml", bad)):
        (tmp_path / name).write_text(content, encoding="utf-8")
    monkeypatch.setattr("sandbox.replay.worker.one_world", None)  # whoever starts a world falls over this
    done = CliRunner().invoke(app, ["replay", str(tmp_path)])
    assert done.exit_code == 2
    assert f"second.yaml:{bad[: bad.index(at)].count(chr(10)) + 1}" in done.output


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path, law: Catalogue) -> None:
    for name in ("a.yaml", "b.yaml"):
        text = (SCENARIOS / PORTAL).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("title:", "titel:").replace("state:", "stat:"), encoding="utf-8")
    with pytest.raises(ScenariosInvalid) as caught:
        load_all(tmp_path, law)
    assert [one.file for one in caught.value.faults].count("a.yaml") >= 3
    assert [one.file for one in caught.value.faults].count("b.yaml") >= 3


@pytest.mark.parametrize(("text", "said"), [("", "empty"), ("given: [", "not YAML"), ("a: 1\na: 2\n", "stands twice")])
def test_what_is_no_scenario_at_all_is_said_so(tmp_path: Path, text: str, said: str, law: Catalogue) -> None:
    (tmp_path / "odd.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ScenariosInvalid, match=said):
        load_all(tmp_path, law)


def test_a_path_without_scenarios_is_a_fault(tmp_path: Path, law: Catalogue) -> None:
    for path in (tmp_path, tmp_path / "none.yaml"):
        with pytest.raises(ScenariosInvalid, match=r"no s"):
            load_all(path, law)


def test_what_was_made_can_be_written_and_read_again(tmp_path: Path, law: Catalogue) -> None:
    made = generate(law)
    for one in made:
        (tmp_path / f"{one.name}.yaml").write_text(as_yaml(one), encoding="utf-8")
    read = {one.name: one for one in load_all(tmp_path, law)}
    for one in made:
        assert as_document(read[one.name]) == as_document(one)
        assert read[one.name].then.lines == one.then.lines
        assert read[one.name].cell == one.cell


def test_every_scenario_of_the_repository_is_in_the_format() -> None:
    files = sorted(SCENARIOS.glob("*.yaml"))
    assert [path.stem for path in files] == sorted(one.name for one in ALL)
    assert all(list(yaml.safe_load(path.read_text()))[-3:] == ["given", "when", "then"] for path in files)
