"""`egov bench signatures`: the check of a person's signature, cold and of a signer who comes again.

Cold is what the first signature of a certificate costs: chain, profile, a question to НУЦ's twin over a socket with its
signed answer, and the CMS. Warm is the same signature's second check. One at a time, one process beside the twin's.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

from egovkit.clock import SystemClock
from sandbox.running import run

WARM_UP = 5


def run_signatures(count: int) -> dict[str, Any]:
    return run(_signatures(count))


async def _signatures(count: int) -> dict[str, Any]:
    from sandbox.world import EmbeddedWorld

    with tempfile.TemporaryDirectory(prefix="egov-bench-") as home:
        async with EmbeddedWorld(Path(home)) as world:
            return await _measure(world, count)


async def _measure(world: Any, count: int) -> dict[str, Any]:
    raise NotImplementedError
