"""Bus in: what a register is told, one function per message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.inbox import Handler, Received
from egovlaw.kinds import message_type
from egovregister.answering import Answering
from egovregister.telling import QUERY, tell_reads

Handlers = Mapping[str, Callable[[Answering, AsyncConnection, Received], Awaitable[None]]]


def register_handlers(question: str) -> Handlers:
    """`question`: the short name of the message by which this register is asked."""
    return {
        message_type(question): Answering.answer,
        QUERY: tell_reads,
        message_type("envelope.refused"): Answering.record_refusal,
        message_type("envelope.accepted"): Answering.note_acceptance,
    }


def bound(answering: Answering, handlers: Handlers) -> dict[str, Handler]:
    """The handlers as the inbox calls them."""
    return {type_: partial(handler, answering) for type_, handler in handlers.items()}
