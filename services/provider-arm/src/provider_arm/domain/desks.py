"""Desks that take in applications and give out results by hand: who may, with which papers, to whom. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from egovlaw.catalogue import Channel, Duration, Regulation
from provider_arm.domain.cases import OfficeKind, Role, StatusText

TAKES_IN: Final = frozenset({Role.CLERK})
GIVES_OUT: Final = frozenset({Role.CLERK, Role.EXECUTOR, Role.HEAD})


class Way(StrEnum):
    BY_HAND = "by_hand"
    BY_EMAIL = "by_email"  # recorded, never really sent


class ReceiptKind(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"  # the package was incomplete, nothing was taken in


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the applicant carries away from the desk. `times`: waiting and service, as far as the desk saw them."""

    id: str
    kind: ReceiptKind
    number: str
    region: str
    provider: str
    regulation: str
    channel: str
    case_id: str | None  # a refusal to accept opens none
    applicant_iin: str
    document: bytes
    times: Mapping[str, Any]
    issued_by: str
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class GivenOut:
    case_id: str
    way: Way
    to: str  # the ИИН of who stood at the desk, or the address
    document: bytes  # the record
    signature: bytes | None  # where the act's flow has the hand-over told
    judged: dict[str, Any] | None  # what was known of that signature when it was judged
    given_by: str
    given_at: datetime


TEXTS: Final[Mapping[ReceiptKind, StatusText]] = MappingProxyType(
    {
        ReceiptKind.ACCEPTED: StatusText("Заявление и документы приняты", "Өтініш пен құжаттар қабылданды"),
        ReceiptKind.REFUSED: StatusText(
            "В приёме заявления отказано: представлен неполный пакет документов",
            "Өтінішті қабылдаудан бас тартылды: құжаттардың толық емес топтамасы ұсынылды",
        ),
    }
)


def desk_of(channel: Channel) -> OfficeKind | None:
    """E8: whose desk works the channel; None where it is none of this workstation's."""
    own = channel.origin_kind == "provider" and channel.code in {kind.value for kind in OfficeKind}
    return OfficeKind(channel.code) if own else None


def unknown_papers(regulation: Regulation, names: Iterable[str]) -> list[str]:
    """Papers the act does not ask for; where it lists none (A15) any will do."""
    setting = regulation.settings.get("required_documents")
    listed = set(setting.value) if setting is not None and setting.value else None
    return [] if listed is None else sorted(set(names) - listed)


def may_refuse_to_accept(regulation: Regulation, channel: Channel) -> bool:
    setting = regulation.settings.get("refusal_to_accept")
    return setting is not None and channel.code in setting.value


def ways_of(regulation: Regulation, channel: Channel) -> tuple[frozenset[Way], str | None]:
    """How a result reaches the consumer, and the form's field for an address. By hand, unless the act says more; it
    says so of the desk whose steps it describes.
    """
    setting = regulation.settings.get("hand_over")
    if setting is None or not channel.has_flow:
        return frozenset({Way.BY_HAND}), None
    return frozenset(Way(way) for way in setting.value["ways"]), setting.value.get("address_field")


def desk_times(
    regulation: Regulation, channel: Channel, arrived: datetime | None, called: datetime | None, now: datetime
) -> dict[str, Any]:
    """Waiting and service (E10): measured and reported, never a ground to refuse; null is what nobody saw."""
    waited = None if arrived is None or called is None else (called - arrived).total_seconds()
    served = None if called is None else (now - called).total_seconds()
    found = {}
    for kind, used in (("waiting", waited), ("counter", served)):
        term = next((one for one in regulation.terms if one.kind == kind and one.channel in (None, channel.code)), None)
        limit = None if term is None else _seconds(term.limit)
        late = limit is not None and used is not None and used > limit
        found[kind] = {
            "limit_s": limit,
            "used_s": used,
            "clause": None if term is None else term.clause,
            "late": late,
        }
    return found


def _seconds(limit: Duration) -> int | None:
    return limit.max_s if limit.minutes is None else limit.minutes * 60
