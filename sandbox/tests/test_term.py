"""`egov term`: how an end comes about, and what is no term."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from sandbox.cli import app


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["term", *words])
    return result.exit_code, result.output


def test_each_day_says_why_it_counts_or_not() -> None:
    status, shown = run("2022-03-04T10:00", "2wd")
    assert status == 0
    assert "2022-03-05 Sat   1  worked for 2022-03-07, decree No 713" in shown
    assert "2022-03-07 Mon      day off, moved from 2022-03-05, decree No 713" in shown
    assert "holiday: Халықаралық әйелдер күні" in shown
    assert shown.rstrip().endswith("ends 2022-03-09T18:00:00+06:00 in Almaty, 2022-03-09T12:00:00Z")


def test_the_term_of_an_act_names_its_clause() -> None:
    status, shown = run("2026-11-25T10:00", "--regulation", "tayynsha-social-assistance", "--channel", "akim", "--json")
    facts = json.loads(shown)
    assert (status, facts["term"], facts["source"], facts["due_at"], facts["provisional"]) == (
        0, "22 working days", "act", "2026-12-28T13:00:00Z", False,
    )  # fmt: skip


def test_behind_the_known_years_it_is_provisional() -> None:
    assert "provisional" in run("2028-06-01T10:00", "1wd")[1]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["2026-11-25"], 2, "give a term"),
        (["soon", "7wd"], 2, "no moment"),
        (["2026-11-25T10:00", "7 days"], 2, "no term"),
        (["2026-11-25T10:00", "9999mo"], 2, "longer than"),
        (["2026-11-25T10:00", "--regulation", "none", "--channel", "portal"], 2, "no regulation"),
        (["2026-11-25T10:00", "--regulation", "wko-wheelchairs", "--channel", "portal"], 2, "no channel"),
        (["2026-11-25T10:00", "--regulation", "atyrau-housing-queue", "--channel", "portal"], 1, "only its Standard"),
    ],
)
def test_what_is_no_term_is_said(words: list[str], status: int, said: str) -> None:
    assert run(*words)[0] == status
    assert said in run(*words)[1]
