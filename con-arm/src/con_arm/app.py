"""All wiring, in one function that `__main__`, the sandbox and the tests call."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

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
from egovkit.bus import Bus
from egovkit.clock import Clock
from egovkit.contracts import read_once
from egovkit.ids import Ids
from egovkit.node import Node
from egovkit.pdf import DocumentPages
from egovkit.sandbox.clock import watch_questions
from egovkit.settings import read_secret
from egovkit.signatures.sealing import Sealer
from egovlaw.catalogue import Catalogue
from egovlaw.loader import load_calendar, load_catalogue
from egovlaw.outputs import load_outputs
from egovorigin.clients import AttachmentStore, GatewayAttachments
from egovorigin.domain.files import MAX_FILE
from egovorigin.domain.keyring import Keyring
from egovorigin.handlers import bound, prepares
from egovorigin.passwords import Passwords

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
        app.include_router(router)
    return app


def assemble(node: Node, settings: Settings, catalogue: Catalogue, attachments: AttachmentStore | None) -> Centre:
    keyring = Keyring.of(node.code, secret_of(settings.secret_path, node.ids))
    store = attachments or GatewayAttachments(
        node.http,
        node.key,
        node.clock,
        node.ids,
        base_url=settings.shep_url,
        source=node.code,
        timeout_s=settings.attachment_timeout_s,
    )
    return Centre(
        settings=settings,
        db=node.db,
        clock=node.clock,
        ids=node.ids,
        catalogue=catalogue,
        key=node.key,
        journal=node.journal,
        outbox=node.outbox,
        membership=node.membership,
        trust=node.trust,
        signatures=node.signatures,
        sealer=Sealer(keyring.sealing),
        keyring=keyring,
        passwords=Passwords(settings),
        attachments=store,
        cases=cases,
        files=files,
        records=records,
        calendar=read_once(load_calendar, node.contracts),
        outputs=load_outputs(node.contracts, catalogue),
        pages=DocumentPages(),
    )


def secret_of(path: Path, ids: Ids) -> str:
    """The workstation's secret, made at first start where the operators have given none. Whoever loses it cannot open
    the scans of unsent applications any more."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{ids.token(6)}")
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(ids.token())
        try:
            os.link(draft, path)  # of two processes starting together one wins, whole; the other reads it
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return read_secret(path)
