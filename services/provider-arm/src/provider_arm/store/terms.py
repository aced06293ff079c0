"""The term of each case, and the terms that passed unheeded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, and_, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovlaw.catalogue import Duration
from egovlaw.terms import Extension, Pause, Reason, Source, Term
from provider_arm.domain.cases import ENDED, Case, Staff, TaskState
from provider_arm.store.cases import CASE_COLUMNS, case_of
from provider_arm.store.paging import Page, encode, paged
from provider_arm.tables import cases, escalations, tasks, terms

NEWEST_FIRST: Final = "-at"


@dataclass(frozen=True, slots=True)
class CaseTerm:
    """A case's term with where the act gives it."""

    case_id: str
    term: Term
    source: Source
    clause: str

    @property
    def duration(self) -> str:
        return " + ".join(str(part) for part in self.term.parts)


@dataclass(frozen=True, slots=True)
class Escalation:
    id: str
    at: datetime
    case_id: str
    task_id: str | None
    clause: str
    term: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Late:
    """An escalation with what it is about; `open`: the work is not done yet."""

    escalation: Escalation
    case: Case
    task_kind: str | None
    assignee: str | None
    open: bool


async def add(conn: AsyncConnection, kept: CaseTerm) -> None:
    values = _moving(kept.term) | {"case_id": kept.case_id, "source": kept.source, "clause": kept.clause}
    parts = [_written(part) for part in kept.term.parts]
    await conn.execute(insert(terms).values(**values, started_at=kept.term.started, parts=parts))


async def keep(conn: AsyncConnection, kept: CaseTerm) -> None:
    """The case's row is locked by whoever works on it, so nobody else writes here meanwhile."""
    await conn.execute(update(terms).where(terms.c.case_id == kept.case_id).values(**_moving(kept.term)))


async def get(conn: AsyncConnection, case_id: str) -> CaseTerm | None:
    row = (await conn.execute(select(terms).where(terms.c.case_id == case_id))).mappings().first()
    return None if row is None else _kept(row)


async def escalate(conn: AsyncConnection, escalation: Escalation) -> None:
    await conn.execute(insert(escalations).values(**asdict(escalation)))


async def escalated_at(conn: AsyncConnection, case_id: str) -> datetime | None:
    """When the case's own term was last escalated."""
    column = escalations.c
    query = select(column.at).where(column.case_id == case_id, column.task_id.is_(None)).order_by(column.at.desc())
    found: datetime | None = (await conn.execute(query.limit(1))).scalar_one_or_none()
    return found


async def list_late(
    conn: AsyncConnection, person: Staff, page: Page, *, everything: bool
) -> tuple[list[Late], str | None]:
    """Newest first; without `everything` those alone whose work is not done yet."""
    marked = [column.label(f"late_{column.name}") for column in escalations.c]
    of_task = [tasks.c.kind.label("task_kind"), tasks.c.state.label("task_state"), tasks.c.assignee.label("holder")]
    query = (
        select(*marked, *of_task, *CASE_COLUMNS)
        .join(cases, cases.c.id == escalations.c.case_id)
        .outerjoin(tasks, tasks.c.id == escalations.c.task_id)
        .where(cases.c.region == person.region)
    )
    if person.provider is not None:
        query = query.where(cases.c.provider == person.provider)
    if not everything:
        running = and_(escalations.c.task_id.is_(None), cases.c.state.not_in([state.value for state in ENDED]))
        query = query.where(or_(running, tasks.c.state != TaskState.DONE.value))
    rows = (await conn.execute(paged(query, page, {"at": escalations.c.at}, escalations.c.id))).mappings().all()
    found = [_late(row) for row in rows[: page.limit]]
    last = found[-1].escalation if len(rows) > page.limit else None
    return found, None if last is None else encode(page.sort, last.at, last.id)


def _late(row: RowMapping) -> Late:
    escalation = Escalation(**{column.name: row[f"late_{column.name}"] for column in escalations.c})
    case = case_of(row)
    done = case.state in ENDED if escalation.task_id is None else row["task_state"] == TaskState.DONE.value
    return Late(escalation, case, row["task_kind"], row["holder"], not done)


def _moving(term: Term) -> dict[str, Any]:
    return {
        "extensions": [
            {"at": one.at.isoformat(), "until": one.until.isoformat(), **asdict(one.reason)} for one in term.extensions
        ],
        "pauses": [
            {"since": one.since.isoformat(), "until": one.until and one.until.isoformat(), **asdict(one.reason)}
            for one in term.pauses
        ],
        "ended_at": term.ended,
    }


def _kept(row: RowMapping) -> CaseTerm:
    term = Term(
        started=row["started_at"],
        parts=tuple(Duration(**part) for part in row["parts"]),
        extensions=tuple(
            Extension(_moment(one["at"]), _moment(one["until"]), _reason(one)) for one in row["extensions"]
        ),
        pauses=tuple(
            Pause(_moment(one["since"]), one["until"] and _moment(one["until"]), _reason(one)) for one in row["pauses"]
        ),
        ended=row["ended_at"],
    )
    return CaseTerm(row["case_id"], term, row["source"], row["clause"])


def _reason(one: Mapping[str, Any]) -> Reason:
    return Reason(one["ru"], one["kk"])


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _written(part: Duration) -> dict[str, int]:
    return {name: value for name, value in asdict(part).items() if value is not None}
