"""`egov record` and `egov play` as command lines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sandbox.options import HomeOption, TargetOption, TokenOption, home_of

SystemOption = Annotated[str, typer.Option("--system", help="Whose envelopes: its code, as gbd-fl-mock.")]
AsOption = Annotated[str, typer.Option("--as", help="The missing system's code, as gbd-fl-mock.")]


def record(
    *,
    system: SystemOption,
    output: Annotated[Path, typer.Option("-o", "--output", help="The cassette.")],
    case: Annotated[str | None, typer.Option("--case", help="Of this case only.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="What the log holds since: 15m, 2h, or 2026-01-15T04:00:00Z.")
    ] = None,
    home: HomeOption = None,
    target: TargetOption = None,
    token_file: TokenOption = None,
) -> None:
    """Save what a system says and is told on the bus: from --since until now, or from now until Ctrl-C."""
    from sandbox.cassettes.command import Place, run_record

    place = Place(home_of(home), target, token_file)
    raise typer.Exit(run_record(place, system, output, case=case, since=since))


def play(
    cassette: Annotated[Path, typer.Argument(help="A file of `egov record`.")],
    *,
    system: AsOption,
    speed: Annotated[float, typer.Option("--speed", min=0, help="Of the recorded delays; 0: at once.")] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="A recorded envelope may serve more than once.")] = False,
    once: Annotated[bool, typer.Option("--once", help="End when every recorded request was made.")] = False,
    patience: Annotated[
        float, typer.Option("--patience", min=0, help="Seconds without anything until --once gives up.")
    ] = 60.0,
    opening: Annotated[bool, typer.Option("--open", help="Say also what the system said first.")] = False,
    home: HomeOption = None,
    target: TargetOption = None,
    token_file: TokenOption = None,
) -> None:
    """Stand in for a missing system; exits 0 when all was answered, 1 not so, 2 a bad cassette, 3 a wrong target."""
    from sandbox.cassettes.command import Place, run_play
    from sandbox.cassettes.playing import How

    how = How(speed, loop, once, opening, patience)
    raise typer.Exit(run_play(Place(home_of(home), target, token_file), system, cassette, how))
