"""Accounts of operators, made by an administrator; logging in and out.

No Idempotency-Key where a password is sent: what is kept of a call under its key includes a plain hash of its body, and
a password must leave no trace that can be guessed at speed. Making an account twice is refused by its login instead.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request, Response
from pydantic import Field, field_validator

from con_arm.api.base import SignedIn, TheCentre, administrator
from con_arm.domain.people import LOGIN, Operator, Role
from con_arm.service import operators
from con_arm.service.operators import OperatorWish
from egovkit.declared import refuses
from egovkit.routes import Routes
from egovorigin.api import PAGE, Cursor, Limit, Shown, Strict, address_of, cursor_of, key_of
from egovorigin.domain.logins import MAX_PASSWORD, MIN_PASSWORD

admin = Routes(prefix="/v1/operators", tags=["administration"], dependencies=[Depends(administrator)])
sessions = Routes(prefix="/v1/sessions", tags=["sessions"])

Name = Annotated[str, Field(min_length=1, max_length=200)]
CentreCode = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="the centre he works in")]
Region = Annotated[str, Field(max_length=40, description="of the centre; without it the centre serves every region")]
Branch = Annotated[bool, Field(description="a district branch: its papers go on by courier")]
Password = Annotated[
    str, Field(max_length=4 * MAX_PASSWORD, description=f"{MIN_PASSWORD} to {MAX_PASSWORD} characters")
]
Roles = Annotated[list[Annotated[Role, Field(strict=False)]], Field(min_length=1, max_length=len(Role))]


class OperatorNew(Strict):
    login: Annotated[str, Field(pattern=LOGIN)]
    name: Name
    iin: Annotated[str, Field(pattern=r"^[0-9]{12}$", description="ИИН, as in his certificate")]
    password: Password
    roles: Roles
    centre: CentreCode
    region: Region | None = None
    branch: Branch = False

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str) -> str:
        return _checked(name)


class OperatorChange(Strict):
    name: Name | None = None
    password: Password | None = None
    roles: Roles | None = None
    centre: CentreCode | None = None
    region: Region | None = None
    branch: Branch | None = None
    active: bool | None = None

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str | None) -> str | None:
        return None if name is None else _checked(name)


class OperatorShown(Shown):
    id: str
    login: str
    name: str
    roles: list[str]
    centre: str
    region: str | None
    branch: bool
    active: bool
    created_at: datetime


class OperatorPage(Shown):
    items: list[OperatorShown]
    next: str | None


class Login(Strict):
    login: Annotated[str, Field(min_length=1, max_length=64)]
    password: Annotated[str, Field(max_length=4 * MAX_PASSWORD)]


class SessionShown(Shown):
    token: str
    token_type: str = "Bearer"
    expires_at: datetime
    operator: OperatorShown


@admin.post("", status_code=201)
@refuses("operator.exists")
async def create(centre: TheCentre, wish: OperatorNew) -> OperatorShown:
    made = OperatorWish(
        login=wish.login,
        name=wish.name,
        iin=wish.iin,
        password=wish.password,
        roles=frozenset(wish.roles),
        centre=wish.centre,
        region=wish.region,
        branch=wish.branch,
    )
    return operator_shown(await operators.create(centre, made))


@admin.get("")
@refuses("request.cursor_invalid")
async def list_operators(centre: TheCentre, cursor: Cursor = None, limit: Limit = PAGE) -> OperatorPage:
    found, more = await operators.everyone(centre, key_of(cursor), limit)
    items = [operator_shown(one) for one in found]
    return OperatorPage(items=items, next=cursor_of(found[-1].id) if more else None)


@admin.patch("/{operator_id}")
@refuses("operator.unknown")
async def change(centre: TheCentre, operator_id: str, wish: OperatorChange) -> OperatorShown:
    """Changes what is named; sessions end with a new password and when the account is closed."""
    named = wish.model_dump(exclude_none=True, exclude={"password"})
    if wish.roles is not None:
        named["roles"] = sorted(set(wish.roles))
    return operator_shown(await operators.change(centre, operator_id, named, wish.password))


@sessions.post("", status_code=201)
@refuses("operator.login_refused", "request.throttled")
async def log_in(request: Request, centre: TheCentre, wish: Login) -> SessionShown:
    """Login and password for a token."""
    done = await operators.log_in(centre, wish.login, wish.password, address_of(request))
    return SessionShown(token=done.token, expires_at=done.session.expires_at, operator=operator_shown(done.operator))


@sessions.get("/current")
async def who_am_i(identity: SignedIn) -> OperatorShown:
    return operator_shown(identity.operator)


@sessions.delete("/current", status_code=204)
async def log_out(centre: TheCentre, identity: SignedIn) -> Response:
    await operators.log_out(centre, identity)
    return Response(status_code=204)


def operator_shown(one: Operator) -> OperatorShown:
    return OperatorShown(
        id=one.id,
        login=one.login,
        name=one.name,
        roles=sorted(one.roles),
        centre=one.centre,
        region=one.region,
        branch=one.branch,
        active=one.active,
        created_at=one.created_at,
    )


def _checked(name: str) -> str:
    if not name.isprintable() or not name.strip():
        raise ValueError("control characters")
    return name
