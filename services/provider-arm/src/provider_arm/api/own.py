"""The provider's own channel: an official takes an application at his desk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.declared import may_be_keyed, refuses
from egovkit.edge import rendered
from egovkit.errors import EgovError
from egovkit.idempotency import Answer, Attempt, Call
from egovkit.problems import MEDIA_TYPE
from egovkit.routes import Routes
from egovkit.signatures.certificates import OF_A_PERSON
from egovkit.signatures.documents import OF_A_SIGNATURE
from provider_arm.api.access import Cursor, Desk, Limit, OfDesk, Person, Seen, Why, bearer, etag
from provider_arm.api.models import Model, ResultWish
from provider_arm.api.own_models import (
    ConsumerWish,
    FormWish,
    OwnCaseNew,
    OwnCasePage,
    OwnCaseView,
    OwnPrepared,
    OwnPrepareWish,
    OwnRegistered,
    PapersWish,
    QueryList,
    QueryView,
    ScanView,
    own_line,
    own_view,
    query_view,
    scan_view,
)
from provider_arm.api.paging import page_of
from provider_arm.api.render import b64, decoded
from provider_arm.domain.cases import Staff
from provider_arm.domain.own import OwnCase, OwnState
from provider_arm.domain.own import Query as Question
from provider_arm.service import drafts, filing, queries, reading, staff
from provider_arm.service.context import Keep
from provider_arm.store.own import NEWEST_FIRST

router = Routes(prefix="/v1/own-cases", tags=["own cases"])


class OwnCaseQuery(Model):
    model_config = ConfigDict(strict=False, extra="forbid")  # a query is text

    state: OwnState | None = None
    limit: Limit = 50
    cursor: Cursor = None


@router.post("", status_code=201, response_model=OwnCaseView)
@may_be_keyed
@refuses("own_case.service_unknown", "service.not_in_force", "staff.role_not_enough")
async def open_own_case(request: Request, desk: OfDesk, person: Person, wish: OwnCaseNew) -> Response:
    """The case is born. Where the act has papers looked at first it is `received`; else the service is chosen, with
    this session's login as the first step.
    """
    began = await staff.logged_in_at(desk.ws, desk.door, bearer(request))

    async def act(attempt: Attempt) -> Answer:
        def shown(draft: OwnCase) -> Answer:
            opened = reading.OwnFile(draft, (), (), None, (), {person.id: person.name})
            return _answer(201, own_view(desk.ws, opened), draft, location=f"/v1/own-cases/{draft.id}")

        kept, keep = _keeping(attempt, shown)
        await drafts.open_case(desk.ws, person, wish.regulation, began, keep)
        return kept[0]

    return await _once(request, desk, person, act)


@router.get("")
@refuses("staff.role_not_enough")
async def list_own_cases(desk: OfDesk, person: Person, query: Annotated[OwnCaseQuery, Query()]) -> OwnCasePage:
    """The caller's drafts, newest first; the head's are those of everybody."""
    with page_of(query.limit, NEWEST_FIRST, query.cursor) as page:
        found, after, names = await reading.list_drafts(desk.ws, person, query.state, page)
    return OwnCasePage(items=[own_line(desk.ws, draft, names) for draft in found], next=after)


@router.get("/{case_id}")
@refuses("own_case.unknown", "staff.role_not_enough")
async def show_own_case(
    desk: OfDesk, person: Person, case_id: str, response: Response, reason: Why = None
) -> OwnCaseView:
    """One draft, with what the register said of the consumer; seeing that is recorded with the `reason`."""
    opened = await reading.open_draft(desk.ws, person, case_id, reason)
    response.headers["etag"] = etag(opened.draft.version)
    response.headers["cache-control"] = "no-store"
    return own_view(desk.ws, opened)


@router.put("/{case_id}/papers", response_model=OwnCaseView)
@may_be_keyed
@refuses(
    "own_case.changed_meanwhile", "own_case.of_another", "own_case.unknown", "own_case.wrong_state",
    "staff.role_not_enough",
)  # fmt: skip
async def check_papers(
    request: Request, desk: OfDesk, person: Person, *, case_id: str, seen: Seen, wish: PapersWish
) -> Response:
    """The consumer's papers were looked at: the step before the login, where the act has it."""
    papers = [paper.model_dump() for paper in wish.papers]

    async def act(_: Attempt) -> Answer:
        await drafts.check_papers(desk.ws, person, case_id, papers, seen)
        return await _shown(desk, person, case_id)

    return await _once(request, desk, person, act)


