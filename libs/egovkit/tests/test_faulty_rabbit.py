"""Faults on the real broker: what differs between the adapters is the connection, and what is in a handler's hands."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from egovkit.bus import BusLimits, Delivery, Outcome, Outgoing, PublishFailure, Topology, Verdict
from egovkit.bus.rabbit import RabbitBus
from egovkit.clock import ShiftedClock, SystemClock
from egovkit.sandbox.clock import Control
from egovkit.sandbox.faults import Wish
from egovkit.settings import ServiceSettings

if TYPE_CHECKING:
    from egovkit.testing.servers import GivenRabbit, PrivateRabbit

pytestmark = pytest.mark.connected
QUEUE = "faulty.a"


async def test_an_outage_confirms_nothing_and_brings_back_what_was_in_hand(
    rabbit: PrivateRabbit | GivenRabbit, tmp_path: Path
) -> None:
    control = Control(ServiceSettings(home=tmp_path, sandbox=True), ShiftedClock(SystemClock()))
    bus = control.take_bus(RabbitBus(rabbit.url, limits=BusLimits(retry_delay=0.0, grace=0.2)))
    seen: list[tuple[str, int]] = []
    cut, came = asyncio.Event(), asyncio.Queue[str]()

    async def take(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        for one in deliveries:
            seen.append((one.message_id, one.attempt))
            came.put_nowait(one.message_id)
        if not cut.is_set():
            await control.faults.set(Wish("broker-restart", parameters={"seconds": 600}))
            cut.set()
        return [Verdict.ACK] * len(deliveries)

    await bus.start()
    try:
        await bus.declare(Topology.of(QUEUE, dead_letters="faulty.dead"))
        await bus.consume(QUEUE, take)
        assert await bus.publish([Outgoing(QUEUE, b"x", {}, "a")]) == [None]
        async with asyncio.timeout(20):
            await cut.wait()
            assert await came.get() == "a"
            [refused] = await bus.publish([Outgoing(QUEUE, b"x", {}, "b")])
            assert refused is not None and refused.reason is PublishFailure.CLOSED and not bus.connected
            await control.faults.clear()
            assert await came.get() == "a", "its acknowledgement had not reached the broker"
            assert bus.connected and await bus.publish([Outgoing(QUEUE, b"x", {}, "b")]) == [None]
            assert await came.get() == "b"
        assert seen == [("a", 1), ("a", 2), ("b", 1)]
    finally:
        await bus.close()
