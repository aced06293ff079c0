"""What the use cases of any origin work with, and what an origin brings to them: its flows, its states, its words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.attachments import AttachmentStore
from egovkit.clock import Clock
from egovkit.db import Database
from egovkit.errors import EgovError
from egovkit.ids import Ids
from egovkit.inbox import Received
from egovkit.journal import Journal
from egovkit.membership import Membership
from egovkit.outbox import Outbox
from egovkit.pdf import DocumentPages
from egovkit.signatures.certificates import TrustStore
from egovkit.signatures.custody import KeyCustody
from egovkit.signatures.documents import DocumentSignatures
from egovkit.signatures.sealing import Sealer
from egovlaw.catalogue import Catalogue, Regulation
from egovlaw.outputs import Outputs
from egovorigin.domain.keyring import Keyring
from egovorigin.domain.steps import LocalFlow
from egovorigin.passwords import Passwords
from egovorigin.settings import OriginSettings
from egovorigin.store.attempts import Attempts
from egovorigin.store.cases import Cases, OriginCase
from egovorigin.store.files import Files
from egovorigin.store.records import Records

KAZAKHSTAN = ZoneInfo("Asia/Almaty")  # an act is in force, and a day begins, by the country's calendar, not by UTC's
INGRESS = "shep.ingress"  # the one queue national systems write (contracts/topology.yaml)

T = TypeVar("T")
# Called inside the transaction with its outcome: an answer kept there survives any crash after it.
Keep = Callable[[AsyncConnection, T], Awaitable[object]]

C = TypeVar("C", bound=OriginCase)
F = TypeVar("F", bound=LocalFlow)


@dataclass(frozen=True, slots=True)
class News:
    """A message as it touches the case: the event it means and what it changes."""

    event: StrEnum
    changes: Mapping[str, Any] = field(default_factory=dict)
    detail: Mapping[str, Any] | None = None
    version: int | None = None  # the owner's; None for the gateways' answers


@dataclass(frozen=True, slots=True)
class Turn(Generic[C]):
    """One message of one case in its transaction; `case` as it was before."""

    conn: AsyncConnection
    received: Received
    case: C
    news: News


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin(ABC, Generic[C, F]):
    settings: OriginSettings
    db: Database
    clock: Clock
    ids: Ids
    catalogue: Catalogue
    key: KeyCustody  # the origin's system key
    journal: Journal
    outbox: Outbox
    membership: Membership
    trust: TrustStore
    signatures: DocumentSignatures
    sealer: Sealer
    keyring: Keyring
    passwords: Passwords
    attachments: AttachmentStore
    outputs: Outputs
    pages: DocumentPages
    revocation: Callable[[], Awaitable[tuple[bytes, ...]]]  # НУЦ's lists of today, DER
    cases: Cases[C]
    files: Files
    records: Records
    attempts: Attempts

    @abstractmethod
    def flow_of(self, regulation: Regulation) -> F | None:
        """The origin's part in the regulation; None when there is none it can do."""

    @abstractmethod
    def not_given(self, code: str) -> EgovError:
        """Why no application by this regulation begins here."""

    @abstractmethod
    def after(self, state: StrEnum, event: StrEnum) -> StrEnum | None:
        """The state after the event; None when the event means nothing in this state."""

    async def heard(self, turn: Turn[C], now: C, *, applied: bool) -> None:
        """Called in the transaction of a message that was taken: the case is `now` so. What people are told of it."""

    def regulation(self, code: str, version: int | None = None) -> tuple[Regulation, F]:
        """The regulation and this origin's part in it, or EgovError `not_given`; of a running case by the `version` it
        began with, or case.regulation_changed."""
        regulation = self.catalogue.regulation(code, version)
        newest = self.catalogue.regulation(code)
        if regulation is None and newest is not None:
            raise EgovError("case.regulation_changed", began=version, now=newest.version)
        flow = None if regulation is None else self.flow_of(regulation)
        if regulation is None or flow is None:
            raise self.not_given(code[:80])
        return regulation, flow

    def law_of(self, case: C) -> tuple[Regulation, F]:
        """The regulation of a draft: what was filled in for one version is not sent under the next. Once the case is on
        the bus its own version is what counts."""
        regulation, flow = self.regulation(case.regulation)
        if regulation.version != case.regulation_version:
            raise EgovError("case.regulation_changed", began=case.regulation_version, now=regulation.version)
        return regulation, flow

    def require_in_force(self, regulation: Regulation) -> None:
        """Of a new application."""
        if self.settings.policy == "in_force_only" and not regulation.in_force(self.today()):
            raise EgovError("service.not_in_force", regulation=regulation.code)

    def today(self) -> date:
        return self.clock.now().astimezone(KAZAKHSTAN).date()


AnyOrigin = Origin[Any, Any]
