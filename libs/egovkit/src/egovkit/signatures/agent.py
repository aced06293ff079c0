"""What a citizen's signing agent makes of a key: CMS with or without the data, over data or a ready hash, with or
without a time stamp; and what it tells of a certificate. All by pyHanko.

No service uses this: `documents` verifies what it makes. CAdES-BES (ETSI EN 319 122-1), with a stamp CAdES-T.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from egovkit.errors import EgovError
from egovkit.signatures.der import BadDer, require_der
from egovkit.signatures.keys import Certificate, SigningKey, der
from egovkit.signatures.profiles import Profile, profile_of

if TYPE_CHECKING:
    from pyhanko.sign.timestamps import TimeStamper

__all__ = [
    "DIGEST",
    "DIGEST_BYTES",
    "KeyFacts",
    "Stamps",
    "add_stamp",
    "cms_pem",
    "facts_of",
    "is_issued_by",
    "sign_content",
    "sign_digest",
]

DIGEST, DIGEST_BYTES = "sha256", 32
MAX_SIGNED = 32 * 1024 * 1024  # a signature to be stamped, its document inside
MAX_SIGNERS = 8  # of it: as many as `documents` reads of one document
_DN_NAMES = {"2.5.4.4": "SURNAME", "2.5.4.5": "SERIALNUMBER", "2.5.4.42": "G", "1.2.840.113549.1.9.1": "E"}


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A certificate as a person choosing among keys sees it, beside what its `profile` says."""

    profile: Profile
    algorithm: str  # "RSA" or "EC"
    serial: int
    subject: str  # RFC 4514, in the order of the certificate
    issuer: str
    issuer_cn: str
    authority_key_id: str  # hexadecimal; empty without the extension
    pem: str


def facts_of(key: SigningKey) -> KeyFacts:
    """What the certificate of `key` says; nothing here is verified."""
    certificate = key.certificate
    names = certificate.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return KeyFacts(
        profile=profile_of(certificate),
        algorithm="EC" if isinstance(key.private_key, ec.EllipticCurvePrivateKey) else "RSA",
        serial=certificate.serial_number,
        subject=_name(certificate.subject),
        issuer=_name(certificate.issuer),
        issuer_cn=str(names[0].value) if names else "",
        authority_key_id=_authority_key_id(certificate),
        pem=certificate.public_bytes(Encoding.PEM).decode(),
    )


def is_issued_by(key: SigningKey, authorities: Sequence[bytes]) -> bool:
    """Whether one of `authorities` (PEM or DER) stands in the chain of `key`, or signed its upper end.

    ValueError when one of them is no certificate.
    """
    from egovkit.signatures.profiles import load_certificate

    known = [load_certificate(one) for one in authorities]
    upper = key.chain[-1] if key.chain else key.certificate
    return any(one in key.chain or _signed(upper, one) for one in known)


async def sign_content(
    content: bytes, key: SigningKey, signing_time: datetime, *, attached: bool, stamps: TimeStamper | None = None
) -> bytes:
    """A signature over `content`, DER, with signer and chain; the content inside when `attached`.

    EgovError stamp.unavailable, stamp.refused when `stamps` gives none.
    """
    if not attached:
        return await sign_digest(hashlib.sha256(content).digest(), key, signing_time, stamps=stamps)
    made = await _signer(key).async_sign_general_data(
        content, DIGEST, detached=False, use_cades=True, timestamper=stamps, signed_attr_settings=_claims(signing_time)
    )
    return bytes(made.dump())


async def sign_digest(
    digest: bytes, key: SigningKey, signing_time: datetime, *, stamps: TimeStamper | None = None
) -> bytes:
    """A detached signature, DER, over bytes of which only the SHA-256 is known. ValueError for another length."""
    if len(digest) != DIGEST_BYTES:
        raise ValueError(f"a SHA-256 has {DIGEST_BYTES} bytes, not {len(digest)}")
    made = await _signer(key).async_sign(
        digest,
        DIGEST,
        use_pades=True,  # pyHanko's word for the attributes of CAdES
        is_pdf_sig=False,
        timestamper=stamps,
        signed_attr_settings=_claims(signing_time),
    )
    return bytes(made.dump())


