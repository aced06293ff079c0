"""What leaves is what the gateways accept: schemas and the flow of the act, judged as they judge."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from egovkit.contracts import contracts_dir, read_once
from egovkit.envelope import Envelope
from egovkit.messages import MessageRegister
from egovlaw.flow import CaseProgress, OrderAccepted, TrailStep, judge_order

if TYPE_CHECKING:
    from conftest import Arm

pytestmark = pytest.mark.service


async def judged(arm: Arm) -> list[str]:
    """Every message that left, against its schema and the flow, as a gateway would judge them; the states."""
    register, progress, states = read_once(MessageRegister.load, contracts_dir()), CaseProgress("P5"), []
    for envelope in [Envelope.parse(delivery.body) for delivery in arm.sent]:
        register.check(envelope.type, envelope.data)
        channel = arm.ws.procedures.of(envelope.regulation, envelope.channel).channel
        trail = [TrailStep(step["step"], step["outcome"], arm.clock.now()) for step in envelope.data.get("trail", [])]
        verdict = judge_order(channel, progress, envelope.type, envelope.step, trail)
        assert isinstance(verdict, OrderAccepted), verdict
        progress = verdict.progress
        states.append(verdict.state_after)
    return states


async def test_the_whole_way_to_a_result_is_a_path_of_the_act(arm: Arm) -> None:
    case = await arm.submit()
    official = await arm.appoint("executor", "authorised")
    await official.take(case)
    await official.check(case)
    key = official.certificate()
    prepared = await official.prepare(case, key)
    await official.issue(case, base64.b64decode(prepared.json()["document"]), key)
    await arm.outgoing(3)
    assert await judged(arm) == ["registered", "registered", "completed"]


async def test_the_whole_way_to_a_refusal_is_a_path_of_the_act(arm: Arm) -> None:
    case = await arm.submit()
    official = await arm.appoint("executor")
    await official.take(case)
    await official.check(case, {"code": "documents.missing", "text": "Нет справки"})
    await arm.outgoing(3)
    assert await judged(arm) == ["registered", "registered", "refused"]
