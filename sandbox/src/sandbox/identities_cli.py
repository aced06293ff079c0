"""`egov identities`: whom to ask for, to get which outcome."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sandbox.faults_cli import run_aimed
from sandbox.options import HomeOption, JsonOption, TargetOption, TokenOption

if TYPE_CHECKING:
    from egovkit.sandbox.identities import Identity
    from sandbox.composition import Home
    from sandbox.target import Aim

app = typer.Typer(no_args_is_help=True, help="Persons, deeds and certificates that always give the same outcome.")
NameArgument = Annotated[str, typer.Argument(help="As `egov identities list` names it.")]


@app.command("list")
def list_identities(
    *, kind: Annotated[str | None, typer.Option("--kind", help="person, attorney, queue or certificate")] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """All of them; nothing has to run for it."""
    from dataclasses import asdict

    found = [one for one in _known().values() if kind in (None, one.kind)]
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=2))
        return
    for one in found:
        typer.echo(f"{one.name:<25} {one.iin or one.facts.get('registry_number', ''):<14} {one.texts['en']}")


@app.command()
def show(name: NameArgument) -> None:
    """How to ask, and what comes. Exits 2 for a name there is none of."""
    from sandbox.identities import shown

    for line in shown(_one(name)):
        typer.echo(line)


@app.command()
def issue(
    name: NameArgument,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for the PKCS#12 and its password.")],
    home: HomeOption = None,
    target: TargetOption = None,
    token_file: TokenOption = None,
) -> None:
    """Have nuc-mock issue the certificate of an identity."""
    from sandbox.identities import issue as issued_by
    from sandbox.identities import write_container

    identity = _one(name)

    async def work(aim: Aim, at: Home) -> dict[str, Any]:
        return await issued_by(aim, at, identity)

    for path in write_container(run_aimed(home, target, token_file, work), identity, output):
        typer.echo(path)


@app.command()
def page(
    file: Annotated[Path | None, typer.Argument(help="Default: docs/reference/identities.md of this checkout.")] = None,
) -> None:
    """Write the page again."""
    from egovkit.contracts import contracts_dir
    from sandbox.identities import PAGE
    from sandbox.identities import page as made

    place = file or contracts_dir().parent / PAGE
    place.write_text(made(_known()), encoding="utf-8")
    typer.echo(place)


def _known() -> Mapping[str, Identity]:
    from egovkit.contracts import contracts_dir
    from egovkit.sandbox.identities import load_identities

    return load_identities(contracts_dir())


def _one(name: str) -> Identity:
    from sandbox.cli import fail
    from sandbox.faults import NamesNothing
    from sandbox.identities import one_of

    try:
        return one_of(_known(), name)
    except NamesNothing as error:
        fail(str(error), 2)
