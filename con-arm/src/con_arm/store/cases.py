"""Cases and the steps taken in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.domain.consumer import Representative
from con_arm.domain.states import CaseState
from con_arm.tables import origin
from egovkit.errors import EgovError
from egovorigin.store.cases import Cases, OriginCase


@dataclass(frozen=True, slots=True, kw_only=True)
class Case(OriginCase):
    centre: str
    operator_id: str
    ticket_id: str | None
    state: CaseState
    iin: str | None
    representative: dict[str, Any] | None
    round: int
    facts: list[dict[str, Any]]
    papers: list[dict[str, Any]]
    signed_by: str | None

    @property
    def applicant(self) -> str:
        """The consumer's ИИН, where the state says that he has been entered."""
        if self.iin is None:
            raise EgovError("case.wrong_state", state=self.state.value)
        return self.iin

    @property
    def speaker(self) -> Representative | None:
        """Who speaks for the consumer, if he does not himself."""
        return None if self.representative is None else Representative.of(self.representative)


@dataclass(frozen=True, slots=True)
class NewCase:
    id: str
    centre: str
    operator_id: str
    ticket_id: str | None
    regulation: str
    regulation_version: int
    region: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cases a list shows: those of one centre, and of them what is asked for."""

    centre: str
    number: str | None = None
    iin: str | None = None
    state: str | None = None


class CentreCases(Cases[Case]):
    decided_upon = (*Cases.decided_upon, "round")

    async def add_case(self, conn: AsyncConnection, new: NewCase, at: datetime) -> Case:
        values = {name: getattr(new, name) for name in NewCase.__slots__}
        empty = {"round": 1, "facts": [], "form": {}, "papers": []}
        return await self.insert(conn, at, {**values, **empty, "state": CaseState.OPENED.value})

    async def case_of_ticket(self, conn: AsyncConnection, ticket_id: str) -> str | None:
        found = select(origin.cases.c.id).where(origin.cases.c.ticket_id == ticket_id)
        return (await conn.execute(found)).scalar_one_or_none()

    async def cases_of(self, conn: AsyncConnection, wanted: Wanted, *, before: str | None, limit: int) -> list[Case]:
        """Newest first: case ids sort by the time they were born."""
        table = origin.cases
        query = select(table).where(table.c.centre == wanted.centre).order_by(table.c.id.desc()).limit(limit)
        for column in ("number", "iin", "state"):
            if (value := getattr(wanted, column)) is not None:
                query = query.where(table.c[column] == value)
        if before is not None:
            query = query.where(table.c.id < before)
        return [self.made(row) for row in await conn.execute(query)]


cases = CentreCases(origin.cases, origin.case_steps, Case, CaseState)
