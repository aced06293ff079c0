"""ШЭП over HTTP: register and dead letters for operators, the member list for everybody, attachments for members."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Depends, Header, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from egovgateway.api import Door, proves_member
from egovkit.bus.topology import NAME
from egovkit.declared import bearer, guards, keyed, limited, refuses
from egovkit.errors import EgovError, FieldError
from egovkit.idempotency import Answer, Attempt, Idempotent
from egovkit.membership import Member
from egovkit.routes import Routes
from egovkit.signatures.certificates import OF_A_SYSTEM
from egovlaw.identifiers import bin_problem
from gateway_shep.attachments import MAX_CASE, MAX_FILE, TYPES, Attachments
from gateway_shep.domain import LetterState
from gateway_shep.letters import Decision, Letter, LetterPage, LetterRead, Letters, Redriven
from gateway_shep.reports import Budget, OverduePage, Reports
from gateway_shep.service import ACTIVE, SUSPENDED, Participant, Participants, Register, RegisteredCertificate

Code = Annotated[str, Path(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]
Digest = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
Case = Annotated[str, Query(pattern=r"^[0-9a-f-]{36}$")]
TEXT = r"^[^\x00-\x1f]+$"
LetterId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]
Operator = Annotated[
    str, Header(alias="Egov-Operator", pattern=r"^[!-~]([ -~]{0,78}[!-~])?$", description="who acts: for the journal")
]
Name = Annotated[str, Field(min_length=1, max_length=300)]
Kind = Literal[
    "portal", "centre", "provider", "person_register", "attorney_register", "akimat_register", "regional_gateway"
]


OPERATOR = bearer(
    "operator",
    "opaque",
    en="The token of ШЭП's operators: a secret of the deployment.",
    ru="Токен операторов ШЭП: секрет развёртывания.",
    kk="ЭҮШ операторларының токені: орналастырудың құпиясы.",
)
_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in sorted(TYPES)},
    },
}
_JWS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/jose": {"schema": {"type": "string", "description": "a compact JWS"}}}},
    304: {"description": "Nothing has changed since the list of `If-None-Match`"},
}
_STORED: dict[int | str, dict[str, Any]] = {
    200: {"description": "It was there already"},
    201: {"description": "Stored"},
}
_BYTES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}


class NewParticipant(BaseModel):
    """A system that wants to join the bus."""

    model_config = ConfigDict(strict=True, extra="forbid")
    code: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")
    kind: Kind
    name_ru: Name
    name_kk: Name
    bin: str = Field(pattern=r"^\d{12}$")
    kato: str = Field(pattern=r"^\d{9}$")
    regions: list[Annotated[str, Field(max_length=40)]] = Field(default_factory=list, max_length=50)
    services: list[Annotated[str, Field(max_length=120)]] = Field(default_factory=list, max_length=500)
    delivery: Literal["amqp", "http"] = "amqp"
    broker_user: str | None = Field(default=None, max_length=64)


class ParticipantChange(BaseModel):
    """What may change of a participant; what is left out stays."""

    model_config = ConfigDict(strict=True, extra="forbid")
    name_ru: Name | None = None
    name_kk: Name | None = None
    regions: list[Annotated[str, Field(max_length=40)]] | None = Field(default=None, max_length=50)
    services: list[Annotated[str, Field(max_length=120)]] | None = Field(default=None, max_length=500)
    delivery: Literal["amqp", "http"] | None = None


class NewCertificate(BaseModel):
    """A system certificate in PEM."""

    model_config = ConfigDict(strict=True, extra="forbid")
    certificate: str = Field(min_length=100, max_length=10_000)


class Why(BaseModel):
    """The words an operator's decision is recorded with."""

    model_config = ConfigDict(strict=True, extra="forbid")
    note: str = Field(min_length=1, max_length=500, pattern=TEXT)


