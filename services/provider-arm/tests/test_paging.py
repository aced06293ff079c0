"""Pages: where one ended the next begins, and nothing made up reaches a database."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, String, Table, select

from egovkit.db import UtcDateTime
from provider_arm.store.paging import CursorInvalid, Page, encode, paged

LIST = Table("list", MetaData(), Column("id", String), Column("at", UtcDateTime), Column("number", String))
SORTS: dict[str, Any] = {"at": LIST.c.at, "number": LIST.c.number}


def asked(sort: str, cursor: str) -> None:
    paged(select(LIST), Page(10, sort, cursor), SORTS, LIST.c.id)


def test_what_the_page_before_gave_is_taken() -> None:
    asked("-at", encode("-at", datetime(2026, 1, 15, tzinfo=UTC), "id"))
    asked("number", encode("number", "26000000001", "id"))


@pytest.mark.parametrize(
    ("sort", "text"),
    [
        ("at", '["at",{"t":"2026-01-15T04:00:00"},"id"]'),  # of no time zone
        ("at", '["at",{"s":"2026"},"id"]'),
        ("number", '["number",{"t":"2026-01-15T04:00:00+00:00"},"id"]'),
        ("number", r'["number",{"s":"\u0000"},"id"]'),
        ("number", r'["number",{"s":"\ud800"},"id"]'),
        ("number", r'["number",{"s":"1"},"\u0000"]'),
        ("number", '["number",["t"],"id"]'),
        ("number", '["at",{"s":"1"},"id"]'),
        ("number", "[" * 5000),
    ],
)
def test_what_no_page_gave_is_refused_before_a_database_sees_it(sort: str, text: str) -> None:
    with pytest.raises(CursorInvalid):
        asked(sort, base64.urlsafe_b64encode(text.encode()).decode().rstrip("="))
