"""A person's signature as a structure: detached CMS over the exact bytes of a document, CAdES-BES or -T (ETSI EN
319 122-1), made and read by pyHanko. Whether to believe it is `documents`' word.

pyHanko says what the structure holds and whether the signature is that of the bytes; chain, dates, revocation and
usage are looked up in tables of ours. Handing pyHanko the certificates' validation too costs 10-20 ms a call, and
600 ms with a list of 100,000; this way it is 1-2 ms, and nothing opens a socket behind our back.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature

from egovkit.errors import EgovError
from egovkit.signatures.certificates import Certificate, load_certificate
from egovkit.signatures.der import BadDer, require_der
from egovkit.signatures.keys import SigningKey, public_key_of

if TYPE_CHECKING:
    from egovkit.signatures.asn1 import cms as asn1_cms

__all__ = ["MAX_CMS", "Reading", "read_cms", "sign_cms"]

MAX_CMS = 64 * 1024  # signer and chain take 4 KB, a time stamp with its chain 8 KB more
MAX_CERTIFICATE, MAX_IN_CERTIFICATE = 8 * 1024, 512  # bytes, values; НУЦ's have 2 KB, some 150
KNOWN = 512  # certificates kept, read
DIGESTS = frozenset({"sha256", "sha384", "sha512"})


@dataclass(frozen=True, slots=True)
class Reading:
    """What a CMS over given bytes says; nothing about whom to believe.

    digest_ok      the signed messageDigest is that of these bytes
    signature_ok   the signature over the signed attributes is the certificate's
    signing_time   what the signer claims (signingTime), None without a claim; proves nothing
    digest         "sha256", "sha384" or "sha512"
    certificate    the signer's certificate
    imprint        SHA-256 of the signature value: what a time stamp of this signature is over
    stamp          the time stamp's token, DER; None in CAdES-BES
    """

    digest_ok: bool
    signature_ok: bool
    signing_time: datetime | None
    digest: str
    certificate: Certificate
    imprint: bytes
    stamp: bytes | None


def read_cms(data: bytes, cms: bytes) -> Reading:
    """Reads the detached signature `cms` (DER, or PEM as a signing agent gives it) over `data`. 1-2 ms: off the loop.

    EgovError("signature.cms_malformed", reason) for what is not one CAdES signature: see `documents`, checks 1-3.
    """
    if len(cms) > 2 * MAX_CMS:  # PEM is longer by a third; before anything copies it
        raise _malformed("too_long")
    try:
        return _reading(data, _signed_data(cms))
    except EgovError:
        raise
    except BadDer as error:
        raise _malformed(error.reason) from None
    except Exception as error:  # asn1crypto reads lazily: hostile DER raises almost anything, almost anywhere
        raise _malformed("damaged", technical=type(error).__name__) from None


def sign_cms(data: bytes, key: SigningKey, signing_time: datetime) -> bytes:
    """A detached CAdES-BES signature, DER, with signer and chain inside: what a citizen's signing agent
    makes. `agent.add_stamp` makes a -T of it.

    For the demonstration, tests and partners' tools; no service ever holds a person's key.
    """
    from egovkit.signatures.agent import sign_content

    work = sign_content(data, key, signing_time, attached=False)
    # pyHanko's signer needs a loop of its own; the caller may be inside another one
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, work).result()


def _malformed(reason: str, **more: Any) -> EgovError:
    return EgovError("signature.cms_malformed", reason=reason, **more)


def _signed_data(cms: bytes) -> asn1_cms.SignedData:
    from egovkit.signatures.asn1 import cms as asn1_cms
    from egovkit.signatures.asn1 import pem

    if cms.lstrip().startswith(b"-----BEGIN"):
        _, _, cms = pem.unarmor(cms.strip())
    require_der(cms, longest=MAX_CMS)
    info = asn1_cms.ContentInfo.load(cms, strict=True)
    if info["content_type"].native != "signed_data":
        raise _malformed("not_signed_data")
    signed_data: asn1_cms.SignedData = info["content"]
    if signed_data["encap_content_info"]["content_type"].native != "data":
        raise _malformed("not_over_data")
    if signed_data["encap_content_info"]["content"].native is not None:
        raise _malformed("not_detached")  # two contents, and two readers might each believe another one
    return signed_data


def _reading(data: bytes, signed_data: asn1_cms.SignedData) -> Reading:
    """The steps, each of which may refuse: 1 one signer, 2 a digest we trust, 3 signed attributes, each once, that
    name the signer's certificate, 4 that certificate is inside, with a key we can use; then the two comparisons."""
    if len(signed_data["signer_infos"]) != 1:
        raise _malformed("not_one_signer")
    signer = signed_data["signer_infos"][0]
    digest = _digest_of(signer)
    attributes = _attributes(signer)
    signer_certificate = _certificate_of(signed_data, signer, attributes)
    certificate = _loaded(signer_certificate.dump())
    if public_key_of(certificate) is None:
        raise _malformed("unknown_key")
    return Reading(
        digest_ok=attributes["message_digest"].native == hashlib.new(digest, data).digest(),
        signature_ok=_signature_holds(signer, signer_certificate, digest),
        signing_time=_claimed(signer),
        digest=digest,
        certificate=certificate,
        imprint=hashlib.sha256(signer["signature"].native).digest(),
        stamp=_stamp_of(signer),
    )


