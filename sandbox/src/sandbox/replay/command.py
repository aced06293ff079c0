"""`egov replay`: choose scenarios, play them in worlds of their own or in a running deployment, report."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

from rich.console import Console

from egovkit.clock import SystemClock
from sandbox.composition import BY_CODE, NEEDED
from sandbox.running import NOT_STARTED, run, starting, stop_event, until_stopped

if TYPE_CHECKING:
    from sandbox.replay.player import Heard
    from sandbox.replay.reporting import Report
    from sandbox.replay.scenario import Cell, Scenario
    from sandbox.replay.verdicts import Verdict

Format = Literal["text", "json", "junit", "html"]
GREEN, RED, UNPLAYED = 0, 1, 2
THERE = 4  # scenarios at once in a deployment that is not ours: its passwords cost what passwords have to cost


@dataclass(frozen=True, slots=True)
class Choice:
    """Which scenarios. Without a path: those made from the catalogue and those written by hand."""

    path: Path | None = None
    regulation: str | None = None
    channel: str | None = None
    outcome: str | None = None

    def takes(self, cell: Cell) -> bool:
        pairs = ((self.regulation, cell.regulation), (self.channel, cell.channel), (self.outcome, cell.outcome))
        return all(wanted in (None, got) for wanted, got in pairs)


class NothingChosen(Exception):
    """No scenario fits, or their files have mistakes: all of them are told."""


def chosen(choice: Choice) -> tuple[list[Scenario], list[Cell]]:
    """The scenarios and the cells they have to fill. NothingChosen before anything is played."""
    from sandbox.replay.generating import generate
    from sandbox.replay.reading import SCENARIOS, ScenariosInvalid, load_all, the_law
    from sandbox.replay.verdicts import wanted_cells

    law = the_law()
    try:
        stories = load_all(choice.path or SCENARIOS, law)
    except ScenariosInvalid as error:
        raise NothingChosen(str(error)) from None
    found = stories if choice.path else [*generate(law), *stories]
    scenarios = [one for one in found if choice.takes(one.cell)]
    if not scenarios:
        raise NothingChosen("no scenario fits; `egov regulations list` shows regulations and their channels")
    cells = [] if choice.path else [cell for cell in wanted_cells(law) if choice.takes(cell)]
    return scenarios, cells


@dataclass(frozen=True, slots=True)
class Where:
    """In `parallel` worlds of our own, left in `keep` afterwards if that is said; or in a running deployment."""

    parallel: int
    keep: Path | None = None
    target: str | None = None


def run_replay(choice: Choice, where: Where, *, form: Format, output: Path | None) -> int:
    """Returns the exit status: 0 all as the acts say, 1 not so, 2 not played."""
    errors = Console(stderr=True)
    try:
        report = run(_replay(choice, where, errors))
    except NothingChosen as error:
        errors.print(str(error), style="red", highlight=False, markup=False, soft_wrap=True)
        return UNPLAYED
    except NOT_STARTED as error:
        errors.print(f"not started: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        return UNPLAYED
    if report is None:
        errors.print("stopped before the end", style="red")
        return UNPLAYED
    with writing_to(output) as stream:
        write(report, form, stream)
    return GREEN if report.passed else RED


async def _replay(choice: Choice, where: Where, console: Console) -> Report | None:
    if where.target:
        return await until_stopped(_there(choice, where.target, console), stop_event())
    return await until_stopped(_in_worlds(choice, where, console), stop_event())


async def _in_worlds(choice: Choice, where: Where, console: Console) -> Report:
    """Another world comes when one has no more room, and no system starts that no scenario meets: one or a few
    scenarios are played in this very process, in a small world."""
    from sandbox.replay.player import AT_ONCE, play_all
    from sandbox.replay.pool import folder_for, pool
    from sandbox.replay.worker import one_world

    with starting():
        scenarios, cells = chosen(choice)
    without, size = not_met(scenarios), min(where.parallel, math.ceil(len(scenarios) / AT_ONCE))
    with reporting(scenarios, cells, size, console) as (heard, finish):
        if size > 1:
            async with pool(where.keep, without) as worlds:
                await worlds.grow(size)
                return finish(await worlds.play(scenarios, heard))
        with folder_for(where.keep) as folder:
            async with one_world(folder / "world-1", logged=where.keep is not None, without=without) as player:
                return finish(await play_all(player, scenarios, heard))


def not_met(scenarios: Sequence[Scenario]) -> list[str]:
    """The systems none of them meets."""
    met = {code for scenario in scenarios for code in scenario.cast}.union(NEEDED)
    return [code for code in BY_CODE if code not in met]


async def _there(choice: Choice, target: str, console: Console) -> Report:
    """In a deployment that runs already; its clock is not ours to move."""
    from sandbox.attached import attached
    from sandbox.replay.player import play_in

    scenarios, cells = chosen(choice)
    async with attached(Path(target)) as world:
        with reporting(scenarios, cells, 1, console) as (heard, finish):
            return finish(await play_in(world, scenarios, heard, at_once=THERE))


@contextmanager
def reporting(
    scenarios: Sequence[Scenario], cells: Sequence[Cell], worlds: int, console: Console
) -> Iterator[tuple[Heard, Callable[[list[Verdict]], Report]]]:
    """What to call for each verdict, and what to make the report with."""
    from sandbox.replay.reporting import Report

    clock, order = SystemClock(), {scenario.name: n for n, scenario in enumerate(scenarios)}
    began, started = clock.now(), clock.monotonic()

    def finish(found: list[Verdict]) -> Report:
        ordered = sorted(found, key=lambda verdict: order[verdict.name])
        return Report(ordered, cells, began, round(clock.monotonic() - started, 1), worlds)

    with progress(len(scenarios), console) as heard:
        yield heard, finish


@contextmanager
def progress(total: int, console: Console) -> Iterator[Heard]:
    """A bar on stderr while somebody looks."""
    if not console.is_terminal:
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task, wrong = bar.add_task("worlds start", total=total), 0

        def heard(verdict: Verdict) -> None:
            nonlocal wrong
            wrong += not verdict.passed
            text = f"[red]{wrong} wrong[/red]" if wrong else "replay"
            bar.update(task, advance=1, description=text)

        yield heard


@contextmanager
def writing_to(output: Path | None) -> Iterator[TextIO]:
    if output is None:
        yield sys.stdout
        return
    with output.open("w", encoding="utf-8") as stream:
        yield stream


def write(report: Report, form: Format, stream: TextIO) -> None:
    from sandbox.replay.reporting import as_json, as_junit, as_text

    match form:
        case "json":
            stream.write(as_json(report) + "\n")
        case "junit":
            stream.write(as_junit(report))
        case "html":
            from sandbox.replay.html import as_html

            stream.write(as_html(report))
        case _:
            as_text(report, Console(file=stream))
