"""Kinds of keys: those НУЦ's twin makes and certifies, and those it makes only for testers."""

from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
AuthorityKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class KeyKind(StrEnum):
    """Keys the twin makes for its own authorities and, by the ordinary API, for persons."""

    P256 = "p256"
    RSA2048 = "rsa2048"


class OddKeyKind(StrEnum):
    """Keys НУЦ would never certify: a tester asks for them through the control API to see them refused."""

    P384 = "p384"
    ED25519 = "ed25519"
    RSA1024 = "rsa1024"


def new_authority_key(kind: KeyKind) -> AuthorityKey:
    if kind is KeyKind.RSA2048:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def new_key(kind: KeyKind | OddKeyKind) -> PrivateKey:
    """A fresh key pair. RSA takes 50-300 ms of processor time: call it off the event loop."""
    if isinstance(kind, KeyKind):
        return new_authority_key(kind)
    if kind is OddKeyKind.P384:
        return ec.generate_private_key(ec.SECP384R1())
    if kind is OddKeyKind.ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)  # weak on purpose


def key_name(key: object) -> str:
    """Our word for a public key's type, e.g. `p256`, `rsa2048`, `ed25519`, or `other`."""
    if isinstance(key, rsa.RSAPublicKey):
        return f"rsa{key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return {"secp256r1": "p256", "secp384r1": "p384"}.get(key.curve.name, key.curve.name)
    return "ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else "other"


def is_ordinary_key(key: object) -> bool:
    """Keys every service of the bus can verify with: P-256, or RSA of 2048 to 4096 bits."""
    if isinstance(key, rsa.RSAPublicKey):
        return 2048 <= key.key_size <= 4096
    return isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1"


class UnusableRequest(ValueError):
    """A certificate request nobody can certify; `reason` is one of contracts/words.yaml."""

    @property
    def reason(self) -> str:
        return str(self)


def requested_key(pem: str) -> PublicKey:
    """The public key of a PKCS#10 request (RFC 2986, PEM), once its signature has shown who holds the key.

    Nothing else of the request is used: the authority decides on name and extensions.
    """
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        key = request.public_key()
        signed = request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise UnusableRequest("unreadable") from None
    if not signed:
        raise UnusableRequest("signature")
    if not isinstance(key, PublicKey):
        raise UnusableRequest("key")
    return key
