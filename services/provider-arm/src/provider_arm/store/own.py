"""Drafts of the provider's own channel, their questions to the register and their scans."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.db import upsert
from egovkit.files import Attachment
from provider_arm.domain.cases import Staff
from provider_arm.domain.own import GRACE, SEES_ALL_DRAFTS, OwnCase, OwnState, Query, QueryState
from provider_arm.store.paging import Page, encode, paged
from provider_arm.tables import own_cases, own_queries, own_scans

NEWEST_FIRST: Final = "-opened_at"
_COLUMNS: Final = [column for column in own_cases.c if column.name != "document"]
_SCAN: Final = [column for column in own_scans.c if column.name != "case_id"]


def _own(row: RowMapping) -> OwnCase:
    lists = {name: tuple(row[name]) for name in ("papers", "trail")}
    return OwnCase(**{**row, **lists, "state": OwnState(row["state"])})


def _query(row: RowMapping) -> Query:
    return Query(**{**row, "state": QueryState(row["state"])})


async def add(conn: AsyncConnection, case: OwnCase) -> None:
    values = {column.name: getattr(case, column.name) for column in _COLUMNS}
    values |= {"papers": list(case.papers), "trail": list(case.trail), "state": case.state.value}
    await conn.execute(insert(own_cases).values(**values))


async def get(conn: AsyncConnection, case_id: str, *, lock: bool = False) -> OwnCase | None:
    query = select(*_COLUMNS).where(own_cases.c.id == case_id)
    if lock:
        query = query.with_for_update()
    row = (await conn.execute(query)).mappings().first()
    return _own(row) if row else None


async def document(conn: AsyncConnection, case_id: str) -> bytes | None:
    query = select(own_cases.c.document).where(own_cases.c.id == case_id)
    found: bytes | None = (await conn.execute(query)).scalar_one_or_none()
    return found


async def change(conn: AsyncConnection, case: OwnCase, values: Mapping[str, Any]) -> bool:
    """Compare-and-set on the version read before: False when somebody was quicker."""
    done = await conn.execute(
        update(own_cases)
        .where(own_cases.c.id == case.id, own_cases.c.version == case.version)
        .values(version=case.version + 1, **values)
    )
    return done.rowcount == 1


async def listed(
    conn: AsyncConnection, person: Staff, state: OwnState | None, page: Page
) -> tuple[list[OwnCase], str | None]:
    """His own drafts; the head's are those of everybody."""
    query = select(*_COLUMNS).where(own_cases.c.region == person.region)
    if person.provider is not None:
        query = query.where(own_cases.c.provider == person.provider)
    if not person.roles & SEES_ALL_DRAFTS:
        query = query.where(own_cases.c.owner == person.id)
    if state is not None:
        query = query.where(own_cases.c.state == state.value)
    sorts = {"opened_at": own_cases.c.opened_at}
    rows = (await conn.execute(paged(query, page, sorts, own_cases.c.id))).mappings().all()
    found = [_own(row) for row in rows[: page.limit]]
    last = found[-1] if len(rows) > page.limit else None
    return found, None if last is None else encode(page.sort, last.opened_at, last.id)


# --- questions --------------------------------------------------------------------------------------------


async def add_query(conn: AsyncConnection, query: Query) -> None:
    values = {column.name: getattr(query, column.name) for column in own_queries.c}
    await conn.execute(insert(own_queries).values(**(values | {"state": query.state.value})))


async def query(conn: AsyncConnection, query_id: str) -> Query | None:
    row = (await conn.execute(select(own_queries).where(own_queries.c.id == query_id))).mappings().first()
    return _query(row) if row else None


async def queries_of(conn: AsyncConnection, case_id: str) -> list[Query]:
    asked = select(own_queries).where(own_queries.c.case_id == case_id)
    rows = await conn.execute(asked.order_by(own_queries.c.asked_at, own_queries.c.id))
    return [_query(row) for row in rows.mappings()]


async def next_end(conn: AsyncConnection, now: datetime) -> datetime | None:
    """When the next question that still waits will have expired, if the act gives any of them a limit."""
    column = own_queries.c
    waiting = select(column.asked_at, column.limit_s).where(column.state == QueryState.WAITING.value)
    found = await conn.execute(waiting.where(column.limit_s.is_not(None)))
    ends = (row.asked_at + timedelta(seconds=row.limit_s) + GRACE for row in found)
    return min((end for end in ends if end > now), default=None)


async def settle(
    conn: AsyncConnection,
    query_id: str,
    state: QueryState,
    *,
    at: datetime | None = None,
    person: Mapping[str, Any] | None = None,
    problem: Mapping[str, Any] | None = None,
) -> None:
    """What became of the question."""
    values = {"state": state.value, "answered_at": at, "person": person, "problem": problem}
    await conn.execute(update(own_queries).where(own_queries.c.id == query_id).values(**values))


# --- scans ------------------------------------------------------------------------------------------------


async def scans_of(conn: AsyncConnection, case_id: str) -> list[Attachment]:
    query = select(*_SCAN).where(own_scans.c.case_id == case_id).order_by(own_scans.c.name)
    return [Attachment(**row) for row in (await conn.execute(query)).mappings()]


async def put_scan(conn: AsyncConnection, case_id: str, scan: Attachment) -> None:
    values = {"case_id": case_id, **scan.as_data()}
    statement = upsert(own_scans, conn.dialect.name).values(values)
    keys = [own_scans.c.case_id, own_scans.c.name]
    await conn.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))


async def remove_scan(conn: AsyncConnection, case_id: str, name: str) -> bool:
    removed = await conn.execute(delete(own_scans).where(own_scans.c.case_id == case_id, own_scans.c.name == name))
    return removed.rowcount == 1
