"""One database of one service: SQLite file by default, PostgreSQL in production. SQLAlchemy Core, no ORM."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from egovkit.clock import SystemClock

# How long a writer waits for another one. Longer than any transaction of ours, short enough to show a deadlock.
BUSY_SECONDS = 15.0
POOL = 20  # connections at most; opened when they are needed first, then kept
# A connection unused for so long is asked whether it still lives before it is used: a firewall may have dropped it
# silently. One whose server closed it is known to be dead without asking, so busy ones pay no round trip.
IDLE_SECONDS = 5.0
_WRITE = "egov_write"
_BEFORE_COMMIT = "egov_before_commit"
_AFTER_COMMIT = "egov_after_commit"
_RETURNED = "egov_returned"  # when a connection came back to the pool

Write = Callable[[AsyncConnection, Sequence[Any]], Awaitable[object]]
Callback = tuple[Callable[..., None], tuple[Hashable, ...]]

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}


def async_url(url: str) -> URL:
    """The URL with its async driver, so that operators may write plain `postgresql://` or `sqlite:///`."""
    parsed = make_url(url)
    name = parsed.drivername.partition("+")[0]
    if name not in DRIVERS:
        raise ValueError(f"only SQLite and PostgreSQL are supported, not {parsed.drivername}")
    return parsed.set(drivername=DRIVERS[name])


class Database:
    """Connections to one database; every write goes through `begin`, every pure read through `read`.

    SQLite: WAL, foreign keys, FULL synchronous, BEGIN IMMEDIATE for writers (a deferred transaction that turns
    writer half-way fails at once with "database is locked", whatever the busy timeout). Writers of one process
    also queue on a lock of ours, because SQLite's own waiting is polling without fairness.
    """

    def __init__(self, url: str, *, pool_size: int = POOL) -> None:
        self.url = async_url(url)
        self.dialect: str = self.url.get_backend_name()
        self.engine: AsyncEngine = create_engine(self.url, pool_size=pool_size)
        self._writer = asyncio.Lock() if self.dialect == "sqlite" else None

    @property
    def path(self) -> Path | None:
        """The SQLite file, or None for PostgreSQL and for a database in memory."""
        file = self.url.database
        return Path(file) if file and self.dialect == "sqlite" and not in_memory(self.url) else None

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A write transaction: commits at the end, rolls back on any exception, then tells `after_commit`
        listeners. Not to be nested: the inner one would wait for the outer one, and fails with TimeoutError."""
        if self._writer is None:
            async with self._transaction(write=True) as conn:
                yield conn
            return
        async with asyncio.timeout(BUSY_SECONDS):
            await self._writer.acquire()
        try:
            async with self._transaction(write=True) as conn:
                yield conn
        finally:
            self._writer.release()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """One consistent snapshot. What is written in it is rolled back."""
        async with self._transaction(write=False) as conn:
            yield conn

    @asynccontextmanager
    async def _transaction(self, *, write: bool) -> AsyncIterator[AsyncConnection]:
        last: dict[Write, list[Any]] = {}
        callbacks: dict[Callback, None] = {}
        async with self.engine.connect() as conn:
            await conn.execution_options(**{_WRITE: write})
            # Taken once: asking a connection that a cancellation broke for its `info` would reconnect it.
            info = conn.info
            info[_BEFORE_COMMIT], info[_AFTER_COMMIT] = last, callbacks
            try:
                async with conn.begin() as transaction:
                    yield conn
                    if not write:
                        await transaction.rollback()
                    else:
                        while last:
                            await _write_first(conn, last)
            finally:
                info.pop(_BEFORE_COMMIT, None)
                info.pop(_AFTER_COMMIT, None)
        for callback, arguments in callbacks:
            callback(*arguments)

    async def ping(self) -> None:
        """Raises when the database does not answer."""
        async with self.read() as conn:
            await conn.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self.engine.dispose()


async def before_commit(conn: AsyncConnection, write: Write, items: Sequence[Any]) -> None:
    """Calls `write(conn, items)` as the last thing before the commit, once with the items of every such call.

    For rows that all transactions of a service have to lock: locked last, they are held for the commit alone, and
    nobody waits while others do their work. Outside `Database.begin` it writes at once.
    """
    last: dict[Write, list[Any]] | None = conn.info.get(_BEFORE_COMMIT)
    if last is None:
        await write(conn, items)
    else:
        last.setdefault(write, []).extend(items)


