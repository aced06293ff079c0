"""Runs the twin of НУЦ alone: `python -m nuc_mock`, settings from NUC_MOCK_*."""

from egovkit.clock import SystemClock
from egovkit.log import configure_logging
from egovkit.serving import serve
from nuc_mock.app import create_app
from nuc_mock.settings import Settings


def main() -> None:
    settings = Settings()
    configure_logging(SystemClock(), level=settings.log_level)
    serve(create_app(settings), settings)


if __name__ == "__main__":
    main()
