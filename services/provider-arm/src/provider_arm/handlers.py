"""Bus in: one function per message. HANDLERS at the foot is the index."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.inbox import Handler, Prepare, Received
from egovlaw.kinds import message_type
from provider_arm.service import handover, intake, queries, registers
from provider_arm.service.context import Workstation

ArmHandler = Callable[[Workstation, AsyncConnection, Received], Awaitable[None]]


async def case_submitted(ws: Workstation, conn: AsyncConnection, received: Received) -> None:
    await intake.register_application(ws, conn, received)


async def case_handed_over(ws: Workstation, conn: AsyncConnection, received: Received) -> None:
    await handover.record_hand_over(ws, conn, received)


async def answer_person(ws: Workstation, conn: AsyncConnection, received: Received) -> None:
    await queries.take_answer(ws, conn, received)


async def answer_register(ws: Workstation, conn: AsyncConnection, received: Received) -> None:
    await registers.take_answer(ws, conn, received)


async def envelope_refused(ws: Workstation, conn: AsyncConnection, received: Received) -> None:
    await intake.record_refusal(ws, conn, received)


async def envelope_accepted(ws: Workstation, conn: AsyncConnection, received: Received) -> None:
    await intake.note_acceptance(ws, conn, received)


HANDLERS: Mapping[str, ArmHandler] = {
    message_type("case.submitted"): case_submitted,
    message_type("case.handed_over"): case_handed_over,
    message_type("answer.person"): answer_person,
    message_type("answer.register"): answer_register,
    message_type("envelope.refused"): envelope_refused,
    message_type("envelope.accepted"): envelope_accepted,
}


# Before the transaction: what takes processor time.
PREPARES: Mapping[str, Callable[[Workstation, Received], Awaitable[object]]] = {
    message_type("case.submitted"): intake.check_application,
    message_type("case.handed_over"): handover.check_record,
}


def bound(ws: Workstation) -> dict[str, Handler]:
    """The handlers as the inbox calls them."""
    return {type_: partial(handler, ws) for type_, handler in HANDLERS.items()}


def prepares(ws: Workstation) -> dict[str, Prepare]:
    return {type_: partial(prepare, ws) for type_, prepare in PREPARES.items()}
