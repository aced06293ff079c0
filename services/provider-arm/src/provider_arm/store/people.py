"""Staff, their sessions, and the failures that slow guessing down."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.db import insert_ignore, upsert
from provider_arm.domain.cases import OfficeKind, Role, Staff
from provider_arm.tables import login_failures, staff, staff_sessions

_STAFF_COLUMNS = [column for column in staff.c if column.name != "password_hash"]


def _staff(row: RowMapping) -> Staff:
    return Staff(
        id=row["id"],
        iin=row["iin"],
        name=row["name"],
        roles=frozenset(Role(role) for role in row["roles"]),
        region=row["region"],
        provider=row["provider"],
        office=row["office"],
        office_kind=OfficeKind(row["office_kind"]),
        active=row["active"],
        created_at=row["created_at"],
    )


async def add(conn: AsyncConnection, person: Staff, password_hash: str) -> bool:
    """False when somebody with this ИИН is there already."""
    row = {
        "id": person.id,
        "iin": person.iin,
        "name": person.name,
        "password_hash": password_hash,
        "roles": sorted(person.roles),
        "region": person.region,
        "provider": person.provider,
        "office": person.office,
        "office_kind": person.office_kind.value,
        "active": person.active,
        "created_at": person.created_at,
    }
    added = insert_ignore(staff, [row], conn.dialect.name).returning(staff.c.id)
    return (await conn.execute(added)).one_or_none() is not None


async def get(conn: AsyncConnection, staff_id: str) -> Staff | None:
    row = (await conn.execute(select(*_STAFF_COLUMNS).where(staff.c.id == staff_id))).mappings().first()
    return _staff(row) if row else None


async def by_iin(conn: AsyncConnection, iin: str) -> tuple[Staff, str] | None:
    row = (await conn.execute(select(staff).where(staff.c.iin == iin))).mappings().first()
    return (_staff(row), row["password_hash"]) if row else None


async def everyone(conn: AsyncConnection, *, after: str | None, limit: int) -> list[Staff]:
    query = select(*_STAFF_COLUMNS).order_by(staff.c.id).limit(limit)
    if after is not None:
        query = query.where(staff.c.id > after)
    return [_staff(row) for row in (await conn.execute(query)).mappings()]


async def change(conn: AsyncConnection, staff_id: str, values: Mapping[str, Any]) -> bool:
    done = await conn.execute(update(staff).where(staff.c.id == staff_id).values(**values))
    return done.rowcount == 1


async def names(conn: AsyncConnection, ids: set[str]) -> dict[str, str]:
    """Names by id, for "who did it" in lists and conflicts."""
    if not ids:
        return {}
    rows = await conn.execute(select(staff.c.id, staff.c.name).where(staff.c.id.in_(ids)))
    return {row.id: row.name for row in rows}


async def open_session(conn: AsyncConnection, session_id: str, staff_id: str, now: datetime, expires: datetime) -> None:
    await conn.execute(
        insert(staff_sessions).values(id=session_id, staff_id=staff_id, created_at=now, expires_at=expires)
    )


async def session_owner(conn: AsyncConnection, session_id: str, now: datetime) -> str | None:
    """The person of a session that has been neither ended nor outlived."""
    query = select(staff_sessions.c.staff_id).where(
        staff_sessions.c.id == session_id,
        staff_sessions.c.ended_at.is_(None),
        staff_sessions.c.expires_at > now,
    )
    return (await conn.execute(query)).scalar_one_or_none()


async def session_opened(conn: AsyncConnection, session_id: str) -> datetime | None:
    query = select(staff_sessions.c.created_at).where(staff_sessions.c.id == session_id)
    return (await conn.execute(query)).scalar_one_or_none()


async def end_session(conn: AsyncConnection, session_id: str, now: datetime) -> None:
    await conn.execute(
        update(staff_sessions)
        .where(staff_sessions.c.id == session_id, staff_sessions.c.ended_at.is_(None))
        .values(ended_at=now)
    )


async def end_sessions_of(conn: AsyncConnection, staff_id: str, now: datetime) -> None:
    await conn.execute(
        update(staff_sessions)
        .where(staff_sessions.c.staff_id == staff_id, staff_sessions.c.ended_at.is_(None))
        .values(ended_at=now)
    )


async def failures(conn: AsyncConnection, key: str) -> tuple[int, datetime] | None:
    row = (await conn.execute(select(login_failures).where(login_failures.c.key == key))).first()
    return (row.failures, row.last_at) if row else None


async def record_failure(conn: AsyncConnection, key: str, now: datetime) -> int:
    """Counted in one statement, so that parallel guesses are all counted. The number of failures so far."""
    statement = upsert(login_failures, conn.dialect.name).values(key=key, failures=1, last_at=now)
    statement = statement.on_conflict_do_update(
        index_elements=[login_failures.c.key],
        set_={"failures": login_failures.c.failures + 1, "last_at": now},
    )
    return int((await conn.execute(statement.returning(login_failures.c.failures))).scalar_one())


async def forget_failures(conn: AsyncConnection, key: str) -> None:
    await conn.execute(delete(login_failures).where(login_failures.c.key == key))
