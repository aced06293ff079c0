"""`egov bench evidence`: what verification costs beside bare cryptography, and a gateway's latency while rows are
stamped.

Ratios of one run on one machine, in one process. Stamping: ШЭП's journal holds ten thousand rows without a stamp;
submissions go to its door by HTTP, one after another, first without, then while a stamper of the same process reads,
hashes, asks nuc-mock (in this process too) and writes, in ten batches where production would make one.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from egovkit.clock import SystemClock
from egovkit.journal import GENESIS, JournalEntry, JournalRow, chain, signature_check, verify_rows
from sandbox.composition import NEEDED, NUC, PORTAL, SERVICES, SHEP

if TYPE_CHECKING:
    from egovkit.db import Database
    from egovkit.journal_stamps import Stamper
    from egovkit.signatures.keys import SigningKey
    from sandbox.world import World

BEGAN = datetime(2026, 1, 15, 4, 0, tzinfo=UTC)
ROUNDS = 3  # the best of these is told: what else the machine does only ever costs time
BATCH_KEY = "bench/1"


def run_evidence_bench(rows: int, envelopes: int) -> dict[str, Any]:
    """Everything, as data."""
    with tempfile.TemporaryDirectory(prefix="egov-bench-") as home:
        return {**_verification(rows), **asyncio.run(_stamping(Path(home), rows, envelopes))}


def _best(work: Callable[[], object], count: int) -> float:
    """Per second."""
    clock, best = SystemClock(), 0.0
    for _ in range(ROUNDS):
        began = clock.monotonic()
        work()
        best = max(best, count / (clock.monotonic() - began))
    return best


def _chained(count: int, key: SigningKey) -> list[JournalRow]:
    """Signed rows like a gateway's."""
    from dataclasses import replace

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
    from egovkit.envelope import WireEnvelope
    from egovkit.journal import SIGNATURE_TYP
    from egovkit.signatures.jws import ENVELOPE_TYP, bare_verification, sign_detached, verify_compact, verify_detached
    from egovkit.testing.pki import TestPki

    key = TestPki(SystemClock()).system(PORTAL)
    rows, known = _chained(count, key), {key.thumbprint: key.certificate}
    check = signature_check(lambda token: verify_compact(token, known.get, SIGNATURE_TYP))
    chain_rate = _best(lambda: verify_rows(rows), count)
    signed_rate = _best(lambda: verify_rows(rows, check_signature=check), count)
    tokens = [row.signature or "" for row in rows]
    bare_rows = bare_verification([(token, SIGNATURE_TYP, None) for token in tokens], key.certificate)
    bare_row_rate = _best(bare_rows, count)
    raws = [b'{"specversion":"1.0","id":"%032d","data":"%s"}' % (n, b"x" * 1500) for n in range(count // 4)]
    wires = [WireEnvelope(raw, sign_detached(raw, key)) for raw in raws]

    def verify_all() -> None:
        for wire in wires:
            verify_detached(wire.raw, wire.signature, key.certificate)

    bare = bare_verification([(wire.signature, ENVELOPE_TYP, wire.raw) for wire in wires], key.certificate)
    envelope_rate, bare_rate = _best(verify_all, len(wires)), _best(bare, len(wires))
    return {
        "journal_rows": count,
        "chain_rows_per_s": round(chain_rate),
        "signed_rows_per_s": round(signed_rate),
        "signed_rows_to_bare_verify": round(signed_rate / bare_row_rate, 3),
        "envelopes_per_s": round(envelope_rate),
        "envelopes_to_bare_verify": round(envelope_rate / bare_rate, 3),
    }


async def _stamping(home: Path, rows: int, envelopes: int) -> dict[str, Any]:
    from sandbox.world import World

    without = [service.code for service in SERVICES if service.code not in NEEDED]
    async with World(home, ports="auto", without=without, tuned={"stamp_every_s": 1e9}) as world:
        await _fill(world, rows)
        stamper, database = await _stamper(world)
        try:
            first = await _latencies(world, envelopes)
            stamping = asyncio.create_task(_stamp(stamper, rows))
            second = await _latencies(world, envelopes, until=stamping)
            seconds, batches = await stamping
        finally:
            await database.close()
    return {
        "stamped_rows": rows,
        "stamped_batches": batches,
        "stamping_s": round(seconds, 2),
        "envelopes_meanwhile": len(second),
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


async def _stamp(stamper: Stamper, rows: int) -> tuple[float, int]:
    """Seconds, and batches: ten, so that it goes on for a while."""
    clock = SystemClock()
    began = clock.monotonic()
    stamper.most_rows = max(1, rows // 10)
    batches = await stamper.round()
    if stamper.failure is not None:
        raise RuntimeError(f"no stamp: {stamper.failure}")
    return clock.monotonic() - began, batches


async def _latencies(world: World, count: int, until: asyncio.Task[Any] | None = None) -> list[float]:
    """Milliseconds of each submission by HTTP, one after another: at most `count`, and while `until` runs."""
    from egovkit.envelope import WireEnvelope
    from sandbox.partner import Partner, Where
    from sandbox.replay.reading import load_all

    scenario = load_all()[0]
    portal = Partner(
        world, PORTAL, await world.key(PORTAL), Where(scenario.regulation, scenario.channel, scenario.region)
    )
    clock, found = SystemClock(), list[float]()
    while len(found) < count and not (until is not None and until.done()):
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
