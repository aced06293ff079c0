"""An address: does anybody answer, is it ours, of our contracts, in time, ready, and is the way through it open?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from egovkit.clock import Clock
from egovkit.contracts import contracts_dir, contracts_version
from egovkit.errors import EgovError
from egovkit.sandbox.door import PATH
from sandbox.composition import BY_CODE, SHEP
from sandbox.doctor.known import Known
from sandbox.doctor.report import Report
from sandbox.doctor.signing import SOON

SKEW = timedelta(seconds=3)  # the gateways allow two; the header has whole seconds
_WAITING = re.compile(r"^egov_dead_letters_waiting(?:\{[^}]*\})? ([0-9.e+]+)$", re.M)


def services_of(url: str) -> list[str]:
    """The address itself, or the services of a host on compose's ports when it names no port."""
    parts = urlsplit(url)
    base = f"{parts.scheme}://{parts.netloc}"
    return [base] if parts.port is not None else [f"{base}:{service.port}" for service in BY_CODE.values()]


async def check_address(http: httpx.AsyncClient, url: str, clock: Clock, known: Known, report: Report) -> None:
    live = await _ask(http, f"{url}/health/live", report)
    if live is None:
        report.what = "nobody answers"
        return
    service = _json(live).get("service")
    if not live.is_success or service not in BY_CODE:
        report.what = "a stranger"
        report.find(EgovError("doctor.not_of_the_bus", url=url, found=live.status_code), "/health/live")
        return
    report.what = f"{service} of the bus"
    _check_clock(live, url, clock, report)
    await _check_sandbox(http, url, report)
    for path, check in (("/health/ready", _ready), ("/health/path", _path)):
        if (answered := await _ask(http, url + path, report)) is not None:
            check(answered, url, report)
    if service == SHEP:
        await _check_letters(http, url, report)
        check_members(known, report)


async def _ask(http: httpx.AsyncClient, url: str, report: Report) -> httpx.Response | None:
    try:
        return await http.get(url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        report.find(EgovError("doctor.not_reachable", url=url, technical=type(error).__name__))
        return None


def _json(response: httpx.Response) -> Mapping[str, Any]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _check_clock(response: httpx.Response, url: str, clock: Clock, report: Report) -> None:
    """The machine's clocks; how far a sandbox's own clock was moved is `egov clock show`."""
    try:
        theirs = parsedate_to_datetime(response.headers["date"]).astimezone(UTC)
    except (KeyError, ValueError):
        report.notes.append("it tells no time (no Date header)")
        return
    apart = theirs - clock.now()
    if not -SKEW <= apart <= SKEW:
        report.find(EgovError("doctor.clock_differs", url=url, seconds=round(apart.total_seconds())), "Date")


async def _check_sandbox(http: httpx.AsyncClient, url: str, report: Report) -> None:
    answered = await _ask(http, url + PATH, report)
    if answered is None:
        return
    found = _json(answered).get("contracts")
    if found is None:
        report.notes.append("no sandbox: clock, faults and log are not offered")
    elif found != (ours := contracts_version(contracts_dir())):
        report.find(EgovError("doctor.other_contracts", url=url, found=found, expected=ours), PATH)
    else:
        report.notes.append(f"a sandbox, contracts {found}")


def _ready(answered: httpx.Response, url: str, report: Report) -> None:
    if answered.is_success:
        return
    waiting = {name: state for name, state in _json(answered).get("checks", {}).items() if state != "ok"}
    technical = ", ".join(f"{name} ({state})" for name, state in waiting.items()) or f"HTTP {answered.status_code}"
    error = EgovError("doctor.not_ready", url=url, waiting_for=list(waiting) or "-", technical=technical)
    report.find(error, "/health/ready")


def _path(answered: httpx.Response, url: str, report: Report) -> None:
    body = _json(answered)
    if not answered.is_success and body.get("status"):
        reason = str(body.get("reason") or body.get("detail") or body["status"])
        report.find(EgovError("doctor.path_broken", url=url, technical=reason), "/health/path")
    elif body.get("status") == "ok":
        report.notes.append("a signed question went to ШЭП and back")


async def _check_letters(http: httpx.AsyncClient, url: str, report: Report) -> None:
    answered = await _ask(http, f"{url}/metrics", report)
    found = _WAITING.search(answered.text) if answered is not None else None
    if found is not None and (count := int(float(found[1]))) > 0:
        report.find(EgovError("doctor.dead_letters", count=count), "/metrics")


def check_members(known: Known, report: Report) -> None:
    """The certificates of all members: ended, or ending soon with none to follow."""
    for member in known.members.members:
        if not member.certificates:
            report.notes.append(f"{member.code} has no certificate")
            continue
        last = max(member.certificates, key=lambda one: one.not_after)
        if last.not_after <= known.at:
            report.find(EgovError("certificate.expired", thumbprint=last.thumbprint), member.code)
        elif last.not_after - known.at < SOON:
            until = last.not_after.date().isoformat()
            soon = EgovError(
                "doctor.certificate_ends_soon", participant=member.code, thumbprint=last.thumbprint, until=until
            )
            report.find(soon, member.code)