def taken_back(conn: AsyncConnection, write: Write) -> list[Any]:
    """What `before_commit` still holds for `write`, which is the caller's now."""
    last: dict[Write, list[Any]] = conn.info.get(_BEFORE_COMMIT) or {}
    return last.pop(write, [])


async def _write_first(conn: AsyncConnection, last: dict[Write, list[Any]]) -> None:
    write = next(iter(last))
    await write(conn, last.pop(write))


def after_commit(conn: AsyncConnection, callback: Callable[..., None], *arguments: Hashable) -> None:
    """Calls `callback(*arguments)` once after the write transaction of `conn` has committed, however often it was
    asked for, and never if it rolls back.

    Outside `Database.begin` (a connection of someone else's engine) there is no such moment and nothing happens:
    those who wait must poll too.
    """
    listeners: dict[Callback, None] | None = conn.info.get(_AFTER_COMMIT)
    if listeners is not None:
        listeners[callback, arguments] = None


def in_memory(url: URL) -> bool:
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def create_engine(url: URL, *, pool_size: int = POOL) -> AsyncEngine:
    """An engine with the settings all of egovkit relies on."""
    if url.get_backend_name() != "sqlite":
        # jit: our statements are short, and its compilation is what makes the first one of a connection slow.
        arguments = {"server_settings": {"jit": "off"}}
        # No overflow: SQLAlchemy closes such connections after use, and opening one costs more than ten transactions.
        # LIFO: the statements we know are prepared on the connections that were used last.
        engine = create_async_engine(
            url, pool_size=pool_size, max_overflow=0, pool_use_lifo=True, connect_args=arguments
        )
        _watch_connections(engine)
        return engine
    if in_memory(url):
        # One connection is the database: a second one would be empty, so everybody queues for the first.
        pool_size = 1
    else:
        Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(
        url, poolclass=AsyncAdaptedQueuePool, pool_size=pool_size, max_overflow=0, pool_use_lifo=True
    )
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _watch_connections(engine: AsyncEngine) -> None:
    """SQLAlchemy's `pool_pre_ping` costs three round trips (BEGIN, an empty statement, ROLLBACK) before every
    transaction: as much as a small transaction itself. Here only a connection that lay idle is asked."""
    clock = SystemClock()

    def returned(_dbapi_connection: Any, record: Any) -> None:
        record.info[_RETURNED] = clock.monotonic()

    def taken(dbapi_connection: Any, record: Any, _proxy: Any) -> None:
        if dbapi_connection.driver_connection.is_closed():
            raise DisconnectionError("the server closed the connection")  # SQLAlchemy opens a new one
        since = record.info.get(_RETURNED)
        if since is None or clock.monotonic() - since < IDLE_SECONDS:
            return
        try:
            engine.dialect.do_ping(dbapi_connection)
        except Exception as error:  # whatever it is, this connection is of no use
            raise DisconnectionError("the connection does not answer") from error

    event.listen(engine.sync_engine, "checkin", returned)
    event.listen(engine.sync_engine, "checkout", taken)


def _prepare_sqlite(dbapi_connection: Any, _record: Any) -> None:
    # None = the driver never begins on its own; BEGIN is ours to say (SQLAlchemy's recipe for SQLite).
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # an acknowledged delivery must survive a power cut
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(conn: Connection) -> None:
    conn.exec_driver_sql("BEGIN IMMEDIATE" if conn.get_execution_options().get(_WRITE, True) else "BEGIN")


def upsert(table: Table, dialect: str) -> postgresql.Insert | sqlite.Insert:
    """INSERT with `.on_conflict_do_update/_nothing` of the right dialect; `conn.dialect.name` names it."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def insert_ignore(table: Table, rows: Sequence[Mapping[str, Any]], dialect: str) -> postgresql.Insert | sqlite.Insert:
    """INSERT that skips rows whose key is there already; add `.returning(...)` to learn which went in."""
    return upsert(table, dialect).values([dict(row) for row in rows]).on_conflict_do_nothing()
