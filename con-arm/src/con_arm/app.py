"""All wiring, in one function that `__main__`, the sandbox and the tests call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from con_arm import tables
from con_arm.settings import Settings
from egovkit.bus import Bus
from egovkit.clock import Clock
from egovkit.ids import Ids
from egovkit.node import Node

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
    node = Node(settings, package="con_arm", tables=tables.kit, bus=bus, clock=clock, ids=ids, http=http)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with node:
            await node.receive(f"inbox.{settings.code}", {})
            yield

    return node.create_service(lifespan=lifespan, title="АРМ ИС ЦОН: the workstation of a public service centre")
