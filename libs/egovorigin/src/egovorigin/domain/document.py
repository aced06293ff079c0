"""Documents as data: made once as bytes, then signed, stored and forwarded as those; read for the page alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any


def document_bytes(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def read_document(document: bytes) -> dict[str, Any] | None:
    """A document of the provider as data for the page; None when it is not one JSON object."""
    try:
        body = json.loads(document)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def reasons_in(content: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The reasons of a signed refusal, which stand in the document alone."""
    said = (content or {}).get("reasons")
    return [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []


def day_of(content: Mapping[str, Any] | None, name: str) -> date | None:
    """A day the provider's document names; None when it names none that is one."""
    value = (content or {}).get(name)
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def stamp(moment: datetime) -> str:
    """RFC 3339 with milliseconds and Z, as in envelopes."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
