"""Every Russian text of a regulation against the list of digests made when it was compared with its act
(`egov regulations digest`; the form of the lists is told in egovlaw.digests).

What is `read` was held against the act by eye: a name put into the nominative, a cell joined from torn lines, a footer
of another city (A14, E12), a letter the scan lost.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from egovkit.contracts import read_once
from egovlaw.digests import READ, VERBATIM, differences, digest, digest_list, line_of, passages
from egovlaw.documents import Document, read_document
from egovlaw.loader import load_catalogue

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
LISTS = {path.stem: path for path in sorted((Path(__file__).parent / "digests").glob("*.txt"))}


def listed(code: str) -> list[str]:
    return LISTS[code].read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def files() -> dict[str, Document]:
    root = CONTRACTS / "regulations"
    documents = [read_document(path, root) for path in sorted(root.glob("*/*.yaml"))]
    return {document.value["code"]: document for document in documents}


@pytest.mark.parametrize("code", LISTS)
def test_every_text_is_the_one_that_was_compared_with_the_act(files: dict[str, Document], code: str) -> None:
    document = files[code]
    edited = [
        f"{document.file}:{document.line(path)}: {text}" for path, text in differences(document.value, listed(code))
    ]
    assert edited == [], "compare it with the act again and put its new digest into the list"


@pytest.mark.parametrize("code", LISTS)
def test_a_list_says_how_each_text_was_compared(code: str) -> None:
    ways = [line.split(" ", 3)[1] for line in listed(code)]
    assert set(ways) <= {VERBATIM, READ}
    assert ways.count(VERBATIM) > 0.8 * len(ways), "a regulation is its act's own words"


def test_every_regulation_has_its_list() -> None:
    assert set(LISTS) == {one.code for one in read_once(load_catalogue, CONTRACTS).regulations}


def test_a_letter_more_or_less_is_seen_and_a_line_break_is_not() -> None:
    assert digest("процесс 1 – ввод\nИИН") == digest("процесс 1  – ввод ИИН")
    assert digest("процесс 1 - ввод ИИН") != digest("процесс 1 – ввод ИИН")


def test_an_edited_an_added_and_a_missing_text_are_named_at_once_with_their_lines(files: dict[str, Document]) -> None:
    code = next(iter(LISTS))
    document = files[code]
    raw: dict[str, Any] = copy.deepcopy(document.value)
    flow, rules = raw["channels"][0]["flow"], raw["rules"]
    flow[2]["text_ru"] += "!"
    rules[5]["short_ru"] = "сокращение"
    del rules[8]["text_ru"]
    found = list(differences(raw, listed(code)))
    assert [path for path, _ in found[:2]] == [("channels", 0, "flow", 2, "text_ru"), ("rules", 5, "short_ru")]
    line = document.line(found[0][0])
    text = (CONTRACTS / "regulations" / document.file).read_text(encoding="utf-8").split("\n")[line - 1]
    assert document.value["channels"][0]["flow"][2]["text_ru"][:30] in text
    assert "is missing" in found[2][1] and found[2][0][:2] == ("rules", 9)
    assert len(found) == 3


ACT = "1. **Услуга** «Пример»\nоказывается ______ отделом.\n2. Контроль возложить на имярека, начальника."


@pytest.mark.parametrize(
    ("text", "way", "more"),
    [
        ("Услуга «Пример» оказывается ____ отделом.", VERBATIM, {}),
        ("Услуга «Пример»\nотделом.", VERBATIM, {}),
        ("Услуга «Примерь»", READ, {}),
        ("Услуга […] отделом.", READ, {}),
        ("Контроль возложить на […], начальника.", VERBATIM, {"omitted": "person"}),
    ],
)
def test_a_text_is_compared_letter_by_letter_with_the_act(text: str, way: str, more: dict[str, str]) -> None:
    [(found, passage)] = digest_list({"rules": [{"clause": "1", "text_ru": text, **more}]}, ACT)
    assert (found, passage.path, passage.clause) == (way, ("rules", 0, "text_ru"), "1")
    assert line_of(found, passage) == f"{digest(text)} {way} text_ru 1"


def test_texts_of_other_languages_are_no_words_of_the_act() -> None:
    raw = {
        "title": {"ru": "Услуга", "kk": "Қызмет"},
        "forms": [{"name_kk": {"text": "Өтініш"}, "options_ru": ["а", "б"]}],
    }
    assert [one.text for one in passages(raw)] == ["Услуга", "а", "б"]
