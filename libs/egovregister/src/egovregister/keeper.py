"""What a register does beside answering: keeps its intake as the fault says, sends what is late on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from egovkit.errors import EgovError, FieldError
from egovkit.inbox import Inbox
from egovkit.log import get_logger
from egovkit.sandbox.clock import Moment
from egovlaw.identifiers import iin_problem
from egovregister.answering import Answering
from egovregister.domain import BY_NAME, Fault, FaultKind

EVERY = 1.0  # seconds between two looks; the control API of another replica may have changed the fault

_log = get_logger("egovregister.keeper")


def fault_mistakes(kind: FaultKind, seconds: float | None, times: int | None, iin: str | None) -> list[FieldError]:
    found = []
    if (kind is FaultKind.LATE) != (seconds is not None):
        found.append(FieldError("seconds", "not_allowed", "belongs to `late`, which needs it"))
    if kind is FaultKind.DOWN:  # takes no question at all, whoever it is about
        given = [name for name, value in (("times", times), ("iin", iin)) if value is not None]
        found += [FieldError(name, "not_allowed", "means nothing to `down`") for name in given]
    if iin is not None and iin_problem(iin) is not None:
        found.append(FieldError("iin", "iin_invalid", "not an ИИН"))
    return found


class Keeper:
    def __init__(self, answering: Answering, inbox: Inbox) -> None:
        self._answering = answering
        self._inbox = inbox
        if (control := answering.node.control) is not None:
            control.moments.append(self._late_answers)
            control.work.append(self._is_due)
            control.faults.register = ByName(self)
        self._paused = False  # by us: a sandbox may hold the same subscription for its own reasons

    async def run(self) -> None:
        """For ever, until cancelled."""
        while True:
            try:
                await self.once()
            except Exception as error:  # a database that is away now is there in a moment
                _log.warning("register.round_failed", error=type(error).__name__)
            await self._answering.node.clock.sleep(EVERY)

    async def once(self) -> None:
        await self._keep_intake()
        await self._answering.leave_due()

    async def _late_answers(self) -> list[Moment]:
        node = self._answering.node
        async with node.db.read() as conn:
            at = await self._answering.store.next_due(conn, node.clock.now())
        return [] if at is None else [Moment("answer that is late on purpose", at)]

    async def _is_due(self) -> str | None:
        node = self._answering.node
        async with node.db.read() as conn:
            return "late answers" if await self._answering.store.is_due(conn, node.clock.now()) else None

    async def fault(self) -> Fault | None:
        async with self._answering.node.db.read() as conn:
            return await self._answering.store.fault(conn)

    async def set_fault(self, fault: Fault | None) -> None:
        """Takes effect at once here, within a second in other replicas."""
        answering = self._answering
        facts = {} if fault is None else {"kind": fault.kind.value, "seconds": fault.seconds, "times": fault.left}
        async with answering.node.db.begin() as conn:
            await answering.store.set_fault(conn, fault)
            await answering.note_action(conn, "fault.deleted" if fault is None else "fault.set", None, **facts)
        await self._keep_intake()

    async def bend(self, kind: FaultKind, seconds: float | None, times: int | None, iin: str | None) -> Fault:
        """From now on, instead of the one before. EgovError request.invalid for what the types alone do not say."""
        if mistakes := fault_mistakes(kind, seconds, times, iin):
            raise EgovError("request.invalid", errors=mistakes)
        fault = Fault(kind, seconds, times, iin, self._answering.node.clock.now())
        await self.set_fault(fault)
        return fault

    async def _keep_intake(self) -> None:
        """ "down" takes nothing from the queue. Before the node has joined there is no subscription to pause; what
        slips through until the next look is put back by the handler."""
        fault, subscription = await self.fault(), self._inbox.subscription
        down = fault is not None and fault.kind is FaultKind.DOWN
        if subscription is None:
            return
        if down:
            await subscription.pause()  # in every round: who held it for a while may have let it go
        elif self._paused:
            await subscription.resume()
        self._paused = down


class ByName:
    """The register's fault at the sandbox's door, under the name the catalogue gives it: `egovkit.sandbox.faults`."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    async def bend(self, name: str, *, seconds: float | None, times: int | None, person: str | None) -> None:
        kind = BY_NAME[name]
        if mistakes := fault_mistakes(kind, seconds, times, person):
            here = [replace(one, field="person") if one.field == "iin" else one for one in mistakes]
            raise EgovError("request.invalid", errors=here)
        await self._keeper.bend(kind, seconds, times, person)

    async def bent(self) -> Mapping[str, Any] | None:
        fault = await self._keeper.fault()
        if fault is None:
            return None
        name = next((name for name, kind in BY_NAME.items() if kind is fault.kind), fault.kind.value)
        return {"name": name, "seconds": fault.seconds, "times": fault.left, "person": fault.iin}

    async def mend(self) -> None:
        await self._keeper.set_fault(None)
