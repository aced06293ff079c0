"""A page as PAdES B-LTA (ETSI EN 319 142-1): prepared here, signed by the official's own agent, made lasting here.

    prepare_page   the page with an empty signature field, and the exact bytes to sign: all of it but the hole
    finish_page    puts the official's CMS into the hole, adds a time stamp over his signature (B-T), certificates and
                   what НУЦ says of revocation (B-LT), and a time stamp over everything (B-LTA)
    check_pdf      what signatures a PDF has and whether anything was changed after them, as facts

No service holds a person's key, so signing is interrupted: the CMS over `to_sign` is made by the same tools as that
over any document, and checked by `documents` before it comes here. pyHanko runs in threads; a PDF of somebody else's
is read in a process of its own with limits of memory and time (`pdf_reading`), since a file of a few kilobytes may
unfold into gigabytes.
"""

# mypy: disable-error-code="no-untyped-call"
# classes of ours under untyped ones

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx

from egovkit.errors import EgovError
from egovkit.signatures.certificates import Certificate, load_certificate
from egovkit.signatures.fetching import fetch
from egovkit.signatures.keys import der
from egovkit.signatures.ocsp import OcspUnusable, read_answer
from egovkit.signatures.revocation import RevocationStatus
from egovkit.signatures.trust_source import MAX_LIST, issuing_authorities
from egovkit.signatures.trust_source import SECONDS as SECONDS_A_LIST

if TYPE_CHECKING:
    from pyhanko.sign.timestamps import TimeStamper
    from pyhanko_certvalidator import ValidationContext

__all__ = [
    "MAX_PDF",
    "Evidence",
    "PdfFacts",
    "PdfSignature",
    "PreparedPage",
    "check_pdf",
    "finish_page",
    "gather_evidence",
    "prepare_page",
    "revocation_lists",
]

MAX_PDF: Final = 10 * 1024 * 1024  # as an attachment
HOLE: Final = 2 * 24 * 1024  # hexadecimal: a CMS with its chain takes 4 KB, the time stamp with its chain 8 KB
FIELD: Final = "EgovSignature"
SKEW: Final = timedelta(minutes=5)  # НУЦ's clock and ours
SECONDS: Final = 20.0  # of the machine's time for one foreign PDF; ours take 2
AT_ONCE: Final = 2
_SAFE_ENVIRONMENT: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG")


