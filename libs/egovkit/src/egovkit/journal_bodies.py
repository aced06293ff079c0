"""Bodies of the journal at rest: sealed under the service's own key, opened only by who holds it, purged in time.

The column `body` holds base64 of the seal; rows of before the seals hold their JSON, which begins with a brace, until
`seal_plain` has come to them. A body belongs to its writer, position and hash: moved to another row it does not open.
Old and new processes of one service may so run side by side.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.db.tables import JournalTables
from egovkit.errors import EgovError
from egovkit.settings import read_secret
from egovkit.signatures.sealing import VERSION, Sealer

__all__ = ["Bodies", "BodiesSealed", "holds_seal", "is_sealed", "purge_bodies", "seal_plain"]

AT_A_TIME = 500  # rows sealed in one transaction: some milliseconds


class BodiesSealed(ValueError):
    """A body was asked for without the key that opens it."""


class Bodies:
    """The key, or keys, of one service's journal: the first seals, the others open what was sealed before a change."""

    def __init__(self, *keys: bytes) -> None:
        if not keys:
            raise ValueError("a journal is sealed under at least one key")
        self._sealers = [Sealer(key) for key in keys]

    @classmethod
    def of_file(cls, path: Path) -> Bodies:
        """From a file of keys, 32 bytes in hexadecimal, one a line. OSError, ValueError."""
        return cls(*(bytes.fromhex(line) for line in read_secret(path).split()))

    def seal(self, body: str, writer: str, position: int) -> str:
        """As it stands in the database."""
        place = _place(writer, position, hashlib.sha256(body.encode()).hexdigest())
        return base64.b64encode(self.seal_bytes(body.encode(), place)).decode("ascii")

    def open(self, sealed: str, writer: str, position: int, body_sha256: str) -> str:
        """The body. EgovError("seal.broken") when it was altered or moved, or the key is another."""
        try:
            content = base64.b64decode(sealed, validate=True)
        except (binascii.Error, ValueError):
            raise EgovError("seal.broken") from None
        return self.open_bytes(content, _place(writer, position, body_sha256)).decode()

    def seal_bytes(self, plain: bytes, place: str) -> bytes:
        """What else a service keeps of what was sent; `place` says of which table and row it is."""
        return self._sealers[0].seal(plain, place.encode())

    def open_bytes(self, sealed: bytes, place: str) -> bytes:
        """EgovError("seal.broken") when it was altered, is of another place, or the key is another."""
        for sealer in self._sealers[:-1]:
            try:
                return sealer.open(sealed, place.encode())
            except EgovError:
                continue
        return self._sealers[-1].open(sealed, place.encode())


def holds_seal(stored: bytes) -> bool:
    """Whether these bytes are a seal: no JSON begins so."""
    return stored[:1] == VERSION


def is_sealed(stored: str) -> bool:
    """Whether this text of the column `body` is a seal; a body is a JSON object."""
    return not stored.startswith("{")


async def seal_plain(conn: AsyncConnection, tables: JournalTables, bodies: Bodies, limit: int = AT_A_TIME) -> int:
    """Seals up to `limit` bodies that were written before there were seals; how many there were."""
    rows = tables.rows
    plain = select(rows.c.writer, rows.c.position, rows.c.body).where(rows.c.body.like("{%")).limit(limit)
    found: Sequence[tuple[str, int, str]] = [tuple(row) for row in await conn.execute(plain)]
    if found:
        change = update(rows).where(rows.c.writer == bindparam("of"), rows.c.position == bindparam("at"))
        change = change.where(rows.c.body.is_not(None)).values(body=bindparam("sealed"))
        values = [{"of": of, "at": at, "sealed": bodies.seal(body, of, at)} for of, at, body in found]
        await conn.execute(change, values)
    return len(found)


async def purge_bodies(conn: AsyncConnection, tables: JournalTables, before: datetime) -> int:
    """Removes the bodies of rows older than `before`; hashes and signatures stay. Returns how many were purged."""
    rows = tables.rows
    old = update(rows).where(rows.c.time < before, rows.c.body.is_not(None)).values(body=None)
    return (await conn.execute(old)).rowcount


def _place(writer: str, position: int, body_sha256: str) -> str:
    return f"{writer}\n{position}\n{body_sha256}"
