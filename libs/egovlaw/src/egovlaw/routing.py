"""Who may send what to whom, for which regulation, channel and region. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal, Protocol

from egovlaw.catalogue import Catalogue, Channel, Regulation

TYPE_UNKNOWN = "route.type_unknown"
UNKNOWN_REGULATION = "route.unknown_regulation"
REGULATION_REPEALED = "route.regulation_repealed"
VERSION_UNKNOWN = "route.version_unknown"
UNKNOWN_CHANNEL = "route.unknown_channel"
UNKNOWN_REGION = "route.unknown_region"
REGION_MISMATCH = "route.region_mismatch"
SOURCE_NOT_ALLOWED = "route.source_not_allowed"
RECIPIENT_UNKNOWN = "route.recipient_unknown"
RECIPIENT_NOT_ALLOWED = "route.recipient_not_allowed"

NOWHERE = "-"  # where an envelope names no regulation, channel or region
ForcePolicy = Literal["historic", "in_force_only"]


class MessageSpecLike(Protocol):
    """What routing needs of a registered message; `egovkit.messages.MessageSpec` fits."""

    @property
    def name(self) -> str: ...
    @property
    def from_kinds(self) -> Sequence[str]: ...
    @property
    def to_kinds(self) -> Sequence[str]: ...


class EnvelopeLike(Protocol):
    """What routing needs of an envelope; `egovkit.envelope.Envelope` fits."""

    @property
    def type(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def recipient(self) -> str: ...
    @property
    def regulation(self) -> str: ...
    @property
    def channel(self) -> str: ...
    @property
    def region(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Party:
    """A participant as routing sees it: no regions = national, `*` among services = every service."""

    code: str
    kind: str
    regions: tuple[str, ...]
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RouteRefused:
    code: str
    clause: str | None
    detail: str
    type: str = ""
    regulation: str = ""
    channel: str = ""
    region: str = ""
    source: str = ""
    recipient: str = ""
    version: int | None = None

    @property
    def params(self) -> dict[str, str]:
        """For the problem's text; every placeholder of the `route.*` codes is here."""
        return {
            "type": self.type, "regulation": self.regulation, "channel": self.channel, "region": self.region,
            "source": self.source, "recipient": self.recipient, "version": str(self.version or "-"),
        }  # fmt: skip


def judge_route(
    catalogue: Catalogue,
    spec: MessageSpecLike | None,
    envelope: EnvelopeLike,
    source: Party,
    recipient: Party | None,
    *,
    policy: ForcePolicy = "historic",
    on: date | None = None,
    version: int | None = None,
) -> RouteRefused | None:
    """None = the route is the act's. `version`: the one a running case began with.
    `policy` in_force_only refuses regulations not in force `on` that day
    (D20).
    """
    law = catalogue.regulation(envelope.regulation, version)
    if law is None and catalogue.regulation(envelope.regulation) is not None:
        detail = f"the catalogue has no version {version}; it has {catalogue.versions(envelope.regulation)}"
        return replace(_refused(envelope, (VERSION_UNKNOWN, None, detail)), version=version)
    found = _place(catalogue, spec, envelope, law, (policy, on))
    if isinstance(found, tuple) and spec is not None:
        regulation, channel = found
        found = _ends(spec, envelope, (regulation, channel), source, recipient)
    if not isinstance(found, tuple):
        return found
    return None


def judge_personal_route(
    spec: MessageSpecLike, envelope: EnvelopeLike, source: Party, recipient: Party | None
) -> RouteRefused | None:
    """None = a message that stands in no act goes where its register of messages has it go: who has regions, sender or
    recipient, is met in one of them, and nothing else of the map is named."""
    if (envelope.regulation, envelope.channel) != (NOWHERE, NOWHERE):
        return _refused(envelope, (UNKNOWN_REGULATION, None, f"{spec.name} stands in no act"))
    if source.kind not in spec.from_kinds:
        return _refused(envelope, (SOURCE_NOT_ALLOWED, None, f"{source.code} may not send {spec.name}"))
    if recipient is None:
        return _refused(envelope, (RECIPIENT_UNKNOWN, None, "no participant has this code"))
    if recipient.kind not in spec.to_kinds:
        return _refused(envelope, (RECIPIENT_NOT_ALLOWED, None, f"{spec.name} is not for {recipient.code}"))
    if envelope.region not in (source.regions or recipient.regions or (NOWHERE,)):
        return _refused(envelope, (REGION_MISMATCH, None, "neither of both works there"))
    return None


