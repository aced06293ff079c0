"""Runs the workstation alone: `python -m provider_arm`, settings from PROVIDER_ARM_*."""

import uvicorn

from egovkit.clock import SystemClock
from egovkit.log import configure_logging
from provider_arm.app import create_app
from provider_arm.settings import Settings


def main() -> None:
    settings = Settings()
    configure_logging(SystemClock(), level=settings.log_level)
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port, log_config=None, access_log=False)


if __name__ == "__main__":
    main()