@router.put("/{case_id}/consumer", response_model=OwnCaseView)
@may_be_keyed
@refuses(
    "case.regulation_changed", "own_case.changed_meanwhile", "own_case.of_another", "own_case.query_pending",
    "own_case.unknown", "own_case.wrong_state", "staff.role_not_enough",
)  # fmt: skip
async def enter_consumer(
    request: Request, desk: OfDesk, person: Person, *, case_id: str, seen: Seen, wish: ConsumerWish
) -> Response:
    """Whose case it is. Another ИИН than before makes void what the register said of the first."""

    async def act(_: Attempt) -> Answer:
        await drafts.enter_consumer(desk.ws, person, case_id, wish.iin, seen)
        return await _shown(desk, person, case_id)

    return await _once(request, desk, person, act)


@router.post("/{case_id}/queries", status_code=202, response_model=QueryView)
@may_be_keyed
@refuses(
    "own_case.changed_meanwhile", "own_case.of_another", "own_case.query_pending", "own_case.register_absent",
    "own_case.unknown", "own_case.wrong_state", "staff.role_not_enough",
)  # fmt: skip
async def ask_register(request: Request, desk: OfDesk, person: Person, case_id: str, seen: Seen) -> Response:
    """Asks the person register about the consumer. 202: the answer comes by the bus, or does not."""

    async def act(attempt: Attempt) -> Answer:
        def shown(question: Question) -> Answer:
            return Answer(202, query_view(question, desk.ws.clock.now()).model_dump(mode="json"))

        kept, keep = _keeping(attempt, shown)
        await queries.ask(desk.ws, person, case_id, seen, keep)
        return kept[0]

    return await _once(request, desk, person, act)


@router.get("/{case_id}/queries")
@refuses("own_case.unknown", "staff.role_not_enough")
async def list_queries(desk: OfDesk, person: Person, case_id: str) -> QueryList:
    """Every question of the draft, oldest first; what an answer says of the person is on the draft's own page."""
    now = desk.ws.clock.now()
    return QueryList(items=[query_view(one, now) for one in await queries.queries_of(desk.ws, person, case_id)])


@router.put("/{case_id}/form", response_model=OwnCaseView)
@may_be_keyed
@refuses(
    "form.invalid", "own_case.changed_meanwhile", "own_case.of_another", "own_case.unknown",
    "own_case.wrong_state", "staff.role_not_enough",
)  # fmt: skip
async def save_form(
    request: Request, desk: OfDesk, person: Person, *, case_id: str, seen: Seen, wish: FormWish
) -> Response:
    """Replaces the form's values and the marks of papers."""
    form = (wish.values, [paper.model_dump() for paper in wish.papers])

    async def act(_: Attempt) -> Answer:
        await drafts.save_form(desk.ws, person, case_id, form, seen)
        return await _shown(desk, person, case_id)

    return await _once(request, desk, person, act)


_FILE_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            media: {"schema": {"type": "string", "format": "binary"}}
            for media in ("application/pdf", "image/jpeg", "image/png")
        },
    }
}


