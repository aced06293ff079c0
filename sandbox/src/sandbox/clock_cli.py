"""`egov clock`: the one clock of a deployment."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from sandbox.options import HomeOption, JsonOption, TargetOption, TokenOption, home_of

if TYPE_CHECKING:
    from sandbox.clock import Mover, Target

app = typer.Typer(no_args_is_help=True, help="The one clock of a deployment: see it, move it.")

T = TypeVar("T")
UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
DURATION = re.compile(r"(?:\d+[dhms])+")


@app.command()
def show(
    *, home: HomeOption = None, target: TargetOption = None, token_file: TokenOption = None, as_json: JsonOption = False
) -> None:
    """The time of every process, and what comes due next."""

    async def work(mover: Mover) -> list[dict[str, Any]]:
        return await mover.show()

    views = _with_mover(home, target, token_file, work)
    if as_json:
        typer.echo(json.dumps(views, indent=2))
        return
    for view in views:
        ahead = timedelta(seconds=round(view["offset_s"]))
        busy = f"; busy: {', '.join(view['busy'])}" if view["busy"] else ""
        typer.echo(f"{view['service']}/{view['instance']:<4} {view['now'][:19]}Z, {ahead} ahead{busy}")
        for one in view["next"]:
            typer.echo(f"    {one['at'][:19]}Z {one['what']}")


@app.command()
def advance(
    duration: Annotated[str | None, typer.Argument(help="As 90s, 15m, 2h, 30d or 1d12h.")] = None,
    *,
    working_days: Annotated[int | None, typer.Option("--working-days", min=1, max=1000)] = None,
    to_next_deadline: Annotated[bool, typer.Option("--to-next-deadline")] = False,
    home: HomeOption = None,
    target: TargetOption = None,
    token_file: TokenOption = None,
) -> None:
    """Move time forward, stopping wherever something comes due."""
    wanted = _target(duration, working_days, to_next_deadline)
    moved = _with_mover(home, target, token_file, lambda mover: mover.advance(wanted))
    typer.echo(f"{moved.now:%Y-%m-%d %H:%M:%S}Z, {len(moved.stops)} stops")


def parse_duration(text: str) -> timedelta:
    """ValueError unless it is made of numbers with d, h, m or s."""
    if not DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is no duration; write 90s, 15m, 2h, 30d or 1d12h")
    parts = re.findall(r"(\d+)([dhms])", text)
    return sum((timedelta(**{UNITS[unit]: int(number)}) for number, unit in parts), timedelta(0))


def _target(duration: str | None, working_days: int | None, to_next: bool) -> Target:
    from egovkit.contracts import contracts_dir
    from sandbox.clock import Target

    if sum((duration is not None, working_days is not None, to_next)) != 1:
        raise typer.BadParameter("give a duration, --working-days or --to-next-deadline")
    if duration is not None:
        try:
            return Target(by=parse_duration(duration))
        except (ValueError, OverflowError) as error:
            raise typer.BadParameter(str(error)) from None
    if working_days is not None:
        from egovlaw.loader import load_calendar

        return Target(working_days=working_days, calendar=load_calendar(contracts_dir()))
    return Target()


def _with_mover(
    home: Path | None, target: str | None, token_file: Path | None, work: Callable[[Mover], Awaitable[T]]
) -> T:
    """Exits 1 when the clock cannot be moved, 3 when the deployment is not one whose clock can be."""
    import httpx

    from sandbox.clock import Immovable, Mover
    from sandbox.composition import Home
    from sandbox.running import run
    from sandbox.target import NoTarget
    from sandbox.target import target as aimed

    at = Home(home_of(home))

    async def ask() -> T:
        async with aimed(at, target, token_file) as aim:
            return await work(Mover(aim, lambda text: typer.echo(text, err=True)))

    try:
        return run(ask())
    except (Immovable, NoTarget) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1 if isinstance(error, Immovable) else 3) from None
    except (OSError, httpx.HTTPError) as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        raise typer.Exit(3) from None
