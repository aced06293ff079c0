"""The journal: append-only, one hash chain per writer, verifiable also after bodies were purged.

    hash = SHA-256(JSON [prev, writer, position, kind, time, case_id, body_sha256])

The body enters only through its own hash: personal data can be removed later and the chain still proves what was
there. At rest it is sealed (`egovkit.journal_bodies`), and whoever reads says with which key. A row may carry the
writer's signature over its place and hash; the chain itself needs no key to check.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import RowMapping, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.db.engine import before_commit, insert_ignore, taken_back
from egovkit.db.tables import JournalTables
from egovkit.errors import EgovError
from egovkit.journal_bodies import Bodies, BodiesSealed, is_sealed

if TYPE_CHECKING:
    from egovkit.signatures.custody import KeyCustody

Kind = Literal["step", "envelope", "refusal", "admin"]
GENESIS = "0" * 64  # what the first row of every writer points back to
SIGNATURE_TYP = "egov-journal+jws"

STEP_FACTS = ("step", "clause", "service", "state_before", "state_after", "limit_s", "used_s", "outcome")
ENVELOPE_FACTS = (*STEP_FACTS, "id", "type", "source", "recipient", "sha256")
REQUIRED: Mapping[str, tuple[str, ...]] = {"step": STEP_FACTS, "envelope": ENVELOPE_FACTS}


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """What is to be written. The bodies of "step" and "envelope" always have the facts named in REQUIRED (null
    where there is nothing to say): the trace of a case and its conformance are read from them."""

    kind: Kind
    time: datetime
    case_id: str | None
    body: Mapping[str, Any]

    def __post_init__(self) -> None:
        missing = [name for name in REQUIRED.get(self.kind, ()) if name not in self.body]
        if missing:
            raise ValueError(f"a journal entry of kind {self.kind} lacks {', '.join(missing)}")


@dataclass(frozen=True, slots=True)
class Link:
    """Where an entry went. `hash` is the writer's new head right after it: what a receipt carries."""

    writer: str
    position: int
    hash: str


@dataclass(frozen=True, slots=True)
class JournalRow:
    """A row with all its columns. `body` is None when it was purged, or when it is sealed and was read without the
    key: then `sealed` is what stands in the database."""

    writer: str
    position: int
    prev: str
    hash: str
    body_sha256: str
    body: str | None
    kind: str
    time: datetime
    case_id: str | None
    signature: str | None = None
    sealed: str | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """The body as an object; empty when it was purged. BodiesSealed when it was read without the key."""
        if self.sealed is not None:
            raise BodiesSealed(f"row {self.position} of {self.writer} is sealed: the key of that journal is needed")
        return {} if self.body is None else dict(json.loads(self.body))


COLUMNS = tuple(name for name in JournalRow.__slots__ if name != "sealed")


@dataclass(frozen=True, slots=True)
class KnownHead:
    """What somebody else knows about a writer: a receipt's head, or the stored row of journal_heads."""

    writer: str
    position: int
    head: str
    witness: str = "journal_heads"


@dataclass(frozen=True, slots=True)
class Break:
    """One place where the chain does not hold. `reason` is one of the constants below."""

    writer: str
    position: int
    reason: str
    detail: str = field(default="", compare=False)


HASH = "hash"  # the row's own hash does not follow from its columns
BODY = "body"  # the body is not the one that was hashed
PREV = "prev"  # the row does not continue the row before it
MISSING = "missing"  # a position is not there
DOUBLE = "double"  # a position is there twice
CUT = "cut"  # a witness knows a later position than the journal has
HEAD = "head"  # a witness saw another hash at this position
SIGNATURE = "signature"  # unsigned where signatures are demanded, or signed wrongly

SignatureCheck = Callable[[JournalRow], bool]


