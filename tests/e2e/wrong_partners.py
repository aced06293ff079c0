"""Systems that break one rule each, made from those that keep all. `caught`: the clause, or the bus's rule, that is
hurt; read in the act or in contracts/errors.yaml, never copied from a run."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Coroutine, Mapping
from typing import Any, ClassVar

import httpx

from egovkit.clock import Clock
from egovkit.envelope import CONTENT_TYPE, Envelope, WireEnvelope
from egovkit.signatures.jws import sign_detached
from sandbox.certify.partners.base import Known, Partner
from sandbox.certify.partners.centre import Centre
from sandbox.certify.partners.portal import Portal
from sandbox.certify.partners.provider import Provider
from sandbox.certify.partners.register import Register
from sandbox.certify.saying import person


class Wrong(Partner):
    """`world_clock`: the clock of the bus, for who is late by it."""

    caught: ClassVar[str]
    world_clock: Clock

    def __init__(self) -> None:
        super().__init__()
        self.tasks: list[asyncio.Task[None]] = []

    def later(self, seconds: float, doing: Coroutine[Any, Any, None]) -> None:
        """By the clock of the bus, and not while its caller waits."""

        async def wait() -> None:
            await self.world_clock.sleep(seconds)
            await doing

        self.tasks.append(asyncio.create_task(wait()))


class Gullible(Wrong):
    """Reads what is brought, whoever has signed it."""

    caught = "signature.invalid"

    async def proved(self, wire: WireEnvelope) -> Envelope:
        return Envelope.parse(wire.raw)


class Forgetful(Wrong):
    """Does everything again that comes again."""

    caught = "order.sequence_taken"

    def known_already(self, envelope: Envelope) -> bool:
        self.cases.pop(envelope.subject, None)
        return False


# --- providers


class RegistersLate(Wrong, Provider):
    caught = "Приложение 1, таблица 2, 6"  # 30 sec. - 1 minute

    async def register(self, known: Known) -> None:
        self.later(61, super().register(known))


class DecidesUnregistered(Wrong, Provider):
    """The result at once."""

    caught = "7 12)"

    async def register(self, known: Known) -> None:
        known.number = "00000000001"
        await self.act_complete(known, {"result": {"outcome": "positive"}})

    def trail(self, known: Known, step: str) -> list[dict[str, Any]]:
        return []


class SignsWithAnothersKey(Wrong, Provider):
    """With a key the bus knows nothing of: an official's own."""

    caught = "signature.unknown_certificate"

    async def post(self, raw: bytes) -> httpx.Response:
        headers = {"Content-Type": CONTENT_TYPE, "Egov-Signature": sign_detached(raw, self.official)}
        return await self.http.post(f"{self.door}/v1/envelopes", content=raw, headers=headers)


class RegistersAgain(Forgetful, Provider):
    """Under a new number."""


class TellsNoStatus(Wrong, Provider):
    caught = "7 9)"

    async def act_take_up(self, known: Known, wish: Mapping[str, Any]) -> None:
        return


class SealsTheResult(Wrong, Provider):
    """The system signs in the official's place."""

    caught = "7 12)"

    def sign(self, document: bytes) -> dict[str, str]:
        self.official, kept = self.key, self.official
        try:
            return super().sign(document)
        finally:
            self.official = kept


class ActsOnForgeries(Gullible, Provider):
    """Whatever signature."""


class CompletesUnverified(Wrong, Provider):
    caught = "7 10)"

    async def verified(self, envelope: Envelope) -> bool:
        return True


class TellsNoTrail(Wrong, Provider):
    """The check of the documents between registration and result is not told."""

    caught = "7 10)"

    def trail(self, known: Known, step: str) -> list[dict[str, Any]]:
        return []


# --- portals


class ChecksNoSignature(Wrong, Portal):
    caught = "7 6)"

    async def doubt(self, wish: Mapping[str, Any]) -> str | None:
        return None


class SkipsAStep(Wrong, Portal):
    """That the certificate was checked is not told."""

    caught = "7 6)"

    def trail(self, known: Known, step: str) -> list[dict[str, Any]]:
        return super().trail(known, step)[:-1]


class SendsElsewhere(Wrong, Portal):
    """To the first provider there is, of whichever region."""

    caught = "route.region_mismatch"

    def system(self, kind: str, region: str = "") -> str:
        return super().system(kind)


class Rewrites(Wrong, Portal):
    """The document is put into the portal's own form, and no longer what was signed."""

    caught = "7 8)"

    async def submit(self, known: Known, wish: Mapping[str, Any]) -> None:
        document = base64.b64encode(base64.b64decode(wish["document"]) + b"\n").decode()
        await super().submit(known, {**wish, "document": document})


# --- centres


class AsksNoRegister(Wrong, Centre):
    caught = "6 3)"

    async def act_ask(self, known: Known, wish: Mapping[str, Any]) -> None:
        known.facts["person"] = {"iin": wish["applicant"]["iin"]}


class HandsOverEarly(Wrong, Centre):
    caught = "6 11)"

    async def act_hand_over(self, known: Known, wish: Mapping[str, Any]) -> None:
        await self.hand_over(known, wish)


class TakesLateAnswers(Wrong, Centre):
    caught = "6 4)"

    async def answered(self, envelope: Envelope) -> None:
        known = self.cases[envelope.subject]
        known.facts["asked"] = self.clock.now()
        await super().answered(envelope)


class GivesItToAnother(Wrong, Centre):
    caught = "6 11)"

    async def hand_over(self, known: Known, wish: Mapping[str, Any]) -> None:
        other = {"capacity": "applicant", "iin": "990101000005"}
        await super().hand_over(known, {**wish, "received_by": other})


# --- registers


class AnswersOfAnother(Wrong, Register):
    caught = "6 3)"

    def found(self, criterion: Mapping[str, str]) -> list[dict[str, Any]]:
        return [person("990101000005")]


class AnswersLate(Wrong, Register):
    caught = "Приложение 1, таблица 1, 3"  # 1.5 minutes

    async def on_query_person(self, envelope: Envelope) -> None:
        self.later(91, super().on_query_person(envelope))


class SignsNothing(Wrong, Register):
    caught = "signature.malformed"

    async def post(self, raw: bytes) -> httpx.Response:
        headers = {"Content-Type": CONTENT_TYPE}
        return await self.http.post(f"{self.door}/v1/envelopes", content=raw, headers=headers)


class AnswersWhatHasRunOut(Wrong, Register):
    caught = "time.expired"

    async def on_query_person(self, envelope: Envelope) -> None:
        from dataclasses import replace

        await super().on_query_person(replace(envelope, expirytime=None))


class AnswersForgeries(Gullible, Register):
    """Whatever signature."""


class AnswersTwice(Forgetful, Register):
    """As often as it is asked."""


# One of each role always, the others where time is no matter (EGOV_TEST_FULL=1).
WRONG: tuple[type[Wrong], ...] = (DecidesUnregistered, SkipsAStep, AsksNoRegister, AnswersOfAnother)
MORE: tuple[type[Wrong], ...] = (
    RegistersLate, RegistersAgain, ChecksNoSignature, SendsElsewhere, HandsOverEarly, TakesLateAnswers, AnswersLate,
    SignsNothing, SignsWithAnothersKey, TellsNoStatus, SealsTheResult, ActsOnForgeries, CompletesUnverified,
    TellsNoTrail, Rewrites, GivesItToAnother, AnswersWhatHasRunOut, AnswersForgeries, AnswersTwice,
)  # fmt: skip
