"""HTTP in: what anybody may fetch (authorities, lists), and what the administrator may ask for."""

from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.declared import bearer, guards, may_be_keyed, refuses
from egovkit.errors import EgovError
from egovkit.idempotency import Answer, Attempt, Idempotent
from nuc_mock import domain
from nuc_mock.domain import KeyKind, Profile, Reason, State
from nuc_mock.service import Generation, Nuc, Wanted
from nuc_mock.store import IssuedCertificate, Search

CERTIFICATE_TYPE, LIST_TYPE = "application/pkix-cert", "application/pkix-crl"  # RFC 2585
OCSP_TYPE, STAMP_TYPE = "application/ocsp-response", "application/timestamp-reply"  # RFC 6960, RFC 3161
MAX_PAGE = 200

# --- models


def _moment(value: object) -> datetime:
    """RFC 3339 text with its offset; numbers and naive times are refused, their meaning would be a guess."""
    if not isinstance(value, str) or len(value) > 40 or "T" not in value:
        raise ValueError("an RFC 3339 date and time is expected")
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("the offset is missing")
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("no such date") from None


Moment = Annotated[datetime, BeforeValidator(_moment, json_schema_input_type=str)]
# Enumerations arrive as text: only for them the strictness of the model is lifted.
AnyProfile = Annotated[Profile, Field(strict=False)]
AnyKey = Annotated[KeyKind, Field(strict=False)]


def _of_a_person(profile: Profile) -> Profile:
    if profile not in domain.PERSON_PROFILES:
        raise ValueError("a system brings its own key: POST /v1/certificates")
    return profile


PersonProfile = Annotated[AnyProfile, AfterValidator(_of_a_person)]
GenerationNumber = Annotated[
    str, Path(pattern="^[1-9][0-9]{0,3}$", description="which of the issuing authority's keys, from 1")
]
Serial = Annotated[str, Path(pattern="^[0-9A-Fa-f]{40}$", description="40 hexadecimal digits")]


OcspRequest = Annotated[
    str, Path(max_length=8192, description="base64 of the DER of an OCSPRequest (RFC 6960, A.1), percent-encoded")
]


