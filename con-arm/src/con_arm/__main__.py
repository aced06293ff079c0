"""Runs this service alone: `python -m con_arm`, settings from CON_ARM_*."""

from con_arm.app import create_app
from con_arm.settings import Settings
from egovkit.clock import SystemClock
from egovkit.log import configure_logging
from egovkit.serving import serve


def main() -> None:
    settings = Settings()
    configure_logging(SystemClock(), level=settings.log_level)
    serve(create_app(settings), settings)


if __name__ == "__main__":
    main()
