"""Runs ШЭП alone: `python -m gateway_shep`, settings from GATEWAY_SHEP_*."""

from egovkit.clock import SystemClock
from egovkit.log import configure_logging
from egovkit.serving import serve
from gateway_shep.app import create_app
from gateway_shep.settings import Settings


def main() -> None:
    settings = Settings()
    configure_logging(SystemClock(), level=settings.log_level)
    serve(create_app(settings), settings)


if __name__ == "__main__":
    main()
