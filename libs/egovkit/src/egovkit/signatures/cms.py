"""A person's signature: detached CMS over the exact bytes of a document (CAdES-BES, ETSI EN 319 122-1), by
pyHanko.

pyHanko says what the structure holds and whether the signature is that of the bytes; chain, dates, revocation
and usage are the `TrustStore`'s word, remembered and indexed there. Handing pyHanko the certificates'
validation too costs 10-20 ms a call, and 600 ms with a CRL of 100,000; this way it is 1-2 ms and nothing ever
opens a socket.
"""

# mypy: disable-error-code="no-untyped-call"
# asn1crypto and parts of pyHanko carry no types; what leaves this module is checked again by ours.

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from egovkit.errors import EgovError
from egovkit.signatures.certificates import Certificate, CertificateFacts, TrustStore, Use, load_certificate
from egovkit.signatures.keys import SigningKey, public_key_of

if TYPE_CHECKING:
    from asn1crypto import cms as asn1_cms

__all__ = ["MAX_CMS", "CmsFacts", "sign_cms", "verify_cms"]

MAX_CMS = 64 * 1024  # signer and chain take 4 KB, a time stamp with its chain 8 KB more
DIGESTS = frozenset({"sha256", "sha384", "sha512"})


@dataclass(frozen=True, slots=True)
class CmsFacts:
    """What is known about a signature over given bytes; `refusal` is the verdict.

    digest_ok      the signed messageDigest is that of these bytes
    signature_ok   the signature over the signed attributes is the certificate's
    signing_time   what the signer claims (signingTime), None without a claim; proves nothing
    digest         "sha256", "sha384" or "sha512"
    signer         facts about the certificate, at the moment asked about
    certificate    the signer's certificate itself
    """

    digest_ok: bool
    signature_ok: bool
    signing_time: datetime | None
    digest: str
    signer: CertificateFacts
    certificate: Certificate

    @property
    def intact(self) -> bool:
        """Made by this certificate's key over exactly these bytes."""
        return self.digest_ok and self.signature_ok

    @property
    def refusal(self) -> str | None:
        """The code of the first reason to refuse, or None: signature.invalid, signature.of_other_data, or the
        certificate's own (`CertificateFacts.refusal`)."""
        if not self.signature_ok:
            return "signature.invalid"
        if not self.digest_ok:
            return "signature.of_other_data"
        return self.signer.refusal


@dataclass(frozen=True, slots=True)
class _Reading:
    digest_ok: bool
    signature_ok: bool
    signing_time: datetime | None
    digest: str
    certificate: Certificate


async def verify_cms(
    data: bytes, cms: bytes, trust: TrustStore, at: datetime, iin: str | None, *, use: Use = "sign"
) -> CmsFacts:
    """Facts about the detached signature `cms` (DER or PEM) over `data`, at the moment `at`.

    `iin` is the ИИН that the request claims; None when nobody claims one. Runs in a thread. No network.
    EgovError("signature.cms_malformed", reason) when there is nothing to have facts about: not a CMS of
    exactly one signer with its certificate inside, not detached, not CAdES (no signing-certificate-v2), or a
    weak digest.
    """
    reading = await asyncio.to_thread(_read, data, cms)
    return CmsFacts(
        digest_ok=reading.digest_ok,
        signature_ok=reading.signature_ok,
        signing_time=reading.signing_time,
        digest=reading.digest,
        signer=trust.check_person(reading.certificate, at, iin, use),
        certificate=reading.certificate,
    )


