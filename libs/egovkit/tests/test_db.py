from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, inspect, select, text
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.clock import SystemClock
from egovkit.db import (
    Database,
    UtcDateTime,
    after_commit,
    before_commit,
    engine,
    insert_ignore,
    kit_tables,
    migrate,
    upgrade,
)
from egovkit.db.engine import async_url
from egovkit.db.migrate import assert_migrations_match
from egovkit.db.migrations import create_kit_tables

MOMENT = datetime(2026, 1, 15, 9, 30, 15, 123456, tzinfo=timezone(timedelta(hours=5)))

metadata = MetaData()
things = Table(
    "things",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("at", UtcDateTime),
)


async def names(db: Database) -> list[str]:
    async with db.read() as conn:
        return list((await conn.execute(select(things.c.name).order_by(things.c.id))).scalars())


async def add(db: Database, name: str) -> None:
    async with db.begin() as conn:
        await conn.execute(things.insert().values(name=name))


# --- URLs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("sqlite:///x.db", "sqlite+aiosqlite"),
        ("sqlite+aiosqlite:///x.db", "sqlite+aiosqlite"),
        ("postgresql://u@h/d", "postgresql+asyncpg"),
        ("postgres://u@h/d", "postgresql+asyncpg"),
        ("postgresql+psycopg2://u@h/d", "postgresql+asyncpg"),
    ],
)
def test_operators_may_write_urls_without_the_async_driver(given: str, driver: str) -> None:
    assert async_url(given).drivername == driver


def test_other_databases_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="mysql"):
        async_url("mysql://u@h/d")


def test_the_folder_of_a_sqlite_file_is_made(tmp_path: Path) -> None:
    Database(f"sqlite:///{tmp_path}/deep/er/x.sqlite3")
    assert (tmp_path / "deep" / "er").is_dir()


# --- transactions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("foreign_keys", 1), ("synchronous", 2), ("busy_timeout", 15000)]
)
async def test_every_sqlite_connection_has_the_settings_the_kit_relies_on(
    db: Database, pragma: str, value: object
) -> None:
    async with db.read() as first, db.read() as second:
        for conn in (first, second):
            assert (await conn.exec_driver_sql(f"PRAGMA {pragma}")).scalar_one() == value


async def test_a_write_transaction_commits_at_its_end(db: Database) -> None:
    await add(db, "Әсем")
    assert await names(db) == ["Әсем"]


async def test_an_exception_rolls_the_transaction_back(db: Database) -> None:
    with pytest.raises(RuntimeError):
        async with db.begin() as conn:
            await conn.execute(things.insert().values(name="lost"))
            raise RuntimeError
    assert await names(db) == []


async def test_what_is_written_in_a_read_is_rolled_back(db: Database) -> None:
    async with db.read() as conn:
        await conn.execute(things.insert().values(name="lost"))
    assert await names(db) == []


async def test_a_cancelled_transaction_leaves_nothing_and_blocks_nobody(db: Database) -> None:
    inside = asyncio.Event()

    async def slow() -> None:
        async with db.begin() as conn:
            await conn.execute(things.insert().values(name="lost"))
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(slow())
    await inside.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await add(db, "next")
    assert await names(db) == ["next"]


@pytest.mark.parametrize("turns", range(0, 60, 3))
async def test_a_cancellation_at_any_moment_stays_one_and_blocks_nobody(db: Database, turns: int) -> None:
    async def work() -> None:
        while True:
            await add(db, "x")
            await db.ping()

    task = asyncio.create_task(work())
    for _ in range(turns):
        await SystemClock().sleep(0.0002)
    task.cancel()
    await asyncio.wait([task], timeout=5)
    assert task.cancelled(), "who stops a task must be able to rely on it"
    await add(db, "next")
    assert (await names(db))[-1] == "next"


