"""The rules of the bus no act speaks of, and what an act forbids: each tried by tempting the partner to break it.

A trial ends with what must not stand in the gateways' journals; who is tempted and does nothing has kept the rule.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from egovkit.envelope import WireEnvelope
from egovkit.signatures.receipt import Receipt, issue_receipt
from sandbox.certify.judging import NO_CLAUSE, Obligation, Verdict
from sandbox.certify.playing import BEYOND_S, EXPIRES_S, Play
from sandbox.certify.stage import kind_of
from sandbox.composition import RSHEP, SHEP
from sandbox.trace import hop

if TYPE_CHECKING:
    from egovkit.envelope import Envelope
    from sandbox.certify.stage import Stage
    from sandbox.replay.scenario import Scenario
    from sandbox.trace import Line

Begun = Callable[["Stage", "Scenario"], Play]
Judged = Callable[[Play], Awaitable[list[Obligation]]]
SETTLE_SECONDS = 0.6  # for who acts on what he should not
LETTERS = ("case.submitted", "query.person", "query.attorney", "answer.person")  # what makes a partner act, by role


class NotReached(Exception):
    """The partner did not come so far that it could be tempted."""


@dataclass(frozen=True, slots=True)
class Trial:
    """`forbidden`: the partner's messages that show the rule broken; none named: any. `kind`: of the item of the flow
    whose clause is hurt, where the act itself has the rule."""

    rule: str
    code: str
    tempt: Callable[[Play], Awaitable[None]]
    forbidden: tuple[str, ...] = ()
    kind: str = ""
    roles: tuple[str, ...] = ()


async def trials(stage: Stage, scenarios: Sequence[Scenario], begun: Begun, judged: Judged) -> list[Obligation]:
    """Every trial of the role, in the first scenario that goes to a result."""
    role = stage.about.role
    base = next((one for one in scenarios if _suits(role, one)), None)
    if base is None:
        return []
    tried: list[tuple[Trial, Play]] = []
    for trial in TRIALS:
        if role in trial.roles:
            play = begun(stage, base)
            with suppress(NotReached):
                await trial.tempt(play)
                play.reached = len(play.scenario.then.lines)
            tried.append((trial, play))
    await _settle(stage)
    found = [await _outcome(trial, play) for trial, play in tried]
    if role in ("provider", "register"):
        found += await _twice(begun(stage, base), judged)
    return found


def _suits(role: str, scenario: Scenario) -> bool:
    """A way to a result that begins where the partner is not alone with ШЭП."""
    ends_well = not any(act.outcome == "violation" for act in scenario.when)
    return ends_well and (role != "provider" or scenario.side != "provider")


async def _settle(stage: Stage) -> None:
    await stage.carry()
    await stage.world.clock.sleep(min(SETTLE_SECONDS, stage.patience))
    await stage.carry()


async def _outcome(trial: Trial, play: Play) -> Obligation:
    """Whether the partner sent what it should not, taken or refused."""
    hops = [hop(row) for row in await play.stage.evidence.rows(play.case)]
    own = [one for one in hops if one.sender == play.stage.partner and one.kind != "step"]
    bad = [one for one in own if not trial.forbidden or one.message in trial.forbidden]
    clause = next((item.clause for item in play.channel.flow if item.kind.name == trial.kind), NO_CLAUSE)
    seen = ", ".join(dict.fromkeys(f"{one.message} {one.outcome}" for one in bad)) or "nothing"
    cited = trial.code if clause == NO_CLAUSE else clause
    wrong = ((cited, f"{trial.rule}; it sent {seen}"),) if bad else ()
    verdict: Verdict = "broken" if bad else "met" if play.reached else "not reached"
    place = (play.scenario.regulation, play.scenario.channel) if clause != NO_CLAUSE else ("-", "-")
    return Obligation(
        play.scenario.name, *place, "-", clause if clause != NO_CLAUSE else trial.code, trial.rule,
        f"no {' or '.join(trial.forbidden) or 'answer'}", seen, verdict, trial.code, wrong,
    )  # fmt: skip


async def _twice(play: Play, judged: Judged) -> list[Obligation]:
    """The same letter brought twice, as any bus may: what it sets off happens once."""
    for n, line in enumerate(play.scenario.then.lines):
        if not await play.line(line):
            break
        play.reached = n + 1
        letter = play.stage.letter(play.said[line.message]) if line.message in play.said else None
        if letter is not None and letter.recipient == play.stage.partner and line.message in LETTERS:
            await play.stage.driver.deliver(letter.wire)
    await _settle(play.stage)
    wrong = tuple(dict.fromkeys(one for found in await judged(play) for one in found.wrong))
    rule = "What is brought twice is acted on once"
    seen = "; ".join(text for _, text in wrong) or "once"
    verdict: Verdict = "broken" if wrong else "met"
    return [Obligation(play.scenario.name, "-", "-", "-", ONCE, rule, "once", seen, verdict, ONCE, wrong)]


ONCE = "order.sequence_taken"


# --- what the partner is tempted by


def _trigger(play: Play) -> Line:
    """The line of ours that makes the partner act."""
    own = play.stage.partner
    return next(
        one for one in play.scenario.then.lines
        if one.message in LETTERS and play.stage.codes.get(one.recipient or "") == own
    )  # fmt: skip


async def _until_trigger(play: Play) -> Line:
    """Everything before it is as it should be."""
    trigger = _trigger(play)
    await _go(play, play.scenario.then.lines[: play.place(trigger)])
    return trigger


async def _go(play: Play, lines: Sequence[Line]) -> None:
    for line in lines:
        if not await play.line(line):
            raise NotReached


async def _passed(play: Play, envelope: Envelope, raw: bytes, signature: str) -> WireEnvelope:
    """With the receipts of all gateways on its way, so that nothing but the one thing is wrong."""
    world, wire = play.stage.world, WireEnvelope(raw, signature)
    way = (SHEP, RSHEP) if kind_of(play.stage.about) == "provider" else (SHEP,)
    for gateway in way:
        now = world.clock.now()
        receipt = Receipt(
            id=envelope.id, sha256=wire.sha256, gateway=gateway, writer=f"{gateway}/1", position=1, head="0" * 64,
            received=now, forwarded=now, step=envelope.step,
        )  # fmt: skip
        wire = wire.with_receipt(issue_receipt(receipt, await world.key(gateway)))
    return wire


async def _forged(play: Play) -> None:
    """Changed on the way: the sender's signature is over other bytes."""
    line = await _until_trigger(play)
    envelope, sender = play.compose(line), play.stage.by(line.sender or "")
    signature = sender.sign(envelope.encode())
    changed = replace(envelope, id=play.stage.world.ids.new())
    await play.stage.driver.deliver(await _passed(play, changed, changed.encode(), signature))
    await _go_on(play)


