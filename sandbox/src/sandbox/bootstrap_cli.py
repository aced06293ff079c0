"""`egov bootstrap`: the one-shot steps of a deployment's first start, for compose and Kubernetes.

Each waits for what it needs, changes nothing the second time, and exits 1 with the reason when it can't be done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True, help="The first start of a deployment, step by step.")

HomeOption = Annotated[Path, typer.Option("--home", envvar="EGOV_HOME", help="Where key stores and trust root go.")]
SecretsOption = Annotated[Path | None, typer.Option("--secrets", help="Their folder (default: secrets below --home).")]
NucOption = Annotated[str | None, typer.Option("--nuc", help="nuc-mock's URL, for the certificates.")]
GroupOption = Annotated[int | None, typer.Option("--group", help="Members of this group may read them (as root).")]


@app.command("secrets")
def secrets(
    directory: Annotated[Path, typer.Argument(help="Where they go.")], group: GroupOption = None, nuc: NucOption = None
) -> None:
    """Passwords, tokens, the broker's definitions, НУЦ's authority and the servers' certificates: a file each."""
    from egovkit.bus.topology import Topology
    from egovkit.clock import SystemClock
    from egovkit.contracts import contracts_dir
    from egovkit.ids import SystemIds
    from sandbox.composition import Home
    from sandbox.deployment import NUC_URL, make_all_secrets

    clock = SystemClock()
    home = Home(directory, secrets=directory)
    make_all_secrets(home, Topology.load(contracts_dir()), clock, SystemIds(clock), group=group, nuc_url=nuc or NUC_URL)


@app.command("databases")
def databases(
    server: Annotated[str, typer.Argument(help="postgresql://operator@host/postgres")],
    home: HomeOption = Path(".egov"),
    secrets: SecretsOption = None,
) -> None:
    """A role and a database for every service."""
    from sandbox.composition import Home
    from sandbox.deployment import make_databases

    run(make_databases(server, Home(home, secrets)))


@app.command("keys")
def keys(
    nuc: Annotated[str, typer.Argument(help="nuc-mock's base URL")],
    home: HomeOption = Path(".egov"),
    secrets: SecretsOption = None,
) -> None:
    """The trust root, and a certified key store for every participant."""
    from sandbox.composition import NUC, Home
    from sandbox.deployment import client

    async def work() -> None:
        from sandbox.bootstrap import fetch_root, make_keystores

        where = Home(home, secrets)
        async with client(where, {NUC: nuc}) as http:
            await fetch_root(http, where, nuc)
            await make_keystores(http, where, nuc)

    run(work())


@app.command("register")
def register(
    shep: Annotated[str, typer.Argument(help="ШЭП's base URL")],
    home: HomeOption = Path(".egov"),
    secrets: SecretsOption = None,
) -> None:
    """The participants' certificates into ШЭП's register."""
    from sandbox.composition import SHEP, Home
    from sandbox.deployment import client

    async def work() -> None:
        from sandbox.bootstrap import register_certificates

        where = Home(home, secrets)
        async with client(where, {SHEP: shep}) as http:
            await register_certificates(http, where, shep)

    run(work())


@app.command("topology")
def topology() -> None:
    """The broker's vhost, users, rights and queues as objects of RabbitMQ's Kubernetes operator, on stdout."""
    from egovkit.bus.topology import Topology
    from egovkit.contracts import contracts_dir
    from sandbox.kubernetes import broker_objects, to_yaml

    typer.echo(to_yaml(broker_objects(Topology.load(contracts_dir()))), nl=False)


def run(work: Coroutine[Any, Any, None]) -> None:
    """To the end, or exit 1 with what went wrong: no traceback, and no URL that could hold a password."""
    import asyncpg
    from httpx import HTTPError
    from sqlalchemy.exc import SQLAlchemyError

    from sandbox.bootstrap import NotReady, RefusedByService

    expected = (NotReady, RefusedByService, HTTPError, OSError, ValueError, SQLAlchemyError, asyncpg.PostgresError)
    try:
        asyncio.run(work)
    except expected as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        raise typer.Exit(1) from None
