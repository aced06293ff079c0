"""Calls out: the attachment store of ШЭП."""

from __future__ import annotations

from typing import Final, Protocol

import httpx

from egovkit.attachments import Claim, fetch
from egovkit.clock import Clock
from egovkit.errors import EgovError
from egovkit.ids import Ids
from egovkit.membership import NATIONAL_GATEWAY
from egovkit.signatures.custody import KeyCustody
from egovkit.signatures.jws import sign_compact
from egovorigin.domain.files import Attachment

ACCESS_TYP: Final = "egov-access+jwt"
ACCESS_SECONDS: Final = 60  # the longest ШЭП accepts; a token is made for each call


class AttachmentStore(Protocol):
    """Where files go before the application that names them is sent."""

    async def put(self, case: str, recipient: str, facts: Attachment, content: bytes) -> None:
        """Stores the bytes under their SHA-256, readable for the recipient in this case. Putting them again changes
        nothing. EgovError("attachment.store_unavailable") when it cannot be done now,
        EgovError("attachment.store_refused") when it never will."""

    async def fetch(self, claim: Claim) -> bytes:
        """The exact bytes that a side of the case stored. EgovError as `egovkit.attachments.fetch`."""


class GatewayAttachments:
    """ШЭП's attachment API, entered with a token signed by the origin's own system key."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        key: KeyCustody,
        clock: Clock,
        ids: Ids,
        *,
        base_url: str,
        source: str,
        timeout_s: float,
    ) -> None:
        self._http = http
        self._base = base_url.rstrip("/")
        self._timeout = timeout_s
        self._key = key
        self._clock = clock
        self._ids = ids
        self._source = source

    async def put(self, case: str, recipient: str, facts: Attachment, content: bytes) -> None:
        try:
            answer = await self._http.put(
                f"{self._base}/v1/attachments/{facts.sha256}",
                params={"case": case, "recipient": recipient},
                content=content,
                headers={
                    "authorization": f"Bearer {access_token(self._key, self._clock, self._ids, source=self._source)}",
                    "content-type": facts.type,
                },
                timeout=self._timeout,
            )
        except httpx.HTTPError as error:
            raise EgovError("attachment.store_unavailable", reason=type(error).__name__) from error
        if answer.is_success:
            return
        if answer.status_code >= 500 or answer.status_code in (401, 408, 429):
            raise EgovError("attachment.store_unavailable", reason=str(answer.status_code))
        raise EgovError("attachment.store_refused", name=facts.name, reason=code_of(answer))

    async def fetch(self, claim: Claim) -> bytes:
        token = access_token(self._key, self._clock, self._ids, source=self._source)
        return await fetch(self._http, self._base, token, claim, timeout_s=self._timeout)


def access_token(key: KeyCustody, clock: Clock, ids: Ids, *, source: str) -> str:
    """Who calls, for one call to ШЭП."""
    now = int(clock.now().timestamp())
    claims = {
        "iss": source,
        "aud": NATIONAL_GATEWAY,
        "iat": now,
        "exp": now + ACCESS_SECONDS,
        "jti": ids.new(),
    }
    return sign_compact(claims, key, ACCESS_TYP)


def code_of(answer: httpx.Response) -> str:
    """Why ШЭП refused: the code of its problem, or the status of an answer that is none."""
    try:
        return str(answer.json()["code"])[:100]
    except (ValueError, KeyError, TypeError):
        return str(answer.status_code)
