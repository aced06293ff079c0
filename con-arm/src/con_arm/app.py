"""All wiring, in one function that `__main__`, the sandbox and the tests call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from con_arm import tables
from con_arm.api import routers
from con_arm.handlers import HANDLERS
from con_arm.service.parts import Centre
from con_arm.settings import Settings
from con_arm.store import queries
from con_arm.store.cases import cases
from con_arm.store.files import files
from con_arm.store.records import records
from egovkit.attachments import AttachmentStore
from egovkit.bus import Bus
from egovkit.clock import Clock
from egovkit.contracts import read_once
from egovkit.files import MAX_FILE
from egovkit.ids import Ids
from egovkit.node import Node
from egovkit.sandbox.clock import watch_questions
from egovlaw.catalogue import Catalogue
from egovlaw.loader import load_calendar, load_catalogue
from egovorigin.assembly import shared_parts
from egovorigin.handlers import bound, prepares
from egovorigin.store.attempts import Attempts

__all__ = ["create_app"]

TITLE = "АРМ ИС ЦОН: the workstation of a public service centre"
BODY_LIMITS = (
    (r"/v1/cases/[^/]+/attachments/[^/]+", MAX_FILE),
    (r"/v1/sessions", 16 * 1024),  # a login and a password, from people who are not signed in yet
)


def create_app(
    settings: Settings,
    *,
    bus: Bus | None = None,
    clock: Clock | None = None,
    ids: Ids | None = None,
    http: httpx.AsyncClient | None = None,
    attachments: AttachmentStore | None = None,
) -> FastAPI:
    """The application; its lifespan takes what comes to the inbox until it ends."""
    node = Node(settings, package="con_arm", tables=tables.kit, bus=bus, clock=clock, ids=ids, http=http)
    catalogue = read_once(load_catalogue, node.contracts)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with node:
            app.state.centre = centre = assemble(node, settings, catalogue, attachments)
            app.state.admin_token = settings.admin_token()
            if node.control is not None:
                watch_questions(node.control, node.db, queries.next_end)
            await node.receive(f"inbox.{node.code}", bound(centre, HANDLERS), prepares=prepares(centre))
            yield

    app = node.create_service(lifespan=lifespan, body_limits=BODY_LIMITS, title=TITLE)
    for router in routers:
        app.serve(router)
    return app


def assemble(node: Node, settings: Settings, catalogue: Catalogue, attachments: AttachmentStore | None) -> Centre:
    return Centre(
        **shared_parts(node, settings, catalogue, attachments),
        cases=cases,
        files=files,
        records=records,
        attempts=Attempts(tables.origin.attempts),
        calendar=read_once(load_calendar, node.contracts),
    )
