"""The signatures of those whom an application names beside its applicant: each judged as his is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from egovlaw.catalogue import Regulation
from egovlaw.forms import co_signers
from provider_arm.domain.cases import Application
from provider_arm.domain.co_signing import MISSING, CoSignature, named_in, wrongly_named, wrongly_sent
from provider_arm.service.context import Workstation
from provider_arm.service.signers import Expected, Signed, doubts

CoSigned = tuple[list[str], list[CoSignature]]


async def check(
    ws: Workstation, regulation: Regulation, data: Mapping[str, Any], application: Application | None, at: datetime
) -> CoSigned:
    """Reason codes, and what is known of each: one for everybody who is named, come or not."""
    if application is None:
        return [], []  # there is nothing to read names from, which is a reason of its own
    named = named_in(application.body)
    if named is None:
        return ["document.malformed"], []
    sent: Sequence[Mapping[str, str]] = data.get("co_signatures", ())
    roles = [one.role for one in co_signers(regulation)]
    reasons = wrongly_named(named, data["applicant"]["iin"], roles)
    reasons += wrongly_sent(named, [(one["role"], one["iin"]) for one in sent])
    found: dict[str, CoSignature] = {}
    for role, iin in named:
        text = next((one["signature"] for one in sent if (one["role"], one["iin"]) == (role, iin)), None)
        found.setdefault(role, await _judged(ws, data["document"], (role, iin, text), at))
    reasons += [code for one in found.values() for code in one.reasons]
    return list(dict.fromkeys(reasons)), list(found.values())


async def _judged(ws: Workstation, document: str, who: tuple[str, str, str | None], at: datetime) -> CoSignature:
    role, iin, text = who
    if text is None:
        return CoSignature(role, iin, None, None, (MISSING,))
    signed = Signed.of(document, text)
    reasons, facts = await doubts(ws, signed, at, Expected(iin=iin))
    return CoSignature(role, iin, signed.signature, None if facts is None else facts.as_data(), tuple(reasons))


def journalled(found: Sequence[CoSignature]) -> dict[str, Any]:
    """For the journal's row of the registration."""
    said = [{"role": one.role, "judged": one.judged, "reasons": list(one.reasons)} for one in found]
    return {"co_signatures": said} if said else {}
