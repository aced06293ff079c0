"""Where a process keeps its exchanges: an SQLite file that is opened for each batch and each question, so that nothing
of it has to be started or closed. Blocking: called in a thread.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

VERSION = 1
_TABLE = """CREATE TABLE exchanges (
    id TEXT PRIMARY KEY, bytes INTEGER NOT NULL, at TEXT NOT NULL, medium TEXT NOT NULL, direction TEXT NOT NULL,
    code TEXT, refused INTEGER NOT NULL, facts TEXT NOT NULL, request BLOB, response BLOB
)"""
_ANEW = (
    "DROP TABLE IF EXISTS exchanges",
    _TABLE,
    "CREATE INDEX sizes ON exchanges (id, bytes)",
    f"PRAGMA user_version = {VERSION}",
)
_COLUMNS = "id, facts, request, response"
# A case or a message is named by what is signed, by an address, or by what a call says or is answered.
_NAMED = "(instr(facts, :{0}) OR instr(request, CAST(:{0} AS BLOB)) OR instr(response, CAST(:{0} AS BLOB)))"


@dataclass(frozen=True, slots=True)
class Row:
    """One exchange. `facts` is what a list shows of it and the headers; the bodies are apart and exact."""

    id: str
    facts: dict[str, Any]
    request: bytes | None = None
    response: bytes | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """Which exchanges are looked for; all that is given has to fit."""

    medium: str | None = None
    direction: str | None = None
    case: str | None = None
    message: str | None = None
    code: str | None = None
    refused: bool | None = None
    text: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    cursor: str | None = None
    oldest_first: bool = False
    limit: int = 50


class ExchangeStore:
    """At most `most_rows` rows of together `most_bytes` bytes; the oldest go."""

    def __init__(self, path: Path, most_rows: int, most_bytes: int) -> None:
        self.path = path
        self.most_rows = most_rows
        self.most_bytes = most_bytes

    def add(self, rows: Sequence[Row]) -> None:
        with self._open() as db:
            db.executemany("INSERT INTO exchanges VALUES (?,?,?,?,?,?,?,?,?,?)", map(_values, rows))
            self._keep_bounds(db)

    def find(self, wish: Wish) -> list[Row]:
        """One more than the limit when there are more."""
        where, values = _where(wish)
        order = "ASC" if wish.oldest_first else "DESC"
        query = f"SELECT {_COLUMNS} FROM exchanges WHERE {where} ORDER BY id {order} LIMIT :most"  # noqa: S608 - ours
        with self._open() as db:
            db.create_function("holds", 1, _holds(wish.text or ""), deterministic=True)
            found = db.execute(query, {**values, "most": wish.limit + 1}).fetchall()
        return [_row(one) for one in found]

    def get(self, id_: str) -> Row | None:
        with self._open() as db:
            found = db.execute(f"SELECT {_COLUMNS} FROM exchanges WHERE id = ?", (id_,)).fetchone()  # noqa: S608
        return None if found is None else _row(found)

    def clear(self) -> int:
        with self._open() as db:
            return db.execute("DELETE FROM exchanges").rowcount

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=5)) as db, db:
            db.execute("PRAGMA synchronous = OFF")  # what a crash of the machine takes is no loss to anybody
            if _version(db) != VERSION:
                self._make(db)
            yield db

    def _make(self, db: sqlite3.Connection) -> None:
        """A writer and a reader may both find a new file: who comes second finds the table and leaves it."""
        db.execute("BEGIN IMMEDIATE")
        if _version(db) != VERSION:
            for statement in _ANEW:
                db.execute(statement)
        db.commit()

    def _keep_bounds(self, db: sqlite3.Connection) -> None:
        rows, size = db.execute("SELECT count(*), coalesce(sum(bytes), 0) FROM exchanges").fetchone()
        if rows <= self.most_rows and size <= self.most_bytes:
            return
        # A tenth more than needed, so that not every batch has to.
        rows_left, bytes_left = self.most_rows * 9 // 10, self.most_bytes * 9 // 10
        last = None
        for id_, one in db.execute("SELECT id, bytes FROM exchanges ORDER BY id"):
            if rows <= rows_left and size <= bytes_left:
                break
            rows, size, last = rows - 1, size - one, id_
        db.execute("DELETE FROM exchanges WHERE id <= ?", (last,))


def _version(db: sqlite3.Connection) -> int:
    found: int = db.execute("PRAGMA user_version").fetchone()[0]
    return found


def _values(row: Row) -> tuple[Any, ...]:
    facts = row.facts
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    size = len(text) + len(row.request or b"") + len(row.response or b"")
    told = (facts["at"], facts["medium"], facts["direction"], facts.get("code"), bool(facts.get("refused")))
    return (row.id, size, *told, text, row.request, row.response)


def _row(found: tuple[str, str, bytes | None, bytes | None]) -> Row:
    id_, facts, request, response = found
    return Row(id_, json.loads(facts), request, response)


def _where(wish: Wish) -> tuple[str, dict[str, Any]]:
    values: dict[str, Any] = {"medium": wish.medium, "direction": wish.direction, "code": wish.code}
    parts = [f"{name} = :{name}" for name, value in values.items() if value is not None]
    for name in ("case", "message"):
        if (value := getattr(wish, name)) is not None:
            values[name] = value
            parts.append(_NAMED.format(name))
    if wish.refused is not None:
        values["refused"] = wish.refused
        parts.append("refused = :refused")
    if wish.text:
        parts.append("(holds(facts) OR holds(request) OR holds(response))")
    for name, sign in (("since", ">="), ("until", "<")):
        if (moment := getattr(wish, name)) is not None:
            values[name] = moment_text(moment)
            parts.append(f"at {sign} :{name}")
    if wish.cursor is not None:
        values["cursor"] = wish.cursor
        parts.append(f"id {'>' if wish.oldest_first else '<'} :cursor")
    return " AND ".join(parts) or "1", values


def _holds(text: str) -> Callable[[str | bytes | None], bool]:
    """SQLite's own comparison knows no small Cyrillic letters."""
    wanted = text.casefold()

    def holds(value: str | bytes | None) -> bool:
        if isinstance(value, bytes):
            value = value.decode(errors="ignore")
        return value is not None and wanted in value.casefold()

    return holds


def moment_text(moment: datetime) -> str:
    """Fixed width, so that texts sort as times do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
