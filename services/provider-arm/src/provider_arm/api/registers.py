"""Questions to the akimat's register: asking one, and how they are shown with the case."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import ConfigDict, Field

from egovkit.declared import may_be_keyed, refuses
from egovkit.idempotency import Answer, Attempt
from egovkit.routes import Routes
from provider_arm.api.access import OfDesk, Person, Seen
from provider_arm.api.models import CaseView, Iin, Model, Wish
from provider_arm.api.render import case_view
from provider_arm.domain.own import QueryState
from provider_arm.domain.registers import RegisterQuery
from provider_arm.service import registers
from provider_arm.service.context import Workstation
from provider_arm.service.registers import RegisterWish
from provider_arm.service.views import CaseFile

router = Routes(prefix="/v1/cases", tags=["cases"])


class RegisterQueryNew(Wish):
    person_iin: Iin | None = Field(default=None, description="whom it is about; default: the applicant")
    category: Annotated[str, Field(min_length=1, max_length=80)] | None = Field(default=None, description="of a queue")
    family_size: int | None = Field(default=None, ge=1, le=30)


class RegisterQueryView(Model):
    """A question to the akimat's register and what became of it; `limit_s` null: the act gives the answer no term."""

    model_config = ConfigDict(serialize_by_alias=True)

    id: str
    name: Annotated[str, Field(serialization_alias="register")]  # pydantic's own models have a `register`
    operation: str
    state: QueryState
    asked_at: datetime
    due_at: datetime
    answered_at: datetime | None
    limit_s: int | None
    clause: str
    automated: bool  # asked by the system itself
    entries: list[dict[str, Any]] | None  # of an answer in time; null where the reader's role does not need it
    problem: dict[str, Any] | None  # a gateway's refusal, as it was signed


class CaseFileView(CaseView):
    registers: list[RegisterQueryView]


@router.post("/{case_id}/register-queries", status_code=202, response_model=RegisterQueryView)
@may_be_keyed
@refuses(
    "case.not_served", "decision.conflict", "provider.case_unknown", "query.still_waiting",
    "register_query.not_foreseen", "register_query.register_absent", "register_query.too_early",
    "staff.role_not_enough",
)  # fmt: skip
async def ask_akimat_register(
    request: Request, desk: OfDesk, person: Person, *, case_id: str, seen: Seen, wish: RegisterQueryNew
) -> Response:
    """Asks what the act wants to know: by its setting a look, a place in the queue, or what is certified."""
    wanted = RegisterWish(wish.person_iin, wish.category, wish.family_size)

    async def act(_: Attempt) -> Answer:
        query = await registers.ask(desk.ws, person, case_id, wanted, seen)
        return Answer(202, _view(query, desk.ws.clock.now()).model_dump(mode="json"))

    return await desk.idempotent.run(request, scope=f"staff:{person.id}", call=act, required=False)


def case_file_view(ws: Workstation, opened: CaseFile) -> CaseFileView:
    now = ws.clock.now()
    return CaseFileView(**dict(case_view(ws, opened)), registers=[_view(one, now) for one in opened.registers])


def _view(query: RegisterQuery, now: datetime) -> RegisterQueryView:
    return RegisterQueryView(
        id=query.id,
        name=query.register,
        operation=query.operation,
        state=query.state_at(now),
        asked_at=query.asked_at,
        due_at=query.due_at,
        answered_at=query.answered_at,
        limit_s=query.limit_s,
        clause=query.clause,
        automated=query.asked_by is None,
        entries=None if query.entries is None else [dict(entry) for entry in query.entries],
        problem=None if query.problem is None else dict(query.problem),
    )
