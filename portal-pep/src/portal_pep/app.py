"""All wiring of the portal, in one function."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI

from egovkit.attachments import AttachmentStore
from egovkit.bus import Bus
from egovkit.clock import Clock
from egovkit.contracts import read_once
from egovkit.files import MAX_FILE
from egovkit.ids import Ids
from egovkit.node import Node
from egovkit.sandbox.clock import watch_questions
from egovkit.signatures.pdf import MAX_PDF
from egovlaw.catalogue import Catalogue
from egovlaw.loader import load_catalogue
from egovorigin.assembly import shared_parts
from egovorigin.handlers import bound, prepares
from egovorigin.store.attempts import Attempts
from portal_pep import tables
from portal_pep.api import routers
from portal_pep.clients import GatewayPath
from portal_pep.handlers import HANDLERS
from portal_pep.service.parts import Portal
from portal_pep.settings import PortalPepSettings
from portal_pep.store import data_reads, queue_positions
from portal_pep.store.cases import cases
from portal_pep.store.files import files
from portal_pep.store.records import records

TITLE = "ПЭП, the citizen's portal"
BODY_LIMITS = (
    (r"/v1/cases/[^/]+/attachments/[^/]+", MAX_FILE),
    (r"/v1/verify/pdf", MAX_PDF),
    (r"/v1/verify/(number|codes)", 768 * 1024),  # twice a hundred codes, in JSON
    (r"/v1/(accounts|sessions)", 16 * 1024),  # an ИИН and a password, from people who are not signed in yet
)


def create_app(
    settings: PortalPepSettings,
    *,
    bus: Bus | None = None,
    clock: Clock | None = None,
    ids: Ids | None = None,
    http: httpx.AsyncClient | None = None,
    attachments: AttachmentStore | None = None,
) -> FastAPI:
    """The portal as an application; its lifespan starts and stops everything."""
    node = Node(settings, package="portal_pep", tables=tables.kit, bus=bus, clock=clock, ids=ids, http=http)
    catalogue = read_once(load_catalogue, node.contracts)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with node:
            app.state.portal = portal = assemble(node, settings, catalogue, attachments)
            if node.control is not None:
                watch_questions(node.control, node.db, queue_positions.next_end)
                watch_questions(node.control, node.db, data_reads.next_end)
            await node.receive(f"inbox.{node.code}", bound(portal, HANDLERS), prepares=prepares(portal))
            yield

    async def path_check() -> Mapping[str, Any]:
        path = GatewayPath(
            node.http,
            node.key,
            node.clock,
            node.ids,
            base_url=settings.shep_url,
            source=node.code,
            trust=node.trust,
        )
        return await path.measure()

    app = node.create_service(lifespan=lifespan, path_check=path_check, body_limits=BODY_LIMITS, title=TITLE)
    for router in routers:
        app.serve(router)
    return app


def assemble(
    node: Node, settings: PortalPepSettings, catalogue: Catalogue, attachments: AttachmentStore | None
) -> Portal:
    return Portal(
        **shared_parts(node, settings, catalogue, attachments),
        cases=cases,
        files=files,
        records=records,
        attempts=Attempts(tables.origin.attempts),
    )
