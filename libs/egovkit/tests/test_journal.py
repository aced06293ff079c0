from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from egovkit.clock import HandClock
from egovkit.db import Database, KitTables, migrate
from egovkit.errors import EgovError
from egovkit.journal import (
    BODY,
    CUT,
    DOUBLE,
    GENESIS,
    HASH,
    HEAD,
    MISSING,
    PREV,
    SIGNATURE,
    SIGNATURE_TYP,
    Break,
    Journal,
    JournalEntry,
    JournalRow,
    KnownHead,
    Link,
    chain,
    read_heads,
    read_rows,
    signature_check,
    verify_rows,
)
from egovkit.journal_bodies import purge_bodies
from egovkit.signatures.jws import verify_compact
from egovkit.signatures.keys import SigningKey
from egovkit.testing.pki import TestPki

AT = datetime(2026, 1, 15, 4, 0, tzinfo=UTC)
CASE = "019bc000-0000-7000-8000-000000000001"
STEP = {
    "step": "P6",
    "clause": "прил. 2, п. 6",
    "service": "provider-arm",
    "state_before": "submitted",
    "state_after": "registered",
    "limit_s": 60,
    "used_s": 1.5,
    "outcome": "done",
}


def entry(number: int = 1, **body: object) -> JournalEntry:
    return JournalEntry("step", AT + timedelta(seconds=number), CASE, {**STEP, "number": number, **body})


def chained(count: int, writer: str = "portal-pep/1") -> list[JournalRow]:
    rows: list[JournalRow] = []
    head = GENESIS
    for position in range(1, count + 1):
        rows.append(chain(entry(position), writer, position, head))
        head = rows[-1].hash
    return rows


def head_of(rows: list[JournalRow], at: int = -1) -> KnownHead:
    return KnownHead(rows[at].writer, rows[at].position, rows[at].hash)


def reasons(breaks: list[Break]) -> list[tuple[int, str]]:
    return [(one.position, one.reason) for one in breaks]


# --- the pure chain --------------------------------------------------------------------------------------------


def test_an_untouched_journal_holds() -> None:
    rows = chained(5)
    assert verify_rows(rows, [head_of(rows), head_of(rows, 2)]) == []


def test_an_empty_journal_has_no_breaks_of_its_own() -> None:
    assert verify_rows([]) == []


def test_the_first_row_points_to_genesis_and_each_next_one_to_the_row_before() -> None:
    rows = chained(3)
    assert [row.prev for row in rows] == [GENESIS, rows[0].hash, rows[1].hash]


def test_the_order_in_which_rows_are_read_does_not_matter() -> None:
    assert verify_rows(reversed(chained(5))) == []


FLIPS: list[tuple[str, Any, str]] = [
    ("prev", "1" * 64, HASH),
    ("hash", "1" * 64, HASH),
    ("body_sha256", "1" * 64, HASH),
    ("body", '{"step":"P7"}', BODY),
    ("kind", "admin", HASH),
    ("time", AT + timedelta(microseconds=1), HASH),
    ("case_id", "019bc000-0000-7000-8000-000000000002", HASH),
]


@pytest.mark.parametrize(("column", "value", "reason"), FLIPS, ids=[flip[0] for flip in FLIPS])
@pytest.mark.parametrize("index", [0, 2, 4])
def test_a_change_in_any_column_of_any_row_is_found(index: int, column: str, value: Any, reason: str) -> None:
    rows = chained(5)
    rows[index] = replace(rows[index], **{column: value})
    found = verify_rows(rows, [head_of(chained(5))])
    assert Break("portal-pep/1", index + 1, reason) in found


def test_a_changed_writer_is_found_in_both_chains() -> None:
    rows = chained(3)
    rows[2] = replace(rows[2], writer="provider-arm/1")
    found = verify_rows(rows, [head_of(chained(3))])
    assert {(one.writer, one.reason) for one in found} >= {("portal-pep/1", CUT), ("provider-arm/1", MISSING)}


def test_a_changed_position_is_found() -> None:
    rows = chained(3)
    rows[1] = replace(rows[1], position=7)
    assert {HASH, MISSING} <= {one.reason for one in verify_rows(rows)}


def test_every_column_is_covered_by_a_flip_above() -> None:
    flipped = {flip[0] for flip in FLIPS} | {"writer", "position", "signature", "sealed"}
    assert flipped == {column.name for column in fields(JournalRow)}


@given(index=st.integers(0, 3), offset=st.integers(0, 10_000), bit=st.integers(0, 7), data=st.data())
def test_any_flipped_bit_of_any_text_column_is_found(index: int, offset: int, bit: int, data: st.DataObject) -> None:
    column = data.draw(st.sampled_from(["prev", "hash", "body_sha256", "body", "kind", "case_id"]))
    rows = chained(4)
    raw = bytearray(str(getattr(rows[index], column)).encode())
    raw[offset % len(raw)] ^= 1 << bit
    changed = raw.decode("utf-8", "replace")
    rows[index] = replace(rows[index], **{column: changed})  # type: ignore[arg-type]
    assert verify_rows(rows, [head_of(chained(4))]) != []


