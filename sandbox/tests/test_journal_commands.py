"""`egov journal` and `egov evidence` where something is in the way: what they say then is true."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path

import pytest
import typer
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import MetaData

from egovkit.clock import HandClock
from egovkit.db import Database, stamped_journal_tables
from egovkit.journal import Journal, JournalEntry
from egovkit.journal_bodies import BodiesSealed
from egovkit.testing.journal import BODIES
from egovkit.testing.pki import TestPki
from sandbox import evidence
from sandbox.case_evidence import make
from sandbox.composition import Home
from sandbox.journal_cli import moment_of
from sandbox.places import Place

DAY = datetime(2026, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-01-15", "20260115", "2026-W03-4"])
def test_a_day_ends_with_its_last_moment_however_it_is_written(text: str) -> None:
    assert moment_of(text) == DAY
    assert moment_of(text, end=True) == datetime.combine(DAY, time.max, UTC)


def test_a_moment_ends_with_itself_and_what_is_none_is_refused() -> None:
    assert moment_of("2026-01-15T05:00+05:00", end=True) == DAY
    with pytest.raises(typer.Exit):
        moment_of("soon")


def test_what_was_purged_before_another_system_failed_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    async def purge(home: Home, code: str, place: Place, before: datetime) -> int:
        if code == "con-arm":
            raise ValueError("no key")
        return 3

    monkeypatch.setattr(evidence, "databases", lambda home, server: {"portal-pep": Place(""), "con-arm": Place("")})
    monkeypatch.setattr(evidence, "_purge", purge)
    assert evidence.run_purge(tmp_path, None, DAY) == evidence.UNREADABLE
    said = capsys.readouterr()
    assert said.out.split() == ["portal-pep", "3", "bodies", "removed"] and "no key" in said.err


@pytest.mark.service
async def test_bodies_that_no_key_opens_do_not_pass_for_purged_ones(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.trust_root.parent.mkdir()
    home.trust_root.write_bytes(TestPki(HandClock(DAY)).root.public_bytes(Encoding.DER))
    metadata = MetaData()
    journal = Journal(stamped_journal_tables(metadata), "portal-pep/1", None, BODIES)
    url = f"sqlite+aiosqlite:///{tmp_path}/one.sqlite3"
    db = Database(url)
    async with db.begin() as conn:
        await conn.run_sync(metadata.create_all)
        await journal.append(conn, [JournalEntry("admin", DAY, "case", {"n": 1})])
    await db.close()
    with pytest.raises(BodiesSealed, match="1 bodies"):
        await make(tmp_path, {"portal-pep": Place(url)}, "case", "http://nuc.test")
