"""HTTP in, for administrators: persons, their states on a day, their history."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.declared import may_be_keyed, refuses
from egovkit.errors import EgovError, FieldError
from egovkit.idempotency import Answer, Attempt
from egovkit.routes import Routes
from egovlaw.identifiers import iin_problem
from egovregister.api import Administrator, AskedIin, Limit, Model
from gbd_fl_mock.domain.person import Version
from gbd_fl_mock.service import Keep, Registrars
from gbd_fl_mock.store import PersonFilter

_ETAG = re.compile(r'"(\d{1,9})"')
PERSON = "as in contracts/messages/answer.person.schema.json; of a dictionary's value the code is enough"

router = Routes(prefix="/v1/persons", tags=["persons"])

Day = Annotated[date | None, Field(strict=False)]
Reason = Annotated[str, Field(min_length=1, max_length=500, description="the ground: a record of РАГС, a court's act")]


class NewPerson(Model):
    person: dict[str, Any] = Field(description=PERSON)
    valid_from: Day = Field(default=None, description="default: the birth")
    reason: Reason


class PersonChange(Model):
    change: dict[str, Any] = Field(min_length=1, description="merged into the last version by RFC 7396; " + PERSON)
    valid_from: Day = Field(default=None, description="default: today; not before the last version")
    reason: Reason


class VersionView(BaseModel):
    version: int
    valid_from: date
    recorded_at: datetime
    reason: str
    person: dict[str, Any]


class PersonPage(BaseModel):
    items: list[VersionView]
    next: str | None = Field(description="the cursor of the next page")


class History(BaseModel):
    items: list[VersionView]


def registrars_of(request: Request) -> Registrars:
    found: Registrars = request.app.state.registrars
    return found


def good_iin(iin: Annotated[str, Path(max_length=40)]) -> str:
    if iin_problem(iin) is not None:
        raise EgovError("request.invalid", errors=[FieldError("path.iin", "iin_invalid", "not an ИИН")])
    return iin


def seen_version(if_match: Annotated[str | None, Header(max_length=40)] = None) -> int:
    """If-Match: the ETag of the version that is to be changed (RFC 9110, 13.1.1)."""
    if if_match is None:
        raise EgovError("person.version_missing")
    if (match := _ETAG.fullmatch(if_match.strip())) is None:
        raise EgovError("request.invalid", errors=[FieldError("header.if-match", "wrong_form", "one ETag of ours")])
    return int(match[1])


OfRegister = Annotated[Registrars, Depends(registrars_of)]
Iin = Annotated[str, Depends(good_iin)]


@router.get("")
async def list_persons(
    _: Administrator,
    registrars: OfRegister,
    *,
    iin: AskedIin = None,
    surname: Annotated[str | None, Query(min_length=1, max_length=120, description="its beginning")] = None,
    limit: Limit = 50,
    cursor: Annotated[str, Query(pattern=r"^[0-9]{12}$")] = "0" * 12,
) -> PersonPage:
    """Last versions, by ИИН. A read of everybody on the page is recorded."""
    found, more = await registrars.listed(PersonFilter(iin, surname), after=cursor, limit=limit)
    return PersonPage(items=[_view(one) for one in found], next=found[-1].iin if more else None)


@router.get("/{iin}")
@refuses("person.unknown")
async def get_person(
    _: Administrator, registrars: OfRegister, iin: Iin, response: Response, as_of: date | None = None
) -> VersionView:
    """The last version; with `as_of` the one that counted on that day."""
    version = await registrars.person(iin, as_of)
    response.headers["etag"] = _etag(version)
    return _view(version)


@router.get("/{iin}/history")
@refuses("person.unknown")
async def get_history(_: Administrator, registrars: OfRegister, iin: Iin) -> History:
    return History(items=[_view(one) for one in await registrars.history(iin)])


@router.post("", status_code=201, response_model=VersionView)
@may_be_keyed
@refuses("data.invalid", "person.exists", "person.unknown")
async def create_person(request: Request, desk: Administrator, registrars: OfRegister, wish: NewPerson) -> Response:
    async def act(attempt: Attempt) -> Answer:
        return await registrars.create(wish.person, wish.valid_from, wish.reason, _keep(attempt, 201))

    return await desk.answering.node.idempotent.run(request, scope="admin", call=act, required=False)


@router.patch("/{iin}", response_model=VersionView)
@may_be_keyed
@refuses("person.changed_meanwhile", "person.unknown", "person.version_missing")
async def change_person(
    request: Request,
    desk: Administrator,
    registrars: OfRegister,
    iin: Iin,
    wish: PersonChange,
    *,
    seen: Annotated[int, Depends(seen_version)],
) -> Response:
    async def act(attempt: Attempt) -> Answer:
        keep = _keep(attempt, 200)
        return await registrars.change(iin, seen, wish.change, wish.valid_from, reason=wish.reason, keep=keep)

    return await desk.answering.node.idempotent.run(request, scope="admin", call=act, required=False)


def _view(version: Version) -> VersionView:
    return VersionView(**{name: getattr(version, name) for name in VersionView.model_fields})


def _etag(version: Version) -> str:
    return f'"{version.version}"'


def _keep(attempt: Attempt, status: int) -> Keep:
    async def keep(conn: AsyncConnection, version: Version) -> Answer:
        body = _view(version).model_dump(mode="json")
        return await attempt.keep(conn, Answer(status, body, {"etag": _etag(version)}))

    return keep
