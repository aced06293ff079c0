"""The journals of a deployment, read from behind: for the trace of a case, the verification of them all, evidence."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from egovkit.journal import SIGNATURE_TYP, JournalRow, KnownHead, SignatureCheck, signature_check
from sandbox.composition import SHEP

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from egovgateway.sealing import Stored
    from egovkit.journal_bodies import Bodies
    from egovkit.journal_stamps import JournalStamp
    from sandbox.places import Place


@dataclass(frozen=True, slots=True)
class Certificate:
    """A participant's certificate, DER, as ШЭП's register has it."""

    code: str
    thumbprint: str
    der: bytes


@dataclass(frozen=True, slots=True)
class JournalCopy:
    """What one service's database holds: its own journal, and what it witnesses of the journals of others."""

    code: str
    rows: Sequence[JournalRow]
    heads: Sequence[KnownHead] = ()
    witnessed: Sequence[KnownHead] = ()
    certificates: Sequence[Certificate] | None = None  # of ШЭП's register, withdrawn ones included; None: of no ШЭП
    stamps: Sequence[JournalStamp] = ()


def check_of(certificates: Sequence[Certificate]) -> SignatureCheck:
    """Every row is signed by a certificate of its own writer. A key that signs for another system's journal is no
    better than no key."""
    from egovkit.signatures.certificates import load_certificate
    from egovkit.signatures.jws import verify_compact

    loaded = {(one.code, one.thumbprint): load_certificate(one.der) for one in certificates}

    def check_for(code: str) -> SignatureCheck:
        return signature_check(
            lambda token: verify_compact(token, lambda used: loaded.get((code, used)), SIGNATURE_TYP)
        )

    checks = {one.code: check_for(one.code) for one in certificates}

    def check(row: JournalRow) -> bool:
        of_writer = checks.get(row.writer.split("/")[0])
        return of_writer is not None and of_writer(row)

    return check


def receipt_head(token: str, witness: str) -> KnownHead | None:
    """The chain head a gateway's receipt carries. Only read here, never relied on for passage: whoever holds
    the database could forge it, but only into a complaint."""
    try:
        segment = token.split(".")[1]
        payload = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
        return KnownHead(payload["writer"], int(payload["position"]), payload["head"], witness)
    except (IndexError, ValueError, KeyError, TypeError):
        return None


def trail_heads(raw: bytes, witness: str) -> list[KnownHead]:
    """The local steps an envelope tells of: each names its writer, position and hash."""
    try:
        trail = json.loads(raw)["data"].get("trail", [])
        return [KnownHead(step["writer"], int(step["position"]), step["hash"], witness) for step in trail]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


async def read_all(
    places: Mapping[str, Place], case_id: str | None = None, *, told: Callable[[str], None] = lambda code: None
) -> list[JournalCopy]:
    """Every service's journal (or one case's rows of it) with what its database witnesses; `told` hears of each before
    it is read."""
    found: list[JournalCopy] = []
    for code, place in places.items():
        told(code)
        found.append(await read_copy(code, place, case_id))
    return found


async def read_copy(code: str, place: Place, case_id: str | None = None) -> JournalCopy:
    """OSError, ValueError where the key's file can't be read."""
    from sqlalchemy import MetaData, inspect

    from egovkit.db import Database, stamped_journal_tables
    from egovkit.journal import read_heads, read_rows
    from egovkit.journal_stamps import read_stamps

    database = Database(place.url, pool_size=1)
    if database.path is not None and not database.path.exists():
        return JournalCopy(code, ())
    tables = stamped_journal_tables(MetaData())
    assert tables.stamps is not None
    try:
        async with database.read() as conn:
            names = set(await conn.run_sync(lambda sync: inspect(sync).get_table_names()))
            if tables.rows.name not in names:
                return JournalCopy(code, ())
            return JournalCopy(
                code,
                await read_rows(conn, tables, case_id=case_id, bodies=place.bodies()),
                await read_heads(conn, tables),
                await witnessed(conn, code, names, place.bodies()),
                await register(conn, names) if code == SHEP else None,
                await read_stamps(conn, tables.stamps) if tables.stamps.name in names else (),
            )
    finally:
        await database.close()


async def register(conn: AsyncConnection, names: set[str]) -> list[Certificate]:
    """The certificates of every participant, in ШЭП's database: none where the register was taken out of it."""
    from sqlalchemy import text

    if "participant_certificates" not in names:
        return []
    found = await conn.execute(text("SELECT code, thumbprint, certificate FROM participant_certificates"))
    return [Certificate(row.code, row.thumbprint, bytes(row.certificate)) for row in found]


async def witnessed(conn: AsyncConnection, code: str, names: set[str], bodies: Bodies | None) -> list[KnownHead]:
    """Heads of other writers in this database: receipts in inboxes, receipts and trails in gateways, these last in
    envelopes, which `bodies` opens."""
    from sqlalchemy import text

    found: list[KnownHead | None] = []
    if "inbox" in names:
        for row in await conn.execute(text("SELECT id, receipts FROM inbox")):
            witness = f"{code}, receipt of {row.id}"
            found += [receipt_head(token, witness) for token in tokens(row.receipts)]
    if "envelopes" in names:
        # What was refused proves nothing: whoever was refused may have claimed anything.
        taken = text("SELECT source, id, sha256, raw, receipts FROM envelopes WHERE state <> 'refused'")
        for one in (await conn.execute(taken)).mappings():
            found += [receipt_head(token, f"{code}, receipt of {one['id']}") for token in tokens(one["receipts"])]
            found += trail_heads(envelope_in(one, bodies), f"{code}, trail of {one['id']}")
    return [head for head in found if head is not None]


def envelope_in(row: Stored, bodies: Bodies | None) -> bytes:
    """The bytes of a gateway's row; nothing where they were purged, spoiled, or no key is there for them: whatever else
    proves them is read without them."""
    from egovgateway.sealing import opened
    from egovkit.errors import EgovError
    from egovkit.journal_bodies import BodiesSealed

    try:
        return opened(row, bodies)
    except (BodiesSealed, EgovError):
        return b""


def tokens(receipts: str | None) -> list[str]:
    """Receipts are kept as a JSON array by receivers and comma-separated, as in the header, by gateways."""
    if not receipts:
        return []
    if receipts.startswith("["):
        return [str(token) for token in json.loads(receipts)]
    return receipts.split(",")
