"""Reads one PDF of anybody's, in a process of its own with limits of memory and time: `python -m` this module.

Standard input: one line of JSON (`root`: base64 of DER, `at`: ISO moment), then the file. Standard output: JSON, either
`{"signatures": [...]}` as `egovkit.signatures.pdf.PdfSignature` has them, or `{"code": ..., "reason": ...}`. It opens
no socket and no file.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import logging
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from egovkit.errors import EgovError

MEGABYTE: Final = 1024 * 1024
MEMORY: Final = 384 * MEGABYTE  # of address space: a page takes 80, one with a revocation list of 100,000 entries 270
CPU_SECONDS: Final = 10
MAX_SIGNATURES: Final = 20
MAX_REVISIONS: Final = 100
SKEW: Final = timedelta(minutes=5)


class Refused(Exception):
    def __init__(self, code: str, **params: str) -> None:
        super().__init__(code)
        self.said = {"code": code, "params": params}


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it writes to its pipe alone
    logging.disable(logging.CRITICAL)
    asked = json.loads(sys.stdin.buffer.readline())
    pdf = sys.stdin.buffer.read()
    lists = [base64.b64decode(one) for one in asked["crls"]]
    known = Known(base64.b64decode(asked["root"]), lists, datetime.fromisoformat(asked["at"]))
    _stop_the_clock(known.at)
    sys.stdout.write(json.dumps(answer(pdf, known)))


def _stop_the_clock(at: datetime) -> None:
    """pyHanko asks the machine for the time where it looks into the past, and has no parameter for it: in this process
    it is told the moment of asking, which may be a test's."""
    from pyhanko.sign.validation import ades
    from pyhanko_certvalidator import context
    from pyhanko_certvalidator.ltv import ades_past, poe, types

    for module in (ades, ades_past, poe, types, context):
        module.datetime = _stopped(at)  # type: ignore[attr-defined]


def _look_back_from(at: datetime) -> None:
    """ETSI EN 319 102-1, 5.6.2.1 slides back from now to when the chain was last known good. pyHanko then validates it
    at that moment, also where the certificate had long expired by then; so it slides from the expiry at the latest."""
    from pyhanko_certvalidator.ltv import ades_past

    ades_past.datetime = _stopped(at)  # type: ignore[attr-defined]


def _stopped(at: datetime) -> type[datetime]:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return at.astimezone(tz)

    return Stopped


@dataclass(frozen=True, slots=True)
class Known:
    """What is believed, and when: the root, the revocation lists of today (DER), the moment of asking."""

    root: bytes
    crls: Sequence[bytes]
    at: datetime


def answer(pdf: bytes, known: Known) -> dict[str, Any]:
    from pyhanko.pdf_utils.misc import PdfDecodeLimitError, PdfError

    try:
        return {"signatures": asyncio.run(_signatures(pdf, known))}
    except Refused as refused:
        return refused.said
    except (MemoryError, RecursionError, SystemError, PdfDecodeLimitError):  # C says SystemError for want of memory too
        return {"code": "pdf.too_complex"}
    except PdfError as error:
        return {"code": "pdf.unreadable", "params": {"technical": str(error)[:200]}}
    except Exception as error:  # hostile PDF and DER raise almost anything, almost anywhere
        return {"code": "pdf.unreadable", "params": {"technical": type(error).__name__}}


async def _signatures(pdf: bytes, known: Known) -> list[dict[str, Any]]:
    """The steps: 1 a PDF with one table of contents, open to everybody, 2 not more than a document needs, 3 each
    signature by itself."""
    from pyhanko.pdf_utils.reader import PdfFileReader

    reader = PdfFileReader(io.BytesIO(pdf), strict=True, decode_limits=_limits())
    if reader.encrypted:
        raise Refused("pdf.encrypted")
    if reader.xrefs.hybrid_xrefs_present:
        raise Refused("pdf.hybrid")
    if reader.xrefs.total_revisions > MAX_REVISIONS or len(reader.embedded_signatures) > MAX_SIGNATURES:
        raise Refused("pdf.too_complex")
    return [await _one(reader, signature, known) for signature in reader.embedded_regular_signatures]


