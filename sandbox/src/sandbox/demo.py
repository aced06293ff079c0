"""`egov demo`: synthetic people use the twin through its public HTTP; every hop is shown and held against the act."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import cast

from rich.console import Console

from sandbox.replay.playing import Outcome, play
from sandbox.replay.reading import load_all
from sandbox.replay.reporting import cited
from sandbox.replay.sabotaged import Sabotaged
from sandbox.replay.scenario import Scenario
from sandbox.replay.staffing import Staff
from sandbox.replay.watching import Watch
from sandbox.running import NOT_STARTED, logging_to, run, show_addresses, starting, stop_event, until_stopped
from sandbox.trace import Hop, clauses
from sandbox.world import Ports, World


def run_demo(home: Path | None, *, once: bool, sabotage: str | None, ports: str | None) -> int:
    """Returns the exit status: 0 only when every trace equals its expected one."""
    return run(_demo(home, once=once or sabotage is not None, sabotage=sabotage, ports=ports))


async def _demo(home: Path | None, *, once: bool, sabotage: str | None, ports: str | None) -> int:
    from sandbox.options import home_of

    console, stop = Console(), stop_event()
    async with AsyncExitStack() as stack:
        if once and home is None:  # a verdict leaves nothing behind, and may run beside another deployment
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="egov-")))
        stack.enter_context(logging_to(home_of(home)))
        chosen = cast(Ports, ports or ("auto" if once else "fixed"))
        world = World(home_of(home), ports=chosen)
        world.progress = lambda text: console.print(text, style="dim", highlight=False)
        try:
            with starting():
                await stack.enter_async_context(world)
        except NOT_STARTED as error:
            console.print(f"not started: {error}", style="red", highlight=False, soft_wrap=True)
            return 1
        outcomes = await until_stopped(play_all(world, demonstrated(), sabotage, console), stop)
        if outcomes is None:
            return 1
        status = int(any(outcome.differences for outcome in outcomes))
        if not once:
            show_addresses(world, console)
            await stop.wait()
        return status


def demonstrated() -> list[Scenario]:
    """One result of each channel and one refusal."""
    return [scenario for scenario in load_all() if scenario.demo]


async def play_all(
    world: World, scenarios: Sequence[Scenario], sabotage: str | None, console: Console
) -> list[Outcome]:
    """Every scenario in order; the sabotage goes into the first."""
    outcomes, staff = [], Staff(world)
    begun_by = None if sabotage is None else partial(Sabotaged, how=sabotage)
    async with Watch(world.journals(), world.clock) as watch:
        for scenario in scenarios:
            console.print(f"\n{scenario.title_kk}\n{scenario.title}", style="bold", highlight=False, soft_wrap=True)
            outcome = await play(world, staff, watch, scenario, begun_by=begun_by)
            show(outcome, console)
            outcomes.append(outcome)
            if sabotage is not None:
                break
    return outcomes


def show(outcome: Outcome, console: Console) -> None:
    """One line per hop, then the verdict."""
    # РШЭП reads no acts, so its journal cites none: its lines show the clause of the step that passes it.
    act = {one.step: one.clause for one in outcome.scenario.then.lines}
    console.print(HEADING, style="dim", highlight=False, soft_wrap=True)
    for hop in outcome.hops:
        style = "dim" if hop.notice else "red" if hop.code or hop.overdue else None
        text = line(hop, act.get(hop.step, hop.clause))
        console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)
    if outcome.page is not None:
        (signer,) = outcome.page["signers"]
        text = f"the PDF is signed by {signer['name']}, {signer['level']}, and {outcome.page['standing']}"
        console.print(text, style="green", highlight=False, markup=False, soft_wrap=True)
    if not outcome.differences:
        console.print("equal to what the act says", style="green", highlight=False)
        return
    hurt = ", ".join(cited(clause) for clause in clauses(outcome.differences))
    console.print(f"NOT what the act says: {hurt}", style="bold red", soft_wrap=True)
    for difference in outcome.differences:
        text = f"  {cited(difference.clause)}: {difference.text}"
        console.print(text, style="red", highlight=False, markup=False, soft_wrap=True)


def columns(*cells: str) -> str:
    """One row of the trace. The widths keep the longest real row within a terminal of 120 columns."""
    widths = (12, 22, 4, 5, 33, 28, 0)
    return " ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


HEADING = columns("time (UTC)", "service", "step", "cl.", "message, outcome, envelope", "state", "used/limit")


def line(hop: Hop, clause: str | None = None) -> str:
    """time, service, step with clause, what, envelope, state before and after, share of the limit."""
    what = " ".join(part for part in (hop.message, hop.outcome, hop.code or "") if part)
    if hop.envelope:
        what = f"{what} {hop.envelope[-8:]}"
    states = f"{hop.before or '-'}→{hop.after or '-'}" if hop.before or hop.after else ""
    time = hop.time.strftime("%H:%M:%S.%f")[:-3]
    return columns(time, hop.service, hop.step, clause or hop.clause or "", what, states, used(hop))


def used(hop: Hop) -> str:
    if hop.limit_s is None:
        return ""
    if hop.used_s is None or hop.share is None:
        return f"-/{hop.limit_s:g}"
    return f"{hop.used_s:.1f}/{hop.limit_s:g} {hop.share:.0%}"
