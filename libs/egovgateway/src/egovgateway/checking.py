"""Steps 1 and 2: is this an envelope, and who sent it? One loop over a batch, no I/O."""

from __future__ import annotations

from dataclasses import replace

from egovgateway.domain import Arrival, TurnedAway, Verified
from egovkit.envelope import Envelope
from egovkit.errors import EgovError
from egovkit.membership import Member, Membership, verify_envelope, verify_receipts
from egovkit.messages import MessageRegister
from egovkit.signatures.certificates import OF_A_SYSTEM, TrustStore
from egovkit.signatures.jws import read_header, verify_detached
from egovkit.signatures.receipt import Receipt

# What POST /v1/envelopes may answer with before a gateway's own judgement.
REFUSALS = (
    *("envelope.too_large", "envelope.malformed", "envelope.unknown_attribute", "envelope.attribute_invalid"),
    *("signature.missing", "signature.malformed", "signature.algorithm_not_of_key", "signature.invalid"),
    *("signature.unknown_certificate", "signature.not_of_source", *OF_A_SYSTEM),
    *("participant.suspended", "participant.list_unknown", "receipt.invalid", "data.invalid"),
    *("replay.other_body", "envelope.refused_before", "service.unavailable"),
)
CURED_BY_REFRESH = frozenset(
    {"signature.unknown_certificate", "participant.suspended", "certificate.untrusted"}  # the last: a new key of НУЦ
)


class Checker:
    """Proves the sender of an arrival from the member list and the trust store as they stand now."""

    def __init__(
        self, membership: Membership, trust: TrustStore, messages: MessageRegister, *, trunk: str, home: str
    ) -> None:
        """`trunk` is the other gateway's door: what comes through it must carry that gateway's receipt. `home`: us;
        what comes from there with a receipt of ours returns."""
        self._membership = membership
        self._trust = trust
        self._messages = messages
        self._trunk = trunk
        self._home = home

    def check(self, arrival: Arrival) -> Verified | TurnedAway:
        """Verify one arrival: form, signature, certificate, owner, receipt of the other gateway, data."""
        members = self._membership.members
        try:
            facts = verify_envelope(arrival.wire, members, self._trust, arrival.received)
        except EgovError as error:
            return TurnedAway(arrival, error, self._authenticated(arrival), _readable(arrival))
        try:
            receipts = self._receipts(arrival)
            if facts.envelope.type in self._messages:
                self._messages.check(facts.envelope.type, facts.envelope.data)
        except EgovError as error:
            return TurnedAway(arrival, error, facts.member, facts.envelope)
        returning = any(receipt.gateway == self._home for receipt in receipts)
        return Verified(replace(arrival, returning=returning), facts.envelope, facts.member, receipts)

    def doubtful(self, item: Verified | TurnedAway) -> bool:
        """Whether a newer member list might say otherwise: about the signer, or about who it is for."""
        if isinstance(item, TurnedAway):
            return item.error.code in CURED_BY_REFRESH
        recipient = self._membership.members.get(item.envelope.recipient)
        return recipient is None or not recipient.is_active

    def _receipts(self, arrival: Arrival) -> tuple[Receipt, ...]:
        if arrival.door != self._trunk:
            return ()  # a sender's own claim of a receipt proves nothing
        return verify_receipts(arrival.wire, self._membership.members, self._trust, arrival.received)

    def _authenticated(self, arrival: Arrival) -> Member | None:
        """The member whose good signature stands under these bytes, whatever is wrong with the bytes."""
        try:
            found = self._membership.members.by_thumbprint(read_header(arrival.wire.signature).thumbprint)
            if found is None:
                return None
            member, certificate = found
            verify_detached(arrival.wire.raw, arrival.wire.signature, certificate)
        except EgovError:
            return None
        facts = self._trust.check_system(certificate, arrival.received)
        return member if facts.refusal is None else None


def _readable(arrival: Arrival) -> Envelope | None:
    try:
        return Envelope.parse(arrival.wire.raw)
    except EgovError:
        return None