class Redriving(Why):
    """Which of the waiting letters to put back, oldest first."""

    queue: str | None = Field(default=None, pattern=f"^{NAME.pattern}$")
    reason: str | None = Field(default=None, max_length=200, pattern=TEXT)
    limit: int = Field(default=100, ge=1, le=1000)


class Admin:
    """Lets operators through by the token of the secret file."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    @guards(OPERATOR, "access.missing", "access.invalid")
    def __call__(self, request: Request) -> None:
        """FastAPI dependency; raises access.missing or access.invalid."""
        given = request.headers.get("authorization", "").encode()
        if not given:
            raise EgovError("access.missing")
        if not hmac.compare_digest(given, self._expected):
            raise EgovError("access.invalid")


@dataclass(frozen=True, slots=True)
class Running:
    """What exists while the service runs."""

    register: Register
    attachments: Attachments
    letters: Letters
    idempotent: Idempotent
    door: Door
    reports: Reports

    async def member(self, request: Request) -> Member:
        """The member who calls; access.*"""
        return await self.door.member(request)


def members_router(running: Callable[[], Running]) -> Routes:
    """What every member reads: the signed list and certificates by thumbprint."""
    router = Routes(tags=["members"])

    @router.get("/v1/members", response_class=Response, responses=_JWS)
    @refuses("service.unavailable")
    async def get_members(request: Request) -> Response:
        """The signed member list (compact JWS, `typ: egov-members+jws`), with its version as ETag."""
        version, signed = await running().register.signed_list()
        headers = {"ETag": f'"{version}"', "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(signed, media_type="application/jose", headers=headers)

    @router.get("/v1/certificates/{thumbprint}", response_model=RegisteredCertificate)
    @refuses("participant.certificate_unknown")
    async def get_certificate(
        thumbprint: Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{43}$")],
    ) -> dict[str, Any]:
        """Who holds a certificate, by its `x5t#S256`."""
        return await running().register.certificate(thumbprint)

    return router


def register_router(running: Callable[[], Running], admin: Admin, regions: frozenset[str]) -> Routes:
    """The register, for operators."""
    router = Routes(prefix="/v1/participants", tags=["register"], dependencies=[Depends(admin)])

    @router.get("", response_model=Participants)
    async def get_participants() -> dict[str, Any]:
        """All participants with their certificates in use."""
        return {"items": await running().register.participants()}

    @router.post("", status_code=201, response_model=Participant)
    @refuses("participant.exists", "participant.changed_meanwhile")
    async def post_participant(body: NewParticipant) -> dict[str, Any]:
        """Register a participant. It can take part once it has a certificate."""
        if (problem := bin_problem(body.bin)) is not None:
            raise EgovError("request.invalid", errors=[FieldError("bin", "bin_invalid", str(problem))])
        _check_regions(body.regions, regions)
        return await running().register.add(body.model_dump())

    @router.get("/{code}", response_model=Participant)
    @refuses("participant.unknown")
    async def get_participant(code: Code) -> dict[str, Any]:
        """One participant."""
        return await running().register.participant(code)

    @router.patch("/{code}", response_model=Participant)
    @refuses("participant.unknown", "participant.changed_meanwhile")
    async def patch_participant(code: Code, body: ParticipantChange) -> dict[str, Any]:
        """Change names, regions, services or delivery."""
        _check_regions(body.regions or [], regions)
        values = {name: value for name, value in body.model_dump().items() if value is not None}
        return await running().register.change(code, values)

    _add_states(router, running)
    _add_certificates(router, running)
    return router


def _add_states(router: Routes, running: Callable[[], Running]) -> None:
    @router.post("/{code}/suspend", response_model=Participant)
    @refuses("participant.unknown", "participant.own", "participant.changed_meanwhile")
    async def suspend(code: Code) -> dict[str, Any]:
        """Stop a participant: its envelopes are refused, nothing is routed to it."""
        return await running().register.set_state(code, SUSPENDED)

    @router.post("/{code}/resume", response_model=Participant)
    @refuses("participant.unknown", "participant.own", "participant.changed_meanwhile")
    async def resume(code: Code) -> dict[str, Any]:
        """Let a suspended participant take part again."""
        return await running().register.set_state(code, ACTIVE)


def _add_certificates(router: Routes, running: Callable[[], Running]) -> None:
    @router.post("/{code}/certificates", status_code=201, response_model=Participant)
    @refuses(
        "participant.unknown", "participant.foreign_certificate", "participant.changed_meanwhile",
        "certificate.malformed", *OF_A_SYSTEM,
    )  # fmt: skip
    async def post_certificate(code: Code, body: NewCertificate) -> dict[str, Any]:
        """Add a certificate; older ones stay accepted until they are withdrawn or expire."""
        return await running().register.add_certificate(code, body.certificate.encode())

    @router.delete("/{code}/certificates/{thumbprint}", response_model=Participant)
    @refuses("participant.certificate_unknown", "participant.changed_meanwhile")
    async def delete_certificate(code: Code, thumbprint: str) -> dict[str, Any]:
        """Withdraw a certificate."""
        return await running().register.withdraw_certificate(code, thumbprint)


def attachments_router(running: Callable[[], Running]) -> Routes:
    """Attachments, for members of the bus."""
    router = Routes(prefix="/v1/attachments", tags=["attachments"])

    @router.put("/{sha256}", status_code=200, response_class=Response, responses=_STORED, openapi_extra=_FILE)
    @proves_member
    @limited(case_bytes=MAX_CASE)
    @refuses(
        "attachment.type_not_allowed", "attachment.too_large", "attachment.digest_mismatch", "attachment.foreign_case",
        "attachment.case_full",
    )  # fmt: skip
    async def put_attachment(request: Request, sha256: Digest, case: Case) -> Response:
        """Store bytes by their SHA-256 for a case: 201 when new, 200 when they were there."""
        member = await running().member(request)
        body = await request.body()
        if len(body) > MAX_FILE:
            raise EgovError("attachment.too_large", size=len(body), limit=MAX_FILE)
        content_type = request.headers.get("content-type", "").partition(";")[0].strip()
        new = await running().attachments.put(member, case, sha256, content_type, body)
        return Response(status_code=201 if new else 200)

    @router.get("/{sha256}", response_class=Response, responses=_BYTES)
    @proves_member
    @refuses("attachment.unknown", "seal.broken")
    async def get_attachment(request: Request, sha256: Digest, case: Case) -> Response:
        """The bytes, for the case's origin and provider."""
        body, content_type = await running().attachments.get(await running().member(request), case, sha256)
        return Response(body, media_type=content_type, headers={"Content-Disposition": "attachment"})

    return router


