"""HTTP in: parse, call a use case, render. One file per subject; `routers` is what the application includes."""

from fastapi import APIRouter

from con_arm.api import cases, counter, couriers, ending, intakes, operators, queries, services, signing

routers: tuple[APIRouter, ...] = (
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
