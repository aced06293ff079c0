"""Receiving: an envelope is verified, takes effect once, and is acknowledged only after that is committed.

The inbox row and the handler's work share a transaction. A batch goes this way:

1. every envelope is verified, in the order of arrival
2. what a type's `prepare` does (a CMS check: milliseconds of CPU) is done for all at once, outside any transaction
3. the cases are dealt to lanes: one on SQLite, which has one writer, some on PostgreSQL. One case's envelopes follow
   one another in one lane
4. a lane handles some envelopes in one transaction; when anything is wrong with any of them it is rolled back, and
   each of them gets a transaction of its own, so that no envelope shares its neighbour's fate

The outcomes:

| what                                             | verdict                                  |
|--------------------------------------------------|------------------------------------------|
| handled, or the same bytes were handled before   | ACK                                      |
| the same (source, id) with other bytes           | DEAD, `replayed_with_other_body`         |
| refused for good (an EgovError)                  | DEAD, the error's code                   |
| an EgovError that time can cure, any other error | RETRY, after the bus's delay             |
| the database is away                             | held until it answers, then tried again  |
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Table, select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.bus import Bus, Dead, Delivery, Outcome, Subscription, Verdict
from egovkit.clock import Clock
from egovkit.db.engine import Database, upsert
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.errors import EgovError
from egovkit.log import bound_trace, get_logger
from egovkit.membership import EnvelopeFacts, Membership, verify_envelope, verify_receipts
from egovkit.messages import MessageRegister
from egovkit.signatures.certificates import TrustStore
from egovkit.signatures.receipt import Receipt

MEMBERS_UPDATED = "kz.egov.members.updated.v1"
REPLAYED = "replayed_with_other_body"
DATABASE_POLL = 1.0  # seconds between questions to a database that is away
DATABASE_TRIES = 3  # for one delivery, before it goes back to the bus
LANES = 4  # of one inbox on PostgreSQL: while one waits for the database, another one computes
TOGETHER = 20  # envelopes in one transaction; it locks their cases, so it should not last (20 take about 0.1 s)
REFRESH_PAUSE = timedelta(seconds=5)  # forged envelopes must not make us ask ШЭП and НУЦ without end

# What a look at the newest member list and revocation list may cure.
CURED_BY_REFRESH = frozenset(
    {
        *("signature.unknown_certificate", "participant.list_unknown"),
        *("certificate.revocation_unknown", "certificate.untrusted"),  # a new key of НУЦ
    }
)

_log = get_logger("egovkit.inbox")


@dataclass(frozen=True, slots=True)
class Received:
    """A verified envelope, as handlers get it. `at` is when this service received it, `prepared` what the type's
    `prepare` found."""

    envelope: Envelope
    facts: EnvelopeFacts
    receipts: tuple[Receipt, ...]
    wire: WireEnvelope
    at: datetime
    prepared: Any = None

    @property
    def data(self) -> dict[str, Any]:
        return self.envelope.data


# Guards first, one unit of work, no commit: the transaction is the inbox's. EgovError = refused for good.
Handler = Callable[[AsyncConnection, Received], Awaitable[None]]
# Changes nothing: it runs before anybody knows whether the envelope is new, and again when it comes again. Its
# exception counts as the handler's, and so not for an envelope that was handled before.
Prepare = Callable[[Received], Awaitable[Any]]
Refresh = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Item:
    """A delivery that may take effect. `failure` is what its `prepare` raised."""

    delivery: Delivery
    received: Received
    handler: Handler
    failure: Exception | None = None


class Inbox:
    """One queue of one participant `code`. `refresh` fetches a fresh member list and revocation list."""

    def __init__(
        self,
        db: Database,
        bus: Bus,
        queue: str,
        *,
        code: str,
        membership: Membership,
        trust: TrustStore,
        clock: Clock,
        table: Table,
        messages: MessageRegister,
        handlers: Mapping[str, Handler],
        prepares: Mapping[str, Prepare] | None = None,
        refresh: Refresh | None = None,
        settled: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        if unknown := [type_ for type_ in (*handlers, *(prepares or ())) if type_ not in messages]:
            raise ValueError(f"handlers for types that are not in the register: {unknown}")
        self._db = db
        self._bus = bus
        self._queue = queue
        self._code = code
        self._membership = membership
        self._trust = trust
        self._clock = clock
        self._table = table
        self._messages = messages
        self._handlers = dict(handlers)
        self._prepares = dict(prepares or {})
        self._refresh = refresh
        self._settled = settled
        # Made once: SQLAlchemy spends more on making a statement than on running one that it knows.
        new = upsert(table, db.dialect).on_conflict_do_nothing()
        self._insert = new.returning(table.c.id)
        self._refreshed: datetime | None = None
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        if self._subscription is None:
            self._subscription = await self._bus.consume(self._queue, self.take)

    async def close(self) -> None:
        if self._subscription is not None:
            await self._subscription.cancel()
            self._subscription = None

    @property
    def subscription(self) -> Subscription | None:
        """To pause and resume intake (the sandbox does, while it moves the clock)."""
        return self._subscription

    async def take(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        """The bus's handler: one outcome per delivery, in order."""
        opened = [await self._open(delivery) for delivery in deliveries]
        items = [one for one in opened if isinstance(one, _Item)]
        items = list(await asyncio.gather(*(self._prepared(item) for item in items)))
        lanes = _deal(items, LANES if self._db.dialect == "postgresql" else 1)
        handled = await asyncio.gather(*(self._lane(lane) for lane in lanes))
        effects: dict[int, Outcome] = {}
        for lane, outcomes in zip(lanes, handled, strict=True):
            effects.update((id(item.delivery), outcome) for item, outcome in zip(lane, outcomes, strict=True))
        told = [
            effects[id(delivery)] if isinstance(one, _Item) else one
            for delivery, one in zip(deliveries, opened, strict=True)
        ]
        for outcome in told:
            self._settled(outcome)
        return told

    async def _open(self, delivery: Delivery) -> _Item | Outcome:
        """Verified and admitted, or what becomes of it without a transaction."""
        try:
            wire = WireEnvelope.of(delivery.body, delivery.headers)
            if (letter := _members_letter(wire)) is not None:
                self._membership.update(letter)
                return Verdict.ACK
            received = await self._verified(wire)
            return _Item(delivery, received, self._admitted(received.envelope))
        except Exception as error:
            return self._failed(delivery, error)

    async def _prepared(self, item: _Item) -> _Item:
        prepare = self._prepares.get(item.received.envelope.type)
        if prepare is None:
            return item
        try:
            with _bound(item.received.envelope):
                return replace(item, received=replace(item.received, prepared=await prepare(item.received)))
        except Exception as error:
            return replace(item, failure=error)

    async def _lane(self, items: Sequence[_Item]) -> list[Outcome]:
        """In order, some at a time."""
        outcomes: list[Outcome] = []
        for start in range(0, len(items), TOGETHER):
            outcomes += await self._some(items[start : start + TOGETHER])
        return outcomes

    async def _some(self, items: Sequence[_Item]) -> list[Outcome]:
        if len(items) > 1 and not any(item.failure for item in items):
            try:
                async with self._db.begin() as conn:
                    outcomes = [await self._effect(conn, item) for item in items]
                return outcomes
            except Exception as error:  # whose fault it is shows when each goes alone
                _log.info("inbox.batch_split", queue=self._queue, size=len(items), error=type(error).__name__)
        return [await self._alone(item) for item in items]

    async def _alone(self, item: _Item) -> Outcome:
        for _ in range(DATABASE_TRIES):
            try:
                async with self._db.begin() as conn:
                    outcome = await self._effect(conn, item)
                return outcome
            except (OperationalError, InterfaceError, PoolTimeout, OSError, DBAPIError) as error:
                if isinstance(error, DBAPIError) and not _is_away(error):
                    return self._failed(item.delivery, error)
                _log.error("inbox.database_away", queue=self._queue, error=type(error).__name__)
                await self._until_database_answers()
            except Exception as error:
                return self._failed(item.delivery, error)
        return Verdict.RETRY

    def _failed(self, delivery: Delivery, error: Exception) -> Outcome:
        log = _log.bind(queue=delivery.queue, message=delivery.message_id, attempt=delivery.attempt)
        if isinstance(error, EgovError):
            log.warning("inbox.refused", code=error.code, transient=error.transient)
            return Verdict.RETRY if error.transient else Dead(error.code)
        log.error("inbox.failed", exc_info=error)
        return Verdict.RETRY

    async def _effect(self, conn: AsyncConnection, item: _Item) -> Outcome:
        """The inbox row and the handler's work, in the caller's transaction."""
        received = item.received
        with _bound(received.envelope):
            known = await self._known(conn, received)
            if known is not None and known != received.wire.sha256:
                _log.error("inbox.replayed_with_other_body", source=received.envelope.source)
                return Dead(REPLAYED)
            if known is None:
                if item.failure is not None:
                    raise item.failure
                await item.handler(conn, received)
        return Verdict.ACK

    async def _verified(self, wire: WireEnvelope) -> Received:
        try:
            return self._verify(wire)
        except EgovError as error:
            if error.code not in CURED_BY_REFRESH or self._refresh is None:
                raise
            if not await self._refreshed_now():
                # Somebody may have been registered since we last asked: it comes again, and then we may ask.
                raise EgovError("participant.list_unknown") from error
        return self._verify(wire)

    def _verify(self, wire: WireEnvelope) -> Received:
        members = self._membership.members
        at = self._clock.now()
        facts = verify_envelope(wire, members, self._trust, at)
        receipts = verify_receipts(wire, members, self._trust, at)
        return Received(facts.envelope, facts, receipts, wire, at)

    async def _refreshed_now(self) -> bool:
        now = self._clock.now()
        if self._refresh is None or (self._refreshed is not None and now - self._refreshed < REFRESH_PAUSE):
            return False
        self._refreshed = now
        await self._refresh()
        return True

    def _admitted(self, envelope: Envelope) -> Handler:
        """Its handler, when the envelope is for us, of a known type, and its data follow the schema."""
        if envelope.recipient != self._code:
            raise EgovError("envelope.misdelivered", recipient=envelope.recipient, here=self._code)
        handler = self._handlers.get(envelope.type)
        if handler is None:
            raise EgovError("message.type_unknown", type=envelope.type)
        self._messages.check(envelope.type, envelope.data)
        return handler

    async def _known(self, conn: AsyncConnection, received: Received) -> str | None:
        """None when the envelope is new, and its row is now in this transaction; else the hash that was handled.
        Two deliveries at once wait for each other at the primary key."""
        envelope, wire, table = received.envelope, received.wire, self._table
        row = {
            "source": envelope.source,
            "id": envelope.id,
            "sha256": wire.sha256,
            "type": envelope.type,
            "case_id": envelope.subject,
            "received": received.at,
            "signature": wire.signature,
            "receipts": json.dumps(list(wire.receipts)),
        }
        if (await conn.execute(self._insert, row)).one_or_none() is not None:
            return None
        query = select(table.c.sha256).where(table.c.source == envelope.source, table.c.id == envelope.id)
        return str((await conn.execute(query)).scalar_one())

    async def _until_database_answers(self) -> None:
        """Holding deliveries is safe (unacknowledged, they go back when we die); handing them back would use up
        their delivery limit while nothing is wrong with them."""
        while True:
            try:
                await self._db.ping()
                return
            except Exception:
                await self._clock.sleep(DATABASE_POLL)


