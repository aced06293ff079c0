"""`egov journal verify` and `egov journal purge` on a real PostgreSQL: progress, every way to tamper, the proof that
stays."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import text

from egovkit.clock import HandClock
from egovkit.db import Database, migrate
from egovkit.journal import Journal, JournalEntry
from egovkit.journal_stamps import Stamper
from egovkit.testing.journal import BODIES, give_journal_key
from egovkit.testing.pki import TestPki, lay_key
from egovkit.testing.plugin import START
from gateway_shep.tables import participant_certificates
from portal_pep.tables import kit
from sandbox import evidence
from sandbox.composition import PORTAL, SHEP, Home
from sandbox.journal_trust import certified, token_check, trust_of
from sandbox.journal_verdict import BROKEN, EMPTY, SOUND, STEP, Verdict, Wanted, verify
from sandbox.journals import read_all
from sandbox.places import Place

if TYPE_CHECKING:
    from egovkit.testing.servers import PrivatePostgres

pytestmark = [pytest.mark.connected, pytest.mark.asyncio(loop_scope="module")]
ROWS = STEP + 100
BATCH = 500
CASE = "01a21592-1efa-7371-8120-000000000001"
WRITER = f"{PORTAL}/1"
COPY = ("CREATE TABLE kept AS TABLE journal", "CREATE TABLE kept_stamps AS TABLE journal_stamps")
COPY_BACK = (
    *("TRUNCATE journal", "INSERT INTO journal SELECT * FROM kept", "DROP TABLE kept"),
    *("TRUNCATE journal_stamps", "INSERT INTO journal_stamps SELECT * FROM kept_stamps", "DROP TABLE kept_stamps"),
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A portal's journal of many rows in batches, ШЭП's register of its key, and the files of the deployment."""

    home: Path
    places: dict[str, Place]
    db: Database
    stranger: bytes  # a token over the first batch's root by an authority nobody trusts

    async def verdict(self, wanted: Wanted, seen: list[int] | None = None) -> Verdict:
        copies = await read_all(self.places)
        trust = trust_of(Home(self.home), copies)
        check = token_check(trust, START + timedelta(days=1))
        known = certified(copies, trust)
        return verify(known, wanted, check, lambda done, _: None if seen is None else seen.append(done))

    @contextlib.asynccontextmanager
    async def changed(self, *statements: str, **values: object) -> AsyncIterator[None]:
        """Done to the journal, and undone."""
        async with self.db.begin() as conn:
            for statement in COPY:
                await conn.execute(text(statement))
            for statement in statements:
                given = {name: value for name, value in values.items() if f":{name}" in statement}
                assert (await conn.execute(text(statement), given)).rowcount > 0, statement
        try:
            yield
        finally:
            async with self.db.begin() as conn:
                for statement in COPY_BACK:
                    await conn.execute(text(statement))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kept(postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kept]:
    home = Home(tmp_path_factory.mktemp("verified"))
    clock = HandClock(START)
    pki = TestPki(clock)
    key = pki.system(PORTAL)
    lay_key(home.keystore(PORTAL), home.keystore_password(PORTAL), key, PORTAL)
    home.trust_root.parent.mkdir()
    home.trust_root.write_bytes(pki.root.public_bytes(Encoding.DER))
    urls = {code: postgres.database(f"egov_verified_{n}") for n, code in enumerate((SHEP, PORTAL))}
    for code, url in urls.items():
        give_journal_key(home.path, code)
        await asyncio.to_thread(migrate, url, code.replace("-", "_"))
    db, shep = Database(urls[PORTAL]), Database(urls[SHEP])
    journal = Journal(kit.journal, WRITER, key, BODIES)
    for first in range(0, ROWS, BATCH):
        made = [
            JournalEntry("admin", START + timedelta(seconds=n), CASE if n % 7 == 0 else None, {"n": n})
            for n in range(first, min(first + BATCH, ROWS))
        ]
        async with db.begin() as conn:
            await journal.append(conn, made)
    stamper = Stamper(db, kit.journal, clock, pki.trust(), pki.stamper)
    stamper.most_rows = BATCH
    assert await stamper.round() == 5, stamper.failure
    async with shep.begin() as conn:
        dates = dict.fromkeys(("not_before", "not_after", "added_at"), START)
        der = key.certificate.public_bytes(Encoding.DER)
        row = {"thumbprint": key.thumbprint, "code": PORTAL, "certificate": der, **dates}
        await conn.execute(participant_certificates.insert(), row)
    async with db.read() as conn:
        root = (await conn.execute(text("SELECT root FROM journal_stamps WHERE first = 1"))).scalar_one()
    places = {code: Place(url, home.journal_key(code)) for code, url in urls.items()}
    stranger = await TestPki(clock).stamper().token(bytes.fromhex(root))
    yield Kept(home.path, places, db, stranger)
    await db.close()
    await shep.close()


