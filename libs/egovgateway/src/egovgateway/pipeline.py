"""The pipeline: batches of arrivals through the nine steps, each batch one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from egovgateway.checking import Checker
from egovgateway.domain import Arrival, Judge, Result, TurnedAway, Verified
from egovgateway.ledger import Ledger
from egovgateway.notices import Notices
from egovgateway.publisher import Publisher
from egovgateway.store import Conflict, GatewayStore
from egovkit.bus import Delivery, Verdict
from egovkit.clock import Clock
from egovkit.db import Database, after_commit
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.errors import EgovError
from egovkit.journal import Journal
from egovkit.membership import Member
from egovkit.signatures.custody import KeyCustody

ALONE_ATTEMPTS = 8  # two processes on one case meet at most a few times; beyond that the broker redelivers
PARKED_BATCH = 200
REFRESH_PAUSE = 0.2  # seconds at least between two questions for newer lists
FRESH_EVERY = timedelta(seconds=2)  # how far one process of a gateway may lag behind the register
HOLD = 0.5  # seconds between two looks while the intake is held
LOG = structlog.get_logger("egovgateway")


def no_checkpoint(boundary: str) -> None:
    """In life nothing happens between two steps; tests pass a function that kills the process."""


def _nothing(envelope: Envelope) -> None:
    """Most of what is addressed to a gateway needs its journal only."""


@dataclass(frozen=True, slots=True)
class GatewayParts:
    """What a gateway is made of.

    `queue_for` names the queue of a participant's next hop from here (None: the participant fetches by HTTP),
    `not_ready` what is missing before anything can be verified; `refresh` asks for newer lists; `on_consumed` gets
    what was addressed to the gateway itself, after its commit.
    """

    code: str
    db: Database
    store: GatewayStore
    journal: Journal
    key: KeyCustody
    clock: Clock
    checker: Checker
    notices: Notices
    publisher: Publisher
    queue_for: Callable[[Member], str | None]
    not_ready: Callable[[], str | None]
    refresh: Callable[[], Awaitable[None]]
    on_consumed: Callable[[Envelope], None] = _nothing


class Gateway:
    """Takes envelopes from queues and from HTTP, judges them, answers for them."""

    def __init__(self, parts: GatewayParts, judge: Judge, checkpoint: Callable[[str], None] = no_checkpoint) -> None:
        self.parts = parts
        self._judge = judge
        self._checkpoint = checkpoint
        self._asked: datetime | None = None  # when the lists in hand were asked for
        self._asking = asyncio.Lock()

    async def take(self, deliveries: Sequence[Delivery]) -> Sequence[Verdict]:
        """The bus's handler. Whatever was decided is committed when this returns, refusals too: always ACK.

        Raises when the database did not take it: the bus redelivers, item by item.
        """
        await self._until_ready()
        received = self.parts.clock.now()
        arrivals = [Arrival(_wire(d), d.queue, received) for d in deliveries]
        while True:
            try:
                await self.process(arrivals)
                break
            except (DBAPIError, OSError):
                if await self.database_answers():
                    raise  # the database is well and did not want it: the bus counts the attempts
                await self.until_database_answers()
        self._checkpoint("8-before-ack")
        return [Verdict.ACK] * len(deliveries)

    async def _until_ready(self) -> None:
        """Hold the intake while the member list or a fresh revocation list is missing: fail closed, lose nothing."""
        while (missing := self.parts.not_ready()) is not None:
            LOG.warning("intake held", missing=missing)
            await self.parts.clock.sleep(HOLD)

    async def until_database_answers(self) -> None:
        """Hold the intake through an outage: deliveries that come back would be counted and end as dead letters."""
        while not await self.database_answers():
            LOG.warning("intake held", missing="database")
            await self.parts.clock.sleep(HOLD)

    async def database_answers(self) -> bool:
        """Whether it does now: what failed while it does will fail again."""
        try:
            await self.parts.db.ping()
        except (DBAPIError, OSError, TimeoutError):
            return False
        return True

    async def process(self, arrivals: Sequence[Arrival]) -> list[Result]:
        """Steps 1 to 7 for a batch, and the start of step 9. Results are in the order of `arrivals`."""
        checked = await self._check(arrivals)
        self._checkpoint("2-verified")
        try:
            return await self._transact(checked)
        except (Conflict, DBAPIError) as error:
            LOG.info("batch retried item by item", size=len(checked), reason=type(error).__name__)
            return [await self._alone(item) for item in checked]

    async def _check(self, arrivals: Sequence[Arrival]) -> list[Verified | TurnedAway]:
        """Steps 1 and 2. What a newer member list might cure is checked again with one: news of it may be late."""
        check, doubtful = self.parts.checker.check, self.parts.checker.doubtful
        checked = [check(arrival) for arrival in arrivals]
        doubts = [item.arrival.received for item in checked if doubtful(item)]
        if doubts and await self.refreshed_after(max(doubts)):
            checked = [check(item.arrival) if doubtful(item) else item for item in checked]
        return checked

    async def refreshed_after(self, received: datetime) -> bool:
        """Have lists that were asked for after `received`: a sender may have been registered the moment before.

        Questions keep REFRESH_PAUSE between them, so that rubbish slows itself down and nobody asks without end.
        """
        async with self._asking:
            if self._asked is not None and self._asked >= received:
                return False
            if self._asked is not None:
                passed = (self.parts.clock.now() - self._asked).total_seconds()
                if passed < REFRESH_PAUSE:
                    await self.parts.clock.sleep(REFRESH_PAUSE - passed)
            asked = self.parts.clock.now()
            await self.parts.refresh()
            self._asked = asked
            return True

    async def keep_fresh(self) -> None:
        """In every round of the relay. News reaches one process of several; the others learn by asking."""
        now = self.parts.clock.now()
        if self._asked is None or now - self._asked >= FRESH_EVERY:
            await self.refreshed_after(now)

    async def process_one(self, arrival: Arrival) -> Result:
        """For a caller who waits: as `process`, but what time can cure is raised, and nothing is remembered of it."""
        if (missing := self.parts.not_ready()) is not None:
            raise EgovError("service.unavailable", waiting_for=missing)
        return (await self.process([arrival]))[0]

    async def announce(self, conn: AsyncConnection, notices: Sequence[tuple[Member, Envelope, WireEnvelope]]) -> None:
        """Journal, receipt and store the gateway's own envelopes in the caller's transaction; they leave after it."""
        ledger = Ledger(self.parts, self._judge)
        for member, envelope, wire in notices:
            ledger.say(member, envelope, wire)
        await ledger.write(conn)
        after_commit(conn, lambda: self.parts.publisher.publish_soon(ledger.outgoing()))

    async def judge_parked(self) -> None:
        """Judge parked envelopes again whose predecessor came through another process, or whose time is up."""
        async with self.parts.db.read() as conn:
            ripe = await self.parts.store.ripe_parked(conn, self.parts.clock.now(), PARKED_BATCH)
        if ripe:
            await self.process(ripe)

    async def _alone(self, item: Verified | TurnedAway) -> Result:
        for _ in range(ALONE_ATTEMPTS):
            try:
                return (await self._transact([item]))[0]
            except (Conflict, DBAPIError) as error:
                last = error
        raise last

    async def _transact(self, checked: Sequence[Verified | TurnedAway]) -> list[Result]:
        ledger = Ledger(self.parts, self._judge)
        async with self.parts.db.begin() as conn:
            await ledger.load(conn, checked)
            self._checkpoint("3-looked-up")
            passages = [ledger.judge(item) for item in checked]
            self._checkpoint("6-judged")
            await ledger.write(conn)
            self._checkpoint("7-written")
        self._checkpoint("7-committed")
        self.parts.publisher.publish_soon(ledger.outgoing())
        for envelope in ledger.consumed():
            self.parts.on_consumed(envelope)
        return [passage.result() for passage in passages]


def _wire(delivery: Delivery) -> WireEnvelope:
    """What came, also when its headers are beyond use: step 2 refuses an empty signature, and the journal has it."""
    try:
        return WireEnvelope.of(delivery.body, delivery.headers)
    except EgovError:
        return WireEnvelope(delivery.body, "")
