"""РШЭП's judgement: its regions' systems, their cases, and expired requests. Pure.

Order and time of a case are ШЭП's: it sees both sides. РШЭП keeps a routing row per case, so that a provider can
speak only of cases that came to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from egovgateway.domain import (
    GRACE,
    HTTP_DOOR,
    CaseRow,
    Decision,
    Forward,
    Refuse,
    Standing,
    Trace,
    Verified,
)
from egovkit.errors import EgovError
from egovkit.membership import Member, Members
from egovkit.messages import MessageRegister

TRUNK = "rshep.trunk"
# What the judgement below may refuse with.
REFUSALS = (
    *("route.type_unknown", "route.region_mismatch", "route.recipient_unknown", "route.recipient_suspended"),
    *("route.wrong_door", "order.case_unknown", "order.not_party_of_case", "order.answer_unasked"),
    *("time.expired", "receipt.missing"),
)
NATIONAL = "national_gateway"
PROVIDER = "provider"  # the kind of participant a case is decided by


def ingress_queue(region: str) -> str:
    """The queue that systems of a region write to."""
    return f"rshep.{region}.ingress"


class RegionalJudge:
    """Decides on one envelope. The regions it serves are those ШЭП's member list gives it."""

    def __init__(self, code: str, messages: MessageRegister, members: Callable[[], Members]) -> None:
        self._code, self._messages, self._members = code, messages, members

    @property
    def _regions(self) -> frozenset[str]:
        own = self._members().get(self._code)
        return frozenset(own.regions) if own else frozenset()

    def __call__(self, item: Verified, standing: Standing) -> Decision:
        trace = Trace(item.envelope.step)
        try:
            if item.arrival.door == TRUNK:
                return self._inward(item, standing.case, trace)
            return self._outward(item, standing.case, trace)
        except EgovError as error:
            return Refuse(error, replace(trace, clause=error.clause))

    def _inward(self, item: Verified, case: CaseRow | None, trace: Trace) -> Decision:
        """From ШЭП to a system of one of the regions."""
        envelope = item.envelope
        if item.sender.kind != NATIONAL and not any(
            self._kind(receipt.gateway) == NATIONAL for receipt in item.receipts
        ):
            raise EgovError("receipt.missing")
        recipient = self._members().get(envelope.recipient)
        if recipient is None or not self._serves(recipient):
            raise EgovError("route.recipient_unknown", **self._facts(item))
        if item.sender.kind == NATIONAL:
            return Forward(None if recipient.code == self._code else recipient, None, trace)
        if envelope.region not in self._regions or envelope.region not in recipient.regions:
            raise EgovError("route.region_mismatch", **self._facts(item))
        if recipient.state != "active":
            raise EgovError("route.recipient_suspended", recipient=recipient.code)
        self._check_expiry(item)
        return Forward(recipient, None if self._is_personal(item) else self._routed(item, case), trace)

    def _outward(self, item: Verified, case: CaseRow | None, trace: Trace) -> Decision:
        """From a system of one of the regions to ШЭП."""
        envelope, sender = item.envelope, item.sender
        if not self._serves(sender) or sender.kind.endswith("_gateway"):
            raise EgovError("route.wrong_door", source=sender.code, door=item.arrival.door)
        at_own_door = item.arrival.door in (HTTP_DOOR, ingress_queue(envelope.region))
        if not at_own_door or envelope.region not in sender.regions:
            raise EgovError("route.region_mismatch", **self._facts(item))
        if envelope.type not in self._messages:
            raise EgovError("route.type_unknown", **self._facts(item))
        spec = self._messages.spec(envelope.type)
        if spec.about == "person":
            return Forward(self._members().gateway(NATIONAL), None, trace)
        if spec.cls == "answer":
            self._check_asked(item, case)
        elif case is not None and envelope.source not in (case.origin, case.provider):
            raise EgovError("order.not_party_of_case", source=envelope.source)
        # What he tells ШЭП alone may be of a case that began at his own desk: the act decides, and ШЭП reads it.
        to_others = self._kind(envelope.recipient) != NATIONAL
        if case is None and to_others and spec.from_kinds == ("provider",):
            raise EgovError("order.case_unknown", **self._facts(item), step=envelope.step, state="-", expected="-")
        self._check_expiry(item)
        gateway = self._members().gateway(NATIONAL)
        return Forward(gateway, self._routed(item, case), trace)

    def _is_personal(self, item: Verified) -> bool:
        """It belongs to no case, so no row is kept of its way; ШЭП has judged it."""
        return self._messages.spec(item.envelope.type).about == "person"

    def _routed(self, item: Verified, case: CaseRow | None) -> CaseRow:
        envelope, spec = item.envelope, self._messages.spec(item.envelope.type)
        if case is not None and (spec.cls == "answer" or item.arrival.returning):
            return case  # no move of one of its sides, or counted on its way out
        provider = next((code for code in (envelope.source, envelope.recipient) if self._kind(code) == PROVIDER), "")
        if case is None:
            case = CaseRow(
                case_id=envelope.subject,
                regulation=envelope.regulation,
                regulation_version=0,  # РШЭП does not read the acts; ШЭП's row has the version
                channel=envelope.channel,
                region=envelope.region,
                origin=envelope.source,
                provider="",
            )
        return replace(
            case, provider=case.provider or provider, sequences={**case.sequences, envelope.source: envelope.caseseq}
        )

    @staticmethod
    def _check_asked(item: Verified, case: CaseRow | None) -> None:
        """A register of a region speaks of cases about which a question came to it; which one is ШЭП's to judge."""
        if case is None:
            question = item.envelope.correlationid or "-"
            raise EgovError("order.answer_unasked", source=item.envelope.source, question=question)

    def _check_expiry(self, item: Verified) -> None:
        """A request that has run out goes no further; everything else is ШЭП's to judge."""
        spec, expires = self._messages.spec(item.envelope.type), item.envelope.expirytime
        received = item.arrival.received
        if spec.cls == "request" and expires is not None and received > expires + GRACE:
            raise EgovError("time.expired", limit_s="-", used_s="-")

    def _serves(self, member: Member) -> bool:
        return member.code == self._code or bool(self._regions.intersection(member.regions))

    def _kind(self, code: str) -> str | None:
        member = self._members().get(code)
        return member.kind if member else None

    @staticmethod
    def _facts(item: Verified) -> dict[str, Any]:
        e = item.envelope
        return {
            "type": e.type,
            "regulation": e.regulation,
            "channel": e.channel,
            "region": e.region,
            "source": e.source,
            "recipient": e.recipient,
        }