@dataclass(frozen=True, slots=True)
class PreparedPage:
    """A page waiting for its signature: between `start` and `end` is the hole for it."""

    pdf: bytes
    start: int
    end: int

    @property
    def to_sign(self) -> bytes:
        """The bytes of the /ByteRange: what the detached CMS has to be over."""
        return self.pdf[: self.start] + self.pdf[self.end :]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a later reader needs to believe the signature: the root, the authorities under it, and what they say of
    revocation now (DER of CRLs and OCSP answers)."""

    root: Certificate
    authorities: Sequence[Certificate]
    crls: Sequence[bytes]
    ocsps: Sequence[bytes] = ()


@dataclass(frozen=True, slots=True)
class PdfSignature:
    """One person's signature in a PDF.

    intact       made by the certificate's key over exactly the bytes it says
    unchanged    nothing but evidence and stamps was added after it, and the stamps over the file are those of its bytes
    ades         pyHanko's word by ETSI EN 319 102-1 for long-term signatures, our root alone: "PASSED", or why not
    level        B-B, B-T (a time stamp over it), B-LT (evidence in the file), B-LTA (a time stamp over that too)
    existed_at   the earliest moment it is proved to have existed: by a time stamp that holds, else the moment of asking
    stamped      whether that moment is a time stamp's
    claimed_at   what the signer's software wrote; proves nothing
    reason       what was written as the reason of signing: for our pages the document's number
    """

    field: str
    certificate: Certificate
    intact: bool
    unchanged: bool
    ades: str
    level: str
    existed_at: datetime
    stamped: bool
    claimed_at: datetime | None
    reason: str = ""

    @property
    def refusal(self) -> str | None:
        """The code of the first reason not to believe the file, or None. Of the certificate ask the `TrustStore`."""
        if not self.intact:
            return "signature.invalid"
        if not self.unchanged:
            return "pdf.changed"
        return None


@dataclass(frozen=True, slots=True)
class PdfFacts:
    """`sha256`, hex, of the whole file; signatures in their order, time stamps not among them."""

    sha256: str
    signatures: tuple[PdfSignature, ...]


async def gather_evidence(
    http: httpx.AsyncClient, nuc_url: str, root: Certificate, judged_by: RevocationStatus | None
) -> Evidence:
    """Asks НУЦ for its issuing authority, with the keys it had before, and its lists of now, which the stamps'
    certificates need. `judged_by`: the word that the official's certificate was judged by
    (`DocumentFacts.revocation`); an OCSP answer goes into the page as it came. EgovError service.unavailable."""
    lists = await revocation_lists(http, nuc_url)
    if not lists:
        raise EgovError("service.unavailable", waiting_for="nuc-mock")
    try:
        issuing = tuple(load_certificate(one) for one in await issuing_authorities(http, nuc_url.rstrip("/")))
    except (httpx.HTTPError, ValueError):
        raise EgovError("service.unavailable", waiting_for="nuc-mock") from None
    answer = None if judged_by is None else judged_by.answer
    return Evidence(root, issuing, lists, () if answer is None else (answer,))


async def revocation_lists(http: httpx.AsyncClient, nuc_url: str) -> tuple[bytes, ...]:
    """What НУЦ says of revocation now, as far as it answers: its own list with the delta to it, where its certificates
    name one (RFC 5280, 5.2.6: whoever has none cannot say), and its root's where it publishes one."""
    base = nuc_url.rstrip("/")
    found = [await _ask(http, f"{base}{path}") for path in ("/crl", "/crl/delta", "/crl/root")]
    return tuple(one for one in found if one is not None)


async def _ask(http: httpx.AsyncClient, url: str) -> bytes | None:
    try:
        answer, content = await fetch(http, url, longest=MAX_LIST, seconds=SECONDS_A_LIST)
    except httpx.HTTPError:
        return None
    return content if answer.status_code == httpx.codes.OK else None


async def prepare_page(pdf: bytes, at: datetime, *, reason: str = "") -> PreparedPage:
    """The page with an invisible signature field, dated `at`. Each call makes other bytes: the file's identifier and
    the machine's time of its last change are new. EgovError pdf.unreadable for what is no PDF of ours."""
    return await asyncio.to_thread(_prepare, pdf, at, reason)


async def finish_page(page: PreparedPage, cms: bytes, stamper: TimeStamper, evidence: Evidence, at: datetime) -> bytes:
    """The signed PDF, B-LTA. `cms` is DER, checked by `DocumentSignatures.verify(page.to_sign, ...)`; `at` is now.

    EgovError pdf.not_sealed (the CMS does not fit, or the evidence does not cover the certificates), and what the
    stamper says: stamp.unavailable, stamp.refused.
    """
    there = _Elsewhere(stamper, asyncio.get_running_loop())
    return await asyncio.to_thread(asyncio.run, _finish(page, cms, there.stamper, evidence, at))


async def check_pdf(pdf: bytes, root: Certificate, at: datetime, crls: Sequence[bytes] = ()) -> PdfFacts:
    """Facts about a PDF from anybody, at the moment `at`, with no network. `crls` (DER): what is known of revocation
    today; the certificate of a stamping authority is judged by them when those in the file have grown old.

    EgovError: pdf.unreadable, pdf.encrypted, pdf.hybrid (two tables of contents, so two readers may
    see two documents), pdf.too_complex (more memory or time than a document needs), pdf.not_signed,
    signature.cms_malformed (a signature that is no CAdES-BES, as over any document).
    """
    if not pdf.startswith(b"%PDF-"):
        raise EgovError("pdf.unreadable", technical="it does not begin with %PDF-")
    if len(pdf) > MAX_PDF:
        raise EgovError("pdf.too_complex")
    said = await _read_apart(pdf, root, at, crls)
    if "code" in said:
        raise EgovError(said["code"], **said.get("params", {}))
    signatures = tuple(_signature(one) for one in said["signatures"])
    if not signatures:
        raise EgovError("pdf.not_signed")
    return PdfFacts(hashlib.sha256(pdf).hexdigest(), signatures)


