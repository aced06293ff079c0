"""What goes on beside a journal: its rows are stamped, bodies of before the seals are sealed, old ones are purged.

The alarm is its own: a service whose stamps are late works and is ready, because nobody's request needs a stamp. It is
`egov_journal_stamps_late` 1 in /metrics, `stamps` of /health/ready with the reason, and "journal.stamps_late" in the
log, once; when all is stamped again, "journal.stamps_caught_up". Late is what waits longer than `stamp_late_s` and was
tried in vain: hours that the sandbox's clock was moved by are no outage.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.clock import Clock
from egovkit.db.engine import Database
from egovkit.db.tables import JournalTables
from egovkit.journal import Journal, JournalEntry
from egovkit.journal_bodies import Bodies, purge_bodies, seal_plain
from egovkit.journal_stamps import Stamper
from egovkit.log import get_logger
from egovkit.settings import ServiceSettings
from egovkit.signatures.certificates import TrustStore

if TYPE_CHECKING:
    from egovkit.signatures.stamps import StampService

__all__ = ["JournalKeeper", "StampMetrics", "Standing"]

UPKEEP_EVERY_S = 3600.0
LOOKS = (
    2  # in vain, an hour apart, and no process of before the seals writes beside this one: a look reads whole tables
)

Purge = Callable[[AsyncConnection, datetime], Awaitable[int]]
Seal = Callable[[AsyncConnection, Bodies], Awaitable[int]]
_log = get_logger("egovkit.journal")


@dataclass(frozen=True, slots=True)
class Standing:
    """How the stamps of a journal stand. `age_s` is that of the oldest row without one, 0 when there is none."""

    rows: int  # that wait for a stamp
    age_s: float
    late: bool
    batches: int  # stamped by this process
    failures: int  # rounds of this process that ended with one
    failure: str | None  # of the last round


class StampMetrics:
    """The standing in /metrics."""

    def __init__(self, service: str, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(name, text, ["service"], registry=registry)

        self._service = service
        self._rows = gauge("egov_journal_unstamped_rows", "Rows of the journal that wait for a time stamp")
        self._age = gauge("egov_journal_unstamped_age_seconds", "Age of the oldest row without a time stamp")
        self._late = gauge("egov_journal_stamps_late", "1: rows wait too long for a time stamp, see the log")
        self._batches = gauge("egov_journal_stamped_batches", "Batches this process had stamped since its start")
        self._failures = gauge("egov_journal_stamp_failures", "Rounds of this process that got no stamp")

    def show(self, standing: Standing) -> None:
        """Sets the gauges."""
        self._rows.labels(self._service).set(standing.rows)
        self._age.labels(self._service).set(standing.age_s)
        self._late.labels(self._service).set(float(standing.late))
        self._batches.labels(self._service).set(standing.batches)
        self._failures.labels(self._service).set(standing.failures)


class JournalKeeper:
    """See the module. `seals` and `purges` are called with the journal's own: what else of a service is to be sealed
    with its bodies, some at a time, and is to go with them."""

    def __init__(
        self,
        db: Database,
        journal: Journal,
        bodies: Bodies,
        clock: Clock,
        settings: ServiceSettings,
        *,
        trust: TrustStore,
        http: httpx.AsyncClient,
    ) -> None:
        self._db, self._journal, self._bodies, self._clock, self._settings = db, journal, bodies, clock, settings
        url = f"{settings.nuc_url.rstrip('/')}/tsp"

        def service() -> StampService:
            from egovkit.signatures import stamps

            return stamps.StampService(http, url)

        self.stamper = Stamper(db, journal.tables, clock, trust, service)
        self.seals: list[Seal] = [partial(_seal_journal, journal.tables)]
        self.purges: list[Purge] = []
        self._late = False
        self._seen: Standing | None = None
        self._batches = self._failures = 0

    async def run(self) -> None:
        """For ever, until cancelled. A database or an authority that is away now is there at another round."""
        upkeep_at, found_nothing = self._clock.monotonic(), 0
        while True:
            await self._clock.sleep(self._settings.stamp_every_s)
            try:
                await self.stamp()
                if self._clock.monotonic() >= upkeep_at:
                    if found_nothing < LOOKS:
                        found_nothing = 0 if await self.seal_old() else found_nothing + 1
                    await self.purge(self._clock.now() - timedelta(days=self._settings.journal_bodies_kept_d))
                    upkeep_at = self._clock.monotonic() + UPKEEP_EVERY_S
            except Exception as error:
                _log.warning("journal.keeping_failed", error=type(error).__name__)

    async def stamp(self) -> None:
        """One round, and the alarm after it."""
        self._batches += await self.stamper.round()
        self._failures += self.stamper.failure is not None
        was, now = self._late, (await self.standing()).late
        self._late = now
        if now and not was:
            _log.error("journal.stamps_late", reason=self.stamper.failure)
        elif was and not now:
            _log.info("journal.stamps_caught_up")

    async def standing(self) -> Standing:
        """As it is in the database now."""
        left = await self.stamper.unstamped()
        rows = sum(one.last - one.first + 1 for one in left)
        ages = [(self._clock.now() - one.since).total_seconds() for one in left if one.since is not None]
        age, failure = max(ages, default=0.0), self.stamper.failure
        late = failure is not None and (age > self._settings.stamp_late_s or len(ages) < len(left))
        self._seen = Standing(rows, max(age, 0.0), late, self._batches, self._failures, failure)
        return self._seen

    def shown(self) -> dict[str, Any] | None:
        """For /health/ready: as it was at the last look; None before the first."""
        seen = self._seen
        return None if seen is None else {name: getattr(seen, name) for name in ("rows", "age_s", "late", "failure")}

    async def seal_old(self) -> int:
        """Seals what was written before there were seals, some at a time; how many."""
        return sum([await self._seal_all(seal) for seal in self.seals])

    async def _seal_all(self, seal: Seal) -> int:
        sealed = 0
        while True:
            async with self._db.begin() as conn:
                some = await seal(conn, self._bodies)
            sealed += some
            if not some:
                return sealed

    async def purge(self, before: datetime) -> int:
        """Removes bodies older than `before`, in one transaction with the journal's word of it; how many."""
        async with self._db.begin() as conn:
            purged = await purge_bodies(conn, self._journal.tables, before)
            for more in self.purges:
                purged += await more(conn, before)
            if purged:
                await self._journal.append(conn, [purged_entry(self._clock.now(), before, purged)])
        return purged


async def _seal_journal(tables: JournalTables, conn: AsyncConnection, bodies: Bodies) -> int:
    return await seal_plain(conn, tables, bodies)


def purged_entry(now: datetime, before: datetime, count: int) -> JournalEntry:
    """What the journal says of a purge."""
    return JournalEntry("admin", now, None, {"action": "bodies.purged", "before": before.isoformat(), "count": count})
