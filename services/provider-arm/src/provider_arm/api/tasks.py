"""The inbox of work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import Query, Request, Response
from pydantic import ConfigDict

from egovkit.declared import may_be_keyed, refuses
from egovkit.idempotency import Answer, Attempt
from egovkit.routes import Routes
from provider_arm.api.access import Cursor, Limit, OfDesk, Person, Seen, etag
from provider_arm.api.models import DoneWish, Model, ReleaseWish, TaskPage, TaskStanding
from provider_arm.api.paging import page_of
from provider_arm.api.render import task_standing, task_view
from provider_arm.domain.cases import StepKind, TaskState
from provider_arm.service import internal, work
from provider_arm.store.tasks import TaskFilter

router = Routes(prefix="/v1/tasks", tags=["tasks"])

Sort = Literal["created_at", "-created_at", "number", "-number"]


STATES: Mapping[str, tuple[TaskState, ...]] = {
    "active": (TaskState.OPEN, TaskState.TAKEN),
    "all": tuple(TaskState),
    **{state.value: (state,) for state in TaskState},
}


class TaskQuery(Model):
    """`state=active` (the default) leaves out what is done."""

    model_config = ConfigDict(strict=False, extra="forbid")  # a query is text

    state: Literal["active", "open", "taken", "done", "all"] = "active"
    kind: StepKind | None = None
    regulation: Annotated[str | None, Query(max_length=64)] = None
    mine: bool = False
    overdue: bool = False
    sort: Sort = "created_at"
    limit: Limit = 50
    cursor: Cursor = None


@router.get("")
@refuses("staff.role_not_enough")
async def list_tasks(desk: OfDesk, person: Person, query: Annotated[TaskQuery, Query()]) -> TaskPage:
    """Tasks of the caller's region, oldest first unless asked otherwise. `overdue` is the head's to ask for."""
    wanted = TaskFilter(
        states=STATES[query.state],
        kind=query.kind,
        regulation=query.regulation,
        assignee=person.id if query.mine else None,
        overdue_at=desk.ws.clock.now() if query.overdue else None,
    )
    with page_of(query.limit, query.sort, query.cursor) as page:
        found, after, names = await work.inbox(desk.ws, person, wanted, page)
    return TaskPage(items=[task_view(desk.ws, task, case, names) for task, case in found], next=after)


@router.post("/{task_id}/take", response_model=TaskStanding)
@may_be_keyed
@refuses(
    "case.not_served", "decision.conflict", "internal.other_desk", "internal.other_executor",
    "staff.role_not_enough", "task.done", "task.taken", "task.unknown",
)  # fmt: skip
async def take_task(request: Request, desk: OfDesk, person: Person, task_id: str, seen: Seen) -> Response:
    async def act(_: Attempt) -> Answer:
        task, case = await work.take(desk.ws, person, task_id, seen)
        body = task_standing(task, case).model_dump(mode="json")
        return Answer(200, body, {"etag": etag(case.version)})

    return await desk.idempotent.run(request, scope=f"staff:{person.id}", call=act, required=False)


@router.post("/{task_id}/done", response_model=TaskStanding)
@may_be_keyed
@refuses(
    "case.not_served", "decision.conflict", "internal.no_refusal_here", "internal.nothing_to_send_back",
    "internal.other_call", "internal.other_desk", "internal.other_executor", "staff.role_not_enough", "task.done",
    "task.not_taken", "task.taken", "task.unknown",
)  # fmt: skip
async def finish_task(
    request: Request, desk: OfDesk, person: Person, *, task_id: str, seen: Seen, wish: DoneWish
) -> Response:
    """Finishes a step of the internal procedure that the caller holds; the next one opens."""
    left = internal.Done(
        wish.executor, wish.outcome, wish.variant, wish.text_ru, wish.text_kk, wish.values, wish.agreed, wish.note
    )

    async def act(_: Attempt) -> Answer:
        task, case = await internal.finish(desk.ws, person, task_id, left, seen)
        body = task_standing(task, case).model_dump(mode="json")
        return Answer(200, body, {"etag": etag(case.version)})

    return await desk.idempotent.run(request, scope=f"staff:{person.id}", call=act, required=False)


@router.post("/{task_id}/release", response_model=TaskStanding)
@may_be_keyed
@refuses("decision.conflict", "task.done", "task.taken", "task.unknown")
async def release_task(
    request: Request, desk: OfDesk, person: Person, *, task_id: str, seen: Seen, wish: ReleaseWish
) -> Response:
    async def act(_: Attempt) -> Answer:
        task, case = await work.release(desk.ws, person, task_id, wish.reason, seen)
        body = task_standing(task, case).model_dump(mode="json")
        return Answer(200, body, {"etag": etag(case.version)})

    return await desk.idempotent.run(request, scope=f"staff:{person.id}", call=act, required=False)
