"""`egov bench evidence`: what verification costs beside bare cryptography, and a gateway's latency while rows are
stamped.

Ratios of one run on one machine, in one process. Stamping: ШЭП's journal holds ten thousand rows without a stamp;
submissions go to its door by HTTP, one after another, first without, then as many while a stamper of the same process
reads, hashes, asks nuc-mock (in this process too) and writes; its stamps are taken away and made again until they are
through.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from egovkit.clock import SystemClock
from egovkit.journal import GENESIS, JournalEntry, JournalRow, chain, signature_check, verify_rows
from sandbox.composition import NEEDED, NUC, PORTAL, SERVICES, SHEP

if TYPE_CHECKING:
    from egovkit.db import Database
    from egovkit.journal_stamps import Stamper
    from egovkit.signatures.certificates import TrustStore
    from egovkit.signatures.keys import SigningKey
    from sandbox.world import World

BEGAN = datetime(2026, 1, 15, 4, 0, tzinfo=UTC)
ROUNDS = 5  # the best of these is told: what else the machine does only ever costs time
BATCH_KEY = "bench/1"


def run_evidence_bench(rows: int, envelopes: int) -> dict[str, Any]:
    """Everything, as data."""
    with tempfile.TemporaryDirectory(prefix="egov-bench-") as home:
        return {**_verification(rows), **asyncio.run(_stamping(Path(home), rows, envelopes))}


def _best(count: int, *works: Callable[[], object]) -> list[float]:
    """Of each per second. They take turns, so that a slow moment of the machine is not one work's alone."""
    clock, best = SystemClock(), [0.0] * len(works)
    for _ in range(ROUNDS):
        for place, work in enumerate(works):
            began = clock.monotonic()
            work()
            best[place] = max(best[place], count / (clock.monotonic() - began))
    return best


def _chained(count: int, key: SigningKey) -> list[JournalRow]:
    """Signed rows like a gateway's."""
    from egovkit.journal import SIGNATURE_TYP
    from egovkit.signatures.jws import sign_compact

    facts = dict.fromkeys(("step", "clause", "service", "state_before", "state_after", "limit_s", "used_s", "outcome"))
    found: list[JournalRow] = []
    head = GENESIS
    for n in range(1, count + 1):
        body = {**facts, "id": f"01a21592-1efa-7371-8120-{n:012}", "sha256": hashlib.sha256(b"%d" % n).hexdigest()}
        row = chain(JournalEntry("admin", BEGAN + timedelta(seconds=n), None, body), BATCH_KEY, n, head)
        place = {"writer": row.writer, "position": row.position, "hash": row.hash}
        found.append(replace(row, signature=sign_compact(place, key, SIGNATURE_TYP)))
        head = row.hash
    return found


