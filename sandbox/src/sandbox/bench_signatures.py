"""`egov bench signatures`: the check of a person's signature, cold and of a signer who comes again.

Cold is what the first signature of a certificate costs a service: chain, profile, a question to НУЦ's twin over a
socket with its signed answer, and the CMS. Warm is the next signature of the same person. One at a time; the twin
answers from the same process.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.bench import Unfinished
from sandbox.composition import BY_CODE, NEEDED, NUC, PORTAL
from sandbox.running import run

if TYPE_CHECKING:
    from egovkit.signatures.documents import DocumentSignatures
    from sandbox.world import World

WARM_UP = 5
DATA = b'{"kind":"application","bench":"' + b"x" * 4000 + b'"}'


def run_signatures(count: int) -> dict[str, Any]:
    return run(_signatures(count))


async def _signatures(count: int) -> dict[str, Any]:
    from sandbox.world import World

    without = [code for code in BY_CODE if code not in (*NEEDED, PORTAL)]
    with tempfile.TemporaryDirectory(prefix="egov-bench-") as home:
        async with World(Path(home), ports="auto", without=without) as world:
            return await _measure(world, count)


async def _measure(world: World, count: int) -> dict[str, Any]:
    from egovkit.signatures.certificates import TrustStore, load_certificate
    from egovkit.signatures.cms import sign_cms
    from egovkit.signatures.documents import DocumentSignatures
    from egovkit.signatures.ocsp import OcspClient
    from egovkit.signatures.trust_source import TrustSource

    people = [await world.citizen() for _ in range(WARM_UP + count)]
    signed = []
    for one in people:
        both = [await asyncio.to_thread(sign_cms, DATA, one.key, world.clock.now()) for _ in range(2)]
        signed.append((one.iin, both))
    root = await asyncio.to_thread(world.home.trust_root.read_bytes)
    trust = TrustStore(load_certificate(root))
    await TrustSource(trust, world.http, world.clock, world.url(NUC)).refresh()
    signatures = DocumentSignatures(trust, OcspClient(world.http, world.clock, world.url(NUC)))
    cold, warm = [], []
    for iin, (first, second) in signed:
        cold.append(await _time(world, signatures, first, iin))
        warm.append(await _time(world, signatures, second, iin))
    slow, quick = (statistics.median(times[WARM_UP:]) * 1000 for times in (cold, warm))
    return {
        "cold_p50_ms": round(slow, 2),
        "warm_p50_ms": round(quick, 2),
        "ratio_of_cold_to_warm": round(slow / quick, 1),
        "signers": count,
    }


async def _time(world: World, signatures: DocumentSignatures, cms: bytes, iin: str) -> float:
    began = world.clock.monotonic()
    facts = await signatures.verify(DATA, cms, world.clock.now(), iin)
    took = world.clock.monotonic() - began
    if facts.refusal is not None or facts.revocation is None or facts.revocation.source != "ocsp":
        raise Unfinished(f"a good signature got {facts.refusal}, OCSP: {facts.ocsp}")
    return took
