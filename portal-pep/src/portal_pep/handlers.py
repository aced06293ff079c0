"""Bus in: one function per message. HANDLERS at the foot is the index."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.inbox import Received
from egovlaw.kinds import message_type
from egovorigin.handlers import CASE_HANDLERS
from egovorigin.messages import case_of, from_gateway, refusal
from portal_pep.domain import data_reads as data_reads_domain
from portal_pep.domain.queue_positions import ANSWER
from portal_pep.service import data_reads, queue_positions
from portal_pep.service.parts import Portal


async def envelope_refused(portal: Portal, conn: AsyncConnection, received: Received) -> None:
    """Of a question of ours; or of an application, which is then signed and sent anew from this moment on."""
    if await data_reads.refuse(conn, portal, received) or await queue_positions.refuse(conn, portal, received):
        return
    case = await case_of(conn, portal, received)
    await from_gateway(conn, portal, received, case, refusal(received, started_at=received.at))


async def answer_register(portal: Portal, conn: AsyncConnection, received: Received) -> None:
    await queue_positions.take_answer(conn, portal, received)


async def answer_reads(portal: Portal, conn: AsyncConnection, received: Received) -> None:
    await data_reads.take_answer(conn, portal, received)


HANDLERS: Mapping[str, Callable[[Portal, AsyncConnection, Received], Awaitable[None]]] = {
    **CASE_HANDLERS,
    message_type("envelope.refused"): envelope_refused,
    message_type(ANSWER): answer_register,
    message_type(data_reads_domain.ANSWER): answer_reads,
}
