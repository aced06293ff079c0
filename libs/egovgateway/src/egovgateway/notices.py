"""What a gateway says for itself: refusals, acceptances, news of the member list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from egovgateway.domain import Arrival, Trace
from egovkit.clock import Clock
from egovkit.envelope import NOT_APPLICABLE, Envelope, WireEnvelope
from egovkit.errors import EgovError
from egovkit.ids import Ids
from egovkit.membership import Member
from egovkit.messages import MessageRegister
from egovkit.problems import Problems
from egovkit.signatures.custody import KeyCustody
from egovkit.signatures.jws import sign_detached
from egovlaw.kinds import message_type

NOT_ORDERED = 0  # the caseseq of what is no move of its case
NO_CASE = dict.fromkeys(("regulation", "channel", "region", "step"), NOT_APPLICABLE)


@dataclass(frozen=True, slots=True)
class Notices:
    """Composes and signs a gateway's own envelopes. They are no moves of a case, so they are not ordered."""

    code: str
    key: KeyCustody
    clock: Clock
    ids: Ids
    problems: Problems
    messages: MessageRegister

    def refused(
        self, to: Member, arrival: Arrival, about: Envelope | None, error: EgovError, trace: Trace | None
    ) -> tuple[Envelope, WireEnvelope]:
        """A signed refusal with code, side, hop, clause, clock and remedy, for the authenticated sender."""
        data = {
            "id": about.id if about else "",
            "sha256": arrival.wire.sha256,
            "type": about.type if about else "",
            "problem": self.problem(error, arrival.received, about, trace),
        }
        return self._compose("envelope.refused", to, about, data)

    def accepted(self, to: Member, about: Envelope, sha256: str, receipt: str) -> tuple[Envelope, WireEnvelope]:
        """Tells the sender of a submission that the gateway has taken responsibility for it."""
        return self._compose("envelope.accepted", to, about, {"id": about.id, "sha256": sha256, "receipt": receipt})

    def members_updated(self, to: Member, signed_list: str) -> tuple[Envelope, WireEnvelope]:
        """News of the signed member list."""
        return self._compose("members.updated", to, None, {"list": signed_list})

    def problem(
        self, error: EgovError, received: datetime, about: Envelope | None, trace: Trace | None
    ) -> dict[str, Any]:
        """The refusal in all three languages, as its envelope carries it."""
        texts = self.problems.texts(error)
        spec = self.problems.render(error)
        problem = {
            "code": error.code,
            "side": spec["side"],
            "hop": self.code,
            "clause": error.clause,
            "status": spec["status"],
            "received": _time(received),
            "expires": _time(about.expirytime) if about and about.expirytime else None,
            "limit_s": trace.limit_s if trace else None,
            "used_s": trace.used_s if trace else None,
            **texts,
        }
        if "allowed" in error.params:
            problem["expected"] = error.params["allowed"]
        if error.errors:
            problem["errors"] = spec["errors"]
        return problem

    def _compose(
        self, name: str, to: Member, about: Envelope | None, data: Mapping[str, Any]
    ) -> tuple[Envelope, WireEnvelope]:
        spec = self.messages.spec(message_type(name))
        context = {key: getattr(about, key) for key in NO_CASE} if about is not None else dict(NO_CASE)
        envelope = Envelope(
            id=self.ids.new(),
            source=self.code,
            type=spec.type,
            subject=about.subject if about else self.ids.new(),
            time=self.clock.now(),
            dataschema=spec.dataschema,
            recipient=to.code,
            caseseq=NOT_ORDERED,
            data=dict(data),
            correlationid=about.id if about else None,
            causationid=about.id if about else None,
            traceparent=about.traceparent if about else None,
            **context,
        )
        raw = envelope.encode()
        return envelope, WireEnvelope(raw, sign_detached(raw, self.key))


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
