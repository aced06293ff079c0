"""Files that hold a secret: keys and passwords are read only where nobody else could have read them.

The rule is PostgreSQL's for its own key file: a file of ours is for us alone (0600 or less); a file of root may be
readable by a group (0640 or less), which is how Docker and Kubernetes hand secrets to a process; anybody else's file is
refused, since its owner may change it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from egovkit.errors import EgovError

OPEN_TO_OTHERS = "custody.open_to_others"
OF_ANOTHER_OWNER = "custody.of_another_owner"

ROOT = 0
_OURS_FORBIDS = 0o077  # whatever group or others may do
_ROOTS_FORBIDS = 0o037  # a group may read


def read_private(path: Path) -> bytes:
    """The content of a file that is private.

    OSError when it cannot be read; EgovError("custody.open_to_others") or ("custody.of_another_owner") when it is not
    ours alone. What is judged is the open file, not its name: the two may part between two calls.
    """
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        code = fault_of(found.st_mode, found.st_uid, os.geteuid())
        if code is not None:
            raise EgovError(code, path=str(path), mode=f"{stat.S_IMODE(found.st_mode):04o}", owner=found.st_uid)
        return file.read()


def fault_of(mode: int, owner: int, us: int) -> str | None:
    """The code of what is wrong with the rights of a file, or None. Pure."""
    if owner not in (us, ROOT):
        return OF_ANOTHER_OWNER
    return OPEN_TO_OTHERS if mode & (_ROOTS_FORBIDS if owner == ROOT else _OURS_FORBIDS) else None
