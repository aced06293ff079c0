"""What the use cases work with, put together once by the application."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from con_arm.domain.people import Operator
from con_arm.domain.states import CaseState, after
from con_arm.domain.steps import CentreFlow, centre_flow
from con_arm.settings import Settings
from con_arm.store.cases import Case
from egovkit.errors import EgovError
from egovlaw.calendar import WorkCalendar
from egovlaw.catalogue import Regulation
from egovorigin.origin import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Centre(Origin[Case, CentreFlow]):
    settings: Settings
    calendar: WorkCalendar

    def flow_of(self, regulation: Regulation) -> CentreFlow | None:
        return centre_flow(regulation)

    def not_given(self, code: str) -> EgovError:
        return EgovError("service.not_at_centre", regulation=code)

    def after(self, state: StrEnum, event: StrEnum) -> StrEnum | None:
        return after(CaseState(state), event)

    def require_region(self, operator: Operator, regulation: Regulation) -> None:
        """A centre of one region serves by the acts of that region."""
        if operator.region not in (None, regulation.region):
            raise EgovError("service.of_another_region", region=regulation.region, own=operator.region)