@router.put("/{case_id}/attachments/{name}", openapi_extra=_FILE_BODY)
@refuses(
    "attachment.case_full", "attachment.name_invalid", "attachment.not_what_it_says", "attachment.store_refused",
    "attachment.store_unavailable", "attachment.too_large", "attachment.too_many", "attachment.type_not_allowed",
    "own_case.changed_meanwhile", "own_case.of_another", "own_case.unknown", "own_case.wrong_state",
    "staff.role_not_enough",
)  # fmt: skip
async def attach(request: Request, desk: OfDesk, person: Person, case_id: str, name: str) -> ScanView:
    """Attaches a scan: PDF, JPEG or PNG, 10 MB at most, 50 MB in one application. The same again changes nothing."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return scan_view(await drafts.attach(desk.ws, person, case_id, name, (media_type, await request.body())))


@router.delete("/{case_id}/attachments/{name}", status_code=204)
@refuses(
    "attachment.not_found", "own_case.changed_meanwhile", "own_case.of_another", "own_case.unknown",
    "staff.role_not_enough",
)  # fmt: skip
async def detach(desk: OfDesk, person: Person, case_id: str, name: str) -> Response:
    await drafts.detach(desk.ws, person, case_id, name)
    return Response(status_code=204)


@router.post("/{case_id}/prepare", response_model=OwnPrepared)
@may_be_keyed
@refuses(
    "own_case.certificate_not_employee", "own_case.changed_meanwhile", "own_case.of_another",
    "own_case.other_organisation", "own_case.service_unknown", "own_case.unknown", "own_case.wrong_state",
    "staff.role_not_enough", *OF_A_PERSON,
)  # fmt: skip
async def prepare_own_case(
    request: Request, desk: OfDesk, person: Person, *, case_id: str, seen: Seen, wish: OwnPrepareWish
) -> Response:
    """Returns the exact bytes to sign. The certificate is checked now, unless the act checks it after the signing."""

    async def act(_: Attempt) -> Answer:
        filled = await filing.prepare(desk.ws, person, case_id, wish.certificate, seen)
        draft = filled.draft
        shown = OwnPrepared(
            id=draft.id,
            state=draft.state,
            version=draft.version,
            document=b64(filled.document),
            sha256=hashlib.sha256(filled.document).hexdigest(),
            certificate=filled.certificate.thumbprint,
        )
        return _answer(200, shown, draft)

    return await _once(request, desk, person, act)


@router.post("/{case_id}/submit", response_model=OwnRegistered)
@may_be_keyed
@refuses(
    "case.not_served", "own_case.certificate_not_employee", "own_case.changed_meanwhile",
    "own_case.of_another", "own_case.other_organisation", "own_case.service_unknown", "own_case.unknown",
    "own_case.wrong_state", "participant.list_unknown", "register_query.register_absent",
    "service.unavailable", "signature.other_certificate", "staff.role_not_enough", *OF_A_SIGNATURE,
)  # fmt: skip
async def submit_own_case(request: Request, desk: OfDesk, person: Person, case_id: str, wish: ResultWish) -> Response:
    """Takes the detached CMS over the prepared bytes; the case is registered and has its number, or it ends because the
    signature was not confirmed: a problem with the act's clause.
    """
    signature = decoded("signature", wish.signature)

    async def act(attempt: Attempt) -> Answer:
        def shown(outcome: filing.Submitted) -> Answer:
            if isinstance(outcome, filing.SignatureRefused):
                return _refused(request, outcome)
            return _registered(outcome)

        kept, keep = _keeping(attempt, shown)
        await filing.submit(desk.ws, person, case_id, signature, keep)
        return kept[0]

    return await _once(request, desk, person, act)


@router.post("/{case_id}/take", response_model=OwnCaseView)
@may_be_keyed
@refuses("own_case.changed_meanwhile", "own_case.unknown", "own_case.wrong_state", "staff.role_not_enough")
async def take_over(request: Request, desk: OfDesk, person: Person, case_id: str) -> Response:
    """The head goes on with somebody else's draft."""

    async def act(_: Attempt) -> Answer:
        await drafts.take_over(desk.ws, person, case_id)
        return await _shown(desk, person, case_id)

    return await _once(request, desk, person, act)


@router.post("/{case_id}/abandon", response_model=OwnCaseView)
@may_be_keyed
@refuses(
    "own_case.changed_meanwhile", "own_case.of_another", "own_case.unknown", "own_case.wrong_state",
    "staff.role_not_enough",
)  # fmt: skip
async def abandon(request: Request, desk: OfDesk, person: Person, case_id: str) -> Response:
    """Gives up a draft nobody will send."""

    async def act(_: Attempt) -> Answer:
        await drafts.abandon(desk.ws, person, case_id)
        return await _shown(desk, person, case_id)

    return await _once(request, desk, person, act)


def _registered(outcome: filing.Registered) -> Answer:
    draft, case = outcome.draft, outcome.case
    shown = OwnRegistered(
        id=case.id, number=case.number, state=draft.state, version=draft.version, registered_at=case.registered_at
    )
    return _answer(200, shown, draft)


def _refused(request: Request, outcome: filing.SignatureRefused) -> Answer:
    """A refusal that has taken effect: stored and repeated like any other answer."""
    draft = outcome.draft
    error = EgovError(
        outcome.code,
        clause=outcome.clause,
        case=draft.id,
        state=draft.state.value,
        step=outcome.step,
        thumbprint=draft.certificate or "-",
    )
    status, document, headers = rendered(request.app.state.problems, error, request)
    return Answer(status, document, {"etag": etag(draft.version), **headers}, MEDIA_TYPE)


def _keeping(attempt: Attempt, shown: Callable[[Any], Answer]) -> tuple[list[Answer], Keep[Any]]:
    """Keeps the answer in the transaction of the effect, and here for the caller."""
    kept: list[Answer] = []

    async def keep(conn: AsyncConnection, outcome: Any) -> None:
        kept.append(await attempt.keep(conn, shown(outcome)))

    return kept, keep


async def _shown(desk: Desk, person: Staff, case_id: str) -> Answer:
    opened = await reading.open_draft(desk.ws, person, case_id, None)
    return _answer(200, own_view(desk.ws, opened), opened.draft)


def _answer(status: int, shown: BaseModel, draft: OwnCase, **headers: str) -> Answer:
    return Answer(status, shown.model_dump(mode="json"), {"etag": etag(draft.version), **headers})


async def _once(request: Request, desk: Desk, person: Staff, act: Call) -> Response:
    return await desk.idempotent.run(request, scope=f"staff:{person.id}", call=act, required=False)