_Fault = tuple[str, str | None, str]


def _place(
    catalogue: Catalogue,
    spec: MessageSpecLike | None,
    envelope: EnvelopeLike,
    regulation: Regulation | None,
    force: tuple[ForcePolicy, date | None],
) -> tuple[Regulation, Channel] | RouteRefused:
    """Type, regulation, channel and region: the place on the map, before anybody is asked who he is."""
    if spec is None:
        return _refused(envelope, (TYPE_UNKNOWN, None, "no such message is registered"))
    policy, on = force
    if regulation is None:
        return _refused(envelope, (UNKNOWN_REGULATION, None, "the catalogue has no such regulation"))
    if policy == "in_force_only" and on is not None and not regulation.in_force(on):
        return _refused(envelope, (REGULATION_REPEALED, None, f"act {regulation.act.number} is not in force"))
    channel = regulation.channels.get(envelope.channel)
    if channel is None:
        return _refused(envelope, (UNKNOWN_CHANNEL, None, "the act opens no such channel"))
    if not channel.has_flow:
        clause = channel.clauses[0] if channel.clauses else None
        return _refused(envelope, (UNKNOWN_CHANNEL, clause, "the act names the channel and gives it no flow"))
    if envelope.region not in catalogue.regions:
        return _refused(envelope, (UNKNOWN_REGION, None, "no gateway serves such a region"))
    if envelope.region != regulation.region:
        return _refused(envelope, (REGION_MISMATCH, None, f"the act is of {regulation.region}"))
    return regulation, channel


def _ends(
    spec: MessageSpecLike,
    envelope: EnvelopeLike,
    place: tuple[Regulation, Channel],
    source: Party,
    recipient: Party | None,
) -> tuple[Regulation, Channel] | RouteRefused:
    """Both ends: their kind, their services, their regions."""
    regulation, channel = place
    clause = channel.clauses[0] if channel.clauses else None
    if not _kind_fits(source.kind, spec.from_kinds, channel) or not _serves(source, regulation):
        return _refused(envelope, (SOURCE_NOT_ALLOWED, clause, f"{source.code} may not send {spec.name} here"))
    if not _covers(source, envelope.region):
        return _refused(envelope, (REGION_MISMATCH, clause, f"{source.code} does not work in {envelope.region}"))
    if recipient is None:
        return _refused(envelope, (RECIPIENT_UNKNOWN, clause, "no participant has this code"))
    if not _kind_fits(recipient.kind, _receivers(spec, channel), channel) or not _serves(recipient, regulation):
        return _refused(envelope, (RECIPIENT_NOT_ALLOWED, clause, f"{spec.name} is not for {recipient.code}"))
    if not _covers(recipient, envelope.region):
        return _refused(envelope, (REGION_MISMATCH, clause, f"{recipient.code} does not work in {envelope.region}"))
    return place


def _kind_fits(kind: str, allowed: Sequence[str], channel: Channel) -> bool:
    """`origin` is the channel's own side, `gateway` either gateway, `any` anybody."""
    gateways = ("national_gateway", "regional_gateway")
    for name in allowed:
        if name == "any" or name == kind:
            return True
        if name == "origin" and kind == channel.origin_kind:
            return True
        if name == "gateway" and kind in gateways:
            return True
    return False


def _receivers(spec: MessageSpecLike, channel: Channel) -> Sequence[str]:
    """In the provider's own channel nobody else waits for his words: ШЭП alone takes them, for the case's progress."""
    sides = ("origin", channel.origin_kind)
    to_himself = channel.origin_kind == "provider" and any(
        name in sides and other in sides for name in spec.from_kinds for other in spec.to_kinds
    )
    return ("national_gateway",) if to_himself else spec.to_kinds


def _serves(party: Party, regulation: Regulation) -> bool:
    if party.kind in ("national_gateway", "regional_gateway"):
        return True  # a gateway serves nobody and carries everything
    return "*" in party.services or regulation.code in party.services


def _covers(party: Party, region: str) -> bool:
    return not party.regions or region in party.regions


def _refused(envelope: EnvelopeLike, fault: _Fault) -> RouteRefused:
    code, clause, detail = fault
    return RouteRefused(
        code=code, clause=clause, detail=detail, type=envelope.type, regulation=envelope.regulation,
        channel=envelope.channel, region=envelope.region, source=envelope.source,
        recipient=envelope.recipient,
    )  # fmt: skip