class Journal:
    """Appends to one writer's chain, inside the caller's transaction; with `bodies` they are sealed."""

    def __init__(
        self, tables: JournalTables, writer: str, key: KeyCustody | None = None, bodies: Bodies | None = None
    ) -> None:
        self.tables = tables
        self.writer = writer
        self._key = key
        self.bodies = bodies
        heads = tables.heads
        # Made once: SQLAlchemy spends more on making a statement than on running one that it knows.
        self._head = select(heads.c.position, heads.c.head).where(heads.c.writer == writer).with_for_update()
        moved = update(heads).where(heads.c.writer == writer)
        self._move = moved.values(position=bindparam("new_position"), head=bindparam("new_head"))
        self._insert = tables.rows.insert()

    async def append(self, conn: AsyncConnection, entries: Sequence[JournalEntry]) -> list[Link]:
        """Writes the entries in order and returns their links. The head row is locked until the caller's
        transaction ends, so two transactions of one writer cannot fork the chain, and all others of the service
        wait for this one: who needs no links writes by `note`."""
        noted = taken_back(conn, self._write)
        return (await self._write(conn, [*noted, *entries]))[len(noted) :]

    async def note(self, conn: AsyncConnection, entries: Sequence[JournalEntry]) -> None:
        """As `append`, but as the last thing before the commit: the head row is locked for the commit alone."""
        await before_commit(conn, self._write, entries)

    async def _write(self, conn: AsyncConnection, entries: Sequence[JournalEntry]) -> list[Link]:
        if not entries:
            return []
        position, head = await self._locked_head(conn)
        rows: list[JournalRow] = []
        for entry in entries:
            position += 1
            row = chain(entry, self.writer, position, head)
            head = row.hash
            rows.append(row if self._key is None else self._signed(row, self._key))
        await conn.execute(self._insert, [self._stored(row) for row in rows])
        await conn.execute(self._move, {"new_position": position, "new_head": head})
        return [Link(row.writer, row.position, row.hash) for row in rows]

    async def _locked_head(self, conn: AsyncConnection) -> tuple[int, str]:
        row = (await conn.execute(self._head)).one_or_none()
        if row is None:
            first = {"writer": self.writer, "position": 0, "head": GENESIS}
            await conn.execute(insert_ignore(self.tables.heads, [first], conn.dialect.name))
            row = (await conn.execute(self._head)).one()
        return row.position, row.head

    def _stored(self, row: JournalRow) -> dict[str, Any]:
        columns = _columns(row)
        if self.bodies is not None and row.body is not None:
            columns["body"] = self.bodies.seal(row.body, row.writer, row.position)
        return columns

    def _signed(self, row: JournalRow, key: KeyCustody) -> JournalRow:
        from egovkit.signatures.jws import sign_compact

        token = sign_compact(_signed_payload(row), key, SIGNATURE_TYP)
        return JournalRow(**{**_columns(row), "signature": token})


