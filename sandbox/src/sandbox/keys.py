"""A system's key in a running deployment: where it is, when its certificate ends, and how it is changed.

    async with opened(home) as keys:
        await keys.rotate("portal-pep", overlap=60)

The order of a rotation, so that no envelope is refused at any moment of it:

1. a new key, and НУЦ's certificate for its PKCS#10 request; the key never leaves the home
2. the certificate into ШЭП's register, beside the old one: from now on both are good everywhere
3. the key file is replaced as a whole; every process of the system notices it within seconds
4. until every process signs by it: each does as soon as its own member list has the certificate
5. the overlap, for what was signed by the old key and is still on its way; then its certificate ends in the register

Broken off anywhere, it leaves a system that works. `end` does what is left, whatever that is: it waits until every
process signs by the key of the file, then for the overlap, and ends all others, also one that no file has.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import httpx

from egovkit.clock import Clock
from sandbox import bootstrap
from sandbox.composition import BY_CODE, NUC, PARTICIPANTS, SHEP, Home
from sandbox.places import note_of
from sandbox.target import Member, NoTarget

USED_SECONDS = 60.0  # a process looks at its file every 2 s, and may have to fetch the member list (30 s)
LOOK_SECONDS = 0.2
OVERLAP_SECONDS = 60.0  # an envelope passes the whole path within a second where nothing is down
LISTED, IN_FILE = "registered", "in file"  # states beside a process's own: known to ШЭП alone, to nobody yet


class RotationUnfinished(Exception):
    """The system does not sign by its new key in time; says what it does instead, and that both keys are good."""


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One certificate of a system. `state` is the process's (signing, waiting, former), or what else is known of it.
    `process` is None where none has it. `alarm`: see `egovkit.signatures.custody`."""

    system: str
    process: str | None
    thumbprint: str
    state: str
    not_after: datetime
    alarm: int | None
    registered: bool | None  # in ШЭП's register; None: it does not answer
    file: str | None  # where the key is, when it is the one of the file


@dataclass(frozen=True, slots=True)
class Rotated:
    """Thumbprints: who signs now, and whose certificates were ended."""

    now: str
    before: tuple[str, ...]
    ended: tuple[str, ...]


