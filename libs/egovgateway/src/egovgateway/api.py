"""The gateway's HTTP door for partners who cannot reach the broker: the same pipeline, the same answers."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from egovgateway.checking import REFUSALS
from egovgateway.domain import HTTP_DOOR, Arrival, EnvelopeState
from egovgateway.pipeline import Gateway
from egovgateway.webhooks.service import Acting, Webhooks
from egovkit.access import ACCESS_SECONDS, ACCESS_TYP
from egovkit.declared import Scheme, bearer, guards, limited, refuses
from egovkit.envelope import CONTENT_TYPE, MAX_ENVELOPE, WireEnvelope
from egovkit.errors import EgovError
from egovkit.membership import Member, Membership
from egovkit.routes import Routes
from egovkit.signatures.certificates import Certificate, TrustStore
from egovkit.signatures.jws import verify_compact

BODY_LIMITS = (("/v1/envelopes", MAX_ENVELOPE),)
ACCESS_LIFETIME = timedelta(seconds=ACCESS_SECONDS)  # an access token is made per call; longer ones are refused
MEMBER = bearer(
    "member",
    f"compact JWS, typ {ACCESS_TYP}",
    en=f"""A compact JWS made per call with the key of a system certificate registered at ШЭП. Header: `typ`
{ACCESS_TYP}, `alg`, `x5t#S256`; claims: `iss` the participant's code, `aud` the gateway's code, `iat`, `exp` at most
{ACCESS_LIFETIME.seconds} s later.""",
    ru=f"""Компактная JWS, создаваемая на каждый вызов ключом системного сертификата, зарегистрированного в ШЭП.
Действует не более {ACCESS_LIFETIME.seconds} с.""",
    kk=f"""ЭҮШ-те тіркелген жүйелік сертификаттың кілтімен әр шақыруға жасалатын ықшам JWS. Ең көбі
{ACCESS_LIFETIME.seconds} с жарамды.""",
)
SIGNED = Scheme(
    "envelope_signature",
    {"type": "apiKey", "in": "header", "name": "Egov-Signature"},
    {
        "en": "A detached JWS (RFC 7797) over the exact bytes of the body, by the sender's system key.",
        "ru": "Отсоединённая JWS (RFC 7797) над точными байтами тела, созданная системным ключом отправителя.",
        "kk": "Жіберушінің жүйелік кілтімен жасалған, дененің дәл байттарына арналған бөлек JWS (RFC 7797).",
    },
)
_ENVELOPE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The exact bytes that were signed: a CloudEvents document",
        "content": {CONTENT_TYPE: {"schema": {"type": "object"}}},
    }
}
proves_member = guards(MEMBER, "access.missing", "access.invalid", "access.expired")


class Taken(BaseModel):
    """The envelope has passed the gateway."""

    state: Literal["accepted", "forwarded", "ended"] = Field(description="what the gateway has done with it so far")
    receipt: str = Field(description="the gateway's signed receipt, a compact JWS")


class Waiting(BaseModel):
    """An envelope that waits for the participant."""

    id: str
    envelope: str = Field(description="the exact bytes, base64")
    signature: str = Field(description="the sender's detached JWS over them")
    receipts: list[str] = Field(description="one compact JWS of each gateway it passed")


class InboxPage(BaseModel):
    items: list[Waiting]


class Acknowledged(BaseModel):
    acknowledged: int = Field(description="how many of the ids were waiting until now")


class Acknowledgement(BaseModel):
    """Ids the participant has stored and will not ask for again."""

    model_config = ConfigDict(strict=True, extra="forbid")
    ids: list[Annotated[str, Field(min_length=36, max_length=36)]] = Field(min_length=1, max_length=500)


class Access:
    """Proves which member calls: a compact JWS of its system key, `typ: egov-access+jwt` (RFC 7519, RFC 8725)."""

    def __init__(self, audience: str, membership: Membership, trust: TrustStore) -> None:
        self._audience, self._membership, self._trust = audience, membership, trust

    def member(self, request: Request, now: datetime) -> Member:
        """The active member behind `Authorization: Bearer`; raises access.* problems."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise EgovError("access.missing")
        claims = self._claims(token)
        issued, expires = claims.get("iat"), claims.get("exp")
        if not isinstance(issued, int) or not isinstance(expires, int) or claims.get("aud") != self._audience:
            raise EgovError("access.invalid")
        moment = now.timestamp()
        if expires - issued > ACCESS_LIFETIME.total_seconds() or not issued - 5 <= moment <= expires + 5:
            raise EgovError("access.expired")
        found = self._membership.members.by_thumbprint(claims["x5t"])
        if found is None or found[0].code != claims.get("iss") or not found[0].is_active:
            raise EgovError("access.invalid")
        if self._trust.check_system(found[1], now).refusal is not None:
            raise EgovError("access.invalid")
        return found[0]

    def _claims(self, token: str) -> dict[str, Any]:
        used: list[str] = []

        def certificate_for(thumbprint: str) -> Certificate | None:
            used.append(thumbprint)
            return self._membership.members.certificate_for(thumbprint)

        try:
            return {**verify_compact(token, certificate_for, ACCESS_TYP), "x5t": used[-1]}
        except EgovError as error:
            raise EgovError("access.invalid") from error


