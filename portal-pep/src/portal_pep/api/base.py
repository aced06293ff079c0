"""What all routes of the portal share: who asks, one answer per key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request, Response

from egovkit.declared import bearer, guards, refuses
from egovkit.edge import rendered
from egovkit.errors import EgovError
from egovkit.idempotency import Answer, Attempt
from egovkit.problems import MEDIA_TYPE
from egovorigin.api import Authorization, bearer_of, once_for
from portal_pep.service.accounts import Identity, identify
from portal_pep.service.parts import Portal

SESSION = bearer(
    "session",
    "opaque",
    en="A person's session: the token of POST /v1/sessions. Signing is done with his ЭЦП, call by call.",
    ru="Сеанс человека: токен из POST /v1/sessions. Подписание — ключом ЭЦП, отдельными вызовами.",
    kk="Адамның сеансы: POST /v1/sessions берген токен. Қол қою — ЭЦҚ кілтімен, бөлек шақырулармен.",
)


def portal_of(request: Request) -> Portal:
    portal: Portal = request.app.state.portal
    return portal


@guards(SESSION, "session.invalid", "session.expired")
async def signed_in(
    portal: Annotated[Portal, Depends(portal_of)],
    authorization: Authorization = None,
) -> Identity:
    return await identify(portal, bearer_of(authorization) or "")


@refuses("account.not_confirmed")
async def confirmed(identity: Annotated[Identity, Depends(signed_in)]) -> Identity:
    """E5: before his ЭЦП confirmed the account, nobody sees or says anything personal through it."""
    if not identity.account.confirmed:
        raise EgovError("account.not_confirmed")
    return identity


ThePortal = Annotated[Portal, Depends(portal_of)]
SignedIn = Annotated[Identity, Depends(signed_in)]
Confirmed = Annotated[Identity, Depends(confirmed)]


async def once(request: Request, identity: Identity, work: Callable[[Attempt], Awaitable[Answer]]) -> Response:
    """Runs `work` once per Idempotency-Key of this account."""
    return await once_for(request, f"account/{identity.account.id}", work)


def problem_answer(request: Request, error: EgovError) -> Answer:
    """A refusal that has taken effect: stored and repeated like any other answer."""
    return Answer(*rendered(request.app.state.problems, error, request), MEDIA_TYPE)
