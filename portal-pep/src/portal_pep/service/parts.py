"""What the use cases work with, put together once by the application."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from egovkit.errors import EgovError
from egovlaw.catalogue import Regulation
from egovorigin.origin import Origin, Turn
from portal_pep.domain.states import CaseState, after
from portal_pep.domain.steps import PortalFlow, portal_flow
from portal_pep.service.notices import tell
from portal_pep.settings import PortalPepSettings
from portal_pep.store.cases import Case


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal(Origin[Case, PortalFlow]):
    settings: PortalPepSettings

    def flow_of(self, regulation: Regulation) -> PortalFlow | None:
        return portal_flow(regulation)

    def not_given(self, code: str) -> EgovError:
        return EgovError("service.not_found", regulation=code)

    def after(self, state: StrEnum, event: StrEnum) -> StrEnum | None:
        return after(CaseState(state), event)

    async def heard(self, turn: Turn[Case], now: Case, *, applied: bool) -> None:
        await tell(self, turn, now, applied=applied)
