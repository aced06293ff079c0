"""What the head looks at: who read which person's data, and which of our messages a gateway refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Table, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from provider_arm.domain.cases import Staff
from provider_arm.store.paging import Page, encode, paged
from provider_arm.tables import incidents, reads

NEWEST_FIRST: Final = "-at"


@dataclass(frozen=True, slots=True)
class Read:
    id: str
    at: datetime
    staff_id: str
    case_id: str
    region: str
    provider: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Incident:
    id: str
    at: datetime
    case_id: str
    region: str
    provider: str | None
    envelope_id: str
    envelope_type: str
    code: str
    problem: Mapping[str, Any]


async def record_read(conn: AsyncConnection, read: Read) -> None:
    await conn.execute(insert(reads).values(**_values(reads, read)))


async def incident_of(conn: AsyncConnection, envelope_id: str) -> str | None:
    query = select(incidents.c.id).where(incidents.c.envelope_id == envelope_id)
    return (await conn.execute(query)).scalar_one_or_none()


async def record_incident(conn: AsyncConnection, incident: Incident) -> None:
    await conn.execute(insert(incidents).values(**_values(incidents, incident)))


async def list_reads(
    conn: AsyncConnection, person: Staff, page: Page, *, case_id: str | None, staff_id: str | None
) -> tuple[list[Read], str | None]:
    query = select(reads).where(reads.c.region == person.region)
    if person.provider is not None:
        query = query.where(reads.c.provider == person.provider)
    if case_id is not None:
        query = query.where(reads.c.case_id == case_id)
    if staff_id is not None:
        query = query.where(reads.c.staff_id == staff_id)
    rows = (await conn.execute(paged(query, page, {"at": reads.c.at}, reads.c.id))).mappings().all()
    found = [Read(**row) for row in rows[: page.limit]]
    return found, _next(found, rows, page)


async def list_incidents(conn: AsyncConnection, person: Staff, page: Page) -> tuple[list[Incident], str | None]:
    query = select(incidents).where(incidents.c.region == person.region)
    if person.provider is not None:
        # About a case we do not know it is nobody's in particular: every head of the region sees it.
        query = query.where(or_(incidents.c.provider == person.provider, incidents.c.provider.is_(None)))
    rows = (await conn.execute(paged(query, page, {"at": incidents.c.at}, incidents.c.id))).mappings().all()
    found = [Incident(**row) for row in rows[: page.limit]]
    return found, _next(found, rows, page)


def _values(table: Table, record: Read | Incident) -> dict[str, Any]:
    return {column.name: getattr(record, column.name) for column in table.c}


def _next(found: list[Any], rows: Any, page: Page) -> str | None:
    return encode(page.sort, found[-1].at, found[-1].id) if len(rows) > page.limit else None
