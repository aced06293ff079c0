"""What happened to a case."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from egovorigin.store.records import Records
from portal_pep.tables import origin


class PortalRecords(Records):
    async def owners_last(self, conn: AsyncConnection, case_id: str) -> datetime | None:
        """When the owner's last message that counted came; only the owner's carry a version."""
        query = (
            select(origin.history.c.at)
            .where(origin.history.c.case_id == case_id, origin.history.c.version.is_not(None), origin.history.c.applied)
            .order_by(origin.history.c.id.desc())
            .limit(1)
        )
        return (await conn.execute(query)).scalar_one_or_none()


records = PortalRecords(origin.history)
