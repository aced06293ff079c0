"""Papers on their way from a district branch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.domain.courier import CourierState
from con_arm.tables import couriers
from egovkit.errors import EgovError


@dataclass(frozen=True, slots=True)
class Courier:
    case_id: str
    state: CourierState
    clause: str
    dispatched_at: datetime
    dispatched_by: str
    due_at: datetime
    arrived_at: datetime | None = None
    arrived_by: str | None = None


async def add(conn: AsyncConnection, one: Courier) -> None:
    values = {name: getattr(one, name) for name in Courier.__slots__}
    await conn.execute(insert(couriers).values({**values, "state": one.state.value}))


async def of_case(conn: AsyncConnection, case_id: str) -> Courier | None:
    row = (await conn.execute(select(couriers).where(couriers.c.case_id == case_id))).one_or_none()
    return _courier(row._mapping) if row else None


async def change(conn: AsyncConnection, known: Courier, state: CourierState, **values: Any) -> Courier:
    """Compare-and-set: of two windows one records the arrival."""
    same = (couriers.c.case_id == known.case_id, couriers.c.state == known.state.value)
    changed = update(couriers).where(*same).values(state=state.value, **values).returning(couriers)
    row = (await conn.execute(changed)).one_or_none()
    if row is None:
        raise EgovError("case.changed_meanwhile")
    return _courier(row._mapping)


def _courier(row: Any) -> Courier:
    return Courier(**{**row, "state": CourierState(row["state"])})
