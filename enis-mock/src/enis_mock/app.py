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
from egovkit.settings import read_secret
from egovregister.answering import Answering
from egovregister.api import Desk
from egovregister.api import router as reads
from egovregister.keeper import Keeper
from enis_mock import api, control, handlers, tables
from enis_mock.service import AttorneyRegister, Notaries
from enis_mock.settings import Settings

__all__ = ["create_app"]


def create_app(
    settings: Settings,
    *,
    bus: Bus | None = None,
    clock: Clock | None = None,
    ids: Ids | None = None,
    http: httpx.AsyncClient | None = None,
) -> FastAPI:
    """The application; its lifespan fills an empty register and takes questions until it ends."""
    node = Node(settings, package="enis_mock", tables=tables.kit, bus=bus, clock=clock, ids=ids, http=http)
    admin_token = None if settings.admin_token_file is None else read_secret(settings.admin_token_file)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with node:
            answering = Answering(node, AttorneyRegister(), tables.register, tables.kit)
            app.state.notaries = notaries = Notaries(answering)
            await notaries.seed()
            inbox = await node.receive(f"inbox.{settings.code}", handlers.bound(answering))
            keeper = Keeper(answering, inbox)
            node.background(keeper.run(), "register-keeper")
            app.state.desk = Desk(answering, keeper, admin_token)
            yield

    app = node.create_service(lifespan=lifespan, title="ЕНИС: twin of the notaries' register")
    for router in (api.router, reads, control.router):
        app.serve(router)
    return app