def chain(entry: JournalEntry, writer: str, position: int, prev: str) -> JournalRow:
    """The row an entry becomes at this place of the chain. Pure."""
    body = json.dumps(entry.body, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    row = JournalRow(
        writer=writer,
        position=position,
        prev=prev,
        hash="",
        body_sha256=_sha256(body),
        body=body,
        kind=entry.kind,
        time=entry.time.astimezone(UTC),
        case_id=entry.case_id,
    )
    return JournalRow(**{**_columns(row), "hash": row_hash(row)})


def hashed_text(row: JournalRow) -> str:
    """What is hashed of a row: its SHA-256 in UTF-8 is the row's hash (its stored `hash`, body and signature do not
    enter)."""
    time = row.time.astimezone(UTC).isoformat(timespec="microseconds")
    fields = [row.prev, row.writer, row.position, row.kind, time, row.case_id, row.body_sha256]
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def row_hash(row: JournalRow) -> str:
    """The hash that follows from the row's columns."""
    return _sha256(hashed_text(row))


def verify_rows(
    rows: Iterable[JournalRow],
    heads: Iterable[KnownHead] = (),
    check_signature: SignatureCheck | None = None,
) -> list[Break]:
    """Every break in the chains, in order of writer and position; empty = the journal holds. Pure.

    Without `heads` a cut tail or a writer removed whole cannot be seen: pass the rows of journal_heads, and the
    heads that other systems hold in receipts. The order in which rows are given does not matter.
    """
    by_writer: dict[str, list[JournalRow]] = defaultdict(list)
    for row in rows:
        by_writer[row.writer].append(row)
    known: dict[str, list[KnownHead]] = defaultdict(list)
    for head in heads:
        known[head.writer].append(head)
    breaks: list[Break] = []
    for writer in sorted(by_writer.keys() | known.keys()):
        chain_rows = sorted(by_writer[writer], key=lambda row: row.position)
        breaks += _verify_chain(writer, chain_rows, check_signature)
        breaks += _verify_heads(chain_rows, known[writer])
    return breaks


def _verify_chain(writer: str, rows: Sequence[JournalRow], check: SignatureCheck | None) -> list[Break]:
    breaks: list[Break] = []
    position, head = 0, GENESIS
    for row in rows:
        if row.position == position:
            breaks.append(Break(writer, row.position, DOUBLE))
            continue
        if row.position != position + 1:
            gap = f"positions {position + 1} to {row.position - 1} are missing"
            breaks.append(Break(writer, position + 1, MISSING, gap))
        elif row.prev != head:
            breaks.append(Break(writer, row.position, PREV, f"points to {row.prev[:12]}, not to {head[:12]}"))
        breaks += _verify_row(row, check)
        position, head = row.position, row.hash
    return breaks


def _verify_row(row: JournalRow, check: SignatureCheck | None) -> list[Break]:
    breaks = []
    if row.hash != row_hash(row):
        breaks.append(Break(row.writer, row.position, HASH))
    if row.body is not None and _sha256(row.body) != row.body_sha256:
        breaks.append(Break(row.writer, row.position, BODY))
    if check is not None and not check(row):
        breaks.append(Break(row.writer, row.position, SIGNATURE))
    return breaks


def _verify_heads(rows: Sequence[JournalRow], heads: Iterable[KnownHead]) -> list[Break]:
    hashes = {row.position: row.hash for row in rows}
    last = rows[-1].position if rows else 0
    breaks = []
    for known in heads:
        if known.position > last:
            detail = f"{known.witness} saw position {known.position}, the journal ends at {last}"
            breaks.append(Break(known.writer, known.position, CUT, detail))
        elif known.position > 0 and known.position in hashes and hashes[known.position] != known.head:
            breaks.append(Break(known.writer, known.position, HEAD, f"{known.witness} saw {known.head[:12]}"))
    return breaks


def signature_check(verify: Callable[[str], Mapping[str, Any]]) -> SignatureCheck:
    """A check for `verify_rows`. `verify` takes a compact JWS of typ `egov-journal+jws` and returns its payload, or
    raises (EgovError) when the signature is not good."""

    def check(row: JournalRow) -> bool:
        if row.signature is None:
            return False
        try:
            return dict(verify(row.signature)) == _signed_payload(row)
        except EgovError:
            return False

    return check


def row_of(stored: RowMapping, bodies: Bodies | None = None) -> JournalRow:
    """The one door by which rows come out of a database. Without `bodies` a sealed body stays sealed; one that they
    do not open comes out as an empty object, which cannot be what was hashed: BODY."""
    columns = dict(stored)
    body = columns["body"]
    if body is None or not is_sealed(body):
        return JournalRow(**columns)
    if bodies is None:
        return JournalRow(**{**columns, "body": None, "sealed": body})
    try:
        opened = bodies.open(body, columns["writer"], columns["position"], columns["body_sha256"])
    except EgovError:
        opened = "{}"
    return JournalRow(**{**columns, "body": opened})


async def read_rows(
    conn: AsyncConnection,
    tables: JournalTables,
    *,
    case_id: str | None = None,
    writer: str | None = None,
    bodies: Bodies | None = None,
) -> list[JournalRow]:
    """The rows of a case, of a writer, or all, by writer and position."""
    rows = tables.rows
    query = select(rows).order_by(rows.c.writer, rows.c.position)
    if case_id is not None:
        query = query.where(rows.c.case_id == case_id)
    if writer is not None:
        query = query.where(rows.c.writer == writer)
    return [row_of(row._mapping, bodies) for row in await conn.execute(query)]


async def read_heads(conn: AsyncConnection, tables: JournalTables) -> list[KnownHead]:
    """The heads this database knows of its own writers; the witnesses outside are the receipts."""
    heads = tables.heads
    return [KnownHead(row.writer, row.position, row.head) for row in await conn.execute(select(heads))]


def _signed_payload(row: JournalRow) -> dict[str, Any]:
    return {"writer": row.writer, "position": row.position, "hash": row.hash}


def _columns(row: JournalRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in COLUMNS}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
