"""The bus of a service with faults: bends what it publishes and what is delivered to it, cuts its connection.

It lies beneath the hold on the subscriptions (`egovkit.bus.holdable`), so that a held deployment holds the bent
traffic too, and it is the same for both adapters.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from egovkit.bus import (
    BatchHandler,
    Bus,
    BusUnavailable,
    Delivery,
    Outcome,
    Outgoing,
    PublishError,
    PublishFailure,
    Subscription,
    Topology,
    Verdict,
)
from egovkit.bus.holdable import HeldSubscription, HoldableBus
from egovkit.envelope import SIGNATURE_HEADER
from egovkit.log import get_logger
from egovkit.sandbox.fault_names import CERTIFICATE, DELIVERY, PUBLISH
from egovkit.sandbox.faults import Faults, Item, Rule
from egovkit.signatures.custody import KeyCustody
from egovkit.signatures.jws import sign_detached

AGAIN_SECONDS = 1.0  # between two attempts of a message that leaves late
_OWN_ONLY = frozenset({"wrong-recipient", "expired-certificate", "revoked-certificate"})  # needs the source's own key
_DISCONNECTED = "the fault broker-restart"
_log = get_logger("egovkit.faults")


@dataclass(slots=True)
class _Fate:
    """What becomes of one message."""

    message: Outgoing
    copies: int = 1
    later: float | None = None  # seconds
    behind: float | None = None  # the next of its queue, at most seconds


@dataclass(eq=False, slots=True)
class _Held:
    message: Outgoing
    at: datetime
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class FaultyBus:
    """Any bus, bent by `faults`. `up` says whether the connection stands."""

    def __init__(self, inner: Bus, faults: Faults) -> None:
        self.inner = inner
        self.up = True
        self._line = HoldableBus(inner)
        self._faults = faults
        self._held: list[_Held] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._outage: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        return self.up and self.inner.connected

    async def start(self) -> None:
        await self.inner.start()

    async def close(self) -> None:
        await self.stop()
        await self.inner.close()

    async def stop(self) -> None:
        """Ends what goes on in the background."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def declare(self, topology: Topology) -> None:
        await self.inner.declare(topology)

    async def depth(self, queue: str) -> int:
        if not self.up:
            raise BusUnavailable(_DISCONNECTED)
        return await self.inner.depth(queue)

    def waiting(self) -> list[datetime]:
        """When the messages that are held back leave at the latest."""
        return [one.at for one in self._held]

    # --- out

    async def publish(self, messages: Sequence[Outgoing]) -> list[PublishError | None]:
        if not self.up:
            return [PublishError(PublishFailure.CLOSED, _DISCONNECTED) for _ in messages]
        if not self._faults.rules and not self._held:
            return await self.inner.publish(messages)
        answers: list[PublishError | None] = [None] * len(messages)
        leaving: list[tuple[int, Outgoing]] = []
        for place, message in enumerate(messages):
            fate = self._bent(message)
            if fate.later is not None:
                self._hold_back(fate, fate.later, passed=False)
            elif fate.behind is not None:
                self._hold_back(fate, fate.behind, passed=True)
            else:
                leaving += [(place, fate.message)] * fate.copies
        if leaving:
            confirmed = await self.inner.publish([message for _, message in leaving])
            for (place, _), answer in zip(leaving, confirmed, strict=True):
                answers[place] = answers[place] or answer
            self._let_follow({message.queue for _, message in leaving})
        return answers

    def _bent(self, message: Outgoing) -> _Fate:
        fate, item = _Fate(message), Item(message.body, message.message_id)
        for rule in self._faults.at(PUBLISH, CERTIFICATE):
            if rule.meets(item) and self._can(rule, item) and rule.takes():
                self._bend(fate, rule, item)
                envelope = item.envelope
                facts = {} if envelope is None else {"type": envelope.type, "case": envelope.subject}
                self._faults.told(rule, message.message_id, queue=message.queue, **facts)
                item = Item(fate.message.body, message.message_id)
        return fate

    def _can(self, rule: Rule, item: Item) -> bool:
        own = item.envelope is not None and item.envelope.source == self._faults.code
        return own or rule.spec.name not in _OWN_ONLY

    def _bend(self, fate: _Fate, rule: Rule, item: Item) -> None:
        key, given = self._faults.key, rule.parameters
        match rule.spec.name:
            case "drop":
                fate.copies = 0
            case "duplicate":
                fate.copies += int(given["copies"])
            case "delay":
                fate.later = float(given["seconds"])
            case "reorder":
                fate.behind = float(given["seconds"])
            case "corrupt":
                fate.message = replace(fate.message, body=_flipped(fate.message.body, rule))
            case "bad-signature" if key is not None:
                fate.message = _signed(fate.message, fate.message.body, key, over=fate.message.body + b" ")
            case "expired-certificate" | "revoked-certificate" if rule.key is not None:
                fate.message = _signed(fate.message, fate.message.body, rule.key)
            case "wrong-recipient" if key is not None and item.envelope is not None:
                other = replace(item.envelope, recipient=str(given.get("recipient", self._faults.code)))
                fate.message = _signed(fate.message, other.encode(), key)

    def _hold_back(self, fate: _Fate, seconds: float, *, passed: bool) -> None:
        """Confirmed to its sender, who would send it again otherwise. `passed`: the next of its queue lets it go."""
        held = _Held(fate.message, self._faults.clock.now() + timedelta(seconds=seconds))
        self._held.append(held)

        async def leave() -> None:
            try:
                until: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._faults.clock.sleep(seconds))]
                if passed:
                    until.append(asyncio.ensure_future(held.gone.wait()))
                try:
                    await asyncio.wait(until, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for one in until:
                        one.cancel()
                await self._send_late(fate)
            finally:
                self._held.remove(held)

        self._background(leave())

    def _let_follow(self, queues: set[str]) -> None:
        for held in self._held:
            if held.message.queue in queues:
                held.gone.set()

    async def _send_late(self, fate: _Fate) -> None:
        """Nobody else would: its sender believes it gone."""
        while fate.copies:
            [answer] = await self.inner.publish([fate.message]) if self.up else [_closed()]
            if answer is None:
                fate.copies -= 1
            elif answer.reason in (PublishFailure.CLOSED, PublishFailure.REJECTED):
                await self._faults.clock.sleep(AGAIN_SECONDS)
            else:
                _log.error("fault.not_sent", id=fate.message.message_id, reason=answer.reason)
                return

    # --- in

    async def consume(
        self, queue: str, handler: BatchHandler, *, prefetch: int = 200, max_batch: int = 100
    ) -> Subscription:
        own: list[HeldSubscription] = []

        async def bent(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
            rules = self._faults.at(DELIVERY)
            lost = [bool(rules) and self._is_lost(delivery, rules) for delivery in deliveries]
            kept = [delivery for delivery, gone in zip(deliveries, lost, strict=True) if not gone]
            outcomes = iter(await handler(kept) if kept else [])
            if not self.up:  # the acknowledgement does not reach the broker: all of it comes again, once it is back
                for subscription in own:
                    await subscription.follow()
                return [Verdict.RETRY] * len(deliveries)
            return [Verdict.ACK if gone else next(outcomes) for gone in lost]

        own.append(await self._line.consume(queue, bent, prefetch=prefetch, max_batch=max_batch))
        return own[0]

    def _is_lost(self, delivery: Delivery, rules: Sequence[Rule]) -> bool:
        item = Item(delivery.body, delivery.message_id)
        for rule in rules:
            if rule.meets(item) and rule.takes():
                self._faults.told(rule, delivery.message_id, queue=delivery.queue)
                return True
        return False

    # --- the connection

    def disconnect(self, seconds: float) -> None:
        """At once, for so long; an outage that goes on is replaced."""
        self.up, self._line.held = False, True
        if self._outage is not None:
            self._outage.cancel()
        self._outage = self._background(self._stay_away(seconds))

    def reconnect(self) -> None:
        """Now, whatever is left of the outage."""
        if self._outage is not None:
            self._outage.cancel()
            self._outage = None
        if not self.up:
            self._background(self._come_back())

    async def _stay_away(self, seconds: float) -> None:
        ends = self._faults.clock.monotonic() + seconds
        await self._line.hold()
        await self._faults.clock.sleep(ends - self._faults.clock.monotonic())
        await self._come_back()

    async def _come_back(self) -> None:
        self.up = True
        await self._line.release()

    def _background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="egov-fault")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _closed() -> PublishError:
    return PublishError(PublishFailure.CLOSED, _DISCONNECTED)


def _signed(message: Outgoing, body: bytes, key: KeyCustody, *, over: bytes | None = None) -> Outgoing:
    headers = {**message.headers, SIGNATURE_HEADER: sign_detached(body if over is None else over, key)}
    return replace(message, body=body, headers=headers)


def _flipped(body: bytes, rule: Rule) -> bytes:
    """Always the same bit of the same body for the n-th hit of a seed."""
    digest = hashlib.sha256(f"{rule.wish.seed}:{rule.hits}".encode()).digest()
    place = int.from_bytes(digest[:8]) % len(body) if body else 0
    return body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :] if body else body
