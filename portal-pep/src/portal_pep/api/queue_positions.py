"""Where the applicant stands in the queue his application put him into."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from fastapi import Request, Response

from egovkit.declared import keyed, refuses
from egovkit.routes import Routes
from egovorigin.api import Key, Shown, kept, model_answer
from egovorigin.origin import Keep
from portal_pep.api.base import Confirmed, ThePortal, once
from portal_pep.service import queue_positions
from portal_pep.service.queue_positions import Followed

router = Routes(prefix="/v1/cases", tags=["queues"])


class Named(Shown):
    code: str
    name_kk: str
    name_ru: str


class QueuePlace(Shown):
    """`number` is given once and stays; `position` moves as those before leave, and is null for who stands no more;
    `direction`: a place is free for him."""

    number: int
    position: int | None
    direction: bool | None
    category: Named | None
    family_size: int | None
    status: Named
    since: date
    until: date | None


class QuestionShown(Shown):
    """What became of the last question: waiting, answered, no_answer, unusable (it said nothing of what was asked), or
    refused by a gateway with `problem`. One that brought nothing may be asked again."""

    state: str
    asked_at: datetime
    due_at: datetime
    problem: dict[str, Any] | None


class QueuePositionShown(Shown):
    """`place`: as the register told it last; null before the first answer, and for who stands nowhere (`told_at` says
    which). `question`: null before the first one."""

    queue: str
    place: QueuePlace | None
    told_at: datetime | None
    question: QuestionShown | None


@router.get("/{case_id}/queue-position")
@refuses("case.not_found", "queue_position.none", "queue_position.too_early")
async def show_queue_position(portal: ThePortal, identity: Confirmed, case_id: str) -> QueuePositionShown:
    """The place as it was told last. POST asks the register anew."""
    return _shown(await queue_positions.shown(portal, identity.account, case_id))


@router.post("/{case_id}/queue-position", status_code=202, response_model=QueuePositionShown)
@keyed
@refuses("case.not_found", "queue_position.none", "queue_position.too_early", "register_query.register_absent")
async def ask_queue_position(
    *, request: Request, portal: ThePortal, identity: Confirmed, case_id: str, key: Key = None
) -> Response:
    """Asks the register over the bus; GET shows its answer when it has come. While a question waits, nothing new is
    asked."""

    async def work(keep: Keep[Followed]) -> object:
        return await queue_positions.ask(portal, identity.account, case_id, keep)

    return await once(request, identity, kept(lambda found: model_answer(202, _shown(found)), work))


def _shown(found: Followed) -> QueuePositionShown:
    position, state = found.position, found.state
    if position is None or state is None:
        return QueuePositionShown(queue=found.queue, place=None, told_at=None, question=None)
    place = None
    if position.entry is not None:
        place = QueuePlace.model_validate({name: position.entry.get(name) for name in QueuePlace.model_fields})
    question = QuestionShown(
        state=state.value,
        asked_at=position.asked_at,
        due_at=position.due_at,
        problem=None if position.problem is None else dict(position.problem),
    )
    return QueuePositionShown(queue=found.queue, place=place, told_at=position.told_at, question=question)
