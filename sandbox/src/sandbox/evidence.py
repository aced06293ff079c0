"""`egov journal verify` and `egov journal purge`: read every journal, check them together, say what was found."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import asyncpg
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from sandbox.composition import SERVICES, Home
from sandbox.journal_trust import certified, token_check, trust_of
from sandbox.journal_verdict import ALL, BROKEN, EMPTY, Verdict, Wanted, report, told, verify
from sandbox.journals import JournalCopy, read_all
from sandbox.places import Place, note_of, noted, trust_postgres

UNREADABLE = 3
NOT_READ = (OSError, ValueError, SQLAlchemyError, asyncpg.PostgresError)  # a wrong address, no such database


def databases(home: Path, server: str | None) -> dict[str, Place]:
    """The databases of a deployment: those of a PostgreSQL server, else of the deployment that runs on the home, else
    files under it. The keys of the journals lie in the home either way."""
    codes = [service.code for service in SERVICES if service.on_bus]
    here = Home(home.resolve())
    trust_postgres(here)
    if server is None and (note := note_of(here)) is not None:
        return noted(note["journals"])
    if server is None:
        return {code: Place(here.database_url(code), here.journal_key(code)) for code in codes}
    from sqlalchemy.engine import make_url

    from sandbox.production import database_name

    url = make_url(server)
    if not url.drivername.startswith("postgres"):
        raise ValueError(f"--db names a PostgreSQL server, not {url.drivername}; for files there is --home")
    urls = {code: url.set(database=database_name(code)).render_as_string(hide_password=False) for code in codes}
    return {code: Place(address, here.journal_key(code)) for code, address in urls.items()}


def run_verify(home: Path, server: str | None, wanted: Wanted = ALL, *, as_json: bool = False) -> int:
    """Prints rows and writers; returns 0 sound, 1 broken, 2 nothing there, 3 when a database could not be read."""
    from egovkit.clock import SystemClock

    quiet = Console(stderr=True)
    with quiet.status("reading the journals") as status:

        def progress(done: int, total: int) -> None:
            status.update(f"{done} of {total} rows checked")

        try:
            places = databases(home, server)
            copies = asyncio.run(read_all(places, told=lambda code: status.update(f"reading the journal of {code}")))
            trust = trust_of(Home(home.resolve()), copies)
            verdict = verify(certified(copies, trust), wanted, token_check(trust, SystemClock().now()), progress)
        except NOT_READ as error:
            quiet.print(f"not read: {type(error).__name__}: {error}", style="red", soft_wrap=True)
            return UNREADABLE
    if as_json:
        print(json.dumps(report(verdict), ensure_ascii=False, indent=2))
    else:
        show(Console(), verdict, copies)
    return verdict.status


def show(console: Console, verdict: Verdict, copies: list[JournalCopy]) -> None:
    """The verdict for people; the first broken row in plain words, for everything after it may only follow from it."""
    for writer, count in sorted(verdict.writers.items()):
        console.print(f"  {writer:<32} {count:>8} rows", highlight=False)
    rows = {(row.writer, row.position): row for copy in copies for row in copy.rows} if verdict.breaks else {}
    for one in verdict.breaks:
        console.print(f"  BROKEN {told(one, rows)}", style="red", highlight=False, soft_wrap=True, markup=False)
    signed = "signatures checked" if verdict.signed else "no register of ШЭП to check signatures with"
    tokens = "" if verdict.tokens_checked else ", no root of НУЦ to check stamps with"
    sealed = f", {verdict.unopened} bodies sealed and not opened" if verdict.unopened else ""
    total = f"{verdict.rows} rows, {len(verdict.writers)} writers, {verdict.witnesses} witnessed heads, {signed}"
    waiting = f", {verdict.rows - verdict.stamped} not stamped" if verdict.rows > verdict.stamped else ""
    stamped = f"{verdict.stamped} rows under {verdict.stamps} time stamps{waiting}{tokens}{sealed}"
    word = {BROKEN: f"{len(verdict.breaks)} breaks", EMPTY: "the journal is empty"}.get(verdict.status, "sound")
    console.print(f"{total}; {stamped}: {word}", highlight=False, soft_wrap=True)


def run_purge(home: Path, server: str | None, before: datetime, service: str | None = None) -> int:
    """Removes bodies older than `before` and lets each journal say so, signed with its system's key."""
    console = Console()
    try:
        places = databases(home, server)
        if service is not None and service not in places:
            raise ValueError(f"{service} keeps no journal; there are {', '.join(places)}")
        chosen: Mapping[str, Place] = places if service is None else {service: places[service]}
        asyncio.run(_purge_all(Home(home.resolve()), chosen, before, console))
    except NOT_READ as error:
        Console(stderr=True).print(f"not purged: {type(error).__name__}: {error}", style="red", soft_wrap=True)
        return UNREADABLE
    return 0


async def _purge_all(home: Home, places: Mapping[str, Place], before: datetime, console: Console) -> None:
    """Each is told of when it is done: another's failure brings nothing back."""
    for code, place in places.items():
        count = await _purge(home, code, place, before)
        console.print(f"  {code:<32} {count:>8} bodies removed", highlight=False)


async def _purge(home: Home, code: str, place: Place, before: datetime) -> int:
    """As the service's own keeper does it, in a chain of the operator's own: `<code>/operator`."""
    from sqlalchemy import MetaData, inspect

    from egovgateway.sealing import purge_envelopes
    from egovkit.clock import SystemClock
    from egovkit.db import Database, stamped_journal_tables
    from egovkit.journal import Journal
    from egovkit.journal_bodies import purge_bodies
    from egovkit.journal_keeping import purged_entry
    from sandbox.bootstrap import load_key

    database = Database(place.url, pool_size=1)
    if database.path is not None and not database.path.exists():
        return 0
    bodies = place.bodies()
    if bodies is None or not home.keystore(code).exists():
        raise ValueError(f"{code}: its journal key and key store are needed in {home.path}")
    tables = stamped_journal_tables(MetaData())
    journal = Journal(tables, f"{code}/operator", load_key(home, code), bodies)
    try:
        async with database.begin() as conn:
            names = set(await conn.run_sync(lambda sync: inspect(sync).get_table_names()))
            if tables.rows.name not in names:
                return 0
            purged = await purge_bodies(conn, tables, before)
            if "envelopes" in names:
                purged += await purge_envelopes(conn, before)
            if purged:
                await journal.append(conn, [purged_entry(SystemClock().now(), before, purged)])
            return purged
    finally:
        await database.close()
