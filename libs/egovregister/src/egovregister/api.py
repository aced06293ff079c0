"""HTTP for administrators, the same in every register: who may call, and the record of reads."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from fastapi import Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from egovkit.declared import bearer, guards
from egovkit.errors import EgovError
from egovkit.routes import Routes
from egovregister.answering import Answering
from egovregister.domain import FaultKind, Outcome
from egovregister.keeper import Keeper
from egovregister.store import Answered, Read, ReadFilter


@dataclass(frozen=True, slots=True)
class Desk:
    """What the routes are given; stands in `app.state.desk` from start to stop."""

    answering: Answering
    keeper: Keeper
    admin_token: str | None


ADMINISTRATOR = bearer(
    "administrator",
    "opaque",
    en="The administrators' token: a secret of the deployment. Other systems ask the register over the bus.",
    ru="Токен администраторов: секрет развёртывания. Другие системы обращаются к регистру через шину.",
    kk="Әкімшілердің токені: орналастырудың құпиясы. Басқа жүйелер тізілімге шина арқылы сұрау салады.",
)


@guards(ADMINISTRATOR, "register.admin_closed", "register.admin_refused")
def administrator(request: Request) -> Desk:
    """A register is read over the bus; HTTP is the administrators', by the deployment's token."""
    desk: Desk = request.app.state.desk
    if desk.admin_token is None:
        raise EgovError("register.admin_closed")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    given = token.strip().encode() if scheme.lower() == "bearer" else b""
    if not hmac.compare_digest(given, desk.admin_token.encode()):
        raise EgovError("register.admin_refused")
    return desk


Administrator = Annotated[Desk, Depends(administrator)]
Limit = Annotated[int, Query(ge=1, le=200)]
AskedIin = Annotated[str | None, Query(pattern=r"^[0-9]{12}$")]


class Model(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class RefusalView(BaseModel):
    code: str
    hop: str
    title_ru: str
    title_kk: str
    title_en: str
    received: str


class AnswerView(BaseModel):
    id: str = Field(description="the envelope's id")
    at: datetime
    refused: RefusalView | None = Field(description="a gateway's word against it")


class ReadView(BaseModel):
    id: str
    at: datetime
    source: str = Field(description="the asking system; this register itself where an administrator looked")
    question: str = Field(description="the id of the question's envelope")
    case: str | None
    official: str
    purpose_ru: str
    clause: str
    regulation: str
    channel: str
    step: str
    region: str
    criterion: str = Field(description="which fields were asked by, joined by +")
    asked_iin: str | None
    as_of: date | None
    found: int | None = Field(description="how many records; null = nothing was looked up")
    outcome: Outcome
    fault: FaultKind | None = Field(description="what bent it")
    answers: list[AnswerView]


class ReadPage(BaseModel):
    items: list[ReadView]
    next: str | None = Field(description="the cursor of the next page")


router = Routes(prefix="/v1", tags=["reads"])


@router.get("/reads")
async def list_reads(
    desk: Administrator,
    *,
    iin: AskedIin = None,
    source: Annotated[str | None, Query(max_length=64)] = None,
    case: Annotated[str | None, Query(max_length=36)] = None,
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(pattern=r"^[0-9a-f-]{36}$")] = None,
) -> ReadPage:
    """Every read of a person's data, newest first. `iin`: asked about him, or his data were given out."""
    wanted = ReadFilter(iin, source, case)
    async with desk.answering.node.db.read() as conn:
        found = await desk.answering.store.reads(conn, wanted, before=cursor, limit=limit + 1)
    items = [_view(read, answers) for read, answers in found[:limit]]
    return ReadPage(items=items, next=items[-1].id if len(found) > limit else None)


def _view(read: Read, answers: list[Answered]) -> ReadView:
    facts = {name: getattr(read, name) for name in ReadView.model_fields if name not in ("case", "answers")}
    return ReadView(**facts, case=read.case_id, answers=[_answer_view(one) for one in answers])


def _answer_view(answer: Answered) -> AnswerView:
    problem = answer.problem
    refused = None if problem is None else RefusalView(**{name: problem[name] for name in RefusalView.model_fields})
    return AnswerView(id=answer.id, at=answer.at, refused=refused)
