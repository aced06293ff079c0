"""Runs this service alone: `python -m enis_mock`, settings from ENIS_MOCK_*."""

from egovkit.clock import SystemClock
from egovkit.log import configure_logging
from egovkit.serving import serve
from enis_mock.app import create_app
from enis_mock.settings import Settings


def main() -> None:
    settings = Settings()
    configure_logging(SystemClock(), level=settings.log_level)
    serve(create_app(settings), settings)


if __name__ == "__main__":
    main()
