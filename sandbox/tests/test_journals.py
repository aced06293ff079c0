"""What betrays a tampered journal: its own chain, its heads, and what everybody else has seen of it."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import MetaData, text

from egovgateway.sealing import sealed
from egovkit.db import Database, journal_tables
from egovkit.journal import GENESIS, Journal, JournalEntry, JournalRow, KnownHead, chain
from egovkit.journal_keeping import purged_entry
from egovkit.testing.journal import BODIES
from sandbox.journal_verdict import Wanted, verify
from sandbox.journals import JournalCopy, envelope_in, read_copy, receipt_head, tokens, trail_heads
from sandbox.places import Place

START = datetime(2026, 1, 15, 4, 0, tzinfo=UTC)
GATEWAY = "gateway-shep/1"


def entry(n: int) -> JournalEntry:
    return JournalEntry("admin", START + timedelta(seconds=n), "case", {"n": n})


def rows(writer: str = GATEWAY, count: int = 5) -> list[JournalRow]:
    found: list[JournalRow] = []
    head = GENESIS
    for n in range(1, count + 1):
        found.append(chain(entry(n), writer, n, head))
        head = found[-1].hash
    return found


def head_of(row: JournalRow, witness: str = "journal_heads") -> KnownHead:
    return KnownHead(row.writer, row.position, row.hash, witness)


def witness(kept: list[JournalRow], full: list[JournalRow]) -> list[JournalCopy]:
    """The gateway's journal as it is now, its heads to match, and what the provider's inbox has seen of it."""
    receipts = [head_of(row, "provider-arm, receipt of x") for row in full]
    heads = [head_of(kept[-1])] if kept else []
    return [JournalCopy("gateway-shep", kept, heads), JournalCopy("provider-arm", (), (), receipts)]


def test_no_rows_at_all_is_status_2() -> None:
    assert verify([]).status == 2
    assert verify([JournalCopy("gateway-shep", ())]).status == 2


def test_a_whole_journal_is_sound_and_counted_by_writer() -> None:
    first, second = rows(), rows("portal-pep/1", 3)
    copies = [JournalCopy("a", first, [head_of(first[-1])]), JournalCopy("b", second, [head_of(second[-1])])]
    verdict = verify(copies)
    assert verdict.status == 0
    assert (verdict.rows, dict(verdict.writers)) == (8, {GATEWAY: 5, "portal-pep/1": 3})


def test_a_flipped_byte_in_a_body_is_a_break() -> None:
    full = rows()
    full[2] = replace(full[2], body='{"n":9}')
    [one] = verify([JournalCopy("a", full)]).breaks
    assert (one.position, one.reason) == (3, "body")


@pytest.mark.parametrize("column", ["prev", "hash", "body_sha256"])
def test_a_flipped_byte_in_a_hash_is_a_break(column: str) -> None:
    full = rows()
    value = getattr(full[2], column)
    full[2] = replace(full[2], **{column: ("1" if value[0] == "0" else "0") + value[1:]})
    assert verify([JournalCopy("a", full)]).status == 1


def test_a_deleted_row_leaves_a_gap() -> None:
    full = rows()
    [one] = verify([JournalCopy("a", full[:2] + full[3:])]).breaks
    assert (one.position, one.reason) == (3, "missing")


def test_a_cut_tail_is_betrayed_by_the_receipts_others_hold() -> None:
    full = rows()
    verdict = verify(witness(full[:3], full))
    assert verdict.status == 1
    assert {(one.position, one.reason) for one in verdict.breaks} == {(4, "cut"), (5, "cut")}


def test_a_rewritten_journal_differs_from_the_heads_others_hold() -> None:
    full = rows()
    other = [replace(row, case_id="another") for row in full]
    head, forged = GENESIS, []
    for row in other:
        forged.append(chain(JournalEntry("admin", row.time, "another", row.facts), GATEWAY, row.position, head))
        head = forged[-1].hash
    verdict = verify(witness(forged, full))
    assert {one.reason for one in verdict.breaks} == {"head"}


def test_a_dropped_writer_is_betrayed_even_when_its_own_heads_are_gone_too() -> None:
    full = rows()
    others = rows("portal-pep/1")
    copies = [*witness([], full), JournalCopy("portal-pep", others, [head_of(others[-1])])]
    verdict = verify(copies)
    assert verdict.status == 1
    assert {one.writer for one in verdict.breaks} == {GATEWAY}


def test_the_journal_of_a_partner_is_not_looked_for_here() -> None:
    full = rows()
    foreign = KnownHead("partner/1", 7, "ab", "gateway-shep, trail of x")
    assert verify([JournalCopy("gateway-shep", full, [head_of(full[-1])], [foreign])]).status == 0


def with_a_purge(full: list[JournalRow], before: datetime) -> list[JournalRow]:
    told = purged_entry(before, before, len(full))
    return [replace(row, body=None) for row in full] + [chain(told, GATEWAY, len(full) + 1, full[-1].hash)]


def test_a_purged_body_does_not_break_the_chain() -> None:
    full = rows()
    purged = with_a_purge(full, full[-1].time + timedelta(seconds=1))
    assert verify([JournalCopy("a", purged)]).status == 0


def test_a_body_that_no_purge_removed_is_missed() -> None:
    """A purge that was told of explains what was older than its day, and nothing younger."""
    full = rows()
    untold = verify([JournalCopy("a", [replace(full[0], body=None), *full[1:]])])
    assert [(one.position, one.reason) for one in untold.breaks] == [(1, "gone")]
    younger = verify([JournalCopy("a", with_a_purge(full, full[-1].time))])
    assert [(one.position, one.reason) for one in younger.breaks] == [(len(full), "gone")]


def test_a_purge_is_told_of_by_a_row_that_is_as_it_was_written_and_signed() -> None:
    """Also where only a part is asked about, which that row is not of."""
    full = rows()
    purged = with_a_purge(full, full[-1].time + timedelta(seconds=1))
    part = Wanted(until=full[-1].time)
    assert verify([JournalCopy("a", purged)], part).status == 0
    for told in (
        JournalCopy("a", [*purged[:-1], replace(purged[-1], hash="0" * 64)]),
        JournalCopy("a", purged, certificates=()),
    ):
        assert "gone" in {one.reason for one in verify([told], part).breaks}


def test_where_the_bodies_stay_sealed_no_purge_is_judged() -> None:
    full = [replace(row, body=None, sealed=None if row.position == 1 else "sealed") for row in rows()]
    assert verify([JournalCopy("a", full)]).status == 0


def token(**payload: object) -> str:
    segment = base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b"=").decode()
    return f"e30.{segment}.c2ln"


def test_a_receipt_tells_writer_position_and_head() -> None:
    head = receipt_head(token(writer=GATEWAY, position=4, head="ab"), "inbox")
    assert head == KnownHead(GATEWAY, 4, "ab", "inbox")


@pytest.mark.parametrize("broken", ["", "a.b", "a.!!.c", token(writer=GATEWAY)])
def test_what_is_no_receipt_witnesses_nothing(broken: str) -> None:
    assert receipt_head(broken, "inbox") is None


def test_a_trail_witnesses_the_journal_of_the_acting_service() -> None:
    step = {"step": "P1", "outcome": "done", "at": "-", "writer": "portal-pep/1", "position": 2, "hash": "cd"}
    raw = json.dumps({"data": {"trail": [step]}}).encode()
    assert trail_heads(raw, "shep") == [KnownHead("portal-pep/1", 2, "cd", "shep")]
    assert trail_heads(b"not json", "shep") == []


def test_receipts_are_read_as_array_and_as_header() -> None:
    assert tokens('["a.b.c","d.e.f"]') == ["a.b.c", "d.e.f"]
    assert tokens("a.b.c,d.e.f") == ["a.b.c", "d.e.f"]
    assert tokens("") == [] == tokens(None)


@pytest.mark.service
async def test_a_database_is_read_with_its_rows_heads_and_what_it_has_seen(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/one.sqlite3"
    metadata = MetaData()
    journal = Journal(journal_tables(metadata), GATEWAY)
    db = Database(url)
    async with db.begin() as conn:
        await conn.run_sync(metadata.create_all)
        await conn.execute(text("CREATE TABLE inbox (id TEXT, receipts TEXT)"))
        seen = json.dumps([token(writer=GATEWAY, position=9, head="ef")])
        await conn.execute(text("INSERT INTO inbox VALUES ('x', :seen)"), {"seen": seen})
        await journal.append(conn, [entry(1), entry(2)])
    await db.close()
    copy = await read_copy("gateway-shep", Place(url))
    assert [row.position for row in copy.rows] == [1, 2]
    assert [(head.writer, head.position) for head in (*copy.heads, *copy.witnessed)] == [
        (GATEWAY, 2),
        (GATEWAY, 9),
    ]
    verdict = verify([replace(copy, certificates=None)])
    assert [(one.position, one.reason) for one in verdict.breaks] == [(9, "cut")]
    assert [one.reason for one in verify([copy]).breaks].count("signature") == 2, "a ШЭП whose register is gone"


@pytest.mark.service
async def test_a_database_that_is_not_there_is_an_empty_journal_and_is_not_made(tmp_path: Path) -> None:
    copy = await read_copy("gateway-shep", Place(f"sqlite+aiosqlite:///{tmp_path}/none.sqlite3"))
    assert copy.rows == ()
    assert not os.listdir(tmp_path)


def test_an_envelope_that_cannot_be_opened_witnesses_nothing_and_stops_nothing() -> None:
    row = {"source": "portal-pep", "id": "x", "sha256": "ab", "raw": b'{"data":{}}'}
    kept = sealed(row, BODIES)
    assert envelope_in(kept, BODIES) == envelope_in(row, None) == b'{"data":{}}'
    for unreadable in (envelope_in({**kept, "id": "y"}, BODIES), envelope_in(kept, None)):
        assert unreadable == b""