def _deal(items: Sequence[_Item], lanes: int) -> list[list[_Item]]:
    """The items in so many lanes at most: a case in one of them, in its order, cases in turn."""
    dealt: list[list[_Item]] = [[] for _ in range(lanes)]
    of_case: dict[str, int] = {}
    for item in items:
        lane = of_case.setdefault(item.received.envelope.subject, len(of_case) % lanes)
        dealt[lane].append(item)
    return [lane for lane in dealt if lane]


@contextmanager
def _bound(envelope: Envelope) -> Iterator[None]:
    """Log lines and what is sent meanwhile belong to the envelope's trace."""
    with (
        bound_trace(envelope.traceparent),
        structlog.contextvars.bound_contextvars(envelope=envelope.id, case=envelope.subject),
    ):
        yield


def _members_letter(wire: WireEnvelope) -> str | None:
    """The signed list in a members.updated envelope. It proves itself, by a chain that needs no member list; the
    envelope around it may be signed with a certificate that only the new list knows."""
    if MEMBERS_UPDATED.encode() not in wire.raw:
        return None
    envelope = Envelope.parse(wire.raw)
    if envelope.type != MEMBERS_UPDATED:
        return None
    letter = envelope.data.get("list")
    if not isinstance(letter, str):
        raise EgovError("data.invalid", type=MEMBERS_UPDATED)
    return letter


def _is_away(error: DBAPIError) -> bool:
    """The connection or the whole database failed, not the statement. SQLite says the same for "locked"."""
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
