"""`egov evidence CASE -o case.asice`: gather, check, stamp, pack."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from rich.console import Console

from egovkit.journal_bodies import BodiesSealed
from sandbox import asice
from sandbox.bootstrap import write_private
from sandbox.case_files import CaseMaterial, Passed, Trusted, case_files
from sandbox.case_index import indexes
from sandbox.composition import NUC, Home
from sandbox.evidence import NOT_READ, UNREADABLE, databases
from sandbox.journal_trust import certified, token_check, trust_of
from sandbox.journal_verdict import Verdict, Wanted, verify
from sandbox.journals import JournalCopy, envelope_in, read_all, tokens
from sandbox.places import Place

if TYPE_CHECKING:
    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

NO_CASE = 2
SECONDS = 10.0
MOST_KEYS = 8  # of the issuing authority; each lives for years
GENERATION = re.compile(r"/ca/issuing-(\d+)\.cer", re.ASCII)
LISTS = {"issuing": "/crl", "root": "/crl/root"}


class NoEvidence(Exception):
    """The case is in no journal."""


@dataclass(frozen=True, slots=True)
class Made:
    """The container, and what the journals' verification said of the case's rows."""

    content: bytes
    verdict: Verdict
    files: int


def run_evidence(home: Path, server: str | None, case: str, output: Path, nuc: str | None) -> int:
    """Writes the container; returns 0, 1 when the case's rows are broken (it is written all the same), 2, 3."""
    from egovkit.errors import EgovError

    quiet = Console(stderr=True)
    try:
        with quiet.status("gathering"):
            made = asyncio.run(make(home, databases(home, server), case, nuc or nuc_of(home)))
        write_private(output, made.content)  # it tells of people what the journals do
    except NoEvidence:
        quiet.print(f"no such case: {case}", style="red", highlight=False)
        return NO_CASE
    except (*NOT_READ, httpx.HTTPError, EgovError) as error:
        quiet.print(f"no evidence: {type(error).__name__}: {error}", style="red", soft_wrap=True)
        return UNREADABLE
    verdict = made.verdict
    told = f"{output}: {made.files} files, {verdict.rows} journal rows, {verdict.stamped} of them time-stamped"
    broken = f"; {len(verdict.breaks)} breaks, see egov journal verify --case {case}" if verdict.breaks else ""
    Console().print(told + broken, highlight=False, soft_wrap=True)
    return verdict.status


def nuc_of(home: Path) -> str:
    """НУЦ's address in the running deployment of this home. ValueError when none runs."""
    from sandbox.world import NOTE

    try:
        note = json.loads((home / NOTE).read_text(encoding="utf-8"))
        return str(note["urls"][NUC])
    except (OSError, ValueError, KeyError):
        raise ValueError(f"{home} holds no running deployment: НУЦ's address is needed for a stamp, --nuc") from None


async def make(home: Path, places: Mapping[str, Place], case: str, nuc: str) -> Made:
    """The container of a case."""
    from egovkit.clock import SystemClock
    from egovkit.signatures.stamps import StampService

    root = await asyncio.to_thread(Home(home).trust_root.read_bytes)
    copies = await read_all(places)
    trust = trust_of(Home(home), copies)
    verdict = verify(certified(copies, trust), Wanted(case=case), token_check(trust, SystemClock().now()))
    if not verdict.rows:
        raise NoEvidence(case)
    if verdict.unopened:  # what is sealed must not pass for purged
        raise BodiesSealed(f"{verdict.unopened} bodies of the case are sealed: the journals' keys are needed in {home}")
    passed = await envelopes(places, case)
    async with httpx.AsyncClient(timeout=SECONDS, trust_env=False, verify=Home(home).trust) as http:
        trusted = await ask_nuc(http, nuc, root)
        material = material_of(case, copies, passed, trusted)
        files = case_files(material)
        files = {**indexes(material, verdict), **files}
        listed = asice.manifest(files)
        token = await StampService(http, f"{nuc}/tsp").token(hashlib.sha256(listed).digest())
    content = asice.packed(files, listed, token, SystemClock().now())
    return Made(content, verdict, len(files))


