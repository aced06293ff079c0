"""The electronic queue, receipts of refused acceptance, surveys, and the running numbers they need."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.domain.counter import TicketState
from con_arm.tables import counters, receipts, surveys, tickets
from egovkit.db import upsert
from egovkit.errors import EgovError


@dataclass(frozen=True, slots=True)
class Ticket:
    id: str
    centre: str
    number: int
    regulation: str | None
    state: TicketState
    taken_at: datetime
    called_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    operator_id: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    case_id: str
    number: str
    operator_id: str
    at: datetime
    missing: list[dict[str, Any]]
    note: str | None
    document: bytes


@dataclass(frozen=True, slots=True)
class Survey:
    case_id: str
    centre: str
    regulation: str
    answers: dict[str, str]
    at: datetime


async def next_number(conn: AsyncConnection, name: str) -> int:
    """The next number of this name, from 1, without gaps: given back when the transaction rolls back."""
    statement = upsert(counters, conn.dialect.name).values(name=name, last=1)
    counted = statement.on_conflict_do_update(index_elements=[counters.c.name], set_={"last": counters.c.last + 1})
    return int((await conn.execute(counted.returning(counters.c.last))).scalar_one())


async def add_ticket(conn: AsyncConnection, ticket: Ticket) -> None:
    values = {name: getattr(ticket, name) for name in Ticket.__slots__}
    await conn.execute(insert(tickets).values({**values, "state": ticket.state.value}))


async def ticket(conn: AsyncConnection, id_: str, centre: str) -> Ticket | None:
    mine = (tickets.c.id == id_, tickets.c.centre == centre)
    row = (await conn.execute(select(tickets).where(*mine).with_for_update())).one_or_none()
    return _ticket(row._mapping) if row else None


async def change_ticket(conn: AsyncConnection, known: Ticket, state: TicketState, **values: Any) -> Ticket:
    """Compare-and-set: two windows that call one ticket do not both get it."""
    same = (tickets.c.id == known.id, tickets.c.state == known.state.value)
    changed = update(tickets).where(*same).values(state=state.value, **values).returning(tickets)
    row = (await conn.execute(changed)).one_or_none()
    if row is None:
        raise EgovError("case.changed_meanwhile")
    return _ticket(row._mapping)


async def tickets_of(
    conn: AsyncConnection, centre: str, *, state: str | None, after: str | None, limit: int
) -> list[Ticket]:
    """Oldest first: who came first is called first."""
    query = select(tickets).where(tickets.c.centre == centre).order_by(tickets.c.id).limit(limit)
    if state is not None:
        query = query.where(tickets.c.state == state)
    if after is not None:
        query = query.where(tickets.c.id > after)
    return [_ticket(row._mapping) for row in await conn.execute(query)]


async def tickets_between(conn: AsyncConnection, centre: str, since: datetime, until: datetime) -> list[Ticket]:
    span = (tickets.c.centre == centre, tickets.c.taken_at >= since, tickets.c.taken_at < until)
    return [_ticket(row._mapping) for row in await conn.execute(select(tickets).where(*span))]


async def add_receipt(conn: AsyncConnection, receipt: Receipt) -> None:
    await conn.execute(insert(receipts).values({name: getattr(receipt, name) for name in Receipt.__slots__}))


async def receipt_of(conn: AsyncConnection, case_id: str) -> Receipt | None:
    row = (await conn.execute(select(receipts).where(receipts.c.case_id == case_id))).one_or_none()
    return Receipt(**row._mapping) if row else None


async def add_survey(conn: AsyncConnection, survey: Survey) -> bool:
    """False when the consumer has answered for this case already."""
    values = {name: getattr(survey, name) for name in Survey.__slots__}
    added = upsert(surveys, conn.dialect.name).values(values).on_conflict_do_nothing().returning(surveys.c.case_id)
    return (await conn.execute(added)).one_or_none() is not None


async def survey_of(conn: AsyncConnection, case_id: str) -> Survey | None:
    row = (await conn.execute(select(surveys).where(surveys.c.case_id == case_id))).one_or_none()
    return Survey(**row._mapping) if row else None


async def surveys_of(conn: AsyncConnection, centre: str, regulation: str) -> list[Survey]:
    mine = (surveys.c.centre == centre, surveys.c.regulation == regulation)
    return [Survey(**row._mapping) for row in await conn.execute(select(surveys).where(*mine))]


def _ticket(row: Any) -> Ticket:
    return Ticket(**{**row, "state": TicketState(row["state"])})
