"""The two registers speak of the same people: services may not import one another, so the names stand in both."""

from __future__ import annotations

from datetime import date
from typing import Any

from egovkit.testing.plugin import START
from egovlaw.identifiers import synthetic_iin
from enis_mock.seed import deeds, people
from gbd_fl_mock.seed.population import EXAMPLES, population

NAMES = ("surname", "name", "patronymic")


def registered() -> dict[str, dict[str, Any]]:
    return {one.iin: dict(one.person) for one in population(START)}


def test_everybody_in_a_deed_is_in_the_person_register_by_the_same_name() -> None:
    persons = registered()
    for number, name in people.PEOPLE.items():
        person = persons[synthetic_iin(number)]
        assert " ".join(person[part] for part in NAMES if part in person) == name


def test_whoever_gives_or_takes_powers_is_of_age_and_alive() -> None:
    persons = registered()
    for one in deeds.deeds():
        for iin in one.deed.iins:
            born = date.fromisoformat(persons[iin]["birth_date"])
            assert born.replace(year=born.year + 18) <= one.deed.date, (one.deed.registry_number, iin)
            assert "death_date" not in persons[iin]


def test_the_examples_of_both_registers_are_the_same_people() -> None:
    numbers = {
        "representative": people.REPRESENTATIVE,
        "principal": people.PRINCIPAL,
        "other_principal": people.OTHER_PRINCIPAL,
        "second_representative": people.SECOND_REPRESENTATIVE,
    }
    assert {name: EXAMPLES[name] for name in numbers} == {name: synthetic_iin(n) for name, n in numbers.items()}
    valid, other = deeds.EXAMPLES["valid"], deeds.EXAMPLES["other_principal"]
    assert (valid["principal_iin"], valid["representative_iin"]) == (EXAMPLES["principal"], EXAMPLES["representative"])
    assert other["principal_iin"] == EXAMPLES["other_principal"]
