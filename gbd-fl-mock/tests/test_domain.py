"""Rules of a person's record, alone."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from egovlaw.identifiers import synthetic_iin
from gbd_fl_mock.domain.dictionaries import DICTIONARIES, INVERSE, dictionary_of, entry
from gbd_fl_mock.domain.person import (
    completed,
    day_problem,
    document_numbers,
    folded,
    merged,
    problems,
    search_keys,
)

PERSON: dict[str, Any] = {
    "iin": synthetic_iin(1),
    "surname": "Сынақова",
    "birth_date": "1991-01-15",
    "gender": entry("gender", "2"),
    "life_status": entry("life_status", "0"),
}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"a": 2}, {"a": 2, "b": {"c": 1, "d": 2}}),
        ({"a": None}, {"b": {"c": 1, "d": 2}}),
        ({"b": {"c": None}}, {"a": 1, "b": {"d": 2}}),
        ({"b": [1]}, {"a": 1, "b": [1]}),
        ({"e": {"f": None, "g": 1}}, {"a": 1, "b": {"c": 1, "d": 2}, "e": {"g": 1}}),
        ({"a": {"x": 1}}, {"a": {"x": 1}, "b": {"c": 1, "d": 2}}),
        ({"unknown": None}, {"a": 1, "b": {"c": 1, "d": 2}}),
    ],
)
def test_a_change_is_merged_as_rfc_7396_says(change: dict[str, Any], expected: dict[str, Any]) -> None:
    before = {"a": 1, "b": {"c": 1, "d": 2}}
    assert merged(before, change) == expected
    assert before == {"a": 1, "b": {"c": 1, "d": 2}}


@pytest.mark.parametrize(
    ("path", "dictionary"),
    [
        (("gender",), "gender"),
        (("documents", "status"), "documents.status"),
        (("documents", "type"), "documents.type"),
        (("reg_address", "status"), "reg_address.status"),
        (("addresses", "type"), "addresses.type"),
        (("addresses", "address", "status"), "address.status"),
        (("addresses", "address", "country"), "country"),
        (("capable_status", "capable_status"), "capable_status.capable_status"),
        (("capable_status",), None),
        (("birth_certificate", "issue_organisation"), "issue_organisation"),
        (("reg_address",), None),
        (("family", "relation"), "relation"),
    ],
)
def test_every_field_has_its_own_dictionary(path: tuple[str, ...], dictionary: str | None) -> None:
    assert dictionary_of(path) == dictionary


@pytest.mark.parametrize("name", list(DICTIONARIES))
def test_every_value_has_a_code_and_two_names(name: str) -> None:
    for code, names in DICTIONARIES[name].items():
        assert entry(name, code) == {"code": code, "name_ru": names[0], "name_kk": names[1]}
        assert all(names) and code.isdigit()


def test_every_relation_has_its_other_side() -> None:
    assert INVERSE.keys() == DICTIONARIES["relation"].keys()
    assert all(INVERSE[INVERSE[relation]] == relation for relation in INVERSE)


def test_the_names_of_a_value_come_from_the_dictionary() -> None:
    wish = {"gender": {"code": "1"}, "documents": [{"type": {"code": "002", "name_ru": "чужое"}}]}
    assert completed(wish) == {"gender": entry("gender", "1"), "documents": [{"type": entry("documents.type", "002")}]}


def test_an_unknown_code_is_left_for_the_rules_to_find() -> None:
    strange = PERSON | {"gender": {"code": "7", "name_ru": "?", "name_kk": "?"}}
    assert completed(strange) == strange
    assert [(one.field, one.code) for one in problems(strange)] == [("gender.code", "not_allowed")]


def test_a_good_record_has_no_problem() -> None:
    assert problems(PERSON) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"iin": "991231600013"}, "iin"),
        ({"iin": "900101300017"}, "iin"),
        ({"death_date": "1990-01-01", "life_status": entry("life_status", "1")}, "death_date"),
        ({"death_date": "2020-01-01"}, "death_date"),
        ({"life_status": entry("life_status", "1")}, "death_date"),
        (
            {"documents": [{"number": "1", "begin_date": "2020-01-02", "end_date": "2020-01-01"}]},
            "documents.0.end_date",
        ),
        ({"family": [{"relation": entry("relation", "1")}, {"relation": {"code": "9"}}]}, "family.1.relation.code"),
    ],
)
def test_each_mistake_is_named_by_its_field(changes: dict[str, Any], field: str) -> None:
    assert [one.field for one in problems(PERSON | changes)] == [field]


@pytest.mark.parametrize(
    ("day", "earliest", "wrong"),
    [
        (date(2026, 1, 15), date(2020, 1, 1), False),
        (date(2020, 1, 1), date(2020, 1, 1), False),
        (date(2019, 12, 31), date(2020, 1, 1), True),
        (date(2026, 1, 16), date(2020, 1, 1), True),
    ],
)
def test_a_version_begins_between_the_last_one_and_today(day: date, earliest: date, wrong: bool) -> None:
    assert (day_problem(day, earliest, date(2026, 1, 15)) is not None) == wrong


def test_names_are_compared_without_case_and_spare_spaces() -> None:
    assert folded("  ҚАЙСАР   Өмір ") == folded("Қайсар өмір")
    assert folded("Ғани") != folded("Гани")


def test_a_record_is_found_by_names_birth_and_documents() -> None:
    person = PERSON | {"documents": [{"number": "991"}, {"number": "992"}, {"number": "991"}]}
    keys = {"surname": "сынақова", "name": None, "patronymic": None, "birth_date": date(1991, 1, 15)}
    assert search_keys(person) == keys
    assert document_numbers(person) == {"991", "992"}
    assert document_numbers(PERSON) == frozenset()
