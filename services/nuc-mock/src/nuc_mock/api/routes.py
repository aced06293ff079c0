"""HTTP in: what anybody may fetch (authorities, lists), and what the administrator may ask for."""

from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi.responses import PlainTextResponse

from egovkit.declared import may_be_keyed, refuses
from egovkit.idempotency import Answer, Attempt, Idempotent
from egovkit.routes import Routes
from nuc_mock import domain
from nuc_mock.api.calling import Kept, admin_guard, answer_once, issue_container, issue_for_request
from nuc_mock.api.shown import (
    CertificateOut,
    CertificatePage,
    GenerationNumber,
    GenerationOut,
    IssuedOut,
    NewCertificate,
    NewPerson,
    OcspRequest,
    PersonOut,
    Renewal,
    Revocation,
    Serial,
    certificate_out,
    decoded,
    generation_out,
    issued_out,
    public_bytes,
)
from nuc_mock.domain import Profile, State
from nuc_mock.service import Generation, Nuc
from nuc_mock.store import Search

CERTIFICATE_TYPE, LIST_TYPE = "application/pkix-cert", "application/pkix-crl"  # RFC 2585
OCSP_TYPE, STAMP_TYPE = "application/ocsp-response", "application/timestamp-reply"  # RFC 6960, RFC 3161
MAX_PAGE = 200


BANNER = """\
ТЕСТ. Бұл Ұлттық куәландырушы орталық емес, оның егізі: шығарғанының заңды күші жоқ, тек ойдан шығарылған адамдар үшін.
ТЕСТ. Это не Национальный удостоверяющий центр, а его двойник: выпущенное им не имеет юридической силы, только для
вымышленных лиц.
TEST. Not the National Certification Authority but its twin: nothing it issues has legal force; invented persons only.
"""


def _binary(media_type: str) -> dict[str, Any]:
    """OpenAPI's word for a body of bytes, which FastAPI does not see in a route that reads it itself."""
    schema = {"type": "string", "contentMediaType": media_type}
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


def public_routes(nuc: Nuc) -> Routes:
    router = Routes(tags=["public"])

    @router.get("/", response_class=PlainTextResponse)
    async def banner() -> str:
        return BANNER

    @router.get("/ca/root.cer", response_class=Response)
    @refuses("service.unavailable")
    async def root_certificate(request: Request) -> Response:
        return public_bytes(request, domain.der_of(nuc.keys.authorities.root.certificate), CERTIFICATE_TYPE)

    @router.get("/ca/issuing.cer", response_class=Response)
    @refuses("service.unavailable")
    async def issuing_certificate(request: Request) -> Response:
        return issuing_bytes(request, await nuc.keys.current())

    @router.get("/ca/issuing-{generation}.cer", response_class=Response)
    @refuses("nuc.generation_unknown", "service.unavailable")
    async def issuing_certificate_of(request: Request, generation: GenerationNumber) -> Response:
        return issuing_bytes(request, await nuc.keys.generation(int(generation)))

    _add_lists(router, nuc)
    _add_answers(router, nuc)
    return router


def _add_lists(router: Routes, nuc: Nuc) -> None:
    @router.get("/crl", response_class=Response)
    @refuses("service.unavailable")
    async def revocation_list(request: Request) -> Response:
        return public_bytes(request, await nuc.lists.of_issuing("crl"), LIST_TYPE)

    @router.get("/crl/root", response_class=Response)
    @refuses("service.unavailable")
    async def root_revocation_list(request: Request) -> Response:
        return public_bytes(request, await nuc.lists.of_root(), LIST_TYPE)

    @router.get("/crl/delta", response_class=Response)
    @refuses("service.unavailable")
    async def revocation_changes(request: Request) -> Response:
        return public_bytes(request, await nuc.lists.of_issuing("delta"), LIST_TYPE)

    @router.get("/crl/{generation}", response_class=Response)
    @refuses("nuc.generation_unknown", "service.unavailable")
    async def revocation_list_of(request: Request, generation: GenerationNumber) -> Response:
        return public_bytes(request, await nuc.lists.of_issuing("crl", int(generation)), LIST_TYPE)

    @router.get("/crl/{generation}/delta", response_class=Response)
    @refuses("nuc.generation_unknown", "service.unavailable")
    async def revocation_changes_of(request: Request, generation: GenerationNumber) -> Response:
        return public_bytes(request, await nuc.lists.of_issuing("delta", int(generation)), LIST_TYPE)


