"""Runs this service alone: `python -m enis_mock`, settings from ENIS_MOCK_*."""

import uvicorn

from egovkit.clock import SystemClock
from egovkit.log import configure_logging
from enis_mock.app import create_app
from enis_mock.settings import Settings


def main() -> None:
    settings = Settings()
    configure_logging(SystemClock(), level=settings.log_level)
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port, log_config=None, access_log=False)


if __name__ == "__main__":
    main()
