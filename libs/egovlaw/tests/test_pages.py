"""The pages say what the catalogue says, all of it, and lead where they say."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from markdown_it import MarkdownIt

from egovlaw.catalogue import CHANNELS, Catalogue, Form, InternalBranch, LimitClass, ServiceTerm
from egovlaw.digests import passages
from egovlaw.documents import read_document
from egovlaw.kinds import STEP_KINDS
from egovlaw.pages import render_pages
from egovlaw.pages.markdown import document, escape, quote
from egovlaw.pages.words import LANGUAGES, Words

HOUSING = "atyrau-housing-queue"
ORALMAN = "wko-oralman-status"


@pytest.fixture(scope="module")
def pages(catalogue: Catalogue) -> dict[str, str]:
    return render_pages(catalogue)


@pytest.fixture(scope="module")
def files(contracts: Path) -> dict[str, Any]:
    root = contracts / "regulations"
    read = [read_document(path, root).value for path in sorted(root.glob("*/*.yaml"))]
    return {raw["code"]: raw for raw in read}


@pytest.fixture(scope="module")
def shown(pages: dict[str, str]) -> dict[str, str]:
    """The pages as a git host sets them."""
    renderer = MarkdownIt("commonmark").enable("table")
    return {name: renderer.render(page) for name, page in pages.items()}


def letters(text: str) -> str:
    return re.sub(r"\s+", "", text)


def kazakh(raw: Any) -> Iterator[str]:
    """Every Kazakh text of a file: `kk: ...`, `{text: ..., status: ...}` and the options of a field."""
    if isinstance(raw, dict):
        for key, value in raw.items():
            if key in ("kk", "text") and isinstance(value, str):
                yield value
            elif key == "texts":
                yield from value
            else:
                yield from kazakh(value)
    elif isinstance(raw, list):
        for value in raw:
            yield from kazakh(value)


def anchors(page: str) -> list[str]:
    return re.findall(r'<a id="([^"]+)"></a>', page)


def links(page: str) -> Iterator[str]:
    yield from re.findall(r"\]\(([^)]+)\)", page)


def section(page: str, anchor: str) -> str:
    """From an anchor to the next heading of the same level."""
    start = page.index(f'<a id="{anchor}"></a>')
    level = page[:start].rsplit("\n", 1)[1]
    end = page.find(f"\n{level}<a", start)
    return page[start : end if end > 0 else len(page)]


def test_there_is_a_page_a_regulation_and_an_index_in_both_languages(
    pages: dict[str, str], catalogue: Catalogue
) -> None:
    names = {"README", *catalogue.by_code}
    assert set(pages) == {f"{language}/{name}.md" for language in ("en", "ru") for name in names}


def test_every_word_of_every_act_is_shown_as_it_stands(shown: dict[str, str], files: dict[str, Any]) -> None:
    """Russian and Kazakh: what a reader sees once the Markdown is set, not what the file holds."""
    for code, raw in files.items():
        texts = {one.text for one in passages(raw)} | set(kazakh(raw))
        for language in LANGUAGES:
            seen = letters(html.unescape(re.sub(r"<[^>]+>", "", shown[f"{language}/{code}.md"])))
            assert [text for text in texts if letters(text) not in seen] == [], (language, code)


def test_no_word_of_an_act_becomes_markup(shown: dict[str, str]) -> None:
    for name, page in shown.items():
        assert re.findall(r"<(?:em|ol|pre|hr|script)\b", page) == [], name
        assert page.count("<h1>") == 1, name


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_clause_decision_and_message_stands_on_the_page(
    pages: dict[str, str], catalogue: Catalogue, language: str
) -> None:
    for regulation in catalogue.regulations:
        page = pages[f"{language}/{regulation.code}.md"]
        for channel in regulation.channels.values():
            for item in channel.flow:
                part = section(page, f"{channel.code}-{item.label.lower()}")
                assert escape(item.clause) in part
                assert all(f"#decision-{decision.lower()}" in part for decision in item.decisions)
                assert all(f"`{message}`" in part for message in (*item.entering, *item.standing))
        for decision in regulation.decisions:
            told = section(page, f"decision-{decision.lower()}")
            assert catalogue.decisions[decision].text in told


def test_every_link_leads_somewhere_and_no_anchor_stands_twice(pages: dict[str, str]) -> None:
    for name, page in pages.items():
        assert [anchor for anchor, times in Counter(anchors(page)).items() if times > 1] == [], name
        for target in links(page):
            path, _, anchor = target.partition("#")
            if path.startswith("../../"):
                assert path == "../../../howto/add-a-regulation.md"
                continue
            there = _beside(name, path)
            assert there in pages, (name, target)
            assert not anchor or anchor in anchors(pages[there]), (name, target)


def _beside(name: str, path: str) -> str:
    if not path:
        return name
    folder = name.split("/")[0]
    return path.removeprefix("../") if path.startswith("../") else f"{folder}/{path}"


def test_other_documents_can_link_to_a_step(pages: dict[str, str]) -> None:
    """The form of these anchors is promised: `#portal-p5`, `#portal-row-5`, `#decision-a2`, `#form-survey`."""
    promised = {"portal", "portal-p5", "portal-row-5", "portal-limits", "decision-a2", "form-survey", "rules-term"}
    assert promised - {"rules-term"} <= set(anchors(pages[f"en/{HOUSING}.md"]))
    assert {"internal-default", "terms", "rules-term"} <= set(anchors(pages[f"ru/{ORALMAN}.md"]))


def test_tables_have_short_cells_only(pages: dict[str, str]) -> None:
    for name, page in pages.items():
        shown = re.sub(r"\]\([^)]*\)", "]", page)
        cells = [cell for line in shown.split("\n") if line.startswith("|") for cell in line.split(" | ")]
        assert max(map(len, cells), default=0) <= 80, name


@pytest.mark.parametrize(
    ("language", "label"),
    [
        ("en", "Computed for a case lodged here, not the legal term (D2)"),
        ("ru", "Вычислено для поданного здесь обращения; это не срок по закону (D2)"),
    ],
)
def test_the_sum_of_an_internal_procedure_is_called_computed_and_is_no_term(
    pages: dict[str, str], language: str, label: str
) -> None:
    page = pages[f"{language}/{ORALMAN}.md"]
    assert label in section(page, "internal")
    assert label not in section(page, "terms")


def test_a_sum_keeps_days_hours_and_minutes_apart_and_knows_the_refusal_is_shorter(pages: dict[str, str]) -> None:
    internal = section(pages[f"en/{ORALMAN}.md"], "internal")
    assert "with a result 4 working days + 7 h + 60 min; with a refusal 3 working days + 4 h + 60 min" in internal


def test_where_an_outcome_leads_is_said_in_words(pages: dict[str, str]) -> None:
    page = pages[f"en/{ORALMAN}.md"]
    corporation = "state_corporation"
    assert f"in order → [P5](#{corporation}-p5), violation → [P4](#{corporation}-p4)" in page
    assert "- ends with a refusal" in section(page, f"{corporation}-p4")
    assert f"- a refusal, leads to [P8](#{corporation}-p8)" in section(page, f"{corporation}-p7")
    assert "- ends with the result" in section(page, f"{corporation}-p8")


def test_what_the_scan_lost_is_named_where_it_is_lost(pages: dict[str, str]) -> None:
    page = pages["en/tayynsha-social-assistance.md"]
    row = section(page, "provider-row-3")
    assert "- **which ends with**: (lost)" in row
    assert "- **Read with doubt**: `actor_ru`, `action_ru`" in row
    assert "The scan lost this item; the text is ours." in section(page, "portal-p5")
    assert "as data 7 working days; akim: 22 working days" in section(page, "portal-row-5")


def test_a_channel_without_a_flow_says_so(pages: dict[str, str]) -> None:
    named = section(pages["en/wko-wheelchairs.md"], "provider")
    assert "prints no flow for it" in named


def test_a_diagram_is_shown_only_where_its_file_is(catalogue: Catalogue, pages: dict[str, str]) -> None:
    assert not [name for name, page in pages.items() if "![" in page]
    drawn = render_pages(catalogue, {f"{HOUSING}.portal.svg"})
    assert f"![Diagram: portal](../diagrams/{HOUSING}.portal.svg)" in drawn[f"en/{HOUSING}.md"]
    assert f"](../diagrams/{HOUSING}.portal.svg)" in drawn[f"ru/{HOUSING}.md"]
    assert "[BPMN" not in drawn[f"en/{HOUSING}.md"] and "centre.svg" not in drawn[f"en/{HOUSING}.md"]
    assert drawn[f"en/{ORALMAN}.md"] == pages[f"en/{ORALMAN}.md"]


def test_russian_pages_name_every_value_in_russian(catalogue: Catalogue) -> None:
    words = Words("ru")
    values = {*CHANNELS, *STEP_KINDS, *get_args(LimitClass), *get_args(InternalBranch), "origin", "register"}
    values |= {rule.topic for regulation in catalogue.regulations for rule in regulation.rules}
    values |= {*get_args(Form.__annotations__["kind"]), *get_args(ServiceTerm.__annotations__["kind"])}
    latin = {value for value in values if re.search("[A-Za-z]", words.name(value))}
    assert latin == set()


def test_units_are_counted(catalogue: Catalogue) -> None:
    words = Words("en")
    assert [words.unit("working_days", 1), words.unit("working_days", 5)] == ["working day", "working days"]
    assert [words.unit("hours", 1), words.unit("max_s", 60), words.unit("months", 1)] == ["h", "s", "month"]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("*Штрих-код _____", r"\*Штрих-код \_\_\_\_\_"),
        ("1) не удовлетворен;", r"1\) не удовлетворен;"),
        ("1. Удовлетворены", r"1\. Удовлетворены"),
        ("- для портала", r"\- для портала"),
        ("# 5", r"\# 5"),
        ("[…] <b>a|b</b>", r"\[…\] \<b\>a\|b\</b\>"),
        ("два  слова\tрядом", "два слова рядом"),
        ("от 28.12.2012 № 427", "от 28.12.2012 № 427"),
    ],
)
def test_nothing_an_act_says_becomes_markup(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_a_quotation_keeps_the_lines_of_the_text() -> None:
    assert quote("Заявление\n\nПрошу _____\nдата") == ["> Заявление\\", "> Прошу \\_\\_\\_\\_\\_\\", "> дата"]


def test_a_document_has_no_double_empty_lines_and_one_line_end() -> None:
    assert document(["", "# a", "", "", "", "b  ", ""]) == "# a\n\nb\n"
