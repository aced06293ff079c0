"""The head's word on the term of a case: extend, pause, resume."""

from __future__ import annotations

from datetime import UTC

from fastapi import Request, Response

from egovkit.declared import may_be_keyed, refuses
from egovkit.idempotency import Answer, Attempt, Call
from egovkit.routes import Routes
from egovlaw.terms import Reason
from provider_arm.api.access import Desk, OfDesk, Person, Seen, etag
from provider_arm.api.models import CaseStanding, ExtendWish, PauseWish, ResumeWish
from provider_arm.api.render import standing
from provider_arm.domain.cases import Case
from provider_arm.service import terms

router = Routes(prefix="/v1/cases", tags=["terms"])


@router.post("/{case_id}/extend", response_model=CaseStanding)
@may_be_keyed
@refuses(
    "case.not_served", "decision.conflict", "provider.case_unknown", "staff.role_not_enough",
    "term.extension_beyond", "term.extension_not_later", "term.extension_without_reason",
)  # fmt: skip
async def extend(
    request: Request, desk: OfDesk, person: Person, *, case_id: str, seen: Seen, wish: ExtendWish
) -> Response:
    """To a later moment, within what contracts/calendar.yaml allows."""
    until = wish.working_days or 0 if wish.until is None else wish.until.astimezone(UTC)
    reason = Reason(wish.reason_ru, wish.reason_kk)

    async def act(_: Attempt) -> Answer:
        return _stands(await terms.extend(desk.ws, person, case_id, until, reason, expected=seen))

    return await _once(request, desk, person.id, act)


@router.post("/{case_id}/pause", response_model=CaseStanding)
@may_be_keyed
@refuses(
    "case.not_served", "decision.conflict", "provider.case_unknown", "staff.role_not_enough",
    "term.already_paused", "term.ended", "term.none",
)  # fmt: skip
async def pause(
    request: Request, desk: OfDesk, person: Person, *, case_id: str, seen: Seen, wish: PauseWish
) -> Response:
    """The term stands still until it is resumed; the work may go on."""
    reason = Reason(wish.reason_ru, wish.reason_kk)

    async def act(_: Attempt) -> Answer:
        return _stands(await terms.pause(desk.ws, person, case_id, reason, expected=seen))

    return await _once(request, desk, person.id, act)


@router.post("/{case_id}/resume", response_model=CaseStanding)
@may_be_keyed
@refuses(
    "case.not_served", "decision.conflict", "provider.case_unknown", "staff.role_not_enough", "term.not_paused",
)  # fmt: skip
async def resume(
    request: Request, desk: OfDesk, person: Person, *, case_id: str, seen: Seen, wish: ResumeWish
) -> Response:
    """The term runs on; its end has moved by the working time that was paused."""

    async def act(_: Attempt) -> Answer:
        return _stands(await terms.resume(desk.ws, person, case_id, expected=seen))

    return await _once(request, desk, person.id, act)


async def _once(request: Request, desk: Desk, staff_id: str, act: Call) -> Response:
    return await desk.idempotent.run(request, scope=f"staff:{staff_id}", call=act, required=False)


def _stands(case: Case) -> Answer:
    return Answer(200, standing(case).model_dump(mode="json"), {"etag": etag(case.version)})
