"""All wiring of ШЭП, in one function that `__main__`, the sandbox and the tests call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from prometheus_client import Gauge

from egovgateway.api import BODY_LIMITS
from egovgateway.assembly import DoorParts, Kind, add_partners_door, build_door, build_gateway, running
from egovgateway.pipeline import no_checkpoint
from egovgateway.webhooks.api import participants_router
from egovkit.bus import Bus, Topology
from egovkit.clock import Clock
from egovkit.contracts import read_once, read_yaml
from egovkit.idempotency import Idempotent
from egovkit.ids import Ids
from egovkit.membership import Member
from egovkit.node import Node
from egovkit.openapi import Documented
from egovkit.settings import read_secret
from egovkit.signatures.sealing import Sealer
from egovlaw.loader import load_catalogue
from gateway_shep import tables
from gateway_shep.api import (
    Admin,
    Running,
    attachments_router,
    letters_router,
    members_router,
    register_router,
    reports_router,
)
from gateway_shep.attachments import MAX_FILE, Attachments
from gateway_shep.domain import REFUSALS, TRUNK, NationalJudge, Policies
from gateway_shep.letters import BATCH, Letters, Tools
from gateway_shep.reports import Reports
from gateway_shep.service import Register
from gateway_shep.settings import Settings

TITLE = "ШЭП: the gateway of the national systems"
LIMITS = (*BODY_LIMITS, (r"/v1/attachments/[^/]+", MAX_FILE))
RSHEP_TRUNK = "rshep.trunk"


def create_app(
    settings: Settings,
    *,
    bus: Bus | None = None,
    clock: Clock | None = None,
    ids: Ids | None = None,
    http: httpx.AsyncClient | None = None,
    partners: httpx.AsyncClient | None = None,
    checkpoint: Callable[[str], None] = no_checkpoint,
) -> FastAPI:
    """The application; its lifespan opens the register and takes envelopes until it ends."""
    opened = asyncio.Event()

    async def join(node: Node) -> None:
        await opened.wait()
        await _open_register(node, now_running().register)

    journal = tables.gateway.journal
    node = Node(settings, package="gateway_shep", journal=journal, bus=bus, clock=clock, ids=ids, http=http, join=join)
    topology = Topology.load(node.contracts)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with node:
            app.state.running = _running(node, settings, DoorParts(settings, metrics, partners), topology, checkpoint)
            opened.set()
            async with _serving(now_running(), node, topology):
                yield

    def now_running() -> Running:
        found: Running = app.state.running
        return found

    app = node.create_service(lifespan=lifespan, body_limits=LIMITS, title=TITLE)
    metrics = add_partners_door(app, node, lambda: now_running().door, REFUSALS)
    app.serve(members_router(now_running))
    app.serve(attachments_router(now_running))
    _add_operators(app, node, now_running, Admin(read_secret(settings.admin_token_file)))
    _count_letters(node, now_running)
    return app


def _add_operators(app: Documented, node: Node, now_running: Callable[[], Running], admin: Admin) -> None:
    app.serve(register_router(now_running, admin, _regions(node)))
    app.serve(letters_router(now_running, admin))
    app.serve(reports_router(now_running, admin))
    names = {"prefix": "/v1/webhooks", "name": "participant_webhook", "tag": "webhooks"}
    app.serve(participants_router(lambda: now_running().door.webhooks, admin, **names))


async def _open_register(node: Node, register: Register) -> None:
    """ШЭП joins by itself: НУЦ's lists, then its own register."""
    await node.trust_source.refresh()
    node.waiting_for("register")
    if not node.membership.members.is_known:
        await register.open(node.contracts / "participants.yaml")
    await register.refresh()


def queue_for(member: Member) -> str | None:
    """The next hop from ШЭП: the trunk for regional systems, the inbox of national ones, nothing for HTTP."""
    if member.kind == "regional_gateway" or member.regions:
        return RSHEP_TRUNK
    return None if member.delivery == "http" else f"inbox.{member.code}"


def _kind(node: Node, settings: Settings) -> Kind:
    catalogue = read_once(load_catalogue, node.contracts)
    policies = Policies(settings.force_policy, settings.time_policy)
    judge = NationalJudge(node.code, catalogue, node.messages, lambda: node.membership.members, policies)
    return Kind(tables.gateway, tables.webhooks, judge, TRUNK, queue_for)


def _running(
    node: Node, settings: Settings, more: DoorParts, topology: Topology, checkpoint: Callable[[str], None]
) -> Running:
    from obstore.store import LocalStore

    kind = _kind(node, settings)
    gateway = build_gateway(node, kind, checkpoint)
    settings.attachments_dir.mkdir(parents=True, exist_ok=True)
    sealer = Sealer(bytes.fromhex(read_secret(settings.sealing_key_file)))
    return Running(
        register=Register(gateway, node.membership, node.trust_source),
        attachments=Attachments(gateway, LocalStore(settings.attachments_dir), sealer),
        letters=Letters(gateway, Tools(node.bus, node.ids, sealer, topology, checkpoint)),
        idempotent=Idempotent(node.db, tables.idempotency, node.clock, node.ids),
        door=build_door(node, gateway, kind, more),
        reports=Reports(gateway),
    )


@asynccontextmanager
async def _serving(now: Running, node: Node, topology: Topology) -> AsyncIterator[None]:
    """What goes on by itself: envelopes, dead letters, and in every round of the relay the smaller works."""
    gateway = now.door.gateway
    for work in (now.register.refresh, now.attachments.sweep, now.letters.put_back):
        gateway.parts.publisher.every_round(work)
    letters = await node.bus.consume(topology.dead_letters, now.letters.take, max_batch=BATCH)
    try:
        async with running(node, now.door, topology):
            yield
    finally:
        await letters.cancel()
        await now.letters.close()


def _count_letters(node: Node, now_running: Callable[[], Running]) -> None:
    waiting = Gauge(
        "egov_dead_letters_waiting",
        "Dead letters nobody has decided about",
        ["service"],
        registry=node.metrics.registry,
    )

    async def refresh() -> None:
        waiting.labels(node.code).set(await now_running().letters.count_waiting())

    node.metrics.ask(refresh)


def _regions(node: Node) -> frozenset[str]:
    document = read_yaml(node.contracts / "regions.yaml")
    return frozenset(document["regions"])
