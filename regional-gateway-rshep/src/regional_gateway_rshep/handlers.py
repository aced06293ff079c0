"""Bus in, beside the envelopes: dead letters that ШЭП's operators put back into queues of the regions.

ШЭП may not write to those queues. It sends such letters by a queue of their own, so that one whose consumer is still
broken holds up nothing but other letters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from egovgateway.domain import REDRIVE_QUEUE, REDRIVEN_TO
from egovgateway.pipeline import Gateway
from egovkit.bus import Bus, Dead, Delivery, Outcome, Outgoing, Topology, Verdict


class Redriven:
    """Puts letters into the queue that their header names, if РШЭП may."""

    def __init__(self, gateway: Gateway, bus: Bus, topology: Topology) -> None:
        self._gateway = gateway
        self._bus = bus
        code = gateway.parts.code
        self._own = {spec.name for spec in topology.queues if spec.owner == code} - {REDRIVE_QUEUE}
        self._written = topology.written_by(code)

    async def take(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        """The bus's handler. A letter is acknowledged when it lies in its queue; a copy more does no harm."""
        return [await self._put_back(delivery) for delivery in deliveries]

    async def _put_back(self, delivery: Delivery) -> Outcome:
        headers = dict(delivery.headers)
        queue = headers.pop(REDRIVEN_TO, "")
        if queue in self._own:  # nothing to publish: it is judged here and now
            [verdict] = await self._gateway.take([replace(delivery, queue=queue, headers=headers)])
            return verdict
        if queue not in self._written:
            return Dead("deadletter.queue_of_others")
        [failure] = await self._bus.publish([Outgoing(queue, delivery.body, headers, delivery.message_id)])
        return Verdict.ACK if failure is None else Verdict.RETRY
