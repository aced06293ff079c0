"""Every state of the portal channel x every message not allowed there: refused, and the case stays where it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from egovkit.contracts import contracts_dir
from egovkit.envelope import Envelope
from egovlaw.catalogue import Channel
from egovlaw.flow import CaseProgress, allowed_messages, states
from egovlaw.loader import load_catalogue
from sandbox.composition import PORTAL, PROVIDER, RSHEP, SHEP

from .bus import Gateways, door

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
    "steps.reported",
)
WAY = (("P1", "done"), ("C1", "ok"), ("P3", "done"), ("C2", "ok"))
# How a case gets to the state whose position is the key: (message, step, trail), in order.
SUBMIT = ("case.submitted", "P5", WAY)
REGISTER = ("case.registered", "P6", ())
REACHED_BY: dict[str | None, tuple[tuple[str, str, Sequence[tuple[str, str]]], ...]] = {
    None: (),
    "P4": (("steps.reported", "P4", (*WAY[:3], ("C2", "violation"))),),
    "P5": (SUBMIT,),
    "P6": (SUBMIT, REGISTER),
    "P7": (SUBMIT, REGISTER, ("case.refused", "P7", (("C3", "violation"),))),
    "P8": (SUBMIT, REGISTER, ("case.completed", "P8", (("C3", "ok"),))),
}
# A trail that would fit the message if the case stood elsewhere: the state alone is to be at fault.
PLAUSIBLE = {"case.submitted": WAY, "case.refused": (("C3", "violation"),), "case.completed": (("C3", "ok"),)}


@dataclass(frozen=True)
class Cell:
    """One case brought to a state, and the one message that must not pass there."""

    state: CaseProgress
    case: str
    setup: tuple[Envelope, ...]
    forbidden: Envelope


def portal_channel() -> Channel:
    regulation = load_catalogue(contracts_dir()).regulation("atyrau-housing-queue")
    assert regulation is not None
    return regulation.channels["portal"]


def cells(gateways: Gateways, channel: Channel) -> list[Cell]:
    made = []
    for state in states(channel):
        allowed = {(m.type, m.step) for m in allowed_messages(channel, state)}
        for name in MESSAGES:
            for item in channel.flow:
                if (name, item.label) not in allowed:
                    made.append(cell(gateways, state, name, item.label))
    return made


def cell(gateways: Gateways, state: CaseProgress, name: str, step: str) -> Cell:
    case = gateways.ids.new()
    numbers = {PORTAL: 0, PROVIDER: 0}

    def message(kind: str, at: str, trail: Sequence[tuple[str, str]]) -> Envelope:
        made = gateways.envelope(kind, case, at, 0, gateways.data(kind, trail))
        numbers[made.source] += 1
        return gateways.envelope(kind, case, at, numbers[made.source], made.data)

    setup = tuple(message(*planned) for planned in REACHED_BY[state.position])
    return Cell(state, case, setup, message(name, step, PLAUSIBLE.get(name, ())))


async def bring(gateways: Gateways, prepared: list[Cell]) -> None:
    """All cases to their states, one wave per message, each wave awaited."""
    for wave in range(3):
        sent = [c.setup[wave] for c in prepared if len(c.setup) > wave]
        await send(gateways, sent)
        waiting = {(e.source, e.id): PROVIDER if e.source == PORTAL else PORTAL for e in sent if e.recipient != SHEP}
        await gateways.until(
            f"wave {wave + 1} of the set-up",
            lambda waiting=waiting: all(key in gateways.arrived[code] for key, code in waiting.items()),
        )


async def send(gateways: Gateways, envelopes: list[Envelope]) -> None:
    queues: dict[str, list[Envelope]] = {}
    for envelope in envelopes:
        queues.setdefault(door(envelope), []).append(envelope)
    for queue, its in queues.items():
        for start in range(0, len(its), 200):
            await gateways.put(queue, *its[start : start + 200])


def refusals(gateways: Gateways) -> dict[str, Envelope]:
    """Refusal notices by the id of the envelope they refuse."""
    notices = [*gateways.arrived[PORTAL].values(), *gateways.arrived[PROVIDER].values()]
    return {n.data["id"]: n for n in notices if n.type == "kz.egov.envelope.refused.v1"}


async def test_every_message_not_allowed_in_a_state_is_refused_there(gateways: Gateways) -> None:
    channel = portal_channel()
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
    print(f"\nnegative matrix: {len(states(channel))} states, {len(prepared)} refusals by {', '.join(sorted(hops))}")
    assert hops == {SHEP, RSHEP} and len(prepared) > 500


async def unmoved(gateways: Gateways, prepared: list[Cell]) -> None:
    rows = await gateways.rows(SHEP, "SELECT case_id, position, ended FROM cases")
    found = {row["case_id"]: (row["position"], row["ended"]) for row in rows}
    for c in prepared:
        assert found.get(c.case, (None, False)) == (c.state.position, c.state.ended), c.forbidden.type
