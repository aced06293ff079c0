"""A deployment that somebody else started, used from outside: `egov up`, with or without --production.

Who starts a deployment notes in its home where its services listen and its databases are; the note goes when it ends.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from egovkit.clock import SystemClock
from sandbox.hosting import StartFailed
from sandbox.places import Place, noted, trust_postgres
from sandbox.world import HTTP_SECONDS, IDLE, NOTE, Deployment


class Attached(Deployment):
    """Reads and asks; starts and stops nothing."""

    def __init__(self, home: Path, note: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__(home, clock=SystemClock())
        self.urls = dict(note["urls"])
        self._journals = noted(note["journals"])

    def journals(self) -> dict[str, Place]:
        return self._journals


@asynccontextmanager
async def attached(home: Path) -> AsyncIterator[Attached]:
    """StartFailed when nothing runs there."""
    path = home / NOTE
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StartFailed(f"{home} holds no running deployment ({path.name}: {type(error).__name__})") from error
    world = Attached(home, note)
    trust_postgres(world.home)
    async with httpx.AsyncClient(timeout=HTTP_SECONDS, trust_env=False, limits=IDLE, verify=world.home.trust) as http:
        world._http = http
        yield world
