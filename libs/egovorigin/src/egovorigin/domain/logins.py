"""What a new password has to be."""

from __future__ import annotations

from typing import Final

MIN_PASSWORD: Final = 10
MAX_PASSWORD: Final = 256  # argon2 hashes anything; a megabyte of password is an attack, not a password


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