def letters_router(running: Callable[[], Running], admin: Admin) -> Routes:
    """The dead letters, for operators."""
    router = Routes(prefix="/v1/dead-letters", tags=["dead letters"], dependencies=[Depends(admin)])

    @router.get("", response_model=LetterPage)
    async def get_letters(
        *,
        state: LetterState | None = None,
        queue: Annotated[str | None, Query(pattern=f"^{NAME.pattern}$")] = None,
        reason: Annotated[str | None, Query(max_length=200, pattern=TEXT)] = None,
        case: Case | None = None,
        cursor: Annotated[
            str | None, Query(pattern=r"^[0-9a-f-]{36}$", description="`next` of the page before")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> dict[str, Any]:
        """Letters, newest first: where, why and how often each died, and what was decided."""
        wanted = {"state": state, "queue": queue, "reason": reason, "case_id": case}
        given = {name: value for name, value in wanted.items() if value is not None}
        found = await running().letters.page(given, cursor, limit + 1)
        return {"items": found[:limit], "next": found[limit - 1]["id"] if len(found) > limit else None}

    @router.get("/{letter}", response_model=LetterRead)
    @refuses("deadletter.unknown", "seal.broken")
    async def get_letter(letter: LetterId) -> dict[str, Any]:
        """One letter with its headers."""
        return await running().letters.letter(letter)

    @router.get("/{letter}/body", response_class=Response, responses=_BYTES)
    @refuses("deadletter.unknown", "seal.broken")
    async def get_body(letter: LetterId, operator: Operator) -> Response:
        """The exact bytes. They hold personal data: who reads them is recorded."""
        body = await running().letters.body(letter, operator)
        headers = {"Content-Disposition": "attachment", "Cache-Control": "no-store"}
        return Response(body, media_type="application/octet-stream", headers=headers)

    _add_decisions(router, running)
    return router


def _add_decisions(router: Routes, running: Callable[[], Running]) -> None:
    async def once(request: Request, act: Callable[[Attempt], Awaitable[Answer]]) -> Response:
        return await running().idempotent.run(request, scope="admin", call=act)

    @router.post("/redrive", response_model=Redriven)
    @keyed
    @refuses("deadletter.queue_unknown", "deadletter.queue_of_others")
    async def redrive_many(request: Request, body: Redriving, operator: Operator) -> Response:
        """Put back what waits, after an outage: of one queue, or of all."""

        async def act(attempt: Attempt) -> Answer:
            wanted = body.model_dump(exclude={"note"})
            return await running().letters.redrive_many(attempt, Decision(operator, body.note), **wanted)

        return await once(request, act)

    @router.post("/{letter}/redrive", response_model=Letter)
    @keyed
    @refuses("deadletter.unknown", "deadletter.decided", "deadletter.queue_unknown", "deadletter.queue_of_others")
    async def redrive(request: Request, letter: LetterId, body: Why, operator: Operator) -> Response:
        """Put the same bytes and headers back into the queue they died in."""

        async def act(attempt: Attempt) -> Answer:
            return await running().letters.redrive(attempt, letter, Decision(operator, body.note))

        return await once(request, act)

    @router.post("/{letter}/discard", response_model=Letter)
    @keyed
    @refuses("deadletter.unknown", "deadletter.decided")
    async def discard(request: Request, letter: LetterId, body: Why, operator: Operator) -> Response:
        """Decide that a letter is never to be processed. It is kept."""

        async def act(attempt: Attempt) -> Answer:
            return await running().letters.discard(attempt, letter, Decision(operator, body.note))

        return await once(request, act)


def reports_router(running: Callable[[], Running], admin: Admin) -> Routes:
    """What was used of the acts' limits, for operators."""
    router = Routes(prefix="/v1", tags=["reports"], dependencies=[Depends(admin)])

    @router.get("/cases/{case}/budget", response_model=Budget)
    @refuses("case.not_found")
    async def get_budget(case: LetterId) -> dict[str, Any]:
        """Every measured passage of a case, and the limit it is under now."""
        return await running().reports.budget(case)

    @router.get("/reports/overdue", response_model=OverduePage)
    async def get_overdue(
        *,
        since: Annotated[AwareDatetime | None, Query(alias="from")] = None,
        until: Annotated[AwareDatetime | None, Query(alias="to")] = None,
        provider: Annotated[str | None, Query(max_length=64, pattern=TEXT)] = None,
        regulation: Annotated[str | None, Query(max_length=120, pattern=TEXT)] = None,
        cursor: Annotated[str | None, Query(max_length=400, description="`next` of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> dict[str, Any]:
        """Measured and overdue by provider, step and clause, the most overdue first."""
        wanted = {"since": since, "until": until, "provider": provider, "regulation": regulation}
        given = {name: value for name, value in wanted.items() if value is not None}
        return await running().reports.overdue(given, cursor, limit)

    return router


def _check_regions(given: list[str], known: frozenset[str]) -> None:
    unknown = [region for region in given if region not in known]
    if unknown:
        errors = [FieldError("regions", "unknown", f"unknown region {region}") for region in unknown]
        raise EgovError("request.invalid", errors=errors)
