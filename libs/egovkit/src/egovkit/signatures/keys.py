"""A key with its certificate: what a system or a person signs with."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509 import Certificate
from cryptography.x509.oid import NameOID

from egovkit.errors import EgovError
from egovkit.signatures.der import BadDer, require_der

__all__ = [
    "UNREADABLE",
    "Certificate",
    "PrivateKey",
    "PublicKey",
    "SigningKey",
    "b64url",
    "csr",
    "der",
    "lies_open",
    "load_private_key",
    "new_private_key",
    "private_pem",
    "public_key_of",
    "read_key_file",
    "thumbprint",
]

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
MIN_RSA_BITS = 2048  # RFC 7518, 3.3 and 3.5
# What the library raises over a certificate, list or answer that it can't read, some of it only when asked for a field.
UNREADABLE = (
    *(ValueError, TypeError, UnsupportedAlgorithm),
    *(x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
)


def b64url(data: bytes) -> str:
    """base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def der(certificate: Certificate) -> bytes:
    """The certificate's DER."""
    return certificate.public_bytes(serialization.Encoding.DER)


@lru_cache(maxsize=1024)
def thumbprint(certificate: Certificate) -> str:
    """`x5t#S256`: base64url without padding of the SHA-256 of the DER (RFC 7515, 4.1.8); 43 characters."""
    return b64url(hashlib.sha256(der(certificate)).digest())


@lru_cache(maxsize=1024)
def public_key_of(certificate: Certificate) -> PublicKey | None:
    """The certificate's public key when it is one of ours (P-256, RSA of 2048 bits or more), else None.

    Cached: building a key object costs as much as using it.
    """
    try:
        key = certificate.public_key()
    except UNREADABLE:  # an algorithm the library doesn't know, such as GOST
        return None
    return key if isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey) and _is_ours(key) else None


def _is_ours(key: PublicKey) -> bool:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return isinstance(key.curve, ec.SECP256R1)
    return key.key_size >= MIN_RSA_BITS


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, its certificate and the chain above it (issuer first, without the root).

    ValueError when the key is not the certificate's, or neither P-256 nor RSA of 2048 bits or more.
    """

    private_key: PrivateKey
    certificate: Certificate
    chain: tuple[Certificate, ...] = ()

    def __post_init__(self) -> None:
        ours = public_key_of(self.certificate)
        if ours is None:
            raise ValueError("the key is neither P-256 nor RSA of 2048 bits or more")
        if ours != self.private_key.public_key():
            raise ValueError("the private key is not the certificate's")

    @property
    def thumbprint(self) -> str:
        """`x5t#S256` of the certificate."""
        return thumbprint(self.certificate)

    def signing_key(self) -> SigningKey:
        """Itself: a key that nobody changes is its own custody (`egovkit.signatures.custody`)."""
        return self

    def key_of(self, print_: str) -> SigningKey | None:
        """Itself, when the thumbprint is its."""
        return self if print_ == self.thumbprint else None

    @property
    def alg(self) -> Literal["ES256", "PS256"]:
        """The JWS algorithm this key signs with (RFC 7518, 3.1)."""
        return "ES256" if isinstance(self.private_key, ec.EllipticCurvePrivateKey) else "PS256"

    @staticmethod
    def load(p12: bytes, password: str | None) -> SigningKey:
        """From PKCS#12 (RFC 7292). ValueError for a wrong password, a file without key or certificate, a
        foreign key."""
        secret = None if password is None else password.encode("utf-8")
        key, certificate, others = pkcs12.load_key_and_certificates(p12, secret)
        if certificate is None or not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise ValueError("the PKCS#12 file holds no usable key with its certificate")
        return SigningKey(key, certificate, _in_order(certificate, others))

    def to_pkcs12(self, password: str | None, name: str) -> bytes:
        """PKCS#12 with AES-256 (PBES2) under `password`; None leaves it open, for keys kept by file rights
        alone."""
        protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password is not None:
            protection = serialization.BestAvailableEncryption(password.encode("utf-8"))
        return pkcs12.serialize_key_and_certificates(
            name.encode("utf-8"), self.private_key, self.certificate, list(self.chain), protection
        )


MAX_KEY_FILE = 64 * 1024  # a key with its chain takes 5 KB
MAX_ROUNDS = 1_000_000  # of the password's derivation, some 0.3 s; a file that asks for 2**31 would hold us for minutes


def read_key_file(p12: bytes, password: str | None) -> SigningKey:
    """A person's or partner's PKCS#12, as somebody sent it; bounded in size, depth and work. Some 10 ms: off the loop.

    EgovError("signature.key_file_locked") for another password, EgovError("signature.key_file_unusable", reason).
    """
    try:
        require_der(p12, longest=MAX_KEY_FILE)
        if _rounds(p12) > MAX_ROUNDS:
            raise EgovError("signature.key_file_unusable", reason="too_many_rounds")
        return SigningKey.load(p12, password)
    except ValueError as error:
        if isinstance(error, BadDer):
            raise EgovError("signature.key_file_unusable", reason=error.reason) from None
        if "password" in str(error).lower():
            raise EgovError("signature.key_file_locked") from None
        raise EgovError("signature.key_file_unusable", reason="no_usable_key", technical=str(error)) from None


def _rounds(p12: bytes) -> int:
    """How many rounds of derivation the file asks for, in all: its MAC, every encrypted part and key (RFC 7292)."""
    from egovkit.signatures.asn1 import pkcs12 as asn1_pkcs12

    try:
        file = asn1_pkcs12.Pfx.load(p12, strict=True)
        asked = _mac_rounds(file["mac_data"])
        for part in file.authenticated_safe:
            if part["content_type"].native == "encrypted_data":
                asked += _iterations(part["content"]["encrypted_content_info"]["content_encryption_algorithm"])
                continue
            for bag in asn1_pkcs12.SafeContents.load(part["content"].native):
                if bag["bag_id"].native == "pkcs8_shrouded_key_bag":
                    asked += _iterations(bag["bag_value"]["encryption_algorithm"])
        return asked
    except Exception:  # asn1crypto reads lazily: hostile DER raises almost anything
        raise ValueError("no PKCS#12") from None


def lies_open(p12: bytes) -> bool:
    """Whether a PKCS#12 file keeps its key in the clear, as openssl writes it with `-keypbe NONE`: its password then
    guards nothing but its MAC. ValueError for what is no PKCS#12."""
    from egovkit.signatures.asn1 import pkcs12 as asn1_pkcs12

    try:
        parts = asn1_pkcs12.Pfx.load(p12, strict=True).authenticated_safe
        plain = [part["content"].native for part in parts if part["content_type"].native == "data"]
        bags = {bag["bag_id"].native for part in plain for bag in asn1_pkcs12.SafeContents.load(part)}
    except Exception:
        raise ValueError("no PKCS#12") from None
    return not bags.isdisjoint({"key_bag", "safe_contents"})  # the latter could hide one


