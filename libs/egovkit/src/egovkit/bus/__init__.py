"""The bus port: bytes and text headers in named queues, taken in batches, settled one by one.

Two adapters of equal rank pass one behaviour suite: `egovkit.bus.memory.MemoryBus` and
`egovkit.bus.rabbit.RabbitBus`.

What every adapter promises:

* at least once: a message is redelivered until its handler's verdict was ACK or DEAD, so handlers are
  idempotent;
* `publish` never raises for a message: each gets None (confirmed) or a PublishError with its reason;
* a message that used up its deliveries, or was judged DEAD, lies in the dead-letter queue with a reason;
* order within a queue holds for one publisher and one consumer as long as nothing is retried;
* queues exist only by `declare`: an adapter never makes one because somebody named it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from egovkit.bus.topology import Topology

DEAD_REASON = "x-egov-dead-reason"  # header of a dead letter: why it was given up
DEAD_QUEUE = "x-egov-dead-queue"  # header of a dead letter: the queue it lay in, and may go back to
DEAD_DELIVERIES = "x-egov-dead-deliveries"  # header of a dead letter: how often it was delivered, where that is known
DEAD_HEADERS = (DEAD_REASON, DEAD_QUEUE, DEAD_DELIVERIES)  # what burying adds; all else is the message's own
DELIVERY_LIMIT = "delivery_limit"  # the reason of a message that used up its deliveries


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to publish. Headers are text: what a partner's AMQP client of any language can read."""

    queue: str
    body: bytes
    headers: Mapping[str, str]
    message_id: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as handed to a handler."""

    queue: str
    body: bytes
    headers: Mapping[str, str]
    message_id: str
    attempt: int  # 1 for the first delivery; grows with every return to the queue, also after a crash

    @property
    def dead_reason(self) -> str | None:
        """Why this dead letter was given up; None for a message that is no dead letter."""
        return self.headers.get(DEAD_REASON)

    def redriven(self) -> Outgoing:
        """This dead letter as a new message for the queue it died in. ValueError if it is no dead letter."""
        queue = self.headers.get(DEAD_QUEUE)
        if queue is None:
            raise ValueError(f"message {self.message_id!r} is no dead letter: it has no {DEAD_QUEUE}")
        headers = {name: text for name, text in self.headers.items() if name not in DEAD_HEADERS}
        return Outgoing(queue, self.body, headers, self.message_id)


class Verdict(StrEnum):
    """What a handler decides about one delivery."""

    ACK = "ack"  # its effect is committed (or was before): never deliver it again
    RETRY = "retry"  # something else than the message is at fault: deliver it again, later
    DEAD = "dead"  # it can never be processed: to the dead letters


@dataclass(frozen=True, slots=True)
class Dead:
    """Verdict DEAD with the reason an operator will read, e.g. the code of an EgovError."""

    reason: str


Outcome = Verdict | Dead
# One outcome per delivery, in the same order. An exception means: nothing of this batch took effect; every
# message is then handed over alone, so that one poison message doesn't take its neighbours with it.
BatchHandler = Callable[[Sequence[Delivery]], Awaitable[Sequence[Outcome]]]


class PublishFailure(StrEnum):
    """Why a message was not taken; decides what its sender does next."""

    UNROUTABLE = "unroutable"  # no such queue: a mistake of topology or of the sender
    REJECTED = "rejected"  # the queue is full: publish again later
    INVALID = "invalid"  # it can't be encoded, or is larger than the broker takes: publishing again is useless
    FORBIDDEN = "forbidden"  # this system may not write there
    CLOSED = "closed"  # no connection, or it went before the confirm: unknown whether taken, so publish again


class PublishError(Exception):
    """Why one message was not confirmed: a value in `publish`'s answer, which no adapter raises."""

    def __init__(self, reason: PublishFailure, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


class BusError(Exception):
    """The bus can't do what was asked of it as a whole."""


class BusUnavailable(BusError):
    """Not started, closed, or not connected to the broker just now."""


class QueueUnknown(BusError):
    """The queue isn't declared, or this system may not see it."""


class Subscription(Protocol):
    """One consumer of one queue."""

    @property
    def queue(self) -> str: ...

    async def pause(self) -> None:
        """Hand over no further batch. Returns when none is in a handler's hands."""

    async def resume(self) -> None:
        """Hand batches over again."""

    async def cancel(self) -> None:
        """Stop for good: the running batch may finish within the bus's grace, the rest goes back."""


class Bus(Protocol):
    """See the module's promises. Every method may be called from any task of one event loop."""

    @property
    def connected(self) -> bool:
        """Whether messages can flow now; a readiness check reads it."""

    async def start(self) -> None:
        """Connect. An absent broker does not fail it: the bus goes on trying, and `connected` says no."""

    async def close(self) -> None:
        """Cancel all subscriptions, then disconnect; the unsettled goes to the next consumer."""

    async def publish(self, messages: Sequence[Outgoing]) -> list[PublishError | None]:
        """Publish all at once and wait for every confirm; one answer per message, in order."""

    async def consume(
        self, queue: str, handler: BatchHandler, *, prefetch: int = 200, max_batch: int = 100
    ) -> Subscription:
        """Hand batches of `queue` to `handler`, one batch at a time, in a task of its own.

        A batch is whatever is there, 1 to `max_batch` messages: the bus never waits for a full one.
        Raises QueueUnknown if the broker says so now; while the broker is away it subscribes as soon as it is
        back.
        """

    async def declare(self, topology: Topology) -> None:
        """Make the queues of `topology` (an operator's call: services may not). Repeatable."""

    async def depth(self, queue: str) -> int:
        """Messages waiting in `queue`, without those in consumers' hands. QueueUnknown, BusUnavailable."""


@dataclass(frozen=True, slots=True)
class BusLimits:
    """How patient an adapter is. Tests set retry_delay to 0; the rest suits production."""

    retry_delay: float = 0.2  # seconds before a first RETRY goes back; times 4 for each later one
    retry_delay_max: float = 30.0  # stays below RabbitMQ's consumer timeout by far
    grace: float = 5.0  # seconds a running handler gets at cancel and close

    def delay(self, attempt: int) -> float:
        """Seconds to hold a message back after its `attempt`-th delivery ended in RETRY."""
        return min(self.retry_delay * 4.0 ** (attempt - 1), self.retry_delay_max)


DEFAULT_LIMITS = BusLimits()

__all__ = [
    "DEAD_DELIVERIES",
    "DEAD_HEADERS",
    "DEAD_QUEUE",
    "DEAD_REASON",
    "DEFAULT_LIMITS",
    "DELIVERY_LIMIT",
    "BatchHandler",
    "Bus",
    "BusError",
    "BusLimits",
    "BusUnavailable",
    "Dead",
    "Delivery",
    "Outcome",
    "Outgoing",
    "PublishError",
    "PublishFailure",
    "QueueUnknown",
    "Subscription",
    "Topology",
    "Verdict",
]