async def test_many_writers_at_once_all_get_their_turn(db: Database) -> None:
    await add(db, "0")

    async def increment() -> None:
        async with db.begin() as conn:
            value = int((await conn.execute(select(things.c.name))).scalar_one())
            await conn.execute(things.update().values(name=str(value + 1)))

    await asyncio.gather(*(increment() for _ in range(40)))
    assert await names(db) == ["40"]


async def test_writers_of_two_processes_wait_for_each_other(db: Database) -> None:
    await add(db, "0")
    other = Database(str(db.url))

    async def increment(database: Database) -> None:
        async with database.begin() as conn:
            value = int((await conn.execute(select(things.c.name))).scalar_one())
            await conn.execute(things.update().values(name=str(value + 1)))

    await asyncio.gather(*(increment(database) for database in (db, other) * 10))
    await other.close()
    assert await names(db) == ["20"]


async def test_readers_do_not_wait_for_a_writer_and_see_the_last_commit(db: Database) -> None:
    await add(db, "before")
    async with db.begin() as conn:
        await conn.execute(things.insert().values(name="after"))
        assert await names(db) == ["before"]
    assert await names(db) == ["before", "after"]


async def test_a_nested_write_transaction_fails_instead_of_waiting_for_ever(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.05)
    with pytest.raises(TimeoutError):
        async with db.begin(), db.begin():
            pass
    await add(db, "the lock is free again")


async def test_foreign_keys_are_enforced(db: Database) -> None:
    async with db.begin() as conn:
        await conn.execute(text("CREATE TABLE child (thing INTEGER REFERENCES things (id))"))
    with pytest.raises(IntegrityError):
        async with db.begin() as conn:
            await conn.execute(text("INSERT INTO child VALUES (404)"))


async def test_a_database_in_memory_is_one_database(service_package: str) -> None:
    db = Database("sqlite://")
    await upgrade(db, service_package)
    await asyncio.gather(*(add(db, str(number)) for number in range(5)))
    assert len(await names(db)) == 5
    assert db.path is None
    await db.close()


# --- after the commit ------------------------------------------------------------------------------------------


async def test_listeners_are_told_once_and_only_after_the_commit(db: Database) -> None:
    seen: list[int] = []

    def listener() -> None:
        with sqlite3.connect(str(db.path)) as raw:
            seen.append(raw.execute("SELECT count(*) FROM things").fetchone()[0])
        raw.close()

    async with db.begin() as conn:
        after_commit(conn, listener)
        after_commit(conn, listener)
        await conn.execute(things.insert().values(name="x"))
        assert seen == []
    assert seen == [1]
    await add(db, "y")
    assert seen == [1], "a listener belongs to one transaction"


async def test_listeners_of_a_rolled_back_transaction_hear_nothing(db: Database) -> None:
    calls: list[str] = []
    with pytest.raises(RuntimeError):
        async with db.begin() as conn:
            after_commit(conn, lambda: calls.append("told"))
            raise RuntimeError
    await add(db, "another transaction on the same connection")
    assert calls == []


# --- before the commit -----------------------------------------------------------------------------------------


async def test_what_is_put_off_is_written_once_last_and_in_the_same_transaction(db: Database) -> None:
    calls: list[list[str]] = []

    async def write(conn: AsyncConnection, names: Sequence[str]) -> None:
        calls.append(list(names))
        await conn.execute(things.insert(), [{"name": name} for name in names])

    async with db.begin() as conn:
        await before_commit(conn, write, ["b"])
        await conn.execute(things.insert().values(name="a"))
        await before_commit(conn, write, ["c", "d"])
        assert calls == []
    assert calls == [["b", "c", "d"]]
    assert await names(db) == ["a", "b", "c", "d"]


async def test_what_cannot_be_written_last_undoes_the_whole_transaction(db: Database) -> None:
    async def write(conn: AsyncConnection, names: Sequence[str]) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        async with db.begin() as conn:
            await conn.execute(things.insert().values(name="a"))
            await before_commit(conn, write, ["b"])
    assert await names(db) == []


