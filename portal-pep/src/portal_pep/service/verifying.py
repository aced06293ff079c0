"""Checking a document for whoever holds it: by its number and something else it shows, by the codes on it, by its PDF.

Nobody logs in, so nothing is told that the document in hand does not show; by number alone that is: that there is such
a result, of what kind, when and by whom it was given, and whether it stands.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from egovkit import strictjson
from egovkit.barcodes import Carried, decode, unpack
from egovkit.errors import EgovError
from egovkit.signatures.certificates import CertificateFacts
from egovkit.signatures.cms import read_cms
from egovkit.signatures.pdf import PdfSignature, check_pdf
from egovkit.signatures.profiles import OFFICIALS
from egovlaw.catalogue import Regulation
from egovorigin.domain.document import read_document
from egovorigin.logins import count_hourly
from egovorigin.origin import KAZAKHSTAN
from egovorigin.store.files import Result
from portal_pep.domain.verifying import Held, Standing, standing
from portal_pep.service.parts import Portal
from portal_pep.store.files import Numbered, files

NUMBER = re.compile(r"[0-9]{11}")


@dataclass(frozen=True, slots=True)
class Issued:
    """What the portal may tell of a result to anybody who names it."""

    kind: str
    outcome: str | None
    issued_on: date
    valid_until: date | None
    service: Mapping[str, str]
    provider: Mapping[str, str]
    organisation: str | None  # БИН of who signed; None for a letter that is not signed


@dataclass(frozen=True, slots=True)
class Then:
    """What was kept when the signature was judged, at receipt."""

    at: datetime
    refusal: str | None


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed, and his certificate at that moment (`then`) and today (`now`). `stamped`: the moment is proved by a
    time stamp, and is not only the signer's or our word."""

    then: CertificateFacts | Then
    now: CertificateFacts
    signed_at: datetime | None
    stamped: bool
    level: str


@dataclass(frozen=True, slots=True)
class Verified:
    """`compared`: the document in hand was compared with the portal's, byte by byte, and not its number alone."""

    standing: Standing
    compared: bool
    number: str | None
    checked_at: datetime
    issued: Issued | None
    signers: tuple[Signer, ...] = ()
    content: Mapping[str, Any] | None = None  # of a document that came in codes: it is in the asker's hand


async def by_number(portal: Portal, number: str, issued_on: date | None, sha256: str | None, address: str) -> Verified:
    """EgovError verify.not_found, also for a right number with a wrong date: numbers follow one another."""
    await _count(portal, address)
    now = portal.clock.now()
    for one in await _numbered(portal, number):
        digest = hashlib.sha256(one.result.document).hexdigest()
        first, last = _days_shown(one.result)
        of_day = issued_on is None or first <= issued_on <= last
        if of_day and (sha256 is None or sha256 in (digest, one.result.page_sha256)):
            stands = _standing(portal, Held(True, one.result.valid_until))
            return Verified(stands, sha256 is not None, number, now, _issued(portal, one))
    raise EgovError("verify.not_found")


async def by_codes(portal: Portal, texts: Sequence[str], address: str) -> Verified:
    """EgovError barcode.*, signature.*, certificate.*, verify.not_official: this document is not to be believed."""
    await _count(portal, address)
    carried = unpack(decode(texts))
    numbered = await _numbered(portal, carried.number)
    alike = next((one for one in numbered if one.result.document == carried.document), None)
    signer = await _signer_of(portal, carried, alike)
    content = _content(carried)
    found = [one for one in numbered if _of(one, signer)]
    same = alike if alike in found else None  # the bytes of another organisation's result may be signed anew
    held = None if not found else Held(same is not None, same.result.valid_until if same else None)
    issued = None if same is None else _issued(portal, same)
    now = portal.clock.now()
    return Verified(_standing(portal, held), True, carried.number, now, issued, (signer,), content)


async def by_pdf(portal: Portal, pdf: bytes, address: str) -> Verified:
    """By the file's own signature, whoever keeps the result; the very bytes are looked for among the portal's.
    EgovError pdf.*, signature.invalid, certificate.*, verify.not_official."""
    await _count(portal, address)
    now = portal.clock.now()
    facts = await check_pdf(pdf, portal.trust.root, now, await portal.revocation())
    signers = tuple(_signer_in(portal, one, now) for one in facts.signatures)
    number = facts.signatures[0].reason
    found = [one for one in await _numbered(portal, number) if _of(one, signers[0])]
    same = next((one for one in found if one.result.page_sha256 == facts.sha256), None)
    held = None if not found else Held(same is not None, same.result.valid_until if same else None)
    issued = None if same is None else _issued(portal, same)
    return Verified(_standing(portal, held), True, number or None, now, issued, signers)


def _of(one: Numbered, signer: Signer) -> bool:
    """Numbers are unique within a provider: another one's result of this number says nothing of this document."""
    return bool(signer.now.bin) and _kept_signer(one.result).get("bin") == signer.now.bin


