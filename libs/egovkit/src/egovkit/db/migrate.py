"""Alembic without ini files: a service ships only `<package>/migrations/versions/*.py`; the rest is here."""

from __future__ import annotations

import asyncio
import importlib.resources
import os
import threading
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import AsyncEngine

from egovkit.db.engine import Database, async_url, create_engine

if TYPE_CHECKING:
    from alembic.config import Config

# Alembic keeps the running migration in module globals (`alembic.op`, `alembic.context`): one at a time per
# process, though the services of one process start together.
_ALEMBIC = threading.Lock()


def migrate(url: str, package: str) -> None:
    """Brings the database at `url` to the newest revision of `package`; does nothing when it is there already.

    Blocking: call it through `asyncio.to_thread`. Two processes may start together: the second waits for the
    first (an advisory lock on PostgreSQL, BEGIN IMMEDIATE on SQLite) and then finds nothing left to do.
    """
    asyncio.run(_migrate(url, package))


async def _migrate(url: str, package: str) -> None:
    engine = create_engine(async_url(url), pool_size=1)
    try:
        await _upgrade(engine, package)
    finally:
        await engine.dispose()


async def upgrade(db: Database, package: str) -> None:
    """As `migrate`, on a database that is open: the only way for one in memory."""
    await _upgrade(db.engine, package)


async def _upgrade(engine: AsyncEngine, package: str) -> None:
    async with engine.begin() as conn:
        if engine.dialect.name == "postgresql":
            # Released with the transaction, also when this process is killed.
            key = zlib.crc32(f"egov-migrate:{package}".encode())
            await conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
        await conn.run_sync(upgrade_connection, package)


def upgrade_connection(conn: Connection, package: str) -> None:
    """The upgrade itself, inside the caller's transaction, so a failing migration leaves nothing behind."""
    from alembic import command

    with _ALEMBIC:
        config = _config(package)
        config.attributes["connection"] = conn
        command.upgrade(config, "head")


def heads(package: str) -> list[str]:
    """The newest revisions of a package; more than one means two migrations grew from the same parent."""
    from alembic.script import ScriptDirectory

    return list(ScriptDirectory.from_config(_config(package)).get_heads())


def assert_migrations_match(package: str, metadata: MetaData) -> None:
    """For a service's tests: a database made by its migrations has exactly the tables of its tables.py."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import create_engine as create_sync_engine

    assert len(heads(package)) == 1, f"{package} has {heads(package)} as newest revisions; merge them into one line"
    engine = create_sync_engine("sqlite://")
    try:
        with engine.begin() as conn:
            upgrade_connection(conn, package)
            context = MigrationContext.configure(conn, opts={"compare_type": True})
            differences = compare_metadata(context, metadata)
    finally:
        engine.dispose()
    lines = "\n".join(f"  {difference}" for difference in differences)
    assert not differences, f"the migrations of {package} and its tables differ:\n{lines}"


def _config(package: str) -> Config:
    from alembic.config import Config

    versions = Path(str(importlib.resources.files(package))) / "migrations" / "versions"
    if not any(versions.glob("*.py")):
        raise FileNotFoundError(f"{package} ships no migrations in {versions}")
    config = Config()
    config.set_main_option("script_location", _option(Path(__file__).parent / "alembic"))
    config.set_main_option("version_locations", _option(versions))
    config.set_main_option("path_separator", "os")
    assert os.pathsep not in str(versions), "Alembic splits version_locations at the path separator"
    return config


def _option(path: Path) -> str:
    return str(path).replace("%", "%%")  # configparser interpolates %
