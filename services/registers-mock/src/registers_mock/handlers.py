"""Bus in: one function per message. HANDLERS is the index."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.inbox import Handler, Received
from egovlaw.kinds import message_type
from egovregister.answering import Answering
from egovregister.telling import QUERY, tell_reads

HANDLERS: Mapping[str, Callable[[Answering, AsyncConnection, Received], Awaitable[None]]] = {
    message_type("query.register"): Answering.answer,
    QUERY: tell_reads,
    message_type("envelope.refused"): Answering.record_refusal,
    message_type("envelope.accepted"): Answering.note_acceptance,
}


def bound(answering: Answering) -> dict[str, Handler]:
    """The handlers as the inbox calls them."""
    return {type_: partial(handler, answering) for type_, handler in HANDLERS.items()}
