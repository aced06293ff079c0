"""Bus in: one function per message. HANDLERS at the foot is the index."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.service import messages
from con_arm.service.messages import News, moment
from con_arm.service.parts import Centre
from egovkit.inbox import Handler, Prepare, Received
from egovlaw.kinds import message_type
from egovorigin.domain.states import POSITIVE, BusEvent

CentreHandler = Callable[[Centre, AsyncConnection, Received], Awaitable[None]]


async def envelope_accepted(centre: Centre, conn: AsyncConnection, received: Received) -> None:
    await messages.accepted(conn, centre, received)


async def envelope_refused(centre: Centre, conn: AsyncConnection, received: Received) -> None:
    await messages.refused_by_gateway(conn, centre, received)


async def register_answered(centre: Centre, conn: AsyncConnection, received: Received) -> None:
    await messages.answered(conn, centre, received)


async def case_registered(centre: Centre, conn: AsyncConnection, received: Received) -> None:
    data = received.data
    number = {"number": data["number"]}
    news = News(
        BusEvent.REGISTERED,
        {**number, "registered_at": moment(data["registered_at"])},
        version=data["version"],
    )
    await messages.from_owner(conn, centre, received, news)


async def case_status(centre: Centre, conn: AsyncConnection, received: Received) -> None:
    data = received.data
    status = {name: data[name] for name in ("status", "text_ru", "text_kk", "at")}
    news = News(
        BusEvent.STATUS,
        {"status": status, **_number(data)},
        detail={"status": data["status"]},
        version=data["version"],
    )
    await messages.from_owner(conn, centre, received, news)


async def case_extended(centre: Centre, conn: AsyncConnection, received: Received) -> None:
    await messages.from_owner(conn, centre, received, _term(received, BusEvent.EXTENDED))


async def case_paused(centre: Centre, conn: AsyncConnection, received: Received) -> None:
    await messages.from_owner(conn, centre, received, _term(received, BusEvent.PAUSED))


async def case_resumed(centre: Centre, conn: AsyncConnection, received: Received) -> None:
    await messages.from_owner(conn, centre, received, _term(received, BusEvent.RESUMED))


async def case_refused(centre: Centre, conn: AsyncConnection, received: Received) -> None:
    data = received.data
    news = News(
        BusEvent.REFUSED,
        _number(data),
        detail={"reasons": [reason["code"] for reason in data["reasons"]]},
        version=data["version"],
    )
    case = await messages.from_owner(conn, centre, received, news)
    if case is not None:
        await messages.keep_refusal(conn, received, case)


async def case_completed(centre: Centre, conn: AsyncConnection, received: Received) -> None:
    data = received.data
    outcome = data.get("outcome", POSITIVE)
    news = News(
        BusEvent.COMPLETED,
        {**_number(data), "outcome": outcome},
        detail={"outcome": outcome, **({"variant": data["variant"]} if "variant" in data else {})},
        version=data["version"],
    )
    case = await messages.from_owner(conn, centre, received, news)
    if case is not None:
        await messages.keep_result(conn, received, case, received.prepared)


def _term(received: Received, event: BusEvent) -> News:
    """A term that runs is told with its end; one that is paused has none yet."""
    data = received.data
    until = {"term_until": moment(data["until"])} if "until" in data else {}
    change = {"what": event.value, **{name: data[name] for name in ("at", "reason_ru", "reason_kk")}}
    return News(
        event,
        {**until, **_number(data), "term_change": change},
        detail={name: data[name] for name in ("reason_ru", "reason_kk", "until") if name in data},
        version=data["version"],
    )


def _number(data: Mapping[str, Any]) -> dict[str, Any]:
    """Later messages repeat the number, so that it is known even when they overtake the registration."""
    return {"number": data["number"]} if data["number"] is not None else {}


HANDLERS: Mapping[str, CentreHandler] = {
    message_type("envelope.accepted"): envelope_accepted,
    message_type("envelope.refused"): envelope_refused,
    message_type("answer.person"): register_answered,
    message_type("answer.attorney"): register_answered,
    message_type("case.registered"): case_registered,
    message_type("case.status"): case_status,
    message_type("case.extended"): case_extended,
    message_type("case.paused"): case_paused,
    message_type("case.resumed"): case_resumed,
    message_type("case.refused"): case_refused,
    message_type("case.completed"): case_completed,
}


# Before the transaction: what takes processor time.
PREPARES: Mapping[str, Callable[[Centre, Received], Awaitable[object]]] = {
    message_type("case.completed"): messages.checked_result,
}


def bound(centre: Centre) -> dict[str, Handler]:
    """The handlers as the inbox calls them."""
    return {type_: partial(handler, centre) for type_, handler in HANDLERS.items()}


def prepares(centre: Centre) -> dict[str, Prepare]:
    return {type_: partial(prepare, centre) for type_, prepare in PREPARES.items()}
