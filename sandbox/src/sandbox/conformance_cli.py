"""`egov conformance`: whether cases went as their acts say, from the journals alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sandbox.options import HomeOption


def conformance(
    case: Annotated[str | None, typer.Argument(help="One case; --all takes every one.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All cases of the deployment.")] = False,
    home: HomeOption = None,
    target: Annotated[
        str | None,
        typer.Option("--target", "--db", help="A production deployment: postgresql://user:password@host/postgres"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    xes: Annotated[Path | None, typer.Option("--xes", help="Also write the log as XES (IEEE 1849-2016).")] = None,
) -> None:
    """Fitness, order, time and completeness; exits 0 when all is 1.0, 1 when not, 2 without a case, 3 unreadable."""
    from sandbox.cli import fail
    from sandbox.conformance import run_conformance
    from sandbox.options import home_of

    if every == (case is not None):
        fail("name a case, or --all", 2)
    raise typer.Exit(run_conformance(home_of(home), target, case, as_json=as_json, xes=xes))
