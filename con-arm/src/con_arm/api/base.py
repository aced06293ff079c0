"""What all routes of the workstation share: who asks, one answer per key."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request, Response

from con_arm.domain.people import Role
from con_arm.service.operators import Identity, identify
from con_arm.service.parts import Centre
from egovkit.declared import bearer, guards, refuses
from egovkit.errors import EgovError
from egovkit.idempotency import Answer, Attempt
from egovorigin.api import Authorization, bearer_of, once_for

SESSION = bearer(
    "session",
    "opaque",
    en="An operator's session: the token of POST /v1/sessions.",
    ru="Сеанс работника центра: токен из POST /v1/sessions.",
    kk="Орталық қызметкерінің сеансы: POST /v1/sessions берген токен.",
)
ADMINISTRATOR = bearer(
    "administrator",
    "opaque",
    en="The administrators' token: a secret of the deployment.",
    ru="Токен администраторов: секрет развёртывания.",
    kk="Әкімшілердің токені: орналастырудың құпиясы.",
)


def centre_of(request: Request) -> Centre:
    centre: Centre = request.app.state.centre
    return centre


@guards(SESSION, "session.invalid", "session.expired")
async def signed_in(
    centre: Annotated[Centre, Depends(centre_of)],
    authorization: Authorization = None,
) -> Identity:
    return await identify(centre, bearer_of(authorization) or "")


def _with_role(identity: Identity, role: Role) -> Identity:
    have = identity.operator.roles
    if role not in have:
        raise EgovError("staff.role_not_enough", needed=role.value, have=", ".join(sorted(have)) or "-")
    return identity


@refuses("staff.role_not_enough")
async def at_counter(identity: Annotated[Identity, Depends(signed_in)]) -> Identity:
    return _with_role(identity, Role.OPERATOR)


@refuses("staff.role_not_enough")
async def overseeing(identity: Annotated[Identity, Depends(signed_in)]) -> Identity:
    return _with_role(identity, Role.SENIOR)


@guards(ADMINISTRATOR, "staff.admin_closed", "staff.admin_refused")
def administrator(request: Request, authorization: Authorization = None) -> None:
    """The admin API is the deployment's, not the operators': its token is a secret of the deployment."""
    expected: str | None = request.app.state.admin_token
    if expected is None:
        raise EgovError("staff.admin_closed")
    given = bearer_of(authorization) or ""
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise EgovError("staff.admin_refused")


TheCentre = Annotated[Centre, Depends(centre_of)]
SignedIn = Annotated[Identity, Depends(signed_in)]
AtCounter = Annotated[Identity, Depends(at_counter)]
Overseeing = Annotated[Identity, Depends(overseeing)]


async def once(request: Request, identity: Identity, work: Callable[[Attempt], Awaitable[Answer]]) -> Response:
    """Runs `work` once per Idempotency-Key of this operator."""
    return await once_for(request, f"operator/{identity.operator.id}", work)
