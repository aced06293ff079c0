"""What the catalogue says about our part of a channel: which label, clause and limit each of our step kinds has.

Steps are found by kind, never by label: the same workstation serves every regulation and channel that has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from egovkit.errors import EgovError
from egovlaw.catalogue import Catalogue, Channel, FlowItem, Limit, Regulation
from provider_arm.domain.cases import StepKind


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
    """Our steps of one channel of one regulation. `held`: where a case stands while it is with us, its registration or,
    where the act has none (N2), the step that sends or processes it; `check` and `refuse` None: the act lets the
    negative answer be a result.
    """

    regulation: Regulation
    channel: Channel
    held: FlowItem
    register: FlowItem | None
    check: FlowItem | None
    refuse: FlowItem | None
    issue: FlowItem

    @property
    def signed_by_applicant(self) -> bool:
        """On the portal the consumer signs his own request; elsewhere an official signs it for him (A6)."""
        return self.channel.origin_kind == "portal"

    @property
    def refusal_is_handed_over(self) -> bool:
        """D17: a refusal at the Corporation does not end the case, its hand-over does."""
        return self.refuse is not None and self.refuse.next is not None

    def state_before(self, item: FlowItem) -> str:
        """The word for where a case stands before the item: the state of the item that leads to it."""
        return next((one.kind.state for one in self.channel.flow if item.label in one.successors), "new")

    def may_tell(self, name: str, item: FlowItem) -> bool:
        """Whether the act's channel has this side message while the case stands on the item (E3)."""
        return any(side.type == name and item.label in side.during for side in self.channel.side_messages)

    def limit(self, item: FlowItem, told: str | None = None) -> Limit | None:
        """The step's limit: of several the one that the message `told` (by itself the step's own) stops."""
        own = [limit for limit in self.channel.limits if limit.label == item.label]
        name = told or item.kind.message
        stopped = [limit for limit in own if limit.stops_on.kind == "message" and limit.stops_on.name == name]
        return next(iter(stopped or own), None)

    def measure(self, item: FlowItem, started: datetime | None, now: datetime, told: str | None = None) -> Measured:
        limit = self.limit(item, told)
        if limit is None or started is None:
            return NOT_MEASURED
        due = datetime.fromtimestamp(started.timestamp() + limit.max_s, started.tzinfo)
        used = max(0.0, (now - started).total_seconds())
        return Measured(float(limit.max_s), round(used, 3), limit.clause, due)

    def unmeasured(self, item: FlowItem) -> Measured:
        """The limit alone: nobody saw the step begin."""
        limit = self.limit(item)
        return NOT_MEASURED if limit is None else Measured(float(limit.max_s), None, limit.clause, None)

    def started_by(self, item: FlowItem, step: FlowItem | None) -> bool:
        """Whether the limit of `item` runs from the end of the local step `step`."""
        limit = self.limit(item)
        return (
            step is not None
            and limit is not None
            and limit.starts_on.kind == "step"
            and limit.starts_on.name == step.label
        )


@dataclass(frozen=True, slots=True)
class OwnFlow:
    """The steps of the provider's own channel that come before registration."""

    procedure: Procedure
    authenticate: FlowItem
    choose: FlowItem
    ask: FlowItem
    check: FlowItem
    report: FlowItem
    sign: FlowItem

    @property
    def provider(self) -> str:
        """The act's provider within its region: a setting of the catalogue entry, else the region's own (E7)."""
        setting = self.procedure.regulation.settings.get("provider")
        return str(setting.value) if setting is not None and setting.value else self.procedure.regulation.region

    def until_asking(self, trail: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return [step for step in trail if self._place(step) < self.ask.n]

    def since_asking(self, trail: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return [step for step in trail if self._place(step) > self.ask.n]

    def _place(self, step: Mapping[str, Any]) -> int:
        return self.procedure.channel.by_label[step["step"]].n


_OWN_KINDS = (
    "authenticate",
    "choose_and_fill",
    "query_registers",
    "check_registers",
    "report_no_data",
    "attach_and_sign",
)

# Where a counter hands the result over, the provider's own work is the same: he signs and sends it.
_ISSUE = frozenset({StepKind.ISSUE_RESULT.value, "hand_over"})
_HELD = frozenset({"send_and_process", "sign_and_send", "process"})  # of a flow without registration


class Procedures:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def regulation(self, code: str) -> Regulation | None:
        return self._catalogue.regulation(code)

    def required(self, code: str) -> Regulation:
        """The regulation; EgovError("case.not_served") when the catalogue has none of this code."""
        regulation = self._catalogue.regulation(code)
        if regulation is None:
            raise EgovError("case.not_served", regulation=code, channel="-")
        return regulation

    def find(self, regulation_code: str, channel_code: str) -> Procedure | None:
        """As `of`; None for a channel that the act only names."""
        channel = self.required(regulation_code).channels.get(channel_code)
        return None if channel is not None and not channel.has_flow else self.of(regulation_code, channel_code)

    def of(self, regulation_code: str, channel_code: str) -> Procedure:
        """EgovError("case.not_served") when the act leaves no such work to a provider's workstation (A36)."""
        regulation = self._catalogue.regulation(regulation_code)
        channel = None if regulation is None else regulation.channels.get(channel_code)
        if regulation is None or channel is None:
            raise EgovError("case.not_served", regulation=regulation_code, channel=channel_code)
        register = _first(channel.flow, frozenset({StepKind.REGISTER.value}))
        held, issue = register or _first(channel.flow, _HELD), _first(channel.flow, _ISSUE)
        if held is None or issue is None:
            raise EgovError("case.not_served", regulation=regulation_code, channel=channel_code)
        return Procedure(
            regulation,
            channel,
            held=held,
            register=register,
            check=_first(channel.flow, frozenset({StepKind.CHECK_DOCUMENTS.value})),
            refuse=_first(channel.flow, frozenset({StepKind.REFUSE_DOCUMENTS.value})),
            issue=issue,
        )

    def own(self, regulation_code: str) -> OwnFlow | None:
        """The channel in which this desk itself is the origin; None when the act gives none that it can work."""
        regulation = self._catalogue.regulation(regulation_code)
        for channel in () if regulation is None else regulation.channels.values():
            items = [_first(channel.flow, frozenset({kind})) for kind in _OWN_KINDS]
            found = [item for item in items if item is not None]
            if channel.origin_kind == "provider" and len(found) == len(_OWN_KINDS):
                return OwnFlow(self.of(regulation_code, channel.code), *found)
        return None


def _first(flow: Sequence[FlowItem], names: frozenset[str]) -> FlowItem | None:
    return next((item for item in flow if item.kind.name in names), None)
