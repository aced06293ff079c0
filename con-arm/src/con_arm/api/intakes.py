"""Papers taken in where the act only names the counter (A36)."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import Field

from con_arm.api.base import AtCounter, TheCentre, once
from con_arm.api.cases import Iin, PaperMarked
from con_arm.api.ending import PDF, PRINTABLE, pdf_answer
from con_arm.domain.papers import Paper
from con_arm.service import intakes, printing
from con_arm.service.intakes import IntakeWish
from con_arm.store.intakes import Intake
from egovkit.declared import keyed, refuses
from egovkit.routes import Routes
from egovorigin.api import PAGE, Cursor, Key, Limit, Shown, Strict, cursor_of, encoded, kept, key_of, model_answer
from egovorigin.domain.document import read_document
from egovorigin.origin import Keep

router = Routes(prefix="/v1/intakes", tags=["intake"])


class NewIntake(Strict):
    regulation: Annotated[str, Field(min_length=1, max_length=80)]
    iin: Iin
    papers: Annotated[list[PaperMarked], Field(min_length=1, max_length=50)]
    note: Annotated[str | None, Field(max_length=1000, pattern=PRINTABLE)] = None


class IntakeShown(Shown):
    id: str
    number: str
    regulation: str
    version: int
    region: str
    channel: str
    operator: str
    at: datetime
    papers: list[dict[str, Any]]
    note: str | None
    document: Annotated[str, Field(description="base64 of the exact bytes of the receipt")]
    sha256: str
    content: dict[str, Any] | None


class IntakeList(Shown):
    items: list[IntakeShown]
    next: str | None


@router.post("", status_code=201, response_model=IntakeShown)
@keyed
@refuses("intake.not_for_service", "service.not_in_force", "service.of_another_region")
async def take_in(
    request: Request, centre: TheCentre, identity: AtCounter, body: NewIntake, key: Key = None
) -> Response:
    """A record and a receipt; nothing is sent."""
    papers = [Paper(**paper.model_dump()) for paper in body.papers]
    wish = IntakeWish(body.regulation, body.iin, papers, body.note)

    async def work(keep: Keep[Intake]) -> object:
        return await intakes.take_in(centre, identity.operator, wish, keep)

    return await once(request, identity, kept(lambda one: model_answer(201, _shown(one)), work))


@router.get("")
@refuses("request.cursor_invalid")
async def list_intakes(
    centre: TheCentre, identity: AtCounter, cursor: Cursor = None, limit: Limit = PAGE
) -> IntakeList:
    found, more = await intakes.intakes(centre, identity.operator, before=key_of(cursor), limit=limit)
    return IntakeList(items=[_shown(one) for one in found], next=cursor_of(found[-1].id) if more else None)


@router.get("/{intake_id}")
@refuses("intake.not_found")
async def show_intake(centre: TheCentre, identity: AtCounter, intake_id: str) -> IntakeShown:
    return _shown(await intakes.intake(centre, identity.operator, intake_id))


@router.get("/{intake_id}/receipt.pdf", response_class=Response, responses=PDF)
@refuses("intake.not_found")
async def intake_pdf(centre: TheCentre, identity: AtCounter, intake_id: str) -> Response:
    """The receipt for the papers as PDF/A, to be printed and given to the consumer."""
    return await pdf_answer(centre, await printing.intake_page(centre, identity.operator, intake_id))


def _shown(one: Intake) -> IntakeShown:
    return IntakeShown(
        id=one.id,
        number=one.number,
        regulation=one.regulation,
        version=one.regulation_version,
        region=one.region,
        channel=one.channel,
        operator=one.operator_id,
        at=one.at,
        papers=one.papers,
        note=one.note,
        document=encoded(one.document),
        sha256=hashlib.sha256(one.document).hexdigest(),
        content=read_document(one.document),
    )
