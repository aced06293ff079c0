"""`egov demo`: synthetic people use the twin through its public HTTP; every hop is shown and held against the act."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rich.console import Console

from sandbox import sabotage as broken
from sandbox.composition import PROVIDER
from sandbox.running import NOT_STARTED, logging_to, run, show_addresses, starting, stop_event, until_stopped
from sandbox.sabotage import FORGE, LATE_ANSWER, SKIP_STEP, case_rows
from sandbox.scenario import Scenario, load_all
from sandbox.trace import Difference, Expected, Hop, clauses, compare, load_expected, trace
from sandbox.world import Ports, World

if TYPE_CHECKING:
    from sandbox.people import Citizen, Official
    from sandbox.world import Deployment

CHECKED_STEP, SENDING = "C2", "case.submitted"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a scenario came to."""

    scenario: Scenario
    case: str
    hops: Sequence[Hop]
    differences: Sequence[Difference]


def run_demo(home: Path | None, *, once: bool, sabotage: str | None, ports: str | None) -> int:
    """Returns the exit status: 0 only when every trace equals its expected one."""
    return run(_demo(home, once=once or sabotage is not None, sabotage=sabotage, ports=ports))


async def _demo(home: Path | None, *, once: bool, sabotage: str | None, ports: str | None) -> int:
    from sandbox.cli import home_of

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
        outcomes = await until_stopped(play_all(world, load_all(), sabotage, console), stop)
        if outcomes is None:
            return 1
        status = int(any(outcome.differences for outcome in outcomes))
        if not once:
            show_addresses(world, console)
            await stop.wait()
        return status


async def play_all(
    world: World, scenarios: Sequence[Scenario], sabotage: str | None, console: Console
) -> list[Outcome]:
    """Every scenario in order; the sabotage goes into the first."""
    outcomes = []
    for scenario in scenarios:
        console.print(f"\n{scenario.title_kk}\n{scenario.title}", style="bold", highlight=False, soft_wrap=True)
        outcome = await play(world, scenario, sabotage)
        show(outcome, console)
        outcomes.append(outcome)
        if sabotage is not None:
            break
    return outcomes


async def play(world: Deployment, scenario: Scenario, sabotage: str | None = None) -> Outcome:
    """Run one scenario and hold its trace against the expected one. Only a World can be late on purpose."""
    expected = load_expected(scenario.expected)
    citizen = await world.citizen(surname=scenario.citizen.surname, name=scenario.citizen.name)
    account = await citizen.settle_in()
    case = await citizen.choose(scenario.regulation)
    await citizen.fill(case, scenario.form, scenario.attachments)
    document = await citizen.prepare(case)
    if sabotage == SKIP_STEP:
        await broken.skip_step(world, citizen, document, CHECKED_STEP, step_of(expected, SENDING))
    else:
        await send(world, citizen, case, document, expected if sabotage == LATE_ANSWER else None)
        if sabotage == FORGE:
            await broken.forge(world, broken.place_of(document), expected.lines[-1].step)
        await decide(world, scenario, citizen, case)
    hops = await hops_of(world, case, account)
    return Outcome(scenario, case, hops, compare(expected, hops))


async def send(world: Deployment, citizen: Citizen, case: str, document: bytes, late: Expected | None) -> None:
    """Submit, and wait for the number. With `late` the provider's workstation sleeps over the act's limit."""
    if late is not None:
        assert isinstance(world, World), "the intake of a process of its own cannot be held"
        await world.intake(PROVIDER).hold()
    await citizen.submit(case, document)
    if late is not None and isinstance(world, World):
        limit = next(line.limit_s for line in late.lines if line.service == PROVIDER and line.limit_s)
        await broken.answer_late(world, case, limit)
        await world.intake(PROVIDER).release()
    await citizen.until(case, "registered")


async def decide(world: Deployment, scenario: Scenario, citizen: Citizen, case: str) -> None:
    """The provider's side: taken, checked, and the result signed or the refusal written."""
    official: Official = await world.official(
        region=scenario.region,
        office=scenario.office,
        surname=scenario.official.surname,
        name=scenario.official.name,
    )
    # Everybody waits until the applicant sees the last word, as people do; so the trace has one order.
    await citizen.until_told(case, await official.take(case))
    await official.check(case, scenario.check.outcome, scenario.check.reasons)
    if scenario.result is not None and scenario.check.outcome == "ok":
        await official.take(case)
        await official.issue_result(case, scenario.result)
    await citizen.until(case, "completed", "refused")


async def hops_of(world: Deployment, case: str, account: str) -> list[Hop]:
    """The trace of a case, begun with the account's registration, which happens before any case."""
    from sandbox.composition import PORTAL
    from sandbox.journals import read_copy

    portal = await read_copy(PORTAL, world.journals()[PORTAL])
    before = [row for row in portal.rows if row.case_id is None and row.facts.get("account") == account]
    return trace([*before, *await case_rows(world, case)])


def step_of(expected: Expected, message: str) -> str:
    """The label of the step a message stands for."""
    return next(line.step for line in expected.lines if line.message == message)


def show(outcome: Outcome, console: Console) -> None:
    """One line per hop, then the verdict."""
    # РШЭП reads no acts, so its journal cites none: its lines show the clause of the step that passes it.
    act = {one.step: one.clause for one in load_expected(outcome.scenario.expected).lines}
    console.print(HEADING, style="dim", highlight=False, soft_wrap=True)
    for hop in outcome.hops:
        style = "dim" if hop.notice else "red" if hop.code or hop.overdue else None
        text = line(hop, act.get(hop.step, hop.clause))
        console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)
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


def cited(clause: str | None) -> str:
    """A clause as the acts cite it: "п. 6 8)"; rows of annexes name themselves."""
    if clause is None:
        return ""
    return f"п. {clause}" if clause[:1].isdigit() else clause


def used(hop: Hop) -> str:
    if hop.limit_s is None:
        return ""
    if hop.used_s is None or hop.share is None:
        return f"-/{hop.limit_s:g}"
    return f"{hop.used_s:.1f}/{hop.limit_s:g} {hop.share:.0%}"
