"""Rules of a power of attorney and the deeds of an empty register, alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from egovkit.contracts import contracts_dir, read_once
from egovkit.messages import MessageRegister
from egovkit.testing.plugin import START
from egovlaw.identifiers import bin_problem, iin_birth_date, synthetic_iin
from egovregister.domain import Found, answer_data
from enis_mock.domain import (
    STATUS_NAMES,
    Attorney,
    Notary,
    Party,
    Status,
    as_answer,
    deed_problems,
    revocation_problem,
    status_on,
)
from enis_mock.seed.deeds import EXAMPLES, NOTARIES, ORGANISATION, deeds
from enis_mock.seed.people import PEOPLE

GOOD = deeds()[0].deed
TODAY = date(2026, 1, 15)


def attorney(revoked_on: date | None = None, **changes: Any) -> Attorney:
    deed = replace(GOOD, valid_from=date(2025, 6, 1), valid_to=date(2025, 12, 31), **changes)
    return Attorney(1, START, deed, revoked_on)


@pytest.mark.parametrize(
    ("day", "revoked_on", "status"),
    [
        (date(2025, 5, 31), None, Status.NOT_YET_VALID),
        (date(2025, 6, 1), None, Status.VALID),
        (date(2025, 12, 31), None, Status.VALID),
        (date(2026, 1, 1), None, Status.EXPIRED),
        (date(2025, 8, 31), date(2025, 9, 1), Status.VALID),
        (date(2025, 9, 1), date(2025, 9, 1), Status.REVOKED),
        (date(2026, 1, 1), date(2025, 9, 1), Status.REVOKED),
        (date(2025, 5, 31), date(2025, 5, 1), Status.REVOKED),
    ],
)
def test_the_status_follows_from_dates_revocation_and_day(day: date, revoked_on: date | None, status: Status) -> None:
    assert status_on(attorney(revoked_on), day) is status


def test_every_status_has_names_in_both_languages() -> None:
    assert STATUS_NAMES.keys() == set(Status)
    assert all(ru and kk for ru, kk in STATUS_NAMES.values())


def test_an_answer_leaves_out_what_there_is_not() -> None:
    told = as_answer(attorney(principals=(Party("Аты"),), notary=Notary("А", "Б", None, "1", "В")), TODAY)
    assert told["principals"] == [{"name": "Аты"}]
    assert told["notary"] == {"surname": "А", "name": "Б", "licence_number": "1", "region": "В"}


def test_a_good_deed_has_no_problem() -> None:
    assert deed_problems(GOOD, TODAY) == []


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"date": date(2026, 1, 16)}, ["date", "valid_from"]),
        ({"valid_from": date(2025, 3, 2)}, ["valid_from"]),
        ({"valid_to": date(2025, 3, 2)}, ["valid_to"]),
        ({"principals": (Party("А", iin="991231600013"),)}, ["principals.0.iin"]),
        ({"principals": (Party("А", iin="900101300017"),)}, ["principals.0.iin"]),
        ({"representatives": (Party("А"), Party("Б", bin="1"))}, ["representatives.1.bin"]),
        ({"principals": (Party("А", iin=synthetic_iin(1), bin="991240991014"),)}, ["principals.0.bin"]),
    ],
)
def test_each_mistake_is_named_by_its_field(changes: dict[str, Any], fields: list[str]) -> None:
    assert [one.field for one in deed_problems(replace(GOOD, **changes), TODAY)] == fields


@pytest.mark.parametrize(
    ("day", "wrong"), [(GOOD.date, False), (TODAY, False), (date(2025, 3, 2), True), (date(2026, 1, 16), True)]
)
def test_a_revocation_lies_between_the_deed_and_today(day: date, wrong: bool) -> None:
    assert (revocation_problem(Attorney(1, START, GOOD), day, TODAY) is not None) == wrong


def test_there_are_at_least_fifty_deeds_in_every_status() -> None:
    found = Counter(status_on(Attorney(n, START, one.deed, one.revoked_on), TODAY) for n, one in enumerate(deeds()))
    assert found.total() >= 50
    assert found.keys() == set(Status)
    assert found[Status.VALID] >= 20 and found[Status.EXPIRED] >= 5 and found[Status.REVOKED] >= 5


def test_every_deed_follows_schema_and_rules() -> None:
    messages = read_once(MessageRegister.load, contracts_dir())
    for n, one in enumerate(deeds()):
        assert deed_problems(one.deed, TODAY) == [], one.deed.registry_number
        told = as_answer(Attorney(n, START, one.deed, one.revoked_on), TODAY)
        messages.check("kz.egov.answer.attorney.v1", answer_data("attorneys", Found([told], frozenset()), None, START))


def test_numbers_and_dates_are_unique_and_the_seed_is_the_same_every_time() -> None:
    assert deeds() == deeds()
    assert len({(one.deed.registry_number, one.deed.date) for one in deeds()}) == len(deeds())


def test_nobody_in_a_deed_may_exist() -> None:
    iins = {iin for one in deeds() for iin in one.deed.iins}
    assert iins <= {synthetic_iin(n) for n in PEOPLE}
    assert all(iin_birth_date(iin).year == 2099 for iin in iins)
    assert ORGANISATION.bin is not None and bin_problem(ORGANISATION.bin) is None
    assert {one.deed.notary for one in deeds()} == set(NOTARIES)


def test_nobody_gives_powers_to_himself() -> None:
    for one in deeds():
        assert not set(one.deed.principals) & set(one.deed.representatives)


def test_there_are_deeds_with_and_without_substitution() -> None:
    assert {one.deed.substitution_right for one in deeds()} == {True, False}


def test_every_example_but_one_is_a_deed() -> None:
    assert EXAMPLES.keys() >= {"valid", "expired", "revoked", "not_yet_valid", "other_principal", "organisation"}
    known = {(one.deed.registry_number, one.deed.date.isoformat()) for one in deeds()}
    missing = {name for name, one in EXAMPLES.items() if (one["registry_number"], one["date"]) not in known}
    assert missing == {"absent"}
    assert EXAMPLES["other_principal"]["principal_iin"] != EXAMPLES["valid"]["principal_iin"]
