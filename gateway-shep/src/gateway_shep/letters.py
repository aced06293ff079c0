"""Dead letters: what no consumer could process is kept here until an operator decides about it.

Outside the module grammar because it is a third subject of this service, beside the register and the attachments.

A letter is stored before it is acknowledged, once however often it comes. Re-driving marks its row as due, in the
transaction of the decision; `put_back`, called in every round of the gateway's relay, publishes what is due until the
broker confirms it. A letter that dies again is a new row, which names the first one and counts its lives.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from egovgateway.domain import REDRIVE_QUEUE, REDRIVEN_TO
from egovgateway.pipeline import Gateway, no_checkpoint
from egovkit.bus import (
    DEAD_DELIVERIES,
    DEAD_HEADERS,
    DEAD_QUEUE,
    DELIVERY_LIMIT,
    Bus,
    Delivery,
    Outgoing,
    Topology,
    Verdict,
)
from egovkit.bus.topology import NAME
from egovkit.envelope import Envelope
from egovkit.errors import EgovError
from egovkit.idempotency import Answer, Attempt
from egovkit.ids import Ids, is_uuid7
from egovkit.journal import JournalEntry
from egovkit.signatures.sealing import Sealer
from gateway_shep import store
from gateway_shep.domain import LetterState

REDRIVEN_LETTER = "x-egov-redriven-letter"  # header of what was put back: the letter it was
UNKNOWN = "unknown"  # the reason of what somebody laid here without one
BATCH = 20  # letters stored at once: a foreign client's may be large
IN_FLIGHT = 100  # letters between their queue and its confirm
LEASE = timedelta(seconds=10)  # a confirm takes milliseconds; after this another process puts the letter back
LOG = structlog.get_logger("gateway_shep.letters")


@dataclass(frozen=True, slots=True)
class Decision:
    """Who decided, and why."""

    operator: str
    note: str


@dataclass(frozen=True, slots=True)
class Tools:
    """What the letters need beside the gateway."""

    bus: Bus
    ids: Ids
    sealer: Sealer
    topology: Topology
    checkpoint: Callable[[str], None] = no_checkpoint


class Letter(BaseModel):
    """A message no consumer could process, without its body."""

    id: str
    queue: str | None = Field(description="where it died")
    reason: str
    deliveries: int | None
    received_at: datetime
    message_id: str
    size: int
    sha256: str
    envelope_id: str | None
    type: str | None
    source: str | None
    case_id: str | None
    regulation: str | None
    first_id: str | None = Field(description="the letter it was before it was put back for the first time")
    generation: int
    state: LetterState
    decided_at: datetime | None
    decided_by: str | None
    note: str | None
    put_back_at: datetime | None
    last_error: str | None = Field(description="why it could not be put back yet")


class LetterRead(Letter):
    headers: dict[str, str]


class LetterPage(BaseModel):
    items: list[Letter]
    next: str | None


class Redriven(BaseModel):
    redriven: list[str] = Field(description="ids of the letters that go back")


class Letters:
    """Stores, shows, puts back and discards dead letters."""

    def __init__(self, gateway: Gateway, tools: Tools) -> None:
        self._gateway = gateway
        self._parts = gateway.parts
        self._tools = tools
        self._ways = ways_back(tools.topology, gateway.parts.code)
        self._flying: set[str] = set()  # a slow queue must not be sent the same letter twice from here
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, deliveries: Sequence[Delivery]) -> list[Verdict]:
        """The bus's handler. Raises when the database did not take it: the bus redelivers, item by item."""
        while True:
            try:
                await self._store(deliveries)
                break
            except (DBAPIError, OSError):
                if await self._gateway.database_answers():
                    raise
                await self._gateway.until_database_answers()
        self._tools.checkpoint("letter-stored")
        return [Verdict.ACK] * len(deliveries)

    async def page(self, wanted: Mapping[str, str], before: str | None, limit: int) -> list[dict[str, Any]]:
        """Letters whose columns have these values, newest first, older than the letter `before`."""
        async with self._parts.db.read() as conn:
            return [_shown(row) for row in await store.newest_letters(conn, wanted, before, limit)]

    async def letter(self, letter_id: str) -> dict[str, Any]:
        """One letter with its headers, without its body; deadletter.unknown."""
        async with self._parts.db.read() as conn:
            row = await _known(conn, letter_id)
        return {**_shown(row), "headers": self._headers(row)}

    async def body(self, letter_id: str, operator: str) -> bytes:
        """The exact bytes, which hold personal data: that somebody read them is recorded first."""
        async with self._parts.db.begin() as conn:
            row = await _known(conn, letter_id)
            await self._record(conn, "deadletter.body_read", [row], Decision(operator, ""))
        return self._tools.sealer.open(row["body"], _aad(row["id"], "body"))

    async def redrive(self, attempt: Attempt, letter_id: str, decision: Decision) -> Answer:
        """Put a letter back into the queue it died in; deadletter.unknown, .decided, .queue_unknown,
        .queue_of_others."""
        async with self._parts.db.begin() as conn:
            row = await _waiting(conn, letter_id)
            self._check_way(row["queue"])
            await self._decide(conn, [row], LetterState.REDRIVEN, decision)
            answer = await attempt.keep(conn, Answer(200, _shown(await _known(conn, letter_id))))
        self._tools.checkpoint("redrive-committed")
        return answer

    async def redrive_many(
        self, attempt: Attempt, decision: Decision, *, queue: str | None, reason: str | None, limit: int
    ) -> Answer:
        """Put back what waits, oldest first: of one queue, or of all there is a way to."""
        if queue is not None:
            self._check_way(queue)
        async with self._parts.db.begin() as conn:
            rows = await store.waiting_letters(conn, [queue] if queue else list(self._ways), reason, limit)
            await self._decide(conn, rows, LetterState.REDRIVEN, decision)
            answer = await attempt.keep(conn, Answer(200, {"redriven": [row["id"] for row in rows]}))
        self._tools.checkpoint("redrive-committed")
        return answer

    async def discard(self, attempt: Attempt, letter_id: str, decision: Decision) -> Answer:
        """Leave a letter where it is for good; deadletter.unknown, .decided."""
        async with self._parts.db.begin() as conn:
            row = await _waiting(conn, letter_id)
            await self._decide(conn, [row], LetterState.DISCARDED, decision)
            return await attempt.keep(conn, Answer(200, _shown(await _known(conn, letter_id))))

    async def count_waiting(self) -> int:
        """How many letters wait for a decision."""
        async with self._parts.db.read() as conn:
            return await store.count_waiting_letters(conn)

    async def put_back(self) -> None:
        """Publish what is due, each queue for itself: one without a consumer must not hold up the others."""
        now, room = self._parts.clock.now(), IN_FLIGHT - len(self._flying)
        async with self._parts.db.read() as conn:
            if room <= 0 or not await store.is_letter_due(conn, now):
                return
        async with self._parts.db.begin() as conn:
            rows = await store.claim_letters(conn, now, now + LEASE, room, self._flying)
        for queue in dict.fromkeys(row["queue"] for row in rows):
            its = [row for row in rows if row["queue"] == queue]
            self._flying.update(row["id"] for row in its)
            task = asyncio.create_task(self._publish(its), name=f"put-back:{queue}")
            self._tasks.add(task)
            task.add_done_callback(self._done)

    async def idle(self) -> None:
        """Wait for what this process has in flight."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        """Stop; what is in flight stays due and is put back by the next process."""
        for task in self._tasks:
            task.cancel()
        await self.idle()

    async def _store(self, deliveries: Sequence[Delivery]) -> None:
        named = {delivery.headers.get(REDRIVEN_LETTER, "") for delivery in deliveries}
        async with self._parts.db.begin() as conn:
            earlier = await store.letters(conn, [letter_id for letter_id in named if is_uuid7(letter_id)])
            rows = [self._row(delivery, earlier) for delivery in deliveries]
            new = await store.insert_letters(conn, rows)
        for row in rows:
            if row["id"] in new:
                LOG.warning("dead letter", letter=row["id"], queue=row["queue"], reason=row["reason"])

    def _row(self, delivery: Delivery, earlier: Mapping[str, store.Row]) -> dict[str, Any]:
        """What is readable of it, with body and headers sealed. Nothing in a letter can make this fail."""
        letter_id = self._tools.ids.new()
        queue = delivery.headers.get(DEAD_QUEUE, "")
        sha256 = hashlib.sha256(delivery.body).hexdigest()
        headers = {name: text for name, text in delivery.headers.items() if name not in DEAD_HEADERS}
        sealed = json.dumps(headers, sort_keys=True).encode()
        row = {
            "id": letter_id,
            "digest": _digest(queue, delivery.message_id, sha256, sealed),
            "queue": queue if NAME.fullmatch(queue) else None,
            "reason": _plain(delivery.dead_reason or UNKNOWN, 200),
            "deliveries": self._deliveries(delivery),
            "received_at": self._parts.clock.now(),
            "message_id": _plain(delivery.message_id, 255),
            "size": len(delivery.body),
            "sha256": sha256,
            "body": self._tools.sealer.seal(delivery.body, _aad(letter_id, "body")),
            "headers": self._tools.sealer.seal(sealed, _aad(letter_id, "headers")),
            **_read(delivery.body),
            "first_id": None,
            "generation": 1,
            "state": LetterState.WAITING,
        }
        before = earlier.get(headers.get(REDRIVEN_LETTER, ""))
        if before is not None and (before["queue"], before["sha256"]) == (row["queue"], sha256):
            row |= {"first_id": before["first_id"] or before["id"], "generation": before["generation"] + 1}
        return row

    def _deliveries(self, delivery: Delivery) -> int | None:
        """The broker that buries by itself does not say how often it tried; its limit does."""
        told = delivery.headers.get(DEAD_DELIVERIES, "")
        if told.isascii() and told.isdigit() and len(told) < 6:
            return int(told)
        return self._tools.topology.delivery_limit + 1 if delivery.dead_reason == DELIVERY_LIMIT else None

    def _check_way(self, queue: str | None) -> None:
        if queue in self._ways:
            return
        for spec in self._tools.topology.queues:
            if spec.name == queue:
                raise EgovError("deadletter.queue_of_others", queue=queue, writers=", ".join(spec.writers))
        raise EgovError("deadletter.queue_unknown", queue=queue or "-")

    async def _decide(
        self, conn: AsyncConnection, rows: Sequence[store.Row], state: LetterState, decision: Decision
    ) -> None:
        now = self._parts.clock.now()
        values = {"state": state, "decided_at": now, "decided_by": decision.operator, "note": decision.note}
        if state is LetterState.REDRIVEN:
            values["due_at"] = now
        await store.update_letters(conn, [row["id"] for row in rows], values)
        await self._record(conn, f"deadletter.{state}", rows, decision)

    async def _record(self, conn: AsyncConnection, action: str, rows: Sequence[store.Row], decision: Decision) -> None:
        """An admin row of the journal per letter."""
        now = self._parts.clock.now()
        bodies = [
            {
                "action": action,
                "letter": row["id"],
                "envelope": row["envelope_id"],
                "queue": row["queue"],
                "operator": decision.operator,
                "note": decision.note,
            }
            for row in rows
        ]
        entries = [JournalEntry("admin", now, row["case_id"], body) for row, body in zip(rows, bodies, strict=True)]
        await self._parts.journal.append(conn, entries)

    async def _publish(self, rows: Sequence[store.Row]) -> None:
        ids = [row["id"] for row in rows]
        try:
            failures = await self._tools.bus.publish([self._message(row) for row in rows])
            self._tools.checkpoint("redrive-published")
            pairs = list(zip(ids, failures, strict=True))
            confirmed = [letter_id for letter_id, failure in pairs if failure is None]
            done = {"due_at": None, "last_error": None, "put_back_at": self._parts.clock.now()}
            async with self._parts.db.begin() as conn:
                await store.update_letters(conn, confirmed, done)
                for letter_id, failure in pairs:
                    if failure is not None:
                        LOG.warning("letter not put back", letter=letter_id, reason=str(failure))
                        await store.update_letters(conn, [letter_id], {"last_error": str(failure)[:200]})
        finally:
            self._flying.difference_update(ids)

    def _message(self, row: store.Row) -> Outgoing:
        body = self._tools.sealer.open(row["body"], _aad(row["id"], "body"))
        headers = {**self._headers(row), REDRIVEN_LETTER: row["id"]}
        way = self._ways.get(row["queue"], row["queue"])
        if way != row["queue"]:
            headers[REDRIVEN_TO] = row["queue"]
        return Outgoing(way, body, headers, row["message_id"] or row["id"])

    def _headers(self, row: store.Row) -> dict[str, str]:
        found: dict[str, str] = json.loads(self._tools.sealer.open(row["headers"], _aad(row["id"], "headers")))
        return found

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            LOG.warning("putting back failed; the next round repeats it", error=repr(task.exception()))


def ways_back(topology: Topology, code: str) -> dict[str, str]:
    """Per queue a letter can be put back into, where `code` has to publish it: there, or by way of РШЭП."""
    ways = {name: name for name in topology.written_by(code)}
    for hop in (spec for spec in topology.queues if spec.name == REDRIVE_QUEUE):
        for spec in topology.queues:
            if hop.owner in (spec.owner, *spec.writers):
                ways.setdefault(spec.name, hop.name)
    return ways


async def _known(conn: AsyncConnection, letter_id: str, *, lock: bool = False) -> store.Row:
    found = await store.letters(conn, [letter_id], lock=lock)
    if letter_id not in found:
        raise EgovError("deadletter.unknown", letter=letter_id)
    return found[letter_id]


async def _waiting(conn: AsyncConnection, letter_id: str) -> store.Row:
    row = await _known(conn, letter_id, lock=True)
    if row["state"] != LetterState.WAITING:
        raise EgovError("deadletter.decided", letter=letter_id, state=row["state"])
    return row


def _read(body: bytes) -> dict[str, str | None]:
    """What an operator sees of an envelope without opening it."""
    try:
        found = Envelope.parse(body)
    except EgovError:
        return dict.fromkeys(("envelope_id", "type", "source", "case_id", "regulation"))
    return {
        "envelope_id": found.id,
        "type": found.type,
        "source": found.source,
        "case_id": found.subject,
        "regulation": found.regulation,
    }


def _digest(queue: str, message_id: str, sha256: str, headers: bytes) -> str:
    return hashlib.sha256(json.dumps([queue, message_id, sha256, headers.decode()]).encode()).hexdigest()


def _plain(text: str, longest: int) -> str:
    """A stranger's text as a database, a terminal and a page can show it."""
    return "".join(one if one.isprintable() else "?" for one in text[:longest])


def _aad(letter_id: str, part: str) -> bytes:
    return f"dead-letter:{letter_id}:{part}".encode()


def _shown(row: store.Row) -> dict[str, Any]:
    return {name: row[name] for name in store.LETTER_FACTS}
