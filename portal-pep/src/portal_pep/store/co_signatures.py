"""Who signs an application with the applicant."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.db import upsert
from portal_pep.domain.co_signing import CoSignature, CoState
from portal_pep.tables import co_signatures

_UNASKED: dict[str, Any] = {"asked_at": None, "answered_at": None, "signature": None, "judged": None, "reason": None}


async def of_case(conn: AsyncConnection, case_id: str) -> list[CoSignature]:
    query = select(co_signatures).where(co_signatures.c.case_id == case_id).order_by(co_signatures.c.role)
    return [_row(row._mapping) for row in await conn.execute(query)]


async def of_person(
    conn: AsyncConnection, iin: str, states: tuple[CoState, ...], *, before: str | None, limit: int
) -> list[CoSignature]:
    """Newest case first."""
    mine = (co_signatures.c.iin == iin, co_signatures.c.state.in_([one.value for one in states]))
    query = select(co_signatures).where(*mine).order_by(co_signatures.c.case_id.desc()).limit(limit)
    if before is not None:
        query = query.where(co_signatures.c.case_id < before)
    return [_row(row._mapping) for row in await conn.execute(query)]


async def name(conn: AsyncConnection, case_id: str, role: str, iin: str) -> None:
    """One of each role: another takes his place."""
    values = {"case_id": case_id, "role": role, "iin": iin, "state": CoState.NAMED.value, **_UNASKED}
    statement = upsert(co_signatures, conn.dialect.name).values(values)
    keys = [co_signatures.c.case_id, co_signatures.c.role]
    await conn.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))


async def forget(conn: AsyncConnection, case_id: str, role: str) -> bool:
    mine = (co_signatures.c.case_id == case_id, co_signatures.c.role == role)
    return (await conn.execute(delete(co_signatures).where(*mine))).rowcount == 1


async def unask(conn: AsyncConnection, case_id: str) -> None:
    """Other bytes are to be signed: whatever was said of the former ones is void."""
    query = update(co_signatures).where(co_signatures.c.case_id == case_id)
    await conn.execute(query.values(state=CoState.NAMED.value, **_UNASKED))


async def ask(conn: AsyncConnection, case_id: str, role: str, at: datetime) -> None:
    """Asks, or asks again: an earlier signature no longer stands."""
    await _set(conn, case_id, role, {**_UNASKED, "state": CoState.WAITING.value, "asked_at": at})


async def answer(conn: AsyncConnection, case_id: str, role: str, state: CoState, at: datetime, **values: Any) -> None:
    await _set(conn, case_id, role, {"state": state.value, "answered_at": at, **values})


async def _set(conn: AsyncConnection, case_id: str, role: str, values: dict[str, Any]) -> None:
    mine = (co_signatures.c.case_id == case_id, co_signatures.c.role == role)
    await conn.execute(update(co_signatures).where(*mine).values(**values))


def _row(row: Any) -> CoSignature:
    return CoSignature(**{**row, "state": CoState(row["state"])})
