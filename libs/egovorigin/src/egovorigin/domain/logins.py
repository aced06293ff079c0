"""Passwords, and how guessing them is slowed down."""

from __future__ import annotations

from typing import Final

MIN_PASSWORD: Final = 10
MAX_PASSWORD: Final = 256  # argon2 hashes anything; a megabyte of password is an attack, not a password

FREE_ATTEMPTS: Final = 5  # a person mistypes; a machine needs thousands
FIRST_WAIT_S: Final = 30
LONGEST_WAIT_S: Final = 900  # long enough to stop guessing, short enough to come back for


def password_problem(password: str, *known: str) -> str | None:
    """The code of what is wrong with a new password; length is what protects it, not the kinds of its characters.
    `known`: what everybody would try first, his ИИН and login."""
    if len(password) < MIN_PASSWORD:
        return "too_short"
    if len(password) > MAX_PASSWORD:
        return "too_long"
    if any(one in password for one in known) or len(set(password)) < 4:
        return "too_simple"
    return None


def login_wait(failures: int) -> int:
    """Seconds to wait after so many failures in a row of one person from one address (E5: never by the person alone, or
    anyone could lock him out)."""
    if failures < FREE_ATTEMPTS:
        return 0
    return int(min(FIRST_WAIT_S * 2 ** min(failures - FREE_ATTEMPTS, 16), LONGEST_WAIT_S))
