"""What every use case is given: built once, in `create_app`."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.attachments import AttachmentStore
from egovkit.clock import Clock
from egovkit.db import Database
from egovkit.deadlines import Deadlines
from egovkit.envelope import Envelope
from egovkit.errors import EgovError
from egovkit.ids import Ids
from egovkit.journal import Journal, JournalEntry, Link
from egovkit.membership import Membership
from egovkit.outbox import Draft, Outbox
from egovkit.pdf import DocumentPages
from egovkit.signatures.certificates import TrustStore
from egovkit.signatures.documents import DocumentSignatures
from egovlaw.calendar import WorkCalendar
from egovlaw.catalogue import FlowItem, Regulation
from egovlaw.kinds import message_type
from egovlaw.outputs import Outputs
from egovlaw.routing import ForcePolicy
from provider_arm.clients import PageSealer
from provider_arm.domain.cases import Case
from provider_arm.service.procedure import NOT_MEASURED, Measured, Procedures
from provider_arm.store import people

T = TypeVar("T")
# Called inside the transaction with its outcome: an answer kept there survives any crash after it.
Keep = Callable[[AsyncConnection, T], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Workstation:
    code: str
    db: Database
    clock: Clock
    ids: Ids
    journal: Journal
    outbox: Outbox
    membership: Membership
    trust: TrustStore
    signatures: DocumentSignatures
    procedures: Procedures
    attachments: AttachmentStore
    calendar: WorkCalendar
    deadlines: Deadlines
    policy: ForcePolicy
    outputs: Outputs
    pages: DocumentPages
    sealer: PageSealer
    register_patience: timedelta  # for the akimat's register, where the act gives its answer no term

    def require_in_force(self, regulation: Regulation) -> None:
        """Of a new application of our own channel; those that others send are judged by ШЭП's policy."""
        today = self.calendar.local(self.clock.now()).date()
        if self.policy == "in_force_only" and not regulation.in_force(today):
            raise EgovError("service.not_in_force", regulation=regulation.code)

    @property
    def gateway(self) -> str:
        """ШЭП's code in the member list."""
        found = self.membership.members.gateway()
        if found is None:
            raise EgovError("participant.list_unknown")
        return found.code

    @property
    def bin(self) -> str:
        """Our own БИН, as the member list has it."""
        found = self.membership.members.get(self.code)
        if found is None:
            raise EgovError("participant.list_unknown")
        return found.bin

    async def journal_step(
        self,
        conn: AsyncConnection,
        case_id: str,
        item: FlowItem,
        *,
        states: tuple[str, str],
        outcome: str = "done",
        measured: Measured = NOT_MEASURED,
        at: datetime | None = None,
        **more: object,
    ) -> Link:
        """One step of the flow into our own chain, in the transaction of its effect; its link is for the trail. `at`:
        a step that happened before the case was born."""
        body = self.step_facts(item, states, outcome=outcome, measured=measured, **more)
        entry = JournalEntry("step", at or self.clock.now(), case_id, body)
        [link] = await self.journal.append(conn, [entry])
        return link

    async def note_step(
        self,
        conn: AsyncConnection,
        case_id: str,
        item: FlowItem,
        *,
        states: tuple[str, str],
        measured: Measured = NOT_MEASURED,
        **more: object,
    ) -> None:
        """As `journal_step`, for a step that no trail names."""
        body = self.step_facts(item, states, outcome="done", measured=measured, **more)
        await self.journal.note(conn, [JournalEntry("step", self.clock.now(), case_id, body)])

    async def note_envelope(
        self,
        conn: AsyncConnection,
        envelope: Envelope,
        item: FlowItem,
        *,
        states: tuple[str, str],
        outcome: str,
        measured: Measured = NOT_MEASURED,
        sha256: str | None = None,
        **more: object,
    ) -> None:
        """An envelope that went out or came in, as the step it stands for. `sha256`: of the bytes of one that came;
        one of our own is hashed as it was signed."""
        told = {
            "id": envelope.id,
            "type": envelope.type,
            "source": envelope.source,
            "recipient": envelope.recipient,
            "sha256": sha256 or hashlib.sha256(envelope.encode()).hexdigest(),
        }
        body = self.step_facts(item, states, outcome=outcome, measured=measured, **(told | more))
        await self.journal.note(conn, [JournalEntry("envelope", self.clock.now(), envelope.subject, body)])

    def step_facts(
        self,
        item: FlowItem,
        states: tuple[str, str],
        *,
        outcome: str,
        measured: Measured,
        **more: object,
    ) -> dict[str, object]:
        return {
            "step": item.label,
            "clause": item.clause,
            "service": self.code,
            "state_before": states[0],
            "state_after": states[1],
            "limit_s": measured.limit_s,
            "used_s": measured.used_s,
            "outcome": outcome,
            **more,
        }

    async def journal_action(self, conn: AsyncConnection, action: str, case_id: str | None, **facts: object) -> None:
        """Something people did that is no step of the act: taking work, creating an account."""
        body = {"action": action, "service": self.code, **facts}
        await self.journal.note(conn, [JournalEntry("admin", self.clock.now(), case_id, body)])

    async def tell_origin(
        self, conn: AsyncConnection, case: Case, name: str, *, step: str, data: Mapping[str, Any]
    ) -> None:
        """One fact about a case to the side it came from, by way of its region's gateway. Of our own cases ШЭП alone
        is told, for their progress."""
        draft = Draft(
            type=message_type(name),
            case=case.id,
            recipient=self.gateway if case.source == self.code else case.source,
            regulation=case.regulation,
            channel=case.channel,
            step=step,
            region=case.region,
            data=data,
            queue=ingress(case.region),
            causation=None if case.envelope_id == case.id else case.envelope_id,  # born at this desk
        )
        await self.outbox.send(conn, draft)

    async def conflict(self, conn: AsyncConnection, case: Case) -> EgovError:
        """Somebody was quicker: who, when, and where the case stands now."""
        ids = {case.changed_by} if case.changed_by else set()
        by = (await people.names(conn, ids)).get(case.changed_by or "", self.code)
        return EgovError(
            "decision.conflict",
            by=by,
            at=stamp(case.changed_at),
            state=case.state.value,
            version=case.version,
        )


def ingress(region: str) -> str:
    """The one queue by which a system of the region writes to the bus (contracts/topology.yaml)."""
    return f"rshep.{region}.ingress"


def stamp(moment: datetime) -> str:
    """RFC 3339 with milliseconds and Z, as in envelopes."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def trail_step(item: FlowItem, outcome: str, at: datetime, link: Link) -> dict[str, Any]:
    """A local step as the next envelope carries it."""
    return {
        "step": item.label,
        "outcome": outcome,
        "at": stamp(at),
        "writer": link.writer,
        "position": link.position,
        "hash": link.hash,
    }
