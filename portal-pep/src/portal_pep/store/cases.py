"""Cases and the steps taken in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from egovorigin.store.cases import Cases, OriginCase
from portal_pep.domain.states import CaseState
from portal_pep.tables import origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Case(OriginCase):
    account_id: str
    iin: str
    state: CaseState


@dataclass(frozen=True, slots=True)
class NewCase:
    id: str
    account_id: str
    iin: str
    regulation: str
    regulation_version: int
    region: str
    form: dict[str, Any]
    at: datetime


class PortalCases(Cases[Case]):
    async def add_case(self, conn: AsyncConnection, new: NewCase) -> Case:
        values = {name: getattr(new, name) for name in NewCase.__slots__ if name != "at"}
        return await self.insert(conn, new.at, {**values, "state": CaseState.DRAFT.value})

    async def cases_of(
        self, conn: AsyncConnection, account_id: str, *, before: str | None, limit: int, number: str | None = None
    ) -> list[Case]:
        """Newest first: case ids sort by the time they were born. Numbers are unique by provider only, so one number
        may be that of two cases."""
        table = origin.cases
        query = select(table).where(table.c.account_id == account_id).order_by(table.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(table.c.id < before)
        if number is not None:
            query = query.where(table.c.number == number)
        return [self.made(row) for row in await conn.execute(query)]


cases = PortalCases(origin.cases, origin.case_steps, Case, CaseState)