def _content(carried: Carried) -> Mapping[str, Any]:
    """Shown to whoever asks, so it has to be I-JSON; and a result: officials sign other things too."""
    try:
        content = strictjson.loads(carried.document)
    except strictjson.StrictJsonError:
        content = None
    if not isinstance(content, dict) or (content.get("kind"), content.get("number")) != ("result", carried.number):
        raise EgovError("barcode.package_invalid", reason="not_this_result")
    return content


async def _signer_of(portal: Portal, carried: Carried, same: Numbered | None) -> Signer:
    """The very signature the portal received is told as it was judged then; any other is judged as of its time stamp,
    without one as of today."""
    now = portal.clock.now()
    if same is not None and same.result.judged is not None and same.result.signature == carried.signature:
        reading = await asyncio.to_thread(read_cms, carried.document, carried.signature)
        return _kept(same.result.judged, portal.trust.check_person(reading.certificate, now, None))
    facts = await portal.signatures.verify(carried.document, carried.signature, now, None)
    if facts.refusal is not None:
        raise EgovError(facts.refusal)
    _require_official(facts.signer)
    today = portal.trust.check_person(facts.certificate, now, None)
    if facts.stamp is not None:
        return Signer(facts.signer, today, facts.stamp.moment, stamped=True, level="B-T")
    return Signer(facts.signer, today, facts.signing_time, stamped=False, level="B-B")


def _kept(judged: Mapping[str, Any], today: CertificateFacts) -> Signer:
    refusal = None if judged["verdict"] == "accepted" else str(judged["verdict"])
    then, stamp = Then(datetime.fromisoformat(judged["judged_at"]), refusal), judged["stamp"]
    if stamp is not None:
        return Signer(then, today, datetime.fromisoformat(stamp["moment"]), stamped=True, level="B-T")
    claimed = judged["claimed_at"]
    at = None if claimed is None else datetime.fromisoformat(claimed)
    return Signer(then, today, at, stamped=False, level="B-B")


def _kept_signer(result: Result) -> Mapping[str, Any]:
    return {} if result.judged is None else dict(result.judged["signer"])


def _signer_in(portal: Portal, signature: PdfSignature, now: datetime) -> Signer:
    if signature.refusal is not None:
        raise EgovError(signature.refusal)
    then = portal.trust.check_person(signature.certificate, signature.existed_at, None)
    if then.refusal is not None:
        raise EgovError(then.refusal)
    _require_official(then)
    today = portal.trust.check_person(signature.certificate, now, None)
    at = signature.existed_at if signature.stamped else signature.claimed_at
    return Signer(then, today, at, signature.stamped, signature.level)


def _require_official(facts: CertificateFacts) -> None:
    if not facts.ekus & OFFICIALS:
        raise EgovError("verify.not_official")


def _standing(portal: Portal, held: Held | None) -> Standing:
    return standing(held, portal.clock.now().astimezone(KAZAKHSTAN).date())


async def _numbered(portal: Portal, number: str) -> list[Numbered]:
    """None for what is no number: a stranger's PDF may say anything."""
    if not NUMBER.fullmatch(number):
        return []
    async with portal.db.read() as conn:
        return await files.results_of_number(conn, number)


def _issued(portal: Portal, one: Numbered) -> Issued:
    regulation = portal.catalogue.regulation(one.regulation, one.regulation_version)
    result = one.result
    return Issued(
        kind=result.kind,
        outcome=result.outcome,
        issued_on=result.issued_at.astimezone(KAZAKHSTAN).date(),
        valid_until=result.valid_until,
        service=_service(regulation, one.regulation),
        provider=_provider(regulation, one.regulation),
        organisation=_kept_signer(result).get("bin"),
    )


def _service(regulation: Regulation | None, code: str) -> Mapping[str, str]:
    return {"kk": regulation.title_kk, "ru": regulation.title_ru} if regulation else {"kk": code, "ru": code}


def _provider(regulation: Regulation | None, code: str) -> Mapping[str, str]:
    russian = regulation.provider_ru if regulation else code
    kazakh = regulation.provider_kk if regulation else None
    return {"kk": kazakh.text if kazakh else russian, "ru": russian}


def _days_shown(result: Result) -> tuple[date, date]:
    """Between which days the date in hand may be: that of issue, as the portal's own page shows; a page its official
    signed shows the day when he had it set, after he prepared the result and perhaps before midnight."""
    issued = result.issued_at.astimezone(KAZAKHSTAN).date()
    if result.page_sha256 is None:
        return issued, issued
    prepared = (read_document(result.document) or {}).get("prepared_at")
    try:
        return datetime.fromisoformat(str(prepared)).astimezone(KAZAKHSTAN).date(), issued
    except (ValueError, OverflowError):
        return issued, issued


async def _count(portal: Portal, address: str) -> None:
    """Numbers follow one another, and a PDF costs a second of a core."""
    await count_hourly(portal, "verify", address, portal.settings.verifications_per_hour)
