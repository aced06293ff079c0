"""Runs this service alone: `python -m con_arm`, settings from CON_ARM_*."""

import uvicorn

from con_arm.app import create_app
from con_arm.settings import Settings
from egovkit.clock import SystemClock
from egovkit.log import configure_logging


def main() -> None:
    settings = Settings()
    configure_logging(SystemClock(), level=settings.log_level)
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port, log_config=None, access_log=False)


if __name__ == "__main__":
    main()