def _decoded(text: str) -> bytes:
    """Base64 in either alphabet; what is none becomes an empty request, which is answered as malformed."""
    try:
        return b64decode(text.translate({ord("-"): "+", ord("_"): "/"}) + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return b""


class Model(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Dates(Model):
    not_before: Moment | None = None
    not_after: Moment | None = None


class NewCertificate(Dates):
    csr: str = Field(max_length=16_384, description="PKCS#10, PEM; only its key is used")
    profile: AnyProfile
    common_name: str = Field(description="a participant's code, or ФАМИЛИЯ ИМЯ")
    iin: str | None = None
    bin: str | None = None
    surname: str | None = None
    patronymic: str | None = None
    organisation: str | None = None

    def wanted(self) -> Wanted:
        return Wanted(**self.model_dump(include=set(WANTED_FIELDS)))


WANTED_FIELDS = frozenset(Wanted.__slots__) - {"oddity"}


class NewPerson(Dates):
    iin: str
    surname: str
    name: str | None = None
    patronymic: str | None = None
    bin: str | None = None
    organisation: str | None = None
    password: str = Field(description="6 to 32 characters: capital and small letter, digit")
    profile: PersonProfile = Profile.PERSON_SIGN
    key: AnyKey = KeyKind.P256

    def wanted(self) -> Wanted:
        name = domain.person_common_name(self.surname, self.name)
        return Wanted(common_name=name, **self.model_dump(include=set(WANTED_FIELDS)))


class Revocation(Model):
    reason: Annotated[Reason, Field(strict=False)] = Reason.UNSPECIFIED


class Renewal(Dates):
    csr: str = Field(max_length=16_384, description="PKCS#10, PEM, of a new key; only the key is used")
    supersede: bool = Field(default=False, description="revoke the old certificate with reason superseded")


class GenerationOut(BaseModel):
    generation: int
    thumbprint: str = Field(description="x5t#S256")
    certificate: str = Field(description="PEM")


class CertificateOut(BaseModel):
    serial: str
    thumbprint: str = Field(description="x5t#S256")
    profile: Profile
    key: str
    common_name: str
    iin: str | None
    bin: str | None
    oddities: list[str] = Field(description="how it departs from НУЦ's form, on a tester's wish")
    not_before: datetime
    not_after: datetime
    issued_at: datetime
    state: State
    reason: Reason | None
    listed_at: datetime | None = Field(description="since when it is on the revocation list")
    renews: str | None = Field(description="serial number of the certificate it continues")
    certificate: str = Field(description="PEM")


class IssuedOut(CertificateOut):
    chain: str = Field(description="PEM: the issuing authority, then the root")


class PersonOut(IssuedOut):
    pkcs12: str = Field(description="base64; key, certificate and issuing authority")


class CertificatePage(BaseModel):
    items: list[CertificateOut]
    next: str | None = Field(description="the cursor of the next page")


# --- answers


def certificate_out(one: IssuedCertificate) -> CertificateOut:
    return CertificateOut(**_facts(one))


def issued_out(nuc: Nuc, one: IssuedCertificate) -> IssuedOut:
    return IssuedOut(**_facts(one), chain=_chain(nuc, one.generation))


def person_out(nuc: Nuc, one: IssuedCertificate, container: bytes) -> PersonOut:
    return PersonOut(**_facts(one), chain=_chain(nuc, one.generation), pkcs12=b64encode(container).decode())


def _facts(one: IssuedCertificate) -> dict[str, Any]:
    stored = {name: getattr(one, name) for name in CertificateOut.model_fields if name != "certificate"}
    return {**stored, "oddities": list(one.oddities), "certificate": one.pem}


def generation_out(by: Generation) -> GenerationOut:
    certificate = by.issuing.certificate
    return GenerationOut(
        generation=by.number, thumbprint=domain.thumbprint(certificate), certificate=domain.pem_of([certificate])
    )


def _chain(nuc: Nuc, generation: int) -> str:
    return domain.pem_of([nuc.issuer(generation), nuc.authorities.root.certificate])


def public_bytes(request: Request, content: bytes, media_type: str, **more: str) -> Response:
    """Bytes anybody may fetch, with a strong validator for conditional requests (RFC 9110, 13.1.2)."""
    etag = f'"{domain.sha256_hex(content)}"'
    headers = {"etag": etag, "cache-control": "no-cache", **more}  # keep it, but ask whether it is still the one
    asked = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in asked or "*" in asked:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


# --- who asks

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


# --- routes


def _binary(media_type: str) -> dict[str, Any]:
    """OpenAPI's word for a body of bytes, which FastAPI does not see in a route that reads it itself."""
    schema = {"type": "string", "contentMediaType": media_type}
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


def public_routes(nuc: Nuc) -> APIRouter:
    router = APIRouter(tags=["public"])

    @router.get("/ca/root.cer", response_class=Response)
    @refuses("service.unavailable")
    async def root_certificate(request: Request) -> Response:
        return public_bytes(request, domain.der_of(nuc.authorities.root.certificate), CERTIFICATE_TYPE)

    @router.get("/ca/issuing.cer", response_class=Response)
    @refuses("service.unavailable")
    async def issuing_certificate(request: Request) -> Response:
        return issuing_bytes(request, await nuc.current())

    @router.get("/ca/issuing-{generation}.cer", response_class=Response)
    @refuses("nuc.generation_unknown", "service.unavailable")
    async def issuing_certificate_of(request: Request, generation: GenerationNumber) -> Response:
        return issuing_bytes(request, await nuc.generation(int(generation)))

    @router.get("/crl", response_class=Response)
    @refuses("service.unavailable")
    async def revocation_list(request: Request) -> Response:
        return public_bytes(request, await nuc.other_list("crl"), LIST_TYPE)

    @router.post("/ocsp", response_class=Response, openapi_extra=_binary("application/ocsp-request"))
    async def ocsp(request: Request) -> Response:
        return Response(await nuc.ocsp(await request.body()), media_type=OCSP_TYPE)

    @router.get("/ocsp/{request_b64:path}", response_class=Response)
    async def ocsp_by_get(request_b64: OcspRequest) -> Response:
        return Response(await nuc.ocsp(_decoded(request_b64)), media_type=OCSP_TYPE)

    @router.post("/tsp", response_class=Response, openapi_extra=_binary("application/timestamp-query"))
    @refuses("service.unavailable")
    async def time_stamp(request: Request) -> Response:
        return Response(await nuc.stamp(await request.body()), media_type=STAMP_TYPE)

    @router.get("/crl/root", response_class=Response)
    @refuses("service.unavailable")
    async def root_revocation_list(request: Request) -> Response:
        return public_bytes(request, await nuc.root_list(), LIST_TYPE)

    @router.get("/crl/delta", response_class=Response)
    @refuses("service.unavailable")
    async def revocation_changes(request: Request) -> Response:
        return public_bytes(request, await nuc.other_list("delta"), LIST_TYPE)

    @router.get("/crl/{generation}", response_class=Response)
    @refuses("nuc.generation_unknown", "service.unavailable")
    async def revocation_list_of(request: Request, generation: GenerationNumber) -> Response:
        return public_bytes(request, await nuc.other_list("crl", int(generation)), LIST_TYPE)

    @router.get("/crl/{generation}/delta", response_class=Response)
    @refuses("nuc.generation_unknown", "service.unavailable")
    async def revocation_changes_of(request: Request, generation: GenerationNumber) -> Response:
        return public_bytes(request, await nuc.other_list("delta", int(generation)), LIST_TYPE)

    return router


def issuing_bytes(request: Request, by: Generation) -> Response:
    """A certificate of the issuing authority; it leads to the one before it (RFC 5829), since certificates that the
    older key signed are still about."""
    links = {"link": f'</ca/issuing-{by.number - 1}.cer>; rel="predecessor-version"'} if by.number > 1 else {}
    return public_bytes(request, domain.der_of(by.issuing.certificate), CERTIFICATE_TYPE, **links)


def admin_routes(nuc: Nuc, idempotent: Idempotent) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["administrator"], dependencies=[Depends(admin_guard(nuc))])
    _add_reading(router, nuc)
    _add_issuing(router, nuc, idempotent)
    _add_revoking(router, nuc, idempotent)
    _add_rotating(router, nuc, idempotent)
    return router


def _add_reading(router: APIRouter, nuc: Nuc) -> None:
    @router.get("/certificates")
    async def list_certificates(
        *,
        serial: Annotated[str | None, Query(pattern="^[0-9A-Fa-f]{40}$")] = None,
        iin: Annotated[str | None, Query(pattern="^[0-9]{12}$")] = None,
        bin: Annotated[str | None, Query(pattern="^[0-9]{12}$")] = None,
        profile: Profile | None = None,
        state: State | None = None,
        cursor: Annotated[str, Query(pattern="^[0-9]{1,18}$")] = "0",
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    ) -> CertificatePage:
        wanted = Search(serial and serial.lower(), iin, bin, profile, state)
        found = await nuc.certificates(wanted, after=int(cursor), limit=limit + 1)
        items = [certificate_out(one) for one in found[:limit]]
        return CertificatePage(items=items, next=str(found[limit - 1].position) if len(found) > limit else None)

    @router.get("/certificates/{serial}")
    @refuses("nuc.certificate_unknown", "service.unavailable")
    async def get_certificate(serial: Serial) -> IssuedOut:
        return issued_out(nuc, await nuc.certificate(serial))


def _add_issuing(router: APIRouter, nuc: Nuc, idempotent: Idempotent) -> None:
    @router.post("/certificates", status_code=201, response_model=IssuedOut)
    @may_be_keyed
    @refuses("nuc.key_not_accepted", "nuc.request_unusable", "service.unavailable")
    async def issue_certificate(request: Request, body: NewCertificate) -> Response:
        async def act(attempt: Attempt) -> Answer:
            return await issue_for_request(nuc, attempt, body.wanted(), body.csr)

        return await answer_once(idempotent, request, act)

    @router.post("/persons", status_code=201, response_model=PersonOut)
    @may_be_keyed
    @refuses("service.unavailable")
    async def issue_to_person(request: Request, body: NewPerson) -> Response:
        async def act(attempt: Attempt) -> Answer:
            return await issue_container(nuc, attempt, body.wanted(), body.key, body.password)

        return await answer_once(idempotent, request, act)

    @router.post("/certificates/{serial}/renew", status_code=201, response_model=IssuedOut)
    @may_be_keyed
    @refuses(
        *("nuc.certificate_unknown", "nuc.key_not_accepted", "nuc.request_unusable", "nuc.state_forbids"),
        "service.unavailable",
    )
    async def renew_certificate(request: Request, serial: Serial, body: Renewal) -> Response:
        async def act(attempt: Attempt) -> Answer:
            kept = _Kept(attempt, 201, lambda one: issued_out(nuc, one))
            dates = (body.not_before, body.not_after)
            await nuc.renew(serial, body.csr, dates, kept, supersede=body.supersede)
            return kept.answer

        return await answer_once(idempotent, request, act)


def _add_rotating(router: APIRouter, nuc: Nuc, idempotent: Idempotent) -> None:
    @router.post("/authority/rotate", status_code=201, response_model=GenerationOut)
    @may_be_keyed
    @refuses("service.unavailable")
    async def rotate_authority(request: Request) -> Response:
        async def act(attempt: Attempt) -> Answer:
            kept = _Kept(attempt, 201, generation_out)
            await nuc.rotate(kept)
            return kept.answer

        return await answer_once(idempotent, request, act)


def _add_revoking(router: APIRouter, nuc: Nuc, idempotent: Idempotent) -> None:
    @router.post("/certificates/{serial}/revoke", response_model=CertificateOut)
    @may_be_keyed
    @refuses("nuc.certificate_unknown", "nuc.state_forbids", "service.unavailable")
    async def revoke_certificate(request: Request, serial: Serial, body: Revocation) -> Response:
        async def act(attempt: Attempt) -> Answer:
            kept = _Kept(attempt, 200, certificate_out)
            await nuc.revoke(serial, body.reason, kept)
            return kept.answer

        return await answer_once(idempotent, request, act)

    @router.post("/certificates/{serial}/release", response_model=CertificateOut)
    @may_be_keyed
    @refuses("nuc.certificate_unknown", "nuc.state_forbids", "service.unavailable")
    async def release_certificate(request: Request, serial: Serial) -> Response:
        async def act(attempt: Attempt) -> Answer:
            kept = _Kept(attempt, 200, certificate_out)
            await nuc.release(serial, kept)
            return kept.answer

        return await answer_once(idempotent, request, act)


class _Kept:
    """Renders and stores the answer inside the transaction of its effect; `answer` is it."""

    def __init__(self, attempt: Attempt, status: int, render: Callable[..., BaseModel]) -> None:
        self.answer = Answer(500)
        self._attempt, self._status, self._render = attempt, status, render

    async def __call__(self, conn: AsyncConnection, *issued: Any) -> None:
        self.answer = await self._attempt.keep(
            conn, Answer(self._status, self._render(*issued).model_dump(mode="json"))
        )


async def issue_for_request(nuc: Nuc, attempt: Attempt, wanted: Wanted, csr: str, *, any_key: bool = False) -> Answer:
    kept = _Kept(attempt, 201, lambda one: issued_out(nuc, one))
    await nuc.issue_for_request(wanted, csr, kept, any_key=any_key)
    return kept.answer


async def issue_container(
    nuc: Nuc, attempt: Attempt, wanted: Wanted, key: KeyKind | domain.OddKeyKind, password: str
) -> Answer:
    kept = _Kept(attempt, 201, lambda one, container: person_out(nuc, one, container))
    await nuc.issue_to_person(wanted, key, password, kept)
    return kept.answer