async def _unreceipted(play: Play) -> None:
    """Right, but no gateway has seen it."""
    line = await _until_trigger(play)
    raw = play.compose(line).encode()
    await play.stage.driver.deliver(WireEnvelope(raw, play.stage.by(line.sender or "").sign(raw)))
    await _go_on(play)


async def _misdelivered(play: Play) -> None:
    """Right in everything, and for somebody else."""
    line = await _until_trigger(play)
    sender = play.stage.by(line.sender or "")
    envelope = play.compose(line, recipient="proving-somebody-else")
    raw = envelope.encode()
    await play.stage.driver.deliver(await _passed(play, envelope, raw, sender.sign(raw)))
    await _go_on(play)


async def _run_out(play: Play) -> None:
    """A question that comes after the moment until which its asker waits."""
    play.stage.held.add(play.case)
    await play.say(await _until_trigger(play))
    await play.stage.pass_time(EXPIRES_S + BEYOND_S)
    play.stage.held.discard(play.case)
    for letter in play.stage.kept:
        await play.stage.driver.deliver(letter.wire)
    play.stage.kept.clear()


async def _late_answer(play: Play) -> None:
    """The register's answer comes after the act's limit: it counts as none (E1)."""
    line = await _until_trigger(play)
    await play.stage.pass_time((line.limit_s or EXPIRES_S) + BEYOND_S)
    await play.say(line)
    await _go_on(play)


async def _go_on(play: Play) -> None:
    """People who try to go on all the same; a provider's or a register's own system needs nobody."""
    if play.stage.about.role == "centre":
        await _submit(play)


async def _submit(play: Play, **other: Any) -> None:
    line = next(one for one in play.scenario.then.lines if one.message == "case.submitted")
    await play.stage.driver.act({**(play.act_for(line) or {}), **other})


async def _signed_by_another(play: Play) -> None:
    play.speech.given = play.speech.application(play.stage.people["another"])
    await _submit(play)


async def _changed_behind_the_signature(play: Play) -> None:
    signed, other = play.speech.application(), play.speech.application(form={})
    play.speech.given = {"document": other["document"], "signature": signed["signature"]}
    await _submit(play)


async def _unverified_completed(play: Play) -> None:
    """An application whose signature is not over it: it is registered, and nothing may be given on it."""
    signed, other = play.speech.application(), play.speech.application(form={})
    play.speech.given = {"document": other["document"], "signature": signed["signature"]}
    await _go(play, list(takewhile(lambda line: line.message != "case.completed", play.scenario.then.lines)))
    ends = next(one for one in play.scenario.then.lines if one.message == "case.completed")
    await play.stage.driver.act(play.act_for(ends) or {})


async def _handed_over_early(play: Play) -> None:
    """The counter is asked for a result that is not there."""
    await _go(play, list(takewhile(lambda line: line.message != "case.completed", play.scenario.then.lines)))
    ends = next(one for one in play.scenario.then.lines if one.message == "case.handed_over")
    await play.stage.driver.act(play.act_for(ends) or {})


BUS = ("provider", "register", "centre")
NEXT = ("case.registered", "case.status", "case.refused", "answer.person", "answer.attorney", "case.submitted")
TRIALS = (
    Trial("An envelope whose signature is not over its bytes is not acted on", "signature.invalid", _forged, NEXT,
          roles=BUS),
    Trial("An envelope no gateway has given a receipt for is not acted on", "receipt.missing", _unreceipted, NEXT,
          roles=BUS),
    Trial("An envelope for another participant is not acted on", "envelope.misdelivered", _misdelivered, NEXT,
          roles=BUS),
    Trial("A question that has run out is not answered", "time.expired", _run_out, roles=("register",)),
    Trial("An answer that comes after the act's limit counts as none", "time.late", _late_answer, ("case.submitted",),
          kind="check_registers", roles=("centre",)),
    Trial("No result is given on an application whose signature does not stand", "decision.not_verified",
          _unverified_completed, ("case.completed",), kind="check_documents", roles=("provider",)),
    Trial("An application signed by another person is not sent", "certificate.of_another_person", _signed_by_another,
          ("case.submitted",), kind="check_certificate", roles=("portal",)),
    Trial("An application changed after it was signed is not sent", "signature.of_other_data",
          _changed_behind_the_signature, ("case.submitted",), kind="check_certificate", roles=("portal",)),
    Trial("Nothing is handed over before the provider's result is there", "order.step_not_allowed", _handed_over_early,
          ("case.handed_over",), kind="hand_over", roles=("centre",)),
)  # fmt: skip
