"""What the use cases work with, put together once by the application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from typing import TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from con_arm.domain.people import Operator
from con_arm.domain.steps import CentreFlow, centre_flow
from con_arm.service.passwords import Passwords
from con_arm.settings import Settings
from egovkit.clock import Clock
from egovkit.db import Database
from egovkit.errors import EgovError
from egovkit.ids import Ids
from egovkit.journal import Journal
from egovkit.membership import Membership
from egovkit.outbox import Outbox
from egovkit.pdf import DocumentPages
from egovkit.signatures.certificates import TrustStore
from egovkit.signatures.custody import KeyCustody
from egovkit.signatures.documents import DocumentSignatures
from egovkit.signatures.sealing import Sealer
from egovlaw.calendar import WorkCalendar
from egovlaw.catalogue import Catalogue, Regulation
from egovlaw.outputs import Outputs
from egovorigin.clients import AttachmentStore
from egovorigin.domain.keyring import Keyring

KAZAKHSTAN = ZoneInfo("Asia/Almaty")  # a power of attorney runs out, and tickets start anew, by the country's calendar
INGRESS = "shep.ingress"  # the one queue national systems write (contracts/topology.yaml)

T = TypeVar("T")
# Called inside the transaction with its outcome: an answer kept there survives any crash after it.
Keep = Callable[[AsyncConnection, T], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Centre:
    settings: Settings
    db: Database
    clock: Clock
    ids: Ids
    catalogue: Catalogue
    key: KeyCustody  # the workstation's system key
    journal: Journal
    outbox: Outbox
    membership: Membership
    trust: TrustStore
    signatures: DocumentSignatures
    sealer: Sealer
    keyring: Keyring
    passwords: Passwords
    attachments: AttachmentStore
    calendar: WorkCalendar
    outputs: Outputs
    pages: DocumentPages

    def regulation(self, code: str, version: int | None = None) -> tuple[Regulation, CentreFlow]:
        """The regulation and the centre's part in it, or EgovError service.not_at_centre; of a running case
        by the `version` it began with, or case.regulation_changed."""
        regulation = self.catalogue.regulation(code, version)
        newest = self.catalogue.regulation(code)
        if regulation is None and newest is not None:
            raise EgovError("case.regulation_changed", began=version, now=newest.version)
        flow = None if regulation is None else centre_flow(regulation)
        if regulation is None or flow is None:
            raise EgovError("service.not_at_centre", regulation=code[:80])
        return regulation, flow

    def require_region(self, operator: Operator, regulation: Regulation) -> None:
        """A centre of one region serves by the acts of that region."""
        if operator.region not in (None, regulation.region):
            raise EgovError("service.of_another_region", region=regulation.region, own=operator.region)

    def require_in_force(self, regulation: Regulation) -> None:
        """Of a new application."""
        if self.settings.policy == "in_force_only" and not regulation.in_force(self.today()):
            raise EgovError("service.not_in_force", regulation=regulation.code)

    def today(self) -> date:
        return self.clock.now().astimezone(KAZAKHSTAN).date()
