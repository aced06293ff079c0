"""All wiring, in one function that `__main__`, the sandbox and the tests call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from egovkit.bus import Bus
from egovkit.clock import Clock
from egovkit.ids import Ids
from egovkit.node import Node
from gbd_fl_mock import tables
from gbd_fl_mock.settings import Settings

__all__ = ["create_app"]


def create_app(
    settings: Settings,
    *,
    bus: Bus | None = None,
    clock: Clock | None = None,
    ids: Ids | None = None,
    http: httpx.AsyncClient | None = None,
) -> FastAPI:
    """The application; its lifespan takes what comes to the inbox until it ends."""
    node = Node(settings, package="gbd_fl_mock", tables=tables.kit, bus=bus, clock=clock, ids=ids, http=http)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with node:
            await node.receive(f"inbox.{settings.code}", {})
            yield

    return node.create_service(lifespan=lifespan, title="ГБД ФЛ: twin of the person register")