_loaded = lru_cache(maxsize=KNOWN)(load_certificate)  # a signer who comes again costs no second reading


def _claimed(signer: Any) -> datetime | None:
    """In the years RFC 5652, 11.3 thinks of, and UTC: what nobody can show as a date would be kept and never shown."""
    from pyhanko.sign.validation.generic_cms import extract_self_reported_ts

    found: datetime | None = extract_self_reported_ts(signer)
    if found is not None and (found.tzinfo is None or not 1950 <= found.year < 2100):
        raise _malformed("damaged", technical="signingTime")
    return found


def _digest_of(signer: Any) -> str:
    """The digest of content and attributes; the signature's own, where it names one, must be as good."""
    digest = str(signer["digest_algorithm"]["algorithm"].native)
    algorithm = signer["signature_algorithm"]
    names_own = algorithm["algorithm"].native not in ("rsassa_pkcs1v15", "ecdsa")
    if digest not in DIGESTS or (names_own and algorithm.hash_algo not in DIGESTS):
        raise _malformed("unknown_digest")
    return digest


def _attributes(signer: Any) -> dict[str, Any]:
    """The signed attributes, each once and of one value; those of CAdES-BES are there."""
    from egovkit.signatures.asn1 import core

    if isinstance(signer["signed_attrs"], core.Void):
        raise _malformed("no_attributes")
    found: dict[str, Any] = {}
    for one in signer["signed_attrs"]:
        if (name := one["type"].native) in found:
            raise _malformed("attribute_twice")  # RFC 5652, 11: two readers might each take another one
        if len(one["values"]) != 1:
            raise _malformed("attribute_values")
        found[name] = one["values"][0]
    for needed, told in (
        ("content_type", "no_content_type"),
        ("message_digest", "no_message_digest"),
        ("signing_certificate_v2", "no_signing_certificate"),
    ):
        if needed not in found:
            raise _malformed(told)
    if found["content_type"].native != "data":
        raise _malformed("content_type_not_data")
    return found


