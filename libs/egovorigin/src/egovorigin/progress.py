"""How far a case has come, as its history tells: the act's flow item by item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from egovlaw.catalogue import FlowItem
from egovorigin.domain.states import BusEvent
from egovorigin.domain.steps import LocalFlow, limit_of
from egovorigin.store.records import Record, StoredRecord

ALL_RECORDS: Final = 1000  # of one case; the flow has a dozen steps and the provider's messages are told to a person
_SIDE_EVENTS: Final = frozenset({BusEvent.STATUS, BusEvent.EXTENDED, BusEvent.PAUSED, BusEvent.RESUMED})


@dataclass(frozen=True, slots=True)
class StepSeen:
    """One item of the act's flow, and what the origin knows of it in this case."""

    item: FlowItem
    limit_s: float | None
    at: datetime | None
    outcome: str | None
    used_s: float | None


def steps_seen(flow: LocalFlow, happened: Sequence[StoredRecord]) -> list[StepSeen]:
    last: dict[str, Record] = {}
    for one in happened:
        record = one.record
        if record.step is not None and record.applied and not _is_side(flow, record):
            last[record.step] = record
    return [_seen(flow, item, last.get(item.label)) for item in flow.channel.flow]


def _is_side(flow: LocalFlow, record: Record) -> bool:
    """A side message stands for the step the case is on; only the message of the step itself reaches it. The number is
    one where the act has no registration (N2)."""
    if record.event == BusEvent.REGISTERED:
        item = flow.channel.item(record.step or "")
        return item is None or "case.registered" not in item.entering
    return record.event in _SIDE_EVENTS


def _seen(flow: LocalFlow, item: FlowItem, record: Record | None) -> StepSeen:
    limit = limit_of(flow.channel, item)
    limit_s = None if limit is None else float(limit.max_s)
    if record is None:
        return StepSeen(item, limit_s, None, None, None)
    return StepSeen(item, record.limit_s or limit_s, record.at, record.event.removeprefix("step."), record.used_s)
