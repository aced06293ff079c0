"""Questions to the registers, their answers side by side, and who read them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query, Request, Response

from con_arm.api.base import AtCounter, Overseeing, TheCentre, once
from con_arm.api.shown import QueryWithAnswer, query_with_answer
from con_arm.service import queries, reading
from con_arm.store.cases import Case
from egovkit.declared import keyed, refuses
from egovkit.idempotency import Answer
from egovkit.routes import Routes
from egovorigin.api import PAGE, Cursor, Key, Limit, Shown, cursor_of, kept, key_of, model_answer
from egovorigin.origin import Keep

router = Routes(prefix="/v1", tags=["registers"])


class Asked(Shown):
    case: str
    state: str


class QueryList(Shown):
    items: list[QueryWithAnswer]


class ReadShown(Shown):
    at: datetime
    operator: str
    case: str
    what: str


class ReadList(Shown):
    items: list[ReadShown]
    next: str | None


@router.post("/cases/{case_id}/queries", status_code=202, response_model=Asked)
@keyed
@refuses(
    "case.changed_meanwhile", "case.not_found", "case.wrong_state", "query.register_unknown",
    "query.still_waiting",
)  # fmt: skip
async def ask(request: Request, centre: TheCentre, identity: AtCounter, case_id: str, key: Key = None) -> Response:
    """Asks every register the case still needs an answer of: the first time, and again where one was silent, late or
    answered what is no answer. 202: the answers come by the bus."""

    async def work(keep: Keep[Case]) -> object:
        return await queries.ask(centre, identity.operator, case_id, keep)

    return await once(request, identity, kept(_asked, work))


@router.get("/cases/{case_id}/queries")
@refuses("case.not_found")
async def list_queries(centre: TheCentre, identity: AtCounter, case_id: str) -> QueryList:
    """Every question, in the order they were asked, with its state, clock, clause and answer. Looking is recorded."""
    found = await reading.answers(centre, identity.operator, case_id)
    return QueryList(items=[query_with_answer(one) for one in found])


@router.get("/reads")
@refuses("request.cursor_invalid")
async def list_reads(
    centre: TheCentre,
    identity: Overseeing,
    case: Annotated[str | None, Query(max_length=36)] = None,
    cursor: Cursor = None,
    limit: Limit = PAGE,
) -> ReadList:
    """Who looked at which person's data from a register, newest first."""
    found, more = await reading.reads(centre, identity.operator, case, before=key_of(cursor), limit=limit)
    items = [ReadShown(at=one.at, operator=one.operator_id, case=one.case_id, what=one.what) for one in found]
    return ReadList(items=items, next=cursor_of(found[-1].id) if more else None)


def _asked(case: Case) -> Answer:
    return model_answer(202, Asked(case=case.id, state=case.state.value))
