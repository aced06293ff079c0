"""`egov keys`: the systems' own keys in a deployment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from sandbox.options import HomeOption, JsonOption, home_of

if TYPE_CHECKING:
    from sandbox.keys import KeyLine, Keys

app = typer.Typer(no_args_is_help=True, help="Keys of the systems: what is where, when it ends, a new one.")
T = TypeVar("T")
System = Annotated[str, typer.Argument(help="A system of the bus, as `egov keys list` names it.")]
OverlapOption = Annotated[
    float, typer.Option("--overlap", min=0, help="Seconds the old certificate stays good after the new key signs.")
]
KeepOption = Annotated[bool, typer.Option("--keep-old", help="Do not end the old certificate.")]
SecretsOption = Annotated[
    Path | None,
    typer.Option("--secrets", envvar="EGOV_SECRETS", help="Their folder (default: secrets below --home)."),
]
ServicesOption = Annotated[
    list[str] | None,
    typer.Option("--service", envvar="EGOV_SERVICES", metavar="CODE=URL", help="Where they are, if not of --home."),
]
DEFAULT_OVERLAP = 60.0
COLUMNS = "{:<24} {:<14} {:<11} {:<17} {:<6} {:<11} {}"


@app.command("list")
def list_keys(
    *,
    as_json: JsonOption = False,
    home: HomeOption = None,
    secrets: SecretsOption = None,
    services: ServicesOption = None,
) -> None:
    """Every certificate of every system: who signs by it, when it ends (UTC), whether ШЭП has it registered."""

    async def work(keys: Keys) -> list[KeyLine]:
        return await keys.lines()

    lines = _with_keys(Where(home, secrets, services), work)
    if as_json:
        from sandbox.keys import as_json as shown

        typer.echo(shown(lines))
        return
    typer.echo(COLUMNS.format("process", "thumbprint", "state", "ends", "alarm", "registered", "file").rstrip())
    for line in lines:
        typer.echo(_row(line))


@app.command()
def rotate(
    system: System,
    *,
    overlap: OverlapOption = DEFAULT_OVERLAP,
    keep_old: KeepOption = False,
    home: HomeOption = None,
    secrets: SecretsOption = None,
    services: ServicesOption = None,
) -> None:
    """A new key for a running system, without stopping it; afterwards the old certificate is ended at ШЭП. Broken off,
    `egov keys end` does the rest."""
    from sandbox.keys import Rotated

    async def work(keys: Keys) -> Rotated:
        keys.progress = typer.echo
        return await keys.rotate(system, overlap=None if keep_old else overlap)

    done = _with_keys(Where(home, secrets, services), work)
    ended = f"ended {', '.join(done.ended)}" if done.ended else f"{', '.join(done.before)} stays good"
    typer.echo(f"{system} signs by {done.now}; {ended}")


@app.command()
def end(
    system: System,
    *,
    overlap: OverlapOption = DEFAULT_OVERLAP,
    home: HomeOption = None,
    secrets: SecretsOption = None,
    services: ServicesOption = None,
) -> None:
    """End at ШЭП every certificate of a system but that of its key file, once every process signs by it: after
    --keep-old, or to do what a broken off rotation has left."""

    async def work(keys: Keys) -> tuple[str, ...]:
        keys.progress = typer.echo
        return await keys.end(system, overlap)

    ended = _with_keys(Where(home, secrets, services), work)
    typer.echo(f"{system}: ended {', '.join(ended) or 'nothing, there was no other'}")


def _row(line: KeyLine) -> str:
    registered = {True: "yes", False: "no", None: "?"}[line.registered]
    alarm = "-" if line.alarm is None else str(line.alarm)
    ends = f"{line.not_after:%Y-%m-%d %H:%M}"
    process = line.process or line.system
    row = COLUMNS.format(process, f"{line.thumbprint[:12]}…", line.state, ends, alarm, registered, line.file or "")
    return row.rstrip()


@dataclass(frozen=True, slots=True)
class Where:
    """Whose keys are meant."""

    home: Path | None
    secrets: Path | None
    services: list[str] | None


def _with_keys(where: Where, work: Callable[[Keys], Awaitable[T]]) -> T:
    from sandbox.composition import Home
    from sandbox.keys import members_at, opened
    from sandbox.running import run

    async def ask() -> T:
        async with opened(Home(home_of(where.home), where.secrets), members_at(where.services)) as keys:
            return await work(keys)

    with _plain():
        return run(ask())


@contextmanager
def _plain() -> Iterator[None]:
    """Says in words why it did not work: exits 1 when somebody refused, 3 when nothing is there to ask or to read."""
    from egovkit.contracts import contracts_dir
    from egovkit.errors import EgovError
    from egovkit.problems import Problems
    from sandbox.keys import RotationUnfinished
    from sandbox.partner_cli import in_words

    try:
        with in_words():
            yield
    except EgovError as error:
        texts = Problems.load(contracts_dir()).texts(error)
        typer.echo(f"{error.code}: {texts['detail_en']} {texts['remedy_en']}", err=True)
        raise typer.Exit(3) from None
    except RotationUnfinished as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
