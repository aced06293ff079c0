"""Runs РШЭП alone: `python -m regional_gateway_rshep`, settings from REGIONAL_GATEWAY_RSHEP_*."""

from egovkit.clock import SystemClock
from egovkit.log import configure_logging
from egovkit.serving import serve
from regional_gateway_rshep.app import create_app
from regional_gateway_rshep.settings import Settings


def main() -> None:
    settings = Settings()
    configure_logging(SystemClock(), level=settings.log_level)
    serve(create_app(settings), settings)


if __name__ == "__main__":
    main()
