"""Scenarios are data: they load, name what exists, and each has an expected trace written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from egovkit.contracts import contracts_dir
from egovlaw.loader import load_catalogue
from sandbox.demo import demonstrated
from sandbox.scenario import SCENARIOS, BadScenario, Scenario, load, load_all
from sandbox.trace import load_expected

ALL = load_all()


def test_the_demo_has_a_result_of_every_channel_and_one_refusal() -> None:
    shown = [(one.channel, one.check.outcome if one.check else None) for one in demonstrated()]
    assert shown == [("portal", "ok"), ("portal", "violations"), ("provider", "ok"), ("centre", "ok")]


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.name)
def test_a_scenario_names_a_regulation_and_channel_of_the_catalogue(scenario: Scenario) -> None:
    regulation = load_catalogue(contracts_dir()).regulation(scenario.regulation)
    assert regulation is not None
    assert scenario.channel in regulation.channels


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.name)
def test_every_line_of_an_expected_trace_quotes_a_clause_of_the_act(scenario: Scenario) -> None:
    """The expected trace was not made from the catalogue; that both cite the same places is checked here."""
    regulation = load_catalogue(contracts_dir()).regulation(scenario.regulation)
    assert regulation is not None
    channel = regulation.channels[scenario.channel]
    expected = load_expected(scenario.expected)
    assert expected.scenario == scenario.name
    assert {line.clause for line in expected.lines} <= {item.clause for item in channel.flow}
    rows = {limit.clause: float(limit.max_s) for limit in channel.limits}
    for line in expected.lines:
        assert line.table is None or line.table in rows
        assert line.limit_s is None or line.table is None or rows[line.table] == line.limit_s


def test_no_python_of_the_sandbox_names_a_regulation() -> None:
    codes = {scenario.regulation for scenario in ALL}
    sources = Path(__file__).resolve().parents[1] / "src"
    named = [p.name for p in sources.rglob("*.py") for code in codes if code in p.read_text()]
    assert named == []


def test_a_scenario_without_a_needed_key_names_file_and_key(tmp_path: Path) -> None:
    data = yaml.safe_load((SCENARIOS / f"{ALL[0].name}.yaml").read_text())
    del data["regulation"]
    path = tmp_path / "lame.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(BadScenario, match=r"lame\.yaml: .*'regulation'"):
        load(path)


@pytest.mark.parametrize("change", [{"citizen": None}, {"consumer": "ordinary_adult"}])
def test_either_a_citizen_or_a_consumer_applies(tmp_path: Path, change: dict[str, object]) -> None:
    data = yaml.safe_load((SCENARIOS / f"{ALL[0].name}.yaml").read_text()) | change
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(BadScenario, match="exactly one of citizen and consumer"):
        load(path)


def test_documents_in_order_demand_a_result(tmp_path: Path) -> None:
    data = yaml.safe_load((SCENARIOS / f"{ALL[0].name}.yaml").read_text())
    data["result"] = None
    path = tmp_path / "halfway.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(BadScenario, match="lead to a result"):
        load(path)
