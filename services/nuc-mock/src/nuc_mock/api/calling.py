"""Who may ask, and an answer that is kept with its effect."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.declared import bearer, guards
from egovkit.errors import EgovError
from egovkit.idempotency import Answer, Attempt, Idempotent
from nuc_mock import domain
from nuc_mock.api.shown import issued_out, person_out
from nuc_mock.domain import KeyKind
from nuc_mock.service import Nuc, Wanted

Guard = Callable[..., Awaitable[None]]
_bearer = HTTPBearer(auto_error=False)
ADMINISTRATOR = bearer(
    "administrator",
    "opaque",
    en="The administrator's token: a secret of the deployment.",
    ru="Токен администратора: секрет развёртывания.",
    kk="Әкімшінің токені: орналастырудың құпиясы.",
)


def admin_guard(nuc: Nuc) -> Guard:
    @guards(ADMINISTRATOR, "nuc.not_authorised")
    async def require_admin(
        given: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    ) -> None:
        if given is None or not nuc.is_admin(given.credentials):
            raise EgovError("nuc.not_authorised")

    return require_admin


async def answer_once(
    idempotent: Idempotent, request: Request, act: Callable[[Attempt], Awaitable[Answer]]
) -> Response:
    """Without a key each call stands for itself: a certificate too many hurts nobody, and curl stays easy."""
    return await idempotent.run(request, scope="admin", call=act, required=False)


class Kept:
    """Renders and stores the answer inside the transaction of its effect; `answer` is it."""

    def __init__(self, attempt: Attempt, status: int, render: Callable[..., BaseModel]) -> None:
        self.answer = Answer(500)
        self._attempt, self._status, self._render = attempt, status, render

    async def __call__(self, conn: AsyncConnection, *issued: Any) -> None:
        self.answer = await self._attempt.keep(
            conn, Answer(self._status, self._render(*issued).model_dump(mode="json"))
        )


async def issue_for_request(nuc: Nuc, attempt: Attempt, wanted: Wanted, csr: str, *, any_key: bool = False) -> Answer:
    kept = Kept(attempt, 201, lambda one: issued_out(nuc, one))
    await nuc.issue_for_request(wanted, csr, kept, any_key=any_key)
    return kept.answer


async def issue_container(
    nuc: Nuc, attempt: Attempt, wanted: Wanted, key: KeyKind | domain.OddKeyKind, password: str
) -> Answer:
    kept = Kept(attempt, 201, lambda one, container: person_out(nuc, one, container))
    await nuc.issue_to_person(wanted, key, password, kept)
    return kept.answer
