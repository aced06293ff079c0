"""The relay: takes what the outbox holds to the broker, until the broker has confirmed it. At least once.

Every queue has a lane of its own: a queue whose confirms do not come (its consumer is paused on the memory bus, it is
full, its broker node is away) keeps nobody waiting but itself.

One envelope of a case is under way at a time, whatever the number of lanes and relays: only the first unsent row of a
case may be taken, and whoever takes it holds it until its outcome is written.

A row that no broker can ever take (PublishFailure.INVALID) is dead: it is marked with the moment and the reason, logged
as an error, and its case goes on without it; the gateway's order of the case then shows the gap.

* PostgreSQL: the rows stay locked (FOR UPDATE SKIP LOCKED) in a transaction that is open while publishing. A relay
  that is killed loses its locks with its connection, so the next one goes on at once, without leases to run out.
* SQLite: a transaction open while publishing would stop every writer of the service. One relay per file instead,
  by a lock on a file beside it, which the system releases when the process dies.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Row, Table, and_, bindparam, delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.bus import Bus, Outgoing, PublishError, PublishFailure
from egovkit.clock import Clock
from egovkit.db.engine import Database
from egovkit.log import get_logger

_log = get_logger("egovkit.relay")


@dataclass(frozen=True, slots=True)
class RelayPace:
    """How fast and how patient. The poll only finds what a wake-up missed: rows of a killed process, rows whose
    back-off ended."""

    batch: int = 200
    lanes: int = 6  # at once on PostgreSQL, where each holds a connection while it publishes; a pool has 10 to 20
    poll: float = 1.0  # seconds
    first_delay: float = 0.25  # seconds before the second try; doubles for each further one
    max_delay: float = 15.0  # a broker that comes back finds everything within this time
    publish_timeout: float = 30.0  # without an answer for so long, publishing counts as failed and is repeated

    def delay(self, id_: str, attempts: int) -> timedelta:
        """Back-off with jitter between half and all of it. Drawn from the id: no two rows agree, and a test or a
        replay gets the same again."""
        whole = min(self.first_delay * 2.0 ** min(attempts - 1, 30), self.max_delay)
        share = int.from_bytes(hashlib.sha256(f"{id_}:{attempts}".encode()).digest()[:4]) / 2**32
        return timedelta(seconds=whole * (0.5 + share / 2))


DEFAULT_PACE = RelayPace()


class Relay:
    def __init__(self, db: Database, bus: Bus, table: Table, clock: Clock, *, pace: RelayPace = DEFAULT_PACE) -> None:
        self._db = db
        self._bus = bus
        self._table = table
        self._clock = clock
        self._pace = pace
        self._woken = asyncio.Event()
        self._named: set[str] = set()  # queues that somebody says have something new
        self._look = True  # ask the database which queues have something
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(pace.lanes)
        self._task: asyncio.Task[None] | None = None
        self._turn = _FileTurn(db.path) if db.path is not None else None
        self._statements = _Statements(table, pace.batch)

    async def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="egov-relay")

    async def close(self) -> None:
        """Stops; what was not confirmed is sent again at the next start."""
        if self._task is not None:
            tasks = [self._task, *self._lanes.values()]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            self._task = None
        if self._turn is not None:
            self._turn.release()

    def wake(self, queue: str | None = None) -> None:
        """Something for this queue was committed (None: who knows for which): look now instead of at the next poll.
        Any number of calls, any time."""
        if queue is None:
            self._look = True
        else:
            self._named.add(queue)
        self._woken.set()

    async def backlog(self) -> int:
        """How many rows are still to be sent."""
        return sum((await self.backlog_by_queue()).values())

    async def backlog_by_queue(self) -> dict[str, int]:
        """How many rows are still to be sent, of the queues that have any."""
        async with self._db.read() as conn:
            return {queue: int(waiting) for queue, waiting in await conn.execute(self._statements.backlog)}

    async def dead(self) -> int:
        """How many rows were given up, and are kept for whoever repairs what made them."""
        async with self._db.read() as conn:
            return int((await conn.execute(self._statements.dead)).scalar_one())

    async def _run(self) -> None:
        while True:
            self._look = False
            try:
                rest = await self._open_due_lanes()
            except Exception:
                # The database as a whole; nothing is lost, rows are still there.
                _log.exception("relay.pass_failed")
                rest = self._pace.poll
            ends = self._clock.monotonic() + rest
            while not self._look and (left := ends - self._clock.monotonic()) > 0:
                self._open_named_lanes()
                await self._rest(left)

    async def _open_due_lanes(self) -> float:
        """Opens the lanes of all queues that have something due; seconds until the next one has, or the poll."""
        if not self._is_ours():
            return self._pace.poll
        async with self._db.read() as conn:
            heads = (await conn.execute(self._statements.heads)).all()
        now, rest = self._clock.now(), self._pace.poll
        for queue, due in heads:
            if due <= now:
                self._open(queue)
            else:
                rest = min(rest, (due - now).total_seconds())
        return rest

    def _open_named_lanes(self) -> None:
        self._woken.clear()
        free = [queue for queue in self._named if queue not in self._lanes]  # a busy one looks again when it is done
        self._named.difference_update(free)
        if self._is_ours():
            for queue in free:
                self._open(queue)

    def _is_ours(self) -> bool:
        return self._turn is None or self._turn.take()

    def _open(self, queue: str) -> None:
        if queue not in self._lanes:
            self._lanes[queue] = asyncio.create_task(self._lane(queue), name=f"egov-relay:{queue}")

    async def _lane(self, queue: str) -> None:
        """Until nothing of this queue is due any more."""
        try:
            while (passed := await self._pass(queue)).taken:
                self._named.update(passed.next_queues - {queue})
                if passed.failed:
                    self._look = True  # for the time of the next attempt
                if passed.taken < self._pace.batch and queue not in passed.next_queues | self._named:
                    break
                self._named.discard(queue)
        except Exception:
            _log.exception("relay.pass_failed", queue=queue)  # the poll comes back to it
            self._named.discard(queue)
        finally:
            del self._lanes[queue]
            if self._named or self._look:
                self._woken.set()

    async def run_once(self) -> int:
        """One pass over every queue that has something due: takes what may go, publishes it, writes the outcomes.
        Returns how many rows it took."""
        if not self._is_ours():
            return 0
        async with self._db.read() as conn:
            heads = (await conn.execute(self._statements.heads)).all()
        now = self._clock.now()
        passes = await asyncio.gather(*(self._pass(queue) for queue, due in heads if due <= now))
        return sum(one.taken for one in passes)

    async def _pass(self, queue: str) -> _Passed:
        if self._db.dialect == "postgresql":
            async with self._slots, self._db.begin() as conn:
                rows = await self._due(conn, queue)
                return await self._write(conn, rows, await self._publish(rows))
        async with self._db.read() as conn:
            rows = await self._due(conn, queue)
        if not rows:
            return _Passed()
        outcomes = await self._publish(rows)
        async with self._db.begin() as conn:
            return await self._write(conn, rows, outcomes)

    async def _due(self, conn: AsyncConnection, queue: str) -> Sequence[Row[Any]]:
        values = {"of_queue": queue, "now": self._clock.now()}
        return (await conn.execute(self._statements.due, values)).all()

    async def _publish(self, rows: Sequence[Row[Any]]) -> list[PublishError | None]:
        """One answer per row. A broker may blame a whole batch for one message of it (RabbitMQ closes the channel):
        before a row is given up for good it has been refused alone."""
        if not rows:
            return []
        answers = await self._answers(rows)
        if len(rows) > 1:
            for number, answer in enumerate(answers):
                if _is_hopeless(answer):
                    [answers[number]] = await self._answers(rows[number : number + 1])
        return answers

    async def _answers(self, rows: Sequence[Row[Any]]) -> list[PublishError | None]:
        messages = [Outgoing(row.queue, row.body, json.loads(row.headers), row.id) for row in rows]
        try:
            async with asyncio.timeout(self._pace.publish_timeout):
                return await self._bus.publish(messages)
        except TimeoutError:
            return [PublishError(PublishFailure.CLOSED, "no answer in time") for _ in rows]

    async def _write(
        self, conn: AsyncConnection, rows: Sequence[Row[Any]], outcomes: Sequence[PublishError | None]
    ) -> _Passed:
        if not rows:
            return _Passed()
        now = self._clock.now()
        pairs = list(zip(rows, outcomes, strict=True))
        done = [row for row, error in pairs if error is None]
        if done:
            await conn.execute(self._statements.sent, [{"at": row.position, "now": now} for row in done])
        failed = [self._failure(row, error, now) for row, error in pairs if error is not None]
        if failed:
            await conn.execute(self._statements.failed, failed)
        settled = {row.case_id for row, error in pairs if row.case_id and (error is None or _is_hopeless(error))}
        following: set[str] = set()
        if settled:
            following.update((await conn.execute(self._statements.following, {"cases": sorted(settled)})).scalars())
        return _Passed(len(rows), len(failed), frozenset(following))

    def _failure(self, row: Row[Any], error: PublishError, now: datetime) -> dict[str, Any]:
        attempts = row.attempts + 1
        if hopeless := _is_hopeless(error):
            _log.error("relay.dead", id=row.id, queue=row.queue, case=row.case_id, reason=str(error)[:500])
        else:
            _log.warning("relay.not_confirmed", id=row.id, queue=row.queue, attempts=attempts, reason=error.reason)
        return {
            "at": row.position,
            "new_attempts": attempts,
            "new_next_at": now + self._pace.delay(row.id, attempts),
            "new_last_error": str(error)[:500],
            "new_dead_at": now if hopeless else None,
        }

    async def _rest(self, seconds: float) -> None:
        waits = {
            asyncio.ensure_future(self._woken.wait()),
            asyncio.ensure_future(self._clock.sleep(seconds)),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class _Passed:
    """What one pass over a queue did. `next_queues` have the followers of what it settled."""

    taken: int = 0
    failed: int = 0
    next_queues: frozenset[str] = frozenset()


def _is_hopeless(error: PublishError | None) -> bool:
    return error is not None and error.reason is PublishFailure.INVALID


class _Statements:
    """Made once per relay: making them costs more than running them."""

    def __init__(self, table: Table, batch: int) -> None:
        row, earlier, column = table, table.alias("earlier"), table.c
        unsent = and_(column.sent_at.is_(None), column.dead_at.is_(None))
        first_of_case = ~exists().where(
            earlier.c.case_id == column.case_id,
            earlier.c.sent_at.is_(None),
            earlier.c.dead_at.is_(None),
            earlier.c.position < column.position,
        )
        self.heads = select(column.queue, func.min(column.next_at)).where(unsent, first_of_case).group_by(column.queue)
        self.due = (
            select(
                column.position, column.id, column.case_id, column.queue, column.body, column.headers, column.attempts
            )
            .where(unsent, column.queue == bindparam("of_queue"), column.next_at <= bindparam("now"), first_of_case)
            .order_by(column.position)
            .limit(batch)
            .with_for_update(of=row, skip_locked=True)
        )
        at = column.position == bindparam("at")
        sent = {"sent_at": bindparam("now"), "attempts": column.attempts + 1, "last_error": None}
        self.sent = update(row).where(at).values(**sent)
        failure = ("attempts", "next_at", "last_error", "dead_at")
        self.failed = update(row).where(at).values(**{name: bindparam(f"new_{name}") for name in failure})
        followers = column.case_id.in_(bindparam("cases", expanding=True))
        self.following = select(column.queue).distinct().where(unsent, followers)
        self.backlog = select(column.queue, func.count()).where(unsent).group_by(column.queue)
        self.dead = select(func.count()).where(column.dead_at.is_not(None))


class _FileTurn:
    """The right to be the one relay of a SQLite file."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".relay-lock")
        self._file: int | None = None

    def take(self) -> bool:
        if self._file is not None:
            return True
        file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._file = file
        return True

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


async def forget_sent(conn: AsyncConnection, table: Table, before: datetime) -> int:
    """Deletes rows confirmed before this moment; returns how many."""
    return (await conn.execute(delete(table).where(table.c.sent_at < before))).rowcount
