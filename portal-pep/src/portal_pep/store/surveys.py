"""Answers to the survey, and their counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from portal_pep.tables import survey_answers, surveys


@dataclass(frozen=True, slots=True)
class Survey:
    case_id: str
    regulation: str
    regulation_version: int
    given_at: datetime
    changed_at: datetime


async def survey(conn: AsyncConnection, case_id: str) -> Survey | None:
    row = (await conn.execute(select(surveys).where(surveys.c.case_id == case_id))).one_or_none()
    return Survey(**row._mapping) if row else None


async def answers_of(conn: AsyncConnection, case_id: str) -> dict[str, int]:
    query = select(survey_answers.c.question, survey_answers.c.option).where(survey_answers.c.case_id == case_id)
    return {row.question: row.option for row in await conn.execute(query)}


async def put(conn: AsyncConnection, given: Survey, answers: Mapping[str, int], *, first: bool) -> None:
    """The newest answers take the place of the former ones."""
    if first:
        await conn.execute(insert(surveys).values({name: getattr(given, name) for name in Survey.__slots__}))
    else:
        mine = surveys.c.case_id == given.case_id
        await conn.execute(update(surveys).where(mine).values(changed_at=given.changed_at))
        await conn.execute(delete(survey_answers).where(survey_answers.c.case_id == given.case_id))
    rows = [{"case_id": given.case_id, "question": name, "option": option} for name, option in answers.items()]
    await conn.execute(insert(survey_answers), rows)


async def settled(conn: AsyncConnection, regulation: str, version: int, before: datetime) -> int:
    """How many people's answers can no longer change."""
    count: int = (
        await conn.execute(
            select(func.count()).select_from(surveys).where(*_of(regulation, version), surveys.c.given_at <= before)
        )
    ).scalar_one()
    return count


async def counts(conn: AsyncConnection, regulation: str, version: int, people: int) -> dict[tuple[str, int], int]:
    """How often each option of each question was chosen by the first so many people."""
    order = (surveys.c.given_at, surveys.c.case_id)
    last = (
        await conn.execute(select(*order).where(*_of(regulation, version)).order_by(*order).offset(people - 1).limit(1))
    ).one()
    among = or_(
        surveys.c.given_at < last.given_at,
        and_(surveys.c.given_at == last.given_at, surveys.c.case_id <= last.case_id),
    )
    query = (
        select(survey_answers.c.question, survey_answers.c.option, func.count().label("people"))
        .join(surveys, surveys.c.case_id == survey_answers.c.case_id)
        .where(*_of(regulation, version), among)
        .group_by(survey_answers.c.question, survey_answers.c.option)
    )
    return {(row.question, row.option): row.people for row in await conn.execute(query)}


def _of(regulation: str, version: int) -> tuple[ColumnElement[bool], ...]:
    return surveys.c.regulation == regulation, surveys.c.regulation_version == version
