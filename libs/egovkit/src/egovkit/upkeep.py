"""What a node does beside its work: tells /metrics how much waits, and forgets what nobody will ask for again.

Lives of rows (settings `answers_kept_h`, `sent_kept_h`):

* answers to Idempotency-Keys: 48 hours. A client repeats a call within minutes; after two days the same key would be
  a new call, and the case's own state machine refuses what was done already.
* envelopes that were sent: 7 days. By then they are in the receiver's inbox and in both sides' journals; the outbox
  keeps its copy only for operators who look into a recent trouble.

Dead messages of the outbox and the inbox's memory of what was handled are kept for ever: the former wait for somebody
to repair their cause, the latter is what makes a replay harmless.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from sqlalchemy import Table

from egovkit.bus import Outcome
from egovkit.bus.batches import dead_reason
from egovkit.clock import Clock
from egovkit.db.engine import Database
from egovkit.idempotency import forget_answers
from egovkit.log import get_logger
from egovkit.relay import Relay, forget_sent
from egovkit.settings import ServiceSettings

FORGET_FIRST = 60.0  # seconds after the start, which has enough to do
FORGET_EVERY = 3600.0

_log = get_logger("egovkit.upkeep")


class BusMetrics:
    """Counters of the inboxes and the outbox's backlog of one service, in a registry of their own."""

    def __init__(self, service: str) -> None:
        self.registry = CollectorRegistry()
        self._service = service
        self._taken = Counter(
            "egov_inbox_deliveries",
            "Deliveries by what became of them: ack, retry, dead",
            ["service", "queue", "outcome"],
            registry=self.registry,
        )
        self._waiting = Gauge(
            "egov_outbox_waiting",
            "Messages the outbox still has to send",
            ["service", "queue"],
            registry=self.registry,
        )
        self._dead = Gauge("egov_outbox_dead", "Messages that can never be sent", ["service"], registry=self.registry)
        self._queues: set[str] = set()
        self._asked: list[Callable[[], Awaitable[None]]] = []

    def ask(self, refresh: Callable[[], Awaitable[None]]) -> None:
        """Call `refresh` before every answer: it sets the gauges a service has of its own in `registry`."""
        self._asked.append(refresh)

    def taken(self, queue: str, outcome: Outcome) -> None:
        """One delivery was settled."""
        word = "dead" if dead_reason(outcome) is not None else str(outcome)
        self._taken.labels(self._service, queue, word).inc()

    async def text(self, relay: Relay | None) -> bytes:
        """As prometheus reads it. A database that does not answer leaves the last backlog standing: it is the
        readiness check that tells of it."""
        if relay is not None:
            try:
                waiting = await relay.backlog_by_queue()
                self._dead.labels(self._service).set(await relay.dead())
            except Exception as error:
                _log.warning("metrics.backlog_unknown", error=type(error).__name__)
            else:
                self._queues |= waiting.keys()
                for queue in self._queues:  # a queue that is empty now is 0, not gone
                    self._waiting.labels(self._service, queue).set(waiting.get(queue, 0))
        for refresh in self._asked:
            try:
                await refresh()
            except Exception as error:
                _log.warning("metrics.gauge_unknown", error=type(error).__name__)
        return generate_latest(self.registry)


async def forget_for_ever(
    db: Database, idempotency: Table, outbox: Table | None, clock: Clock, settings: ServiceSettings
) -> None:
    """Every hour, until cancelled."""
    await clock.sleep(FORGET_FIRST)
    while True:
        try:
            await forget_old(db, idempotency, outbox, clock, settings)
        except Exception as error:  # a database that is away now is there in an hour
            _log.warning("upkeep.failed", error=type(error).__name__)
        await clock.sleep(FORGET_EVERY)


async def forget_old(
    db: Database, idempotency: Table, outbox: Table | None, clock: Clock, settings: ServiceSettings
) -> tuple[int, int]:
    """Deletes answers and, of a service that sends, envelopes past their lives; how many of each."""
    now, sent = clock.now(), 0
    async with db.begin() as conn:
        answers = await forget_answers(conn, idempotency, now - timedelta(hours=settings.answers_kept_h))
        if outbox is not None:
            sent = await forget_sent(conn, outbox, now - timedelta(hours=settings.sent_kept_h))
    if answers or sent:
        _log.info("upkeep.forgot", answers=answers, sent=sent)
    return answers, sent
