"""Who receives an application, found in the catalogue and the member list; no code is written down here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from egovlaw.catalogue import Regulation

PROVIDER_KIND: Final = "provider"


class MemberLike(Protocol):
    """What choosing needs of a participant; `egovkit.membership.Member` fits."""

    @property
    def code(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def regions(self) -> tuple[str, ...]: ...
    @property
    def services(self) -> tuple[str, ...]: ...
    @property
    def is_active(self) -> bool: ...
    def serves(self, regulation: str) -> bool: ...


def receiving_system(members: Iterable[MemberLike], regulation: str, region: str) -> str | None:
    """The provider's system that serves this regulation in this region: one that names the service goes before one
    that takes them all, and the choice among equals is by code, so that it is the same every time."""
    fitting = [
        one
        for one in members
        if one.kind == PROVIDER_KIND and one.is_active and region in one.regions and one.serves(regulation)
    ]
    fitting.sort(key=lambda one: (regulation not in one.services, one.code))
    return fitting[0].code if fitting else None


def provider_code(regulation: Regulation) -> str:
    """The code of the act's provider within its region: a setting of the catalogue entry. Where it sets none the code
    of the region stands for all its bodies: who of them serves a place was in the address annexes, now lost (E7)."""
    setting = regulation.settings.get("provider")
    return str(setting.value) if setting is not None and setting.value else regulation.region
