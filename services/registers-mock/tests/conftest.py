"""The akimats' registers in their own folder, on a memory bus, asked by a provider through a gateway of the test."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from egovkit.bus.memory import MemoryBus
from egovkit.clock import HandClock
from egovkit.db import migrate
from egovkit.ids import Ids
from egovkit.testing.pki import TestPki
from egovregister.testing import Bench, Keys, files_in, running
from registers_mock.app import create_app
from registers_mock.settings import Settings

REGION = "atyrau"
INGRESS = f"rshep.{REGION}.ingress"
Starting = Callable[..., AbstractAsyncContextManager[Bench]]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as the migrations make it, to copy: a service that starts on it has nothing to migrate."""
    path = tmp_path_factory.mktemp("template") / "registers-mock.sqlite3"
    migrate(f"sqlite:///{path}", "registers_mock")
    return path


@pytest.fixture
def starting(
    tmp_path: Path, migrated: Path, memory_bus: MemoryBus, clock: HandClock, ids: Ids, pki: TestPki
) -> Starting:
    """Starts the twin; a second start finds the first one's database and key."""
    keys = Keys.made(pki, Settings.code)
    files = files_in(tmp_path, keys, pki)
    shutil.copy(migrated, tmp_path / migrated.name)

    def start(**wanted: Any) -> AbstractAsyncContextManager[Bench]:
        return running(create_app, Settings(**(files | wanted)), keys, pki, (memory_bus, clock, ids), ingress=INGRESS)

    return start


@pytest.fixture
async def twin(starting: Starting) -> AsyncIterator[Bench]:
    async with starting() as bench:
        yield bench