def _limits() -> Any:
    """A document of 10 MB has some thousand objects, and no need to unfold further than this."""
    from pyhanko.pdf_utils.decode_limits import (
        DEFAULT_PURPOSE_LIMITS,
        DecodeLimits,
        DecodePurpose,
        DocumentDecodeBudget,
        StreamDecodeLimits,
    )

    contents = StreamDecodeLimits(max_output_size=2 * MEGABYTE)
    return DecodeLimits(
        per_stream=StreamDecodeLimits(max_output_size=32 * MEGABYTE),
        per_purpose={**DEFAULT_PURPOSE_LIMITS, DecodePurpose.XREF_STREAM: contents},
        document_budget=DocumentDecodeBudget(base_allowance=64 * MEGABYTE, max_ratio=10),
    )


async def _one(reader: Any, signature: Any, known: Known) -> dict[str, Any]:
    from pyhanko.sign.ades.report import AdESPassed
    from pyhanko.sign.diff_analysis import ModificationLevel
    from pyhanko.sign.validation.ades import ades_lta_validation
    from pyhanko.sign.validation.status import SignatureCoverageLevel
    from pyhanko_certvalidator.ltv.types import ValidationTimingInfo

    intact = _is_intact(reader, signature)
    _look_back_from(min(known.at, signature.signer_cert.not_valid_after))
    timing = ValidationTimingInfo(known.at, known.at, point_in_time_validation=False)
    result = await ades_lta_validation(signature, _policy(known), timing_info=timing)
    status = result.api_status
    covered = signature.evaluate_signature_coverage() >= SignatureCoverageLevel.ENTIRE_REVISION
    changes = None if status is None else status.modification_level
    by_signature = result.signature_timestamp_status
    stamped = result.oldest_evidence_record_timestamp is not None or (
        by_signature is not None and by_signature.ades_subindic is AdESPassed.OK
    )
    existed_at = result.best_signature_time if stamped else known.at
    claimed = signature.self_reported_timestamp
    evidence_alone = changes is not None and changes <= ModificationLevel.LTA_UPDATES
    as_it_was = evidence_alone and _stamps_hold(reader) and not _has_a_tail(reader)
    return {
        "field": str(signature.field_name)[:100],
        "certificate": base64.b64encode(signature.signer_cert.dump()).decode(),
        "intact": bool(intact and status is not None and status.intact and status.valid and covered),
        "unchanged": as_it_was and _is_called_alike(reader, signature),
        "ades": _verdict(result.ades_subindic),
        "reason": str(signature.sig_object.get("/Reason", ""))[:200],
        "level": _level(reader, signature),
        "existed_at": existed_at.astimezone(UTC).isoformat(),
        "stamped": stamped,
        "claimed_at": None if claimed is None else _aware(claimed).isoformat(),
    }


def _is_intact(reader: Any, signature: Any) -> bool:
    """The signature read as that over any document is (`cms`): pyHanko's word on bytes alone believes SHA-1, no signed
    attributes and an unnamed certificate too. Behind the CMS its place holds zeros and nothing else."""
    from egovkit.signatures.cms import read_cms

    if (cms := _alone_in_its_place(signature)) is None:
        raise Refused("signature.cms_malformed", reason="bytes_after")
    begin, length, after, rest = (int(one) for one in signature.byte_range)
    pdf = reader.stream.getbuffer()
    try:
        reading = read_cms(bytes(pdf[begin : begin + length]) + bytes(pdf[after : after + rest]), cms)
    except EgovError as error:
        raise Refused(error.code, **{name: str(value) for name, value in error.params.items()}) from None
    return reading.digest_ok and reading.signature_ok


def _alone_in_its_place(signature: Any) -> bytes | None:
    """The CMS; None where more than zeros follow it."""
    from egovkit.signatures import asn1

    place = bytes(signature.pkcs7_content)
    cms = bytes(asn1.cms.ContentInfo.load(place).dump())
    return None if place[len(cms) :].strip(b"\0") else cms


def _stamps_hold(reader: Any) -> bool:
    """Whether each stamp over the file is that of its bytes, and whole: where the stamp over the signature proves
    enough, pyHanko's verdict looks at no other, and the evidence under it could be changed."""
    from pyhanko.sign.validation.generic_cms import validate_sig_integrity
    from pyhanko.sign.validation.status import SignatureCoverageLevel

    for stamp in reader.embedded_timestamp_signatures:
        content = stamp.signed_data["encap_content_info"]["content"]
        digest = hashlib.new(stamp.md_algorithm, content.contents).digest()
        intact, valid = validate_sig_integrity(stamp.signer_info, stamp.signer_cert, "tst_info", digest)
        of_bytes = content.parsed["message_imprint"]["hashed_message"].native == stamp.compute_digest()
        covers = stamp.evaluate_signature_coverage() >= SignatureCoverageLevel.ENTIRE_REVISION
        if not (intact and valid and of_bytes and covers and _alone_in_its_place(stamp)):
            return False
    return True


