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

from sandbox import bootstrap
from sandbox.bootstrap import RefusedByService, answer, bearer
from sandbox.composition import NUC, PROVIDER, RSHEP, SHEP

if TYPE_CHECKING:
    from egovkit.envelope import Envelope
    from egovkit.signatures.keys import SigningKey
    from sandbox.world import Deployment

BIN = "990440000008"  # synthetic: no organisation of April 2099 exists; its check digit is right
KNOWN_SECONDS = 45.0  # members look for a newer list every 30 s at the latest
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
        headers = bearer(world.admin_token(SHEP))
        register = f"{world.url(SHEP)}/v1/participants"
        body = {
            "code": code,
            "kind": kind,
            "name_ru": "Система партнёра (синтетическая)",
            "name_kk": "Серіктес жүйесі (синтетикалық)",
            "bin": BIN,
            "kato": "750000000",
            "regions": list(regions),
            "services": ["*"],
            "delivery": "http",
        }
        answer(await world.http.post(register, json=body, headers=headers))
        key, pem = await bootstrap.request_certificate(world.http, world.home, world.url(NUC), code=code, bin=BIN)
        held = await world.http.post(f"{register}/{code}/certificates", json={"certificate": pem}, headers=headers)
        answer(held)
        partner = cls(world, code, key, where, RSHEP if regions else SHEP)
        await partner._until_let_in()
        return partner

    async def _until_let_in(self) -> None:
        """The list of members takes a moment from ШЭП to РШЭП: pushed to one process of it, fetched by the others."""
        deadline = self.world.clock.monotonic() + KNOWN_SECONDS
        while True:
            seen = await self.world.http.get(f"{self.world.url(self.door)}/v1/inbox?limit=1", headers=self._access())
            if seen.status_code != httpx.codes.UNAUTHORIZED or self.world.clock.monotonic() > deadline:
                answer(seen)
                return
            await self.world.clock.sleep(0.2)

    async def set_state(self, action: str) -> None:
        """`suspend` or `resume`, by the operator."""
        url = f"{self.world.url(SHEP)}/v1/participants/{self.code}/{action}"
        answer(await self.world.http.post(url, headers=bearer(self.world.admin_token(SHEP))))

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
        from egovkit.signatures.jws import sign_detached

        return sign_detached(raw, self.key)

    async def post(self, raw: bytes, signature: str, **how: Any) -> httpx.Response:
        """Exact bytes with a signature, right or wrong."""
        headers = {
            "Content-Type": "application/cloudevents+json",
            "Egov-Signature": signature,
            "Accept-Language": "ru",
            **how.pop("headers", {}),
        }
        url = f"{self.world.url(self.door)}/v1/envelopes"
        return await self.world.http.post(url, content=raw, headers=headers, **how)

    async def inbox(self) -> list[dict[str, Any]]:
        """What waits for this partner at its gateway."""
        items: list[dict[str, Any]] = answer(
            await self.world.http.get(f"{self.world.url(self.door)}/v1/inbox?limit=100", headers=self._access())
        )["items"]
        return items

    async def acknowledge(self, ids: Sequence[str]) -> int:
        url = f"{self.world.url(self.door)}/v1/inbox/ack"
        taken = await self.world.http.post(url, json={"ids": list(ids)}, headers=self._access())
        return int(answer(taken)["acknowledged"])

    async def webhook(self, method: str, path: str = "", **how: Any) -> Any:
        """A call about its webhook at its own gateway: `PUT` with json={"url": ...}, `POST /test`, ..."""
        url = f"{self.world.url(self.door)}/v1/webhook{path}"
        asked = await self.world.http.request(method, url, headers=self._access(), **how)
        return answer(asked) if asked.content or asked.is_error else None

    def _access(self) -> dict[str, str]:
        from egovkit.signatures.jws import sign_compact

        now = int(self.world.clock.now().timestamp())
        claims = {"iss": self.code, "aud": self.door, "iat": now, "exp": now + 50, "jti": self.world.ids.new()}
        return bearer(sign_compact(claims, self.key, "egov-access+jwt"))


__all__ = ["Partner", "RefusedByService", "Where"]
