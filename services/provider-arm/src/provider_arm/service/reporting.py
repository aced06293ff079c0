"""A flow that ends at this desk before registration: ШЭП hears of its steps, nobody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from egovkit.outbox import Draft
from egovlaw.catalogue import FlowItem
from egovlaw.kinds import message_type
from provider_arm.domain.own import OwnCase, OwnEvent
from provider_arm.service.context import ingress
from provider_arm.service.drafts import Turn

Ending = tuple[OwnEvent, str]  # what ends the draft, and its code


async def end_with(
    turn: Turn,
    item: FlowItem,
    ending: Ending,
    trail: Sequence[Mapping[str, Any]],
    after: FlowItem,
    **values: Any,
) -> OwnCase:
    """The refusing item `item`, behind the condition `after` that found the violation and is the last of the trail;
    `values`: what else the draft keeps."""
    (event, code), procedure, draft = ending, turn.flow.procedure, turn.draft
    started = turn.now if procedure.started_by(item, after) else None
    reported = await turn.step(item, measured=procedure.measure(item, started, turn.now), code=code)
    steps = [*trail, reported]
    ended = await turn.move(event, trail=steps, **values)
    report = Draft(
        type=message_type("steps.reported"),
        case=draft.id,
        recipient=turn.ws.gateway,
        regulation=draft.regulation,
        channel=draft.channel,
        step=item.label,
        region=draft.region,
        data={"trail": turn.flow.since_asking(steps), "outcome": {"step": item.label, "code": code}},
        queue=ingress(draft.region),
    )
    await turn.ws.outbox.send(turn.conn, report)
    return ended
