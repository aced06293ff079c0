"""A provider's system that keeps the rules: registers at once, decides when an official does."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from egovkit.envelope import Envelope
from egovkit.errors import EgovError
from sandbox.certify.partners.base import GATEWAY, Known, Partner, step_of


class Provider(Partner):
    """АРМ РШЭП's place."""

    role = "provider"
    count = 0

    # an application comes

    async def on_case_submitted(self, envelope: Envelope) -> None:
        if envelope.subject in self.cases:
            return  # the same case under another envelope's id
        known = Known(envelope.subject, envelope.regulation, envelope.channel, envelope.region, envelope.source)
        known.at = envelope.step
        self.cases[known.case] = known
        known.facts["verified"] = await self.verified(envelope)
        await self.register(known)

    async def verified(self, envelope: Envelope) -> bool:
        """Over exactly this document, with a certificate that stands."""
        document, signature = (base64.b64decode(envelope.data[name]) for name in ("document", "signature"))
        try:
            return (await self.signatures.verify(document, signature, self.clock.now(), None)).refusal is None
        except EgovError:
            return False

    async def register(self, known: Known) -> None:
        channel = self.channel(known)
        kinds = {item.kind.name for item in channel.flow}
        step = step_of(channel, "register", "process") if kinds & {"register", "process"} else str(known.at)
        type(self).count += 1
        known.number, known.version = f"{self.count:011}", 1
        trail = self.trail(known, step)
        data = {"number": known.number, "registered_at": self.now, "version": 1, "trail": trail}
        await self.send(known, "case.registered", step, data)

    # officials act

    async def act_take_up(self, known: Known, wish: Mapping[str, Any]) -> None:
        words = {"status": "in_work", "text_ru": "В работе", "text_kk": "Жұмыста", "at": self.now}
        await self.send(
            known, "case.status", str(known.at), {"number": known.number, "version": self.next(known), **words}
        )

    async def act_refuse(self, known: Known, wish: Mapping[str, Any]) -> None:
        step = step_of(self.channel(known), "refuse_documents")
        document = json.dumps({"kind": "refusal", "reasons": wish["reasons"]}, ensure_ascii=False).encode()
        said = {"reasons": wish["reasons"], "document": base64.b64encode(document).decode(), "refused_at": self.now}
        await self.word(known, "case.refused", step, said)

    async def act_decide(self, known: Known, wish: Mapping[str, Any]) -> None:
        step = step_of(self.channel(known), "decide")
        await self.word(known, "case.decided", step, {"outcome": wish["outcome"], "decided_at": self.now})

    async def act_complete(self, known: Known, wish: Mapping[str, Any]) -> None:
        if not known.facts.get("verified", True):
            raise EgovError("decision.not_verified")
        result = {name: value for name, value in wish["result"].items() if value is not None}
        document = json.dumps({"kind": "result", "case": known.case, **result}).encode()
        step = step_of(self.channel(known), "issue_result", "hand_over")
        await self.word(known, "case.completed", step, {**self.sign(document), **result, "completed_at": self.now})

    async def word(self, known: Known, name: str, step: str, said: Mapping[str, Any]) -> None:
        trail = self.trail(known, step)
        await self.send(
            known, name, step, {"number": known.number, "version": self.next(known), **said, "trail": trail}
        )

    def next(self, known: Known) -> int:
        known.version += 1
        return known.version

    # at his own desk

    async def act_ask(self, known: Known, wish: Mapping[str, Any]) -> None:
        known.other = GATEWAY
        await self.question(known, wish["applicant"]["iin"])

    async def on_answer_person(self, envelope: Envelope) -> None:
        await self.answered(envelope)

    async def act_register(self, known: Known, wish: Mapping[str, Any]) -> None:
        known.other = GATEWAY
        await self.register(known)

    async def act_submit(self, known: Known, wish: Mapping[str, Any]) -> None:
        """The official's own certificate is checked where the act has it so."""
        known.other = GATEWAY
        await self.report(known, "refuse_signature", "certificate.expired")

    async def act_hand_over(self, known: Known, wish: Mapping[str, Any]) -> None:
        record = json.dumps({"kind": "hand_over", "case": known.case}).encode()
        said = {"number": known.number, "handed_over_at": self.now, "received_by": wish["received_by"],
                **self.sign(record), "version": known.version, "trail": []}  # fmt: skip
        await self.send(known, "case.handed_over", str(known.at), said)
