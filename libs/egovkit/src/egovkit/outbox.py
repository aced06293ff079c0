"""Sending: the envelope is made, numbered, signed and stored in the transaction of the change it tells about.

Nothing goes to the broker here. The relay does that after the commit, again and again until it is confirmed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.clock import Clock
from egovkit.db.engine import after_commit, upsert
from egovkit.db.tables import OutboxTables
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.ids import Ids
from egovkit.log import current_traceparent
from egovkit.messages import MessageRegister
from egovkit.signatures.custody import KeyCustody
from egovkit.signatures.jws import sign_detached

UNORDERED = 0  # the caseseq of what is not a move of a case: gateways' notices, registers' answers


@dataclass(frozen=True, slots=True)
class Draft:
    """An envelope before it has id, number, time and signature. `case` becomes its subject.

    `ordered` False: it carries caseseq 0 and waits for nothing. Answers do: each belongs to its question, and one
    that got lost must not hold the next back.
    """

    type: str
    case: str
    recipient: str
    regulation: str
    channel: str
    step: str
    region: str
    data: Mapping[str, Any]
    queue: str
    expires: datetime | None = None
    correlation: str | None = None
    causation: str | None = None
    traceparent: str | None = None  # None = the trace of the request being served
    ordered: bool = True


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """Bytes that are already made and must leave: what gateways forward, and what `send` has just signed.
    Items of one case leave one after another in the order they were enqueued; case None has no such order."""

    id: str
    case: str | None
    type: str
    recipient: str
    queue: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Outbox:
    """`on_commit` is the relay's `wake`: called with the queue after the commit, so that nobody waits for a poll."""

    def __init__(
        self,
        key: KeyCustody,
        source: str,
        clock: Clock,
        ids: Ids,
        tables: OutboxTables,
        *,
        messages: MessageRegister,
        on_commit: Callable[[str], None] | None = None,
    ) -> None:
        self._key = key
        self._source = source
        self._clock = clock
        self._ids = ids
        self._tables = tables
        self._messages = messages
        self._on_commit = on_commit

    async def send(self, conn: AsyncConnection, draft: Draft) -> Envelope:
        """Numbers, signs and stores one envelope; it leaves if and only if the transaction commits.

        The data is checked against the register first: what this service itself would refuse to receive, it must
        not sign (EgovError data.invalid, message.type_unknown).
        """
        spec = self._messages.check(draft.type, draft.data)
        caseseq = await next_in_case(conn, self._tables.sequences, draft.case) if draft.ordered else UNORDERED
        envelope = Envelope(
            id=self._ids.new(),
            source=self._source,
            type=draft.type,
            subject=draft.case,
            time=self._clock.now(),
            dataschema=spec.dataschema,
            recipient=draft.recipient,
            regulation=draft.regulation,
            channel=draft.channel,
            step=draft.step,
            region=draft.region,
            caseseq=caseseq,
            data=dict(draft.data),
            traceparent=draft.traceparent or current_traceparent(),
            correlationid=draft.correlation,
            causationid=draft.causation,
            expirytime=draft.expires,
        )
        raw = envelope.encode()
        wire = WireEnvelope(raw, sign_detached(raw, self._key), (), envelope.traceparent)
        item = OutboxItem(envelope.id, draft.case, draft.type, draft.recipient, draft.queue, raw, wire.headers())
        await enqueue(conn, self._tables.outbox, [item], self._clock.now(), self._on_commit)
        return envelope


async def enqueue(
    conn: AsyncConnection,
    table: Table,
    items: Sequence[OutboxItem],
    now: datetime,
    on_commit: Callable[[str], None] | None = None,
) -> None:
    """Stores items for the relay, in order, in the caller's transaction."""
    if not items:
        return
    await conn.execute(table.insert(), [_row(item, now) for item in items])
    if on_commit is not None:
        for item in items:
            after_commit(conn, on_commit, item.queue)


async def next_in_case(conn: AsyncConnection, sequences: Table, case: str) -> int:
    """The next `caseseq` of this source for a case, from 1, without gaps: it is given back when the transaction
    rolls back, and two transactions of one case wait for each other here."""
    statement = _next_in_case(sequences, conn.dialect.name)
    return int((await conn.execute(statement, {"case_id": case, "last": 1})).scalar_one())


@cache
def _next_in_case(sequences: Table, dialect: str) -> Any:
    """Made once: SQLAlchemy spends more on making a statement than on running one that it knows."""
    counted = {"last": sequences.c.last + 1}
    insert = upsert(sequences, dialect).on_conflict_do_update(index_elements=[sequences.c.case_id], set_=counted)
    return insert.returning(sequences.c.last)


def _row(item: OutboxItem, now: datetime) -> dict[str, Any]:
    return {
        "id": item.id,
        "case_id": item.case,
        "type": item.type,
        "recipient": item.recipient,
        "queue": item.queue,
        "headers": json.dumps(dict(item.headers), ensure_ascii=False),
        "body": item.body,
        "created": now,
        "attempts": 0,
        "next_at": now,
        "sent_at": None,
        "last_error": None,
    }
