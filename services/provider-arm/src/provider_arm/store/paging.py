"""Keyset pages: stable under inserts, and as quick on page 1000 as on page 1."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_

from egovkit import strictjson
from egovkit.db import UtcDateTime


class CursorInvalid(ValueError):
    """The cursor was not given by this list, or by this list in another order."""


@dataclass(frozen=True, slots=True)
class Page:
    """A wish for one page. `sort` is a name of the list's own table of sorts, `-name` turns it round."""

    limit: int
    sort: str
    cursor: str | None = None

    @property
    def column(self) -> str:
        return self.sort.removeprefix("-")

    @property
    def descending(self) -> bool:
        return self.sort.startswith("-")


def paged(
    query: Select[Any], page: Page, sorts: Mapping[str, ColumnElement[Any]], key: ColumnElement[str]
) -> Select[Any]:
    """One row more than asked for: its presence says that there is a next page."""
    column = sorts[page.column]
    if page.cursor is not None:
        value, last = _decode(page.cursor, page.sort)
        if isinstance(value, datetime) is not isinstance(column.type, UtcDateTime):
            raise CursorInvalid(page.cursor)
        past = (column < value) if page.descending else (column > value)
        past_key = (key < last) if page.descending else (key > last)
        query = query.where(or_(past, and_(column == value, past_key)))
    if page.descending:
        return query.order_by(column.desc(), key.desc()).limit(page.limit + 1)
    return query.order_by(column, key).limit(page.limit + 1)


def encode(sort: str, value: datetime | str, key: str) -> str:
    shown = {"t": value.isoformat()} if isinstance(value, datetime) else {"s": value}
    text = json.dumps([sort, shown, key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str, sort: str) -> tuple[datetime | str, str]:
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        made_for, shown, key = strictjson.loads(raw)
        if made_for != sort or not isinstance(key, str):
            raise CursorInvalid(cursor)
        if "t" in shown:
            return _moment(shown["t"]), key
        value = shown["s"]
    except (binascii.Error, ValueError, TypeError, KeyError) as error:
        raise CursorInvalid(cursor) from error
    if not isinstance(value, str):
        raise CursorInvalid(cursor)
    return value, key


def _moment(text: str) -> datetime:
    """ValueError when it is of no time zone."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("of no time zone")
    return found