def _add_answers(router: Routes, nuc: Nuc) -> None:
    """OCSP and time stamps."""

    @router.post("/ocsp", response_class=Response, openapi_extra=_binary("application/ocsp-request"))
    async def ocsp(request: Request) -> Response:
        return Response(await nuc.answers.ocsp(await request.body()), media_type=OCSP_TYPE)

    @router.get("/ocsp/{request_b64:path}", response_class=Response)
    async def ocsp_by_get(request_b64: OcspRequest) -> Response:
        return Response(await nuc.answers.ocsp(decoded(request_b64)), media_type=OCSP_TYPE)

    @router.post("/tsp", response_class=Response, openapi_extra=_binary("application/timestamp-query"))
    @refuses("service.unavailable")
    async def time_stamp(request: Request) -> Response:
        return Response(await nuc.answers.stamp(await request.body()), media_type=STAMP_TYPE)


def issuing_bytes(request: Request, by: Generation) -> Response:
    """A certificate of the issuing authority; it leads to the one before it (RFC 5829), since certificates that the
    older key signed are still about."""
    links = {"link": f'</ca/issuing-{by.number - 1}.cer>; rel="predecessor-version"'} if by.number > 1 else {}
    return public_bytes(request, domain.der_of(by.issuing.certificate), CERTIFICATE_TYPE, **links)


def admin_routes(nuc: Nuc, idempotent: Idempotent) -> Routes:
    router = Routes(prefix="/v1", tags=["administrator"], dependencies=[Depends(admin_guard(nuc))])
    _add_reading(router, nuc)
    _add_issuing(router, nuc, idempotent)
    _add_revoking(router, nuc, idempotent)
    _add_rotating(router, nuc, idempotent)
    return router


def _add_reading(router: Routes, nuc: Nuc) -> None:
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


def _add_issuing(router: Routes, nuc: Nuc, idempotent: Idempotent) -> None:
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
            kept = Kept(attempt, 201, lambda one: issued_out(nuc, one))
            dates = (body.not_before, body.not_after)
            await nuc.renew(serial, body.csr, dates, kept, supersede=body.supersede)
            return kept.answer

        return await answer_once(idempotent, request, act)


def _add_rotating(router: Routes, nuc: Nuc, idempotent: Idempotent) -> None:
    @router.post("/authority/rotate", status_code=201, response_model=GenerationOut)
    @may_be_keyed
    @refuses("service.unavailable")
    async def rotate_authority(request: Request) -> Response:
        async def act(attempt: Attempt) -> Answer:
            kept = Kept(attempt, 201, generation_out)
            await nuc.rotate(kept)
            return kept.answer

        return await answer_once(idempotent, request, act)


def _add_revoking(router: Routes, nuc: Nuc, idempotent: Idempotent) -> None:
    @router.post("/certificates/{serial}/revoke", response_model=CertificateOut)
    @may_be_keyed
    @refuses("nuc.certificate_unknown", "nuc.state_forbids", "service.unavailable")
    async def revoke_certificate(request: Request, serial: Serial, body: Revocation) -> Response:
        async def act(attempt: Attempt) -> Answer:
            kept = Kept(attempt, 200, certificate_out)
            await nuc.revoke(serial, body.reason, kept)
            return kept.answer

        return await answer_once(idempotent, request, act)

    @router.post("/certificates/{serial}/release", response_model=CertificateOut)
    @may_be_keyed
    @refuses("nuc.certificate_unknown", "nuc.state_forbids", "service.unavailable")
    async def release_certificate(request: Request, serial: Serial) -> Response:
        async def act(attempt: Attempt) -> Answer:
            kept = Kept(attempt, 200, certificate_out)
            await nuc.release(serial, kept)
            return kept.answer

        return await answer_once(idempotent, request, act)
