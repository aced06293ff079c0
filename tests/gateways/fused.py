"""A gateway with a fuse: `fused.py gateway_shep FILE` runs it; it kills itself (kill -9) at the boundary FILE names.

The file is removed just before the death, so the process that is started next lives on.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from pathlib import Path

import uvicorn

from egovkit.clock import SystemClock
from egovkit.log import configure_logging


def main(package: str, fuse: Path) -> None:
    def checkpoint(boundary: str) -> None:
        try:
            if fuse.read_text() != boundary:
                return
            fuse.unlink()  # of two processes that get here together one dies, as in life
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    settings = importlib.import_module(f"{package}.settings").Settings()
    configure_logging(SystemClock(), level="warning")
    app = importlib.import_module(f"{package}.app").create_app(settings, checkpoint=checkpoint)
    uvicorn.run(app, host=settings.host, port=settings.port, log_config=None, access_log=False)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
