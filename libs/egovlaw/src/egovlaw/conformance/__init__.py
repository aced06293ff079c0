"""Was a case handled as its act says? Judged from the journals alone, by code that shares nothing with the engine."""

from egovlaw.conformance.checking import check_case
from egovlaw.conformance.events import Parties
from egovlaw.conformance.report import CaseReport, Deviation, Measured, Turned

__all__ = ["CaseReport", "Deviation", "Measured", "Parties", "Turned", "check_case"]
