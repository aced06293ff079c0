"""`egov journal verify`: read every journal, check them together, say what was found."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import asyncpg  # type: ignore[import-untyped] # it ships no types
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from sandbox import journals
from sandbox.composition import SERVICES, Home
from sandbox.journals import BROKEN, EMPTY

UNREADABLE = 3
NOT_READ = (OSError, ValueError, SQLAlchemyError, asyncpg.PostgresError)  # a wrong address, no such database


def databases(home: Path, server: str | None) -> dict[str, str]:
    """The databases of a deployment: files under its home, or those of a PostgreSQL server."""
    codes = [service.code for service in SERVICES if service.on_bus]
    if server is None:
        return {code: Home(home.resolve()).database_url(code) for code in codes}
    from sqlalchemy.engine import make_url

    from sandbox.production import database_name

    url = make_url(server)
    if not url.drivername.startswith("postgres"):
        raise ValueError(f"--db names a PostgreSQL server, not {url.drivername}; for files there is --home")
    return {code: url.set(database=database_name(code)).render_as_string(hide_password=False) for code in codes}


def run_verify(home: Path, server: str | None, *, as_json: bool = False) -> int:
    """Prints rows and writers; returns 0 sound, 1 broken, 2 empty, 3 when a database could not be read."""
    console = Console()
    try:
        copies = asyncio.run(journals.read_all(databases(home, server)))
    except NOT_READ as error:
        Console(stderr=True).print(f"not read: {type(error).__name__}: {error}", style="red", soft_wrap=True)
        return UNREADABLE
    verdict = journals.verify(copies)
    if as_json:
        print(json.dumps(journals.report(verdict), ensure_ascii=False, indent=2))
        return verdict.status
    for writer, rows in sorted(verdict.writers.items()):
        console.print(f"  {writer:<32} {rows:>8} rows", highlight=False)
    for one in verdict.breaks:
        where = f"{one.writer}, position {one.position}"
        console.print(f"  BROKEN {where}: {one.reason} {one.detail}", style="red", highlight=False, soft_wrap=True)
    signed = "signatures checked" if verdict.signed else "no register of ШЭП to check signatures with"
    total = f"{verdict.rows} rows, {len(verdict.writers)} writers, {verdict.witnesses} witnessed heads, {signed}"
    word = {BROKEN: f"{len(verdict.breaks)} breaks", EMPTY: "the journal is empty"}.get(verdict.status, "sound")
    console.print(f"{total}: {word}", highlight=False)
    return verdict.status
