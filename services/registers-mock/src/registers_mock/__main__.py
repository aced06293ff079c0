"""Runs this service alone: `python -m registers_mock`, settings from REGISTERS_MOCK_*."""

from egovkit.clock import SystemClock
from egovkit.log import configure_logging
from egovkit.serving import serve
from registers_mock.app import create_app
from registers_mock.settings import Settings


def main() -> None:
    settings = Settings()
    configure_logging(SystemClock(), level=settings.log_level)
    serve(create_app(settings), settings)


if __name__ == "__main__":
    main()