# --- making ---------------------------------------------------------------------------------------------------


def _prepare(pdf: bytes, at: datetime, reason: str) -> PreparedPage:
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.pdf_utils.misc import PdfError
    from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
    from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigObjSetup
    from pyhanko.sign.signers.pdf_byterange import PdfSignedData

    signature = PdfSignedData(
        obj_type=_name("/Sig"), subfilter=SigSeedSubFilter.PADES, timestamp=at, bytes_reserved=HOLE
    )
    if reason:
        signature[_name("/Reason")] = _text(reason)
    try:
        writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
        steps = PdfCMSEmbedder(SigFieldSpec(FIELD, invis_sig_settings=_invisible())).write_cms(FIELD, writer)
        next(steps)
        steps.send(SigObjSetup(sig_placeholder=signature))
        prepared, out = steps.send(SigIOSetup(md_algorithm="sha256"))
    except (PdfError, ValueError, KeyError) as error:
        raise EgovError("pdf.unreadable", technical=type(error).__name__) from None
    return PreparedPage(out.getvalue(), prepared.reserved_region_start, prepared.reserved_region_end)


def _invisible() -> Any:
    """Outside the page: an annotation with no tag of its own has to be hidden or there (PDF/UA-1, 7.18.1), and PDF/A-2,
    6.3.2 forbids to hide it."""
    from pyhanko.sign.fields import InvisSigSettings

    return InvisSigSettings(box_out_of_bounds=True)


def _name(text: str) -> Any:
    from pyhanko.pdf_utils.generic import pdf_name

    return pdf_name(text)


def _text(text: str) -> Any:
    from pyhanko.pdf_utils.generic import pdf_string

    return pdf_string(text)


async def _finish(page: PreparedPage, cms: bytes, stamper: TimeStamper, evidence: Evidence, at: datetime) -> bytes:
    """The steps: 1 a time stamp over the signature, 2 the CMS into the hole, 3 the evidence, 4 a time stamp over all.
    The stamping authority's own evidence goes in before the second stamp, so that it covers everything."""
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.pdf_utils.misc import PdfError
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.general import SigningError
    from pyhanko.sign.signers.pdf_byterange import PreparedByteRangeDigest
    from pyhanko.sign.signers.pdf_signer import PdfTimeStamper, TimestampDSSContentSettings
    from pyhanko.sign.validation.dss import async_add_validation_info
    from pyhanko.sign.validation.errors import SignatureValidationError
    from pyhanko_certvalidator.errors import PathError, ValidationError

    stamped = await _stamped(cms, stamper)
    if 2 * len(stamped) > page.end - page.start - 2:
        raise EgovError("pdf.not_sealed", reason="does_not_fit")
    out = io.BytesIO(page.pdf)
    PreparedByteRangeDigest(hashlib.sha256(page.to_sign).digest(), page.start, page.end).fill_with_cms(out, stamped)
    try:
        signature = PdfFileReader(out).embedded_signatures[0]
        await async_add_validation_info(signature, _context(evidence, at), add_vri_entry=False, in_place=True)
        await PdfTimeStamper(stamper, invis_settings=_invisible()).async_timestamp_pdf(
            IncrementalPdfFileWriter(out),
            "sha256",
            _context(evidence, at),
            in_place=True,
            dss_settings=TimestampDSSContentSettings(include_vri=False, update_before_ts=True),
        )
    except (PdfError, PathError, ValidationError, SigningError, SignatureValidationError, OcspUnusable) as error:
        raise EgovError("pdf.not_sealed", reason="evidence_refused", technical=str(error)) from None
    return out.getvalue()


