"""Bus in: one function per message. HANDLERS at the foot is the index."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.service import handing, queries
from con_arm.service.parts import Centre
from egovkit.inbox import Received
from egovlaw.kinds import message_type
from egovorigin.handlers import CASE_HANDLERS
from egovorigin.messages import case_of, from_gateway, refusal


async def envelope_refused(centre: Centre, conn: AsyncConnection, received: Received) -> None:
    """Of a question, of an application or of the record of a hand-over."""
    case = await case_of(conn, centre, received)
    if not await queries.take_refusal(conn, centre, received, case):
        await from_gateway(conn, centre, received, case, refusal(received, handing.not_taken(case)))


async def register_answered(centre: Centre, conn: AsyncConnection, received: Received) -> None:
    await queries.take_answer(conn, centre, received, await case_of(conn, centre, received))


HANDLERS: Mapping[str, Callable[[Centre, AsyncConnection, Received], Awaitable[None]]] = {
    **CASE_HANDLERS,
    message_type("envelope.refused"): envelope_refused,
    message_type("answer.person"): register_answered,
    message_type("answer.attorney"): register_answered,
}
