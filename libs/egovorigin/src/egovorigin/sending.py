"""Sending: the files are stored at the gateway, the envelope leaves with the commit, journal and history tell of it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.envelope import Envelope
from egovkit.errors import EgovError
from egovkit.files import Attachment
from egovkit.outbox import Draft
from egovlaw.catalogue import FlowItem
from egovlaw.kinds import message_type
from egovorigin.attaching import aad
from egovorigin.domain.members import provider_code, receiving_system
from egovorigin.domain.steps import Moment, deadline, limit_of, started, used
from egovorigin.origin import INGRESS, AnyOrigin, C
from egovorigin.store.cases import OriginCase
from egovorigin.store.records import Record
from egovorigin.trail import envelope_facts, note, step_facts, trail_of


@dataclass(frozen=True)  # with slots it could not be made by an alias like Sent[Case] (typing sets __orig_class__)
class Sent(Generic[C]):
    case: C
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes to whom: the data of case.submitted but for its trail, the signature with what is known of it. `said`:
    what else the journal says of the sending."""

    recipient: str
    data: Mapping[str, Any]
    signature: bytes
    judged: dict[str, Any]
    said: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Leaving:
    """The step that sends, as far as it has come: the case's state afterwards, the moments this system saw, and the
    steps of the trail that go with it (all, where it names none)."""

    item: FlowItem
    state: StrEnum
    moments: Mapping[Moment, datetime]
    labels: Sequence[str] | None = None


async def pack(
    origin: AnyOrigin, case: OriginCase, applicant: str, attached: Sequence[Attachment], signature: bytes
) -> tuple[str, dict[str, Any]]:
    """The recipient, and the data of case.submitted but for its trail. The files are at the gateway afterwards.
    EgovError provider.not_found, attachment.store_unavailable."""
    regulation, _ = origin.law_of(case)
    recipient = receiving_system(origin.membership.members.members, case.regulation, case.region)
    if recipient is None:
        raise EgovError("provider.not_found", regulation=case.regulation, region=case.region)
    await _store_files(origin, case.id, attached)
    return recipient, {
        "provider": provider_code(regulation),
        "applicant": {"iin": applicant},
        "document": base64.b64encode(case.document or b"").decode(),
        "signature": base64.b64encode(signature).decode(),
        "attachments": [one.as_data() for one in attached],
    }


async def _store_files(origin: AnyOrigin, case_id: str, attached: Sequence[Attachment]) -> None:
    """Before the envelope that names them. A failure sends nothing; files stored in vain end with their lifetime."""
    for facts in attached:
        async with origin.db.read() as conn:
            sealed = await origin.files.sealed_content(conn, case_id, facts.name)
        if sealed is None:  # the gateway has kept it since an earlier sending
            continue
        content = await asyncio.to_thread(origin.sealer.open, sealed, aad(case_id, facts.sha256))
        await origin.attachments.put(case_id, facts, content)


async def send(conn: AsyncConnection, origin: AnyOrigin, case: C, parcel: Parcel, leaving: Leaving) -> Sent[C]:
    """The envelope in the outbox, the case sent. The caller has journalled the steps before."""
    _, flow = origin.regulation(case.regulation, case.regulation_version)
    now, item = origin.clock.now(), leaving.item
    envelope = await _enclose(conn, origin, case, parcel, leaving)
    spent = used(flow.channel, item, leaving.moments)
    body = {
        **step_facts(origin, case, flow, item),
        "limit_s": spent.limit_s,
        "used_s": spent.used_s,
        "outcome": "done",
        "judged": parcel.judged,
        **parcel.said,
        **envelope_facts(envelope),
    }
    await note(conn, origin, "envelope", case, body)
    changed: C = await origin.cases.change_case(
        conn,
        case,
        now,
        state=leaving.state,
        signature=parcel.signature,
        judged=case.judged or parcel.judged,  # as it was made, where others have signed since
        submitted_at=now,
        recipient=parcel.recipient,
        envelope_id=envelope.id,
        step=item.label,
        receipt=None,
        accepted_at=None,
    )
    await origin.records.add_record(conn, sending(case, changed, "submitted", body))
    return Sent(changed, envelope)


async def _enclose(
    conn: AsyncConnection, origin: AnyOrigin, case: OriginCase, parcel: Parcel, leaving: Leaving
) -> Envelope:
    """It expires when the act's limit of sending ends (a submission late at ШЭП's door is refused there, and may be
    prepared again)."""
    _, flow = origin.regulation(case.regulation, case.regulation_version)
    limit = limit_of(flow.channel, leaving.item)
    draft = Draft(
        type=message_type("case.submitted"),
        case=case.id,
        recipient=parcel.recipient,
        regulation=case.regulation,
        channel=flow.channel.code,
        step=leaving.item.label,
        region=case.region,
        data={**parcel.data, "trail": await trail_of(conn, origin, case.id, leaving.labels)},
        queue=INGRESS,
        expires=deadline(limit, started(limit, leaving.moments) or origin.clock.now()),
    )
    return await origin.outbox.send(conn, draft)


async def report(
    conn: AsyncConnection,
    origin: AnyOrigin,
    case: OriginCase,
    outcome: tuple[FlowItem, str],
    labels: Sequence[str] | None = None,
) -> Envelope:
    """Tells ШЭП of the steps of a case that ends before it is sent. `outcome`: the step that ended it, and the code."""
    item, code = outcome
    _, flow = origin.regulation(case.regulation, case.regulation_version)
    gateway = origin.membership.members.gateway("national_gateway")
    if gateway is None:
        raise EgovError("participant.list_unknown")
    draft = Draft(
        type=message_type("steps.reported"),
        case=case.id,
        recipient=gateway.code,
        regulation=case.regulation,
        channel=flow.channel.code,
        step=item.label,
        region=case.region,
        data={
            "trail": await trail_of(conn, origin, case.id, labels),
            "outcome": {"step": item.label, "code": code},
        },
        queue=INGRESS,
    )
    return await origin.outbox.send(conn, draft)


def sending(
    case: OriginCase, changed: OriginCase, event: str, body: Mapping[str, Any], detail: dict[str, Any] | None = None
) -> Record:
    """The line of the history about an envelope that leaves, from its journal body."""
    return Record(
        case_id=case.id,
        at=changed.changed_at,
        event=event,
        state_before=case.state.value,
        state_after=changed.state.value,
        step=body["step"],
        clause=body["clause"],
        envelope_id=body["id"],
        limit_s=body["limit_s"],
        used_s=body["used_s"],
        detail=detail,
    )
