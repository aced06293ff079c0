"""Intake by hand, its receipts, and results given out at the desk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.declared import may_be_keyed, refuses
from egovkit.idempotency import Answer, Attempt
from egovkit.routes import Routes
from egovkit.signatures.documents import OF_A_SIGNATURE
from provider_arm.api.access import Cursor, Limit, OfDesk, Person, etag
from provider_arm.api.models import Base64, CaseStanding, Code, Iin, Model, PersonRef, ValueName, Wish
from provider_arm.api.own_models import FormValue, Paper
from provider_arm.api.paging import page_of
from provider_arm.api.render import b64, decoded, person_ref, standing, titles
from provider_arm.api.results import PDF
from provider_arm.domain.cases import Case, masked_iin
from provider_arm.domain.desks import Receipt, ReceiptKind, Way
from provider_arm.service import giving_out, intakes, printing
from provider_arm.service.context import Workstation
from provider_arm.service.intakes import Brought
from provider_arm.store.desks import NEWEST_FIRST, ReceiptFilter

router = Routes(prefix="/v1", tags=["desk"])

Moment = Annotated[datetime | None, Field(strict=False)]


class AtDesk(Wish):
    """Who came; `arrived_at` and `called_at` where the desk's queue knows them (UTC, with an offset)."""

    regulation: Code
    channel: Code
    iin: Iin
    arrived_at: Moment = None
    called_at: Moment = None


class IntakeNew(AtDesk):
    papers: Annotated[list[Paper], Field(min_length=1, max_length=50)]
    form: Annotated[dict[ValueName, FormValue], Field(max_length=100, default_factory=dict)]


class IntakeRefused(AtDesk):
    missing: Annotated[list[Paper], Field(min_length=1, max_length=50)]


class TimeView(Model):
    """Null: the act gives no such term, or nobody saw the beginning."""

    limit_s: float | None
    used_s: float | None
    clause: str | None
    late: bool


class ReceiptLine(Model):
    id: str
    kind: ReceiptKind
    number: str
    regulation: str
    title_ru: str
    title_kk: str
    channel: str
    case: str | None
    applicant_iin: str  # always masked
    issued_at: datetime
    issued_by: PersonRef | None
    waiting: TimeView
    counter: TimeView


class ReceiptView(ReceiptLine):
    document: str  # base64 of the receipt
    sha256: str


class ReceiptPage(Model):
    items: list[ReceiptLine]
    next: str | None


class GiveOutPrepare(Wish):
    way: Annotated[Way, Field(strict=False)]
    to: Annotated[str | None, Field(max_length=320)] = None
    certificate: Annotated[str, Field(min_length=64, max_length=16_000)]


class GiveOutWish(Wish):
    """`signature` over the prepared record where the act's flow has the hand-over; else `way` and `to`."""

    way: Annotated[Way | None, Field(strict=False)] = None
    to: Annotated[str | None, Field(max_length=320)] = None
    signature: Base64 | None = None


class GiveOutPrepared(CaseStanding):
    document: str  # base64: sign exactly these bytes
    sha256: str


@router.post("/intakes", status_code=201, response_model=ReceiptView)
@may_be_keyed
@refuses(
    "case.not_served", "intake.channel_unknown", "intake.has_flow", "intake.other_desk", "intake.paper_unknown",
    "service.not_in_force", "staff.role_not_enough",
)  # fmt: skip
async def take_in(request: Request, desk: OfDesk, person: Person, wish: IntakeNew) -> Response:
    """Takes an application in by hand, where the act names the channel and describes no steps of it."""
    brought = _brought(wish, wish.papers, wish.form)

    async def act(attempt: Attempt) -> Answer:
        async def keep(conn: AsyncConnection, receipt: Receipt) -> None:
            kept.append(await attempt.keep(conn, _issued(desk.ws, receipt, {person.id: person.name})))

        kept: list[Answer] = []
        await intakes.take_in(desk.ws, person, brought, keep)
        return kept[0]

    return await desk.idempotent.run(request, scope=f"staff:{person.id}", call=act, required=False)


@router.post("/intakes/refusals", status_code=201, response_model=ReceiptView)
@may_be_keyed
@refuses(
    "intake.channel_unknown", "intake.has_flow", "intake.no_refusal", "intake.other_desk", "intake.paper_unknown",
    "staff.role_not_enough",
)  # fmt: skip
async def refuse_to_accept(request: Request, desk: OfDesk, person: Person, wish: IntakeRefused) -> Response:
    """A receipt of refusal to accept an incomplete package, where the act has one."""
    brought = _brought(wish, wish.missing, {})

    async def act(attempt: Attempt) -> Answer:
        async def keep(conn: AsyncConnection, receipt: Receipt) -> None:
            kept.append(await attempt.keep(conn, _issued(desk.ws, receipt, {person.id: person.name})))

        kept: list[Answer] = []
        await intakes.refuse(desk.ws, person, brought, keep)
        return kept[0]

    return await desk.idempotent.run(request, scope=f"staff:{person.id}", call=act, required=False)


