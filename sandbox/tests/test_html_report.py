"""The report as a page: whole, safe, without anything from elsewhere; the journal as a diagram."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sandbox.cli import app
from sandbox.replay.html import LANGUAGES, WORDS, as_html
from sandbox.replay.reading import the_law
from sandbox.replay.reporting import Report
from sandbox.replay.scenario import Cell
from sandbox.replay.sequence import draw, used
from sandbox.replay.verdicts import Step, Verdict
from sandbox.trace import Hop

NOON = datetime(2026, 1, 15, 4, 0, tzinfo=UTC)
KINDS = {"portal-pep": "portal", "gateway-shep": "national_gateway", "provider-arm": "provider"}
VOID = {"meta", "br", "input", "line", "rect", "path"}


def hop(service: str, step: str, message: str = "", outcome: str = "accepted", **more: Any) -> Hop:
    plain = Hop(NOON, service, "envelope" if message else "step", step, "6 8)", message, outcome, None, None, None,
                None, False, "e1" if message else None, None, 1)  # fmt: skip
    return replace(plain, **more)


SUBMITTED = {"sender": "portal-pep", "recipient": "provider-arm"}
HOPS = (
    hop("portal-pep", "P1", outcome="done", used_s=6.0, limit_s=60.0),
    hop("portal-pep", "P5", "case.submitted", "done", **SUBMITTED),
    hop("gateway-shep", "P5", "case.submitted", time=NOON + timedelta(seconds=1), **SUBMITTED),
)
GOOD = Step("portal-pep", "P1", "6 2)", "done", "done", "", hop=0)
BAD = Step("gateway-shep", "P5", "6 8)", "accepted", "late", "", (("6 8)", "late <script>alert(1)</script>\x00"),), 2)
FINE = Verdict("one", "Один", "act-a", "portal", "P8", "case-1", 1.5, (GOOD,), title_kk="Бір", hops=HOPS)
WRONG = Verdict("two", "Два", "act-a", "portal", "P4", "case-2", 2.0, (GOOD, BAD), hops=HOPS)
EMPTY = Cell("act-b", "centre", "P2")


def page(*verdicts: Verdict) -> str:
    return as_html(Report(verdicts, [*(one.cell for one in verdicts), EMPTY], NOON, 12.3, 2))


class Reader(HTMLParser):
    """What stands in a page, and whether its elements close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.elsewhere: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "action") and value:
                (self.links if value.startswith("#") else self.elsewhere).append(value)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_an_envelope_is_drawn_from_who_sent_it_over_who_passed_it_to_who_gets_it() -> None:
    drawn = draw(HOPS, KINDS)
    at = {line.name: line.x for line in drawn.lifelines}
    assert list(at) == ["portal-pep", "gateway-shep", "provider-arm"]
    assert [(arrow.x1, arrow.x2) for arrow in drawn.arrows] == [
        (at["portal-pep"], at["gateway-shep"]),
        (at["gateway-shep"], at["provider-arm"]),
    ]
    assert [note.text for note in drawn.notes] == ["P1 done", "P5 case.submitted done"]
    heights = [one.y for one in (*drawn.notes, *drawn.arrows)]
    assert len(set(heights)) == len(heights) and max(heights) < drawn.height


def test_the_way_back_points_back_and_a_notice_is_said_once() -> None:
    back = {"envelope": "e2", "sender": "gateway-shep", "recipient": "portal-pep"}
    hops = (
        hop("gateway-shep", "P5", "envelope.accepted", **back),
        hop("portal-pep", "-", "envelope.accepted", "applied", **back),
    )
    drawn = draw(hops, KINDS)
    [arrow] = drawn.arrows
    assert (arrow.sign, arrow.mood, arrow.text, drawn.notes) == (-1, "notice", "envelope.accepted", ())


def test_what_was_refused_went_no_further_and_looks_otherwise() -> None:
    refused = hop("gateway-shep", "P5", "case.submitted", "refused", code="route.unknown", **SUBMITTED)
    drawn = draw((refused,), KINDS)
    [arrow] = drawn.arrows
    assert arrow.mood == "refusal" and [line.name for line in drawn.lifelines] == ["portal-pep", "gateway-shep"]
    assert draw((refused,), KINDS, frozenset({0})).arrows[0].mood == "wrong"
    assert draw((hop("portal-pep", "P1", late=True),), KINDS).notes[0].mood == "wrong"


def test_a_limit_is_told_once_a_step_with_the_share_of_it() -> None:
    [one] = used((*HOPS, replace(HOPS[0], used_s=15.0)))
    assert (one.step, one.share) == ("P1", 0.25)
    assert used([hop("portal-pep", "P1", limit_s=60.0)]) == []


def test_the_page_is_well_formed_and_every_link_of_it_leads_somewhere() -> None:
    read = Reader(page(FINE, WRONG))
    assert len(set(read.ids)) == len(read.ids)
    assert {link[1:] for link in read.links} <= set(read.ids)
    assert {"#case-0", "#case-1"} <= set(read.links)
    assert read.elsewhere == [], "the page has to work where there is no network"


def test_what_others_wrote_is_text_and_never_markup() -> None:
    text = page(WRONG)
    assert "<script>alert" not in text and "&lt;script&gt;alert(1)" in text and "\x00" not in text


def test_what_differs_stands_open_with_its_clause_and_the_rest_is_closed() -> None:
    text = page(FINE, WRONG)
    assert 'id="case-0" data-wrong="false">' in text and 'id="case-1" data-wrong="true" open>' in text
    assert "п. 6 8): late" in text
    assert 'chip failed" href="#case-1"' in text and 'chip passed" href="#case-0"' in text
    assert "P2 ∅" in text, "a cell nobody played is seen"


def test_a_cell_played_twice_leads_to_the_play_that_failed() -> None:
    text = page(FINE, replace(WRONG, outcome=FINE.outcome))
    assert 'chip failed" href="#case-1"' in text and 'chip passed" href="#case-0"' not in text


def test_every_text_is_there_in_three_languages() -> None:
    assert all(len(texts) == len(set(texts)) or name in ("seconds", "regulation") for name, texts in WORDS.items())
    assert all(len(texts) == len(LANGUAGES) and all(texts) for texts in WORDS.values())
    text = page(FINE)
    assert '<span lang="kk">Бір</span>' in text and '<span lang="ru">Один</span>' in text


def test_an_act_of_the_catalogue_is_named_in_its_own_words() -> None:
    act = the_law().regulations[0]
    channel = next(one for one in act.channels.values() if one.flow)
    text = page(replace(FINE, regulation=act.code, channel=channel.code, outcome=channel.flow[0].label))
    assert act.title_kk in text and act.title_ru in text


def test_a_replay_without_journals_and_limits_says_so() -> None:
    words = Reader(page(replace(FINE, hops=(), case="", steps=(replace(GOOD, hop=None),)))).words
    for name in ("no_limits", "no_hops", "no_case"):
        assert set(WORDS[name]) <= set(words)


@pytest.mark.parametrize("form", ["pdf", "HTM"])
def test_a_form_of_report_that_is_none_is_refused(form: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["replay", "--all", "--report", form, "-o", str(tmp_path / "out")])
    assert done.exit_code == 2 and "html" in done.output and not (tmp_path / "out").exists()