TAMPERED = {
    "changed": (["UPDATE journal SET time = time + interval '1 hour' WHERE position = 5"], {(5, "hash")}),
    "removed": (["DELETE FROM journal WHERE position = 5"], {(5, "missing"), (1, "root")}),
    "cut off": (["DELETE FROM journal WHERE position > 2090"], {(ROWS, "cut"), (2001, "root")}),
    "reordered": (
        [
            "UPDATE journal SET position = 9000 + 11 - position WHERE position IN (5, 6)",
            "UPDATE journal SET position = position - 9000 WHERE position > 9000",
        ],
        {(n, reason) for n in (5, 6) for reason in ("prev", "hash", "body", "signature")} | {(7, "prev"), (1, "root")},
    ),
    "another's body": (
        ["UPDATE journal SET body = (SELECT body FROM journal WHERE position = 6) WHERE position = 5"],
        {(5, "body")},
    ),
    "another's signature": (
        ["UPDATE journal SET signature = (SELECT signature FROM journal WHERE position = 6) WHERE position = 5"],
        {(5, "signature")},
    ),
    "a stranger's stamp": (["UPDATE journal_stamps SET token = :stranger WHERE first = 1"], {(1, "token")}),
    "another batch's stamp": (
        ["UPDATE journal_stamps SET token = (SELECT token FROM journal_stamps WHERE first = 501) WHERE first = 1"],
        {(1, "token")},
    ),
    "a stamp dated back": (
        ["UPDATE journal_stamps SET moment = moment - interval '1 day' WHERE first = 1"],
        {(1, "token")},
    ),
    "a stamp taken away": (
        ["DELETE FROM journal_stamps WHERE first = 501"],
        {(n, "gap") for n in range(501, 1001)},
    ),
    "a body taken away unsaid": (["UPDATE journal SET body = NULL WHERE position = 5"], {(5, "gone")}),
}


async def test_a_long_journal_is_sound_and_shows_how_far_it_is(kept: Kept) -> None:
    seen: list[int] = []
    found = await kept.verdict(Wanted(), seen)
    assert (found.status, found.breaks, found.rows, found.stamped, found.stamps) == (SOUND, [], ROWS, ROWS, 5)
    assert found.signed and found.tokens_checked and found.unopened == 0 and seen == [STEP]


async def test_a_case_and_a_span_are_verified_alone(kept: Kept) -> None:
    case = await kept.verdict(Wanted(case=CASE))
    assert (case.status, case.rows, case.stamped) == (SOUND, ROWS // 7, ROWS // 7)
    span = await kept.verdict(Wanted(since=START + timedelta(seconds=100), until=START + timedelta(seconds=199)))
    assert (span.status, span.rows, span.stamps) == (SOUND, 100, 1)
    assert (await kept.verdict(Wanted(until=START - timedelta(days=1)))).status == EMPTY


@pytest.mark.parametrize("how", TAMPERED)
async def test_each_way_to_tamper_is_found_where_it_was_done(kept: Kept, how: str) -> None:
    statements, expected = TAMPERED[how]
    async with kept.changed(*statements, stranger=kept.stranger):
        found = await kept.verdict(Wanted())
    assert found.status == BROKEN
    assert {(one.position, one.reason) for one in found.breaks} == expected


async def test_what_is_purged_by_hand_leaves_a_sound_journal_that_tells_of_it(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evidence, "databases", lambda home, server: kept.places)
    before = START + timedelta(seconds=10)
    done = await asyncio.to_thread(evidence.run_purge, kept.home, "postgresql://", before, PORTAL)
    assert (done, capsys.readouterr().out.split()) == (0, [PORTAL, "10", "bodies", "removed"])
    async with kept.db.read() as conn:
        left = (await conn.execute(text("SELECT count(*), count(body) FROM journal"))).one()
    assert tuple(left) == (ROWS + 1, ROWS + 1 - 10), "one row more: the operator's own"
    assert await asyncio.to_thread(evidence.run_verify, kept.home, "postgresql://") == SOUND
    assert f"{PORTAL}/operator" in capsys.readouterr().out
