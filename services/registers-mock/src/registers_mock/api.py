"""HTTP in, for administrators: entries of every register, by region."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.declared import may_be_keyed, refuses
from egovkit.idempotency import Answer, Attempt
from egovkit.routes import Routes
from egovregister.api import Administrator, AskedIin, Limit, Model
from registers_mock.domain import Book, Register, Wish
from registers_mock.service import Akimats, Keep, Told
from registers_mock.store import EntryFilter

router = Routes(prefix="/v1/entries", tags=["entries"])

Day = Annotated[date, Field(strict=False)]
Iin = Annotated[str, Field(pattern=r"^\d{12}$")]
RegionName = Annotated[str, Path(min_length=1, max_length=64)]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
CURSOR = r"^[a-z_]{1,40}/[a-z0-9-]{1,64}/[0-9]{1,10}$"


class NewEntry(Model):
    name: Annotated[Register, Field(strict=False, alias="register")]  # the class has a `register` of its own
    region: str = Field(min_length=1, max_length=64)
    person_iin: Iin
    since: Day
    category: str | None = Field(default=None, max_length=20, description="of a queue; default: general")
    family_size: int | None = Field(default=None, ge=1, le=30)
    related_iin: Iin | None = Field(default=None, description="guardianship: the ward")

    def wish(self) -> Wish:
        values = self.model_dump()
        return Wish(register=values.pop("name"), **values)


class Ending(Model):
    date: Day | None = Field(default=None, description="from this day on; default: today")


class EntryPage(BaseModel):
    items: list[dict[str, Any]] = Field(description="as answers carry them, in today's state")
    next: str | None = Field(description="the cursor of the next page")


def akimats_of(request: Request) -> Akimats:
    found: Akimats = request.app.state.akimats
    return found


OfAkimats = Annotated[Akimats, Depends(akimats_of)]


@router.get("")
async def list_entries(
    _: Administrator,
    akimats: OfAkimats,
    *,
    register: Register | None = None,
    region: Annotated[str | None, Query(max_length=64)] = None,
    iin: AskedIin = None,
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(pattern=CURSOR)] = None,
) -> EntryPage:
    """By register, region and number. `iin`: on either side of an entry. A read of everybody is recorded."""
    wanted = EntryFilter(register, region, iin)
    items, more = await akimats.listed(wanted, after=_after(cursor), limit=limit)
    return EntryPage(items=items, next=items[-1]["id"] if more else None)


@router.post("", status_code=201)
@may_be_keyed
@refuses("entry.standing")
async def create_entry(request: Request, desk: Administrator, akimats: OfAkimats, wish: NewEntry) -> Response:
    """In a queue: the next number of its register in its region."""

    async def act(attempt: Attempt) -> Answer:
        return await akimats.create(wish.wish(), keeping(attempt, 201))

    return await desk.answering.node.idempotent.run(request, scope="admin", call=act, required=False)


@router.post("/{register}/{region}/{number}/end")
@may_be_keyed
@refuses("entry.ended", "entry.unknown")
async def end_entry(
    request: Request,
    desk: Administrator,
    akimats: OfAkimats,
    wish: Ending,
    *,
    register: Register,
    region: RegionName,
    number: Number,
) -> Response:
    """Once and for all. Who stood behind in a queue moves up."""

    async def act(attempt: Attempt) -> Answer:
        return await akimats.end(Book(register, region), number, wish.date, keeping(attempt, 200))

    return await desk.answering.node.idempotent.run(request, scope="admin", call=act, required=False)


def keeping(attempt: Attempt, status: int) -> Keep:
    async def keep(conn: AsyncConnection, told: Told) -> Answer:
        return await attempt.keep(conn, Answer(status, told))

    return keep


def _after(cursor: str | None) -> tuple[str, str, int]:
    if cursor is None:
        return "", "", 0
    register, region, number = cursor.split("/")
    return register, region, int(number)
