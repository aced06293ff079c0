"""`egov bench replay`: the whole of `egov replay --all` again and again in the same worlds. Does memory stay flat?"""

from __future__ import annotations

from typing import Any

from egovkit.clock import SystemClock
from sandbox.replay.command import Choice, chosen
from sandbox.replay.pool import pool
from sandbox.running import run


def run_replays(rounds: int, parallel: int) -> dict[str, Any]:
    """Seconds of the start and of each round, and resident memory after each, all worlds together."""
    return run(_rounds(rounds, parallel))


async def _rounds(rounds: int, parallel: int) -> dict[str, Any]:
    clock, (scenarios, _) = SystemClock(), chosen(Choice())
    began = clock.monotonic()
    seconds, memory, failed = [], [], 0
    async with pool() as worlds:
        await worlds.grow(parallel)
        start = clock.monotonic() - began
        for _ in range(rounds):
            began = clock.monotonic()
            verdicts = await worlds.play(scenarios)
            seconds.append(round(clock.monotonic() - began, 1))
            memory.append(await worlds.memory())
            failed += sum(not verdict.passed for verdict in verdicts)
    return {
        "scenarios": len(scenarios),
        "failed": failed,
        "start_s": round(start, 1),
        "round_s": seconds,
        "rss_mb": memory,
        "rss_last_to_first": round(memory[-1] / memory[0], 3),
        "worlds": parallel,
    }
