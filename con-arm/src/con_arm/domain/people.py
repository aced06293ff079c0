"""Operators of a centre: roles and logins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

LOGIN: Final = r"^[a-z][a-z0-9._-]{2,63}$"


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