class Keys:
    """The keys of the deployment of one home. `processes`: all that run; none: it is down."""

    def __init__(self, home: Home, http: httpx.AsyncClient, clock: Clock, processes: Sequence[Member]) -> None:
        self._home, self._http, self._clock = home, http, clock
        self._processes = processes
        self.progress: bootstrap.Progress = lambda _: None

    def _url(self, code: str) -> str:
        for process in self._processes:
            if process.code == code:
                return process.url
        raise NoTarget(f"no deployment of {self._home.path} is running: start it by `egov up`")

    async def rotate(self, code: str, *, overlap: float | None = OVERLAP_SECONDS) -> Rotated:
        """`overlap` None leaves the old certificate good until it is ended by hand or expires."""
        before = await self._signing(code)
        bin_ = (await self._participant(code))["bin"]
        key, pem = await bootstrap.request_certificate(self._http, self._home, self._url(NUC), code=code, bin=bin_)
        await bootstrap.register_certificate(self._http, self._home, self._url(SHEP), code, pem)
        self.progress(f"registered {key.thumbprint} beside {', '.join(before)}")
        bootstrap.keep_key(self._home, code, key, pem)
        if overlap is None:
            await self._until_used(code, key.thumbprint)
            return Rotated(key.thumbprint, before, ())
        return Rotated(key.thumbprint, before, await self.end(code, overlap))

    async def end(self, code: str, overlap: float = 0.0) -> tuple[str, ...]:
        """End in ШЭП's register every certificate of a system but those its processes sign by, `overlap` seconds after
        they all sign by the key of the file."""
        in_file, held = self._in_file(code), await self._held(code)
        if in_file is not None and in_file[0] in held:
            await self._until_used(code, in_file[0])
        await self._clock.sleep(overlap)
        signing, held = await self._signing(code), await self._held(code)
        ended = tuple(one for one in held if one not in signing)
        for one in ended:
            await bootstrap.end_certificate(self._http, self._home, self._url(SHEP), code, one)
        return ended

    async def _held(self, code: str) -> list[str]:
        return [str(one["thumbprint"]) for one in (await self._participant(code))["certificates"]]

    async def lines(self) -> list[KeyLine]:
        """Every certificate of every system, the one that signs first."""
        found: list[KeyLine] = []
        for code in PARTICIPANTS:
            found += await self._lines_of(code)
        return found

    async def _lines_of(self, code: str) -> list[KeyLine]:
        running = any(process.code == SHEP for process in self._processes)
        held = (await self._participant(code))["certificates"] if running else None
        listed = None if held is None else {one["thumbprint"]: one["not_after"] for one in held}
        in_file = self._in_file(code)
        found: list[KeyLine] = []
        for process in (one for one in self._processes if one.code == code):
            for key in await self._keys_of(process):
                print_ = key["thumbprint"]
                file = str(self._home.keystore(code)) if in_file and print_ == in_file[0] else None
                registered = None if listed is None else print_ in listed
                ends = datetime.fromisoformat(key["not_after"])
                found.append(KeyLine(code, process.name, print_, key["state"], ends, key["alarm"], registered, file))
        known = {line.thumbprint for line in found}
        if in_file is not None and in_file[0] not in known:
            registered = None if listed is None else in_file[0] in listed
            known.add(in_file[0])
            found.append(
                KeyLine(code, None, *self._unheld(IN_FILE, *in_file), registered, str(self._home.keystore(code)))
            )
        for print_, ends_at in (listed or {}).items():
            if print_ not in known:
                ends = datetime.fromisoformat(ends_at)
                found.append(KeyLine(code, None, *self._unheld(LISTED, print_, ends), True, None))
        return found

    def _unheld(self, state: str, print_: str, ends: datetime) -> tuple[str, str, datetime, int | None]:
        from egovkit.signatures.custody import alarm

        return print_, state, ends, alarm(ends, self._clock.now())

    def _in_file(self, code: str) -> tuple[str, datetime] | None:
        if not self._home.keystore(code).is_file():
            return None
        key = bootstrap.load_key(self._home, code)
        return key.thumbprint, key.certificate.not_valid_after_utc

    async def _participant(self, code: str) -> dict[str, Any]:
        headers = bootstrap.bearer(self._home.admin_token(SHEP).read_text().strip())
        url = f"{self._url(SHEP)}/v1/participants/{code}"
        found: dict[str, Any] = bootstrap.answer(await self._http.get(url, headers=headers))
        return found

    async def _keys_of(self, process: Member) -> list[dict[str, Any]]:
        try:
            shown = (await self._http.get(f"{process.url}/health/ready")).json()
        except (httpx.HTTPError, ValueError) as error:
            raise NoTarget(f"{process.name} does not answer at {process.url} ({type(error).__name__})") from None
        keys: list[dict[str, Any]] = shown.get("keys", [])
        return [key for key in keys if key["state"] != "serving"]  # that of TLS is no key of the bus

    async def _signing(self, code: str) -> tuple[str, ...]:
        """By which certificates the processes of a system sign, each named once."""
        processes = [one for one in self._processes if one.code == code]
        if not processes:
            raise NoTarget(f"{code} does not run in the deployment of {self._home.path}")
        states = [key for one in processes for key in await self._keys_of(one)]
        return tuple(dict.fromkeys(key["thumbprint"] for key in states if key["state"] == "signing"))

    async def _until_used(self, code: str, print_: str) -> None:
        deadline = self._clock.monotonic() + USED_SECONDS
        while (signing := await self._signing(code)) != (print_,):
            if self._clock.monotonic() > deadline:
                raise RotationUnfinished(
                    f"after {USED_SECONDS:.0f} s {code} still signs by {', '.join(signing)} and not by {print_}; both "
                    "are good meanwhile. Its log says why (custody.refused), `egov keys list` shows what is where."
                )
            await self._clock.sleep(LOOK_SECONDS)
        self.progress(f"every process of {code} signs by {print_}")


@asynccontextmanager
async def opened(home: Home, services: Sequence[Member] = ()) -> AsyncIterator[Keys]:
    """The keys of a home, and of the deployment that runs on it, if one does, or of these `services`."""
    from sandbox.clock import moved_before

    async with httpx.AsyncClient(timeout=bootstrap.ASK_SECONDS, trust_env=False, verify=home.trust) as http:
        yield Keys(home, http, moved_before(home), services or processes_of(home))


def members_at(places: Sequence[str] | None) -> list[Member]:
    """CODE=URL each. Where several processes have one URL, whichever answers speaks for all: they look at one file.
    NoTarget for what is none."""
    found = []
    for place in places or ():
        code, _, url = place.partition("=")
        if code not in BY_CODE or not url.startswith(("http://", "https://")):
            raise NoTarget(f"{place!r} is no CODE=URL of a system")
        found.append(Member(code, code, url))
    return found


def processes_of(home: Home) -> list[Member]:
    """Every process of the deployment that runs on a home; none when none does."""
    note = note_of(home)
    return [] if note is None else [Member(**one) for one in note["processes"]]


def as_json(lines: Sequence[KeyLine]) -> str:
    return json.dumps([{**asdict(one), "not_after": one.not_after.isoformat()} for one in lines], indent=2)