def _mac_rounds(mac: Any) -> int:
    from egovkit.signatures.asn1 import algos

    if mac.native is None:
        return 0
    algorithm = mac["mac"]["digest_algorithm"]
    if algorithm["algorithm"].dotted != "1.2.840.113549.1.5.14":  # PBMAC1 (RFC 9579), whose derivation counts itself
        return int(mac["iterations"].native)
    parameters = algos.Pbes2Params.load(algorithm["parameters"].dump())  # the same form
    return int(parameters["key_derivation_func"]["parameters"]["iteration_count"].native)


def _iterations(algorithm: Any) -> int:
    parameters = algorithm["parameters"]
    inner = parameters["key_derivation_func"]["parameters"] if "key_derivation_func" in parameters else parameters
    return int(inner["iterations" if "iterations" in inner else "iteration_count"].native)


def new_private_key(kind: Literal["p256", "rsa2048"] = "p256") -> PrivateKey:
    """A fresh key. P-256 takes a tenth of a millisecond, RSA-2048 a tenth of a second: make RSA keys off the
    loop."""
    if kind == "p256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem(private_key: PrivateKey) -> bytes:
    """PKCS#8, PEM, open: for keys kept by file rights alone."""
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private_key.private_bytes(*form)


def load_private_key(pem: bytes) -> PrivateKey:
    """From PEM without a password. ValueError when it holds no key of ours."""
    try:
        key = serialization.load_pem_private_key(pem, None)
    except TypeError:
        raise ValueError("the key is under a password") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("the key is neither P-256 nor RSA of 2048 bits or more")
    return key


def csr(private_key: PrivateKey, common_name: str) -> bytes:
    """A PKCS#10 request (RFC 2986), PEM, with CN alone: the authority decides the rest of the name."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(private_key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


def _in_order(certificate: Certificate, others: Sequence[Certificate]) -> tuple[Certificate, ...]:
    """PKCS#12 keeps certificates in any order; ours goes from the issuer upwards, the root left out."""
    by_subject = {one.subject: one for one in others}
    chain: list[Certificate] = []
    while (above := by_subject.pop((chain[-1] if chain else certificate).issuer, None)) is not None:
        if above.subject == above.issuer:
            break
        chain.append(above)
    return tuple(chain)
