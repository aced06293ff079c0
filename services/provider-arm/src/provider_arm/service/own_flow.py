"""The provider's own channel before registration: the steps it has, by kind.

Two shapes so far. The register is asked and the form is signed in one step (act 427, cl. 7); or papers are shown first,
the form is signed, and only then the certificate is checked (act 516, cl. 6; A1). What a flow lacks it has no item for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from egovlaw.catalogue import Channel, FlowItem, Regulation
from provider_arm.domain.own import OwnState, Table, transitions_for
from provider_arm.service.procedure import Procedure, Procedures

SIGNS: Final = ("attach_and_sign", "sign")
NEEDED: Final = frozenset({"authenticate", "choose_and_fill"})
# A step of these is of no use without the others.
TOGETHER: Final = (
    frozenset({"query_registers", "check_registers", "report_no_data"}),
    frozenset({"check_certificate", "refuse_signature"}),
)


@dataclass(frozen=True, eq=False)
class OwnFlow:
    procedure: Procedure
    items: Mapping[str, FlowItem]  # by kind

    @property
    def authenticate(self) -> FlowItem:
        return self.items["authenticate"]

    @property
    def choose(self) -> FlowItem:
        return self.items["choose_and_fill"]

    @property
    def ask(self) -> FlowItem:
        return self.items["query_registers"]

    @property
    def check(self) -> FlowItem:
        return self.items["check_registers"]

    @property
    def report(self) -> FlowItem:
        return self.items["report_no_data"]

    @property
    def check_certificate(self) -> FlowItem:
        return self.items["check_certificate"]

    @property
    def refuse_signature(self) -> FlowItem:
        return self.items["refuse_signature"]

    @property
    def visit(self) -> FlowItem | None:
        return self.items.get("visit")

    @property
    def verify_login(self) -> FlowItem | None:
        return self.items.get("verify_login")

    @property
    def refuse_login(self) -> FlowItem | None:
        return self.items.get("refuse_login")

    @cached_property
    def sign(self) -> FlowItem:
        return next(self.items[kind] for kind in SIGNS if kind in self.items)

    @property
    def asks(self) -> bool:
        return "query_registers" in self.items

    @property
    def checks_after_signing(self) -> bool:
        """A1: the certificate is judged once it has signed, with the act's own refusal."""
        return "check_certificate" in self.items

    @property
    def fills_when_choosing(self) -> bool:
        """Choosing the service and filling in the form are one step, over when the certificate is chosen."""
        return "attach_and_sign" not in self.items

    @property
    def transitions(self) -> Table:
        return transitions_for(frozenset(self.items))

    @property
    def first_state(self) -> OwnState:
        return OwnState.OPENED if self.visit is None else OwnState.RECEIVED

    @property
    def provider(self) -> str:
        """The act's provider within its region: a setting of the catalogue entry, else the region's own (E7)."""
        return provider_of(self.procedure.regulation)

    def until_asking(self, trail: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return [step for step in trail if self.place(step) < self.ask.n]

    def since_asking(self, trail: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The steps no message has told yet; all of them where none was sent."""
        return [step for step in trail if not self.asks or self.place(step) > self.ask.n]

    def place(self, step: Mapping[str, Any]) -> int:
        return self.procedure.channel.by_label[step["step"]].n


def provider_of(regulation: Regulation) -> str:
    setting = regulation.settings.get("provider")
    return str(setting.value) if setting is not None and setting.value else regulation.region


def own_flow_of(procedures: Procedures, regulation_code: str) -> OwnFlow | None:
    """The channel in which this desk itself is the origin; None when the act gives none that it can work."""
    regulation = procedures.regulation(regulation_code)
    for channel in () if regulation is None else regulation.channels.values():
        items = {item.kind.name: item for item in reversed(channel.flow) if item.kind.who == "origin"}
        if channel.origin_kind == "provider" and _workable(channel, frozenset(items)):
            return OwnFlow(procedures.of(regulation_code, channel.code), items)
    return None


def _workable(channel: Channel, kinds: frozenset[str]) -> bool:
    signs = sum(kind in kinds for kind in SIGNS) == 1
    whole = all(group <= kinds or not group & kinds for group in TOGETHER)
    return channel.has_flow and kinds >= NEEDED and signs and whole