@pytest.mark.connected
async def test_connections_that_the_server_closed_are_replaced_unnoticed(postgres_url: str) -> None:
    database = Database(postgres_url)
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    try:
        async with database.read(), database.read():
            pass  # two connections in the pool
        async with database.begin() as conn:
            await conn.execute(text(others + " AND datname = current_database()"))
        await SystemClock().sleep(0.1)  # the end of a connection has to arrive
        for _ in range(3):
            async with database.read() as first, database.read() as second:
                assert (await first.execute(text("SELECT 1"))).scalar_one() == 1
                assert (await second.execute(text("SELECT 1"))).scalar_one() == 1
    finally:
        await database.close()


# --- time ------------------------------------------------------------------------------------------------------


async def test_moments_come_back_aware_and_in_utc(db: Database) -> None:
    async with db.begin() as conn:
        await conn.execute(things.insert().values(name="x", at=MOMENT))
    async with db.read() as conn:
        found = (await conn.execute(select(things.c.at))).scalar_one()
    assert found == MOMENT
    assert found.tzinfo is UTC


async def test_moments_of_different_zones_compare_as_moments(db: Database) -> None:
    async with db.begin() as conn:
        await conn.execute(things.insert().values(name="x", at=MOMENT))
    async with db.read() as conn:
        earlier = select(things.c.name).where(things.c.at < MOMENT.astimezone(UTC) + timedelta(milliseconds=1))
        later = select(things.c.name).where(things.c.at > MOMENT.astimezone(UTC))
        assert (await conn.execute(earlier)).scalars().all() == ["x"]
        assert (await conn.execute(later)).scalars().all() == []


async def test_a_naive_moment_is_refused(db: Database) -> None:
    with pytest.raises(StatementError, match="naive"):
        async with db.begin() as conn:
            await conn.execute(things.insert().values(name="x", at=datetime(2026, 1, 1)))


async def test_insert_ignore_returns_only_the_rows_that_went_in(db: Database) -> None:
    async with db.begin() as conn:
        await conn.execute(things.insert().values(id=2, name="old"))
        rows = [{"id": number, "name": f"new {number}"} for number in (1, 2, 3)]
        statement = insert_ignore(things, rows, conn.dialect.name).returning(things.c.id)
        assert sorted((await conn.execute(statement)).scalars()) == [1, 3]
    assert await names(db) == ["new 1", "old", "new 3"]


# --- migrations ------------------------------------------------------------------------------------------------


