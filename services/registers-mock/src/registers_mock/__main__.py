"""Runs this service alone: `python -m registers_mock`, settings from REGISTERS_MOCK_*."""

import uvicorn

from egovkit.clock import SystemClock
from egovkit.log import configure_logging
from registers_mock.app import create_app
from registers_mock.settings import Settings


def main() -> None:
    settings = Settings()
    configure_logging(SystemClock(), level=settings.log_level)
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port, log_config=None, access_log=False)


if __name__ == "__main__":
    main()