def sign_cms(data: bytes, key: SigningKey, signing_time: datetime) -> bytes:
    """A detached CAdES-BES signature, DER, with signer and chain inside: what a citizen's signing agent
    makes.

    For the demonstration, tests and partners' tools; no service ever holds a person's key.
    """
    from asn1crypto import keys as asn1_keys
    from asn1crypto import x509 as asn1_x509
    from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes, SimpleSigner
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    private = key.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    signer = SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(key.certificate.public_bytes(Encoding.DER)),
        signing_key=asn1_keys.PrivateKeyInfo.load(private),
        cert_registry=SimpleCertificateStore.from_certs(
            [asn1_x509.Certificate.load(one.public_bytes(Encoding.DER)) for one in key.chain]
        ),
    )
    work = signer.async_sign_general_data(
        data,
        "sha256",
        detached=True,
        use_cades=True,
        signed_attr_settings=PdfCMSSignedAttributes(signing_time=signing_time.astimezone(UTC)),
    )
    # pyHanko's signer needs a loop of its own; the caller may be inside another one
    with ThreadPoolExecutor(max_workers=1) as thread:
        return bytes(thread.submit(asyncio.run, work).result().dump())


def _malformed(reason: str) -> EgovError:
    return EgovError("signature.cms_malformed", reason=reason)


def _read(data: bytes, cms: bytes) -> _Reading:
    if len(cms) > MAX_CMS:
        raise _malformed("too long")
    try:
        signed_data = _signed_data(cms)
        return _reading(data, signed_data)
    except EgovError:
        raise
    except Exception as error:  # asn1crypto reads lazily: hostile DER raises almost anything, almost anywhere
        raise _malformed(type(error).__name__) from None


def _signed_data(cms: bytes) -> asn1_cms.SignedData:
    from asn1crypto import cms as asn1_cms
    from asn1crypto import pem

    if cms.lstrip().startswith(b"-----BEGIN"):
        _, _, cms = pem.unarmor(cms.strip())
    info = asn1_cms.ContentInfo.load(cms, strict=True)  # strict: nothing after the structure
    if info["content_type"].native != "signed_data":
        raise _malformed("not SignedData")
    signed_data: asn1_cms.SignedData = info["content"]
    if signed_data["encap_content_info"]["content_type"].native != "data":
        raise _malformed("not a signature over data")
    if signed_data["encap_content_info"]["content"].native is not None:
        raise _malformed("not detached")  # two contents, and two readers might each believe another one
    return signed_data


def _reading(data: bytes, signed_data: asn1_cms.SignedData) -> _Reading:
    """The steps, each of which may refuse: 1 one signer, 2 a digest we trust, 3 signed attributes that name
    the signer's certificate, 4 a key we can use, 5 that certificate is the one named, the digest of the data
    is the one signed, and the signature over the attributes is the key's."""
    from asn1crypto.core import Void
    from pyhanko.sign.general import extract_certificate_info, find_unique_cms_attribute
    from pyhanko.sign.validation.generic_cms import extract_self_reported_ts, validate_sig_integrity

    if len(signed_data["signer_infos"]) != 1:
        raise _malformed("exactly one signer is expected")
    signer = signed_data["signer_infos"][0]
    digest = _digest_of(signer)
    if isinstance(signer["signed_attrs"], Void):
        raise _malformed("no signed attributes")
    # raises without it: not CAdES
    find_unique_cms_attribute(signer["signed_attrs"], "signing_certificate_v2")
    signer_certificate = extract_certificate_info(signed_data).signer_cert
    certificate = load_certificate(signer_certificate.dump())
    if public_key_of(certificate) is None:
        raise _malformed("a key of a kind we don't know")
    actual = hashlib.new(digest, data).digest()
    digest_ok, signature_ok = validate_sig_integrity(signer, signer_certificate, "data", actual)
    claimed = extract_self_reported_ts(signer)
    return _Reading(digest_ok, signature_ok, claimed, digest, certificate)


def _digest_of(signer: Any) -> str:
    """The digest of content and attributes; the signature's own, where it names one, must be as good."""
    digest = str(signer["digest_algorithm"]["algorithm"].native)
    algorithm = signer["signature_algorithm"]
    names_own = algorithm["algorithm"].native not in ("rsassa_pkcs1v15", "ecdsa")
    if digest not in DIGESTS or (names_own and algorithm.hash_algo not in DIGESTS):
        raise _malformed("a digest we don't accept")
    return digest
