"""Rules every register shares, alone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from egovkit.contracts import contracts_dir, read_once
from egovkit.errors import EgovError
from egovkit.messages import MessageRegister
from egovregister.domain import (
    MOST_FOUND,
    Fault,
    FaultKind,
    Found,
    answer_data,
    asked_about,
    criterion_kind,
    garbled,
    is_expired,
    today,
)

NOW = datetime(2026, 1, 15, 4, 0, tzinfo=UTC)


def found(items: list[dict[str, int]]) -> Found:
    return Found(items, frozenset())


IIN, OTHER = "991231600012", "991231600022"


@pytest.mark.parametrize(
    ("late_s", "expired"),
    [(-90, False), (0, False), (2, False), (2.001, True), (90, True)],
)
def test_a_question_is_too_old_two_seconds_after_its_expiry(late_s: float, expired: bool) -> None:
    assert is_expired(NOW, NOW + timedelta(seconds=late_s)) is expired


def test_a_question_without_an_expiry_is_never_too_old() -> None:
    assert not is_expired(None, NOW)


def test_today_is_the_day_in_kazakhstan() -> None:
    assert today(datetime(2026, 1, 15, 18, 59, tzinfo=UTC)) == date(2026, 1, 15)
    assert today(datetime(2026, 1, 15, 19, 0, tzinfo=UTC)) == date(2026, 1, 16)


@pytest.mark.parametrize(
    ("criterion", "kind", "about"),
    [
        ({"iin": IIN}, "iin", IIN),
        ({"principal_iin": IIN}, "principal_iin", IIN),
        ({"representative_iin": IIN}, "representative_iin", IIN),
        ({"registry_number": "1-1", "date": "2026-01-01"}, "date+registry_number", None),
        ({"document_number": IIN}, "document_number", None),
    ],
)
def test_a_criterion_is_recorded_by_its_kind_and_person(
    criterion: dict[str, str], kind: str, about: str | None
) -> None:
    assert (criterion_kind(criterion), asked_about(criterion)) == (kind, about)


@pytest.mark.parametrize(
    ("iin", "about", "bends"),
    [(None, set(), True), (None, {IIN}, True), (IIN, {IIN, OTHER}, True), (IIN, {OTHER}, False), (IIN, set(), False)],
)
def test_a_fault_bends_everybody_or_one(iin: str | None, about: set[str], bends: bool) -> None:
    assert Fault(FaultKind.SILENT, None, None, iin, NOW).bends(about) is bends


def test_nothing_found_is_a_good_answer() -> None:
    data = answer_data("persons", found([]), None, NOW)
    assert (data["result"]["code"], data["persons"], "as_of" in data) == ("00000", [], False)
    read_once(MessageRegister.load, contracts_dir()).check("kz.egov.answer.person.v1", data)


def test_an_answer_says_its_day_and_moment() -> None:
    data = answer_data("attorneys", found([]), "2020-02-29", NOW)
    assert (data["as_of"], data["answered_at"]) == ("2020-02-29", "2026-01-15T04:00:00.000Z")


def test_one_more_than_the_schema_takes_is_cut_and_said() -> None:
    data = answer_data("persons", found([{"n": n} for n in range(MOST_FOUND + 1)]), None, NOW)
    assert len(data["persons"]) == MOST_FOUND and data["result"]["code"] == "00001"
    assert answer_data("persons", found([{}] * MOST_FOUND), None, NOW)["result"]["code"] == "00000"


@pytest.mark.parametrize("field", ["persons", "attorneys"])
def test_garbage_never_passes_a_schema(field: str) -> None:
    data = garbled(answer_data(field, found([]), None, NOW), field)
    with pytest.raises(EgovError, match=r"data\.invalid"):
        read_once(MessageRegister.load, contracts_dir()).check(f"kz.egov.answer.{field[:-1]}.v1", data)
