"""Intake at a desk whose channel the act only names (A36): a number, a receipt, and the provider's own work.

No step of a flow and no envelope: the act describes none, and the bus has no order to hold one against.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError, FieldError
from egovlaw.catalogue import Channel, Regulation
from egovlaw.identifiers import iin_problem
from provider_arm.domain.cases import Case, CaseState, Role, Staff, document_bytes
from provider_arm.domain.desks import (
    TAKES_IN,
    TEXTS,
    Receipt,
    ReceiptKind,
    desk_of,
    desk_times,
    may_refuse_to_accept,
    unknown_papers,
)
from provider_arm.service import internal, timers
from provider_arm.service.context import Keep, Workstation, stamp
from provider_arm.service.own_flow import provider_of
from provider_arm.service.registration import first_task, next_number
from provider_arm.store import cases, desks, people, tasks
from provider_arm.store.desks import ReceiptFilter
from provider_arm.store.paging import Page


@dataclass(frozen=True, slots=True)
class Brought:
    """Who came with what. `papers`: those shown, or, of a refusal, those missing."""

    regulation: str
    channel: str
    iin: str
    papers: Sequence[Mapping[str, Any]]
    form: Mapping[str, Any]
    arrived_at: datetime | None  # in the queue, if the desk knows
    called_at: datetime | None  # to the desk, if it knows


@dataclass(frozen=True, slots=True)
class Place:
    """Where it happens: one official at one desk, in one transaction, at one moment."""

    ws: Workstation
    conn: AsyncConnection
    person: Staff
    regulation: Regulation
    channel: Channel
    now: datetime

    @property
    def provider(self) -> str:
        return provider_of(self.regulation)


async def take_in(ws: Workstation, person: Staff, brought: Brought, keep: Keep[Receipt]) -> Receipt:
    """A number, a case, its first task and the receipt."""
    regulation, channel = desk_for(ws, person, brought.regulation, brought.channel, TAKES_IN)
    ws.require_in_force(regulation)
    _require_sense(ws, regulation, brought)
    async with ws.db.begin() as conn:
        place = Place(ws, conn, person, regulation, channel, ws.clock.now())
        case = await _case(place, brought)
        await cases.add(conn, case, cases.Lodged(_application(place, case, brought), b"", None))  # on paper: no ЭЦП
        if not await internal.start(ws, conn, case):
            await tasks.add(conn, first_task(ws, case))
        await timers.start_term(ws, conn, case, "registration")
        receipt = await _receipt(place, brought, ReceiptKind.ACCEPTED, (case.number, case.id))
        await keep(conn, receipt)
    return receipt


async def refuse(ws: Workstation, person: Staff, brought: Brought, keep: Keep[Receipt]) -> Receipt:
    """The receipt of refusal to accept an incomplete package, where the act gives the desk that right (E10)."""
    regulation, channel = desk_for(ws, person, brought.regulation, brought.channel, TAKES_IN)
    if not may_refuse_to_accept(regulation, channel):
        raise EgovError("intake.no_refusal", regulation=regulation.code, channel=channel.code)
    _require_sense(ws, regulation, brought)
    async with ws.db.begin() as conn:
        place = Place(ws, conn, person, regulation, channel, ws.clock.now())
        # Refusals are numbered by themselves: a case's number is never spent on one.
        number = await next_number(conn, f"{place.provider}#refusals", place.now)
        receipt = await _receipt(place, brought, ReceiptKind.REFUSED, (number, None))
        await keep(conn, receipt)
    return receipt


async def listed(
    ws: Workstation, person: Staff, wanted: ReceiptFilter, page: Page
) -> tuple[list[Receipt], str | None, dict[str, str]]:
    async with ws.db.read() as conn:
        found, after = await desks.listed(conn, person, wanted, page)
        return found, after, await people.names(conn, {one.issued_by for one in found})


async def shown(ws: Workstation, person: Staff, receipt_id: str) -> tuple[Receipt, dict[str, str]]:
    async with ws.db.read() as conn:
        found = await desks.receipt(conn, receipt_id)
        if found is None or not person.sees(found.region, found.provider):
            raise EgovError("intake.unknown")
        return found, await people.names(conn, {found.issued_by})


def desk_for(
    ws: Workstation, person: Staff, code: str, channel_code: str, roles: frozenset[Role], *, version: int | None = None
) -> tuple[Regulation, Channel]:
    """The act's channel, if this official's desk works it by hand; else who or what should."""
    regulation = ws.procedures.regulation(code, version)
    channel = None if regulation is None else regulation.channels.get(channel_code)
    desk = None if channel is None else desk_of(channel)
    if regulation is None or channel is None or desk is None:
        raise EgovError("intake.channel_unknown", regulation=code[:80], channel=channel_code[:40])
    if not person.sees(regulation.region, provider_of(regulation)):
        raise EgovError("intake.channel_unknown", regulation=code[:80], channel=channel_code[:40])
    if channel.has_flow:
        clause = ", ".join(channel.clauses)
        raise EgovError("intake.has_flow", clause=clause, regulation=regulation.code, channel=channel.code)
    if not person.roles & roles:
        raise EgovError("staff.role_not_enough", needed=sorted(roles), have=sorted(person.roles))
    if person.office_kind is not desk:
        raise EgovError("intake.other_desk", needed=desk.value, have=person.office_kind.value)
    return regulation, channel


def _require_sense(ws: Workstation, regulation: Regulation, brought: Brought) -> None:
    errors = []
    if (problem := iin_problem(brought.iin)) is not None:
        errors.append(FieldError("iin", "wrong_form", problem))
    now = ws.clock.now()
    moments = [one for one in (brought.arrived_at, brought.called_at) if one is not None]
    if moments != sorted(moments) or any(one > now for one in moments):
        errors.append(FieldError("called_at", "wrong_form", "nobody is called before he comes, or later than now"))
    if errors:
        raise EgovError("request.invalid", errors=errors)
    if unknown := unknown_papers(regulation, [str(paper["name"]) for paper in brought.papers]):
        raise EgovError("intake.paper_unknown", papers=", ".join(unknown), regulation=regulation.code)


async def _case(place: Place, brought: Brought) -> Case:
    """The papers were looked at here: with an internal procedure that is what comes next, up to the result."""
    id_, now = place.ws.ids.new(), place.now
    state = CaseState.AWAITING_RESULT if place.regulation.internal_procedure else CaseState.REGISTERED
    return Case(
        id=id_,
        provider=place.provider,
        number=await next_number(place.conn, place.provider, now),
        regulation=place.regulation.code,
        regulation_version=place.regulation.version,
        channel=place.channel.code,
        region=place.regulation.region,
        source=place.ws.code,
        envelope_id=id_,  # no envelope led to a case born here
        applicant_iin=brought.iin,
        attachments=(),
        verified=True,
        reasons=(),
        state=state,
        version=1,
        trail=(),
        submitted_at=now,
        received_at=now,
        registered_at=now,
        changed_at=now,
        changed_by=place.person.id,
    )


def _application(place: Place, case: Case, brought: Brought) -> bytes:
    body = {
        "kind": "application",
        "on_paper": True,
        "case": case.id,
        "regulation": case.regulation,
        "version": case.regulation_version,
        "provider": case.provider,
        "region": case.region,
        "channel": case.channel,
        "applicant": {"iin": brought.iin},
        "form": dict(brought.form),
        "papers": [dict(paper) for paper in brought.papers],
        "attachments": [],
        "official": {"name": place.person.name, "office": place.person.office},
        "taken_in_at": stamp(place.now),
    }
    return document_bytes(body)


async def _receipt(place: Place, brought: Brought, kind: ReceiptKind, about: tuple[str, str | None]) -> Receipt:
    number, case_id = about
    times = desk_times(place.regulation, place.channel, brought.arrived_at, brought.called_at, place.now)
    receipt = Receipt(
        id=place.ws.ids.new(),
        kind=kind,
        number=number,
        region=place.regulation.region,
        provider=place.provider,
        regulation=place.regulation.code,
        channel=place.channel.code,
        case_id=case_id,
        applicant_iin=brought.iin,
        document=_paper(place, brought, kind, about),
        times=times,
        issued_by=place.person.id,
        issued_at=place.now,
    )
    await desks.add_receipt(place.conn, receipt)
    regulation = place.regulation
    law = {"regulation": regulation.code, "regulation_version": regulation.version, "channel": place.channel.code}
    told = {**law, "number": number, "receipt": receipt.id, "papers": len(brought.papers), "times": times}
    clause = ", ".join(place.channel.clauses)
    action, by = f"intake.{kind.value}", place.person.id
    await place.ws.journal_action(place.conn, action, case_id, by=by, clause=clause, **told)
    return receipt


def _paper(place: Place, brought: Brought, kind: ReceiptKind, about: tuple[str, str | None]) -> bytes:
    """The receipt as the applicant carries it away."""
    (number, case_id), text = about, TEXTS[kind]
    body = {
        "kind": f"receipt_{kind.value}",
        "number": number,
        **({} if case_id is None else {"case": case_id}),
        "regulation": place.regulation.code,
        "service_ru": place.regulation.title_ru,
        "service_kk": place.regulation.title_kk,
        "provider": place.provider,
        "region": place.regulation.region,
        "channel": place.channel.code,
        "clause": ", ".join(place.channel.clauses),
        "applicant": {"iin": brought.iin},
        "papers" if kind is ReceiptKind.ACCEPTED else "missing": [dict(paper) for paper in brought.papers],
        "text_ru": text.ru,
        "text_kk": text.kk,
        "official": {"name": place.person.name, "office": place.person.office},
        "issued_at": stamp(place.now),
    }
    return document_bytes(body)
