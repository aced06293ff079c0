"""`egov contracts`: write the papers, record their examples, lint them, say what would break, release them."""

from __future__ import annotations

from typing import Annotated, NoReturn

import typer

from egovkit.contracts import contracts_dir
from sandbox.contract_papers import app as contracts_app

__all__ = ["contracts_app"]


@contracts_app.command("examples")
def record_examples(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are recorded as they are.")] = False,
) -> None:
    """Play some cases and record what travelled, where its shape has changed; then `contracts write`."""
    import asyncio

    from sandbox.contract_examples import NotRecorded, record

    try:
        written = asyncio.run(record(contracts_dir(), everything=everything))
    except NotRecorded as error:
        _refuse(str(error))
    typer.echo(f"recorded again: {', '.join(written) or 'nothing, all have the same shape'}")


@contracts_app.command("lint")
def lint() -> None:
    """Redocly over OpenAPI and AsyncAPI (npm)."""
    from sandbox import redocly
    from sandbox.contract_changes import ASYNCAPI, OPENAPI

    contracts = contracts_dir()
    documents = sorted([contracts / ASYNCAPI, *contracts.glob(OPENAPI)])
    try:
        found = redocly.lint(contracts.parent, documents)
    except redocly.NotInstalled as error:
        _refuse(str(error))
    if found:
        _refuse("\n".join(found))
    typer.echo(f"{len(documents)} documents, nothing to complain of")


@contracts_app.command("diff")
def diff() -> None:
    """What would break those who build against the newest release (npm for the documents)."""
    from sandbox import redocly
    from sandbox.contract_changes import breaking, breaking_documents
    from sandbox.contract_releases import newest

    contracts = contracts_dir()
    released = newest(contracts)
    if released is None:
        _refuse("nothing is released yet")
    try:
        found = breaking(released, contracts) + breaking_documents(released, contracts)
    except redocly.NotInstalled as error:
        _refuse(str(error))
    if found:
        _refuse("\n".join(found))
    typer.echo(f"nothing breaks {released.name}")


@contracts_app.command("release")
def release(
    version: Annotated[str, typer.Argument(help="As contracts/VERSION says.")],
    again: Annotated[bool, typer.Option(help="Replace it: nobody has been given it yet.")] = False,
) -> None:
    """Keep the contracts as they are as the promise of a version."""
    from sandbox import contract_releases, redocly

    try:
        there = contract_releases.release(contracts_dir(), version, again=again)
    except (contract_releases.NotReleased, redocly.NotInstalled) as error:
        _refuse(str(error))
    typer.echo(f"released: {there}")


def _refuse(text: str) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(1)
