"""What a node holds between its start and its stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import httpx

from egovkit.bus import Bus
from egovkit.db.engine import Database
from egovkit.idempotency import Idempotent
from egovkit.journal import Journal
from egovkit.journal_keeping import JournalKeeper
from egovkit.key_watch import KeyWatch
from egovkit.membership import Membership
from egovkit.outbox import Outbox
from egovkit.relay import Relay
from egovkit.signatures.certificates import TrustStore
from egovkit.signatures.custody import KeyFile
from egovkit.signatures.documents import DocumentSignatures
from egovkit.signatures.trust_source import TrustSource

T = TypeVar("T")


class NotStarted(RuntimeError):
    """A part of the node was asked for outside its `async with`."""


@dataclass(slots=True)
class Parts:
    """In the order in which they are made."""

    db: Database
    bus: Bus
    key: KeyFile
    key_watch: KeyWatch
    trust: TrustStore
    trust_source: TrustSource
    signatures: DocumentSignatures
    membership: Membership
    http: httpx.AsyncClient
    journal: Journal | None = None
    keeper: JournalKeeper | None = None
    idempotent: Idempotent | None = None
    outbox: Outbox | None = None
    relay: Relay | None = None


def present(part: T | None, needs: str) -> T:
    if part is None:
        raise NotStarted(f"this node was made without {needs}")
    return part
