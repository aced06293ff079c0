"""Envelopes at rest: sealed under the key of the gateway's journal, emptied when their time is over.

The column `raw` holds the seal's bytes. Each belongs to its row, by source, id and digest, and opens nowhere else. A
seal's first byte is no beginning of JSON: rows of before the seals are known by theirs, go their way, and are sealed by
and by. A process of before the seals knows none, so all of a gateway's are stopped before the first new one starts.
Signature, digest and receipts stay in the open, also after the purge.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import LargeBinary, RowMapping, bindparam, column, func, select, table, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.db.types import UtcDateTime
from egovkit.envelope import WireEnvelope
from egovkit.journal_bodies import AT_A_TIME, Bodies, BodiesSealed, holds_seal
from egovkit.signatures.sealing import VERSION

__all__ = ["OPENED_BY", "Stored", "opened", "purge_envelopes", "seal_plain_envelopes", "sealed", "split", "wire_of"]

# What has to be known here of `egovgateway.tables`, which is made anew for every database.
ENVELOPES = table(
    "envelopes",
    *(column(name) for name in ("source", "id", "sha256", "state")),
    *(column("raw", LargeBinary), column("settled_at", UtcDateTime)),
)
Stored = RowMapping | Mapping[str, Any]  # a row of `envelopes`, by columns
OPENED_BY = ("source", "id", "sha256", "raw")  # the columns that `opened` needs


def sealed(row: Stored, bodies: Bodies) -> dict[str, Any]:
    """A row of `envelopes` as it is written."""
    return {**row, "raw": bodies.seal_bytes(row["raw"], _place(row))}


def opened(row: Stored, bodies: Bodies | None) -> bytes:
    """The envelope's exact bytes, of the row's columns OPENED_BY; empty after a purge.

    EgovError("seal.broken") when they were altered or moved, or the key is another; BodiesSealed without a key.
    """
    stored = bytes(row["raw"])
    if not holds_seal(stored):
        return stored
    if bodies is None:
        raise BodiesSealed(f"envelope {row['id']} is sealed: the key of the gateway's journal is needed")
    return bodies.open_bytes(stored, _place(row))


def wire_of(row: Stored, bodies: Bodies | None) -> WireEnvelope:
    """As it travels on, of the columns OPENED_BY, signature and receipts."""
    return WireEnvelope(opened(row, bodies), row["signature"], split(row["receipts"]))


def split(receipts: str) -> tuple[str, ...]:
    return tuple(receipts.split(",")) if receipts else ()


async def seal_plain_envelopes(conn: AsyncConnection, bodies: Bodies) -> int:
    """Seals some of what was written before there were seals; how many there were."""
    c = ENVELOPES.c
    plain = func.substr(c.raw, 1, 1, type_=LargeBinary).not_in([b"", VERSION])
    query = select(*(c[name] for name in OPENED_BY)).where(plain).limit(AT_A_TIME)
    found = (await conn.execute(query)).mappings().all()
    if found:
        change = update(ENVELOPES).where(c.source == bindparam("of"), c.id == bindparam("at"), c.raw != b"")
        values = [{"of": row["source"], "at": row["id"], "to": sealed(row, bodies)["raw"]} for row in found]
        await conn.execute(change.values(raw=bindparam("to")), values)
    return len(found)


async def purge_envelopes(conn: AsyncConnection, before: datetime) -> int:
    """Empties envelopes that the gateway was done with before then; how many."""
    c = ENVELOPES.c
    old = update(ENVELOPES).where(c.settled_at < before, c.raw != b"")
    old = old.where(c.state != "waiting")  # whom it waits for may still come
    return (await conn.execute(old.values(raw=b""))).rowcount


def _place(row: Stored) -> str:
    return f"envelopes\n{row['source']}\n{row['id']}\n{row['sha256']}"
