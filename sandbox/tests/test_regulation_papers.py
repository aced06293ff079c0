"""The commands that write what stands beside the regulations."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sandbox.cli import app

ROOT = Path(__file__).resolve().parents[2]
REGULATIONS = len(list((ROOT / "contracts" / "regulations").glob("*/*.yaml")))
PAGES = 2 * (REGULATIONS + 1)  # and an index in both languages


@pytest.fixture
def run() -> CliRunner:
    return CliRunner()


def test_pages_are_written_where_they_are_wanted(run: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "diagrams").mkdir()
    (tmp_path / "diagrams" / "atyrau-housing-queue.portal.svg").write_text("<svg/>")
    answered = run.invoke(app, ["regulations", "pages", str(tmp_path)])
    assert (answered.exit_code, answered.stdout) == (0, f"{PAGES} pages in {tmp_path}\n")
    page = (tmp_path / "en" / "atyrau-housing-queue.md").read_text(encoding="utf-8")
    assert "(../diagrams/atyrau-housing-queue.portal.svg)" in page


def test_pages_of_a_spoiled_catalogue_are_not_written(
    run: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contracts = tmp_path / "contracts"
    shutil.copytree(ROOT / "contracts", contracts)
    spoiled = contracts / "regulations" / "wko" / "wheelchairs.yaml"
    spoiled.write_text(spoiled.read_text(encoding="utf-8").replace("next: P6", "next: P66"), encoding="utf-8")
    monkeypatch.setenv("EGOV_CONTRACTS", str(contracts))
    answered = run.invoke(app, ["regulations", "pages", str(tmp_path / "pages")])
    assert (answered.exit_code, answered.stdout) == (1, "")
    assert "wko/wheelchairs.yaml:" in answered.stderr and "leads to P66" in answered.stderr
    assert not (tmp_path / "pages").exists()


def test_a_file_that_is_no_yaml_gets_no_list_of_digests(run: CliRunner, tmp_path: Path) -> None:
    file, act = tmp_path / "service.yaml", tmp_path / "act.txt"
    file.write_text("code: service\ntitle: [unclosed\n", encoding="utf-8")
    act.write_text("Акт", encoding="utf-8")
    answered = run.invoke(app, ["regulations", "digest", str(file), "--act", str(act)])
    assert (answered.exit_code, answered.stdout) == (1, "")
    assert answered.stderr.startswith(f"{file}:3: not YAML")


def test_a_digest_needs_the_act(run: CliRunner, tmp_path: Path) -> None:
    file = ROOT / "contracts" / "regulations" / "wko" / "wheelchairs.yaml"
    assert run.invoke(app, ["regulations", "digest", str(file)]).exit_code == 2
    assert run.invoke(app, ["regulations", "digest", str(file), "--act", str(tmp_path / "none")]).exit_code == 2


def test_the_catalogue_is_measured_cold_again_and_as_kept() -> None:
    from sandbox.bench import run_catalogue

    found = run_catalogue()
    assert set(found) == {"regulations", "cold_s", "again_s", "kept_s"}
    assert found["regulations"] == REGULATIONS