class Stamps(Protocol):
    """Whoever gives time stamps: `stamps.StampService`, or a small authority of a test."""

    async def token(self, digest: bytes) -> bytes:
        """The DER of a token over a SHA-256."""


async def add_stamp(cms: bytes, stamps: Stamps) -> bytes:
    """The same signature, DER, with a time stamp over it: CAdES-BES becomes CAdES-T.

    EgovError signature.cms_malformed; stamp.unavailable, stamp.refused.
    """
    from pyhanko.sign.general import simple_cms_attribute

    from egovkit.signatures.asn1 import cms as asn1_cms

    info, signers = await asyncio.to_thread(_signers, cms)
    for signer in signers:
        token = await stamps.token(hashlib.sha256(signer["signature"].native).digest())
        stamp = simple_cms_attribute("signature_time_stamp_token", asn1_cms.ContentInfo.load(token))
        others = signer["unsigned_attrs"]
        signer["unsigned_attrs"] = [*(others if others.native else ()), stamp]
    return bytes(info.dump())


def cms_pem(cms: bytes) -> str:
    """PEM with the label that NCALayer writes, CMS."""
    from egovkit.signatures.asn1 import pem

    return bytes(pem.armor("CMS", cms)).decode("ascii")


def _signer(key: SigningKey) -> Any:
    from pyhanko.sign.signers.pdf_cms import SimpleSigner
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    from egovkit.signatures.asn1 import keys as asn1_keys
    from egovkit.signatures.asn1 import x509 as asn1_x509

    private = key.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(der(key.certificate)),
        signing_key=asn1_keys.PrivateKeyInfo.load(private),
        cert_registry=SimpleCertificateStore.from_certs([asn1_x509.Certificate.load(der(one)) for one in key.chain]),
    )


def _claims(signing_time: datetime) -> Any:
    from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes

    return PdfCMSSignedAttributes(signing_time=signing_time.astimezone(UTC))


def _signers(cms: bytes) -> tuple[Any, list[Any]]:
    """The structure and its signers, none of them stamped. It was walked through once, since asn1crypto reads lazily;
    what is given back has not been: to encode again what was takes it minutes."""
    from egovkit.signatures.asn1 import cms as asn1_cms
    from egovkit.signatures.asn1 import pem

    try:
        if cms.lstrip().startswith(b"-----BEGIN"):
            _, _, cms = pem.unarmor(cms.strip())
        require_der(cms, longest=MAX_SIGNED)
        info = asn1_cms.ContentInfo.load(cms, strict=True)
        if info["content_type"].native != "signed_data":
            raise _malformed("not_signed_data")
        if len(info["content"]["signer_infos"]) > MAX_SIGNERS:
            raise _malformed("too_many_values")
        _ = asn1_cms.ContentInfo.load(cms, strict=True).native
        signers = list(info["content"]["signer_infos"])
        stamped = any(one["type"].native == _STAMP for signer in signers for one in signer["unsigned_attrs"] or ())
    except EgovError:
        raise
    except BadDer as error:
        raise _malformed(error.reason) from None
    except Exception as error:  # hostile DER raises almost anything, almost anywhere
        raise _malformed("damaged", technical=type(error).__name__) from None
    if stamped or not signers:
        raise _malformed("has_stamp" if stamped else "no_signer")
    return info, signers


_STAMP = "signature_time_stamp_token"


def _malformed(reason: str, **more: Any) -> EgovError:
    return EgovError("signature.cms_malformed", reason=reason, **more)


def _signed(certificate: Certificate, authority: Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _name(name: x509.Name) -> str:
    oids = {x509.ObjectIdentifier(oid): text for oid, text in _DN_NAMES.items()}
    return ",".join(one.rfc4514_string(oids) for one in name.rdns)


def _authority_key_id(certificate: Certificate) -> str:
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except x509.ExtensionNotFound:
        return ""
    return found.key_identifier.hex() if found.key_identifier else ""
