"""What the catalogue says about our part of a channel: which label, clause and limit each of our step kinds has.

Steps are found by kind, never by label: the same workstation serves every regulation and channel that has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from egovkit.errors import EgovError
from egovlaw.catalogue import Catalogue, Channel, FlowItem, Regulation
from egovlaw.limits import Limit
from provider_arm.domain import StepKind


@dataclass(frozen=True, slots=True)
class Measured:
    """A limit of the act, and how much of it was used; all None where the act gives the step no limit."""

    limit_s: float | None
    used_s: float | None
    clause: str | None
    due_at: datetime | None


NOT_MEASURED = Measured(None, None, None, None)


@dataclass(frozen=True, slots=True)
class Procedure:
    """Our steps of one channel of one regulation."""

    regulation: Regulation
    channel: Channel
    register: FlowItem
    check: FlowItem
    refuse: FlowItem
    issue: FlowItem

    @property
    def signed_by_applicant(self) -> bool:
        """On the portal the consumer signs his own request; elsewhere an official signs it for him (A6)."""
        return self.channel.origin_kind == "portal"

    @property
    def state_before_registration(self) -> str:
        """The word for where the case stood when it reached us: the state of the step before registration."""
        label = self.register.label
        return next((item.kind.state for item in self.channel.flow if label in item.successors), "new")

    def limit(self, item: FlowItem) -> Limit | None:
        return next((limit for limit in self.channel.limits if limit.label == item.label), None)

    def measure(self, item: FlowItem, started: datetime | None, now: datetime) -> Measured:
        limit = self.limit(item)
        if limit is None or started is None:
            return NOT_MEASURED
        due = datetime.fromtimestamp(started.timestamp() + limit.max_s, started.tzinfo)
        used = max(0.0, (now - started).total_seconds())
        return Measured(float(limit.max_s), round(used, 3), limit.clause, due)

    def started_by(self, item: FlowItem, step: FlowItem) -> bool:
        """Whether the limit of `item` runs from the end of the local step `step`."""
        limit = self.limit(item)
        return limit is not None and limit.starts_on.kind == "step" and limit.starts_on.name == step.label


# Where a counter hands the result over, the provider's own work is the same: he signs and sends it.
_KINDS: Mapping[StepKind, frozenset[str]] = {
    **{kind: frozenset({kind.value}) for kind in StepKind},
    StepKind.ISSUE_RESULT: frozenset({StepKind.ISSUE_RESULT.value, "hand_over"}),
}


class Procedures:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def regulation(self, code: str) -> Regulation | None:
        return self._catalogue.regulation(code)

    def of(self, regulation_code: str, channel_code: str) -> Procedure:
        """EgovError("case.not_served") when the act leaves no such work to a provider's workstation (A36)."""
        regulation = self._catalogue.regulation(regulation_code)
        channel = None if regulation is None else regulation.channels.get(channel_code)
        if regulation is None or channel is None:
            raise EgovError("case.not_served", regulation=regulation_code, channel=channel_code)
        items = {kind: _first(channel.flow, names) for kind, names in _KINDS.items()}
        found = {kind: item for kind, item in items.items() if item is not None}
        if len(found) != len(StepKind):
            raise EgovError("case.not_served", regulation=regulation_code, channel=channel_code)
        return Procedure(
            regulation,
            channel,
            register=found[StepKind.REGISTER],
            check=found[StepKind.CHECK_DOCUMENTS],
            refuse=found[StepKind.REFUSE_DOCUMENTS],
            issue=found[StepKind.ISSUE_RESULT],
        )


def _first(flow: Sequence[FlowItem], names: frozenset[str]) -> FlowItem | None:
    return next((item for item in flow if item.kind.name in names), None)
