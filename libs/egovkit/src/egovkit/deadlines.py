"""Deadlines that survive restarts: rows, each taken in a transaction of its own when its moment has come.

    deadlines = node.keep_deadlines({"step_limit": escalate})      # at wiring, on every replica
    await deadlines.set(conn, key=f"{case}:limit", kind="step_limit", due_at=due, subject=case, facts={...})

A handler gets the connection on which its row was deleted already: what it writes and the end of the deadline commit
together, so nothing fires twice, and a handler may set its own key anew. If it fails, everything is rolled back and
the row is tried again after a back-off, while the others go on.

* PostgreSQL: FOR UPDATE SKIP LOCKED; replicas share the work, a killed one loses its lock with its connection.
* SQLite: the taking transaction is the file's only writer.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge
from sqlalchemy import Row, Select, Table, bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.clock import Clock
from egovkit.db.engine import Database, after_commit, upsert
from egovkit.log import get_logger

__all__ = ["Deadline", "DeadlineHandler", "DeadlineMetrics", "DeadlinePace", "DeadlineRunner", "Deadlines"]

_log = get_logger("egovkit.deadlines")


@dataclass(frozen=True, slots=True)
class Deadline:
    """`subject` is whose it is (a case mostly), `attempts` how often its handler failed so far."""

    key: str
    kind: str
    due_at: datetime
    subject: str
    facts: Mapping[str, Any]
    attempts: int = 0


DeadlineHandler = Callable[[AsyncConnection, Deadline], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class DeadlinePace:
    """The poll only finds what a wake-up missed: rows that another replica set and did not live to fire."""

    poll: float = 15.0  # seconds
    busy: float = 0.25  # seconds before the next look at a due row that another replica has in its hands
    first_delay: float = 1.0  # seconds before the second attempt; doubles for each further one
    max_delay: float = 300.0
    handler_timeout: float = 30.0  # a handler that hangs is a handler that failed

    def delay(self, key: str, attempts: int) -> timedelta:
        """Back-off with jitter between half and all of it, drawn from the key: a replay gets the same again."""
        whole = min(self.first_delay * 2.0 ** min(attempts - 1, 30), self.max_delay)
        share = int.from_bytes(hashlib.sha256(f"{key}:{attempts}".encode()).digest()[:4]) / 2**32
        return timedelta(seconds=whole * (0.5 + share / 2))


DEFAULT_PACE = DeadlinePace()


class Deadlines:
    """The table as its service uses it; every call is part of the caller's transaction."""

    def __init__(self, table: Table, wake: Callable[[], None] = lambda: None) -> None:
        self._table = table
        self._wake = wake

    async def set(
        self,
        conn: AsyncConnection,
        *,
        key: str,
        kind: str,
        due_at: datetime,
        subject: str,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Sets the deadline `key`, or moves the one that is there. A moment that has passed fires at once."""
        row = {
            "key": key,
            "kind": kind,
            "subject": subject,
            "due_at": due_at,
            "next_at": due_at,
            "attempts": 0,
            "last_error": None,
            "facts": json.dumps(dict(facts or {}), ensure_ascii=False, sort_keys=True),
        }
        into = upsert(self._table, conn.dialect.name).values(row)
        changed = {name: into.excluded[name] for name in row if name != "key"}
        await conn.execute(into.on_conflict_do_update(index_elements=[self._table.c.key], set_=changed))
        after_commit(conn, self._wake)

    async def cancel(self, conn: AsyncConnection, key: str) -> bool:
        """False when there is none: it fired, or was never set."""
        return (await conn.execute(delete(self._table).where(self._table.c.key == key))).rowcount > 0

    async def next_due(self, conn: AsyncConnection) -> datetime | None:
        """When the next row is to be tried: its moment, or the end of its back-off."""
        found: datetime | None = (await conn.execute(select(func.min(self._table.c.next_at)))).scalar_one()
        return found

    async def of(self, conn: AsyncConnection, subject: str) -> list[Deadline]:
        """Those of one subject, the earliest first."""
        column = self._table.c
        query = select(self._table).where(column.subject == subject).order_by(column.due_at, column.key)
        return [_deadline(row) for row in await conn.execute(query)]


class DeadlineRunner:
    """Fires what is due, one row after another, until it is cancelled."""

    def __init__(
        self,
        db: Database,
        table: Table,
        clock: Clock,
        handlers: Mapping[str, DeadlineHandler],
        *,
        metrics: DeadlineMetrics | None = None,
        pace: DeadlinePace = DEFAULT_PACE,
    ) -> None:
        self._db = db
        self._table = table
        self._clock = clock
        self._handlers = dict(handlers)
        self._metrics = metrics
        self._pace = pace
        self._woken = asyncio.Event()
        self._firing = False
        self._statements = _Statements(table)
        self.deadlines = Deadlines(table, self.wake)

    def wake(self) -> None:
        """A row was committed: look at the next moment anew."""
        self._woken.set()

    @property
    def firing(self) -> bool:
        """Whether a handler runs now."""
        return self._firing

    async def run(self) -> None:
        """For ever; what was under way at the cancellation is rolled back, and fires at the next start."""
        while True:
            self._woken.clear()
            try:
                await self.fire_due()
                rest = await self._until_next()
            except Exception:
                _log.exception("deadlines.pass_failed")  # the database as a whole; the rows are still there
                rest = self._pace.first_delay
            await self._rest(rest)

    async def fire_due(self) -> int:
        """Fires all that is due now; how many did."""
        fired = 0
        while (done := await self._take_one()) is not None:
            fired += done
        return fired

    async def due_now(self) -> bool:
        """Whether something waits to be fired."""
        async with self._db.read() as conn:
            following = await self.deadlines.next_due(conn)
        return following is not None and following <= self._clock.now()

    async def moments(self) -> tuple[datetime | None, datetime | None]:
        """The next moment that lies ahead, of rows that never failed and of those that are tried again."""
        column = self._table.c
        ahead = select(func.min(column.next_at)).where(column.next_at > self._clock.now())
        async with self._db.read() as conn:
            first = (await conn.execute(ahead.where(column.attempts == 0))).scalar_one()
            again = (await conn.execute(ahead.where(column.attempts > 0))).scalar_one()
        return first, again

    async def lateness(self) -> tuple[int, float]:
        """How many are past their moment, and the seconds of the oldest."""
        now, due_at = self._clock.now(), self._table.c.due_at
        async with self._db.read() as conn:
            query = select(func.count(), func.min(due_at)).where(due_at <= now)
            due, oldest = (await conn.execute(query)).one()
        return due, 0.0 if oldest is None else (now - oldest).total_seconds()

    async def _take_one(self) -> bool | None:
        """True = fired, False = its handler failed and its next attempt is planned, None = nothing is due."""
        if not await self.due_now():  # a read first: looking for nothing must not queue with the writers
            return None
        taken: Row[Any] | None = None
        self._firing = True
        try:
            async with self._db.begin() as conn:
                taken = (await conn.execute(self._statements.take, {"now": self._clock.now()})).first()
                if taken is None:
                    return None  # another replica has it
                async with asyncio.timeout(self._pace.handler_timeout):
                    await self._handle(conn, _deadline(taken))
        except Exception as error:
            if taken is None:
                raise
            await self._put_off(taken, error)
            return False
        finally:
            self._firing = False
        if self._metrics is not None:
            self._metrics.fired(taken.kind)
        return True

    async def _handle(self, conn: AsyncConnection, deadline: Deadline) -> None:
        handler = self._handlers.get(deadline.kind)
        if handler is None:  # set by a newer version that runs beside this one, or an older one
            raise LookupError(f"nobody handles deadlines of the kind {deadline.kind}")
        await handler(conn, deadline)

    async def _put_off(self, row: Row[Any], error: Exception) -> None:
        attempts = row.attempts + 1
        _log.error("deadlines.failed", key=row.key, kind=row.kind, attempts=attempts, error=type(error).__name__,
                   exc_info=error)  # fmt: skip
        values = {
            "at": row.key,
            "had": row.attempts,  # whoever fired or moved it meanwhile is not disturbed
            "was_due": row.due_at,
            "new_attempts": attempts,
            "new_next_at": self._clock.now() + self._pace.delay(row.key, attempts),
            "new_last_error": f"{type(error).__name__}: {error}"[:500],
        }
        async with self._db.begin() as conn:
            await conn.execute(self._statements.put_off, values)
        if self._metrics is not None:
            self._metrics.failed(row.kind)

    async def _until_next(self) -> float:
        async with self._db.read() as conn:
            following = await self.deadlines.next_due(conn)
        if following is None:
            return self._pace.poll
        left = (following - self._clock.now()).total_seconds()
        return min(left, self._pace.poll) if left > 0 else self._pace.busy

    async def _rest(self, seconds: float) -> None:
        waits = {asyncio.ensure_future(self._woken.wait()), asyncio.ensure_future(self._clock.sleep(seconds))}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


class DeadlineMetrics:
    """How many fired and failed, how many wait past their moment, and how long the oldest of them does."""

    def __init__(self, service: str, registry: CollectorRegistry) -> None:
        self._service = service

        def counter(name: str, text: str) -> Counter:
            return Counter(name, text, ["service", "kind"], registry=registry)

        self._fired = counter("egov_deadlines_fired", "Deadlines whose handler did its work")
        self._failed = counter("egov_deadlines_failed", "Attempts of handlers that failed")
        self._due = Gauge("egov_deadlines_due", "Deadlines past their moment", ["service"], registry=registry)
        self._oldest = Gauge(
            "egov_deadlines_oldest_overdue_seconds", "How late the oldest one is", ["service"], registry=registry
        )

    def fired(self, kind: str) -> None:
        self._fired.labels(self._service, kind).inc()

    def failed(self, kind: str) -> None:
        self._failed.labels(self._service, kind).inc()

    async def refresh(self, runners: Sequence[DeadlineRunner]) -> None:
        """Sets the gauges; before every answer of /metrics."""
        late = [await runner.lateness() for runner in runners]
        self._due.labels(self._service).set(sum(due for due, _ in late))
        self._oldest.labels(self._service).set(max((seconds for _, seconds in late), default=0.0))


class _Statements:
    def __init__(self, table: Table) -> None:
        column = table.c
        first = self.first_due(table)
        self.take = delete(table).where(column.key == first.scalar_subquery()).returning(*column)
        is_it = (column.key == bindparam("at"), column.attempts == bindparam("had"))
        changed: dict[str, Any] = {name: bindparam(f"new_{name}") for name in ("attempts", "next_at", "last_error")}
        self.put_off = update(table).where(*is_it, column.due_at == bindparam("was_due")).values(**changed)

    @staticmethod
    def first_due(table: Table) -> Select[Any]:
        """The scan: along the index on `next_at`, so the rows of the future cost nothing."""
        return (
            select(table.c.key)
            .where(table.c.next_at <= bindparam("now"))
            .order_by(table.c.next_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )


def _deadline(row: Row[Any]) -> Deadline:
    return Deadline(row.key, row.kind, row.due_at, row.subject, json.loads(row.facts), row.attempts)
