"""A partner system at a gateway's HTTP door: what an integrator's own system would do, and what it must not.

partner = await Partner.join(world, "partner-portal", where)
answer = await partner.send(partner.submission(case, ...))

A system with regions (a provider) belongs to РШЭП's door, all others to ШЭП's.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

import httpx

from sandbox.at_door import AtDoor
from sandbox.bootstrap import RefusedByService
from sandbox.composition import NUC, PROVIDER, SHEP
from sandbox.enrolment import Operators, Wish

if TYPE_CHECKING:
    from egovkit.envelope import Envelope
    from egovkit.signatures.keys import SigningKey
    from sandbox.world import Deployment

BIN = "990440000008"  # synthetic: no organisation of April 2099 exists; its check digit is right
TRAIL = (("P1", "done"), ("C1", "ok"), ("P3", "done"), ("C2", "ok"))


@dataclass(frozen=True, slots=True)
class Where:
    """The place in the catalogue a partner's envelopes are about."""

    regulation: str
    channel: str
    region: str


@dataclass(slots=True)
class Partner:
    """A participant with delivery over HTTP, and its key."""

    world: Deployment
    code: str
    key: SigningKey
    where: Where
    door: str = SHEP  # the gateway whose HTTP it uses

    @classmethod
    async def join(
        cls, world: Deployment, code: str, where: Where, *, kind: str = "portal", regions: Sequence[str] = ()
    ) -> Self:
        """Registered at ШЭП with a certificate of nuc-mock, as an operator would."""
        from egovkit.signatures.certificates import load_certificate
        from egovkit.signatures.keys import SigningKey, csr, new_private_key

        wish, private = Wish(code, kind, BIN, tuple(regions)), new_private_key()
        issued = await operators(world).admit(wish, csr(private, code).decode())
        key = SigningKey(private, load_certificate(issued["certificate"].encode()))
        partner = cls(world, code, key, where, wish.door)
        await partner.at.until_let_in()
        return partner

    @property
    def at(self) -> AtDoor:
        world = self.world
        return AtDoor(world.http, world.url(self.door), self.door, self.code, self.key, world.clock, world.ids)

    async def set_state(self, action: str) -> None:
        """`suspend` or `resume`, by the operator."""
        await operators(self.world).set_state(self.code, action)

    def submission(self, case: str | None = None, **changes: Any) -> Envelope:
        """A well-formed case.submitted; `changes` replace attributes of the envelope."""
        return self.envelope("case.submitted", "P5", self._application(), case=case, **changes)

    def envelope(
        self, name: str, step: str, data: Mapping[str, Any], *, case: str | None = None, **changes: Any
    ) -> Envelope:
        from egovkit.envelope import Envelope

        now = self.world.clock.now()
        made = Envelope(
            id=self.world.ids.new(),
            source=self.code,
            type=f"kz.egov.{name}.v1",
            subject=case or self.world.ids.new(),
            time=now,
            dataschema=f"urn:egov:schema:{name}.v1",
            recipient=PROVIDER,
            regulation=self.where.regulation,
            channel=self.where.channel,
            step=step,
            region=self.where.region,
            caseseq=1,
            data=dict(data),
            expirytime=now + timedelta(seconds=50) if name == "case.submitted" else None,
        )
        return replace(made, **changes)

    def trail(self, steps: Sequence[tuple[str, str]] = TRAIL, *, ago: float = 0.0) -> list[dict[str, Any]]:
        """Local steps that end `ago` seconds before now."""
        at = (self.world.clock.now() - timedelta(seconds=ago)).isoformat(timespec="milliseconds")
        stamp = at.replace("+00:00", "Z")
        place = {"writer": f"{self.code}/1", "hash": "0" * 64}
        return [
            {"step": step, "outcome": outcome, "at": stamp, "position": n, **place}
            for n, (step, outcome) in enumerate(steps, 1)
        ]

    def _application(self) -> dict[str, Any]:
        from egovlaw.identifiers import synthetic_iin

        return {
            "provider": "partner-test",
            "applicant": {"iin": synthetic_iin(1)},
            "document": base64.b64encode(b'{"kind":"application"}').decode(),
            "signature": base64.b64encode(b"a signature the provider will refuse").decode(),
            "attachments": [],
            "trail": self.trail(),
        }

    async def send(self, envelope: Envelope, **how: Any) -> httpx.Response:
        """Sign and hand over; `how` as in `post`."""
        raw = envelope.encode()
        return await self.post(raw, self.sign(raw), **how)

    def sign(self, raw: bytes) -> str:
        return self.at.sign(raw)

    async def post(self, raw: bytes, signature: str, **how: Any) -> httpx.Response:
        """Exact bytes with a signature, right or wrong."""
        return await self.at.post(raw, signature, **how)

    async def inbox(self) -> list[dict[str, Any]]:
        """What waits for this partner at its gateway."""
        return await self.at.inbox()

    async def acknowledge(self, ids: Sequence[str]) -> int:
        return await self.at.acknowledge(ids)

    async def webhook(self, method: str, path: str = "", **how: Any) -> Any:
        """A call about its webhook at its own gateway: `PUT` with json={"url": ...}, `POST /test`, ..."""
        return await self.at.webhook(method, path, **how)


def operators(world: Deployment) -> Operators:
    """Those of a world's НУЦ and ШЭП."""
    tokens = world.admin_token(NUC), world.admin_token(SHEP)
    return Operators(world.http, world.url(NUC), world.url(SHEP), *tokens)


__all__ = ["Partner", "RefusedByService", "Where"]