def test_a_deleted_row_is_found_at_its_place() -> None:
    rows = chained(5)
    del rows[2]
    assert reasons(verify_rows(rows)) == [(3, MISSING)]


def test_a_deleted_beginning_is_found() -> None:
    assert reasons(verify_rows(chained(5)[2:])) == [(1, MISSING)]


def test_deleting_a_row_and_renumbering_the_rest_is_found() -> None:
    rows = chained(5)
    del rows[2]
    rows = [replace(row, position=number) for number, row in enumerate(rows, 1)]
    found = reasons(verify_rows(rows))
    assert (3, PREV) in found
    assert (3, HASH) in found


def test_a_cut_tail_is_found_only_by_someone_who_knows_the_head() -> None:
    rows = chained(5)
    head = head_of(rows)
    assert verify_rows(rows[:3]) == []
    assert reasons(verify_rows(rows[:3], [head])) == [(5, CUT)]


def test_a_cut_tail_is_found_when_the_stored_head_was_moved_back_too() -> None:
    rows = chained(5)
    receipt = replace(head_of(rows, 3), witness="receipt in inbox of provider-arm")
    found = verify_rows(rows[:3], [head_of(rows, 2), receipt])
    assert reasons(found) == [(4, CUT)]
    assert "receipt in inbox of provider-arm" in found[0].detail


def test_a_tail_written_anew_does_not_fit_the_heads_that_others_hold() -> None:
    rows = chained(5)
    witnessed = head_of(rows, 3)
    forged = [*rows[:3], chain(entry(99), "portal-pep/1", 4, rows[2].hash)]
    forged.append(chain(entry(100), "portal-pep/1", 5, forged[-1].hash))
    assert verify_rows(forged) == [], "by itself the forged chain is perfect"
    assert reasons(verify_rows(forged, [witnessed])) == [(4, HEAD)]


def test_a_writer_removed_whole_is_found_by_its_head() -> None:
    portal, provider = chained(2), chained(3, "provider-arm/1")
    heads = [head_of(portal), head_of(provider)]
    found = verify_rows(portal, heads)
    assert [(one.writer, one.position, one.reason) for one in found] == [("provider-arm/1", 3, CUT)]


def test_swapped_rows_are_found() -> None:
    rows = chained(4)
    rows[1], rows[2] = replace(rows[2], position=2), replace(rows[1], position=3)
    found = reasons(verify_rows(rows))
    assert {(2, PREV), (2, HASH), (3, HASH)} <= set(found)


def test_swapped_bodies_are_found() -> None:
    rows = chained(3)
    rows[0], rows[1] = replace(rows[0], body=rows[1].body), replace(rows[1], body=rows[0].body)
    assert reasons(verify_rows(rows)) == [(1, BODY), (2, BODY)]


def test_a_row_that_is_there_twice_is_found() -> None:
    rows = chained(3)
    assert reasons(verify_rows([*rows, rows[1]])) == [(2, DOUBLE)]


def test_purged_bodies_leave_a_journal_that_verifies() -> None:
    rows = [replace(row, body=None) for row in chained(4)]
    assert verify_rows(rows, [head_of(rows)]) == []
    assert rows[0].facts == {}


def test_rows_of_several_writers_are_separate_chains() -> None:
    mixed = [row for pair in zip(chained(3), chained(3, "provider-arm/1"), strict=True) for row in pair]
    assert verify_rows(mixed) == []


@pytest.mark.parametrize("kind", ["step", "envelope"])
@pytest.mark.parametrize("fact", ["step", "clause", "service", "state_before", "state_after", "limit_s", "used_s"])
def test_an_entry_without_a_fact_that_the_trace_is_read_from_is_a_mistake(kind: str, fact: str) -> None:
    body = {name: value for name, value in STEP.items() if name != fact}
    with pytest.raises(ValueError, match=fact):
        JournalEntry(kind, AT, CASE, body)  # type: ignore[arg-type]


def test_an_envelope_entry_also_names_the_envelope() -> None:
    with pytest.raises(ValueError, match="id, type, source, recipient, sha256"):
        JournalEntry("envelope", AT, CASE, STEP)


def test_refusals_and_admin_entries_have_bodies_of_their_own() -> None:
    assert JournalEntry("refusal", AT, None, {"code": "signature.invalid"}).body == {"code": "signature.invalid"}


