"""Accounts, sessions and the counters of the throttle."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from portal_pep.tables import accounts, sessions


@dataclass(frozen=True, slots=True)
class Account:
    id: str
    iin: str
    password_hash: str
    created_at: datetime
    confirmed_at: datetime | None
    confirmed_with: str | None
    confirmation: bytes | None
    confirmation_until: datetime | None
    confirmation_signature: bytes | None

    @property
    def confirmed(self) -> bool:
        return self.confirmed_at is not None


@dataclass(frozen=True, slots=True)
class Session:
    id: str
    account_id: str
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    login: dict[str, Any]


async def add_account(conn: AsyncConnection, id_: str, iin: str, password_hash: str, at: datetime) -> None:
    await conn.execute(insert(accounts).values(id=id_, iin=iin, password_hash=password_hash, created_at=at))


async def forget_account(conn: AsyncConnection, id_: str) -> None:
    """Removes a registration nobody confirmed, and whoever is logged in with it."""
    await conn.execute(delete(sessions).where(sessions.c.account_id == id_))
    await conn.execute(delete(accounts).where(accounts.c.id == id_, accounts.c.confirmed_at.is_(None)))


async def account_of_iin(conn: AsyncConnection, iin: str, *, lock: bool = False) -> Account | None:
    query = select(accounts).where(accounts.c.iin == iin)
    row = (await conn.execute(query.with_for_update() if lock else query)).one_or_none()
    return Account(**row._mapping) if row else None


async def account(conn: AsyncConnection, id_: str, *, lock: bool = False) -> Account | None:
    query = select(accounts).where(accounts.c.id == id_)
    row = (await conn.execute(query.with_for_update() if lock else query)).one_or_none()
    return Account(**row._mapping) if row else None


async def change_account(conn: AsyncConnection, id_: str, **values: object) -> None:
    await conn.execute(update(accounts).where(accounts.c.id == id_).values(**values))


async def add_session(conn: AsyncConnection, session: Session) -> None:
    await conn.execute(
        insert(sessions).values(
            id=session.id,
            account_id=session.account_id,
            created_at=session.created_at,
            expires_at=session.expires_at,
            login=session.login,
        )
    )


async def session_with_account(conn: AsyncConnection, id_: str) -> tuple[Session, Account] | None:
    row = (await conn.execute(select(sessions).where(sessions.c.id == id_))).one_or_none()
    if row is None:
        return None
    owner = await account(conn, row.account_id)
    return (Session(**row._mapping), owner) if owner else None


async def end_session(conn: AsyncConnection, id_: str, at: datetime) -> None:
    await conn.execute(update(sessions).where(sessions.c.id == id_, sessions.c.ended_at.is_(None)).values(ended_at=at))


async def forget_sessions(conn: AsyncConnection, expired_before: datetime) -> None:
    await conn.execute(delete(sessions).where(sessions.c.expires_at < expired_before))
