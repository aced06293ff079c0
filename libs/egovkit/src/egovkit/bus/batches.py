"""What both adapters do with a batch before they settle it (a file of its own: neither adapter owns it)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import structlog

from egovkit.bus import BatchHandler, Dead, Delivery, Outcome, Outgoing, Verdict

QUEUE_NAME = re.compile(r"[A-Za-z0-9._-]{1,127}")  # what every AMQP client can name
SHORT_TEXT = 255  # bytes of AMQP's "short string": a message id
HEADER_NAME = 128  # bytes; AMQP 0-9-1 limits field names to 128 characters
HEADERS_SIZE = 120_000  # bytes; all headers must fit one frame, and RabbitMQ's frame is 131,072

log = structlog.get_logger(__name__)


async def judge(handler: BatchHandler, batch: Sequence[Delivery]) -> list[Outcome]:
    """Ask the handler for one outcome per delivery; after an exception ask again for each message alone.

    An exception of the batch means that its transaction was rolled back, so asking again repeats nothing. A
    message that fails alone is retried; its neighbours are judged on their own merits.
    """
    try:
        return await _ask(handler, batch)
    except Exception as error:
        log.warning("bus.batch_failed", queue=batch[0].queue, size=len(batch), error=repr(error))
        if len(batch) == 1:
            return [Verdict.RETRY]
    outcomes: list[Outcome] = []
    for delivery in batch:
        try:
            outcomes.extend(await _ask(handler, [delivery]))
        except Exception:
            log.exception("bus.message_failed", queue=delivery.queue, message_id=delivery.message_id)
            outcomes.append(Verdict.RETRY)
    return outcomes


async def _ask(handler: BatchHandler, batch: Sequence[Delivery]) -> list[Outcome]:
    outcomes = list(await handler(batch))
    if len(outcomes) != len(batch):
        raise ValueError(f"the handler gave {len(outcomes)} outcomes for {len(batch)} deliveries")
    return outcomes


def dead_reason(outcome: Outcome) -> str | None:
    """The reason when the outcome is a dead one, else None."""
    if isinstance(outcome, Dead):
        return outcome.reason
    return "dead" if outcome is Verdict.DEAD else None


def unencodable(message: Outgoing) -> str | None:
    """Why this message can't go on the wire, or None. Both adapters ask: the twin hides no mistake."""
    if not QUEUE_NAME.fullmatch(message.queue):
        return "that is no queue's name"
    if not isinstance(message.body, bytes):
        return f"the body is {type(message.body).__name__}, not bytes"
    try:
        if not 1 <= len(message.message_id.encode()) <= SHORT_TEXT:
            return f"the message id must have 1 to {SHORT_TEXT} bytes"
        return _headers_problem(message.headers)
    except UnicodeEncodeError:
        return "a text has half a character (a lone surrogate)"


def _headers_problem(headers: Mapping[str, str]) -> str | None:
    size = 0
    for name, text in headers.items():
        if not isinstance(name, str) or not isinstance(text, str):
            return f"header {name!r} is not text"
        if len(name.encode()) > HEADER_NAME:
            return f"the header name {name[:20]!r}... is longer than {HEADER_NAME} bytes"
        size += len(name.encode()) + len(text.encode()) + 6
    return f"the headers are larger than {HEADERS_SIZE} bytes" if size > HEADERS_SIZE else None
