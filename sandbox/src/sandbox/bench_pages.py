"""`egov bench pages`: what one PDF costs, step by step: drawn, prepared, made lasting, checked.

Each page is a positive result of an act with made-up data in both languages. The stamps, НУЦ's lists and its answer
about the signer come from nuc-mock over a socket, in this process. The signature itself is made by the official's agent
and is not counted; the check is that of a file from anybody: a process of its own, with its start.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sandbox.bench import Unfinished
from sandbox.composition import BY_CODE, NEEDED, NUC, PORTAL
from sandbox.running import run

if TYPE_CHECKING:
    from sandbox.people import Citizen
    from sandbox.world import World

T = TypeVar("T")
WARM_UP = 1


def run_pages(count: int) -> dict[str, Any]:
    """Everything, as data: milliseconds, the median of `count` pages."""
    return run(_pages(count))


async def _pages(count: int) -> dict[str, Any]:
    from sandbox.world import World

    without = [code for code in BY_CODE if code not in (*NEEDED, PORTAL)]
    with tempfile.TemporaryDirectory(prefix="egov-bench-") as home:
        async with World(Path(home), ports="auto", without=without) as world:
            signer = await world.citizen()
            steps = _Steps(world)
            sizes = [await _one(world, signer, steps) for _ in range(WARM_UP + count)]
    taken = {f"{name}_p50_ms": round(statistics.median(ms[WARM_UP:]), 1) for name, ms in steps.ms.items()}
    return {**taken, "signed_kb": round(statistics.median(sizes) / 1024), "pages": count}


class _Steps:
    def __init__(self, world: World) -> None:
        self._clock = world.clock
        self.ms: dict[str, list[float]] = defaultdict(list)

    async def time(self, name: str, work: Awaitable[T]) -> T:
        began = self._clock.monotonic()
        found = await work
        self.ms[name].append(1000 * (self._clock.monotonic() - began))
        return found


async def _one(world: World, signer: Citizen, steps: _Steps) -> int:
    """The size of the signed file."""
    from egovkit.pdf import DocumentPages
    from egovkit.signatures.certificates import TrustStore, load_certificate
    from egovkit.signatures.cms import sign_cms
    from egovkit.signatures.documents import DocumentSignatures
    from egovkit.signatures.ocsp import OcspClient
    from egovkit.signatures.pdf import check_pdf, finish_page, gather_evidence, prepare_page, revocation_lists
    from egovkit.signatures.stamps import StampService
    from egovkit.signatures.trust_source import TrustSource
    from sandbox.form_examples import example_page, outputs

    nuc, now = world.url(NUC), world.clock.now
    root = load_certificate(await asyncio.to_thread(world.home.trust_root.read_bytes))
    trust = TrustStore(root)
    await TrustSource(trust, world.http, world.clock, nuc).refresh()
    signatures = DocumentSignatures(trust, OcspClient(world.http, world.clock, nuc))
    found = outputs()
    example = example_page(found, next(one for one in found.all if one.form.kind == "positive"))
    page = await steps.time("render", DocumentPages().render(example, now()))
    prepared = await steps.time("prepare", prepare_page(page, now(), reason="13000000017"))
    cms = await asyncio.to_thread(sign_cms, prepared.to_sign, signer.key, now())
    facts = await steps.time("judge", signatures.verify(prepared.to_sign, cms, now(), None))
    if facts.refusal is not None:
        raise Unfinished(f"a good signature got {facts.refusal}")
    evidence = await steps.time("gather", gather_evidence(world.http, nuc, root, facts.revocation))
    stamper = StampService(world.http, f"{nuc}/tsp")
    signed = await steps.time("to_b_lta", finish_page(prepared, cms, stamper, evidence, now()))
    lists = await revocation_lists(world.http, nuc)
    (seen,) = (await steps.time("check", check_pdf(signed, root, now(), lists))).signatures
    if (seen.refusal, seen.ades, seen.level) != (None, "PASSED", "B-LTA"):
        raise Unfinished(f"a good page got {seen.refusal}, {seen.ades}, {seen.level}")
    return len(signed)
