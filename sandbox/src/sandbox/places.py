"""Where a service's journal lies, and the key that opens its bodies: for whoever reads it from behind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from egovkit.journal_bodies import Bodies

__all__ = ["Place"]


@dataclass(frozen=True, slots=True)
class Place:
    """`url` of the database. `key`: where the journal's key lies; whoever has none reads rows with sealed bodies."""

    url: str
    key: Path | None = None

    def bodies(self) -> Bodies | None:
        """OSError, ValueError for a file that can't be read or holds no keys."""
        from egovkit.journal_bodies import Bodies

        return None if self.key is None or not self.key.exists() else Bodies.of_file(self.key)
