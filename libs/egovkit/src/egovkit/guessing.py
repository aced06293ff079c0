"""How guessing a password is slowed down, whoever's it is."""

from __future__ import annotations

from typing import Final

FREE_ATTEMPTS: Final = 5  # a person mistypes; a machine needs thousands
FIRST_WAIT_S: Final = 30
LONGEST_WAIT_S: Final = 900  # long enough to stop guessing, short enough to come back for


def login_wait(failures: int) -> int:
    """Seconds to wait after so many failures in a row of one person from one address (E5: never by the person alone, or
    anyone could lock him out)."""
    if failures < FREE_ATTEMPTS:
        return 0
    return int(min(FIRST_WAIT_S * 2 ** min(failures - FREE_ATTEMPTS, 16), LONGEST_WAIT_S))
