"""Whom to ask, found in the member list; no code is written down."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from egovorigin.domain.members import MemberLike

REGISTER_KINDS: Final = {"person": "person_register", "attorney": "attorney_register"}  # by their names in messages


def register_system(members: Iterable[MemberLike], register: str, regulation: str) -> str | None:
    """The system that answers for a register; the choice among equals is by code."""
    kind = REGISTER_KINDS.get(register)
    return min(
        (one.code for one in members if one.kind == kind and one.is_active and one.serves(regulation)), default=None
    )
