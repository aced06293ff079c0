"""Cursors at the edge: a bad one is the caller's mistake, told as a problem."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from egovkit.errors import EgovError, FieldError
from provider_arm.store.paging import CursorInvalid, Page


@contextmanager
def page_of(limit: int, sort: str, cursor: str | None) -> Iterator[Page]:
    """A page to ask the service for; EgovError("request.invalid") when its cursor is not of this list and order."""
    try:
        yield Page(limit, sort, cursor)
    except CursorInvalid:
        error = FieldError("query.cursor", "wrong_form", "take `next` of the page before, with the same sort")
        raise EgovError("request.invalid", errors=[error]) from None
