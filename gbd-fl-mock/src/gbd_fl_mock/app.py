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
from gbd_fl_mock import api, control, handlers, tables
from gbd_fl_mock.service import PersonRegister, Registrars
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
    """The application; its lifespan fills an empty register and takes questions until it ends."""
    node = Node(settings, package="gbd_fl_mock", tables=tables.kit, bus=bus, clock=clock, ids=ids, http=http)
    admin_token = None if settings.admin_token_file is None else read_secret(settings.admin_token_file)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with node:
            answering = Answering(node, PersonRegister(), tables.register, tables.kit)
            app.state.registrars = registrars = Registrars(answering)
            await registrars.seed()
            inbox = await node.receive(f"inbox.{settings.code}", handlers.bound(answering))
            keeper = Keeper(answering, inbox)
            node.background(keeper.run(), "register-keeper")
            app.state.desk = Desk(answering, keeper, admin_token)
            yield

    app = node.create_service(lifespan=lifespan, title="ГБД ФЛ: twin of the person register")
    for router in (api.router, reads, control.router):
        app.serve(router)
    return app
