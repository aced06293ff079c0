"""Every Russian text of a regulation against the list of digests made when it was compared with its act.

Whoever mends a typo here changes the law, so an edit has to touch both files. A line of `digests/<code>.txt` is

    <SHA-256 of the text, runs of white space made one blank> <how it was compared> <key> <clause>

in the order of the regulation's file. `verbatim`: every line of the text stands in the act, white space and the blanks
to be filled in aside. `read`: it does not, and was held against the act by eye: a name put into the nominative, a cell
joined from torn lines, a footer of another city (A14, E12), a letter the scan lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from egovlaw.loader import load_catalogue, read_document

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
LISTS = {path.stem: path for path in sorted((Path(__file__).parent / "digests").glob("*.txt"))}


def texts(value: Any, clause: str = "-", key: str = "") -> Iterator[tuple[str, str, str]]:
    """(key, clause, text) of every Russian text in a regulation's file, in its order."""
    if isinstance(value, dict):
        here = value.get("clause", clause)
        for name, entry in value.items():
            yield from texts(entry, here, name)
    elif isinstance(value, list):
        for entry in value:
            yield from texts(entry, clause, key)
    elif isinstance(value, str) and (key == "ru" or key.endswith("_ru")):
        yield key, clause, value


def digest(text: str) -> str:
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()


def regulation_files() -> dict[str, Any]:
    root = CONTRACTS / "regulations"
    read = [read_document(path, root).value for path in sorted(root.glob("*/*.yaml"))]
    return {raw["code"]: raw for raw in read}


@pytest.fixture(scope="module")
def files() -> dict[str, Any]:
    return regulation_files()


@pytest.mark.parametrize("code", LISTS)
def test_every_text_is_the_one_that_was_compared_with_the_act(files: dict[str, Any], code: str) -> None:
    listed = [line.split(" ", 3) for line in LISTS[code].read_text(encoding="utf-8").splitlines()]
    found = list(texts(files[code]))
    edited = [
        f"{clause} {key} {digest(text)}: {text}"
        for (key, clause, text), (sha, _, was_key, was_clause) in zip(found, listed, strict=False)
        if (digest(text), key, clause) != (sha, was_key, was_clause)
    ]
    assert edited[:3] == [], "compare it with the act again and put its new digest into the list"
    assert len(found) == len(listed)


@pytest.mark.parametrize("code", LISTS)
def test_a_list_says_how_each_text_was_compared(code: str) -> None:
    ways = [line.split(" ", 3)[1] for line in LISTS[code].read_text(encoding="utf-8").splitlines()]
    assert set(ways) <= {"verbatim", "read"}
    assert ways.count("verbatim") > 0.8 * len(ways), "a regulation is its act's own words"


def test_every_list_belongs_to_a_regulation() -> None:
    assert LISTS, "no list of digests was found"
    assert set(LISTS) <= {one.code for one in load_catalogue(CONTRACTS).regulations}


def test_a_letter_more_or_less_is_seen_and_a_line_break_is_not() -> None:
    assert digest("процесс 1 – ввод\nИИН") == digest("процесс 1  – ввод ИИН")
    assert digest("процесс 1 - ввод ИИН") != digest("процесс 1 – ввод ИИН")
