"""A portal that keeps the rules: sends on what its consumer has signed, exactly, or says why it is not sent."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from egovkit.errors import EgovError
from sandbox.certify.partners.base import Known, Partner, step_of

TRAVELS_WITHIN = timedelta(seconds=50)
SENDING = ("sign_and_send", "send", "send_and_process")


class Portal(Partner):
    """ПЭП's place."""

    role = "portal"

    async def act_submit(self, known: Known, wish: Mapping[str, Any]) -> None:
        if "case.submitted" in known.told:
            return  # pressed twice
        refusal = await self.doubt(wish)
        if refusal is not None:
            await self.report(known, "refuse_signature", refusal)
            return
        await self.submit(known, wish)

    async def doubt(self, wish: Mapping[str, Any]) -> str | None:
        """Why the signature does not stand: whose it is, when, and over what."""
        document, signature = (base64.b64decode(wish[name]) for name in ("document", "signature"))
        iin = self.signer(wish)
        try:
            return (await self.signatures.verify(document, signature, self.clock.now(), iin)).refusal
        except EgovError as error:
            return error.code

    def signer(self, wish: Mapping[str, Any]) -> str | None:
        return str(wish["applicant"]["iin"])

    async def submit(self, known: Known, wish: Mapping[str, Any]) -> None:
        known.other = self.system("provider", known.region)
        step = step_of(self.channel(known), *SENDING)
        data = {name: wish[name] for name in ("provider", "applicant", "document", "signature")}
        data |= {"attachments": [], "trail": self.trail(known, step)}
        await self.send(known, "case.submitted", step, data, expirytime=self.clock.now() + TRAVELS_WITHIN)
