"""The sandbox a command is aimed at: found, asked what it is before anything else, and spoken to with its token.

    async with target(home, url, token_file) as aim:
        await aim.ask("GET", aim.member("portal-pep"), "/v1/sandbox/clock")

Aim is taken by the deployment's home, or by a host with compose's ports.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from egovkit.contracts import contracts_dir, contracts_version
from egovkit.sandbox.door import PATH
from sandbox.bootstrap import ASK_SECONDS, bearer
from sandbox.composition import BY_CODE, Home

MEMBERS_FILE = "members.json"


class NoTarget(Exception):
    """It is down, of another version, no sandbox, or not ours; says which and what to do."""


class TargetRefused(Exception):
    """A call was refused; the message is the problem's own."""

    def __init__(self, member: Member, response: httpx.Response) -> None:
        try:
            problem = response.json()
            text = f"{problem['code']}: {problem['detail']} {problem['remedy']}"
        except (ValueError, KeyError, TypeError):
            problem, text = {}, f"HTTP {response.status_code}"
        super().__init__(f"{member.name}: {text}")
        self.problem: dict[str, Any] = problem


@dataclass(frozen=True, slots=True)
class Member:
    """One process of the deployment."""

    name: str
    code: str
    url: str


@dataclass(frozen=True, slots=True)
class Aim:
    """A sandbox that answers and speaks our contracts."""

    http: httpx.AsyncClient
    members: Sequence[Member]
    token: str

    def of(self, code: str) -> list[Member]:
        """The processes of a system. NoTarget when there is none of that name."""
        found = [member for member in self.members if member.code == code]
        if not found:
            known = ", ".join(sorted({member.code for member in self.members}))
            raise NoTarget(f"{code!r} is no system of this deployment; it has {known}")
        return found

    async def ask(self, method: str, member: Member, path: str, **how: Any) -> Any:
        """The JSON of the answer, None of an empty one. TargetRefused, or httpx.HTTPError."""
        response = await self.http.request(method, member.url + path, headers=bearer(self.token), **how)
        if response.is_error:
            raise TargetRefused(member, response)
        return response.json() if response.content else None


@asynccontextmanager
async def target(
    home: Home, url: str | None = None, token_file: Path | None = None, *, without: str | None = None
) -> AsyncIterator[Aim]:
    """NoTarget, said before anything is asked of it. `without`: a system that need not be at a `url`'s host."""
    members, path = find_members(home, url), token_file or home.clock_token
    if url is not None:
        members = [member for member in members if member.code != without]
    if not members:
        raise NoTarget(f"the deployment of {home.path} is no sandbox: start it by `egov up`, or with --sandbox")
    if not path.is_file():
        raise NoTarget(f"no token of a sandbox is in {path}; give --home or --token-file")
    async with httpx.AsyncClient(timeout=ASK_SECONDS, trust_env=False, verify=home.trust) as http:
        await asyncio.gather(*(_check(http, member) for member in members))
        yield Aim(http, members, path.read_text().strip())


async def _check(http: httpx.AsyncClient, member: Member) -> None:
    try:
        response = await http.get(member.url + PATH)
    except httpx.HTTPError as error:
        raise NoTarget(f"{member.name} does not answer at {member.url} ({told(error)}): is it up?") from None
    if response.status_code == httpx.codes.NOT_FOUND:
        raise NoTarget(f"{member.name} at {member.url} is no sandbox: it was started without --sandbox")
    try:
        about = response.json()
        service, theirs = about["service"], about["contracts"]
    except (ValueError, KeyError, TypeError):
        raise NoTarget(f"what answers at {member.url} is no service of the bus (HTTP {response.status_code})") from None
    if service != member.code:
        raise NoTarget(f"{member.url} is {service}, not {member.code}")
    if theirs != (ours := contracts_version(contracts_dir())):
        raise NoTarget(f"{member.name} speaks the contracts of version {theirs}, this egov those of {ours}")


def told(error: httpx.HTTPError) -> str:
    """What went wrong, in words where TLS has some: whose certificate, what name, which version."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if "SSL" in text else type(error).__name__


# --- what lies in the home


def write_members(home: Home, members: Sequence[Member]) -> None:
    """Where a command finds the processes; an empty list says that it is no sandbox."""
    (home.path / MEMBERS_FILE).write_text(json.dumps([asdict(member) for member in members], indent=1))


def find_members(home: Home, url: str | None) -> list[Member]:
    """Those the home names, or the services on compose's ports of the host `url` (http://host, https://host)."""
    if url is not None:
        base = url.rstrip("/")
        return [Member(code, code, f"{base}:{service.port}") for code, service in BY_CODE.items()]
    try:
        found = json.loads((home.path / MEMBERS_FILE).read_text())
    except FileNotFoundError:
        raise NoTarget(f"no deployment was started in {home.path}; give --home or --target") from None
    return [Member(**one) for one in found]
