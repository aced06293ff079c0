"""Where a service's journal lies, and the key that opens its bodies: for whoever reads it from behind."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from egovkit.journal_bodies import Bodies
    from sandbox.composition import Home

__all__ = ["Place", "note_of", "noted", "trust_postgres"]


@dataclass(frozen=True, slots=True)
class Place:
    """`url` of the database. `key`: where the journal's key lies; whoever has none reads rows with sealed bodies."""

    url: str
    key: Path | None = None

    def bodies(self) -> Bodies | None:
        """OSError, ValueError for a file that can't be read or holds no keys."""
        from egovkit.journal_bodies import Bodies

        return None if self.key is None or not self.key.exists() else Bodies.of_file(self.key)


def noted(journals: Mapping[str, Mapping[str, Any]]) -> dict[str, Place]:
    """As a running deployment notes them down in its home."""
    return {code: Place(one["url"], Path(one["key"])) for code, one in journals.items()}


def note_of(home: Home) -> dict[str, Any] | None:
    """What the deployment that runs on this home has noted down; None when none does."""
    from sandbox.world import NOTE

    try:
        found: dict[str, Any] = json.loads((home.path / NOTE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found


def trust_postgres(home: Home) -> None:
    """asyncpg takes whom to trust from the environment alone: the home's root, unless somebody has said."""
    if home.tls_root.exists():
        os.environ.setdefault("PGSSLROOTCERT", str(home.tls_root))
