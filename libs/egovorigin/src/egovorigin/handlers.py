"""Bus in: what an origin is told of its cases, one function per message. CASE_HANDLERS at the foot is the index.

An origin adds its own: answers of registers, and refusals, since each knows alone what it has sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.inbox import Handler, Prepare, Received
from egovlaw.kinds import message_type
from egovorigin.domain.states import POSITIVE, BusEvent
from egovorigin.messages import accepted, checked_result, from_owner, keep_refusal, keep_result, moment
from egovorigin.origin import AnyOrigin, News

AnO = TypeVar("AnO", bound=AnyOrigin)


async def envelope_accepted(origin: AnyOrigin, conn: AsyncConnection, received: Received) -> None:
    await accepted(conn, origin, received)


async def case_registered(origin: AnyOrigin, conn: AsyncConnection, received: Received) -> None:
    data = received.data
    number = {"number": data["number"]}
    news = News(
        BusEvent.REGISTERED,
        {**number, "registered_at": moment(data["registered_at"])},
        version=data["version"],
    )
    await from_owner(conn, origin, received, news)


async def case_status(origin: AnyOrigin, conn: AsyncConnection, received: Received) -> None:
    data = received.data
    status = {name: data[name] for name in ("status", "text_ru", "text_kk", "at")}
    news = News(
        BusEvent.STATUS,
        {"status": status, **_number(data)},
        detail={"status": data["status"]},
        version=data["version"],
    )
    await from_owner(conn, origin, received, news)


async def case_extended(origin: AnyOrigin, conn: AsyncConnection, received: Received) -> None:
    await from_owner(conn, origin, received, _term(received, BusEvent.EXTENDED))


async def case_paused(origin: AnyOrigin, conn: AsyncConnection, received: Received) -> None:
    await from_owner(conn, origin, received, _term(received, BusEvent.PAUSED))


async def case_resumed(origin: AnyOrigin, conn: AsyncConnection, received: Received) -> None:
    await from_owner(conn, origin, received, _term(received, BusEvent.RESUMED))


async def case_refused(origin: AnyOrigin, conn: AsyncConnection, received: Received) -> None:
    data = received.data
    news = News(
        BusEvent.REFUSED,
        _number(data),
        detail={"reasons": [reason["code"] for reason in data["reasons"]]},
        version=data["version"],
    )
    if await from_owner(conn, origin, received, news) is not None:
        await keep_refusal(conn, origin, received)


async def case_completed(origin: AnyOrigin, conn: AsyncConnection, received: Received) -> None:
    data = received.data
    outcome = data.get("outcome", POSITIVE)
    news = News(
        BusEvent.COMPLETED,
        {**_number(data), "outcome": outcome},
        detail={"outcome": outcome, **({"variant": data["variant"]} if "variant" in data else {})},
        version=data["version"],
    )
    if await from_owner(conn, origin, received, news) is not None:
        await keep_result(conn, origin, received, received.prepared)


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


CASE_HANDLERS: Mapping[str, Callable[[AnyOrigin, AsyncConnection, Received], Awaitable[None]]] = {
    message_type("envelope.accepted"): envelope_accepted,
    message_type("case.registered"): case_registered,
    message_type("case.status"): case_status,
    message_type("case.extended"): case_extended,
    message_type("case.paused"): case_paused,
    message_type("case.resumed"): case_resumed,
    message_type("case.refused"): case_refused,
    message_type("case.completed"): case_completed,
}

# Before the transaction: what takes processor time.
PREPARES: Mapping[str, Callable[[AnyOrigin, Received], Awaitable[object]]] = {
    message_type("case.completed"): checked_result,
}


def bound(
    origin: AnO, handlers: Mapping[str, Callable[[AnO, AsyncConnection, Received], Awaitable[None]]]
) -> dict[str, Handler]:
    """The handlers as the inbox calls them."""
    return {type_: partial(handler, origin) for type_, handler in handlers.items()}


def prepares(origin: AnyOrigin) -> dict[str, Prepare]:
    return {type_: partial(prepare, origin) for type_, prepare in PREPARES.items()}
