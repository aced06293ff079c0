"""Registration, confirmation of the account by ЭЦП, login."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Request, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.declared import keyed, refuses
from egovkit.idempotency import Answer, Attempt
from egovkit.routes import Routes
from egovkit.signatures.documents import OF_A_SIGNATURE
from egovorigin.api import Key, Shown, Strict, address_of, decoded, encoded, model_answer
from egovorigin.domain.logins import MAX_PASSWORD, MIN_PASSWORD
from portal_pep.api.base import SignedIn, ThePortal, once
from portal_pep.service import accounts

router = Routes(prefix="/v1", tags=["account"])

Iin = Annotated[str, Field(pattern=r"^[0-9]{12}$", description="ИИН")]
AskedFrom = Annotated[str | None, Field(max_length=80, description="the service whose page asked for it")]


class Registration(Strict):
    iin: Iin
    password: Annotated[
        str, Field(max_length=4 * MAX_PASSWORD, description=f"{MIN_PASSWORD} to {MAX_PASSWORD} characters")
    ]
    regulation: AskedFrom = None


class AccountShown(Shown):
    id: str
    confirmed: bool
    confirmed_at: datetime | None = None
    iin: str | None = None  # only when confirmed


class Login(Strict):
    iin: Iin
    password: Annotated[str, Field(max_length=4 * MAX_PASSWORD)]
    regulation: AskedFrom = None


class SessionShown(Shown):
    token: str
    token_type: str = "Bearer"
    expires_at: datetime
    confirmed: bool


class ToConfirm(Shown):
    document: Annotated[str, Field(description="base64 of the exact bytes to sign")]
    sha256: str
    until: datetime


class Confirmation(Strict):
    signature: Annotated[str, Field(max_length=100_000, description="detached CMS: base64 of DER, or PEM")]


class Confirmed(Shown):
    confirmed_at: datetime


# No Idempotency-Key on the two calls that carry a password: what is kept of a call under its key includes a plain
# hash of its body, and a password must leave no trace that can be guessed at speed. Both may be repeated as they are.
@router.post("/accounts", status_code=201)
@refuses("account.exists", "request.throttled")
async def register(request: Request, portal: ThePortal, body: Registration) -> AccountShown:
    """Registers an account by ИИН and password. It shows nothing personal until the person's ЭЦП confirmed it."""
    id_ = await accounts.register(portal, body.iin, body.password, address_of(request), body.regulation)
    return AccountShown(id=id_, confirmed=False)


@router.get("/accounts/me")
async def me(identity: SignedIn) -> AccountShown:
    account = identity.account
    return AccountShown(
        id=account.id,
        confirmed=account.confirmed,
        confirmed_at=account.confirmed_at,
        iin=account.iin if account.confirmed else None,
    )


@router.post("/accounts/confirmation/prepare", response_model=ToConfirm)
@keyed
@refuses("account.confirmed_already")
async def prepare_confirmation(request: Request, portal: ThePortal, identity: SignedIn, key: Key = None) -> Response:
    """The bytes to sign once with the person's ЭЦП."""

    async def work(attempt: Attempt) -> Answer:
        until = portal.clock.now() + timedelta(minutes=portal.settings.confirmation_minutes)

        def answer(document: bytes) -> Answer:
            shown = ToConfirm(document=encoded(document), sha256=hashlib.sha256(document).hexdigest(), until=until)
            return model_answer(200, shown)

        async def keep(conn: AsyncConnection, document: bytes) -> None:
            await attempt.keep(conn, answer(document))

        return answer(await accounts.prepare_confirmation(portal, identity, keep))

    return await once(request, identity, work)


@router.post("/accounts/confirmation", response_model=Confirmed)
@keyed
@refuses(
    "account.confirmed_already", "account.nothing_to_confirm", "signature.other_certificate", *OF_A_SIGNATURE,
)  # fmt: skip
async def confirm(
    request: Request, portal: ThePortal, identity: SignedIn, body: Confirmation, key: Key = None
) -> Response:
    """Confirms the account with the signature over the prepared bytes."""
    signature = decoded("signature", body.signature)

    async def work(attempt: Attempt) -> Answer:
        async def keep(conn: AsyncConnection, at: datetime) -> None:
            await attempt.keep(conn, model_answer(200, Confirmed(confirmed_at=at)))

        at = await accounts.confirm(portal, identity, signature, keep)
        return model_answer(200, Confirmed(confirmed_at=at))

    return await once(request, identity, work)


@router.post("/sessions", status_code=201)
@refuses("login.refused", "request.throttled")
async def log_in(request: Request, portal: ThePortal, body: Login) -> SessionShown:
    """Logs in by ИИН and password; the answer to a refusal says which clause refuses it."""
    done = await accounts.log_in(portal, body.iin, body.password, address_of(request), body.regulation)
    return SessionShown(token=done.token, expires_at=done.session.expires_at, confirmed=done.account.confirmed)


@router.delete("/sessions/current", status_code=204)
async def log_out(portal: ThePortal, identity: SignedIn) -> Response:
    await accounts.log_out(portal, identity)
    return Response(status_code=204)
