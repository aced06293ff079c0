"""`egov replay` as a command line."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ReportForm(StrEnum):
    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    HTML = "html"  # one page: matrix, limits, a sequence diagram for each case


def replay(
    path: Annotated[Path | None, typer.Argument(help="A scenario or a folder of them; without: all.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every end of every channel, and every story.")] = False,
    regulation: Annotated[str | None, typer.Option("--regulation", help="Only this act's.")] = None,
    channel: Annotated[str | None, typer.Option("--channel", help="Only this way to apply.")] = None,
    outcome: Annotated[str | None, typer.Option("--outcome", help="Only those that end at this step, as P7.")] = None,
    parallel: Annotated[int | None, typer.Option("--parallel", min=1, max=32, help="Worlds; default 2.")] = None,
    target: Annotated[
        str | None, typer.Option("--target", help="The home of a running deployment, instead of worlds of our own.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option("--keep", help="Leave the worlds' files below this folder: journals, logs.")
    ] = None,
    report: Annotated[ReportForm, typer.Option("--report", help="How to say what was found.")] = ReportForm.TEXT,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A file for the report.")] = None,
    write: Annotated[
        Path | None, typer.Option("--write", help="Only write the scenarios made from the catalogue into this folder.")
    ] = None,
) -> None:
    """Play scenarios and hold what happens against the acts; exits 0 as they say, 1 not so, 2 not played."""
    from sandbox.replay.command import Choice, Where, run_replay

    if not (everything or path or regulation or channel or outcome or write):
        typer.echo("name a PATH, choose with --regulation, --channel or --outcome, or say --all", err=True)
        raise typer.Exit(2)
    choice = Choice(path, regulation, channel, outcome)
    if write is not None:
        from sandbox.replay.writing import run_write

        raise typer.Exit(run_write(choice, write))
    if keep is not None and target is not None:
        typer.echo("--keep leaves worlds of our own; a --target keeps its files itself", err=True)
        raise typer.Exit(2)
    where = Where(parallel or min(2, os.cpu_count() or 1), keep, target)
    raise typer.Exit(run_replay(choice, where, form=report.value, output=output))
