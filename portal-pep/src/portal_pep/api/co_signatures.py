"""What waits for this person's signature beside the applicant's: to read, to sign, or to decline."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import Field

from egovkit.declared import keyed, refuses
from egovkit.routes import Routes
from egovkit.signatures.documents import OF_A_SIGNATURE
from egovkit.verdict import SignatureVerdict, verdict_of
from egovorigin.api import (
    PAGE,
    Cursor,
    Key,
    Limit,
    Shown,
    Strict,
    Title,
    cursor_of,
    decoded,
    encoded,
    kept,
    key_of,
    model_answer,
)
from egovorigin.domain.document import read_document
from egovorigin.origin import Keep
from egovorigin.shown import ServiceName, service_name
from portal_pep.api.base import Confirmed, ThePortal, once
from portal_pep.api.shown import co_signer_words
from portal_pep.service import co_signing
from portal_pep.service.co_signing import Asked
from portal_pep.service.parts import Portal

router = Routes(prefix="/v1/co-signatures", tags=["signing"])


class AskedLine(Shown):
    """`state`: waiting, signed or declined, by this person; `status` is the application's."""

    case: str
    role: str
    label: Title
    clause: str
    service: ServiceName
    state: str
    status: str
    asked_at: datetime | None
    answered_at: datetime | None


class AskedList(Shown):
    items: list[AskedLine]
    next: str | None


class AskedShown(AskedLine):
    """`document`: null once it is no more, since the applicant changed the application."""

    document: Annotated[str | None, Field(description="base64 of the exact bytes to sign")]
    sha256: str | None
    content: dict[str, Any] | None
    reason: str | None
    judged: SignatureVerdict | None


class ToCoSign(Strict):
    signature: Annotated[str, Field(max_length=40_000, description="detached CMS (CAdES-BES): base64 of DER, or PEM")]


class ToDecline(Strict):
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]


@router.get("")
@refuses("request.cursor_invalid")
async def list_asked(
    *, portal: ThePortal, identity: Confirmed, cursor: Cursor = None, limit: Limit = PAGE, waiting: bool = True
) -> AskedList:
    """Applications of others that wait for this person's signature, newest first; with waiting=false the answered
    too."""
    before = key_of(cursor)
    found, more = await co_signing.asked(portal, identity.account, waiting=waiting, before=before, limit=limit)
    lines = [AskedLine(**_line(portal, one)) for one in found]
    return AskedList(items=lines, next=cursor_of(found[-1].case.id) if more else None)


@router.get("/{case_id}")
@refuses("co_signature.not_found")
async def show_asked(portal: ThePortal, identity: Confirmed, case_id: str) -> AskedShown:
    """The document to read and to sign: the very bytes the applicant signed."""
    return _shown(portal, await co_signing.show(portal, identity.account, case_id))


@router.post("/{case_id}/sign", response_model=AskedShown)
@keyed
@refuses(
    "attachment.store_unavailable", "case.changed_meanwhile", "case.regulation_changed", "co_signature.not_found",
    "co_signature.not_waiting", "provider.not_found", *OF_A_SIGNATURE,
)  # fmt: skip
async def co_sign(
    *, request: Request, portal: ThePortal, identity: Confirmed, case_id: str, body: ToCoSign, key: Key = None
) -> Response:
    """Takes his signature over the same bytes; with the last one the application is sent. What is wrong with a
    signature leaves everything as it was."""
    signature = decoded("signature", body.signature)

    async def work(keep: Keep[Asked]) -> object:
        return await co_signing.sign(portal, identity.account, case_id, signature, keep)

    return await once(request, identity, kept(lambda done: model_answer(200, _shown(portal, done)), work))


@router.post("/{case_id}/decline")
@refuses("co_signature.not_found", "co_signature.not_waiting")
async def decline(portal: ThePortal, identity: Confirmed, case_id: str, body: ToDecline) -> AskedShown:
    """Does not sign, and says why: the applicant is told. Saying it again changes nothing, so no key is asked for."""
    return _shown(portal, await co_signing.decline(portal, identity.account, case_id, body.reason))


def _line(portal: Portal, one: Asked) -> dict[str, Any]:
    case, mine = one.case, one.mine
    regulation, _ = portal.regulation(case.regulation, case.regulation_version)
    label, clause = co_signer_words(regulation, mine.role)
    return {
        "case": case.id,
        "role": mine.role,
        "label": label,
        "clause": clause,
        "service": service_name(case, regulation),
        "state": mine.state.value,
        "status": case.state.value,
        "asked_at": mine.asked_at,
        "answered_at": mine.answered_at,
    }


def _shown(portal: Portal, one: Asked) -> AskedShown:
    document = one.case.document
    return AskedShown(
        **_line(portal, one),
        document=None if document is None else encoded(document),
        sha256=None if document is None else hashlib.sha256(document).hexdigest(),
        content=None if document is None else read_document(document),
        reason=one.mine.reason,
        judged=verdict_of(one.mine.judged),
    )
