"""A participant at the HTTP of its gateway: envelopes handed over, the inbox read and acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from sandbox.bootstrap import answer, bearer

if TYPE_CHECKING:
    from egovkit.clock import Clock
    from egovkit.ids import Ids
    from egovkit.signatures.keys import SigningKey

KNOWN_SECONDS = 45.0  # members look for a newer list every 30 s at the latest
LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class AtDoor:
    """`door` is the gateway's code, `url` its address; `code` and `key` are the participant's."""

    http: httpx.AsyncClient
    url: str
    door: str
    code: str
    key: SigningKey
    clock: Clock
    ids: Ids

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
        return await self.http.post(f"{self.url}/v1/envelopes", content=raw, headers=headers, **how)

    async def inbox(self) -> list[dict[str, Any]]:
        """What waits for this participant."""
        items: list[dict[str, Any]] = answer(await self._look(100))["items"]
        return items

    async def acknowledge(self, ids: Sequence[str]) -> int:
        url = f"{self.url}/v1/inbox/ack"
        taken = await self.http.post(url, json={"ids": list(ids)}, headers=self.access())
        return int(answer(taken)["acknowledged"])

    async def webhook(self, method: str, path: str = "", **how: Any) -> Any:
        """A call about the participant's webhook; the JSON of the answer, None of an empty one."""
        asked = await self.http.request(method, f"{self.url}/v1/webhook{path}", headers=self.access(), **how)
        return answer(asked) if asked.content or asked.is_error else None

    async def until_let_in(self) -> None:
        """The list of members takes a moment from ШЭП to РШЭП: pushed to one process of it, fetched by the others."""
        deadline = self.clock.monotonic() + KNOWN_SECONDS
        while True:
            seen = await self._look(1)
            if seen.status_code != httpx.codes.UNAUTHORIZED or self.clock.monotonic() > deadline:
                answer(seen)
                return
            await self.clock.sleep(LOOK_SECONDS)

    async def _look(self, limit: int) -> httpx.Response:
        return await self.http.get(f"{self.url}/v1/inbox?limit={limit}", headers=self.access())

    def access(self) -> dict[str, str]:
        """The proof of who calls; made for each call."""
        from egovkit.signatures.jws import sign_compact

        now = int(self.clock.now().timestamp())
        claims = {"iss": self.code, "aud": self.door, "iat": now, "exp": now + 50, "jti": self.ids.new()}
        return bearer(sign_compact(claims, self.key, "egov-access+jwt"))
