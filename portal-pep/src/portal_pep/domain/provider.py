"""The act's provider as the catalogue tells of it."""

from __future__ import annotations

from egovlaw.catalogue import Regulation


def is_named(regulation: Regulation) -> bool:
    """Whether the catalogue tells this provider from the region's other ones."""
    return "provider" in regulation.settings
