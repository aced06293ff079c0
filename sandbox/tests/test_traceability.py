"""From clause to test and back: what is named, what is missing, and what a mark may say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from egovlaw.catalogue import Catalogue, FlowItem
from sandbox.replay.generating import generate
from sandbox.replay.reading import the_law
from sandbox.traceability.cli import stale, write
from sandbox.traceability.code import code_of, missing_code
from sandbox.traceability.duties import Duty, duties_of
from sandbox.traceability.linking import link
from sandbox.traceability.marks import BadMark, Mark, marks_in
from sandbox.traceability.pages import render

ROOT = Path(__file__).resolve().parents[2]
RULE = Duty("survey", "one-service", "15", "rule, survey", "Анкета")


@pytest.fixture(scope="module")
def law_of_oralmans() -> Catalogue:
    return replace(the_law(), regulations=(the_law().by_code["wko-oralman-status"],))


def mark_of(decorator: str, before: str = "") -> list[Mark]:
    return marks_in("tests/test_x.py", f"import pytest\n{before}\n@{decorator}\nasync def test_it() -> None: ...\n")


def test_a_mark_is_read_without_running_its_test() -> None:
    [mark] = mark_of('pytest.mark.law(topic="survey", clause=("14", "15"))', 'raise SystemExit("imported")')
    assert mark.test == "tests/test_x.py::test_it" and mark.wanted == {"topic": ("survey",), "clause": ("14", "15")}
    assert mark.takes(RULE) and not mark.takes(replace(RULE, clause="16"))


def test_a_star_stands_for_whatever_follows() -> None:
    [mark] = mark_of('pytest.mark.law(regulation="one-*")')
    assert mark.takes(RULE) and not mark.takes(replace(RULE, regulation="another-one-service"))


def test_marks_of_a_module_and_of_a_class_are_those_of_every_test_in_it() -> None:
    source = (
        'import pytest\npytestmark = [pytest.mark.unit, pytest.mark.law(topic="a")]\n'
        '@pytest.mark.law(topic="b")\nclass TestAll:\n    def test_one(self): ...\n    def helper(self): ...\n'
        "def test_two(): ...\n"
    )
    found = [(mark.test.partition("::")[2], mark.wanted["topic"]) for mark in marks_in("t.py", source)]
    assert found == [("TestAll::test_one", ("a",)), ("TestAll::test_one", ("b",)), ("test_two", ("a",))]


@pytest.mark.parametrize(
    "decorator",
    [
        "pytest.mark.law",
        "pytest.mark.law()",
        'pytest.mark.law("survey")',
        'pytest.mark.law(subject="survey")',
        "pytest.mark.law(topic=SURVEY)",
        "pytest.mark.law(clause=15)",
        "pytest.mark.law(clause=())",
    ],
)
def test_a_mark_that_says_nothing_that_can_be_read_is_named_with_its_line(decorator: str) -> None:
    with pytest.raises(BadMark, match=r"tests/test_x\.py:3: .*law\(\)"):
        mark_of(decorator)


def test_what_no_scenario_passes_and_no_mark_names_has_no_test(law_of_oralmans: Catalogue) -> None:
    scenarios = generate(law_of_oralmans)
    whole = link(law_of_oralmans, [], scenarios, ROOT)
    assert "step" not in {duty.topic for duty in whole.uncovered}
    assert {"internal", "term", "message", "general"} <= {duty.topic for duty in whole.uncovered}
    refused = [one for one in scenarios if one.ends == "P4"]
    part = link(law_of_oralmans, [], refused, ROOT)
    bare = {duty.item for duty in part.uncovered if duty.topic == "step"}
    taken = {act.step for one in refused for act in one.when}
    assert bare and bare == {item.label for item in _flow(law_of_oralmans)} - taken


def test_a_mark_covers_what_it_names_and_one_that_names_nothing_is_a_fault(law_of_oralmans: Catalogue) -> None:
    good, idle = Mark("t.py::test_a", 3, {"topic": ("internal",)}), Mark("t.py::test_b", 9, {"clause": ("999",)})
    traced = link(law_of_oralmans, [good, idle], [], ROOT)
    assert "internal" not in {duty.topic for duty in traced.uncovered}
    assert traced.faults == ("t.py:9: law(clause=999) selects nothing",)


def test_an_organisational_sentence_needs_its_reason(law_of_oralmans: Catalogue) -> None:
    [one] = law_of_oralmans.regulations
    rules = tuple(replace(rule, reason=" ") if rule.kind == "organisational" else rule for rule in one.rules)
    silent = replace(law_of_oralmans, regulations=(replace(one, rules=rules),))
    faults = link(silent, [], [], ROOT).faults
    assert len(faults) == sum(rule.kind == "organisational" for rule in rules) > 0
    assert all("organisational needs its reason" in fault for fault in faults)


def test_every_duty_of_every_act_is_done_somewhere_and_that_place_exists(tmp_path: Path) -> None:
    duties = duties_of(the_law())
    assert missing_code(ROOT, duties) == []
    assert any("does not exist" in fault for fault in missing_code(tmp_path, duties))
    assert code_of(replace(RULE, topic="unheard-of")) == ()
    assert missing_code(ROOT, [replace(RULE, topic="step", name="fly")])


def test_a_page_shows_clause_words_code_and_tests_and_the_index_leads_back(law_of_oralmans: Catalogue) -> None:
    mark = Mark("con-arm/tests/test_a.py::test_waiting", 3, {"topic": ("term",), "clause": ("4 2)",)})
    pages = render(link(law_of_oralmans, [mark], generate(law_of_oralmans), ROOT))
    page = pages["wko-oralman-status.md"]
    [row] = [line for line in page.splitlines() if line.startswith("| 4 2) | term waiting |")]
    assert "15 минут" in row and "[egovlaw/terms.py]" in row and "[test_waiting]" in row
    assert "[test_waiting]: ../../../con-arm/tests/test_a.py" in page
    assert "**none**" in page and "4 2)" in pages["tests.md"]


def test_a_page_that_is_stale_missing_or_left_over_is_named(tmp_path: Path) -> None:
    made = {"README.md": "new\n", "a.md": "a\n"}
    write(made, tmp_path)
    assert stale(made, tmp_path) == []
    (tmp_path / "a.md").write_text("old\n", encoding="utf-8")
    (tmp_path / "gone.md").write_text("", encoding="utf-8")
    (tmp_path / "README.md").unlink()
    assert [Path(one.split()[0]).name for one in stale(made, tmp_path)] == ["README.md", "a.md", "gone.md"]
    write(made, tmp_path)
    assert stale(made, tmp_path) == [] and not (tmp_path / "gone.md").exists()


def _flow(law: Catalogue) -> list[FlowItem]:
    return [item for one in law.regulations for channel in one.channels.values() for item in channel.flow]
