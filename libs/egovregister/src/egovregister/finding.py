"""The one thing a register brings: how it finds what is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from egovregister.domain import Found


class Register(Protocol):
    """`answer` is the short name of its message, `field` where that carries what was found."""

    @property
    def answer(self) -> str: ...

    @property
    def field(self) -> str: ...

    async def find(self, conn: AsyncConnection, criterion: Mapping[str, Any], as_of: date) -> Found:
        """What the register knew on that day; one item more than MOST_FOUND at most. Nothing found is no error."""
        ...

    async def stranger(self, conn: AsyncConnection, asked: frozenset[str], as_of: date) -> Found:
        """One record of somebody else than those asked about; for the fault `wrong_person`."""
        ...
