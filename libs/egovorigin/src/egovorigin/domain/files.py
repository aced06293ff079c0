"""What may be attached to an application. The limits are those of the contract (case.submitted: attachment)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MAX_FILE: Final = 10 * 1024 * 1024  # bytes; contracts/messages/case.submitted.schema.json says the same
MAX_CASE: Final = 50 * 1024 * 1024  # bytes of all copies of one application
MAX_FILES: Final = 50  # the contract's maxItems
MAX_NAME: Final = 255

# The type is what the bytes are, not what the sender calls them.
MAGIC: Final = {
    "application/pdf": (b"%PDF-",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
}


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str
    type: str
    size: int  # bytes
    sha256: str  # hex

    def as_data(self) -> dict[str, str | int]:
        return {"name": self.name, "type": self.type, "size": self.size, "sha256": self.sha256}


def describe(name: str, media_type: str, content: bytes) -> Attachment:
    return Attachment(name, media_type, len(content), hashlib.sha256(content).hexdigest())


def name_problem(name: str) -> bool:
    """A name is shown to officials and may become a file name: no path, no control characters, not hidden."""
    return (
        not 1 <= len(name) <= MAX_NAME
        or name != name.strip()
        or name.startswith(".")
        or any(character in '/\\:*?"<>|' or not character.isprintable() for character in name)
    )


def content_problem(media_type: str, content: bytes) -> str | None:
    """The code of what is wrong with the file by itself; None when nothing is."""
    if media_type not in MAGIC:
        return "attachment.type_not_allowed"
    if not 0 < len(content) <= MAX_FILE:
        return "attachment.too_large"  # or empty: the code is for both
    if not content.startswith(MAGIC[media_type]):
        return "attachment.not_what_it_says"
    return None


def case_problem(others: Iterable[Attachment], new: Attachment) -> str | None:
    """The code of what is wrong with adding the file to the case's other ones (a file of its name is replaced)."""
    kept = [one for one in others if one.name != new.name]
    if len(kept) >= MAX_FILES:
        return "attachment.too_many"
    if sum(one.size for one in kept) + new.size > MAX_CASE:
        return "attachment.case_full"
    return None
