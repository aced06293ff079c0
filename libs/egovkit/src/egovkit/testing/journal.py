"""The journal in tests: one known key, so that a test may read what its service sealed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from egovkit.journal_bodies import Bodies

if TYPE_CHECKING:
    from egovkit.settings import ServiceSettings

__all__ = ["BODIES", "NEVER", "give_journal_key"]

KEY = "cd" * 32
BODIES = Bodies(bytes.fromhex(KEY))
NEVER = 1e9  # seconds between stamps: a hand-moved clock would stop at every round of a year


def give_journal_key(settings: ServiceSettings | Path, code: str = "") -> dict[str, Any]:
    """Writes the key where the settings look for it, or into a folder's `secrets`; the settings that name it and keep
    the stamper still."""
    path = settings / "secrets" / f"{code}.journal" if isinstance(settings, Path) else settings.journal_key_file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(KEY)
    return {"journal_key_file": path, "stamp_every_s": NEVER}
