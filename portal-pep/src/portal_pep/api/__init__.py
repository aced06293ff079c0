"""HTTP in: parse, call a use case, render. One file per subject; `routers` is what the application includes."""

from egovkit.routes import Routes
from portal_pep.api import (
    accounts,
    cases,
    co_signatures,
    data_reads,
    events,
    notifications,
    queue_positions,
    services,
    signing,
    surveys,
    verify,
)

routers: tuple[Routes, ...] = (
    accounts.router,
    services.router,
    cases.router,
    events.router,
    signing.router,
    co_signatures.router,
    notifications.router,
    surveys.router,
    queue_positions.router,
    data_reads.router,
    verify.router,
    verify.page,
)