@router.get("/intakes")
async def list_intakes(
    desk: OfDesk,
    person: Person,
    *,
    kind: ReceiptKind | None = None,
    regulation: Annotated[str | None, Query(max_length=80)] = None,
    channel: Annotated[str | None, Query(max_length=40)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ReceiptPage:
    """Receipts of the caller's region, newest first: taken in, and refused to be taken."""
    wanted = ReceiptFilter(kind, regulation, channel)
    with page_of(limit, NEWEST_FIRST, cursor) as page:
        found, after, names = await intakes.listed(desk.ws, person, wanted, page)
    return ReceiptPage(items=[_line(desk.ws, one, names) for one in found], next=after)


@router.get("/intakes/{receipt_id}")
@refuses("intake.unknown")
async def show_intake(desk: OfDesk, person: Person, receipt_id: str) -> ReceiptView:
    return _view(desk.ws, *await intakes.shown(desk.ws, person, receipt_id))


@router.get("/intakes/{receipt_id}/receipt.pdf", response_class=Response, responses=PDF)
@refuses("case.not_served", "intake.unknown", "pdf.not_rendered")
async def intake_pdf(desk: OfDesk, person: Person, receipt_id: str) -> Response:
    """The receipt, or that of the refusal to accept, as PDF/A: to be printed and given to the applicant."""
    receipt, _ = await intakes.shown(desk.ws, person, receipt_id)
    pdf = await printing.receipt_pdf(desk.ws, receipt)
    headers = {
        "cache-control": "private, no-store",
        "content-disposition": f'inline; filename="receipt-{receipt.number}.pdf"',
    }
    return Response(pdf, headers=headers, media_type="application/pdf")


@router.post("/cases/{case_id}/give-out/prepare", response_model=GiveOutPrepared)
@may_be_keyed
@refuses(
    "decision.too_early", "give_out.no_address", "give_out.not_here", "give_out.not_prepared",
    "give_out.other_person", "give_out.way_not_allowed", "intake.channel_unknown", "intake.has_flow",
    "intake.other_desk", "provider.case_unknown", "result.certificate_not_official", "staff.role_not_enough",
)  # fmt: skip
async def prepare_give_out(
    request: Request, desk: OfDesk, person: Person, case_id: str, wish: GiveOutPrepare
) -> Response:
    """The record of the hand-over, to sign; for a channel whose flow has this step."""
    giving = giving_out.Giving(wish.way, wish.to)

    async def act(_: Attempt) -> Answer:
        case, document = await giving_out.prepare(desk.ws, person, case_id, giving, wish.certificate)
        digest = hashlib.sha256(document).hexdigest()
        shown = GiveOutPrepared(**standing(case).model_dump(), document=b64(document), sha256=digest)
        return Answer(200, shown.model_dump(mode="json"), {"etag": etag(case.version)})

    return await desk.idempotent.run(request, scope=f"staff:{person.id}", call=act, required=False)


@router.post("/cases/{case_id}/give-out", response_model=CaseStanding)
@may_be_keyed
@refuses(
    "decision.too_early", "give_out.no_address", "give_out.not_here", "give_out.not_prepared",
    "give_out.other_person", "give_out.way_not_allowed", "intake.channel_unknown", "intake.has_flow",
    "intake.other_desk", "provider.case_unknown", "signature.other_certificate", "staff.role_not_enough",
    *OF_A_SIGNATURE,
)  # fmt: skip
async def give_out(request: Request, desk: OfDesk, person: Person, case_id: str, wish: GiveOutWish) -> Response:
    """Gives the result out and ends the case; again, it changes nothing."""
    giving = None if wish.way is None else giving_out.Giving(wish.way, wish.to)
    signature = None if wish.signature is None else decoded("signature", wish.signature)

    async def act(_: Attempt) -> Answer:
        return _stands(await giving_out.give_out(desk.ws, person, case_id, giving, signature))

    return await desk.idempotent.run(request, scope=f"staff:{person.id}", call=act, required=False)


def _brought(wish: AtDesk, papers: list[Paper], form: Mapping[str, Any]) -> Brought:
    listed = [paper.model_dump() for paper in papers]
    return Brought(wish.regulation, wish.channel, wish.iin, listed, form, wish.arrived_at, wish.called_at)


def _issued(ws: Workstation, receipt: Receipt, names: Mapping[str, str]) -> Answer:
    location = {"location": f"/v1/intakes/{receipt.id}"}
    return Answer(201, _view(ws, receipt, names).model_dump(mode="json"), location)


def _line(ws: Workstation, receipt: Receipt, names: Mapping[str, str]) -> ReceiptLine:
    title_ru, title_kk = titles(ws, receipt.regulation)
    return ReceiptLine(
        id=receipt.id,
        kind=receipt.kind,
        number=receipt.number,
        regulation=receipt.regulation,
        title_ru=title_ru,
        title_kk=title_kk,
        channel=receipt.channel,
        case=receipt.case_id,
        applicant_iin=masked_iin(receipt.applicant_iin),
        issued_at=receipt.issued_at,
        issued_by=person_ref(names, receipt.issued_by),
        waiting=TimeView(**receipt.times["waiting"]),
        counter=TimeView(**receipt.times["counter"]),
    )


def _view(ws: Workstation, receipt: Receipt, names: Mapping[str, str]) -> ReceiptView:
    digest = hashlib.sha256(receipt.document).hexdigest()
    return ReceiptView(**_line(ws, receipt, names).model_dump(), document=b64(receipt.document), sha256=digest)


def _stands(case: Case) -> Answer:
    return Answer(200, standing(case).model_dump(mode="json"), {"etag": etag(case.version)})
