"""ИИН and БИН: form, date and check digit.

Synthetic range: every ИИН this project makes has a birth date in the year 2099 and the seventh digit 6, so
that none can be a living person's; `synthetic_iin(n)` counts through it from 31.12.2099 backwards. Nothing
else may be used as a person's number in tests, demos and seeds.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

_FIRST = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
_SECOND = (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)
_CENTURIES = {"1": 1800, "2": 1800, "3": 1900, "4": 1900, "5": 2000, "6": 2000}

NOT_12_DIGITS = "not_12_digits"
BAD_DATE = "bad_date"
BAD_CENTURY = "bad_century"
BAD_TYPE = "bad_type"
BAD_CHECK_DIGIT = "bad_check_digit"

_LAST_DAY = date(2099, 12, 31)
_PER_TEN = 9  # the second weights leave at most one serial of ten without a check digit
_PER_DAY = 1000 * _PER_TEN
SYNTHETIC_COUNT = 365 * _PER_DAY


def check_digit(prefix: str) -> int | None:
    """The twelfth digit of an eleven-digit prefix; None = such a number is never issued. Two passes, no
    third.
    """
    digits = [int(char) for char in prefix]
    for weights in (_FIRST, _SECOND):
        rest = sum(d * w for d, w in zip(digits, weights, strict=True)) % 11
        if rest != 10:
            return rest
    return None


def iin_problem(text: str) -> str | None:
    """None = a well-formed ИИН. The date is checked too: 7727... passes the checksum and is nobody's."""
    if not _twelve_digits(text):
        return NOT_12_DIGITS
    if text[6] not in _CENTURIES:  # a 0 is reported for foreigners, without any source we could cite
        return BAD_CENTURY
    if _date_of(text) is None:
        return BAD_DATE
    return None if check_digit(text[:11]) == int(text[11]) else BAD_CHECK_DIGIT


def bin_problem(text: str) -> str | None:
    """None = a well-formed БИН: YYMM, kind of person 4-6, kind of unit 0-3, serial, check digit."""
    if not _twelve_digits(text):
        return NOT_12_DIGITS
    if not 1 <= int(text[2:4]) <= 12:
        return BAD_DATE
    if text[4] not in "456" or text[5] not in "0123":
        return BAD_TYPE
    return None if check_digit(text[:11]) == int(text[11]) else BAD_CHECK_DIGIT


def iin_birth_date(iin: str) -> date:
    """The birth date in an ИИН; ValueError where there is none."""
    born = _date_of(iin) if _twelve_digits(iin) and iin[6] in _CENTURIES else None
    if born is None:
        raise ValueError("no birth date in this ИИН")
    return born


def synthetic_iin(n: int) -> str:
    """The n-th valid ИИН of the reserved range (birth dates of 2099, seventh digit 6), 0 <= n <
    SYNTHETIC_COUNT.
    """
    if not 0 <= n < SYNTHETIC_COUNT:
        raise ValueError(f"the reserved range has {SYNTHETIC_COUNT} numbers")
    day, rest = divmod(n, _PER_DAY)
    ten, place = divmod(rest, _PER_TEN)
    return _synthetic_ten(day, ten)[place]


@lru_cache(maxsize=4096)
def _synthetic_ten(day: int, ten: int) -> tuple[str, ...]:
    """The numbers that differ in the last of their serial: who makes a population asks for neighbours, and often."""
    head = (_LAST_DAY - timedelta(days=day)).strftime("%y%m%d") + f"6{ten:03d}"
    prefixes = [head + str(last) for last in range(10)]
    return tuple(prefix + str(digit) for prefix in prefixes if (digit := check_digit(prefix)) is not None)


def _twelve_digits(text: str) -> bool:
    return len(text) == 12 and text.isascii() and text.isdigit()


def _date_of(iin: str) -> date | None:
    try:
        return date(_CENTURIES[iin[6]] + int(iin[:2]), int(iin[2:4]), int(iin[4:6]))
    except ValueError:
        return None
