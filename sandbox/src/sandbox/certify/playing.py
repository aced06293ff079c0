"""One scenario against the partner: our systems say what is theirs to say, the partner is made to do its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from egovlaw.kinds import message_name
from sandbox.certify.saying import REASON, Speech, stamp
from sandbox.composition import PROVIDER, SHEP
from sandbox.trace import hop

if TYPE_CHECKING:
    from egovkit.envelope import Envelope
    from egovlaw.catalogue import Channel
    from sandbox.certify.stage import Stage
    from sandbox.replay.scenario import Scenario
    from sandbox.trace import Line

# What people at the partner do, so that its system sends this; nobody does anything for what is not named here.
ACTS: Mapping[str, str] = {
    "query.person": "ask", "case.submitted": "submit", "case.status": "take_up", "case.refused": "refuse",
    "case.decided": "decide", "case.completed": "complete", "case.handed_over": "hand_over",
}  # fmt: skip
EXPIRES_S = 50.0
BEYOND_S = 3.0  # how far behind the limit the clock is set: further than clocks may differ
TRAVELLERS = ("query.", "case.submitted")  # what runs out


class OwnFault(Exception):
    """Our own side was refused though the partner did nothing wrong: the certification is at fault."""


@dataclass(slots=True)
class Play:
    """A scenario on its way. `said`: our envelopes by message; `reached`: how many lines of the act came about."""

    stage: Stage
    scenario: Scenario
    channel: Channel
    speech: Speech
    said: dict[str, Envelope] = field(default_factory=dict)
    reached: int = 0
    fault: str = ""

    @property
    def case(self) -> str:
        return self.speech.case

    @property
    def lines(self) -> tuple[Line, ...]:
        """The act's lines between the participants there are here."""
        codes = self.stage.codes

        def here(code: str | None) -> str | None:
            return codes.get(code or "", code)

        lines = self.scenario.then.lines
        return tuple(replace(one, sender=here(one.sender), recipient=here(one.recipient)) for one in lines)

    async def through(self) -> None:
        """Line by line, until the partner does not go on."""
        for n, line in enumerate(self.scenario.then.lines):
            if not await self.line(line):
                return
            self.reached = n + 1

    async def line(self, line: Line) -> bool:
        """Whether it came about."""
        if self.stage.codes.get(line.sender or "") != self.stage.partner:
            return await self.say(line)
        act = self.act_for(line)
        if act is not None:
            await self.stage.driver.act(act)
        if not await self.stage.until(lambda: self.came(line)) and line.limit_s is not None:
            await self.stage.pass_time(line.limit_s + BEYOND_S)
            await self.stage.until(lambda: self.came(line))
        sent = self.speech.last.get(line.message)
        if sent is not None:
            await self.stage.until(lambda: self._arrived(sent))  # before anybody answers it
        return sent is not None

    async def came(self, line: Line) -> bool:
        """Whether ШЭП has it of the partner, or a gateway has refused it: then nothing more is to be waited for."""
        hops = [hop(row) for row in await self.stage.evidence.rows(self.case)]
        own = [one for one in hops if one.sender == self.stage.partner and one.message == line.message]
        taken = any(one.service == SHEP and one.kind == "envelope" for one in own)
        if taken:
            for sent in await self.stage.evidence.sent(self.case, self.stage.partner):
                self.speech.last[message_name(sent.type)] = sent
        return taken or any(one.kind == "refusal" for one in own)

    async def say(self, line: Line) -> bool:
        """Our own system's envelope. A gateway refuses it where the partner has led the case elsewhere."""
        envelope = self.compose(line)
        response = await self.stage.by(line.sender or "").send(envelope)
        if response.is_error:
            self.fault = f"{line.message} of {envelope.source} was refused: {response.text[:600]}"
            return False
        self.said[line.message] = envelope
        return await self.stage.until(lambda: self._arrived(envelope))

    async def _arrived(self, envelope: Envelope) -> bool:
        return envelope.recipient == SHEP or self.stage.letter(envelope) is not None

    def compose(self, line: Line, **changes: Any) -> Envelope:
        """`changes`: attributes that are other than they should be."""
        stage, speech = self.stage, self.speech
        source = stage.by(line.sender or "")
        answer = line.message.startswith("answer.")
        if not answer:
            speech.sequences[source.code] = speech.sequences.get(source.code, 0) + 1
        question = line.message.replace("answer.", "query.")
        asked = (speech.last.get(question) or self.said.get(question)) if answer else None
        now = stage.world.clock.now()
        expires = now + timedelta(seconds=EXPIRES_S) if line.message.startswith(TRAVELLERS) else None
        attributes: dict[str, Any] = {
            "recipient": stage.codes.get(line.recipient or "", line.recipient),
            "regulation": self.scenario.regulation, "channel": self.scenario.channel, "region": self.scenario.region,
            "caseseq": 0 if answer else speech.sequences[source.code], "expirytime": expires,
            "correlationid": asked.id if asked else None,
        }  # fmt: skip
        data = speech.data(line, self.trail(source.code, line))
        return source.envelope(line.message, line.step, data, case=self.case, **(attributes | changes))

    def trail(self, writer: str, line: Line) -> list[dict[str, Any]]:
        """The local steps since the last one that was told, up to this line's."""
        at = stamp(self.stage.world.clock.now())
        local: list[tuple[str, str]] = []
        if any(one.step == line.step for one in self.scenario.then.lines[: self.place(line)]):
            return []  # a further message of a step that was told
        for act in self.scenario.when:
            if act.step == line.step:
                break
            local = [] if self.channel.by_label[act.step].entering else [*local, (act.step, act.outcome or "done")]
        return [
            {"step": step, "outcome": outcome, "at": at, "position": n, "writer": f"{writer}/1", "hash": "0" * 64}
            for n, (step, outcome) in enumerate(local, 1)
        ]

    def place(self, line: Line) -> int:
        return self.scenario.then.lines.index(line)

    def act_for(self, line: Line) -> dict[str, Any] | None:
        """What the partner's people do now; None where its system has to go on by itself."""
        what = ACTS.get(line.message)
        at_own_desk = self.channel.origin_kind == "provider" and self.stage.codes[PROVIDER] == self.stage.partner
        if at_own_desk and line.message == "case.registered":
            what = "register"
        if line.message == "steps.reported" and line.after == "signature_refused":
            what = "submit"
        if what is None:
            return None
        return {**self.about(), "act": what, "step": line.step, **self._brought(what)}

    def about(self) -> dict[str, Any]:
        return {
            "case": self.case, "regulation": self.scenario.regulation, "version": self.speech.version,
            "channel": self.scenario.channel, "region": self.scenario.region,
        }  # fmt: skip

    def _brought(self, what: str) -> dict[str, Any]:
        speech, result = self.speech, self.scenario.result
        match what:
            case "ask":
                return {"applicant": {"iin": speech.applicant}}
            case "submit" | "register":
                speech.given = speech.given or speech.application()
                return {"applicant": {"iin": speech.applicant}, "provider": self.scenario.given.office, **speech.given}
            case "refuse":
                return {"reasons": [REASON]}
            case "complete":
                return {"result": {"outcome": result.outcome if result else "positive",
                                   "variant": result.variant if result else None}}  # fmt: skip
            case "decide":
                return {"outcome": "positive"}
            case "hand_over":
                return {"received_by": {"capacity": "applicant", "iin": speech.applicant}}
        return {}


def begin(stage: Stage, scenario: Scenario, channel: Channel, version: int) -> Play:
    """A new case. Who signs with a certificate that ran out is told by what the scenario is given."""
    stage = stage.seen_from(scenario.region)
    people, expired = stage.people, "expired" in scenario.given.certificates.values()
    if channel.origin_kind == "portal":
        signer = people["expired" if expired else "citizen"]
        applicant = signer.iin
    else:
        signer = people["official_expired" if expired else "official"]
        applicant = people["citizen"].iin
    if stage.about.role == "register":
        unknown = scenario.given.consumer.example is not None
        applicant = stage.about.persons["unknown" if unknown else "known"]
    return Play(stage, scenario, channel, Speech(stage, scenario, stage.world.ids.new(), applicant, signer, version))
