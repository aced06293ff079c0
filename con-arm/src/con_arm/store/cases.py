"""Cases and the steps taken in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.domain.consumer import Representative
from con_arm.domain.states import CaseState
from con_arm.tables import case_steps, cases
from egovkit.db import upsert
from egovkit.errors import EgovError


@dataclass(frozen=True, slots=True)
class Case:
    id: str
    centre: str
    operator_id: str
    ticket_id: str | None
    regulation: str
    regulation_version: int
    region: str
    state: CaseState
    created_at: datetime
    changed_at: datetime
    iin: str | None
    representative: dict[str, Any] | None
    round: int
    facts: list[dict[str, Any]]
    form: dict[str, Any]
    papers: list[dict[str, Any]]
    form_version: int
    started_at: datetime
    certificate: str | None
    signed_by: str | None
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

    @property
    def applicant(self) -> str:
        """The consumer's ИИН, where the state says that he has been entered."""
        if self.iin is None:
            raise EgovError("case.wrong_state", state=self.state.value)
        return self.iin

    @property
    def speaker(self) -> Representative | None:
        """Who speaks for the consumer, if he does not himself."""
        return None if self.representative is None else Representative.of(self.representative)


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
    centre: str
    operator_id: str
    ticket_id: str | None
    regulation: str
    regulation_version: int
    region: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cases a list shows: those of one centre, and of them what is asked for."""

    centre: str
    number: str | None = None
    iin: str | None = None
    state: str | None = None


async def add_case(conn: AsyncConnection, new: NewCase, at: datetime) -> Case:
    values: dict[str, Any] = {
        **{name: getattr(new, name) for name in NewCase.__slots__},
        "state": CaseState.OPENED.value,
        "created_at": at,
        "changed_at": at,
        "started_at": at,
        "round": 1,
        "facts": [],
        "form": {},
        "papers": [],
        "form_version": 1,
        "owner_version": 0,
    }
    row = (await conn.execute(insert(cases).values(values).returning(cases))).one()
    return _case(row._mapping)


async def case(conn: AsyncConnection, id_: str, *, lock: bool = False) -> Case | None:
    query = select(cases).where(cases.c.id == id_)
    row = (await conn.execute(query.with_for_update() if lock else query)).one_or_none()
    return _case(row._mapping) if row else None


async def case_of_ticket(conn: AsyncConnection, ticket_id: str) -> str | None:
    return (await conn.execute(select(cases.c.id).where(cases.c.ticket_id == ticket_id))).scalar_one_or_none()


async def cases_of(conn: AsyncConnection, wanted: Wanted, *, before: str | None, limit: int) -> list[Case]:
    """Newest first: case ids sort by the time they were born."""
    query = select(cases).where(cases.c.centre == wanted.centre).order_by(cases.c.id.desc()).limit(limit)
    for column in ("number", "iin", "state"):
        if (value := getattr(wanted, column)) is not None:
            query = query.where(cases.c[column] == value)
    if before is not None:
        query = query.where(cases.c.id < before)
    return [_case(row._mapping) for row in await conn.execute(query)]


async def change_case(conn: AsyncConnection, known: Case, at: datetime, **values: Any) -> Case:
    """Compare-and-set: the case must still be as the caller decided upon."""
    if "state" in values:
        values["state"] = str(values["state"])
    statement = (
        update(cases)
        .where(
            cases.c.id == known.id,
            cases.c.state == known.state.value,
            cases.c.form_version == known.form_version,
            cases.c.owner_version == known.owner_version,
            cases.c.round == known.round,
        )
        .values(changed_at=at, **values)
        .returning(cases)
    )
    row = (await conn.execute(statement)).one_or_none()
    if row is None:
        raise EgovError("case.changed_meanwhile")
    return _case(row._mapping)


async def put_steps(conn: AsyncConnection, steps: Sequence[Step]) -> None:
    """A step taken again takes the place of the former one in the trail; the journal keeps both."""
    for step in steps:
        values = {name: getattr(step, name) for name in Step.__slots__}
        statement = upsert(case_steps, conn.dialect.name).values(values)
        keys = [case_steps.c.case_id, case_steps.c.step]
        await conn.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))


async def drop_steps(conn: AsyncConnection, case_id: str, labels: Sequence[str]) -> None:
    await conn.execute(delete(case_steps).where(case_steps.c.case_id == case_id, case_steps.c.step.in_(labels)))


async def steps_of(conn: AsyncConnection, case_id: str, labels: Sequence[str]) -> list[Step]:
    query = select(case_steps).where(case_steps.c.case_id == case_id, case_steps.c.step.in_(labels))
    return [Step(**row._mapping) for row in await conn.execute(query.order_by(case_steps.c.n))]


def _case(row: Any) -> Case:
    return Case(**{**row, "state": CaseState(row["state"])})
