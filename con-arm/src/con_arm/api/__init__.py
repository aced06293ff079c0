"""HTTP in: parse, call a use case, render. One file per subject; `routers` is what the application includes."""

from con_arm.api import cases, counter, couriers, ending, intakes, operators, queries, services, signing
from egovkit.routes import Routes

routers: tuple[Routes, ...] = (
    operators.admin,
    operators.sessions,
    services.router,
    counter.router,
    cases.router,
    queries.router,
    signing.router,
    ending.router,
    intakes.router,
    couriers.router,
)