def _certificate_of(signed_data: asn1_cms.SignedData, signer: Any, attributes: dict[str, Any]) -> Any:
    """The signer's certificate, inside and the very one that signing-certificate-v2 names by its hash."""
    from egovkit.signatures.asn1 import tsp

    found = next((one for one in _inside(signed_data) if _is_named(one, signer["sid"])), None)
    if found is None:
        raise _malformed("certificate_not_inside")
    # read anew: asn1crypto must not take the signed attributes for changed
    named = tsp.SigningCertificateV2.load(attributes["signing_certificate_v2"].dump())["certs"][0]
    digest = str(named["hash_algorithm"]["algorithm"].native)
    if digest not in DIGESTS or hashlib.new(digest, found.dump()).digest() != named["cert_hash"].native:
        raise _malformed("names_another_certificate")
    if not _is_issued_so(found, named["issuer_serial"]):
        raise _malformed("names_another_issuer")
    if (first := attributes.get("signing_certificate")) is not None:  # RFC 5035, 5.1: where both are, both count
        named = tsp.SigningCertificate.load(first.dump())["certs"][0]
        if hashlib.sha1(found.dump(), usedforsecurity=False).digest() != named["cert_hash"].native:
            raise _malformed("versions_at_odds")
    return found


def _is_issued_so(certificate: Any, named: Any) -> bool:
    """Whether its issuer and number are those named, if any are. pyHanko compares a name in its own wrapping byte for
    byte with one without, and then word by word, which costs more than the rest: bytes first."""
    from pyhanko.sign.general import match_issuer_serial

    from egovkit.signatures.asn1 import core

    if isinstance(named, core.Void):
        return True
    names = named["issuer"]
    if len(names) == 1 and names[0].name == "directory_name":
        same_issuer = names[0].chosen.untag().dump() == certificate.issuer.dump()
        if same_issuer and named["serial_number"].native == certificate.serial_number:
            return True
    return bool(match_issuer_serial(named, certificate))


def _signature_holds(signer: Any, certificate: Any, digest: str) -> bool:
    """Whether the signature is the certificate's over the signed attributes: pyHanko's `validate_sig_integrity` without
    what `_attributes` and `_certificate_of` have checked."""
    from pyhanko.sign.validation.generic_cms import validate_algorithm_protection
    from pyhanko_certvalidator.sig_validate import DefaultSignatureValidator, SignatureValidationContext

    attributes, algorithm = signer["signed_attrs"].untag(), signer["signature_algorithm"]  # signed as a SET OF
    validate_algorithm_protection(attributes, signer["digest_algorithm"], algorithm, None)  # RFC 6211
    context = SignatureValidationContext(contextual_md_algorithm=digest, prehashed=False)
    try:
        DefaultSignatureValidator().validate_signature(
            signer["signature"].native, attributes.dump(), certificate.public_key, algorithm, context=context
        )
    except InvalidSignature:
        return False
    return True


def _inside(signed_data: asn1_cms.SignedData) -> Iterator[Any]:
    for one in signed_data["certificates"]:
        if one.name == "certificate":
            yield _parsed(one.dump())  # untagged in its choice: the certificate's own DER


@lru_cache(maxsize=KNOWN)
def _parsed(certificate: bytes) -> Any:
    """For pyHanko, and kept: its comparison of names costs more than the rest of the reading. Read to its last field,
    since asn1crypto reads lazily and threads share what is kept; BadDer for one that would take megabytes."""
    from egovkit.signatures.asn1 import x509 as asn1_x509

    require_der(certificate, longest=MAX_CERTIFICATE, most=MAX_IN_CERTIFICATE)
    found = asn1_x509.Certificate.load(certificate, strict=True)
    _ = found.native
    return found


def _is_named(certificate: Any, sid: Any) -> bool:
    from pyhanko.sign.general import match_issuer_serial

    if sid.name != "issuer_and_serial_number":
        return bool(certificate.key_identifier == sid.chosen.native)
    same_number = certificate.serial_number == sid.chosen["serial_number"].native  # first: names are dear to compare
    return same_number and bool(match_issuer_serial(sid.chosen, certificate))


def _stamp_of(signer: Any) -> bytes | None:
    from egovkit.signatures.asn1 import core

    if isinstance(signer["unsigned_attrs"], core.Void):
        return None
    stamps = [
        value.dump()
        for one in signer["unsigned_attrs"]
        if one["type"].native == "signature_time_stamp_token"
        for value in one["values"]
    ]
    if len(stamps) > 1:
        raise _malformed("several_stamps")
    return stamps[0] if stamps else None