def _verdict(found: Any) -> str:
    from pyhanko.sign.ades.report import AdESPassed

    return "PASSED" if found is AdESPassed.OK else str(getattr(found, "name", "UNKNOWN"))


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _has_a_tail(reader: Any) -> bool:
    """Whether bytes of no revision follow the last signature or stamp: no update, so no difference shows."""
    from pyhanko.sign.validation.status import SignatureCoverageLevel

    last = reader.embedded_signatures[-1]
    covers_all = last.evaluate_signature_coverage() is SignatureCoverageLevel.ENTIRE_FILE
    return last.signed_revision == reader.total_revisions - 1 and not covers_all


def _is_called_alike(reader: Any, signature: Any) -> bool:
    """Whether title, author and the like are those that were signed: pyHanko lets an update change them, since its own
    writes the last change's time and program there; a reader shows the title above the page."""
    signed = reader.get_historical_resolver(signature.signed_revision)
    return _called(signed) == _called(reader.get_historical_resolver(reader.total_revisions - 1))


def _called(revision: Any) -> list[tuple[Any, ...]]:
    """What the revision says of itself in its two places. Their references are followed by hand: from the trailer they
    would lead to the newest revision, whichever is asked."""
    from pyhanko.pdf_utils.metadata.info import view_from_info_dict
    from pyhanko.pdf_utils.metadata.xmp_xml import meta_from_xmp, parse_xmp

    views: list[Any] = []
    if "/Info" in revision.trailer_view:
        views.append(view_from_info_dict(_object(revision, revision.trailer_view.raw_get("/Info")), strict=True))
    if "/Metadata" in revision.root:
        stream = _object(revision, revision.root.raw_get("/Metadata"))
        views.append(meta_from_xmp(parse_xmp(io.BytesIO(stream.data))))
    return [(one.title, one.author, one.subject, one.keywords, one.creator, one.created) for one in views]


def _object(revision: Any, found: Any) -> Any:
    from pyhanko.pdf_utils.generic import IndirectObject

    return revision.get_object(found.reference) if isinstance(found, IndirectObject) else found


def _level(reader: Any, signature: Any) -> str:
    from pyhanko.sign.validation.generic_cms import extract_tst_data_iter

    if not list(extract_tst_data_iter(signature.signer_info, signed=False)):
        return "B-B"
    if "/DSS" not in reader.root:
        return "B-T"
    later = [one for one in reader.embedded_timestamp_signatures if one.signed_revision > signature.signed_revision]
    return "B-LTA" if later else "B-LT"


def _policy(known: Known) -> Any:
    from pyhanko.sign.validation.policy_decl import (
        LocalKnowledge,
        PdfSignatureValidationSpec,
        RevinfoOnlineFetchingRule,
        RevocationInfoGatheringSpec,
        SignatureValidationSpec,
    )
    from pyhanko.sign.validation.settings import KeyUsageConstraints
    from pyhanko_certvalidator.context import CertValidationPolicySpec
    from pyhanko_certvalidator.policy_decl import REQUIRE_REVINFO, CertRevTrustPolicy
    from pyhanko_certvalidator.registry import SimpleTrustManager

    from egovkit.signatures.asn1 import x509

    certificates = CertValidationPolicySpec(
        trust_manager=SimpleTrustManager.build([x509.Certificate.load(known.root)]),
        revinfo_policy=CertRevTrustPolicy(REQUIRE_REVINFO),
        time_tolerance=SKEW,
    )
    return PdfSignatureValidationSpec(
        SignatureValidationSpec(
            cert_validation_policy=certificates,
            revinfo_gathering_policy=RevocationInfoGatheringSpec(RevinfoOnlineFetchingRule.LOCAL_ONLY),
            local_knowledge=LocalKnowledge(known_crls=[_list(one) for one in known.crls]),
            key_usage_settings=KeyUsageConstraints(key_usage={"non_repudiation"}),
        )
    )


def _list(crl: bytes) -> Any:
    from pyhanko_certvalidator.revinfo.archival import CRLContainer

    from egovkit.signatures import asn1

    return CRLContainer(asn1.crl.CertificateList.load(crl))


if __name__ == "__main__":
    main()
