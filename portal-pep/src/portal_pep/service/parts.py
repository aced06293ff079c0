"""What the use cases work with, put together once by the application."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy.ext.asyncio import AsyncConnection

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
from egovlaw.catalogue import Catalogue, Regulation
from egovlaw.outputs import Outputs
from egovorigin.clients import AttachmentStore
from egovorigin.domain.keyring import Keyring
from portal_pep.domain.steps import PortalFlow, portal_flow
from portal_pep.settings import PortalPepSettings

T = TypeVar("T")
# Called inside the transaction with its outcome: an answer kept there survives any crash after it.
Keep = Callable[[AsyncConnection, T], Awaitable[object]]


def nobodys(hasher: PasswordHasher) -> str:
    """A hash in its written form that no password has: someone who has no account waits as long as someone with a
    wrong password. Its bytes are made up, since making a true one would take the start 0.2 s."""
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    salt, tail = (b64encode(bytes(length)).decode().rstrip("=") for length in (hasher.salt_len, hasher.hash_len))
    return f"$argon2id$v=19${costs}${salt}${tail}"


class Passwords:
    """argon2id in threads, a few at a time: each holds 64 MB and a core."""

    def __init__(self, settings: PortalPepSettings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_time, memory_cost=settings.argon2_memory_kib, parallelism=1
        )
        self._room = asyncio.Semaphore(settings.argon2_at_once)
        self._nobody = nobodys(self._hasher)

    async def hash(self, password: str) -> str:
        async with self._room:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, hashed: str | None, password: str) -> bool:
        async with self._room:
            return await asyncio.to_thread(self._verify, hashed, password)

    def _verify(self, hashed: str | None, password: str) -> bool:
        try:
            return self._hasher.verify(hashed or self._nobody, password) and hashed is not None
        except (VerifyMismatchError, InvalidHashError):
            return False


@dataclass(frozen=True, slots=True)
class Portal:
    settings: PortalPepSettings
    db: Database
    clock: Clock
    ids: Ids
    catalogue: Catalogue
    key: KeyCustody  # the portal's system key
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

    def regulation(self, code: str, version: int | None = None) -> tuple[Regulation, PortalFlow]:
        """The regulation and the portal's part in it, or EgovError service.not_found; of a running case
        by the `version` it began with, or case.regulation_changed."""
        regulation = self.catalogue.regulation(code, version)
        newest = self.catalogue.regulation(code)
        if regulation is None and newest is not None:
            raise EgovError("case.regulation_changed", began=version, now=newest.version)
        flow = None if regulation is None else portal_flow(regulation)
        if regulation is None or flow is None:
            raise EgovError("service.not_found", regulation=code[:80])
        return regulation, flow
