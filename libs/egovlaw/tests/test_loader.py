"""The loader reports every fault at once, with file and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from egovlaw.catalogue import Catalogue
from egovlaw.documents import Fault, read_document
from egovlaw.loader import CatalogueInvalid, load_catalogue

FILE = "atyrau/housing-queue.yaml"


def errors_of(root: Path) -> tuple[Fault, ...]:
    with pytest.raises(CatalogueInvalid) as caught:
        load_catalogue(root)
    return caught.value.errors


class Spoiled:
    """One file of the copy, changed line by line; remembers where."""

    def __init__(self, root: Path, file: str = FILE) -> None:
        self.root, self.path = root, root / file
        self.lines = self.path.read_text(encoding="utf-8").split("\n")

    def find(self, text: str, nth: int = 1) -> int:
        """The 1-based line of the n-th line that contains `text`."""
        hits = [n for n, line in enumerate(self.lines, start=1) if text in line]
        return hits[nth - 1]

    def replace(self, old: str, new: str, nth: int = 1) -> int:
        line = self.find(old, nth)
        self.lines[line - 1] = self.lines[line - 1].replace(old, new, 1)
        return line

    def insert(self, before: int, text: str) -> int:
        self.lines.insert(before - 1, text)
        return before

    def drop(self, text: str, nth: int = 1) -> int:
        line = self.find(text, nth)
        del self.lines[line - 1]
        return line

    def errors(self) -> tuple[Fault, ...]:
        self.path.write_text("\n".join(self.lines), encoding="utf-8")
        return errors_of(self.root)


@pytest.fixture
def spoiled(alone: Path) -> Spoiled:
    return Spoiled(alone)


def test_the_catalogue_loads_from_its_folder_and_from_the_folder_above(contracts: Path) -> None:
    files = list((contracts / "regulations").glob("*/*.yaml"))
    assert len(load_catalogue(contracts / "regulations").regulations) == len(files)
    assert len(load_catalogue(contracts).regulations) == len(files)


def unknown_key(file: Spoiled) -> tuple[int, str]:
    return file.insert(file.find("measured_by: gateway-shep"), "        colour: red"), "unknown key colour"


def unknown_top_key(file: Spoiled) -> tuple[int, str]:
    return file.insert(file.find("region: atyrau"), "tariff: 5"), "unknown key tariff"


def dangling_next(file: Spoiled) -> tuple[int, str]:
    return file.replace("next: C2", "next: C9"), "P3 leads to C9, which is not in the flow"


def dangling_branch(file: Spoiled) -> tuple[int, str]:
    return file.replace("violation: P4}", "violation: P14}"), "C2 leads to P14, which is not in the flow"


def unreachable(file: Spoiled) -> tuple[int, str]:
    file.replace("next: {ok: P5, violation: P4}", "next: {ok: P5, violation: P2}")
    return file.find("- label: P4"), "nothing leads to P4"


def duplicate_label(file: Spoiled) -> tuple[int, str]:
    return file.replace("- label: P4", "- label: P3"), "label P3 stands twice"


def duplicate_key(file: Spoiled) -> tuple[int, str]:
    line = file.find("version: 1")
    return file.insert(line + 1, "version: 2"), "key version stands twice"


def missing_clause(file: Spoiled) -> tuple[int, str]:
    line = file.drop('clause: "6 5)"')
    return line - 1, '"clause" is a required property'


def empty_clause(file: Spoiled) -> tuple[int, str]:
    return file.replace('clause: "6 5)"', 'clause: ""'), "shorter than 1 character"


def limit_of_no_clause(file: Spoiled) -> tuple[int, str]:
    line = file.replace("- label: P5", "- label: P5 ", nth=2)
    assert "clause" in file.lines[line]
    del file.lines[line]
    return line, '"clause" is a required property'


def limit_that_nothing_starts(file: Spoiled) -> tuple[int, str]:
    return file.replace("starts_on: {step: C2, outcome: ok}", "starts_on: {}"), "names either a step or a message"


def unknown_class(file: Spoiled) -> tuple[int, str]:
    return file.replace("class: submission", "class: whim"), "is not one of"


def unresolved_decision(file: Spoiled) -> tuple[int, str]:
    return file.replace("decisions: [A11]", "decisions: [A99]"), "decision A99 is not in decisions.yaml"


def unresolved_setting(file: Spoiled) -> tuple[int, str]:
    return file.replace("decision: A15", "decision: D44"), "decision D44 is not in decisions.yaml"


def limit_without_start(file: Spoiled) -> tuple[int, str]:
    file.drop("starts_on: {step: C2, outcome: ok}")
    return file.find("- label: P5", nth=2), '"starts_on" is a required property'


def limit_from_nowhere(file: Spoiled) -> tuple[int, str]:
    line = file.replace("starts_on: {step: C2, outcome: ok}", "starts_on: {step: C7, outcome: ok}")
    return line, "limit P5 starts_on: step C7 is not in the flow"


def limit_by_unsent_message(file: Spoiled) -> tuple[int, str]:
    line = file.replace("stops_on: {message: case.registered}", "stops_on: {message: case.handed_over}")
    return line, "limit P6 stops_on: message case.handed_over is sent by no step of the channel"


def limit_on_both(file: Spoiled) -> tuple[int, str]:
    line = file.replace("{message: case.submitted}", "{message: case.submitted, step: P5}")
    return line, "limit P5 stops_on names either a step or a message"


def limit_unlike_the_table(file: Spoiled) -> tuple[int, str]:
    start = file.find("starts_on: {step: C2, outcome: ok}")
    assert file.lines[start - 2] == "        max_s: 60"
    file.lines[start - 2] = "        max_s: 61"
    return start - 1, "limit P5 differs from row 5 of the table"


def unknown_unit(file: Spoiled) -> tuple[int, str]:
    return file.replace("limit: {max_s: 900}", "limit: {fortnights: 1}"), "unknown key fortnights"


def two_units(file: Spoiled) -> tuple[int, str]:
    return file.replace("limit: {max_s: 900}", "limit: {max_s: 900, minutes: 15}"), "exactly one unit"


def bounds_reversed(file: Spoiled) -> tuple[int, str]:
    line = file.replace("limit: {min_s: 30, max_s: 60}", "limit: {min_s: 90, max_s: 60}")
    return line, "the lower bound 90 s is above the upper bound 60 s"


def unknown_kind(file: Spoiled) -> tuple[int, str]:
    return file.replace("kind: sign_and_send", "kind: sign_and_pray"), "unknown step kind sign_and_pray"


def kind_of_other_type(file: Spoiled) -> tuple[int, str]:
    return file.replace("kind: sign_and_send", "kind: check_documents"), "is a condition, not a process"


def wrong_count(file: Spoiled) -> tuple[int, str]:
    line = file.replace("counts: {flow: 12, table: 8}", "counts: {flow: 13, table: 8}")
    return line, "flow has 12 entries, the act was counted to have 13"


def ends_without_outcome(file: Spoiled) -> tuple[int, str]:
    return file.replace("next: P6", "next: null"), "P5 continues, so it must lead somewhere"


def side_message_nowhere(file: Spoiled) -> tuple[int, str]:
    return file.replace("during: [P6]", "during: [P16]"), "allowed during P16, which is not in the flow"


def unknown_side_message(file: Spoiled) -> tuple[int, str]:
    return file.replace("{type: case.paused", "{type: case.lost"), "case.lost"


def row_to_nowhere(file: Spoiled) -> tuple[int, str]:
    return file.replace("next: {on_ok: 6,", "next: {on_ok: 12,"), "row 5 leads to row 12"


def silent_empty_cell(file: Spoiled) -> tuple[int, str]:
    return file.replace('actor_ru: "ПЭП"', "actor_ru: null"), "an empty cell must be listed in lost: actor_ru"


def reason_missing(file: Spoiled) -> tuple[int, str]:
    line = file.drop('reason: "a classification, shown"')
    return line - 4, '"reason" is a required property'


def wrong_folder(file: Spoiled) -> tuple[int, str]:
    return file.replace("region: atyrau", "region: semey"), "region semey in the folder atyrau"


def wrong_type(file: Spoiled) -> tuple[int, str]:
    return file.replace("version: 1", "version: one"), "version"


def label_in_russian_alone(file: Spoiled) -> tuple[int, str]:
    line = file.replace('label_kk: {text: "(қызметтің атауы)", status: translated}, ', "")
    return line, "no Kazakh for the label (наименование услуги)"


def options_in_russian_alone(file: Spoiled) -> tuple[int, str]:
    file.drop("options_kk:")
    return file.find("options_ru:"), "no Kazakh for the options"


def application_named_in_russian_alone(file: Spoiled) -> tuple[int, str]:
    file.replace("- kind: survey", "- kind: application")
    file.drop("    name_kk:")
    return file.find('    name_ru: "Форма анкеты'), "no Kazakh for the name Форма анкеты"


def not_yaml(file: Spoiled) -> tuple[int, str]:
    return file.insert(3, "code: [unclosed"), "not YAML"


def alias_of_itself(file: Spoiled) -> tuple[int, str]:
    return file.insert(file.find("version: 1"), "extra: &loop [*loop]"), "aliases are not used here"


def old_yaml_number(file: Spoiled) -> tuple[int, str]:
    return file.replace("limit: {max_s: 900}", "limit: {max_s: 15:00}"), "is not of type"


def second_document(file: Spoiled) -> tuple[int, str]:
    file.lines += ["---", "code: another"]
    return len(file.lines) - 1, "not YAML"


FAULTS: list[Callable[[Spoiled], tuple[int, str]]] = [
    unknown_key, unknown_top_key, dangling_next, dangling_branch, unreachable, duplicate_label, duplicate_key,
    missing_clause, empty_clause, limit_of_no_clause, limit_that_nothing_starts, unknown_class,
    unresolved_decision, unresolved_setting, limit_without_start, limit_from_nowhere,
    limit_by_unsent_message, limit_on_both, limit_unlike_the_table, unknown_unit, two_units, bounds_reversed,
    unknown_kind, kind_of_other_type, wrong_count, ends_without_outcome, side_message_nowhere,
    unknown_side_message, row_to_nowhere, silent_empty_cell, reason_missing, wrong_folder, wrong_type,
    label_in_russian_alone, options_in_russian_alone, application_named_in_russian_alone, alias_of_itself,
    old_yaml_number, second_document,
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_is_named_with_its_file_and_line(spoiled: Spoiled, fault: Callable[[Spoiled], tuple[int, str]]) -> None:
    line, text = fault(spoiled)
    errors = spoiled.errors()
    assert [e for e in errors if e.file == FILE and e.line == line and text in e.message], errors


def test_broken_yaml_is_one_error_with_a_line(spoiled: Spoiled) -> None:
    not_yaml(spoiled)
    (error,) = spoiled.errors()
    assert (error.file, error.line > 0) == (FILE, True)
    assert error.message.startswith("not YAML")


def test_all_faults_are_reported_at_once(spoiled: Spoiled) -> None:
    """A schema fault in one place hides no dangling reference in another, nor a fault in another file."""
    expected = [dangling_next(spoiled), wrong_count(spoiled), unknown_key(spoiled), unresolved_decision(spoiled)]
    decisions = Spoiled(spoiled.root, "decisions.yaml")
    decisions.replace("  D7:", "  D77:")
    decisions.path.write_text("\n".join(decisions.lines), encoding="utf-8")
    errors = spoiled.errors()
    for line, text in expected:
        assert any(e.line == line and text in e.message for e in errors), text
    assert any(e.file == "decisions.yaml" and "decision D7 is missing" in e.message for e in errors)
    assert list(errors) == sorted(errors)


def test_faults_of_every_sort_in_several_files_are_reported_together(copy: Path) -> None:
    """The whole list of what a lawyer may get wrong, spread over three files of three regions."""
    semey, wko = Spoiled(copy, "semey/housing-queue.yaml"), Spoiled(copy, "wko/oralman-status.yaml")
    atyrau = Spoiled(copy)
    expected = {
        FILE: [unknown_unit(atyrau), unresolved_decision(atyrau), unreachable(atyrau)],
        "semey/housing-queue.yaml": [
            (semey.insert(semey.find("region: semey"), "tariff: 5"), "unknown key tariff"),
            (semey.replace("code: semey-housing-queue", "code: atyrau-housing-queue"), "is already used by"),
            (semey.replace("measured_by: con-arm", "measured_by: the-clerk"), "measured_by"),
        ],
        "wko/oralman-status.yaml": [
            (wko.replace("next: P6", "next: P16"), "P5 leads to P16, which is not in the flow"),
            (wko.replace('clause: "10 4)"', "clause: null"), "is not of type"),
            (wko.replace("starts_on: {message: query.person}", "starts_on: {}"), "names either a step or a message"),
        ],
    }
    for file in (semey, wko):
        file.path.write_text("\n".join(file.lines), encoding="utf-8")
    errors = atyrau.errors()
    for name, faults in expected.items():
        for line, text in faults:
            assert [e for e in errors if (e.file, e.line) == (name, line) and text in e.message], (name, text)


def test_a_shared_label_that_is_gone_is_missed_where_it_was_needed(copy: Path) -> None:
    semey, labels = Spoiled(copy, "semey/minor-funds-certificate.yaml"), Spoiled(copy, "labels.yaml")
    labels.drop('"вкладчика (Ф.И.О)":')
    (error,) = labels.errors()
    line = semey.find('label_ru: "вкладчика (Ф.И.О)"')
    assert (error.file, error.line) == ("semey/minor-funds-certificate.yaml", line)
    assert error.message == "no Kazakh for the label вкладчика (Ф.И.О): neither label_kk nor in labels.yaml"


def test_a_shared_label_without_words_is_named_with_its_line(copy: Path) -> None:
    labels = Spoiled(copy, "labels.yaml")
    line = labels.replace('"СТН:"', '""')
    assert [(e.file, e.line) for e in labels.errors()] == [("labels.yaml", line)]


def test_no_shared_label_is_kept_that_no_form_needs(contracts: Path) -> None:
    root = contracts / "regulations"
    shared = set(read_document(root / "labels.yaml", root).value["labels"])
    forms = [form for path in root.glob("*/*.yaml") for form in read_document(path, root).value["forms"]]
    needed = {form["name_ru"] for form in forms if "name_kk" not in form}
    needed |= {field["label_ru"] for form in forms for field in form["fields"] if "label_kk" not in field}
    assert shared - needed == set()


def test_every_decision_is_about_regulations_or_regions_that_exist(catalogue: Catalogue) -> None:
    known = {"all", *catalogue.regions, *catalogue.by_code}
    unknown = {one.id: set(one.applies_to) - known for one in catalogue.decisions.values()}
    assert {key: names for key, names in unknown.items() if names} == {}


def test_one_code_belongs_to_one_file(spoiled: Spoiled) -> None:
    twin = spoiled.root / "atyrau" / "twin.yaml"
    twin.write_text(spoiled.path.read_text(encoding="utf-8"), encoding="utf-8")
    (error,) = errors_of(spoiled.root)
    assert (error.file, error.line) == ("atyrau/twin.yaml", spoiled.find("code: atyrau-housing-queue"))
    assert error.message == f"code atyrau-housing-queue is already used by {FILE}"


def test_an_empty_file_and_a_list_are_refused(spoiled: Spoiled) -> None:
    (spoiled.root / "atyrau" / "empty.yaml").write_text("", encoding="utf-8")
    (spoiled.root / "atyrau" / "list.yaml").write_text("- 1\n- 2\n", encoding="utf-8")
    (spoiled.root / "atyrau" / "latin.yaml").write_bytes(b"code: \xff\n")
    assert {e.file for e in errors_of(spoiled.root)} == {
        "atyrau/empty.yaml", "atyrau/latin.yaml", "atyrau/list.yaml",
    }  # fmt: skip


def test_a_folder_without_decisions_is_no_catalogue(tmp_path: Path) -> None:
    (error,) = errors_of(tmp_path)
    assert error.message == "the catalogue has no such file"


def test_the_message_of_the_exception_lists_file_and_line(spoiled: Spoiled) -> None:
    line, _ = dangling_next(spoiled)
    spoiled.path.write_text("\n".join(spoiled.lines), encoding="utf-8")
    with pytest.raises(CatalogueInvalid, match=rf"atyrau/housing-queue\.yaml:{line}: P3 leads to C9"):
        load_catalogue(spoiled.root)


@pytest.mark.parametrize("cut", [5, 40, 100, 200, 333, 600, 900])
def test_a_file_cut_anywhere_is_refused_without_a_crash(spoiled: Spoiled, cut: int) -> None:
    spoiled.lines = spoiled.lines[:cut]
    assert spoiled.errors()


@pytest.mark.parametrize("value", ["5", "text", "[]", "[[1]]", "{}", "null", "true", "[{}]", "[null, 3]"])
def test_any_part_may_be_of_the_wrong_type_without_a_crash(alone: Path, value: str) -> None:
    for key in ("channels", "internal_procedure", "forms", "rules", "decisions", "act", "settings", "title"):
        file = Spoiled(alone)
        start = next(n for n, line in enumerate(file.lines) if line.startswith(f"{key}:"))
        end = next((n for n in range(start + 1, len(file.lines)) if file.lines[n][:1].isalpha()), len(file.lines))
        original = file.path.read_text(encoding="utf-8")
        file.lines[start:end] = [f"{key}: {value}"]
        file.path.write_text("\n".join(file.lines), encoding="utf-8")
        if (key, value) not in {("internal_procedure", "[]"), ("forms", "[]"), ("rules", "[]"), ("decisions", "[]"),
                                ("settings", "{}")}:  # fmt: skip
            assert errors_of(alone), key
        file.path.write_text(original, encoding="utf-8")


def second_version(root: Path, version: int = 2, name: str | None = None) -> Path:
    """The housing queue of Atyrau again, with another limit of its first measured message."""
    first = root / "atyrau/housing-queue.yaml"
    text = first.read_text(encoding="utf-8").replace("\nversion: 1\n", f"\nversion: {version}\n", 1)
    path = root / "atyrau" / (name or f"housing-queue.v{version}.yaml")
    path.write_text(text, encoding="utf-8")
    return path


def test_the_newest_version_is_for_new_cases_and_the_older_stays_for_running_ones(alone: Path) -> None:
    second_version(alone)
    law = load_catalogue(alone)
    newest = law.regulation("atyrau-housing-queue")
    assert newest is not None and newest.version == 2
    first = law.regulation("atyrau-housing-queue", 1)
    assert first is not None and first.version == 1
    assert law.regulation("atyrau-housing-queue", 3) is None
    assert law.versions("atyrau-housing-queue") == (1, 2)
    assert [one.version for one in law.regulations if one.code == "atyrau-housing-queue"] == [2]


@pytest.mark.parametrize(
    ("version", "name", "expected"),
    [
        (1, "housing-again.yaml", "is already used"),
        (3, "housing-queue.v3.yaml", "version 2 of atyrau-housing-queue is missing"),
        (2, "housing-queue.v4.yaml", "in a file named for version 4"),
    ],
)
def test_versions_that_collide_or_leave_a_gap_are_named(alone: Path, version: int, name: str, expected: str) -> None:
    second_version(alone, version, name)
    with pytest.raises(CatalogueInvalid) as invalid:
        load_catalogue(alone)
    assert any(expected in error.message for error in invalid.value.errors)
