"""What the catalogue says about our part of a channel: which label, clause and limit each of our step kinds has.

Steps are found by kind, never by label: the same workstation serves every regulation and channel that has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

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
    negative answer be a result. `decide`: where the act has the decision told before the result.
    """

    regulation: Regulation
    channel: Channel
    held: FlowItem
    register: FlowItem | None
    check: FlowItem | None
    refuse: FlowItem | None
    decide: FlowItem | None
    issue: FlowItem

    @property
    def before_issue(self) -> FlowItem:
        """Where a case stands when its result is issued."""
        return self.check or self.decide or self.held

    @property
    def work(self) -> FlowItem | None:
        """The provider's own work on the case, where the act has it as a step of the desk and gives it no message."""
        return None if self.held.entering else self.held

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
        """The step's limit: of several the one that the message `told` (by itself the step's own) stops; that of a step
        without a message is the one its own end stops.
        """
        name = told or item.kind.message
        if name is None:
            return self._stopped(item, "step", item.label)
        return self._stopped(item, "message", name) or next(iter(self._limits(item)), None)

    def measure(self, item: FlowItem, started: datetime | None, now: datetime, told: str | None = None) -> Measured:
        return _spent(self.limit(item, told), started, now)

    def measure_own(self, item: FlowItem, began: datetime, now: datetime) -> Measured:
        """What people spent on the step itself, where it has a limit beside that of its message."""
        return _spent(self._stopped(item, "step", item.label), began, now)

    def _limits(self, item: FlowItem) -> list[Limit]:
        return [limit for limit in self.channel.limits if limit.label == item.label]

    def _stopped(self, item: FlowItem, kind: str, name: str) -> Limit | None:
        return next((one for one in self._limits(item) if (one.stops_on.kind, one.stops_on.name) == (kind, name)), None)

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

    def started_by_message(self, item: FlowItem, name: str) -> bool:
        """Whether the limit of `item` runs from this message."""
        limit = self.limit(item)
        return limit is not None and (limit.starts_on.kind, limit.starts_on.name) == ("message", name)


def _spent(limit: Limit | None, started: datetime | None, now: datetime) -> Measured:
    if limit is None or started is None:
        return NOT_MEASURED
    due = datetime.fromtimestamp(started.timestamp() + limit.max_s, started.tzinfo)
    used = max(0.0, (now - started).total_seconds())
    return Measured(float(limit.max_s), round(used, 3), limit.clause, due)


# Where a counter hands the result over, the provider's own work is the same: he signs and sends it.
_ISSUE = frozenset({StepKind.ISSUE_RESULT.value, "hand_over"})
_HELD = frozenset({"send_and_process", "sign_and_send", "process"})  # of a flow without registration


class Procedures:
    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def regulation(self, code: str, version: int | None = None) -> Regulation | None:
        return self.catalogue.regulation(code, version or None)

    def known(self, code: str, version: int | None) -> int:
        """The version, if the catalogue has it; 0 for the newest: nobody can be served by one that is not there."""
        return version if version and self.catalogue.regulation(code, version) is not None else 0

    def required(self, code: str, version: int | None = None) -> Regulation:
        """The regulation; EgovError("case.not_served") when the catalogue has none of this code."""
        regulation = self.regulation(code, version)
        if regulation is None:
            raise EgovError("case.not_served", regulation=code, channel="-")
        return regulation

    def find(self, regulation_code: str, channel_code: str, version: int | None = None) -> Procedure | None:
        """As `of`; None for a channel that the act only names."""
        regulation = self.regulation(regulation_code, version)
        channel = None if regulation is None else regulation.channels.get(channel_code)
        if channel is not None and not channel.has_flow:
            return None
        return self.of(regulation_code, channel_code, version)

    def of(self, regulation_code: str, channel_code: str, version: int | None = None) -> Procedure:
        """EgovError("case.not_served") when the act leaves no such work to a provider's workstation (A36).
        `version`: the one a running case began with (0 or None: the newest); EgovError("case.regulation_changed") when
        the catalogue has it no more."""
        regulation = self.regulation(regulation_code, version)
        newest = self.catalogue.regulation(regulation_code)
        if regulation is None and newest is not None:
            raise EgovError("case.regulation_changed", began=version, now=newest.version)
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
            decide=_first(channel.flow, frozenset({"decide"})),
            issue=issue,
        )


def _first(flow: Sequence[FlowItem], names: frozenset[str]) -> FlowItem | None:
    return next((item for item in flow if item.kind.name in names), None)
