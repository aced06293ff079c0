"""The partner's certification driver, as `egov certify` calls it: contracts/certification/driver.openapi.yaml.

What it answers proves nothing and is never judged; it only sets the partner's system to work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import httpx

from egovkit.clock import Clock
from egovkit.envelope import WireEnvelope

Role = Literal["provider", "centre", "portal", "register"]
RegisterKind = Literal["person", "attorney"]
ROLES: tuple[str, ...] = get_args(Role)
REGISTERS: tuple[str, ...] = get_args(RegisterKind)
TIME_HEADER = "Egov-Time"
CALL_SECONDS = 20.0
HOWTO = "docs/howto/certify-your-system.md"


class NotCertifiable(Exception):
    """The target is down, of another version, or no certifiable system; says which and what to do."""


@dataclass(frozen=True, slots=True)
class About:
    """What the partner says it is. `persons`: of a register, an ИИН it knows and one it does not."""

    name: str
    role: str
    register: str
    persons: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Driver:
    """The five calls. Every one carries the time of the bus, by which the partner has to go."""

    http: httpx.AsyncClient
    url: str
    clock: Clock

    async def about(self, role: str, contracts: str) -> About:
        """NotCertifiable unless a system of this role and of our contracts answers."""
        try:
            response = await self._call("GET", "")
        except httpx.HTTPError as error:
            raise NotCertifiable(f"{self.url} does not answer ({type(error).__name__}): is it up?") from None
        except httpx.InvalidURL as error:
            raise NotCertifiable(f"{self.url} is no address: {error}") from None
        return read_about(self.url, response, role, contracts)

    async def request(self, code: str) -> bytes:
        """The partner's request for a certificate: its key never leaves it."""
        response = await self._told("/request", {"code": code})
        try:
            return str(response.json()["csr"]).encode()
        except (ValueError, KeyError, TypeError):
            raise NotCertifiable(f"{self.url} made no request for a certificate") from None

    async def join(self, facts: Mapping[str, Any]) -> None:
        await self._told("/join", facts)

    async def reset(self) -> None:
        await self._told("/reset", {})

    async def act(self, facts: Mapping[str, Any]) -> str:
        """Have its people do something; how the driver answered, for the report's reader."""
        return await self._tried("POST", "/act", json=dict(facts))

    async def deliver(self, wire: WireEnvelope) -> str:
        """An envelope, exactly; how the driver answered."""
        return await self._tried("POST", "/envelopes", content=wire.raw, headers=wire.headers())

    async def _told(self, path: str, facts: Mapping[str, Any]) -> httpx.Response:
        try:
            response = await self._call("POST", path, json=dict(facts))
        except httpx.HTTPError as error:
            raise NotCertifiable(f"{self.url}{path} does not answer ({type(error).__name__})") from None
        if not response.is_success:
            raise NotCertifiable(f"{self.url}{path} answers HTTP {response.status_code}; see {HOWTO}")
        return response

    async def _tried(self, method: str, path: str, **how: Any) -> str:
        try:
            response = await self._call(method, path, **how)
        except httpx.HTTPError as error:
            return type(error).__name__
        return f"HTTP {response.status_code}"

    async def _call(self, method: str, path: str, **how: Any) -> httpx.Response:
        headers = {TIME_HEADER: self.clock.now().isoformat(), **how.pop("headers", {})}
        address = f"{self.url}/certification{path}"
        return await self.http.request(method, address, headers=headers, timeout=CALL_SECONDS, **how)


def read_about(url: str, response: httpx.Response, role: str, contracts: str) -> About:
    """Its word on itself, or NotCertifiable."""
    try:
        said = response.json()
        theirs, its_role, name = said["contracts"], said["role"], str(said["name"])
        about = About(name, its_role, said.get("register", ""), dict(said.get("persons", {})))
    except (ValueError, KeyError, TypeError, AttributeError):
        what = f"GET /certification gives HTTP {response.status_code}"
        raise NotCertifiable(f"what answers at {url} is no certifiable system ({what}); see {HOWTO}") from None
    if theirs != contracts:
        raise NotCertifiable(f"{name} speaks the contracts of version {theirs}, this egov those of {contracts}")
    if its_role != role:
        raise NotCertifiable(f"{name} is a {its_role}, not a {role}: say --as {its_role}")
    if role == "register" and (about.register not in REGISTERS or not {"known", "unknown"} <= about.persons.keys()):
        kinds = ", ".join(REGISTERS)
        raise NotCertifiable(f"{name} does not say which register it is ({kinds}) and whom it knows (`persons`)")
    return about
