"""`egov vectors`: the corpus of signatures as the command makes and plays it."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from egovkit.contracts import contracts_dir
from egovkit.testing.vectors import FOLDER, cases_in
from sandbox.cli import app


def told(folder: Path) -> dict[str, str]:
    return {one.name: (one / "case.json").read_text(encoding="utf-8") for one in cases_in(folder)}


def test_the_command_makes_what_is_shipped_and_gives_each_its_verdict(tmp_path: Path) -> None:
    """The keys and so the bytes are new each time; what is said of a case is the same, and so is what we say to it."""
    made = CliRunner().invoke(app, ["vectors", "signatures", "-o", str(tmp_path)])
    assert made.exit_code == 0 and f"{len(cases_in(tmp_path))} cases" in made.output, made.output
    assert told(tmp_path) == told(contracts_dir() / FOLDER)
    played = CliRunner().invoke(app, ["vectors", "signatures", "--play", "-o", str(tmp_path)])
    assert played.exit_code == 0 and "WRONG" not in played.output, played.output
    spoiled = tmp_path / "good-bes" / "case.json"
    case = json.loads(spoiled.read_text(encoding="utf-8"))
    spoiled.write_text(json.dumps({**case, "code": "signature.invalid"}), encoding="utf-8")
    played = CliRunner().invoke(app, ["vectors", "signatures", "--play", "-o", str(tmp_path)])
    assert played.exit_code == 1 and "WRONG good-bes: accepted" in played.output
