"""What may be scanned into an application. The limits are those of the contract (case.submitted: attachment)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final

MAX_FILE: Final = 10 * 1024 * 1024  # bytes; contracts/messages/case.submitted.schema.json says the same
MAX_CASE: Final = 50 * 1024 * 1024  # bytes of all scans of one application
MAX_FILES: Final = 50  # the contract's maxItems
MAX_NAME: Final = 255

# The type is what the bytes are, not what the scanner calls them.
MAGIC: Final = {
    "application/pdf": b"%PDF-",
    "image/jpeg": b"\xff\xd8\xff",
    "image/png": b"\x89PNG\r\n\x1a\n",
}


@dataclass(frozen=True, slots=True)
class Scan:
    name: str
    type: str
    size: int  # bytes
    sha256: str  # hex

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


def name_problem(name: str) -> bool:
    """A name is shown and may become a file name: no path, no control characters, not hidden."""
    return (
        not 1 <= len(name) <= MAX_NAME
        or name != name.strip()
        or name.startswith(".")
        or any(character in '/\\:*?"<>|' or not character.isprintable() for character in name)
    )


def content_problem(media_type: str, content: bytes) -> str | None:
    """The code of what is wrong with the scan by itself; None when nothing is."""
    if media_type not in MAGIC:
        return "attachment.type_not_allowed"
    if not 0 < len(content) <= MAX_FILE:
        return "attachment.too_large"  # or empty: the code is for both
    return None if content.startswith(MAGIC[media_type]) else "attachment.not_what_it_says"


def case_problem(others: Iterable[Scan], new: Scan) -> tuple[str, int] | None:
    """Code and limit of what is wrong with adding the scan to the others (one of its name is replaced)."""
    kept = [one for one in others if one.name != new.name]
    if len(kept) >= MAX_FILES:
        return "attachment.too_many", MAX_FILES
    if sum(one.size for one in kept) + new.size > MAX_CASE:
        return "attachment.case_full", MAX_CASE
    return None
