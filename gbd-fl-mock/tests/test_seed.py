"""The people of an empty register: enough of every kind, and consistent on every day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from functools import cache
from typing import Any

import pytest

from egovkit.contracts import contracts_dir, read_once
from egovkit.messages import MessageRegister
from egovkit.testing.plugin import START
from egovlaw.identifiers import iin_birth_date, iin_problem, synthetic_iin
from egovregister.domain import Found, answer_data
from gbd_fl_mock.domain.dictionaries import INVERSE
from gbd_fl_mock.domain.person import Version, problems
from gbd_fl_mock.seed.population import EXAMPLES, lives, population

KAZAKH = "әғқңөұүһі"


@cache
def everybody() -> tuple[Version, ...]:
    return tuple(population(START))


def on(day: date) -> dict[str, dict[str, Any]]:
    """The register as it stood on a day."""
    found = {one.iin: dict(one.person) for one in everybody() if one.valid_from <= day}
    return found  # versions come in order: the last one stays


def now() -> dict[str, dict[str, Any]]:
    return on(START.date())


def example(name: str) -> dict[str, Any]:
    return now()[EXAMPLES[name]]


def test_the_seed_is_the_same_every_time() -> None:
    assert population(START) == list(everybody())


def test_there_are_at_least_two_hundred_persons_of_every_age() -> None:
    people = now().values()
    assert len(people) >= 200
    ages = {2025 - int(person["birth_date"][:4]) for person in people}
    assert ages >= set(range(101))


def test_every_number_is_of_the_synthetic_range_by_its_place() -> None:
    for life in lives():
        assert life.iin == synthetic_iin(life.n)
        assert iin_problem(life.iin) is None
        assert iin_birth_date(life.iin).year == 2099, "the number says nothing of the person"
    assert len({life.n for life in lives()}) == len(lives())


def test_every_version_of_everybody_follows_schema_and_rules() -> None:
    messages = read_once(MessageRegister.load, contracts_dir())
    for one in everybody():
        messages.check(
            "kz.egov.answer.person.v1", answer_data("persons", Found([one.person], frozenset()), None, START)
        )
        assert problems(one.person) == [], (one.iin, one.version)


def test_versions_are_numbered_from_the_birth_on() -> None:
    for iin, versions in by_person().items():
        assert [one.version for one in versions] == list(range(1, len(versions) + 1)), iin
        days = [one.valid_from for one in versions]
        assert days == sorted(set(days)), iin
        assert days[0].isoformat() == versions[0].person["birth_date"]


def by_person() -> dict[str, list[Version]]:
    found: dict[str, list[Version]] = {}
    for one in everybody():
        found.setdefault(one.iin, []).append(one)
    return found


@pytest.mark.parametrize("letter", [*KAZAKH, *KAZAKH.upper()])
def test_every_kazakh_letter_is_in_a_name(letter: str) -> None:
    names = (person.get(name, "") for person in now().values() for name in ("surname", "name", "patronymic"))
    assert any(letter in name for name in names)


def ties(people: dict[str, dict[str, Any]]) -> Iterable[tuple[str, str, str]]:
    for iin, person in people.items():
        for tie in person.get("family", []):
            yield iin, tie["relation"]["code"], tie["iin"]


@pytest.mark.parametrize("year", [1930, 1950, 1975, 1990, 2005, 2012, 2020, 2026])
def test_family_ties_agree_both_ways_on_every_day(year: int) -> None:
    for shift in range(0, 365, 30):
        found = set(ties(on(date(year, 1, 1) + timedelta(days=shift))))
        assert {(other, INVERSE[relation], iin) for iin, relation, other in found} == found


def test_there_are_all_kinds_of_ties_and_parents_are_older() -> None:
    people = now()
    found = list(ties(people))
    assert {relation for _, relation, _ in found} == {"1", "2", "3", "4", "5"}
    assert len(found) > 300
    for iin, relation, other in found:
        if relation == "3":
            assert int(people[other]["birth_date"][:4]) - int(people[iin]["birth_date"][:4]) >= 18


def test_the_dead_and_the_living_are_told_apart() -> None:
    dead = [person for person in now().values() if "death_date" in person]
    assert len(dead) >= 10
    assert all(person["life_status"]["code"] == "1" and "death_certificate" in person for person in dead)


def test_every_example_but_one_is_in_the_register() -> None:
    assert EXAMPLES.keys() >= {
        "ordinary_adult", "deceased", "missing", "underage", "foreign", "incapable", "without_address",
        "two_documents", "not_in_register", "with_children", "representative", "principal",
    }  # fmt: skip
    assert {name for name, iin in EXAMPLES.items() if iin not in now()} == {"not_in_register"}
    assert len(set(EXAMPLES.values())) == len(EXAMPLES)


def test_the_examples_are_what_their_names_say() -> None:
    assert example("deceased")["death_date"] == "2024-02-11"
    assert example("missing")["missing_status"]["missing"] is True
    found_again = example("found_again")["missing_status"]
    assert (found_again["missing"], found_again["missing_end_date"]) == (False, "2022-01-17")
    assert example("disappeared")["disappear_status"]["disappear"] is True
    assert example("underage")["birth_date"] > "2008" and "documents" not in example("underage")
    assert example("newborn")["birth_date"] == "2025-12-20"
    assert example("centenarian")["birth_date"] < "1926" and "death_date" not in example("centenarian")
    assert example("foreign")["citizenship"]["code"] == "840"
    assert [paper["type"]["code"] for paper in example("foreign")["documents"]] == ["015"]
    assert example("stateless")["citizenship"]["code"] == "999"
    assert example("incapable")["capable_status"]["capable_status"]["code"] == "1"
    assert example("partly_capable")["capable_status"]["capable_status"]["code"] == "2"
    assert example("kandas")["repatriation_status"]["code"] == "1"
    assert example("removed")["removed"] is True and "exclude_status" in example("removed")
    assert "reg_address" not in example("without_address")
    assert "addresses" in example("moved")


def test_the_examples_of_names_are_what_they_say() -> None:
    nameless = example("without_surname")
    assert not {"surname", "patronymic", "eng_surname"} & nameless.keys()
    assert all("surname" not in paper for paper in nameless["documents"])
    assert "patronymic" not in example("without_patronymic")
    assert "-" in example("hyphens")["surname"] and "-" in example("hyphens")["name"]
    changed = by_person()[EXAMPLES["changed_name"]]
    assert len({one.person["surname"] for one in changed}) == 2


def test_the_examples_of_papers_are_what_they_say() -> None:
    def valid(name: str) -> list[str]:
        papers = example(name).get("documents", [])
        return [paper["type"]["code"] for paper in papers if paper["status"]["code"] == "00"]

    assert valid("ordinary_adult") == ["002"]
    assert sorted(valid("two_documents")) == ["001", "002"]
    assert valid("expired_document") == [] and valid("without_documents") == []
    papers = example("duplicated_documents")["documents"]
    assert papers[-1] == papers[-2]


def test_representative_and_principal_are_adults_who_can_act() -> None:
    for name in ("representative", "second_representative", "principal", "other_principal", "ordinary_adult"):
        person = example(name)
        assert person["birth_date"] < "2000" and person["life_status"]["code"] == "0"
        assert not {"capable_status", "missing_status", "removed"} & person.keys()


def test_children_are_with_their_parents() -> None:
    father, mother, child = (EXAMPLES[name] for name in ("with_children", "spouse", "underage"))
    assert {(father, "3", child), (mother, "3", child), (father, "1", mother), (child, "2", father)} <= set(ties(now()))
    assert (EXAMPLES["incapable"], "4", EXAMPLES["guardian"]) in set(ties(now()))
