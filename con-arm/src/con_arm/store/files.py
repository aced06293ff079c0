"""Scans attached to a case, what came back from the provider, and the record of its hand-over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.tables import attachments, hand_overs, results
from egovkit.db import upsert
from egovorigin.domain.files import Attachment

_FACTS = (attachments.c.name, attachments.c.type, attachments.c.size, attachments.c.sha256)


@dataclass(frozen=True, slots=True)
class Result:
    case_id: str
    kind: str
    document: bytes
    signature: bytes | None
    reasons: list[dict[str, Any]] | None
    issued_at: datetime
    received_at: datetime
    check: dict[str, Any] | None
    outcome: str | None = None
    variant: str | None = None
    valid_until: date | None = None


@dataclass(frozen=True, slots=True)
class HandOver:
    """Who received the result from whom; signed once the signature is there."""

    case_id: str
    operator_id: str
    capacity: str
    iin: str
    certificate: str
    document: bytes
    prepared_at: datetime
    signature: bytes | None = None
    handed_over_at: datetime | None = None


async def attachments_of(conn: AsyncConnection, case_id: str) -> list[Attachment]:
    query = select(*_FACTS).where(attachments.c.case_id == case_id).order_by(attachments.c.name)
    return [Attachment(**row._mapping) for row in await conn.execute(query)]


async def put_attachment(conn: AsyncConnection, case_id: str, facts: Attachment, sealed: bytes, at: datetime) -> None:
    values = {**facts.as_data(), "case_id": case_id, "added_at": at, "content": sealed}
    statement = upsert(attachments, conn.dialect.name).values(values)
    keys = [attachments.c.case_id, attachments.c.name]
    await conn.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))


async def remove_attachment(conn: AsyncConnection, case_id: str, name: str) -> bool:
    removed = await conn.execute(
        delete(attachments).where(attachments.c.case_id == case_id, attachments.c.name == name)
    )
    return removed.rowcount == 1


async def sealed_content(conn: AsyncConnection, case_id: str, name: str) -> bytes | None:
    query = select(attachments.c.content).where(attachments.c.case_id == case_id, attachments.c.name == name)
    content: bytes | None = (await conn.execute(query)).scalar_one_or_none()
    return content


async def forget_contents(conn: AsyncConnection, case_id: str) -> None:
    await conn.execute(update(attachments).where(attachments.c.case_id == case_id).values(content=None))


async def put_result(conn: AsyncConnection, result: Result) -> None:
    values = {name: getattr(result, name) for name in Result.__slots__}
    statement = upsert(results, conn.dialect.name).values(values)
    await conn.execute(statement.on_conflict_do_update(index_elements=[results.c.case_id], set_=values))


async def result_of(conn: AsyncConnection, case_id: str) -> Result | None:
    row = (await conn.execute(select(results).where(results.c.case_id == case_id))).one_or_none()
    return Result(**row._mapping) if row else None


async def put_hand_over(conn: AsyncConnection, record: HandOver) -> None:
    values = {name: getattr(record, name) for name in HandOver.__slots__}
    statement = upsert(hand_overs, conn.dialect.name).values(values)
    await conn.execute(statement.on_conflict_do_update(index_elements=[hand_overs.c.case_id], set_=values))


async def hand_over_of(conn: AsyncConnection, case_id: str) -> HandOver | None:
    row = (await conn.execute(select(hand_overs).where(hand_overs.c.case_id == case_id))).one_or_none()
    return HandOver(**row._mapping) if row else None
