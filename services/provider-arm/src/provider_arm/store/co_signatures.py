"""Who signed an application beside its applicant."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from provider_arm.domain.co_signing import CoSignature
from provider_arm.tables import co_signatures


async def add(conn: AsyncConnection, case_id: str, found: Sequence[CoSignature]) -> None:
    if found:
        rows = [{name: getattr(one, name) for name in CoSignature.__slots__} for one in found]
        rows = [{**row, "case_id": case_id, "reasons": list(row["reasons"])} for row in rows]
        await conn.execute(insert(co_signatures), rows)


async def of_case(conn: AsyncConnection, case_id: str) -> list[CoSignature]:
    columns = [column for column in co_signatures.c if column.name != "case_id"]
    query = select(*columns).where(co_signatures.c.case_id == case_id).order_by(co_signatures.c.role)
    rows = (await conn.execute(query)).mappings().all()
    return [CoSignature(**{**row, "reasons": tuple(row["reasons"])}) for row in rows]
