"""Operators, their sessions, and the attempts that slow guessing down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.domain.people import Operator, Role
from con_arm.tables import operators, sessions
from egovkit.db import insert_ignore


@dataclass(frozen=True, slots=True)
class Session:
    id: str
    operator_id: str
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    login: dict[str, Any]


async def add_operator(conn: AsyncConnection, one: Operator, password_hash: str) -> bool:
    """False when somebody with this login or ИИН is there already."""
    values = {name: getattr(one, name) for name in Operator.__slots__}
    row = {**values, "roles": sorted(one.roles), "password_hash": password_hash}
    added = insert_ignore(operators, [row], conn.dialect.name).returning(operators.c.id)
    return (await conn.execute(added)).one_or_none() is not None


async def operator(conn: AsyncConnection, id_: str) -> Operator | None:
    row = (await conn.execute(select(operators).where(operators.c.id == id_))).one_or_none()
    return _operator(row._mapping) if row else None


async def operator_of_login(conn: AsyncConnection, login: str) -> tuple[Operator, str] | None:
    """The operator and the hash of the password."""
    row = (await conn.execute(select(operators).where(operators.c.login == login))).one_or_none()
    return (_operator(row._mapping), row.password_hash) if row else None


async def all_operators(conn: AsyncConnection, *, after: str | None, limit: int) -> list[Operator]:
    query = select(operators).order_by(operators.c.id).limit(limit)
    if after is not None:
        query = query.where(operators.c.id > after)
    return [_operator(row._mapping) for row in await conn.execute(query)]


async def change_operator(conn: AsyncConnection, id_: str, values: Mapping[str, Any]) -> None:
    await conn.execute(update(operators).where(operators.c.id == id_).values(**values))


async def add_session(conn: AsyncConnection, session: Session) -> None:
    await conn.execute(insert(sessions).values({name: getattr(session, name) for name in Session.__slots__}))


async def session_with_operator(conn: AsyncConnection, id_: str) -> tuple[Session, Operator] | None:
    row = (await conn.execute(select(sessions).where(sessions.c.id == id_))).one_or_none()
    if row is None:
        return None
    owner = await operator(conn, row.operator_id)
    return (Session(**row._mapping), owner) if owner else None


async def end_session(conn: AsyncConnection, id_: str, at: datetime) -> None:
    await conn.execute(update(sessions).where(sessions.c.id == id_, sessions.c.ended_at.is_(None)).values(ended_at=at))


async def end_sessions_of(conn: AsyncConnection, operator_id: str, at: datetime) -> None:
    mine = (sessions.c.operator_id == operator_id, sessions.c.ended_at.is_(None))
    await conn.execute(update(sessions).where(*mine).values(ended_at=at))


async def forget_sessions(conn: AsyncConnection, expired_before: datetime) -> None:
    await conn.execute(delete(sessions).where(sessions.c.expires_at < expired_before))


def _operator(row: Mapping[Any, Any]) -> Operator:
    values = {name: row[name] for name in Operator.__slots__}
    return Operator(**{**values, "roles": frozenset(Role(role) for role in values["roles"])})
