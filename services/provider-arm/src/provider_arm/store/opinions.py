"""Opinions of commissions: one for a case."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.db import insert_ignore
from provider_arm.tables import opinions


async def add(conn: AsyncConnection, case_id: str, values: Mapping[str, Any], by: tuple[str, datetime]) -> bool:
    """False when the case has one."""
    staff_id, at = by
    row = {"case_id": case_id, **values, "given_by": staff_id, "given_at": at}
    return (await conn.execute(insert_ignore(opinions, [row], conn.dialect.name))).rowcount == 1


async def of_case(conn: AsyncConnection, case_id: str) -> Mapping[str, Any] | None:
    row = (await conn.execute(select(opinions).where(opinions.c.case_id == case_id))).mappings().first()
    return None if row is None else dict(row)
