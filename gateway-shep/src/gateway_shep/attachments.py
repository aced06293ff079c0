"""The attachment store: bytes by SHA-256, encrypted at rest, readable only by the participants of the case.

Outside the module grammar because it is a second subject of this service, with a store of its own (an object store).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from egovgateway.pipeline import Gateway
from egovkit.errors import EgovError
from egovkit.membership import Member
from egovkit.signatures.sealing import Sealer
from gateway_shep import store

if TYPE_CHECKING:
    from obstore.store import ObjectStore

MAX_FILE = 10 * 1024 * 1024  # bytes; contracts/messages/case.submitted.schema.json says the same
MAX_CASE = 50 * 1024 * 1024  # bytes of one member's attachments of a case: copies leave room for the page of the result
LIFETIME = timedelta(hours=24)  # how long bytes wait for their application
TYPES = ("application/pdf", "image/jpeg", "image/png")
SUBMITTING = frozenset({"case.submitted", "case.registered"})  # the provider's own channel registers at once
SWEEP_BATCH = 100


class Attachments:
    """Stores, gives and forgets attachments."""

    def __init__(self, gateway: Gateway, objects: ObjectStore, sealer: Sealer) -> None:
        self._parts = gateway.parts
        self._objects = objects
        self._sealer = sealer

    async def put(self, owner: Member, case_id: str, digest: str, content_type: str, body: bytes) -> bool:
        """Store bytes for a case that `owner` is preparing, or is a side of. False when they were there already.

        Raises attachment.type_not_allowed, .too_large, .digest_mismatch, .case_full, .foreign_case.
        """
        if content_type not in TYPES:
            raise EgovError("attachment.type_not_allowed", type=content_type, allowed=", ".join(TYPES))
        if not 0 < len(body) <= MAX_FILE:
            raise EgovError("attachment.too_large", size=len(body), limit=MAX_FILE)
        if await asyncio.to_thread(_digest, body) != digest:
            raise EgovError("attachment.digest_mismatch")
        now = self._parts.clock.now()
        values: dict[str, Any] = {"case_id": case_id, "sha256": digest, "owner": owner.code, "type": content_type}
        values |= {"size": len(body), "stored_at": now, "expires_at": now + LIFETIME}
        async with self._parts.db.read() as conn:
            await self._judge(conn, owner, values)  # what is refused is not stored
        # Bytes before their row, which must never point at nothing. Those that get no row in the end are few.
        await self._objects.put_async(_path(digest), await asyncio.to_thread(self._sealer.seal, body, digest.encode()))
        try:
            async with self._parts.db.begin() as conn:
                if not await self._judge(conn, owner, values):
                    return False
                if _was_submitted(await store.case(conn, case_id)):
                    values["expires_at"] = None
                await store.insert_attachment(conn, values)
        except IntegrityError:
            return False  # the same upload, twice at once
        return True

    async def _judge(self, conn: AsyncConnection, owner: Member, values: Mapping[str, Any]) -> bool:
        """Whether it is new here; EgovError attachment.foreign_case, .case_full."""
        case_id, size = values["case_id"], values["size"]
        held = await store.attachment(conn, case_id, values["sha256"])
        if held is not None:
            if held["owner"] != owner.code:
                raise EgovError("attachment.foreign_case")
            return False
        case = await store.case(conn, case_id)
        if case is not None and owner.code not in (case["origin"], case["provider"]):
            raise EgovError("attachment.foreign_case")
        if await store.attachments_size(conn, case_id, owner.code) + size > MAX_CASE:
            raise EgovError("attachment.case_full", limit=MAX_CASE)
        return True

    async def get(self, reader: Member, case_id: str, digest: str) -> tuple[bytes, str]:
        """Bytes and media type, for the case's origin or provider; attachment.unknown for anybody else."""
        async with self._parts.db.read() as conn:
            held = await store.attachment(conn, case_id, digest)
            case = await store.case(conn, case_id)
        parties = {case["origin"], case["provider"]} if case else set()
        if held is None or reader.code not in parties | {held["owner"]}:
            raise EgovError("attachment.unknown")
        found = await self._objects.get_async(_path(digest))
        sealed = bytes(await found.bytes_async())
        return await asyncio.to_thread(self._sealer.open, sealed, digest.encode()), held["type"]

    async def sweep(self) -> None:
        """Keep what was submitted, forget what never was."""
        async with self._parts.db.begin() as conn:
            for row in await store.expired_attachments(conn, self._parts.clock.now(), SWEEP_BATCH):
                if _was_submitted(await store.case(conn, row["case_id"])):
                    await store.keep_attachments(conn, row["case_id"])
                elif await store.delete_attachment(conn, row["case_id"], row["sha256"]):
                    with contextlib.suppress(FileNotFoundError):  # a round before this one ended between bytes and row
                        await self._objects.delete_async(_path(row["sha256"]))


def _was_submitted(case: store.Row | None) -> bool:
    """ШЭП knows a case earlier, when its origin asks a register: bytes that go no further are not kept for that."""
    return case is not None and not SUBMITTING.isdisjoint(case["times"])


def _digest(body: bytes) -> str:
    return sha256(body).hexdigest()


def _path(digest: str) -> str:
    return f"{digest[:2]}/{digest}"
