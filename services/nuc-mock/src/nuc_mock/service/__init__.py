"""What the authority does: one public method per use, one transaction each."""

from nuc_mock.service.nuc import Nuc
from nuc_mock.service.wanted import Dates, Generation, Wanted

__all__ = ["Dates", "Generation", "Nuc", "Wanted"]
