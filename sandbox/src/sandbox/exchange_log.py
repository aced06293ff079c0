"""The request logs of all processes of a deployment as one: merged by time, asked by filter or id."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from egovkit.clock import Clock
from egovkit.sandbox.exchange_facts import REFUSED
from egovkit.sandbox.exchanges import PATH
from sandbox.target import Member, TargetRefused

PAGE = 500
FOLLOW_EVERY = 1.0
# What began longer ago than this and ends only now is not shown any more by who follows.
OVERLAP = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A record and the process that has it."""

    member: Member
    facts: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.facts["id"])

    @property
    def order(self) -> tuple[str, str]:
        return self.facts["at"], self.id

    @property
    def envelope(self) -> Mapping[str, Any]:
        return self.facts.get("envelope") or {}

    def body(self, side: str = "request") -> bytes:
        found = self.facts.get(side)
        return base64.b64decode(found["body"]) if found else b""

    def document(self, side: str = "request") -> dict[str, Any]:
        """The JSON object that a body is; empty for anything else."""
        try:
            found = json.loads(self.body(side) or b"{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


class UnknownExchange(Exception):
    """No process has it (any more)."""


class Source(Protocol):
    """A deployment that runs (Aim), or what one has left (Kept)."""

    @property
    def members(self) -> Sequence[Member]: ...

    def of(self, code: str) -> list[Member]: ...

    async def ask(self, method: str, member: Member, path: str, **how: Any) -> Any: ...


class Log:
    def __init__(self, source: Source) -> None:
        self._aim = source

    async def now(self) -> datetime:
        """When the newest of all began, by the sandbox's clock; what came before that has happened long ago."""
        newest = await self.find({}, limit=1)
        return datetime.fromisoformat(newest[0].facts["at"]) if newest else datetime(2000, 1, 1, tzinfo=UTC)

    async def find(self, wanted: Mapping[str, Any], *, system: str | None = None, limit: int = 50) -> list[Exchange]:
        """The newest `limit` of all processes, the oldest of them first."""
        members = self._aim.of(system) if system else self._aim.members
        pages = await asyncio.gather(*(self._of(member, wanted, limit) for member in members))
        return sorted((one for page in pages for one in page), key=lambda one: one.order)[-limit:]

    async def every(self, wanted: Mapping[str, Any]) -> list[Exchange]:
        """All that fit, whole, the oldest first."""
        pages = await asyncio.gather(
            *(self._of(member, {**wanted, "full": True}, None) for member in self._aim.members)
        )
        return sorted((one for page in pages for one in page), key=lambda one: one.order)

    async def get(self, id_: str) -> Exchange:
        for member in self._aim.members:
            try:
                return Exchange(member, await self._aim.ask("GET", member, f"{PATH}/{id_}"))
            except UnknownExchange:
                continue
            except TargetRefused as refused:
                if refused.problem.get("code") != "exchange.unknown":
                    raise
        raise UnknownExchange(f"no service has an exchange {id_} (any more)")

    async def refused_envelope(self, one: Exchange) -> Mapping[str, Any]:
        """The attributes of the envelope that was refused: posted itself, or named by a gateway's notice."""
        if one.envelope.get("type") != REFUSED:
            return one.envelope
        whole = one if "request" in one.facts else await self.get(one.id)
        data = whole.document().get("data")
        about = data.get("id") if isinstance(data, dict) else None
        if not about:
            return {}
        found = await self.find({"message": about})
        return next((other.envelope for other in found if other.envelope.get("id") == about), {})

    async def follow(
        self, wanted: Mapping[str, Any], since: datetime, clock: Clock, *, system: str | None = None
    ) -> AsyncIterator[Exchange]:
        """Those that end from now on, as long as somebody listens. A call that takes long begins before one that is
        shown already, so the last minute is looked at again and what is known left out."""
        shown: dict[str, str] = {}
        while True:
            for one in await self.find({**wanted, "since": since.isoformat()}, system=system, limit=PAGE):
                if one.id not in shown:
                    shown[one.id] = one.facts["at"]
                    yield one
            if shown:
                since = max(since, datetime.fromisoformat(max(shown.values())) - OVERLAP)
            shown = {id_: at for id_, at in shown.items() if datetime.fromisoformat(at) >= since}
            await clock.sleep(FOLLOW_EVERY)

    async def _of(self, member: Member, wanted: Mapping[str, Any], limit: int | None) -> list[Exchange]:
        found: list[Exchange] = []
        cursor: str | None = None
        while True:
            size = PAGE if limit is None else min(PAGE, limit - len(found))
            query = {**wanted, "limit": size, "cursor": cursor}
            params = {name: value for name, value in query.items() if value is not None}
            page = await self._aim.ask("GET", member, PATH, params=params)
            found += [Exchange(member, one) for one in page["items"]]
            cursor = page["next"]
            if cursor is None or (limit is not None and len(found) >= limit):
                return found


def shown(one: Exchange) -> Iterator[str]:
    """A line of the list, and one for each thing that was not as it should be."""
    facts, at = one.facts, datetime.fromisoformat(one.facts["at"])
    where = one.member.name
    arrow = "->" if facts["direction"] == "out" else "<-"
    yield f"{at:%H:%M:%S.%f}"[:12] + f"  {where:<24} {arrow} {_what(facts)}  [{facts['id']}]"
    for note in facts["notes"]:
        yield f"{'':14}note: {note}"


def _what(facts: Mapping[str, Any]) -> str:
    if facts["medium"] == "http":
        query = f"?{facts['query']}" if facts["query"] else ""
        came = facts.get("status") or f"{facts['outcome']} ({facts['detail']})"
        return f"{facts['method']} {facts.get('url') or ''}{facts['path']}{query} {came} {facts['ms']:g} ms"
    if facts["medium"] == "note":
        return "note"
    envelope = facts.get("envelope") or {}
    name = str(envelope.get("type", "no envelope")).removeprefix("kz.egov.").removesuffix(".v1")
    way = f"{envelope.get('source')} to {envelope.get('recipient')}" if envelope else facts["message_id"]
    step = f" {envelope['step']}" if envelope.get("step", "-") != "-" else ""
    detail = f" ({facts['detail']})" if facts.get("detail") else ""
    return f"{facts['event']} {facts['queue']} {name}{step}, {way}: {facts['outcome']}{detail}"


def whole(one: Exchange) -> Iterator[str]:
    """Everything of one, for eyes."""
    yield from shown(one)
    facts = one.facts
    yield f"at {facts['at']}, {one.member.name} (instance {facts['instance']})"
    for name, value in one.envelope.items():
        if value is not None:
            yield f"  {name}: {value}"
    for side in ("request", "response"):
        if facts.get(side) is not None:
            yield ""
            yield f"{side}, {facts[side]['size']} bytes{', cut' if facts[side]['cut'] else ''}"
            yield from (f"  {name}: {value}" for name, value in facts[side]["headers"].items())
            yield from _pretty(one.body(side))


def _pretty(body: bytes) -> Iterator[str]:
    if not body:
        return
    try:
        yield json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    except ValueError:
        text = body.decode(errors="replace")
        binary = sum(not (char.isprintable() or char in "\r\n\t") for char in text) > len(text) // 20
        yield f"  ({len(body)} bytes that are no text)" if binary else text
