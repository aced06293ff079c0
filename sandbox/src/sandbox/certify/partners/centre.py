"""A centre's system that keeps the rules: asks the register, sends what its operator signed, hands over the result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from egovkit.envelope import Envelope
from egovkit.errors import EgovError
from sandbox.certify.partners.base import Known, step_of
from sandbox.certify.partners.portal import Portal


class Centre(Portal):
    """АРМ ИС ЦОН's place."""

    role = "centre"

    async def act_ask(self, known: Known, wish: Mapping[str, Any]) -> None:
        await self.question(known, wish["applicant"]["iin"])

    async def on_answer_person(self, envelope: Envelope) -> None:
        await self.answered(envelope)

    async def act_submit(self, known: Known, wish: Mapping[str, Any]) -> None:
        """Not before the register has named the person."""
        if known.facts.get("person") is None or "case.submitted" in known.told:
            raise EgovError("order.step_not_allowed")
        await self.submit(known, wish)

    async def on_case_registered(self, envelope: Envelope) -> None:
        known = self.cases[envelope.subject]
        known.at, known.number = envelope.step, envelope.data["number"]

    async def on_case_completed(self, envelope: Envelope) -> None:
        known = self.cases[envelope.subject]
        known.at, known.version = envelope.step, envelope.data["version"]
        known.facts["result"] = envelope.data["document"]

    async def on_case_refused(self, envelope: Envelope) -> None:
        known = self.cases[envelope.subject]
        known.at, known.version = envelope.step, envelope.data["version"]
        known.facts["result"] = envelope.data["document"]  # D17: a refusal is handed over too, where the act says so

    async def act_hand_over(self, known: Known, wish: Mapping[str, Any]) -> None:
        if "result" not in known.facts:
            raise EgovError("order.step_not_allowed")
        await self.hand_over(known, wish)

    async def hand_over(self, known: Known, wish: Mapping[str, Any]) -> None:
        record = json.dumps({"kind": "hand_over", "case": known.case}).encode()
        said = {"number": known.number, "handed_over_at": self.now, "received_by": wish["received_by"],
                **self.sign(record), "version": known.version, "trail": []}  # fmt: skip
        await self.send(known, "case.handed_over", step_of(self.channel(known), "hand_over"), said)
