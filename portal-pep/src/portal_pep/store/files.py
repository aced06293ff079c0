"""Copies of documents attached to a case, and what came back from the provider."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from egovorigin.store.files import Files, Result
from portal_pep.tables import origin

MAX_OF_ONE_NUMBER = 50  # providers that gave the same number


@dataclass(frozen=True, slots=True)
class Numbered:
    """A result with the regulation of its case: numbers are unique within a provider, not in the country."""

    regulation: str
    regulation_version: int
    result: Result


class PortalFiles(Files):
    async def results_of_number(self, conn: AsyncConnection, number: str) -> list[Numbered]:
        cases, results = origin.cases, origin.results
        query = (
            select(cases.c.regulation, cases.c.regulation_version, *results.c)
            .join_from(results, cases, results.c.case_id == cases.c.id)
            .where(cases.c.number == number)
            .order_by(results.c.case_id)
            .limit(MAX_OF_ONE_NUMBER)
        )
        found = []
        for row in await conn.execute(query):
            values = dict(row._mapping)
            found.append(Numbered(values.pop("regulation"), values.pop("regulation_version"), Result(**values)))
        return found


files = PortalFiles(origin)
