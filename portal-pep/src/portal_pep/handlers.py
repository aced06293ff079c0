"""Bus in: one function per message. HANDLERS at the foot is the index."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.inbox import Handler, Prepare, Received
from egovlaw.kinds import message_type
from egovorigin.domain.states import POSITIVE, BusEvent
from portal_pep.domain import data_reads as data_reads_domain
from portal_pep.domain.queue_positions import ANSWER
from portal_pep.domain.texts import NoticeKind
from portal_pep.service import data_reads, messages, queue_positions
from portal_pep.service.cases import KAZAKHSTAN
from portal_pep.service.messages import News, moment
from portal_pep.service.parts import Portal

PortalHandler = Callable[[Portal, AsyncConnection, Received], Awaitable[None]]


async def envelope_accepted(portal: Portal, conn: AsyncConnection, received: Received) -> None:
    await messages.accepted(conn, portal, received)


async def envelope_refused(portal: Portal, conn: AsyncConnection, received: Received) -> None:
    if await data_reads.refuse(conn, portal, received) or await queue_positions.refuse(conn, portal, received):
        return
    await messages.refused_by_gateway(conn, portal, received)


async def answer_register(portal: Portal, conn: AsyncConnection, received: Received) -> None:
    await queue_positions.take_answer(conn, portal, received)


async def answer_reads(portal: Portal, conn: AsyncConnection, received: Received) -> None:
    await data_reads.take_answer(conn, portal, received)


async def case_registered(portal: Portal, conn: AsyncConnection, received: Received) -> None:
    data = received.data
    number = {"number": data["number"]}
    news = News(
        BusEvent.REGISTERED,
        {**number, "registered_at": moment(data["registered_at"])},
        NoticeKind.REGISTERED,
        kk=number,
        ru=number,
        version=data["version"],
    )
    await messages.from_owner(conn, portal, received, news)


async def case_status(portal: Portal, conn: AsyncConnection, received: Received) -> None:
    data = received.data
    status = {name: data[name] for name in ("status", "text_ru", "text_kk", "at")}
    news = News(
        BusEvent.STATUS,
        {"status": status, **_number(data)},
        NoticeKind.STATUS,
        kk={"text": data["text_kk"]},
        ru={"text": data["text_ru"]},
        detail={"status": data["status"]},
        version=data["version"],
    )
    await messages.from_owner(conn, portal, received, news)


async def case_extended(portal: Portal, conn: AsyncConnection, received: Received) -> None:
    await messages.from_owner(conn, portal, received, _term(received, BusEvent.EXTENDED, NoticeKind.EXTENDED))


async def case_paused(portal: Portal, conn: AsyncConnection, received: Received) -> None:
    await messages.from_owner(conn, portal, received, _term(received, BusEvent.PAUSED, NoticeKind.PAUSED))


async def case_resumed(portal: Portal, conn: AsyncConnection, received: Received) -> None:
    await messages.from_owner(conn, portal, received, _term(received, BusEvent.RESUMED, NoticeKind.RESUMED))


async def case_refused(portal: Portal, conn: AsyncConnection, received: Received) -> None:
    data = received.data
    news = News(
        BusEvent.REFUSED,
        _number(data),
        NoticeKind.REFUSED,
        detail={"reasons": [reason["code"] for reason in data["reasons"]]},
        version=data["version"],
    )
    case = await messages.from_owner(conn, portal, received, news)
    if case is not None:
        await messages.keep_refusal(conn, received, case)


async def case_completed(portal: Portal, conn: AsyncConnection, received: Received) -> None:
    data = received.data
    outcome = data.get("outcome", POSITIVE)
    notice = NoticeKind.COMPLETED if outcome == POSITIVE else NoticeKind.REFUSED
    news = News(
        BusEvent.COMPLETED,
        {**_number(data), "outcome": outcome},
        notice,
        detail={"outcome": outcome, **({"variant": data["variant"]} if "variant" in data else {})},
        version=data["version"],
    )
    case = await messages.from_owner(conn, portal, received, news)
    if case is not None:
        await messages.keep_result(conn, received, case, received.prepared)


def _term(received: Received, event: BusEvent, notice: NoticeKind) -> News:
    """A term that runs is told with its end; one that is paused has none yet."""
    data = received.data
    until = moment(data["until"]) if "until" in data else None
    shown = {} if until is None else {"until": until.astimezone(KAZAKHSTAN).date().isoformat()}
    change = {"what": event.value, **{name: data[name] for name in ("at", "reason_ru", "reason_kk")}}
    return News(
        event,
        {**({} if until is None else {"term_until": until}), **_number(data), "term_change": change},
        notice,
        kk={"text": data["reason_kk"], **shown},
        ru={"text": data["reason_ru"], **shown},
        detail={name: data[name] for name in ("reason_ru", "reason_kk", "until") if name in data},
        version=data["version"],
    )


def _number(data: Mapping[str, Any]) -> dict[str, Any]:
    """Later messages repeat the number, so that it is known even when they overtake the registration."""
    return {"number": data["number"]} if data["number"] is not None else {}


HANDLERS: Mapping[str, PortalHandler] = {
    message_type("envelope.accepted"): envelope_accepted,
    message_type("envelope.refused"): envelope_refused,
    message_type("case.registered"): case_registered,
    message_type("case.status"): case_status,
    message_type("case.extended"): case_extended,
    message_type("case.paused"): case_paused,
    message_type("case.resumed"): case_resumed,
    message_type("case.refused"): case_refused,
    message_type("case.completed"): case_completed,
    message_type(ANSWER): answer_register,
    message_type(data_reads_domain.ANSWER): answer_reads,
}


# Before the transaction: what takes processor time.
PREPARES: Mapping[str, Callable[[Portal, Received], Awaitable[object]]] = {
    message_type("case.completed"): messages.checked_result,
}


def bound(portal: Portal) -> dict[str, Handler]:
    """The handlers as the inbox calls them."""
    return {type_: partial(handler, portal) for type_, handler in HANDLERS.items()}


def prepares(portal: Portal) -> dict[str, Prepare]:
    return {type_: partial(prepare, portal) for type_, prepare in PREPARES.items()}
