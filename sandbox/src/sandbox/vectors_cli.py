"""`egov vectors`: corpora of good and bad things, to try a verifier of one's own on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

vectors_app = typer.Typer(no_args_is_help=True, help="Corpora of good and bad signatures, each with its verdict.")


@vectors_app.callback()
def vectors() -> None:
    """A callback keeps `signatures` a command of its own while it is the only one."""


@vectors_app.command("signatures")
def signatures(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: the contracts' own folder.")] = None,
    play: Annotated[bool, typer.Option("--play", help="Make nothing: check what is there, case by case.")] = False,
) -> None:
    """Make the corpus of signatures anew, with new test keys: the bytes differ, the verdicts do not."""
    from egovkit.contracts import contracts_dir
    from egovkit.testing.vectors import FOLDER

    folder = output or contracts_dir() / FOLDER
    if play:
        raise typer.Exit(asyncio.run(_play(folder)))
    typer.echo(_make(folder))


def _make(folder: Path) -> str:
    from egovkit.testing.vectors import write
    from egovkit.testing.vectors_signatures import make

    world, cases = asyncio.run(make())
    folder.mkdir(parents=True, exist_ok=True)
    write(folder, world, cases)
    bad = sum(one.expect.code is not None for one in cases)
    return f"{len(cases)} cases, {bad} of them bad, in {folder}"


async def _play(folder: Path) -> int:
    from egovkit.testing.vectors import cases_in, expected, play

    wrong = 0
    for case in cases_in(folder):
        wanted, got = expected(case), await play(case)
        same = wanted == got
        wrong += not same
        typer.echo(f"{'ok   ' if same else 'WRONG'} {case.name}: {got.code or 'accepted'}")
    return 1 if wrong else 0