def test_kazakh_text_in_a_body_stays_readable() -> None:
    row = chain(entry(note="Әлеуметтік тұрғын үй"), "w", 1, GENESIS)
    assert row.body is not None
    assert "Әлеуметтік тұрғын үй" in row.body
    assert row.facts["note"] == "Әлеуметтік тұрғын үй"


# --- in the database -------------------------------------------------------------------------------------------


async def append(db: Database, journal: Journal, *entries: JournalEntry) -> list[Link]:
    async with db.begin() as conn:
        return await journal.append(conn, entries)


async def verify(db: Database, kit: KitTables, **options: Any) -> list[Break]:
    async with db.read() as conn:
        return verify_rows(await read_rows(conn, kit.journal), await read_heads(conn, kit.journal), **options)


async def test_links_name_the_place_and_the_new_head(db: Database, kit: KitTables) -> None:
    journal = Journal(kit.journal, "portal-pep/1")
    first, second = await append(db, journal, entry(1), entry(2))
    (third,) = await append(db, journal, entry(3))
    assert [first.position, second.position, third.position] == [1, 2, 3]
    async with db.read() as conn:
        rows = await read_rows(conn, kit.journal)
        heads = await read_heads(conn, kit.journal)
    assert rows[1].prev == first.hash
    assert heads == [KnownHead("portal-pep/1", 3, third.hash)]
    assert verify_rows(rows, heads) == []


async def test_appending_nothing_writes_nothing(db: Database, kit: KitTables) -> None:
    assert await append(db, Journal(kit.journal, "w")) == []
    async with db.read() as conn:
        assert await read_heads(conn, kit.journal) == []


async def test_what_is_read_back_is_what_was_written(db: Database, kit: KitTables) -> None:
    written = JournalEntry("admin", AT.astimezone(UTC) + timedelta(microseconds=7), None, {"ә": [1, None, "х"]})
    await append(db, Journal(kit.journal, "w"), written)
    async with db.read() as conn:
        (row,) = await read_rows(conn, kit.journal)
    assert (row.kind, row.time, row.case_id, row.facts) == ("admin", written.time, None, {"ә": [1, None, "х"]})


async def test_a_note_is_written_at_the_end_of_the_transaction_and_in_its_place(db: Database, kit: KitTables) -> None:
    journal = Journal(kit.journal, "w")
    async with db.begin() as conn:
        await journal.note(conn, [entry(1)])
        await journal.note(conn, [entry(2), entry(3)])
        assert await read_rows(conn, kit.journal) == []
    async with db.read() as conn:
        assert [row.facts["number"] for row in await read_rows(conn, kit.journal)] == [1, 2, 3]
    assert await verify(db, kit) == []


async def test_an_append_after_notes_comes_after_them_and_has_its_own_links(db: Database, kit: KitTables) -> None:
    journal = Journal(kit.journal, "w")
    async with db.begin() as conn:
        await journal.note(conn, [entry(1)])
        (link,) = await journal.append(conn, [entry(2)])
        await journal.note(conn, [entry(3)])
    async with db.read() as conn:
        rows = await read_rows(conn, kit.journal)
    assert [row.facts["number"] for row in rows] == [1, 2, 3]
    assert (link.position, link.hash) == (2, rows[1].hash)
    assert await verify(db, kit) == []


async def test_a_note_of_a_rolled_back_transaction_is_never_written(db: Database, kit: KitTables) -> None:
    journal = Journal(kit.journal, "w")
    with pytest.raises(RuntimeError):
        async with db.begin() as conn:
            await journal.note(conn, [entry(1)])
            raise RuntimeError
    await append(db, journal, entry(2))
    async with db.read() as conn:
        assert [row.facts["number"] for row in await read_rows(conn, kit.journal)] == [2]


async def test_a_rolled_back_append_leaves_no_gap(db: Database, kit: KitTables) -> None:
    journal = Journal(kit.journal, "w")
    await append(db, journal, entry(1))
    with pytest.raises(RuntimeError):
        async with db.begin() as conn:
            await journal.append(conn, [entry(2)])
            raise RuntimeError
    (link,) = await append(db, journal, entry(3))
    assert link.position == 2
    assert await verify(db, kit) == []


async def test_appends_at_once_make_one_chain(db: Database, kit: KitTables) -> None:
    journal = Journal(kit.journal, "w")
    links = await asyncio.gather(*(append(db, journal, entry(number)) for number in range(1, 21)))
    assert sorted(link[0].position for link in links) == list(range(1, 21))
    assert await verify(db, kit) == []


async def test_a_case_is_read_across_writers(db: Database, kit: KitTables) -> None:
    other = JournalEntry("admin", AT, None, {})
    await append(db, Journal(kit.journal, "a"), entry(1), other)
    await append(db, Journal(kit.journal, "b"), entry(2))
    async with db.read() as conn:
        rows = await read_rows(conn, kit.journal, case_id=CASE)
        assert [(row.writer, row.position) for row in rows] == [("a", 1), ("b", 1)]
        assert len(await read_rows(conn, kit.journal, writer="a")) == 2


