"""Runs РШЭП alone: `python -m regional_gateway_rshep`, settings from REGIONAL_GATEWAY_RSHEP_*."""

import uvicorn

from egovkit.clock import SystemClock
from egovkit.log import configure_logging
from regional_gateway_rshep.app import create_app
from regional_gateway_rshep.settings import Settings


def main() -> None:
    settings = Settings()
    configure_logging(SystemClock(), level=settings.log_level)
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port, log_config=None, access_log=False)


if __name__ == "__main__":
    main()
