"""A person register that keeps the rules: answers the asked person's question, once, while its asker waits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from egovkit.envelope import Envelope
from egovkit.errors import EgovError
from egovlaw.identifiers import synthetic_iin
from sandbox.certify.partners.base import Known, Partner
from sandbox.certify.saying import PROCESSED, person

KNOWN, UNKNOWN = synthetic_iin(7001), synthetic_iin(7002)
GRACE = timedelta(seconds=2)


class Register(Partner):
    """ГБД ФЛ's place."""

    role = "register"
    about: ClassVar[Mapping[str, Any]] = {"register": "person", "persons": {"known": KNOWN, "unknown": UNKNOWN}}

    async def on_query_person(self, envelope: Envelope) -> None:
        if envelope.expirytime is not None and self.clock.now() > envelope.expirytime + GRACE:
            raise EgovError("time.expired", limit_s="-", used_s="-")
        known = Known(envelope.subject, envelope.regulation, envelope.channel, envelope.region, envelope.source)
        self.cases[known.case] = known
        data = {"result": PROCESSED, "answered_at": self.now, "persons": self.found(envelope.data["criterion"])}
        await self.send(known, "answer.person", envelope.step, data, correlationid=envelope.id)

    def found(self, criterion: Mapping[str, str]) -> list[dict[str, Any]]:
        return [person(KNOWN)] if criterion.get("iin") == KNOWN else []
