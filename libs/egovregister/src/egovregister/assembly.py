"""A register as an application: all wiring but what it finds and how it is filled."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI

from egovkit.node import Node
from egovkit.routes import Routes
from egovregister.answering import Answering
from egovregister.api import Desk
from egovregister.api import router as reads
from egovregister.handlers import Handlers, bound
from egovregister.keeper import Keeper
from egovregister.settings import RegisterSettings

Fill = Callable[[FastAPI], Awaitable[Answering]]


def create_register(
    node: Node, settings: RegisterSettings, fill: Fill, handlers: Handlers, *, api: Routes, control: Routes, title: str
) -> FastAPI:
    """`fill` runs when the node has started: it puts what the register's own calls need into the application's state,
    fills an empty register and gives its side of the bus. Questions are taken from then on until the end."""
    admin_token = settings.admin_token()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with node:
            answering = await fill(app)
            inbox = await node.receive(f"inbox.{settings.code}", bound(answering, handlers))
            keeper = Keeper(answering, inbox)
            node.background(keeper.run(), "register-keeper")
            app.state.desk = Desk(answering, keeper, admin_token)
            yield

    app = node.create_service(lifespan=lifespan, title=title)
    for router in (api, reads, control):
        app.serve(router)
    return app
