"""How often somebody has tried, by a keyed hash: the table names nobody."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Table, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.db import insert_ignore


class Attempts:
    def __init__(self, attempts: Table) -> None:
        self._attempts = attempts

    async def attempts_of(self, conn: AsyncConnection, key: str, now: datetime) -> tuple[int, datetime]:
        """The counter, made if need be and locked: a row that is not there yet would lock nobody out."""
        table = self._attempts
        await conn.execute(insert_ignore(table, [{"key": key, "count": 0, "until": now}], conn.dialect.name))
        row = (await conn.execute(select(table).where(table.c.key == key).with_for_update())).one()
        return row._mapping["count"], row.until  # row.count is a method of tuples

    async def set_attempts(self, conn: AsyncConnection, key: str, count: int, until: datetime) -> None:
        table = self._attempts
        await conn.execute(update(table).where(table.c.key == key).values(count=count, until=until))

    async def forget_attempts(self, conn: AsyncConnection, key: str) -> None:
        await conn.execute(delete(self._attempts).where(self._attempts.c.key == key))

    async def forget_old_attempts(self, conn: AsyncConnection, until: datetime) -> None:
        await conn.execute(delete(self._attempts).where(self._attempts.c.until < until))
