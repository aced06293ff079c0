"""The law bent for tests of those who read it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from egovlaw.catalogue import Catalogue


def newer(law: Catalogue, code: str, **changes: Any) -> Catalogue:
    """The same law with another version of one act, the former one kept for running cases; `changes` with its name."""
    old = law.by_code[code]
    new = replace(old, version=old.version + 1, title_ru="Новая редакция", title_kk="Жаңа редакция", **changes)
    current = tuple(new if one is old else one for one in law.regulations)
    return replace(law, regulations=current, superseded=(*law.superseded, old))
