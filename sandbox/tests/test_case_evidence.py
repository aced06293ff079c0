"""Parts of journals under verification, and what НУЦ is asked for when a case's evidence is gathered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from egovkit import merkle
from egovkit.journal import GENESIS, JournalEntry, JournalRow, KnownHead, chain
from egovkit.journal_stamps import JournalStamp, root_of
from sandbox.asice import manifest, packed
from sandbox.case_evidence import ask_nuc
from sandbox.case_files import CaseMaterial, Trusted, case_files
from sandbox.journal_verdict import MEANINGS, Verdict, Wanted, told, verify
from sandbox.journals import JournalCopy

START = datetime(2026, 1, 15, 4, 0, tzinfo=UTC)
WRITER = "portal-pep/1"


def rows(count: int = 6) -> list[JournalRow]:
    """Of two cases, turn about."""
    found: list[JournalRow] = []
    for n in range(1, count + 1):
        made = JournalEntry("admin", START + timedelta(days=n), "odd" if n % 2 else "even", {"n": n})
        found.append(chain(made, WRITER, n, found[-1].hash if found else GENESIS))
    return found


def stamp(over: list[JournalRow]) -> JournalStamp:
    root = root_of([row.hash for row in over]).hex()
    return JournalStamp(WRITER, over[0].position, over[-1].position, root, b"token", START)


def verdict(
    found: list[JournalRow], wanted: Wanted, *stamps: JournalStamp, seen: tuple[KnownHead, ...] = ()
) -> Verdict:
    copy = JournalCopy("portal-pep", found, (), seen, stamps=stamps)
    return verify([copy], wanted, lambda one: None if one.token == b"token" else "stamp.invalid")


def places(of: Verdict) -> list[tuple[int, str]]:
    return [(one.position, one.reason) for one in of.breaks]


def test_a_case_is_checked_row_by_row_with_its_neighbours_and_stamps() -> None:
    found = rows()
    sound = verdict(found, Wanted(case="even"), stamp(found[:4]))
    assert (sound.status, sound.rows, sound.stamped, sound.stamps) == (0, 3, 2, 1)
    found[2] = replace(found[2], hash="0" * 64)  # not of the case, but what its next row is linked to
    assert places(verdict(found, Wanted(case="even"))) == [(4, "prev")]
    broken = verdict(found, Wanted(case="even"), stamp(rows()[:4]))
    assert sorted(places(broken)) == [(1, "root"), (4, "prev")]


def test_a_span_takes_all_rows_between_its_first_and_last() -> None:
    found = rows()
    found[2] = replace(found[2], time=START)  # arrived earlier than its neighbours, and judged later
    span = verdict(found, Wanted(since=START + timedelta(days=2), until=START + timedelta(days=4)))
    assert span.rows == 3 and (3, "hash") in places(span)
    assert verdict(found, Wanted(until=START - timedelta(days=1))).status == 2
    gap = verdict([*rows()[:2], *rows()[3:]], Wanted(since=START + timedelta(days=4)))
    assert places(gap) == [(3, "missing")]


def test_what_others_have_seen_counts_for_a_part_too() -> None:
    seen = (KnownHead(WRITER, 4, "f" * 64, "gateway-shep, receipt of x"),)
    assert places(verdict(rows(), Wanted(case="even"), seen=seen)) == [(4, "head")]


def test_a_stamp_that_does_not_hold_is_a_break_and_every_reason_has_plain_words() -> None:
    found = rows()
    wrong = replace(stamp(found), token=b"other")
    [one] = verdict(found, Wanted(), wrong).breaks
    words = told(one, {(row.writer, row.position): row for row in found})
    assert (
        "the time stamp over these rows does not hold" in words and "2026-01-16" in words and "stamp.invalid" in words
    )
    of_rows = {"hash", "body", "prev", "missing", "double", "cut", "head", "signature", "gone"}
    assert set(MEANINGS) == of_rows | {"root", "token", "gap"}


def test_a_stamp_taken_away_leaves_a_gap_and_rows_that_wait_for_theirs_do_not() -> None:
    found = rows()
    assert places(verdict(found, Wanted(), stamp(found[:2]))) == []
    assert places(verdict(found, Wanted(), stamp(found[2:4]))) == [(1, "gap"), (2, "gap")]


def test_only_one_service_may_be_asked_about() -> None:
    others = [replace(row, writer="con-arm/1") for row in rows()]
    copies = [JournalCopy("portal-pep", rows()), JournalCopy("con-arm", others)]
    assert verify(copies, Wanted(service="portal-pep")).status == 0
    assert verify(copies, Wanted(service="con-arm")).status == 1  # its hashes are another writer's
    assert verify(copies, Wanted(service="nobody")).status == 2


def test_the_proof_in_the_files_leads_from_the_row_to_the_root() -> None:
    found = rows()
    batch = stamp(found)
    hashes = {(row.writer, row.position): row.hash for row in found}
    case = [row for row in found if row.case_id == "odd"]
    files = case_files(CaseMaterial("odd", (), case, [batch], hashes, (), Trusted(b"r", (b"a",), {"issuing": b"l"})))
    for row in case:
        lines = files[f"rows/portal-pep_1-{row.position:06}.proof"].decode().split()
        way = [(side, bytes.fromhex(neighbour)) for side, neighbour in zip(lines[::2], lines[1::2], strict=True)]
        assert merkle.leads_to(bytes.fromhex(row.hash), tuple(way)).hex() == batch.root  # type: ignore[arg-type]
    assert files["rows.txt"].decode().count("portal-pep_1-000001-000006") == 3
    assert not any("000002" in name for name in files), "another case's rows stay at home"


def test_the_container_begins_with_its_type_and_lists_every_file() -> None:
    listed = manifest({"a&b.txt": b"x"})
    assert b'URI="a&amp;b.txt"' in listed and b"LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=" in listed
    content = packed({"a.txt": b"x"}, listed, b"token", START)
    assert content[30:69] == b"mimetypeapplication/vnd.etsi.asic-e+zip"


async def test_the_authoritys_earlier_keys_and_their_lists_are_fetched_too() -> None:
    asked: list[str] = []

    def nuc(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        asked.append(path)
        before = {"/ca/issuing.cer": "/ca/issuing-2.cer", "/ca/issuing-2.cer": "/ca/issuing-1.cer"}.get(path)
        headers = {} if before is None else {"link": f'<{before}>; rel="predecessor-version"'}
        return httpx.Response(200, content=path.encode(), headers=headers)

    async with httpx.AsyncClient(transport=httpx.MockTransport(nuc)) as http:
        trusted = await ask_nuc(http, "http://nuc.test", b"root")
    assert trusted.authorities == [b"/ca/issuing.cer", b"/ca/issuing-2.cer", b"/ca/issuing-1.cer"]
    assert trusted.lists == {"issuing": b"/crl", "root": b"/crl/root", "2": b"/crl/2", "1": b"/crl/1"}
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(503))) as http:
        with pytest.raises(httpx.HTTPStatusError):
            await ask_nuc(http, "http://nuc.test", b"root")
