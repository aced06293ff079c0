"""Cases and the steps taken in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy import Table, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.db import upsert
from egovkit.errors import EgovError


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginCase:
    """What every origin knows of a case; `state` is one of the origin's own."""

    id: str
    regulation: str
    regulation_version: int
    region: str
    state: StrEnum
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


C = TypeVar("C", bound=OriginCase)


class Cases(Generic[C]):
    """`kind` makes a case of its row; `states` are the origin's."""

    decided_upon: ClassVar[Sequence[str]] = ("state", "form_version", "owner_version")  # compared before a change

    def __init__(self, cases: Table, steps: Table, kind: type[C], states: type[StrEnum]) -> None:
        self._cases, self._steps = cases, steps
        self._kind, self._states = kind, states

    def made(self, row: Any) -> C:
        return self._kind(**{**row._mapping, "state": self._states(row.state)})

    async def insert(self, conn: AsyncConnection, at: datetime, values: Mapping[str, Any]) -> C:
        born = {"created_at": at, "changed_at": at, "started_at": at, "form_version": 1, "owner_version": 0}
        statement = insert(self._cases).values({**born, **values}).returning(self._cases)
        return self.made((await conn.execute(statement)).one())

    async def case(self, conn: AsyncConnection, id_: str, *, lock: bool = False) -> C | None:
        query = select(self._cases).where(self._cases.c.id == id_)
        row = (await conn.execute(query.with_for_update() if lock else query)).one_or_none()
        return self.made(row) if row else None

    async def change_case(self, conn: AsyncConnection, known: C, at: datetime, **values: Any) -> C:
        """Compare-and-set: the case must still be as the caller decided upon, or EgovError case.changed_meanwhile."""
        if "state" in values:
            values["state"] = str(values["state"])
        same = {**{name: getattr(known, name) for name in self.decided_upon}, "state": known.state.value}
        statement = (
            update(self._cases)
            .where(self._cases.c.id == known.id, *(self._cases.c[name] == value for name, value in same.items()))
            .values(changed_at=at, **values)
            .returning(self._cases)
        )
        row = (await conn.execute(statement)).one_or_none()
        if row is None:
            raise EgovError("case.changed_meanwhile")
        return self.made(row)

    async def put_steps(self, conn: AsyncConnection, steps: Sequence[Step]) -> None:
        """A step taken again (another certificate, a changed form) takes the place of the former one in the trail; the
        journal keeps both."""
        table = self._steps
        for step in steps:
            values = {name: getattr(step, name) for name in Step.__slots__}
            statement = upsert(table, conn.dialect.name).values(values)
            keys = [table.c.case_id, table.c.step]
            await conn.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))

    async def drop_steps(self, conn: AsyncConnection, case_id: str, labels: Sequence[str]) -> None:
        table = self._steps
        await conn.execute(delete(table).where(table.c.case_id == case_id, table.c.step.in_(labels)))

    async def steps_of(self, conn: AsyncConnection, case_id: str, labels: Sequence[str] | None = None) -> list[Step]:
        """In the flow's order; those of `labels`, or all."""
        table = self._steps
        query = select(table).where(table.c.case_id == case_id).order_by(table.c.n)
        if labels is not None:
            query = query.where(table.c.step.in_(labels))
        return [Step(**row._mapping) for row in await conn.execute(query)]
