"""All wiring of the workstation, in one function that `__main__`, the sandbox and the tests call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
from fastapi import FastAPI

from egovkit.attachments import GatewayAttachments
from egovkit.bus import Bus
from egovkit.clock import Clock
from egovkit.contracts import read_once, read_yaml
from egovkit.deadlines import DeadlinePace
from egovkit.files import MAX_FILE
from egovkit.ids import Ids
from egovkit.node import Node
from egovkit.pdf import DocumentPages
from egovkit.sandbox.clock import watch_questions
from egovkit.settings import read_secret
from egovlaw.loader import load_calendar, load_catalogue
from egovlaw.outputs import load_outputs
from provider_arm import handlers
from provider_arm.api import cases, desks, oversight, own, registers, results, sessions, staff, tasks, terms
from provider_arm.api.access import Desk
from provider_arm.clients import PageSealer
from provider_arm.service import escalation
from provider_arm.service.context import Workstation
from provider_arm.service.passwords import Passwords
from provider_arm.service.procedure import Procedures
from provider_arm.service.staff import Door
from provider_arm.settings import Settings
from provider_arm.store import own as own_store
from provider_arm.store import registers as register_store
from provider_arm.tables import deadlines, kit

__all__ = ["create_app"]


def create_app(
    settings: Settings,
    *,
    bus: Bus | None = None,
    clock: Clock | None = None,
    ids: Ids | None = None,
    http: httpx.AsyncClient | None = None,
) -> FastAPI:
    """The application. `http` replaces the client for ШЭП and НУЦ (tests answer for them without a socket)."""
    node = Node(settings, package="provider_arm", tables=kit, bus=bus, clock=clock, ids=ids, http=http)
    procedures = Procedures(read_once(load_catalogue, node.contracts))
    regions = _regions(node.contracts)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with node:
            ws = _workstation(node, settings, procedures, lambda: app.state.desk.ws)
            app.state.desk = Desk(ws, _door(node, settings, regions), node.idempotent, _admin_token(settings))
            if node.control is not None:
                watch_questions(node.control, node.db, own_store.next_end)
                watch_questions(node.control, node.db, register_store.next_end)
            await node.receive(f"inbox.{settings.code}", handlers.bound(ws), prepares=handlers.prepares(ws))
            yield

    limits = [(r"/v1/own-cases/[^/]+/attachments/[^/]+", MAX_FILE)]
    app = node.create_service(lifespan=lifespan, body_limits=limits, title="АРМ РШЭП: the provider's workstation")
    for part in (sessions, staff, tasks, cases, results, terms, registers, own, desks, oversight):
        app.serve(part.router)
    return app


def _workstation(
    node: Node, settings: Settings, procedures: Procedures, running: Callable[[], Workstation]
) -> Workstation:
    return Workstation(
        code=node.code,
        db=node.db,
        clock=node.clock,
        ids=node.ids,
        journal=node.journal,
        outbox=node.outbox,
        membership=node.membership,
        trust=node.trust,
        signatures=node.signatures,
        procedures=procedures,
        calendar=read_once(load_calendar, node.contracts),
        deadlines=node.keep_deadlines(
            deadlines, escalation.handlers(running), DeadlinePace(poll=settings.deadline_poll_s)
        ),
        policy=settings.policy,
        register_patience=timedelta(seconds=settings.register_patience_s),
        outputs=read_once(load_outputs, node.contracts, procedures.catalogue),
        pages=DocumentPages(),
        sealer=PageSealer(node.http, settings.nuc_url, node.trust.root, node.clock),
        attachments=GatewayAttachments(
            node.http,
            node.key,
            node.clock,
            node.ids,
            base_url=settings.shep_url,
            source=node.code,
            timeout_s=settings.attachment_timeout_s,
        ),
    )


def _door(node: Node, settings: Settings, regions: frozenset[str]) -> Door:
    path = settings.session_key_file
    secret = node.ids.token() if path is None else read_secret(path)
    passwords = Passwords(settings.argon2_time, settings.argon2_memory_kib, settings.argon2_at_once)
    return Door(node.key, secret.encode(), timedelta(hours=settings.session_hours), regions, passwords)


def _admin_token(settings: Settings) -> str | None:
    return None if settings.admin_token_file is None else read_secret(settings.admin_token_file)


def _regions(contracts: Path) -> frozenset[str]:
    return frozenset(read_yaml(contracts / "regions.yaml")["regions"])