async def _stamped(cms: bytes, stamper: TimeStamper) -> bytes:
    """The CMS with a time stamp over its signature (RFC 3161, appendix A); the hash is the signature's own."""
    from egovkit.signatures.asn1 import cms as asn1_cms

    info = asn1_cms.ContentInfo.load(cms)
    signer = info["content"]["signer_infos"][0]
    token = await stamper.async_timestamp(hashlib.sha256(signer["signature"].native).digest(), "sha256")
    attribute = asn1_cms.CMSAttribute({"type": "signature_time_stamp_token", "values": [token]})
    others = [one for one in signer["unsigned_attrs"]] if signer["unsigned_attrs"].native else []
    signer["unsigned_attrs"] = asn1_cms.CMSAttributes([*others, attribute])
    return bytes(info.dump())


def _context(evidence: Evidence, at: datetime) -> ValidationContext:
    """Our root, our evidence, our clock; nothing is fetched. Evidence issued a moment after the signature counts."""
    from pyhanko_certvalidator import ValidationContext

    from egovkit.signatures.asn1 import x509 as asn1_x509

    def loaded(certificate: Certificate) -> Any:
        return asn1_x509.Certificate.load(der(certificate))

    return ValidationContext(
        trust_roots=[loaded(evidence.root)],
        other_certs=[loaded(one) for one in evidence.authorities],
        moment=at,
        crls=list(evidence.crls),
        ocsps=[one for one in evidence.ocsps if read_answer(one)],
        revocation_mode="require",
        allow_fetching=False,
        retroactive_revinfo=True,
        time_tolerance=SKEW,
    )


class _Elsewhere:
    """A stamper that belongs to another loop (its HTTP client does), for the thread that pyHanko works in."""

    def __init__(self, stamper: TimeStamper, loop: asyncio.AbstractEventLoop) -> None:
        from pyhanko.sign.timestamps import TimeStamper

        class There(TimeStamper):
            async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> Any:
                asked = asyncio.run_coroutine_threadsafe(stamper.async_timestamp(message_digest, md_algorithm), loop)
                return await asyncio.wrap_future(asked)

        self.stamper = There()


# --- reading what anybody sends -------------------------------------------------------------------------------

_room: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}


async def _read_apart(pdf: bytes, root: Certificate, at: datetime, crls: Sequence[bytes]) -> dict[str, Any]:
    """Asks a process with limits. What kills it - memory, time - is an answer too."""
    lists = [base64.b64encode(one).decode() for one in crls]
    known = {"root": base64.b64encode(der(root)).decode(), "crls": lists, "at": at.isoformat()}
    question = json.dumps(known).encode()
    async with _one_of_few():
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "egovkit.signatures.pdf_reading"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={name: os.environ[name] for name in _SAFE_ENVIRONMENT if name in os.environ},
        )
        try:
            async with asyncio.timeout(SECONDS):
                answer, _ = await child.communicate(question + b"\n" + pdf)
        except TimeoutError:
            raise EgovError("pdf.too_complex") from None
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
    try:
        said = json.loads(answer)
    except ValueError:
        raise EgovError("pdf.too_complex") from None  # it ended before it could say anything
    return said if isinstance(said, dict) else {"code": "pdf.too_complex"}


def _one_of_few() -> asyncio.Semaphore:
    """A loop's own: a semaphore belongs to the loop that first waited on it."""
    loop = asyncio.get_running_loop()
    for old in [one for one in _room if one.is_closed()]:
        del _room[old]
    return _room.setdefault(loop, asyncio.Semaphore(AT_ONCE))


def _signature(said: dict[str, Any]) -> PdfSignature:
    claimed = said["claimed_at"]
    return PdfSignature(
        field=said["field"],
        certificate=load_certificate(base64.b64decode(said["certificate"])),
        intact=said["intact"],
        unchanged=said["unchanged"],
        ades=said["ades"],
        level=said["level"],
        existed_at=datetime.fromisoformat(said["existed_at"]),
        stamped=said["stamped"],
        claimed_at=None if claimed is None else datetime.fromisoformat(claimed),
        reason=said["reason"],
    )