def _verification(count: int) -> dict[str, Any]:
    from egovkit.journal import SIGNATURE_TYP
    from egovkit.signatures.jws import bare_verification, verify_compact
    from egovkit.testing.pki import TestPki

    pki = TestPki(SystemClock())
    key = pki.system(PORTAL)
    rows, known = _chained(count, key), {key.thumbprint: key.certificate}
    check = signature_check(lambda token: verify_compact(token, known.get, SIGNATURE_TYP))
    bare = bare_verification([(row.signature or "", SIGNATURE_TYP, None) for row in rows], key.certificate)
    chain_rate, signed_rate, bare_rate = _best(
        count, lambda: verify_rows(rows), lambda: verify_rows(rows, check_signature=check), bare
    )
    return {
        "journal_rows": count,
        "chain_rows_per_s": round(chain_rate),
        "signed_rows_per_s": round(signed_rate),
        "signed_rows_to_bare_verify": round(signed_rate / bare_rate, 3),
        **_envelopes(count // 4, key, pki.trust()),
    }


def _envelopes(count: int, key: SigningKey, trust: TrustStore) -> dict[str, Any]:
    """All that a gateway asks of an envelope's sender (`verify_envelope`: form, signature, certificate, member), beside
    the bare signatures of the same bytes."""
    from egovkit.envelope import WireEnvelope
    from egovkit.membership import Member, MemberCertificate, Members, verify_envelope
    from egovkit.signatures.jws import ENVELOPE_TYP, bare_verification, sign_detached

    known = (MemberCertificate.of(key.certificate),)
    names = {"name_ru": PORTAL, "name_kk": PORTAL, "bin": "", "kato": "", "delivery": "amqp", "state": "active"}
    portal = Member(code=PORTAL, kind="portal", regions=(), services=("*",), certificates=known, **names)
    members, now = Members(1, (portal,)), SystemClock().now()
    wires = [WireEnvelope(raw, sign_detached(raw, key)) for raw in _submitted(count, now)]

    def verify_all() -> None:
        for wire in wires:
            verify_envelope(wire, members, trust, now)

    bare = bare_verification([(wire.signature, ENVELOPE_TYP, wire.raw) for wire in wires], key.certificate)
    rate, bare_rate = _best(count, verify_all, bare)
    return {"envelopes_per_s": round(rate), "envelopes_to_bare_verify": round(rate / bare_rate, 3)}


def _submitted(count: int, now: datetime) -> list[bytes]:
    """Envelopes of an application's size and form: document and signature in base64."""
    from egovkit.envelope import Envelope
    from egovkit.ids import SystemIds
    from sandbox.replay.reading import load_all

    ids, scenario = SystemIds(SystemClock()), load_all()[0]
    envelope = Envelope(
        id=ids.new(),
        source=PORTAL,
        type="kz.egov.case.submitted.v1",
        subject=ids.new(),
        time=now,
        dataschema="urn:egov:schema:case.submitted.v1",
        recipient="provider-arm",
        regulation=scenario.regulation,
        channel=scenario.channel,
        step="P5",
        region=scenario.region,
        caseseq=1,
        data={"document": "x" * 1000, "signature": "x" * 3000},
    )
    return [replace(envelope, id=ids.new()).encode() for _ in range(count)]


async def _stamping(home: Path, rows: int, envelopes: int) -> dict[str, Any]:
    from sandbox.world import World

    without = [service.code for service in SERVICES if service.code not in NEEDED]
    async with World(home, ports="auto", without=without, tuned={"stamp_every_s": 1e9}) as world:
        await _fill(world, rows)
        stamper, database = await _stamper(world)
        try:
            first = await _latencies(world, envelopes)
            through = asyncio.Event()
            stamping = asyncio.create_task(_stamp(stamper, database, through))
            try:
                second = await _latencies(world, envelopes)
            finally:
                through.set()
                seconds = await stamping
        finally:
            await database.close()
    return {
        "stamped_rows": rows,
        "times_stamped": len(seconds),
        "stamping_p50_s": _quantile(seconds, 0.5),
        "envelopes_each": envelopes,
        "p50_ms": _quantile(first, 0.5),
        "p99_ms": _quantile(first, 0.99),
        "p50_while_stamping_ms": _quantile(second, 0.5),
        "p99_while_stamping_ms": _quantile(second, 0.99),
        "p99_ratio": round(_quantile(second, 0.99) / _quantile(first, 0.99), 2),
    }


async def _fill(world: World, count: int) -> None:
    """Rows of an own writer into ШЭП's journal."""
    from sqlalchemy import MetaData

    from egovkit.db import Database, stamped_journal_tables
    from egovkit.journal import Journal

    journal = Journal(stamped_journal_tables(MetaData()), BATCH_KEY, await world.key(SHEP))
    database = Database(world.database_url(SHEP), pool_size=1)
    for start in range(0, count, 1000):
        async with database.begin() as conn:
            entries = [JournalEntry("admin", BEGAN, None, {"n": n}) for n in range(start, min(start + 1000, count))]
            await journal.append(conn, entries)
    await database.close()


async def _stamper(world: World) -> tuple[Stamper, Database]:
    from sqlalchemy import MetaData

    from egovkit.db import Database, stamped_journal_tables
    from egovkit.journal_stamps import Stamper
    from egovkit.signatures.certificates import TrustStore, load_certificate
    from egovkit.signatures.stamps import StampService
    from egovkit.signatures.trust_source import TrustSource

    root = await asyncio.to_thread(world.home.trust_root.read_bytes)
    trust, database = TrustStore(load_certificate(root)), Database(world.database_url(SHEP), pool_size=2)
    await TrustSource(trust, world.http, world.clock, world.url(NUC)).refresh()
    service = StampService(world.http, f"{world.url(NUC)}/tsp")
    return Stamper(database, stamped_journal_tables(MetaData()), world.clock, trust, lambda: service), database


async def _stamp(stamper: Stamper, database: Database, through: asyncio.Event) -> list[float]:
    """Seconds of each time."""
    from sqlalchemy import text

    clock, found = SystemClock(), list[float]()
    while not found or not through.is_set():
        async with database.begin() as conn:
            await conn.execute(text("DELETE FROM journal_stamps WHERE writer = :writer"), {"writer": BATCH_KEY})
        began = clock.monotonic()
        await stamper.round()
        if stamper.failure is not None:
            raise RuntimeError(f"no stamp: {stamper.failure}")
        found.append(clock.monotonic() - began)
    return found


async def _latencies(world: World, count: int) -> list[float]:
    """Milliseconds of each submission by HTTP, one after another."""
    from egovkit.envelope import WireEnvelope
    from sandbox.partner import Partner, Where
    from sandbox.replay.reading import load_all

    scenario = load_all()[0]
    portal = Partner(
        world, PORTAL, await world.key(PORTAL), Where(scenario.regulation, scenario.channel, scenario.region)
    )
    clock, found = SystemClock(), list[float]()
    while len(found) < count:
        raw = portal.submission().encode()
        wire = WireEnvelope(raw, portal.sign(raw))
        began = clock.monotonic()
        answer = await world.http.post(f"{world.url(SHEP)}/v1/envelopes", content=raw, headers=wire.headers())
        found.append(1000 * (clock.monotonic() - began))
        answer.raise_for_status()
    return found


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2)
