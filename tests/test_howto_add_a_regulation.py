"""The how-to for a new region, walked through: its file is loaded, compared with its act, judged and shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from egovlaw.catalogue import Catalogue, Channel
from egovlaw.flow import OrderAccepted, OrderRefused, TrailStep, judge_order, states
from egovlaw.limits import judge_time, limit_stopped_by
from egovlaw.loader import CatalogueInvalid, load_catalogue
from egovlaw.pages import render_pages
from sandbox.cli import app
from sandbox.replay.generating import generate
from sandbox.replay.reading import load_all

from .howto.blocks import CODE, REGION, ROOT, SCENARIO, SERVICE, blocks, contracts_with_it

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def contracts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return contracts_with_it(tmp_path_factory.mktemp("howto"))


@pytest.fixture(scope="module")
def catalogue(contracts: Path) -> Catalogue:
    return load_catalogue(contracts)


@pytest.fixture(scope="module")
def portal(catalogue: Catalogue) -> Channel:
    return catalogue.by_code[CODE].channels["portal"]


def trail(*steps: str) -> list[TrailStep]:
    outcomes = {"+": "ok", "-": "violation"}
    return [TrailStep(step.rstrip("+-"), outcomes.get(step[-1], "done"), NOW) for step in steps]  # type: ignore[arg-type]


def test_one_file_more_is_one_regulation_more(contracts: Path, catalogue: Catalogue) -> None:
    def files(root: Path) -> set[str]:
        return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}

    assert files(contracts) - files(ROOT / "contracts") == {f"regulations/{REGION}/{SERVICE}.yaml"}
    before = load_catalogue(ROOT / "contracts")
    assert set(catalogue.by_code) - set(before.by_code) == {CODE}


def test_no_code_knows_the_new_regulation() -> None:
    folders = [path for pattern in ("libs/*/src", "services/*/src", "*/src") for path in ROOT.glob(pattern)]
    assert [path for folder in folders for path in folder.rglob("*.py") if SERVICE in path.read_text("utf-8")] == []


def test_validate_says_it_is_valid(contracts: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGOV_CONTRACTS", str(contracts))
    answered = CliRunner().invoke(app, ["regulations", "validate"])
    assert answered.exit_code == 0
    assert str(len(catalogue.regulations)) in answered.output


def test_a_mistake_in_the_new_file_is_named_with_its_line(tmp_path: Path) -> None:
    contracts = contracts_with_it(tmp_path)
    file = contracts / "regulations" / REGION / f"{SERVICE}.yaml"
    text = file.read_text(encoding="utf-8").replace("next: P6\n", "next: P9\n")
    file.write_text(text, encoding="utf-8")
    line = text[: text.index("next: P9")].count("\n") + 1
    with pytest.raises(CatalogueInvalid) as caught:
        load_catalogue(contracts)
    assert (f"{REGION}/{SERVICE}.yaml", line) in {(error.file, error.line) for error in caught.value.errors}


def test_every_word_of_it_stands_in_its_act_but_three_names_in_the_nominative(contracts: Path, tmp_path: Path) -> None:
    act = tmp_path / "act.txt"
    act.write_text(blocks("act"), encoding="utf-8")
    file = contracts / "regulations" / REGION / f"{SERVICE}.yaml"
    answered = CliRunner().invoke(app, ["regulations", "digest", str(file), "--act", str(act)])
    listed = [line.split(" ", 3) for line in answered.stdout.splitlines()]
    assert (answered.exit_code, len(listed) > 30) == (0, True)
    assert [key for _, way, key, _ in listed if way == "read"] == ["body_ru", "ru", "ru"]
    assert [line.rsplit(": ", 1)[1][:7] for line in answered.stderr.splitlines()] == ["акимат ", "Стандар", "отдел т"]


def test_a_word_that_is_not_in_the_act_is_named_with_its_line(contracts: Path, tmp_path: Path) -> None:
    act = tmp_path / "act.txt"
    act.write_text(blocks("act").replace("Номер рамы", "Номер колеса"), encoding="utf-8")
    file = contracts / "regulations" / REGION / f"{SERVICE}.yaml"
    answered = CliRunner().invoke(app, ["regulations", "digest", str(file), "--act", str(act)])
    line = next(n for n, text in enumerate(file.read_text("utf-8").split("\n"), 1) if "frame_number" in text)
    assert f"{file}:{line}: label_ru of Приложение: Номер рамы" in answered.stderr
    assert len(answered.stderr.splitlines()) == 3 + 2  # the field, and the text of the form


def test_a_case_of_it_may_go_as_its_act_says_and_no_other_way(portal: Channel) -> None:
    sent = judge_order(portal, None, "case.submitted", "P5", trail("P1", "C1+", "P3", "C2+"))
    assert isinstance(sent, OrderAccepted)
    assert (sent.state_before, sent.state_after, sent.clause) == ("new", "submitted", "4 8)")
    early = judge_order(portal, sent.progress, "case.completed", "P8", trail("C3+"))
    assert isinstance(early, OrderRefused)
    numbered = judge_order(portal, sent.progress, "case.registered", "P6", ())
    assert isinstance(numbered, OrderAccepted)
    ends = {"P7": ("case.refused", "C3-", "refused"), "P8": ("case.completed", "C3+", "completed")}
    for step, (message, checked, state) in ends.items():
        ended = judge_order(portal, numbered.progress, message, step, trail(checked))
        assert isinstance(ended, OrderAccepted)
        assert (ended.progress.ended, ended.state_after) == (True, state)
    skipped = judge_order(portal, None, "case.submitted", "P5", trail("P1", "C1+", "P3"))
    assert isinstance(skipped, OrderRefused)
    assert {state.position for state in states(portal)} == {None, "P4", "P5", "P6", "P7", "P8"}


def test_its_limit_of_two_minutes_is_kept_at_the_door(portal: Channel) -> None:
    limit = limit_stopped_by(portal.limits, "case.submitted", "P5", "gateway-shep")
    assert limit is not None
    in_time = judge_time(limit, "submission", NOW, NOW + timedelta(seconds=119))
    late = judge_time(limit, "submission", NOW, NOW + timedelta(seconds=123))
    assert (in_time.action, late.action, late.clause) == ("pass", "refuse", "4 8)")


def test_its_pages_exist_in_both_languages(catalogue: Catalogue) -> None:
    pages = render_pages(catalogue)
    assert 'id="portal-p5"' in pages[f"en/{CODE}.md"]
    assert "Велосипедтің тіркелгені туралы анықтама беру" in pages[f"ru/{CODE}.md"]
    assert f"({CODE}.md)" in pages["en/README.md"]


def test_its_scenario_is_of_the_regulation(catalogue: Catalogue, tmp_path: Path) -> None:
    file = tmp_path / f"{SCENARIO}.yaml"
    file.write_text(blocks("scenario"), encoding="utf-8")
    [found] = load_all(file, catalogue)
    assert (found.name, found.regulation, found.channel, found.ends) == (SCENARIO, CODE, "portal", "P8")


def test_every_end_of_it_has_a_scenario_at_once(catalogue: Catalogue) -> None:
    assert [one.ends for one in generate(catalogue) if one.regulation == CODE] == ["P2", "P4", "P7", "P8"]


def test_the_blocks_are_whole() -> None:
    assert yaml.safe_load(blocks("regulation"))["code"] == CODE
    assert len(blocks("act").splitlines()) > 20
