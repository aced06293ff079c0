"""All wiring, in one function that `__main__`, the sandbox and the tests call."""

from __future__ import annotations

import httpx
from fastapi import FastAPI

from egovkit.bus import Bus
from egovkit.clock import Clock
from egovkit.ids import Ids
from egovkit.node import Node
from egovregister.answering import Answering
from egovregister.assembly import create_register
from enis_mock import api, control, handlers, tables
from enis_mock.service import AttorneyRegister, Notaries
from enis_mock.settings import Settings

__all__ = ["create_app"]

TITLE = "ЕНИС: twin of the notaries' register"


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

    async def fill(app: FastAPI) -> Answering:
        answering = Answering(node, AttorneyRegister(), tables.register, tables.kit)
        app.state.notaries = notaries = Notaries(answering)
        await notaries.seed()
        return answering

    return create_register(
        node,
        settings,
        fill,
        handlers.HANDLERS,
        api=api.router,
        control=control.router,
        title=TITLE,
    )
