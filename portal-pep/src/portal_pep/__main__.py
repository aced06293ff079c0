"""Runs the portal alone: `python -m portal_pep`, configured by PORTAL_PEP_* (see README.md)."""

from __future__ import annotations

from egovkit.clock import SystemClock
from egovkit.log import configure_logging
from egovkit.serving import serve
from portal_pep.app import create_app
from portal_pep.settings import PortalPepSettings


def main() -> None:
    settings = PortalPepSettings()
    configure_logging(SystemClock(), level=settings.log_level)
    serve(
        create_app(settings),
        settings,
        proxy_headers=True,
        timeout_graceful_shutdown=5,  # a stream of events would not end by itself
    )


if __name__ == "__main__":
    main()
