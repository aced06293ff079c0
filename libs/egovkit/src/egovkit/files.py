"""What may be attached to an application. The limits are those of the contract (case.submitted: attachment)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from egovkit.errors import EgovError

MAX_FILE: Final = 10 * 1024 * 1024  # bytes; contracts/messages/case.submitted.schema.json says the same
MAX_CASE: Final = 50 * 1024 * 1024  # bytes of all files of one application
MAX_FILES: Final = 50  # the contract's maxItems
MAX_NAME: Final = 255

# The type is what the bytes are, not what the sender calls them.
MAGIC: Final = {
    "application/pdf": b"%PDF-",
    "image/jpeg": b"\xff\xd8\xff",
    "image/png": b"\x89PNG\r\n\x1a\n",
}


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str
    type: str
    size: int  # bytes
    sha256: str  # hex

    def as_data(self) -> dict[str, Any]:
        return {"name": self.name, "type": self.type, "size": self.size, "sha256": self.sha256}


def describe(name: str, media_type: str, content: bytes) -> Attachment:
    """The facts of an uploaded file. It is hashed: for a thread. EgovError attachment.name_invalid, .type_not_allowed,
    .too_large (or empty), .not_what_it_says."""
    if _leads_somewhere(name):
        raise EgovError("attachment.name_invalid")
    if (code := _problem(media_type, content)) is not None:
        told, size = media_type[:100] or "-", len(content)
        raise EgovError(code, name=name, type=told, allowed=sorted(MAGIC), size=size, limit=MAX_FILE)
    return Attachment(name, media_type, len(content), hashlib.sha256(content).hexdigest())


def _leads_somewhere(name: str) -> bool:
    """A name is shown to officials and may become a file name: no path, no control characters, not hidden."""
    return (
        not 1 <= len(name) <= MAX_NAME
        or name != name.strip()
        or name.startswith(".")
        or any(character in '/\\:*?"<>|' or not character.isprintable() for character in name)
    )


def _problem(media_type: str, content: bytes) -> str | None:
    if media_type not in MAGIC:
        return "attachment.type_not_allowed"
    if not 0 < len(content) <= MAX_FILE:
        return "attachment.too_large"
    return None if content.startswith(MAGIC[media_type]) else "attachment.not_what_it_says"


def require_room(others: Iterable[Attachment], new: Attachment) -> None:
    """For the file beside the application's other ones, of which one of its name is replaced. EgovError
    attachment.too_many, .case_full."""
    kept = [one for one in others if one.name != new.name]
    if len(kept) >= MAX_FILES:
        raise EgovError("attachment.too_many", name=new.name, limit=MAX_FILES)
    if sum(one.size for one in kept) + new.size > MAX_CASE:
        raise EgovError("attachment.case_full", name=new.name, limit=MAX_CASE)
