"""What goes on beside a journal: stamps in batches, back-fill after an outage, its alarm; seals; purge."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import text

from egovkit.clock import HandClock
from egovkit.db import Database, KitTables, migrate
from egovkit.errors import EgovError
from egovkit.journal import BODY, Journal, JournalEntry, read_heads, read_rows, verify_rows
from egovkit.journal_bodies import Bodies, BodiesSealed, is_sealed
from egovkit.journal_keeping import JournalKeeper, StampMetrics
from egovkit.journal_stamps import JournalStamp, check_stamp, read_hashes, read_stamps
from egovkit.settings import ServiceSettings
from egovkit.signatures.sealing import Sealer
from egovkit.signatures.stamps import check_token
from egovkit.testing.journal import BODIES
from egovkit.testing.pki import StampAuthority, TestPki

pytestmark = pytest.mark.service
WRITER = "portal-pep/1"


class Settings(ServiceSettings):
    code: ClassVar[str] = "portal-pep"


@dataclass
class Rig:
    db: Database
    tables: KitTables
    journal: Journal
    keeper: JournalKeeper
    authority: StampAuthority
    pki: TestPki
    clock: HandClock

    async def write(self, count: int, journal: Journal | None = None, **body: object) -> None:
        async with self.db.begin() as conn:
            entries = [JournalEntry("admin", self.clock.now(), None, {"n": n, **body}) for n in range(count)]
            await (journal or self.journal).append(conn, entries)

    async def stamps(self) -> list[JournalStamp]:
        assert self.tables.journal.stamps is not None
        async with self.db.read() as conn:
            return await read_stamps(conn, self.tables.journal.stamps)

    async def spans(self) -> list[tuple[str, int, int]]:
        return [(one.writer, one.first, one.last) for one in await self.stamps()]

    async def stored(self) -> list[str | None]:
        async with self.db.read() as conn:
            return list((await conn.execute(text("SELECT body FROM journal ORDER BY writer, position"))).scalars())


@pytest.fixture
async def rig(
    tmp_path: Path, service_package: str, kit: KitTables, pki: TestPki, clock: HandClock
) -> AsyncIterator[Rig]:
    url = f"sqlite+aiosqlite:///{tmp_path}/one.sqlite3"
    await asyncio.to_thread(migrate, url, service_package)
    db, authority = Database(url), pki.stamping()
    journal = Journal(kit.journal, WRITER, None, BODIES)
    settings = Settings(home=tmp_path, nuc_url="http://nuc.test/")
    async with httpx.AsyncClient(transport=httpx.MockTransport(authority.answer)) as http:
        keeper = JournalKeeper(db, journal, BODIES, clock, settings, trust=pki.trust(), http=http)
        yield Rig(db, kit, journal, keeper, authority, pki, clock)
    await db.close()


# --- stamps


async def test_rows_are_stamped_as_one_batch_that_anybody_can_check(rig: Rig) -> None:
    await rig.write(5)
    await rig.keeper.stamp()
    [stamp] = await rig.stamps()
    assert (stamp.writer, stamp.first, stamp.last, stamp.moment) == (WRITER, 1, 5, rig.clock.now())
    async with rig.db.read() as conn:
        hashes = await read_hashes(conn, rig.tables.journal, WRITER, 1, 5)
    assert check_stamp(stamp, hashes)
    assert check_token(stamp.token, bytes.fromhex(stamp.root), rig.pki.trust(), rig.clock.now()).refusal is None
    assert not check_stamp(stamp, hashes[:4])
    assert not check_stamp(stamp, [*hashes[:4], "0" * 64])
    assert not check_stamp(replace(stamp, root="0" * 64), hashes)


async def test_nothing_new_asks_for_no_stamp(rig: Rig) -> None:
    await rig.keeper.stamp()
    await rig.write(1)
    await rig.keeper.stamp()
    await rig.keeper.stamp()
    assert rig.authority.asked == 1
    await rig.write(2)
    await rig.keeper.stamp()
    assert await rig.spans() == [(WRITER, 1, 1), (WRITER, 2, 3)]


async def test_every_writer_of_the_database_is_stamped_one_that_is_gone_too(rig: Rig) -> None:
    await rig.write(2)
    await rig.write(3, Journal(rig.tables.journal, "portal-pep/2", None, BODIES))
    await rig.keeper.stamp()
    assert await rig.spans() == [(WRITER, 1, 2), ("portal-pep/2", 1, 3)]


async def test_an_outage_is_an_alarm_of_its_own_and_is_made_up_for_afterwards(rig: Rig) -> None:
    rig.keeper.stamper.most_rows = 4
    registry = CollectorRegistry()
    metrics = StampMetrics("portal-pep", registry)

    async def shown() -> dict[str, float]:
        metrics.show(await rig.keeper.standing())
        lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
        return {line.split("{")[0].removeprefix("egov_journal_"): float(line.split()[-1]) for line in lines}

    rig.authority.up = False
    assert rig.keeper.shown() is None
    await rig.write(10)
    await rig.keeper.stamp()
    assert await shown() == {
        "unstamped_rows": 10, "unstamped_age_seconds": 0, "stamps_late": 0, "stamped_batches": 0, "stamp_failures": 1,
    }  # fmt: skip
    assert (await rig.keeper.standing()).failure == "stamp.unavailable: unexpected_answer 503 "
    await rig.clock.advance(timedelta(seconds=901))
    await rig.keeper.stamp()
    assert (await shown())["stamps_late"] == 1 and (await shown())["unstamped_age_seconds"] == 901
    told = {"rows": 10, "age_s": 901, "late": True, "failure": "stamp.unavailable: unexpected_answer 503 "}
    assert rig.keeper.shown() == told
    rig.authority.up = True
    await rig.keeper.stamp()
    assert await rig.spans() == [(WRITER, 1, 4), (WRITER, 5, 8), (WRITER, 9, 10)]
    assert await shown() == {
        "unstamped_rows": 0, "unstamped_age_seconds": 0, "stamps_late": 0, "stamped_batches": 3, "stamp_failures": 2,
    }  # fmt: skip


async def test_hours_that_the_clock_was_moved_by_are_no_outage(rig: Rig) -> None:
    await rig.write(1)
    await rig.clock.advance(timedelta(days=3))
    assert not (await rig.keeper.standing()).late


async def test_a_stamp_that_nobody_could_verify_is_not_kept(rig: Rig) -> None:
    await rig.write(1)
    rig.authority.key = TestPki(rig.clock).stamping().key  # an authority of another root answers in its place
    await rig.keeper.stamp()
    assert await rig.spans() == []
    assert (await rig.keeper.standing()).failure == "stamp.refused: certificate.untrusted"


async def test_a_row_that_is_missing_is_not_stamped_over(rig: Rig) -> None:
    await rig.write(3)
    async with rig.db.begin() as conn:
        await conn.execute(text("DELETE FROM journal WHERE position = 2"))
    await rig.keeper.stamp()
    assert await rig.spans() == [] and "missing" in str((await rig.keeper.standing()).failure)


async def test_rows_that_were_taken_away_are_an_alarm_and_no_silence(rig: Rig) -> None:
    """Also where the first of those that wait is gone, or all of them."""
    await rig.write(3)
    await rig.clock.advance(timedelta(seconds=901))
    changes = ("UPDATE journal SET hash = 'x' WHERE position = 2", "DELETE FROM journal WHERE position = 1")
    for change in (*changes, "DELETE FROM journal"):
        async with rig.db.begin() as conn:
            await conn.execute(text(change))
        await rig.keeper.stamp()
        standing = await rig.keeper.standing()
        assert standing.late and standing.rows == 3 and "missing" in str(standing.failure)
    assert await rig.spans() == []


async def test_the_alarm_stands_while_an_authority_that_is_away_is_asked_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.authority.up = False
    await rig.write(1)
    await rig.keeper.stamp()
    await rig.clock.advance(timedelta(seconds=901))
    seen: list[bool] = []
    asked = rig.keeper.stamper._stamp

    async def watched(writer: str, first: int, last: int) -> None:
        seen.append((await rig.keeper.standing()).late)
        await asked(writer, first, last)

    monkeypatch.setattr(rig.keeper.stamper, "_stamp", watched)
    await rig.keeper.stamp()
    assert seen == [True]


async def test_two_replicas_that_stamp_the_same_rows_leave_one_stamp(rig: Rig) -> None:
    await rig.write(4)
    await asyncio.gather(rig.keeper.stamper.round(), rig.keeper.stamper.round())
    assert await rig.spans() == [(WRITER, 1, 4)]


# --- bodies


async def test_what_stands_in_the_database_tells_nothing_and_opens_only_with_the_key(rig: Rig) -> None:
    await rig.write(2, name="Құпия")
    for body in await rig.stored():
        assert body is not None and is_sealed(body) and "name" not in body and "Құпия" not in body
    async with rig.db.read() as conn:
        opened = await read_rows(conn, rig.tables.journal, bodies=BODIES)
        closed = await read_rows(conn, rig.tables.journal)
        heads = await read_heads(conn, rig.tables.journal)
        foreign = await read_rows(conn, rig.tables.journal, bodies=Bodies(Sealer.new_key()))
    assert [row.facts["n"] for row in opened] == [0, 1] and verify_rows(opened, heads) == []
    assert verify_rows(closed, heads) == [], "the chain needs no key"
    with pytest.raises(BodiesSealed, match="portal-pep/1"):
        _ = closed[0].facts
    assert {one.reason for one in verify_rows(foreign, heads)} == {BODY}


async def test_a_sealed_body_opens_at_its_own_place_alone(rig: Rig) -> None:
    await rig.write(2)
    async with rig.db.begin() as conn:
        swap = "UPDATE journal SET body = (SELECT body FROM journal WHERE position = 1) WHERE position = 2"
        await conn.execute(text(swap))
        rows = await read_rows(conn, rig.tables.journal, bodies=BODIES)
    assert [(one.position, one.reason) for one in verify_rows(rows)] == [(2, BODY)]


def test_a_new_key_seals_and_the_old_one_still_opens(tmp_path: Path) -> None:
    old, new = Sealer.new_key(), Sealer.new_key()
    path = tmp_path / "key"
    path.write_text(f"{new.hex()}\n{old.hex()}\n")
    both = Bodies.of_file(path)
    body = '{"a":1}'
    sha256 = hashlib.sha256(body.encode()).hexdigest()
    assert both.open(Bodies(old).seal(body, "w", 1), "w", 1, sha256) == body
    assert Bodies(new).open(both.seal(body, "w", 1), "w", 1, sha256) == body
    with pytest.raises(EgovError, match=r"seal\.broken"):
        Bodies(old).open(both.seal(body, "w", 1), "w", 1, sha256)
    with pytest.raises(ValueError, match="at least one"):
        Bodies()


async def test_bodies_of_before_the_seals_are_sealed_and_lose_nothing(rig: Rig) -> None:
    await rig.write(3, Journal(rig.tables.journal, WRITER))
    await rig.write(1)
    assert [is_sealed(body or "") for body in await rig.stored()] == [False, False, False, True]
    assert await rig.keeper.seal_old() == 3
    assert await rig.keeper.seal_old() == 0
    assert all(is_sealed(body or "") for body in await rig.stored())
    async with rig.db.read() as conn:
        rows = await read_rows(conn, rig.tables.journal, bodies=BODIES)
    assert [row.facts["n"] for row in rows] == [0, 1, 2, 0] and verify_rows(rows) == []


async def test_a_purge_leaves_the_proof_and_is_itself_in_the_journal(rig: Rig) -> None:
    await rig.write(2)
    await rig.keeper.stamp()
    await rig.clock.advance(timedelta(days=1))
    await rig.write(1)
    called: list[datetime] = []

    async def more(_: object, before: datetime) -> int:
        called.append(before)
        return 5

    rig.keeper.purges.append(more)
    before = rig.clock.now()
    assert await rig.keeper.purge(before) == 7 and called == [before]
    async with rig.db.read() as conn:
        rows = await read_rows(conn, rig.tables.journal, bodies=BODIES)
        hashes = await read_hashes(conn, rig.tables.journal, WRITER, 1, 2)
    assert [row.body is None for row in rows] == [True, True, False, False] and verify_rows(rows) == []
    assert rows[3].facts == {"action": "bodies.purged", "before": before.isoformat(), "count": 7}
    assert check_stamp((await rig.stamps())[0], hashes)


async def test_the_keeper_does_all_of_it_by_itself(rig: Rig) -> None:
    await rig.write(1, Journal(rig.tables.journal, WRITER))
    await rig.clock.advance(timedelta(days=2000))
    await rig.write(1)
    rig.authority.key = rig.pki.stamping().key
    rig.keeper.stamper._trust = rig.pki.trust()
    running = asyncio.create_task(rig.keeper.run())
    try:
        async with asyncio.timeout(10):
            while await rig.spans() != [(WRITER, 1, 2)] or (await rig.stored())[0] is not None:
                await rig.clock.advance(timedelta(seconds=60))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
