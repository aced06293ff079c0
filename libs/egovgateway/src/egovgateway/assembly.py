"""How a gateway is put together and run; both gateways' `app.py` call this with what is their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

import httpx

from egovgateway.api import Access, Door, ingress_router
from egovgateway.checking import Checker
from egovgateway.domain import Judge
from egovgateway.notices import Notices
from egovgateway.pipeline import Gateway, GatewayParts, no_checkpoint
from egovgateway.publisher import Publisher
from egovgateway.sealing import purge_envelopes, seal_plain_envelopes
from egovgateway.settings import GatewaySettings
from egovgateway.store import GatewayStore
from egovgateway.tables import GatewayTables, WebhookTables
from egovgateway.webhooks.addresses import Addresses
from egovgateway.webhooks.api import own_router, participants_router
from egovgateway.webhooks.courier import Caller, Courier, CourierParts, WebhookMetrics
from egovgateway.webhooks.service import Webhooks
from egovgateway.webhooks.store import WebhookStore
from egovkit.bus import BatchHandler
from egovkit.bus.topology import Topology
from egovkit.envelope import Envelope
from egovkit.membership import Member
from egovkit.node import Node
from egovkit.openapi import Documented
from egovkit.sandbox.clock import Control, Moment
from egovkit.sandbox.door import token_guard

CHANGE_SETTLES = timedelta(seconds=10)


def _nothing(envelope: Envelope) -> None:
    """ШЭП needs no more than its journal of what is addressed to it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What one gateway has of its own.

    `trunk` is the queue the other gateway writes, `queue_for` the queue of a participant's next hop from here.
    """

    tables: GatewayTables
    webhooks: WebhookTables
    judge: Judge
    trunk: str
    queue_for: Callable[[Member], str | None]
    on_consumed: Callable[[Envelope], None] = _nothing


def build_gateway(node: Node, kind: Kind, checkpoint: Callable[[str], None] = no_checkpoint) -> Gateway:
    """Wire a gateway from a node (not yet started) and its kind."""
    store = GatewayStore(kind.tables, node.bodies)
    checker = Checker(node.membership, node.trust, node.messages, trunk=kind.trunk, home=node.code)
    notices = Notices(node.code, node.key, node.clock, node.ids, node.problems, node.messages)
    publisher = Publisher(node.db, node.bus, store, node.clock, checkpoint)

    def not_ready() -> str | None:
        if not node.membership.members.is_known:
            return "member_list"
        following = node.trust.crl_next_update
        return "revocation_list" if following is None or following <= node.clock.now() else None

    parts = GatewayParts(
        code=node.code,
        db=node.db,
        store=store,
        journal=node.journal,
        key=node.key,
        clock=node.clock,
        checker=checker,
        notices=notices,
        publisher=publisher,
        queue_for=kind.queue_for,
        not_ready=not_ready,
        refresh=node.refresh,
        on_consumed=kind.on_consumed,
    )
    return Gateway(parts, kind.judge, checkpoint)


@dataclass(frozen=True, slots=True)
class DoorParts:
    """What a gateway's door needs beside node, gateway and kind. `partners` is the client that webhooks are called
    with, one of its own unless given."""

    settings: GatewaySettings
    metrics: WebhookMetrics
    partners: httpx.AsyncClient | None = None


def build_door(node: Node, gateway: Gateway, kind: Kind, more: DoorParts) -> Door:
    """Who may come in, and whom the gateway calls."""
    settings = more.settings
    addresses = Addresses(sandbox=settings.sandbox, private=settings.webhook_private)
    parts = CourierParts(
        store=WebhookStore(kind.tables, kind.webhooks, node.bodies),
        membership=node.membership,
        ids=node.ids,
        caller=Caller(gateway.parts, addresses, more.partners, settings.webhook_ca),
        metrics=more.metrics,
        kept=timedelta(hours=settings.webhook_kept_h),
    )
    webhooks = Webhooks(gateway.parts, parts, Courier(gateway.parts, parts))
    return Door(gateway, Access(node.code, node.membership, node.trust), webhooks)


def add_partners_door(app: Documented, node: Node, door: Callable[[], Door], judged: Sequence[str]) -> WebhookMetrics:
    """What partners reach by HTTP; in a sandbox its testers see and set the webhooks of all. The metrics are made
    here, once, whatever starts again. `judged`: the problems of the gateway's own judgement."""
    app.serve(ingress_router(door, judged))
    app.serve(own_router(lambda: door().webhooks, lambda request: door().owner(request)))
    if node.control is not None:
        guard = token_guard(node.settings)
        names = {"prefix": "/v1/sandbox/webhooks", "name": "sandbox_webhook", "tag": "sandbox"}
        app.serve(participants_router(lambda: door().webhooks, guard, **names))
    node.metrics.ask(lambda: door().webhooks.courier.refresh_metrics())
    return WebhookMetrics(node.code, node.metrics.registry)


