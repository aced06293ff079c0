"""Calls out: the round trip that /health/path shows."""

from __future__ import annotations

from typing import Any

import httpx

from egovkit.access import access_token, code_of
from egovkit.clock import Clock
from egovkit.ids import Ids
from egovkit.membership import NATIONAL_GATEWAY, Membership
from egovkit.signatures.certificates import TrustStore
from egovkit.signatures.custody import KeyCustody


class GatewayPath:
    """A signed round trip to ШЭП over HTTP, without a case: it leaves no trace in any journal.

    There: a question signed with the portal's key, which ШЭП answers only to an active member with a good certificate.
    Back: ШЭП's own signed list, fetched anew and verified, in which the portal has to find itself and the certificate
    it signs with. The broker is not on this way: /health/ready tells whether it is connected.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        key: KeyCustody,
        clock: Clock,
        ids: Ids,
        *,
        base_url: str,
        source: str,
        trust: TrustStore,
    ) -> None:
        self._http, self._key, self._clock, self._ids = http, key, clock, ids
        self._base, self._source, self._trust = base_url.rstrip("/"), source, trust

    async def measure(self) -> dict[str, Any]:
        """What /health/path shows. httpx.HTTPError when ШЭП does not answer, EgovError when its list is not good."""
        began = self._clock.monotonic()
        headers = {"authorization": f"Bearer {access_token(self._key, self._clock, self._ids, source=self._source)}"}
        answer = await self._http.get(f"{self._base}/v1/inbox", params={"limit": 1}, headers=headers)
        if not answer.is_success:
            return {"status": "broken", "hop": NATIONAL_GATEWAY, "error": code_of(answer)}
        fresh = Membership(self._trust, self._clock)
        await fresh.fetch(self._http, self._base)
        own = fresh.members.by_thumbprint(self._key.signing_key().thumbprint)
        if own is None or own[0].code != self._source or not own[0].is_active:
            return {"status": "broken", "hop": NATIONAL_GATEWAY, "error": "participant.unknown"}
        took = round((self._clock.monotonic() - began) * 1000, 1)
        return {"hop": NATIONAL_GATEWAY, "over": "http", "ms": took, "members": fresh.members.version}
