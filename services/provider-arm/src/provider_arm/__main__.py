"""Runs the workstation alone: `python -m provider_arm`, settings from PROVIDER_ARM_*."""

from egovkit.clock import SystemClock
from egovkit.log import configure_logging
from egovkit.serving import serve
from provider_arm.app import create_app
from provider_arm.settings import Settings


def main() -> None:
    settings = Settings()
    configure_logging(SystemClock(), level=settings.log_level)
    serve(create_app(settings), settings)


if __name__ == "__main__":
    main()
