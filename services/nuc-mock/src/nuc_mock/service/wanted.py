"""What is asked of the authority, and the small rules its uses share."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.clock import Clock
from egovkit.errors import FieldError
from egovkit.journal import Journal, JournalEntry
from egovkit.sandbox.fault_names import AUTHORITY
from egovkit.sandbox.faults import Faults
from nuc_mock import domain, tables
from nuc_mock.domain import Oddity, Profile
from nuc_mock.store import IssuedCertificate, PublishedList

Dates = tuple[datetime | None, datetime | None]  # not before, not after
BuildService = Callable[[domain.Authority, domain.AuthorityKey, int, domain.Addresses], domain.Certificate]

# Called inside the transaction of an issue, with what was issued: the edge keeps its answer there.
Keep = Callable[[AsyncConnection, IssuedCertificate], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A certificate somebody asks for. Dates that are left out follow from the profile and the clock."""

    profile: Profile
    common_name: str
    iin: str | None = None
    bin: str | None = None
    surname: str | None = None
    patronymic: str | None = None
    organisation: str | None = None
    hosts: tuple[str, ...] = ()  # of a server that is renewed; without them its common name
    not_before: datetime | None = None
    not_after: datetime | None = None
    oddity: Oddity = field(default=domain.ORDINARY)


@dataclass(frozen=True, slots=True)
class Generation:
    """One key of the issuing authority, with those who answer and stamp in its name."""

    number: int
    issuing: domain.Authority
    responder: domain.Authority
    stamper: domain.Authority


class Audit:
    """The authority's acts, each in the transaction of its effect."""

    def __init__(self, writer: str, clock: Clock) -> None:
        self._journal, self._clock = Journal(tables.journal, writer), clock

    async def __call__(self, conn: AsyncConnection, action: str, **facts: object) -> None:
        body = {"action": action, **facts}
        await self._journal.append(conn, [JournalEntry("admin", self._clock.now(), None, body)])


class Bends:
    """A tester's faults; none outside a sandbox."""

    def __init__(self, faults: Faults | None) -> None:
        self._faults = faults

    def take(self, name: str, what: str) -> Mapping[str, Any] | None:
        """The parameters of the fault that hits this time."""
        if self._faults is None:
            return None
        for rule in self._faults.at(AUTHORITY):
            if rule.spec.name == name and rule.takes():
                self._faults.told(rule, what)
                return rule.parameters
        return None


def holder(old: IssuedCertificate) -> dict[str, Any]:
    """What a renewed certificate says anew of its holder; НУЦ's form keeps it in the subject, and a server's names
    beside it."""
    kept = {name: getattr(old, name) for name in ("profile", "common_name", "iin", "bin")}
    return {**kept, **domain.subject_words(old.der), "hosts": domain.hosts_of(old.der)}


def renew_at(published: PublishedList) -> datetime:
    return published.this_update + (published.next_update - published.this_update) / 2


def whole(moment: datetime) -> datetime:
    """X.509 knows whole seconds only."""
    return moment.replace(microsecond=0)


def field_error(fault: domain.OrderFault) -> FieldError:
    limit = domain.LENGTHS.get(fault.field)
    return FieldError(fault.field, fault.reason, fault.reason.replace("_", " "), {"limit": limit} if limit else {})