def tables_of(path: Path) -> set[str]:
    with sqlite3.connect(path) as conn:
        found = {row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    conn.close()
    return found


def test_migrate_makes_the_tables_and_a_second_run_changes_nothing(tmp_path: Path, service_package: str) -> None:
    path = tmp_path / "m.sqlite3"
    for _ in range(2):
        migrate(f"sqlite:///{path}", service_package)
        assert {"things", "outbox", "sequences", "inbox", "journal", "journal_heads", "idempotency"} <= tables_of(path)


def test_a_failing_migration_leaves_nothing_behind(tmp_path: Path, service_package: str, versions: Path) -> None:
    path = tmp_path / "m.sqlite3"
    migrate(f"sqlite:///{path}", service_package)
    (versions / "0002_bad.py").write_text(
        "from alembic import op\nimport sqlalchemy as sa\nrevision, down_revision = '0002', '0001'\n"
        "def upgrade():\n    op.create_table('half', sa.Column('id', sa.Integer))\n    op.execute('NONSENSE')\n"
    )
    with pytest.raises(OperationalError):
        migrate(f"sqlite:///{path}", service_package)
    assert "half" not in tables_of(path)
    (versions / "0002_bad.py").unlink()
    migrate(f"sqlite:///{path}", service_package)


def test_two_services_migrating_at_once_in_one_process_do_not_mix(tmp_path: Path, service_package: str) -> None:
    paths = [tmp_path / f"{number}.sqlite3" for number in range(4)]
    threads = [threading.Thread(target=migrate, args=(f"sqlite:///{path}", service_package)) for path in paths * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("things" in tables_of(path) for path in paths)


def test_a_package_without_migrations_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="ships no migrations"):
        migrate(f"sqlite:///{tmp_path}/m.sqlite3", "egovkit")


def test_an_unknown_revision_of_the_kit_is_refused(tmp_path: Path, service_package: str, versions: Path) -> None:
    (versions / "0001_first.py").write_text(
        "from egovkit.db.migrations import create_kit_tables\nrevision, down_revision = '0001', None\n"
        "def upgrade():\n    create_kit_tables('outbox', revision=99)\n"
    )
    with pytest.raises(ValueError, match="99"):
        migrate(f"sqlite:///{tmp_path}/m.sqlite3", service_package)
    with pytest.raises(ValueError, match="0"):
        create_kit_tables("outbox", revision=0)


def drift_tables() -> MetaData:
    """The tables.py of the package that conftest writes."""
    own = MetaData()
    kit_tables(own)
    Table(
        "things",
        own,
        Column("id", Integer, primary_key=True),
        Column("name", Text, nullable=False),
        Column("at", UtcDateTime),
    )
    return own


def test_migrations_that_make_the_tables_match(service_package: str) -> None:
    assert_migrations_match(service_package, drift_tables())


def test_a_column_that_no_migration_makes_is_named(service_package: str) -> None:
    own = drift_tables()
    own.tables["things"].append_column(Column("forgotten", Integer))
    with pytest.raises(AssertionError, match="forgotten"):
        assert_migrations_match(service_package, own)


def test_a_table_that_only_a_migration_knows_is_named(service_package: str) -> None:
    own = drift_tables()
    own.remove(own.tables["idempotency"])
    with pytest.raises(AssertionError, match="idempotency"):
        assert_migrations_match(service_package, own)


def test_two_newest_revisions_are_an_error(service_package: str, versions: Path) -> None:
    for name in ("a", "b"):
        (versions / f"0002_{name}.py").write_text(
            f"revision, down_revision = '0002{name}', '0001'\ndef upgrade(): pass\n"
        )
    with pytest.raises(AssertionError, match="newest"):
        assert_migrations_match(service_package, drift_tables())


# --- PostgreSQL ------------------------------------------------------------------------------------------------


@pytest.mark.connected
def test_processes_starting_together_on_postgresql_migrate_once(
    postgres_url: str, service_package: str, tmp_path: Path
) -> None:
    code = "import sys; from egovkit.db import migrate; migrate(sys.argv[1], sys.argv[2])"
    command = [sys.executable, "-W", "error", "-c", code, postgres_url, service_package]
    environment = {"PYTHONPATH": str(tmp_path / "packages"), "PATH": "/usr/bin:/bin"}
    processes = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) for _ in range(3)]
    errors = [process.communicate(timeout=60)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], errors


@pytest.mark.connected
async def test_postgresql_keeps_the_same_promises(postgres_url: str, service_package: str) -> None:
    await asyncio.to_thread(migrate, postgres_url, service_package)
    db = Database(postgres_url)
    try:
        async with db.begin() as conn:
            await conn.execute(things.insert().values(id=2, name="old", at=MOMENT))
            rows = [{"id": number, "name": "new"} for number in (2, 3)]
            statement = insert_ignore(things, rows, conn.dialect.name).returning(things.c.id)
            assert (await conn.execute(statement)).scalars().all() == [3]
        with pytest.raises(RuntimeError):
            async with db.begin() as conn:
                await conn.execute(things.insert().values(id=9, name="lost"))
                raise RuntimeError
        async with db.read() as conn:
            found = (await conn.execute(select(things.c.at).where(things.c.id == 2))).scalar_one()
            tables = await conn.run_sync(lambda sync: set(inspect(sync).get_table_names()))
        assert found == MOMENT
        assert found.tzinfo is UTC
        assert {"outbox", "journal", "things"} <= tables
        assert await names(db) == ["old", "new"]
        assert db.path is None
    finally:
        await db.close()
