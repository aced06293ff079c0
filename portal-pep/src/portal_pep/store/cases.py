"""Cases and the steps taken in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.db import upsert
from egovkit.errors import EgovError
from portal_pep.domain.states import CaseState
from portal_pep.tables import case_steps, cases


@dataclass(frozen=True, slots=True)
class Case:
    id: str
    account_id: str
    iin: str
    regulation: str
    regulation_version: int
    region: str
    state: CaseState
    created_at: datetime
    changed_at: datetime
    form: dict[str, Any]
    form_version: int
    started_at: datetime
    certificate: str | None
    document: bytes | None
    prepared_at: datetime | None
    signature: bytes | None
    judged: dict[str, Any] | None
    submitted_at: datetime | None
    recipient: str | None
    envelope_id: str | None
    receipt: str | None
    accepted_at: datetime | None
    number: str | None
    registered_at: datetime | None
    owner_version: int
    step: str | None
    status: dict[str, Any] | None
    term_until: datetime | None
    term_change: dict[str, Any] | None
    outcome: str | None
    problem: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Step:
    """A local step of the case, with its place in this service's journal: one line of the trail."""

    case_id: str
    step: str
    n: int
    outcome: str
    at: datetime
    writer: str
    position: int
    hash: str


@dataclass(frozen=True, slots=True)
class NewCase:
    id: str
    account_id: str
    iin: str
    regulation: str
    regulation_version: int
    region: str
    form: dict[str, Any]
    at: datetime


async def add_case(conn: AsyncConnection, new: NewCase) -> Case:
    values: dict[str, Any] = {
        "id": new.id,
        "account_id": new.account_id,
        "iin": new.iin,
        "regulation": new.regulation,
        "regulation_version": new.regulation_version,
        "region": new.region,
        "state": CaseState.DRAFT.value,
        "created_at": new.at,
        "changed_at": new.at,
        "started_at": new.at,
        "form": new.form,
        "form_version": 1,
        "owner_version": 0,
    }
    row = (await conn.execute(insert(cases).values(values).returning(cases))).one()
    return _case(row._mapping)


async def case(conn: AsyncConnection, id_: str, *, lock: bool = False) -> Case | None:
    query = select(cases).where(cases.c.id == id_)
    row = (await conn.execute(query.with_for_update() if lock else query)).one_or_none()
    return _case(row._mapping) if row else None


async def cases_of(
    conn: AsyncConnection, account_id: str, *, before: str | None, limit: int, number: str | None = None
) -> list[Case]:
    """Newest first: case ids sort by the time they were born. Numbers are unique by provider only, so one number may
    be that of two cases."""
    query = select(cases).where(cases.c.account_id == account_id).order_by(cases.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(cases.c.id < before)
    if number is not None:
        query = query.where(cases.c.number == number)
    return [_case(row._mapping) for row in await conn.execute(query)]


async def change_case(conn: AsyncConnection, known: Case, at: datetime, **values: Any) -> Case:
    """Compare-and-set: the case must still be in the state and at the form version the caller decided upon."""
    if "state" in values:
        values["state"] = str(values["state"])
    statement = (
        update(cases)
        .where(
            cases.c.id == known.id,
            cases.c.state == known.state.value,
            cases.c.form_version == known.form_version,
            cases.c.owner_version == known.owner_version,
        )
        .values(changed_at=at, **values)
        .returning(cases)
    )
    row = (await conn.execute(statement)).one_or_none()
    if row is None:
        raise EgovError("case.changed_meanwhile")
    return _case(row._mapping)


async def put_steps(conn: AsyncConnection, steps: Sequence[Step]) -> None:
    """A step taken again (another certificate, a changed form) takes the place of the former one in the trail; the
    journal keeps both."""
    for step in steps:
        values = {name: getattr(step, name) for name in Step.__slots__}
        statement = upsert(case_steps, conn.dialect.name).values(values)
        keys = [case_steps.c.case_id, case_steps.c.step]
        await conn.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))


async def drop_steps(conn: AsyncConnection, case_id: str, labels: Sequence[str]) -> None:
    await conn.execute(delete(case_steps).where(case_steps.c.case_id == case_id, case_steps.c.step.in_(labels)))


async def steps_of(conn: AsyncConnection, case_id: str) -> list[Step]:
    query = select(case_steps).where(case_steps.c.case_id == case_id).order_by(case_steps.c.n)
    return [Step(**row._mapping) for row in await conn.execute(query)]


def _case(row: Any) -> Case:
    return Case(**{**row, "state": CaseState(row["state"])})
