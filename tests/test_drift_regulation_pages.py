"""The pages of docs/reference/regulations are what the generator makes of the catalogue today."""

from __future__ import annotations

from pathlib import Path

import pytest

from egovkit.contracts import read_once
from egovlaw.loader import load_catalogue
from egovlaw.pages import render_pages
from sandbox.regulation_papers import diagrams_in, pages_in, write_pages

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reference" / "regulations"
AGAIN = "run .venv/bin/egov regulations pages docs/reference/regulations"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return render_pages(read_once(load_catalogue, ROOT / "contracts"), diagrams_in(PAGES))


def test_the_committed_pages_are_those_the_generator_makes(made: dict[str, str]) -> None:
    committed = {path.relative_to(PAGES).as_posix(): path.read_text(encoding="utf-8") for path in pages_in(PAGES)}
    assert set(committed) == set(made), AGAIN
    assert [name for name, text in made.items() if committed[name] != text] == [], AGAIN


def test_pages_lead_to_files_that_exist(made: dict[str, str]) -> None:
    assert (PAGES / "en" / "../../../howto/add-a-regulation.md").is_file()
    shown = {name for text in made.values() for name in diagrams_in(PAGES) if name in text}
    assert shown == diagrams_in(PAGES), "a diagram that no page shows"


def test_the_page_of_a_regulation_that_is_gone_goes_too(tmp_path: Path, made: dict[str, str]) -> None:
    stale = tmp_path / "en" / "old-service.md"
    stale.parent.mkdir()
    stale.write_text("# gone")
    others = [tmp_path / "notes.md", tmp_path / "howto" / "notes.md"]
    others[1].parent.mkdir()
    for path in others:
        path.write_text("# somebody's own")
    assert write_pages(read_once(load_catalogue, ROOT / "contracts"), tmp_path) == len(made)
    assert not stale.exists() and all(path.exists() for path in others)
    assert (tmp_path / "ru" / "README.md").is_file()
