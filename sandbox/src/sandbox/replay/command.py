"""`egov replay`: choose scenarios, play them in worlds of their own or in a running deployment, report."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

from rich.console import Console

from egovkit.clock import SystemClock
from sandbox.replay.generating import generate
from sandbox.replay.player import Heard, play_in
from sandbox.replay.pool import pool
from sandbox.replay.reading import SCENARIOS, ScenariosInvalid, load_all, the_law
from sandbox.replay.reporting import Report, as_json, as_junit, as_text
from sandbox.replay.verdicts import Verdict, wanted_cells
from sandbox.running import NOT_STARTED, run, stop_event, until_stopped

if TYPE_CHECKING:
    from sandbox.replay.scenario import Cell, Scenario

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
    """No scenario fits."""


def chosen(choice: Choice) -> tuple[list[Scenario], list[Cell]]:
    """The scenarios and the cells they have to fill. ScenariosInvalid before anything runs."""
    law = the_law()
    stories = load_all(choice.path or SCENARIOS, law)
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
        scenarios, cells = chosen(choice)
        where = replace(where, parallel=1 if where.target else min(where.parallel, len(scenarios)))
        report = run(_replay(scenarios, cells, where, errors))
    except (ScenariosInvalid, NothingChosen) as error:
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


async def _replay(
    scenarios: Sequence[Scenario], cells: Sequence[Cell], where: Where, console: Console
) -> Report | None:
    clock, stop = SystemClock(), stop_event()
    began, started = clock.now(), clock.monotonic()
    with progress(len(scenarios), console) as heard:
        work = play_there(where.target, scenarios, heard) if where.target else play_in_worlds(where, scenarios, heard)
        found = await until_stopped(work, stop)
    if found is None:
        return None
    order = {scenario.name: n for n, scenario in enumerate(scenarios)}
    found.sort(key=lambda verdict: order[verdict.name])
    return Report(found, cells, began, round(clock.monotonic() - started, 1), where.parallel)


async def play_in_worlds(where: Where, scenarios: Sequence[Scenario], heard: Heard) -> list[Verdict]:
    async with pool(where.parallel, where.keep) as worlds:
        return await worlds.play(scenarios, heard)


async def play_there(target: str, scenarios: Sequence[Scenario], heard: Heard) -> list[Verdict]:
    """In a deployment that runs already; its clock is not ours to move."""
    from sandbox.attached import attached

    async with attached(Path(target)) as world:
        return await play_in(world, scenarios, heard, at_once=THERE)


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
