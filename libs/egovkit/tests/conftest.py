"""What several tests of egovkit need: a service's package with migrations, one with a wire, patience."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import MetaData

from egovkit.clock import SystemClock
from egovkit.db import Database, KitTables, kit_tables, upgrade

_numbers = count(1)

FIRST = '''
"""Everything there is."""

import sqlalchemy as sa
from alembic import op

from egovkit.db import UtcDateTime
from egovkit.db.migrations import ALL, create_kit_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_kit_tables(*ALL, revision=2)
    create_kit_tables("journal_stamps", revision=4)
    op.create_table(
        "things",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("at", UtcDateTime),
    )
'''


@pytest.fixture
def service_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An importable package with migrations/versions/0001_first.py, as every service ships one."""
    name = f"twin_service_{next(_numbers)}"
    versions = tmp_path / "packages" / name / "migrations" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / "packages" / name / "__init__.py").write_text("")
    (versions / "0001_first.py").write_text(FIRST)
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    yield name
    sys.modules.pop(name, None)


@pytest.fixture
def versions(tmp_path: Path, service_package: str) -> Path:
    return tmp_path / "packages" / service_package / "migrations" / "versions"


@pytest.fixture
def kit() -> KitTables:
    return kit_tables(MetaData())


@pytest.fixture
async def db(tmp_path: Path, service_package: str) -> AsyncIterator[Database]:
    """A migrated SQLite file."""
    database = Database(f"sqlite:///{tmp_path / 'service.sqlite3'}")
    await upgrade(database, service_package)
    yield database
    await database.close()


Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


@pytest.fixture
def until() -> Until:
    """Waits (in real time, up to 10 s) until an awaited condition holds."""

    async def wait(condition: Callable[[], Awaitable[bool]]) -> None:
        for _ in range(1000):
            if await condition():
                return
            await SystemClock().sleep(0.01)
        raise AssertionError("the condition did not come true within 10 s")

    return wait