@asynccontextmanager
async def running(
    node: Node,
    door: Door,
    topology: Topology,
    others: Mapping[str, BatchHandler] = MappingProxyType({}),
) -> AsyncIterator[None]:
    """Publish and relay, take from every queue the topology gives this gateway, and stop in the other order.

    `others` take from queues that bring something else than envelopes to be judged.
    """
    gateway, courier = door.gateway, door.webhooks.courier
    node.journal_keeper.seals.append(seal_plain_envelopes)
    node.journal_keeper.purges.append(purge_envelopes)
    publisher = gateway.parts.publisher
    publisher.every_round(gateway.judge_parked)
    publisher.every_round(gateway.keep_fresh)
    publisher.every_round(Redirecting(node, gateway))
    publisher.every_round(courier.round)
    await publisher.start()
    mine = [queue.name for queue in topology.queues if queue.owner == node.code]
    if node.control is not None:
        _watch(node.control, node, gateway)
        courier.watch(node.control)
    subscriptions = [await node.bus.consume(name, others.get(name, gateway.take)) for name in mine]
    try:
        yield
    finally:
        for subscription in subscriptions:
            await subscription.cancel()
        await publisher.close()
        await courier.close()


class Redirecting:
    """Whoever goes over from HTTP to the broker finds there what waited for it. Looked for after each change of the
    member list, and a while longer: another process may still go by the list before."""

    def __init__(self, node: Node, gateway: Gateway) -> None:
        self._node = node
        self._parts = gateway.parts
        self._version: int | None = None
        self._until = node.clock.now()

    async def __call__(self) -> None:
        members, now = self._node.membership.members, self._node.clock.now()
        if members.version != self._version:
            self._version, self._until = members.version, now + CHANGE_SETTLES
        if now >= self._until:
            return
        async with self._parts.db.read() as conn:
            waited_for = await self._parts.store.waited_for(conn)
        for code in waited_for:
            member = members.get(code)
            if member is not None and (queue := self._parts.queue_for(member)) is not None:
                async with self._parts.db.begin() as conn:
                    await self._parts.store.send_after_all(conn, code, queue, now)


def _watch(control: Control, node: Node, gateway: Gateway) -> None:
    """What the sandbox's clock has to know: envelopes that wait for their predecessor, and those on their way."""
    store, publisher = gateway.parts.store, gateway.parts.publisher

    async def moments() -> list[Moment]:
        async with node.db.read() as conn:
            parked, again = await store.next_moments(conn, node.clock.now())
        found = [] if parked is None else [Moment("expiry of a parked envelope", parked)]
        # A lease is no stop: what is published again is published again at any stop after it.
        return found + ([] if again is None else [Moment("envelope published again", again, stops=False)])

    async def work() -> str | None:
        async with node.db.read() as conn:
            ready = await store.ready(conn, node.clock.now())
        return "envelopes on their way" if ready or publisher.busy else None

    control.moments.append(moments)
    control.work.append(work)
