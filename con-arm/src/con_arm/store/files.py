"""Scans attached to a case, what came back from the provider, and the record of its hand-over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.tables import hand_overs, origin
from egovkit.db import upsert
from egovorigin.store.files import Files


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
    judged: dict[str, Any] | None = None


class CentreFiles(Files):
    async def put_hand_over(self, conn: AsyncConnection, record: HandOver) -> None:
        values = {name: getattr(record, name) for name in HandOver.__slots__}
        statement = upsert(hand_overs, conn.dialect.name).values(values)
        await conn.execute(statement.on_conflict_do_update(index_elements=[hand_overs.c.case_id], set_=values))

    async def hand_over_of(self, conn: AsyncConnection, case_id: str) -> HandOver | None:
        row = (await conn.execute(select(hand_overs).where(hand_overs.c.case_id == case_id))).one_or_none()
        return HandOver(**row._mapping) if row else None


files = CentreFiles(origin)