async def ask_nuc(http: httpx.AsyncClient, nuc: str, root: bytes) -> Trusted:
    """Authorities and revocation lists of today; the root is the one this deployment has trusted from the start."""
    authorities: list[bytes] = []
    lists = {name: await _got(http, nuc + path) for name, path in LISTS.items()}
    path: str | None = "/ca/issuing.cer"
    while path is not None and len(authorities) < MOST_KEYS:
        answer = await http.get(nuc + path)
        answer.raise_for_status()
        authorities.append(answer.content)
        # What the authority's key before this one has signed is still about, its list is another (RFC 5829).
        path = answer.links.get("predecessor-version", {}).get("url")
        before = GENERATION.fullmatch(path or "")
        path = None if before is None else before[0]
        if before is not None:
            lists[before[1]] = await _got(http, f"{nuc}/crl/{before[1]}")
    return Trusted(root, authorities, lists)


async def _got(http: httpx.AsyncClient, url: str) -> bytes:
    answer = await http.get(url)
    answer.raise_for_status()
    return answer.content


def material_of(case: str, copies: Sequence[JournalCopy], passed: Sequence[Passed], trusted: Trusted) -> CaseMaterial:
    """The case's part of all journals."""
    rows = sorted(
        (row for copy in copies for row in copy.rows if row.case_id == case),
        key=lambda row: (row.time, row.writer, row.position),
    )
    writers = {row.writer for row in rows}
    return CaseMaterial(
        case=case,
        envelopes=passed,
        rows=rows,
        stamps=[stamp for copy in copies for stamp in copy.stamps if stamp.writer in writers and stamp.possible],
        hashes={(r.writer, r.position): r.hash for copy in copies for r in copy.rows if r.writer in writers},
        certificates=[one for copy in copies for one in copy.certificates or ()],
        trusted=trusted,
    )


async def envelopes(places: Mapping[str, Place], case: str) -> list[Passed]:
    """The case's envelopes as the gateways have them, with every receipt that anybody kept, in order of arrival."""
    found: dict[str, Passed] = {}
    kept: dict[str, list[str]] = {}
    for place in places.values():
        bodies = place.bodies()
        for row in await _rows(place, case):
            kept.setdefault(row.id, []).extend(tokens(row.receipts))
            raw = envelope_in(row._mapping, bodies) if row.raw else b""  # inboxes keep none
            old = found.get(row.id)
            received = _moment(row.received)
            better = old is None or (raw and not old.raw)
            if better or (old and bool(raw) == bool(old.raw) and received < old.received):
                found[row.id] = Passed(row.id, row.type, received, raw, row.signature, ())
    made = [
        Passed(one.id, one.type, one.received, one.raw, one.signature, tuple(dict.fromkeys(kept[one.id])))
        for one in found.values()
    ]
    return sorted(made, key=lambda one: (one.received, one.id))


async def _rows(place: Place, case: str) -> list[Row[tuple[object, ...]]]:
    from sqlalchemy import inspect

    from egovkit.db import Database

    database = Database(place.url, pool_size=1)
    if database.path is not None and not database.path.exists():
        return []
    try:
        async with database.read() as conn:
            names = set(await conn.run_sync(lambda sync: inspect(sync).get_table_names()))
            return await _of_case(conn, names, case)
    finally:
        await database.close()


async def _of_case(conn: AsyncConnection, names: set[str], case: str) -> list[Row[tuple[object, ...]]]:
    from sqlalchemy import text

    found: list[Row[tuple[object, ...]]] = []
    if {"envelopes", "turned_away"} <= names:
        columns = "source, id, sha256, type, raw, signature, receipts, received_at AS received"
        query = text(f"SELECT {columns} FROM envelopes WHERE case_id = :case")  # noqa: S608 # a constant
        found += (await conn.execute(query, {"case": case})).all()
    if "inbox" in names:
        columns = "id, type, '' AS raw, signature, receipts, received"
        query = text(f"SELECT {columns} FROM inbox WHERE case_id = :case")  # noqa: S608 # a constant
        found += [row for row in (await conn.execute(query, {"case": case})).all()]
    return found


def _moment(stored: datetime | str) -> datetime:
    """SQLite gives the text back that it was given."""
    found = datetime.fromisoformat(stored) if isinstance(stored, str) else stored
    return found if found.tzinfo else found.replace(tzinfo=UTC)
