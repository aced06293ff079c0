"""HTTP in, for administrators: powers of attorney, their status on a day, revocation."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.declared import may_be_keyed, refuses
from egovkit.idempotency import Answer, Attempt
from egovkit.routes import Routes
from egovregister.api import Administrator, AskedIin, Limit, Model
from enis_mock.domain import Attorney, Deed, Notary, Party, as_answer
from enis_mock.service import Keep, Notaries
from enis_mock.store import AttorneyFilter

router = Routes(prefix="/v1/attorneys", tags=["attorneys"])

Day = Annotated[date, Field(strict=False)]
Name = Annotated[str, Field(min_length=1, max_length=120)]
Id = Annotated[int, Path(ge=1, le=2**53)]


class NotaryIn(Model):
    surname: Name
    name: Name
    patronymic: Name | None = None
    licence_number: str = Field(min_length=1, max_length=40)
    region: Name


class PartyIn(Model):
    name: str = Field(min_length=1, max_length=300)
    iin: str | None = Field(default=None, pattern=r"^\d{12}$")
    bin: str | None = Field(default=None, pattern=r"^\d{12}$")


Parties = Annotated[list[PartyIn], Field(min_length=1, max_length=10)]


class NewAttorney(Model):
    registry_number: str = Field(min_length=1, max_length=60)
    date: Day
    notary: NotaryIn
    principals: Parties
    representatives: Parties
    valid_from: Day
    valid_to: Day
    substitution_right: bool
    powers_text: str = Field(min_length=1, max_length=4000)

    def deed(self) -> Deed:
        values = {name: getattr(self, name) for name in Deed.__dataclass_fields__}
        return Deed(
            **{
                **values,
                "notary": Notary(**self.notary.model_dump()),
                "principals": tuple(Party(**party.model_dump()) for party in self.principals),
                "representatives": tuple(Party(**party.model_dump()) for party in self.representatives),
            }
        )


class Revocation(Model):
    date: Day | None = Field(default=None, description="from this day on; default: today")
    reason: str = Field(min_length=1, max_length=500)


class AttorneyView(BaseModel):
    id: int
    recorded_at: datetime
    revoke_reason: str | None
    attorney: dict[str, Any] = Field(description="as answers carry it, in its state of the day asked about")


class AttorneyPage(BaseModel):
    items: list[AttorneyView]
    next: str | None = Field(description="the cursor of the next page")


def notaries_of(request: Request) -> Notaries:
    found: Notaries = request.app.state.notaries
    return found


OfRegister = Annotated[Notaries, Depends(notaries_of)]


@router.get("")
async def list_attorneys(
    _: Administrator,
    notaries: OfRegister,
    *,
    registry_number: Annotated[str | None, Query(min_length=1, max_length=60)] = None,
    iin: AskedIin = None,
    limit: Limit = 50,
    cursor: Annotated[str, Query(pattern=r"^[0-9]{1,18}$")] = "0",
) -> AttorneyPage:
    """In the order of recording, in today's state. `iin`: on either side. A read of everybody is recorded."""
    wanted = AttorneyFilter(registry_number, iin)
    found, more = await notaries.listed(wanted, after=int(cursor), limit=limit)
    items = [_view(one, notaries.today) for one in found]
    return AttorneyPage(items=items, next=str(items[-1].id) if more else None)


@router.get("/{attorney_id}")
@refuses("attorney.unknown")
async def get_attorney(
    _: Administrator, notaries: OfRegister, attorney_id: Id, as_of: date | None = None
) -> AttorneyView:
    """In its state of today, or of `as_of`."""
    return _view(await notaries.attorney(attorney_id), as_of or notaries.today)


@router.post("", status_code=201, response_model=AttorneyView)
@may_be_keyed
@refuses("attorney.exists")
async def create_attorney(request: Request, desk: Administrator, notaries: OfRegister, wish: NewAttorney) -> Response:
    async def act(attempt: Attempt) -> Answer:
        return await notaries.create(wish.deed(), _keep(attempt, 201, notaries))

    return await desk.answering.node.idempotent.run(request, scope="admin", call=act, required=False)


@router.post("/{attorney_id}/revoke", response_model=AttorneyView)
@may_be_keyed
@refuses("attorney.revoked", "attorney.unknown")
async def revoke_attorney(
    request: Request, desk: Administrator, notaries: OfRegister, attorney_id: Id, wish: Revocation
) -> Response:
    """Once and for all; the status is `revoked` from that day on."""

    async def act(attempt: Attempt) -> Answer:
        return await notaries.revoke(attorney_id, wish.date, wish.reason, _keep(attempt, 200, notaries))

    return await desk.answering.node.idempotent.run(request, scope="admin", call=act, required=False)


def _view(attorney: Attorney, day: date) -> AttorneyView:
    return AttorneyView(
        id=attorney.id,
        recorded_at=attorney.recorded_at,
        revoke_reason=attorney.revoke_reason,
        attorney=as_answer(attorney, day),
    )


def _keep(attempt: Attempt, status: int, notaries: Notaries) -> Keep:
    async def keep(conn: AsyncConnection, attorney: Attorney) -> Answer:
        body = _view(attorney, notaries.today).model_dump(mode="json")
        return await attempt.keep(conn, Answer(status, body))

    return keep
