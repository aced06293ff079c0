"""What a file says reaches the catalogue: nothing is dropped on the way from YAML to the frozen facts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from egovlaw.catalogue import Catalogue, Kazakh
from egovlaw.documents import read_document

CODES = ("semey-minor-funds-certificate", "semey-kindergarten-queue", "tayynsha-social-assistance")
NOT_FACTS = {"registers", "counts", "in_seeds"}  # whom to ask is in the messages; the rest checks the file itself


def said(value: Any) -> Iterator[str]:
    """Every text of raw data, the names of settings and the like included."""
    if isinstance(value, dict):
        for key, entry in value.items():
            if key not in NOT_FACTS:
                yield from said(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from said(entry)
    elif isinstance(value, str):
        yield value


def kept(value: Any) -> Iterator[str]:
    """Every text of the frozen facts."""
    if is_dataclass(value):
        for field in fields(value):
            yield from kept(getattr(value, field.name))
    elif isinstance(value, dict):
        for entry in value.values():
            yield from kept(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from kept(entry)
    elif isinstance(value, date):
        yield value.isoformat()
    elif isinstance(value, str):
        yield value


def test_every_text_of_every_file_is_in_the_catalogue(catalogue: Catalogue, contracts: Path) -> None:
    root = contracts / "regulations"
    files = [read_document(path, root).value for path in sorted(root.glob("*/*.yaml"))]
    lost = {raw["code"]: set(said(raw)) - set(kept(catalogue.by_code[raw["code"]])) for raw in files}
    assert {code: texts for code, texts in lost.items() if texts} == {}


@pytest.mark.parametrize("code", CODES)
def test_a_form_keeps_its_kazakh_text_and_what_the_scan_lost(catalogue: Catalogue, contracts: Path, code: str) -> None:
    root = contracts / "regulations"
    raw = read_document(root / f"{code.split('-', 1)[0]}" / f"{code.split('-', 1)[1]}.yaml", root).value
    for written, form in zip(raw["forms"], catalogue.by_code[code].forms, strict=True):
        kazakh = written.get("text_kk")
        assert form.text_kk == (None if kazakh is None else Kazakh(kazakh["text"], kazakh["status"]))
        assert list(form.languages) == written.get("languages", [])
        assert (form.validity_ru, form.omitted) == (written.get("validity_ru"), written.get("omitted"))
        assert list(form.lost) == written.get("lost", [])
        for field, entry in zip(written["fields"], form.fields, strict=True):
            assert (entry.per, list(entry.decisions)) == (field.get("per"), field.get("decisions", []))


def test_headings_and_participants_keep_their_clauses(catalogue: Catalogue) -> None:
    for regulation in catalogue.regulations:
        assert {"title", "standard", "provider", "form"} <= set(regulation.cited)
        assert len(regulation.participants_cited) == len(regulation.participants)
        assert all(cited.clause for cited in regulation.participants_cited)
