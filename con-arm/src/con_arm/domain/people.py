"""Operators of a centre: roles, logins, passwords and the throttle of logins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

MIN_PASSWORD: Final = 10
MAX_PASSWORD: Final = 256  # argon2 hashes anything; a megabyte of password is an attack, not a password
LOGIN: Final = r"^[a-z][a-z0-9._-]{2,63}$"

FREE_ATTEMPTS: Final = 5  # a person mistypes; a machine needs thousands
FIRST_WAIT_S: Final = 30
LONGEST_WAIT_S: Final = 900  # fifteen minutes: long enough to stop guessing, short enough not to end a working day


class Role(StrEnum):
    OPERATOR = "operator"  # serves people at the counter
    SENIOR = "senior"  # sees who read which person's data, the waiting times and the survey


@dataclass(frozen=True, slots=True)
class Operator:
    id: str
    login: str
    name: str
    iin: str
    roles: frozenset[Role]
    centre: str  # cases and tickets of another centre do not exist for him, not even as forbidden
    region: str | None  # of the centre; None: it serves every region
    branch: bool  # a district branch, whose papers go on by courier
    active: bool
    created_at: datetime


def password_problem(password: str, login: str, iin: str) -> str | None:
    """The code of what is wrong with a new password; length is what protects it, not the kinds of its characters."""
    if len(password) < MIN_PASSWORD:
        return "too_short"
    if len(password) > MAX_PASSWORD:
        return "too_long"
    if login in password or iin in password or len(set(password)) < 4:
        return "too_simple"
    return None


def login_wait(failures: int) -> int:
    """Seconds to wait after so many failures in a row of one login from one address (E5: never by login alone, or
    anyone could lock an operator out)."""
    if failures < FREE_ATTEMPTS:
        return 0
    return int(min(FIRST_WAIT_S * 2 ** min(failures - FREE_ATTEMPTS, 16), LONGEST_WAIT_S))