async def test_old_bodies_can_be_purged_and_the_chain_still_holds(db: Database, kit: KitTables) -> None:
    await append(db, Journal(kit.journal, "w"), entry(1), entry(2), entry(3))
    async with db.begin() as conn:
        assert await purge_bodies(conn, kit.journal, AT + timedelta(seconds=3)) == 2
        assert await purge_bodies(conn, kit.journal, AT + timedelta(seconds=3)) == 0
    async with db.read() as conn:
        assert [row.body is None for row in await read_rows(conn, kit.journal)] == [True, True, False]
    assert await verify(db, kit) == []


async def test_a_row_deleted_by_hand_is_found(db: Database, kit: KitTables) -> None:
    await append(db, Journal(kit.journal, "w"), entry(1), entry(2))
    async with db.begin() as conn:
        await conn.execute(kit.journal.rows.delete().where(kit.journal.rows.c.position == 2))
    assert reasons(await verify(db, kit)) == [(2, CUT)]


# --- signatures ------------------------------------------------------------------------------------------------


@pytest.fixture
def signer(clock: HandClock) -> Iterator[SigningKey]:
    yield TestPki(clock).system("portal-pep")


def checked_with(key: SigningKey) -> Any:
    def verify_token(token: str) -> Mapping[str, Any]:
        known = {key.thumbprint: key.certificate}
        return verify_compact(token, known.get, SIGNATURE_TYP)

    return signature_check(verify_token)


async def test_signed_rows_verify_with_the_writers_certificate(
    db: Database, kit: KitTables, signer: SigningKey
) -> None:
    await append(db, Journal(kit.journal, "w", signer), entry(1), entry(2))
    assert await verify(db, kit, check_signature=checked_with(signer)) == []


async def test_an_unsigned_row_is_found_where_signatures_are_demanded(
    db: Database, kit: KitTables, signer: SigningKey
) -> None:
    await append(db, Journal(kit.journal, "w", signer), entry(1))
    await append(db, Journal(kit.journal, "w"), entry(2))
    assert reasons(await verify(db, kit, check_signature=checked_with(signer))) == [(2, SIGNATURE)]


async def test_a_flipped_or_borrowed_signature_is_found(db: Database, kit: KitTables, signer: SigningKey) -> None:
    await append(db, Journal(kit.journal, "w", signer), entry(1), entry(2), entry(3))
    rows = kit.journal.rows
    async with db.begin() as conn:
        tokens = list((await conn.execute(select(rows.c.signature).order_by(rows.c.position))).scalars())
        flipped = tokens[0][:-5] + ("A" if tokens[0][-5] != "A" else "B") + tokens[0][-4:]
        await conn.execute(update(rows).where(rows.c.position == 1).values(signature=flipped))
        await conn.execute(update(rows).where(rows.c.position == 2).values(signature=tokens[2]))
    found = await verify(db, kit, check_signature=checked_with(signer))
    assert reasons(found) == [(1, SIGNATURE), (2, SIGNATURE)]


async def test_a_whole_chain_written_anew_needs_the_writers_key(
    db: Database, kit: KitTables, signer: SigningKey, clock: HandClock
) -> None:
    stranger = TestPki(clock).system("portal-pep")
    await append(db, Journal(kit.journal, "w", stranger), entry(1))
    assert reasons(await verify(db, kit, check_signature=checked_with(signer))) == [(1, SIGNATURE)]


def test_a_signature_check_lets_programming_errors_through() -> None:
    def broken(token: str) -> Mapping[str, Any]:
        raise KeyError(token)

    row = replace(chained(1)[0], signature=json.dumps({}))
    with pytest.raises(KeyError):
        signature_check(broken)(row)

    def refusing(token: str) -> Mapping[str, Any]:
        raise EgovError("signature.invalid")

    assert not signature_check(refusing)(row)


# --- PostgreSQL ------------------------------------------------------------------------------------------------


@pytest.mark.connected
async def test_transactions_of_one_writer_wait_for_each_other_on_postgresql(
    postgres_url: str, service_package: str, kit: KitTables
) -> None:
    await asyncio.to_thread(migrate, postgres_url, service_package)
    processes = [Database(postgres_url) for _ in range(3)]
    journal = Journal(kit.journal, "w")
    try:
        await asyncio.gather(*(append(processes[n % 3], journal, entry(n)) for n in range(1, 31)))
        assert await verify(processes[0], kit) == []
        async with processes[0].read() as conn:
            assert len(await read_rows(conn, kit.journal)) == 30
    finally:
        for db in processes:
            await db.close()
