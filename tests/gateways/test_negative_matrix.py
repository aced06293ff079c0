"""Every state of every channel x every message not allowed there: refused, and the case stays where it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from egovkit.contracts import contracts_dir, read_once
from egovkit.envelope import Envelope
from egovkit.outbox import UNORDERED
from egovlaw.catalogue import Channel
from egovlaw.flow import CaseProgress, allowed_messages, states
from egovlaw.loader import load_catalogue
from sandbox.composition import RSHEP, SHEP

from .bus import MEMBERS, Gateways, door

pytestmark = [pytest.mark.connected, pytest.mark.asyncio(loop_scope="session")]
MESSAGES = (
    "case.submitted",
    "case.registered",
    "case.status",
    "case.extended",
    "case.paused",
    "case.resumed",
    "case.refused",
    "case.completed",
    "case.handed_over",
    "query.person",
    "query.attorney",
    "answer.person",
    "answer.attorney",
    "steps.reported",
)
Trail = Sequence[tuple[str, str]]
Move = tuple[str, str, Trail]  # message, step, trail


@dataclass(frozen=True)
class Way:
    """How a case of one channel gets to the state whose (position, ended) is the key, in moves; `plausible`: a trail
    that would fit the message if the case stood elsewhere, so that the state alone is at fault."""

    reached: dict[tuple[str | None, bool], tuple[Move, ...]]
    plausible: dict[str, Trail]
    fewest: int  # cells: a matrix that shrinks is a matrix that is broken


LOGIN: Trail = (("P1", "done"), ("C1", "ok"), ("P3", "done"), ("C2", "ok"))
SUBMIT, REGISTER = ("case.submitted", "P5", LOGIN), ("case.registered", "P6", ())
PORTAL_WAY = Way(
    {
        (None, False): (),
        ("P4", True): (("steps.reported", "P4", (*LOGIN[:3], ("C2", "violation"))),),
        ("P5", False): (SUBMIT,),
        ("P6", False): (SUBMIT, REGISTER),
        ("P7", True): (SUBMIT, REGISTER, ("case.refused", "P7", (("C3", "violation"),))),
        ("P8", True): (SUBMIT, REGISTER, ("case.completed", "P8", (("C3", "ok"),))),
    },
    {"case.submitted": LOGIN, "case.refused": (("C3", "violation"),), "case.completed": (("C3", "ok"),)},
    900,
)
CHOSEN: Trail = (("P1", "done"), ("P2", "done"))
FOUND: Trail = (("C1", "ok"), ("P5", "done"))
ASK, NO_DATA = ("query.person", "P3", CHOSEN), ("steps.reported", "P4", (("C1", "violation"),))
CHECKED = {"case.refused": (("C2", "violation"),), "case.completed": (("C2", "ok"),), "query.person": CHOSEN}
SEND, NUMBER = ("case.submitted", "P6", FOUND), ("case.registered", "P7", ())
DONE = (ASK, SEND, NUMBER, ("case.completed", "P9", (("C2", "ok"),)))
CENTRE_WAY = Way(
    {
        (None, False): (),
        ("P3", False): (ASK,),
        ("P4", True): (ASK, NO_DATA),
        ("P6", False): (ASK, SEND),
        ("P7", False): (ASK, SEND, NUMBER),
        ("P8", True): (ASK, SEND, NUMBER, ("case.refused", "P8", (("C2", "violation"),))),
        ("P9", False): DONE,
        ("P9", True): (*DONE, ("case.handed_over", "P9", ())),
    },
    {"case.submitted": FOUND, **CHECKED},
    1200,
)
OWN_NUMBER = ("case.registered", "P6", FOUND)
DESK_WAY = Way(
    {
        (None, False): (),
        ("P3", False): (ASK,),
        ("P4", True): (ASK, NO_DATA),
        ("P6", False): (ASK, OWN_NUMBER),
        ("P7", True): (ASK, OWN_NUMBER, ("case.refused", "P7", (("C2", "violation"),))),
        ("P8", True): (ASK, OWN_NUMBER, ("case.completed", "P8", (("C2", "ok"),))),
    },
    {"case.submitted": FOUND, "case.registered": FOUND, **CHECKED},
    800,
)
WAYS = {"portal": PORTAL_WAY, "centre": CENTRE_WAY, "provider": DESK_WAY}


@dataclass(frozen=True)
class Cell:
    """One case brought to a state, and the one message that must not pass there."""

    state: CaseProgress
    case: str
    setup: tuple[Envelope, ...]
    forbidden: Envelope


def channel_of(name: str) -> Channel:
    regulation = read_once(load_catalogue, contracts_dir()).regulation("atyrau-housing-queue")
    assert regulation is not None
    return regulation.channels[name]


def cells(gateways: Gateways, channel: Channel) -> list[Cell]:
    made = []
    for state in states(channel):
        allowed = {(m.type, m.step) for m in allowed_messages(channel, state)}
        for name in MESSAGES:
            for item in channel.flow:
                if (name, item.label) not in allowed:
                    made.append(cell(gateways, channel.code, state, (name, item.label)))
    return made


def cell(gateways: Gateways, channel: str, state: CaseProgress, forbidden: tuple[str, str]) -> Cell:
    case, way = gateways.ids.new(), WAYS[channel]
    numbers = dict.fromkeys(MEMBERS, 0)

    def message(name: str, at: str, trail: Trail) -> Envelope:
        made = gateways.envelope(name, case, at, UNORDERED, gateways.data(name, trail), channel=channel)
        if name.startswith("answer."):
            return made
        numbers[made.source] += 1
        return gateways.envelope(name, case, at, numbers[made.source], made.data, channel=channel)

    setup = tuple(message(*planned) for planned in way.reached[state.position, state.ended])
    name, step = forbidden
    return Cell(state, case, setup, message(name, step, way.plausible.get(name, ())))


async def bring(gateways: Gateways, prepared: list[Cell]) -> None:
    """All cases to their states, one wave per message, each wave awaited at its end: РШЭП too has to know a case before
    anybody speaks of it."""
    for wave in range(max(len(c.setup) for c in prepared)):
        sent = [c.setup[wave] for c in prepared if len(c.setup) > wave]
        await send(gateways, sent)
        passing = [e for e in sent if e.recipient != SHEP]
        await gateways.until(
            f"wave {wave + 1} of the set-up",
            lambda passing=passing: all((e.source, e.id) in gateways.arrived[e.recipient] for e in passing),
        )
        await taken(gateways, [e.id for e in sent if e.recipient == SHEP], f"wave {wave + 1} at ШЭП")


async def taken(gateways: Gateways, ids: list[str], what: str) -> None:
    """Until ШЭП has judged all of them; none may have been refused."""
    wanted = "SELECT count(*) AS n FROM envelopes WHERE id = ANY(:ids) AND state NOT IN ('parked', 'refused')"
    for _ in range(240):
        [row] = await gateways.rows(SHEP, wanted, ids=ids)
        if row["n"] == len(ids):
            return
        await gateways.clock.sleep(0.25)
    raise AssertionError(f"{what}: ШЭП took {row['n']} of {len(ids)}")


async def send(gateways: Gateways, envelopes: list[Envelope]) -> None:
    queues: dict[str, list[Envelope]] = {}
    for envelope in envelopes:
        queues.setdefault(door(envelope), []).append(envelope)
    for queue, its in queues.items():
        for start in range(0, len(its), 200):
            await gateways.put(queue, *its[start : start + 200])


def refusals(gateways: Gateways) -> dict[str, Envelope]:
    """Refusal notices by the id of the envelope they refuse."""
    notices = [notice for code in MEMBERS for notice in gateways.arrived[code].values()]
    return {n.data["id"]: n for n in notices if n.type == "kz.egov.envelope.refused.v1"}


@pytest.mark.parametrize("name", WAYS)
async def test_every_message_not_allowed_in_a_state_is_refused_there(gateways: Gateways, name: str) -> None:
    channel = channel_of(name)
    prepared = cells(gateways, channel)
    await bring(gateways, prepared)
    await send(gateways, [c.forbidden for c in prepared])
    await gateways.until("all refusals", lambda: all(c.forbidden.id in refusals(gateways) for c in prepared))
    told = refusals(gateways)
    wrong = {
        (c.state.position, c.forbidden.type, c.forbidden.step, told[c.forbidden.id].data["problem"]["code"])
        for c in prepared
        if not told[c.forbidden.id].data["problem"]["code"].startswith("order.")
    }
    assert wrong == set()
    assert all(told[c.forbidden.id].data["problem"]["remedy_kk"] for c in prepared)
    await unmoved(gateways, prepared)
    delivered = {key[1] for its in gateways.arrived.values() for key in its}
    assert not delivered & {c.forbidden.id for c in prepared}
    hops = {told[c.forbidden.id].source for c in prepared}
    counted = f"{len(states(channel))} states, {len(prepared)} refusals"
    print(f"\nnegative matrix, {name}: {counted} by {', '.join(sorted(hops))}")
    assert SHEP in hops and hops <= {SHEP, RSHEP} and len(prepared) > WAYS[name].fewest


async def unmoved(gateways: Gateways, prepared: list[Cell]) -> None:
    rows = await gateways.rows(SHEP, "SELECT case_id, position, ended FROM cases")
    found = {row["case_id"]: (row["position"], row["ended"]) for row in rows}
    for c in prepared:
        assert found.get(c.case, (None, False)) == (c.state.position, c.state.ended), c.forbidden.type
