"""All wiring of РШЭП, in one function that `__main__`, the sandbox and the tests call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from egovgateway.api import BODY_LIMITS, Door
from egovgateway.assembly import DoorParts, Kind, add_partners_door, build_door, build_gateway, running
from egovgateway.domain import REDRIVE_QUEUE
from egovgateway.pipeline import no_checkpoint
from egovkit.bus import Bus, Topology
from egovkit.clock import Clock
from egovkit.envelope import Envelope
from egovkit.ids import Ids
from egovkit.inbox import MEMBERS_UPDATED
from egovkit.membership import Member
from egovkit.node import Node
from regional_gateway_rshep import tables
from regional_gateway_rshep.domain import NATIONAL, REFUSALS, TRUNK, RegionalJudge
from regional_gateway_rshep.handlers import Redriven
from regional_gateway_rshep.settings import Settings

SHEP_TRUNK = "shep.trunk"

TITLE = "РШЭП: the gateway of the regions' systems"


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
    """The application; its lifespan takes envelopes of its regions and of the trunk until it ends."""
    journal = tables.gateway.journal
    node = Node(settings, package="regional_gateway_rshep", journal=journal, bus=bus, clock=clock, ids=ids, http=http)
    topology = Topology.load(node.contracts)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with node:
            kind = _kind(node)
            gateway = build_gateway(node, kind, checkpoint)
            app.state.door = build_door(node, gateway, kind, DoorParts(settings, metrics, partners))
            redriven = Redriven(gateway, node.bus, topology)
            async with running(node, door(), topology, {REDRIVE_QUEUE: redriven.take}):
                yield

    def door() -> Door:
        found: Door = app.state.door
        return found

    app = node.create_service(lifespan=lifespan, body_limits=BODY_LIMITS, title=TITLE)
    metrics = add_partners_door(app, node, door, REFUSALS)
    return app


def queue_for(member: Member) -> str | None:
    """The next hop from РШЭП: the trunk for ШЭП and national systems, the inbox of its own, nothing for HTTP."""
    if member.kind == NATIONAL or not member.regions:
        return SHEP_TRUNK
    return None if member.delivery == "http" else f"inbox.{member.code}"


def _kind(node: Node) -> Kind:
    def take_news(envelope: Envelope) -> None:
        if envelope.type == MEMBERS_UPDATED:
            node.membership.update(envelope.data["list"])

    judge = RegionalJudge(node.code, node.messages, lambda: node.membership.members)
    return Kind(tables.gateway, tables.webhooks, judge, TRUNK, queue_for, take_news)