@dataclass(frozen=True, slots=True)
class Door:
    """A running gateway, the proof of who calls it, and whom it calls."""

    gateway: Gateway
    access: Access
    webhooks: Webhooks

    async def member(self, request: Request) -> Member:
        """The member who calls. Who is unknown may have been registered a moment ago: asked once more then."""
        clock = self.gateway.parts.clock
        now = clock.now()
        try:
            return self.access.member(request, now)
        except EgovError:
            if not await self.gateway.refreshed_after(now):
                raise
        return self.access.member(request, clock.now())

    async def owner(self, request: Request) -> Acting:
        """The member who calls, about its own webhook."""
        return Acting(await self.member(request), "participant")


def ingress_router(door: Callable[[], Door], judged: Sequence[str]) -> Routes:
    """`POST /v1/envelopes`, `GET /v1/inbox`, `POST /v1/inbox/ack`. `door` is asked per call, once it runs. `judged`:
    the problems of the gateway's own judgement."""
    router = Routes(tags=["partners"])

    @router.post("/v1/envelopes", status_code=202, response_model=Taken, openapi_extra=_ENVELOPE)
    @refuses("request.media_type", *REFUSALS, *judged)
    @guards(SIGNED)
    async def post_envelope(request: Request) -> JSONResponse:
        """Hand over one signed envelope: body = its exact bytes, header `Egov-Signature` = its detached JWS."""
        media_type = request.headers.get("content-type", "").partition(";")[0].strip()
        if media_type != CONTENT_TYPE:
            raise EgovError("request.media_type", expected=CONTENT_TYPE, received=media_type[:100] or "-")
        gateway = door().gateway
        wire = WireEnvelope(await request.body(), request.headers.get("egov-signature", ""))
        result = await gateway.process_one(Arrival(wire, HTTP_DOOR, gateway.parts.clock.now()))
        if result.state is EnvelopeState.REFUSED:
            raise _answer(gateway, result.error)
        return JSONResponse({"state": result.state.value, "receipt": result.receipt}, status_code=202)

    _add_inbox(router, door)
    return router


def _add_inbox(router: Routes, door: Callable[[], Door]) -> None:
    @router.get("/v1/inbox", response_model=InboxPage)
    @proves_member
    @limited(access_token_s=ACCESS_LIFETIME.seconds)
    async def get_inbox(request: Request, limit: Annotated[int, Query(ge=1, le=100)] = 50) -> dict[str, Any]:
        """What waits for the calling participant, oldest first. Acknowledge it to see the next."""
        parts = door().gateway.parts
        member = await door().member(request)
        async with parts.db.read() as conn:
            rows = await parts.store.inbox(conn, member.code, limit)
        return {"items": [_item(key, wire) for key, wire in rows]}

    @router.post("/v1/inbox/ack", response_model=Acknowledged)
    @proves_member
    @limited(access_token_s=ACCESS_LIFETIME.seconds)
    async def acknowledge(request: Request, body: Acknowledgement) -> dict[str, int]:
        """The participant has stored these envelopes; they are not offered again."""
        parts = door().gateway.parts
        member = await door().member(request)
        async with parts.db.begin() as conn:
            taken = await parts.store.acknowledge(conn, member.code, body.ids, parts.clock.now())
            await door().webhooks.fetched(conn, member.code, body.ids)
        return {"acknowledged": taken}


def _answer(gateway: Gateway, error: EgovError | None) -> EgovError:
    """The refusal as a problem document tells it: also who refused, and by which clock."""
    error = error or EgovError("envelope.refused_before")
    clock = {"hop": gateway.parts.code, "received": gateway.parts.clock.now().isoformat(timespec="milliseconds")}
    return EgovError(error.code, clause=error.clause, errors=error.errors, **{**error.params, **clock})


def _item(envelope_id: str, wire: WireEnvelope) -> dict[str, Any]:
    return {
        "id": envelope_id,
        "envelope": base64.b64encode(wire.raw).decode(),
        "signature": wire.signature,
        "receipts": list(wire.receipts),
    }
