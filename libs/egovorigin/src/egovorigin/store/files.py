"""What is attached to a case, and what came back from the provider."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.db import upsert
from egovkit.files import Attachment
from egovorigin.tables import OriginTables


@dataclass(frozen=True, slots=True)
class Result:
    case_id: str
    kind: str
    document: bytes
    signature: bytes | None
    reasons: list[dict[str, Any]] | None
    issued_at: datetime
    received_at: datetime
    judged: dict[str, Any] | None
    outcome: str | None = None
    variant: str | None = None
    valid_until: date | None = None
    page_sha256: str | None = None
    page_size: int | None = None


class Files:
    def __init__(self, tables: OriginTables) -> None:
        self._attachments = tables.attachments
        self._results, self._pages = tables.results, tables.result_pages

    async def attachments_of(self, conn: AsyncConnection, case_id: str) -> list[Attachment]:
        table = self._attachments
        facts = (table.c.name, table.c.type, table.c.size, table.c.sha256)
        query = select(*facts).where(table.c.case_id == case_id).order_by(table.c.name)
        return [Attachment(**row._mapping) for row in await conn.execute(query)]

    async def put_attachment(
        self, conn: AsyncConnection, case_id: str, facts: Attachment, sealed: bytes, at: datetime
    ) -> None:
        table = self._attachments
        values = {**facts.as_data(), "case_id": case_id, "added_at": at, "content": sealed}
        statement = upsert(table, conn.dialect.name).values(values)
        keys = [table.c.case_id, table.c.name]
        await conn.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))

    async def remove_attachment(self, conn: AsyncConnection, case_id: str, name: str) -> bool:
        table = self._attachments
        removed = await conn.execute(delete(table).where(table.c.case_id == case_id, table.c.name == name))
        return removed.rowcount == 1

    async def sealed_content(self, conn: AsyncConnection, case_id: str, name: str) -> bytes | None:
        table = self._attachments
        query = select(table.c.content).where(table.c.case_id == case_id, table.c.name == name)
        content: bytes | None = (await conn.execute(query)).scalar_one_or_none()
        return content

    async def forget_contents(self, conn: AsyncConnection, case_id: str) -> None:
        table = self._attachments
        await conn.execute(update(table).where(table.c.case_id == case_id).values(content=None))

    async def put_result(self, conn: AsyncConnection, result: Result) -> None:
        table = self._results
        values = {name: getattr(result, name) for name in Result.__slots__}
        statement = upsert(table, conn.dialect.name).values(values)
        await conn.execute(statement.on_conflict_do_update(index_elements=[table.c.case_id], set_=values))

    async def result_of(self, conn: AsyncConnection, case_id: str) -> Result | None:
        row = (await conn.execute(select(self._results).where(self._results.c.case_id == case_id))).one_or_none()
        return Result(**row._mapping) if row else None

    async def page_of(self, conn: AsyncConnection, case_id: str, sha256: str) -> bytes | None:
        """The signed page as it is kept, sealed."""
        columns = self._pages.c
        query = select(columns.content).where(columns.case_id == case_id, columns.sha256 == sha256)
        content: bytes | None = (await conn.execute(query)).scalar_one_or_none()
        return content

    async def keep_page(self, conn: AsyncConnection, case_id: str, sha256: str, sealed: bytes) -> None:
        """Of two who asked at once the first keeps it."""
        statement = upsert(self._pages, conn.dialect.name).values(case_id=case_id, sha256=sha256, content=sealed)
        await conn.execute(statement.on_conflict_do_nothing())
