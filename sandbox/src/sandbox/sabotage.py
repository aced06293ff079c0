"""Three ways to break the act, each of which the demo has to notice and name the clause of.

The sandbox owns every system's key, so it can do what a broken or hostile system could: sign what is not true with
a real key, or send what it cannot sign.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sandbox import journals
from sandbox.composition import PORTAL, PROVIDER, SHEP
from sandbox.trace import in_time

if TYPE_CHECKING:
    from egovkit.envelope import Envelope
    from egovkit.journal import JournalRow
    from sandbox.people import Citizen
    from sandbox.world import Deployment, World

LATE_ANSWER, SKIP_STEP, FORGE = "late-answer", "skip-step", "forge"
WAIT_SECONDS = 10.0
POLL_SECONDS = 0.05
OVER = timedelta(seconds=15)  # beyond the act's minute: no grace for clocks explains it


class NothingHappened(Exception):
    """The sabotage left no mark in any journal; the demo cannot judge it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the catalogue the sabotage happens: read from the case's own signed document."""

    case: str
    regulation: str
    channel: str
    region: str
    provider: str


@dataclass(frozen=True, slots=True)
class Said:
    """Who says what to whom, in whose name."""

    source: str
    recipient: str
    message: str
    step: str


def place_of(document: bytes) -> Place:
    body = json.loads(document)
    return Place(body["case"], body["regulation"], body["channel"], body["region"], body["provider"])


async def forge(world: Deployment, place: Place, step: str) -> None:
    """A result "of the provider", signed with another system's key, laid into the region's ingress."""
    envelope = _envelope(world, place, Said(PROVIDER, PORTAL, "case.completed", step), {
        "number": "00000000000",
        "document": _b64(b"{}"),
        "signature": _b64(b"not a signature"),
        "completed_at": _moment(world),
        "version": 99,
        "trail": [],
    })  # fmt: skip
    await _send(world, envelope, f"rshep.{place.region}.ingress", signed_by=PORTAL)
    await _until_journaled(world, place.case, "refusal")


async def skip_step(world: Deployment, citizen: Citizen, document: bytes, skipped: str, step: str) -> None:
    """The portal's own submission, signed with the portal's key, whose trail lacks one step."""
    place = place_of(document)
    rows = await case_rows(world, place.case)
    body = json.loads(document)
    envelope = _envelope(world, place, Said(PORTAL, PROVIDER, "case.submitted", step), {
        "provider": place.provider,
        "applicant": {"iin": citizen.iin},
        "document": _b64(document),
        "signature": await citizen.sign(document),
        "attachments": body["attachments"],
        "trail": [_trail_step(row) for row in rows if _local(row) and row.facts["step"] != skipped],
    })  # fmt: skip
    await _send(world, envelope, "shep.ingress", signed_by=PORTAL)
    await _until_journaled(world, place.case, "refusal")


async def answer_late(world: World, case: str, limit_s: float) -> None:
    """Called while the provider's intake is held: its answer comes after the act's limit."""
    from egovkit.clock import ShiftedClock

    await _until_journaled(world, case, "envelope", SHEP)
    assert isinstance(world.clock, ShiftedClock), "only a clock of the sandbox can be moved"
    world.clock.advance(timedelta(seconds=limit_s) + OVER)


def _envelope(world: Deployment, place: Place, said: Said, data: Mapping[str, Any]) -> Envelope:
    from egovkit.contracts import contracts_dir
    from egovkit.envelope import Envelope
    from egovkit.messages import MessageRegister

    spec = MessageRegister.load(contracts_dir()).spec(f"kz.egov.{said.message}.v1")
    return Envelope(
        id=world.ids.new(),
        source=said.source,
        type=spec.type,
        subject=place.case,
        time=world.clock.now(),
        dataschema=spec.dataschema,
        recipient=said.recipient,
        regulation=place.regulation,
        channel=place.channel,
        step=said.step,
        region=place.region,
        caseseq=1,
        data=dict(data),
    )


async def _send(world: Deployment, envelope: Envelope, queue: str, *, signed_by: str) -> None:
    from egovkit.bus import Outgoing
    from egovkit.envelope import WireEnvelope
    from egovkit.signatures.jws import sign_detached

    raw = envelope.encode()
    wire = WireEnvelope(raw, sign_detached(raw, await world.key(signed_by)))
    [problem] = await world.publish([Outgoing(queue, raw, wire.headers(), envelope.id)])
    if problem is not None:
        raise NothingHappened(f"{queue} did not take the envelope: {problem}")


async def case_rows(world: Deployment, case: str) -> list[JournalRow]:
    """The rows of a case in all journals, in the order of their times: a service has a writer per process."""
    copies = await journals.read_all(world.journals(), case)
    return in_time(row for copy in copies for row in copy.rows)


async def _until_journaled(world: Deployment, case: str, kind: str, service: str | None = None) -> None:
    deadline = world.clock.monotonic() + WAIT_SECONDS
    while True:
        for row in await case_rows(world, case):
            if row.kind == kind and service in (None, row.facts.get("service")):
                return
        if world.clock.monotonic() > deadline:
            raise NothingHappened(f"no journal shows a row of kind {kind}")
        await world.clock.sleep(POLL_SECONDS)


def _local(row: JournalRow) -> bool:
    return row.kind == "step" and row.facts.get("service") == PORTAL


def _trail_step(row: JournalRow) -> dict[str, Any]:
    at = row.time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    place = {"writer": row.writer, "position": row.position, "hash": row.hash}
    return {"step": row.facts["step"], "outcome": row.facts["outcome"], "at": at, **place}


def _moment(world: Deployment) -> str:
    return world.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _b64(content: bytes) -> str:
    return base64.b64encode(content).decode()
