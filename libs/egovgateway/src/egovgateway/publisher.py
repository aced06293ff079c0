"""Step 9: publish with confirm and mark `forwarded`; and the relay, which does it again for whatever was left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import structlog

from egovgateway.domain import EnvelopeState
from egovgateway.store import GatewayStore, OutgoingRow
from egovkit.bus import Bus, Outgoing
from egovkit.clock import Clock
from egovkit.db import Database

IN_FLIGHT = 32  # batches between commit and confirm; beyond it the relay takes over, so nothing piles up here
RELAY_EVERY = 0.5  # seconds between two looks for rows left behind
RELAY_BATCH = 200
LEASE = timedelta(seconds=10)  # a confirm takes milliseconds; after this a row is published again
LOG = structlog.get_logger("egovgateway.publisher")


class Publisher:
    """Owns every accepted row until the next hop's queue has confirmed it."""

    def __init__(
        self, db: Database, bus: Bus, store: GatewayStore, clock: Clock, checkpoint: Callable[[str], None]
    ) -> None:
        self._db, self._bus, self._store, self._clock = db, bus, store, clock
        self._checkpoint = checkpoint
        self._tasks: set[asyncio.Task[None]] = set()
        self._flying: set[tuple[str, str]] = set()  # a slow queue must not be sent the same row twice from here
        self._relay: asyncio.Task[None] | None = None
        self._sweeps: list[Callable[[], Awaitable[object]]] = []

    def every_round(self, sweep: Callable[[], Awaitable[object]]) -> None:
        """Run `sweep` in every round of the relay (parked envelopes, attachments past their lifetime)."""
        self._sweeps.append(sweep)

    async def start(self) -> None:
        """Take up what an earlier process left, then look for leftovers for ever."""
        async with self._db.begin() as conn:
            await self._store.release_all(conn, self._clock.now())
        self._relay = asyncio.create_task(self._run(), name="gateway-relay")

    async def close(self) -> None:
        """Stop; what is in flight stays accepted in the database and is published by the next process."""
        tasks = [*self._tasks, *([self._relay] if self._relay else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def busy(self) -> bool:
        """Whether something of this process waits for its confirm."""
        return bool(self._tasks)

    async def idle(self) -> None:
        """Wait for what this process has in flight; what fails stays with the relay."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def publish_soon(self, rows: Sequence[OutgoingRow]) -> None:
        """Publish committed rows without making the next batch wait for their confirms."""
        rows = [row for row in rows if row.key not in self._flying]
        if not rows or len(self._tasks) >= IN_FLIGHT:
            return
        self._flying.update(row.key for row in rows)
        task = asyncio.create_task(self._publish(rows), name="gateway-publish")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            LOG.warning("publishing failed; the relay will repeat it", error=repr(task.exception()))

    async def _publish(self, rows: Sequence[OutgoingRow]) -> None:
        outgoing = [Outgoing(row.queue, row.wire.raw, row.wire.headers(), row.key[1]) for row in rows]
        self._checkpoint("9-before-publish")
        try:
            failures = await self._bus.publish(outgoing)
        finally:
            self._flying.difference_update(row.key for row in rows)
        self._checkpoint("9-published")
        confirmed = [row.key for row, failure in zip(rows, failures, strict=True) if failure is None]
        for row, failure in zip(rows, failures, strict=True):
            if failure is not None:
                LOG.warning("not confirmed", id=row.key[1], queue=row.queue, reason=str(failure))
        async with self._db.begin() as conn:
            await self._store.settle(conn, confirmed, EnvelopeState.FORWARDED, self._clock.now())
        self._checkpoint("9-forwarded")

    async def _run(self) -> None:
        while True:
            try:
                await self.relay_once()
            except Exception as error:  # the relay must outlive a database or broker that is away for a while
                LOG.warning("relay round failed", error=repr(error))
            await self._clock.sleep(RELAY_EVERY)

    async def relay_once(self) -> None:
        """One round: publish again what is due, then the sweeps."""
        now = self._clock.now()
        async with self._db.begin() as conn:
            rows = await self._store.claim_due(conn, now, now + LEASE, RELAY_BATCH)
        if rows:
            LOG.info("relay publishes again", rows=len(rows))
            self.publish_soon(rows)
        for sweep in self._sweeps:
            await sweep()
