"""What the operator sees: the case, its questions with their answers side by side, history and result; and, for the
senior, who looked at which person's data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.domain.people import Operator
from con_arm.domain.states import CaseEvent, QueryState
from con_arm.domain.steps import CentreFlow
from con_arm.service.cases import visible
from con_arm.service.couriers import CourierSeen, seen_of
from con_arm.service.parts import Centre
from con_arm.service.queries import seen_state
from con_arm.store import queries
from con_arm.store.cases import Case, Wanted, cases
from con_arm.store.files import HandOver, files
from con_arm.store.queries import Query, Read
from con_arm.store.records import records
from egovkit.errors import EgovError
from egovkit.files import Attachment
from egovlaw.catalogue import Regulation
from egovlaw.limits import LimitUsed, Spent, limits_used
from egovorigin.progress import ALL_RECORDS, StepSeen, steps_seen
from egovorigin.store.files import Result
from egovorigin.store.records import Record, StoredRecord


@dataclass(frozen=True, slots=True)
class QuerySeen:
    """A question as it stands now: expired follows from the time. `used_s` runs on while it waits."""

    query: Query
    state: QueryState
    used_s: float


@dataclass(frozen=True, slots=True)
class CasePage:
    case: Case
    regulation: Regulation
    attachments: Sequence[Attachment]
    queries: Sequence[QuerySeen]
    steps: Sequence[StepSeen]
    limits: Sequence[LimitUsed]
    has_result: bool
    courier: CourierSeen | None
    hand_over: HandOver | None


async def page(centre: Centre, operator: Operator, case_id: str) -> CasePage:
    async with centre.db.begin() as conn:
        return await page_in(conn, centre, operator, case_id)


async def page_in(conn: AsyncConnection, centre: Centre, operator: Operator, case_id: str) -> CasePage:
    """The case; whoever is shown facts from a register about a person leaves a trace of having looked."""
    case = await visible(conn, operator, case_id)
    attached = await files.attachments_of(conn, case_id)
    asked = await queries.queries_of(conn, case_id)
    happened = await records.records_of(conn, case_id, after=0, limit=ALL_RECORDS)
    result, handed = await files.result_of(conn, case_id), await files.hand_over_of(conn, case_id)
    if case.facts:
        await _looked(conn, centre, operator, case, "facts")
    regulation, flow = centre.regulation(case.regulation, case.regulation_version)
    seen = [_query_seen(centre, one) for one in asked]
    courier = await seen_of(conn, centre, case)
    limits = limits_used(flow.channel, [*(_spent(one.record) for one in happened), *_asked(flow, seen)])
    steps, has_result = steps_seen(flow, happened), result is not None
    return CasePage(case, regulation, attached, seen, steps, limits, has_result, courier, handed)


async def answers(centre: Centre, operator: Operator, case_id: str) -> list[QuerySeen]:
    """The questions of a case with what the registers said, side by side."""
    async with centre.db.begin() as conn:
        case = await visible(conn, operator, case_id)
        asked = await queries.queries_of(conn, case_id)
        if any(one.answer is not None for one in asked):
            await _looked(conn, centre, operator, case, "answers")
    return [_query_seen(centre, one) for one in asked]


async def _looked(conn: AsyncConnection, centre: Centre, operator: Operator, case: Case, what: str) -> None:
    read = Read(centre.ids.new(), centre.clock.now(), operator.id, operator.centre, case.id, what)
    await queries.add_read(conn, read)


def _query_seen(centre: Centre, query: Query) -> QuerySeen:
    now = centre.clock.now()
    running = round(max(0.0, (now - query.asked_at).total_seconds()), 3)
    return QuerySeen(query, seen_state(query, now), running if query.used_s is None else query.used_s)


def _spent(record: Record) -> Spent:
    told = record.version is not None or record.event in (CaseEvent.SUBMITTED, CaseEvent.HANDED_OVER)
    return Spent(record.step or "", record.limit_s, record.used_s, f"case.{record.event}" if told else "")


def _asked(flow: CentreFlow, asked: Sequence[QuerySeen]) -> list[Spent]:
    """The question to each register has a limit of its own."""
    label = flow.query.label
    return [Spent(label, one.query.limit_s, one.used_s, f"answer.{one.query.register}") for one in asked]


async def case_list(centre: Centre, wanted: Wanted, *, before: str | None, limit: int) -> tuple[list[Case], bool]:
    """One page, newest first, and whether there is another."""
    async with centre.db.read() as conn:
        found = await cases.cases_of(conn, wanted, before=before, limit=limit + 1)
    return found[:limit], len(found) > limit


async def history(
    centre: Centre, operator: Operator, case_id: str, *, after: int, limit: int
) -> tuple[list[StoredRecord], bool]:
    async with centre.db.read() as conn:
        await visible(conn, operator, case_id)
        found = await records.records_of(conn, case_id, after=after, limit=limit + 1)
    return found[:limit], len(found) > limit


async def result(centre: Centre, operator: Operator, case_id: str) -> tuple[Case, Result]:
    async with centre.db.read() as conn:
        case = await visible(conn, operator, case_id)
        found = await files.result_of(conn, case_id)
    if found is None:
        raise EgovError("result.not_ready", state=case.state.value)
    return case, found


async def reads(
    centre: Centre, senior: Operator, case_id: str | None, *, before: str | None, limit: int
) -> tuple[list[Read], bool]:
    """Who looked, newest first: the senior's, of his own centre."""
    async with centre.db.read() as conn:
        found = await queries.reads_of(conn, senior.centre, case_id=case_id, before=before, limit=limit + 1)
    return found[:limit], len(found) > limit
