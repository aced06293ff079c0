"""The person register in its own folder, on a memory bus, asked by a centre through a gateway of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from egovkit.bus.memory import MemoryBus
from egovkit.clock import HandClock
from egovkit.ids import Ids
from egovkit.testing.pki import TestPki
from egovkit.testing.plugin import Migrated
from egovregister.testing import Bench, Keys, files_in, running
from gbd_fl_mock.app import create_app
from gbd_fl_mock.settings import Settings

Starting = Callable[..., AbstractAsyncContextManager[Bench]]


@pytest.fixture
def starting(
    tmp_path: Path, migrated: Migrated, memory_bus: MemoryBus, clock: HandClock, ids: Ids, pki: TestPki
) -> Starting:
    """Starts the twin; a second start finds the first one's database and key."""
    keys = Keys.made(pki, Settings.code)
    files = files_in(tmp_path, keys, pki)
    migrated("gbd_fl_mock", tmp_path / "gbd-fl-mock.sqlite3")

    def start(**wanted: Any) -> AbstractAsyncContextManager[Bench]:
        return running(create_app, Settings(**(files | wanted)), keys, pki, (memory_bus, clock, ids))

    return start


@pytest.fixture
async def twin(starting: Starting) -> AsyncIterator[Bench]:
    async with starting() as bench:
        yield bench
