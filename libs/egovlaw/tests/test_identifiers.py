"""ИИН and БИН: form, date, check digit; the reserved synthetic range."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egovlaw.identifiers import (
    SYNTHETIC_COUNT,
    bin_problem,
    check_digit,
    iin_birth_date,
    iin_problem,
    synthetic_iin,
)

# computed by hand from the two weight rows; birth date 31.12.2099, so nobody's
FIRST_PASS = ["991231600012", "991231600022"]
SECOND_PASS = ["991231600301", "991231600313"]


@pytest.mark.parametrize("iin", FIRST_PASS + SECOND_PASS)
def test_a_well_formed_number_has_no_problem(iin: str) -> None:
    assert iin_problem(iin) is None
    assert iin_birth_date(iin) == date(2099, 12, 31)


def test_a_prefix_that_gives_ten_twice_is_never_issued() -> None:
    assert check_digit("99123160110") is None
    for last in "0123456789":
        assert iin_problem("99123160110" + last) == "bad_check_digit"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not_12_digits"),
        ("99123160001", "not_12_digits"),
        ("9912316000123", "not_12_digits"),
        ("99123160001a", "not_12_digits"),
        ("９９１２３１６０００１２", "not_12_digits"),  # full-width digits are no digits here
        (" 99123160001", "not_12_digits"),
        ("991231600013", "bad_check_digit"),
        ("991331600012", "bad_date"),
        ("990229600012", "bad_date"),  # 2099 is no leap year
        ("772731600012", "bad_date"),
        ("991231700012", "bad_century"),
        ("991231000012", "bad_century"),
    ],
)
def test_a_malformed_number_says_what_is_wrong(text: str, problem: str) -> None:
    assert iin_problem(text) == problem


def test_the_seventh_digit_gives_the_century() -> None:
    for seventh, century in (("1", 1800), ("2", 1800), ("3", 1900), ("4", 1900), ("5", 2000), ("6", 2000)):
        assert iin_birth_date(f"000101{seventh}00000").year == century
    with pytest.raises(ValueError, match="birth date"):
        iin_birth_date("991331600012")


@given(st.integers(0, SYNTHETIC_COUNT - 1))
def test_every_synthetic_number_is_valid_and_born_in_2099(n: int) -> None:
    iin = synthetic_iin(n)
    assert iin_problem(iin) is None
    assert iin_birth_date(iin).year == 2099
    assert iin[6] == "6"


def test_synthetic_numbers_differ_and_are_always_the_same() -> None:
    some = [synthetic_iin(n) for n in range(20_000)]
    assert len(set(some)) == len(some)
    assert synthetic_iin(7) == some[7]


@pytest.mark.parametrize("n", [-1, SYNTHETIC_COUNT])
def test_the_reserved_range_has_ends(n: int) -> None:
    with pytest.raises(ValueError, match="reserved range"):
        synthetic_iin(n)


@given(st.integers(0, SYNTHETIC_COUNT - 1), st.integers(0, 11), st.integers(1, 9))
def test_one_wrong_digit_is_nearly_always_noticed(n: int, at: int, by: int) -> None:
    """Not always: the first weights lose the eleventh digit (11 mod 11 = 0), as the real numbers do."""
    iin = synthetic_iin(n)
    wrong = iin[:at] + str((int(iin[at]) + by) % 10) + iin[at + 1 :]
    if at == 11:
        assert iin_problem(wrong) == "bad_check_digit"
    elif iin_problem(wrong) is None:
        assert check_digit(wrong[:11]) == int(wrong[11])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("991240000013", None),
        ("999940000010", "bad_date"),  # month 99: the twin's own synthetic БИН are for the checksum only
        ("991230000010", "bad_type"),
        ("991247000010", "bad_type"),
        ("991240000011", "bad_check_digit"),
        ("9912400000", "not_12_digits"),
    ],
)
def test_a_bin_is_checked_for_month_kind_and_check_digit(text: str, problem: str | None) -> None:
    assert bin_problem(text) == problem


def test_the_synthetic_bins_have_right_check_digits() -> None:
    for number in ("999940000010", "999940000104"):
        assert check_digit(number[:11]) == int(number[11])
