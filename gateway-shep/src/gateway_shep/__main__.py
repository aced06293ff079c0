"""Runs ШЭП alone: `python -m gateway_shep`, settings from GATEWAY_SHEP_*."""

import uvicorn

from egovkit.clock import SystemClock
from egovkit.log import configure_logging
from gateway_shep.app import create_app
from gateway_shep.settings import Settings


def main() -> None:
    settings = Settings()
    configure_logging(SystemClock(), level=settings.log_level)
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port, log_config=None, access_log=False)


if __name__ == "__main__":
    main()
