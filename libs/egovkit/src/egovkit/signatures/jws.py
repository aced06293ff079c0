"""JSON Web Signatures over exact bytes (RFC 7515), detached and unencoded (RFC 7797) for envelopes.

Written on `cryptography` and not on PyJWT: PyJWT accepts `b64: false` without `crit`, writes `typ: JWT` and
walks every character of the payload in Python. Here the algorithm is bound to the certificate's key, never
chosen by the header (RFC 8725, 3.1), and the text of a signature has exactly one form: any altered character
is refused.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from egovkit import strictjson
from egovkit.errors import EgovError
from egovkit.signatures.custody import KeyCustody
from egovkit.signatures.keys import Certificate, PublicKey, SigningKey, b64url, public_key_of, thumbprint

__all__ = [
    "ENVELOPE_TYP",
    "JwsHeader",
    "PlainSignature",
    "bare_verification",
    "peek_payload",
    "plain_form",
    "read_header",
    "sign_compact",
    "sign_detached",
    "verify_compact",
    "verify_detached",
]

ENVELOPE_TYP = "egov-envelope+jws"
ALGORITHMS = frozenset({"ES256", "PS256", "RS256"})
MAX_SEGMENT = 1024  # a header is 150 characters, an RSA-4096 signature 683
MAX_TOKEN = 1024 * 1024  # the member list of a large country; receipts and tokens are below 1 KB
COORDINATE = 32  # bytes of r and of s in ES256 (RFC 7518, 3.4)
# RFC 7518, 3.5: salt as long as the hash
_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
_B64URL = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class JwsHeader:
    """What a header may say: the algorithm and the `x5t#S256` of the signer's certificate."""

    alg: str
    thumbprint: str


def sign_detached(raw: bytes, custody: KeyCustody, typ: str = ENVELOPE_TYP) -> str:
    """Sign exact bytes: `<header>..<signature>`, the payload left out and unencoded (RFC 7797, 5.2)."""
    key = custody.signing_key()
    header = _encode_header(key, {"b64": False, "crit": ["b64"], "typ": typ})
    return f"{header}..{b64url(_sign(header.encode('ascii') + b'.' + raw, key))}"


def read_header(signature: str, typ: str = ENVELOPE_TYP) -> JwsHeader:
    """The header of a detached signature, before anything is verified.

    EgovError("signature.malformed") unless it has exactly `alg` (ES256, PS256 or RS256), `b64: false`,
    `crit: ["b64"]`, `typ` and `x5t#S256`, each once.
    """
    return _detached_header(_split_detached(signature)[0], typ)


def verify_detached(raw: bytes, signature: str, certificate: Certificate, typ: str = ENVELOPE_TYP) -> None:
    """Return when `signature` is this certificate's signature over exactly `raw`; otherwise EgovError:

    "signature.malformed" (as `read_header`), "signature.algorithm_not_of_key" (the header's algorithm is not
    one of the certificate's key), "signature.invalid". Says nothing about whether the certificate may be
    trusted.
    """
    header_segment, signature_segment = _split_detached(signature)
    header = _detached_header(header_segment, typ)
    if header.thumbprint != thumbprint(certificate):
        raise EgovError("signature.invalid")
    _verify(header_segment.encode("ascii") + b"." + raw, _decode(signature_segment), header.alg, certificate)


def sign_compact(payload: Mapping[str, Any], custody: KeyCustody, typ: str) -> str:
    """`<header>.<payload>.<signature>` of a JSON object (RFC 7515, 7.1); `typ` says what it is and keeps one
    kind of token from passing as another (RFC 8725, 3.11)."""
    key = custody.signing_key()
    header = _encode_header(key, {"typ": typ})
    signed = f"{header}.{b64url(strictjson.dumps(payload))}"
    return f"{signed}.{b64url(_sign(signed.encode('ascii'), key))}"


def verify_compact(token: str, certificate_for: Callable[[str], Certificate | None], typ: str) -> dict[str, Any]:
    """The payload of a compact JWS signed by the certificate that `certificate_for` finds by thumbprint.

    EgovError: "signature.malformed", "signature.unknown_certificate" (it found none),
    "signature.algorithm_not_of_key", "signature.invalid". Whether the certificate may be trusted, and for
    this `typ`, is for the caller to say.
    """
    header_segment, payload_segment, signature_segment = _split_compact(token)
    header = _compact_header(header_segment, typ)
    encoded = _decode(payload_segment)
    certificate = certificate_for(header.thumbprint)
    if certificate is None:
        raise EgovError("signature.unknown_certificate", thumbprint=header.thumbprint)
    if thumbprint(certificate) != header.thumbprint:
        raise EgovError("signature.invalid")
    signed = token[: len(header_segment) + 1 + len(payload_segment)].encode("ascii")
    _verify(signed, _decode(signature_segment), header.alg, certificate)
    return _object(encoded)


def peek_payload(token: str, typ: str) -> dict[str, Any]:
    """The payload of a compact JWS *before* anything is verified, for a list that brings its signer's
    certificate.

    Believe nothing of it but what `verify_compact` confirms afterwards. EgovError("signature.malformed").
    """
    header_segment, payload_segment, _ = _split_compact(token)
    _compact_header(header_segment, typ)
    return _object(_decode(payload_segment))


@dataclass(frozen=True, slots=True)
class PlainSignature:
    """A JWS as tools verify it that know none, `openssl dgst -sha256 -verify` among them: the exact bytes that are
    signed, and the signature over them, of ES256 in DER (RFC 3279, 2.2.3)."""

    alg: str
    thumbprint: str
    signed: bytes
    signature: bytes


def plain_form(token: str, typ: str, raw: bytes | None = None) -> PlainSignature:
    """Of a compact JWS, or with `raw` of a detached one over these bytes. Nothing is verified.
    EgovError("signature.malformed")."""
    if raw is None:
        header_segment, payload_segment, signature_segment = _split_compact(token)
        header, signed = _compact_header(header_segment, typ), f"{header_segment}.{payload_segment}".encode("ascii")
    else:
        header_segment, signature_segment = _split_detached(token)
        header, signed = _detached_header(header_segment, typ), header_segment.encode("ascii") + b"." + raw
    signature = _decode(signature_segment)
    form = _dss(signature) if header.alg == "ES256" else signature
    return PlainSignature(header.alg, header.thumbprint, signed, form)


def bare_verification(tokens: Sequence[tuple[str, str, bytes | None]], certificate: Certificate) -> Callable[[], None]:
    """What the library alone does with these ES256 signatures, all read beforehand: the measure for benchmarks. Each
    is token, typ and the bytes of a detached one."""
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    read = [plain_form(token, typ, raw) for token, typ, raw in tokens]

    def verify() -> None:
        for one in read:
            key.verify(one.signature, one.signed, ec.ECDSA(hashes.SHA256()))

    return verify


def _malformed(reason: str, **more: Any) -> EgovError:
    return EgovError("signature.malformed", reason=reason, **more)


def _object(encoded: bytes) -> dict[str, Any]:
    try:
        payload = strictjson.loads(encoded)
    except strictjson.StrictJsonError as error:
        raise EgovError("signature.malformed", **error.told) from None
    if not isinstance(payload, dict):
        raise _malformed("not_object")
    return payload


def _encode_header(key: SigningKey, members: Mapping[str, Any]) -> str:
    return b64url(strictjson.dumps({"alg": key.alg, **members, "x5t#S256": key.thumbprint}))


def _split_detached(signature: str) -> tuple[str, str]:
    if len(signature) > 2 * MAX_SEGMENT:
        raise _malformed("too_long")
    parts = signature.split(".")
    if len(parts) != 3 or parts[1]:
        raise _malformed("not_detached_jws")
    return parts[0], parts[2]


def _split_compact(token: str) -> tuple[str, str, str]:
    if len(token) > MAX_TOKEN:
        raise _malformed("too_long")
    parts = token.split(".")
    if len(parts) != 3:
        raise _malformed("not_compact_jws")
    return parts[0], parts[1], parts[2]


def _decode(segment: str) -> bytes:
    """Strict base64url: no padding, no foreign characters, no spare bits set, so that one value has one
    text."""
    if not _B64URL.fullmatch(segment):
        raise _malformed("not_base64url")
    try:
        decoded = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except (binascii.Error, ValueError):
        raise _malformed("not_base64url") from None
    if b64url(decoded) != segment:
        raise _malformed("not_canonical")
    return decoded


@lru_cache(maxsize=2048)  # every envelope of one signer has the same header text
def _detached_header(segment: str, typ: str) -> JwsHeader:
    members = _members(segment)
    if members.pop("b64", None) is not False or members.pop("crit", None) != ["b64"]:
        raise _malformed("header_unencoded")  # RFC 7797, 6
    return _plain_header(members, typ)


@lru_cache(maxsize=2048)
def _compact_header(segment: str, typ: str) -> JwsHeader:
    return _plain_header(_members(segment), typ)


def _members(segment: str) -> dict[str, Any]:
    if len(segment) > MAX_SEGMENT:
        raise _malformed("header_too_long")
    try:
        members = strictjson.loads(_decode(segment), max_depth=2)
    except strictjson.StrictJsonError as error:
        raise _malformed("header_not_json", technical=str(error)) from None
    if not isinstance(members, dict):
        raise _malformed("header_not_object")
    return members


def _plain_header(members: dict[str, Any], typ: str) -> JwsHeader:
    alg, found_typ, print_ = (members.pop(name, None) for name in ("alg", "typ", "x5t#S256"))
    if members:
        # a name not understood must not be passed over
        raise _malformed("header_unknown_names")
    if found_typ != typ:
        raise _malformed("header_typ", technical=f"typ has to be {typ}")
    if not isinstance(alg, str) or alg not in ALGORITHMS:
        raise _malformed("header_alg")
    if not isinstance(print_, str) or not _THUMBPRINT.fullmatch(print_):
        raise _malformed("header_thumbprint")
    return JwsHeader(alg, print_)


def _sign(signed: bytes, key: SigningKey) -> bytes:
    private = key.private_key
    if isinstance(private, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(private.sign(signed, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(COORDINATE, "big") + s.to_bytes(COORDINATE, "big")
    return private.sign(signed, _PSS, hashes.SHA256())


def _verify(signed: bytes, signature: bytes, alg: str, certificate: Certificate) -> None:
    key = public_key_of(certificate)
    if key is None or not _is_of_key(alg, key):
        raise EgovError("signature.algorithm_not_of_key", alg=alg)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(_dss(signature), signed, ec.ECDSA(hashes.SHA256()))
        else:
            key.verify(signature, signed, _PSS if alg == "PS256" else padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise EgovError("signature.invalid") from None


def _is_of_key(alg: str, key: PublicKey) -> bool:
    return alg in ("PS256", "RS256") if isinstance(key, rsa.RSAPublicKey) else alg == "ES256"


def _dss(signature: bytes) -> bytes:
    """JWS writes r and s side by side (RFC 7518, 3.4); the library wants them as DER."""
    if len(signature) != 2 * COORDINATE:
        raise _malformed("signature_length")
    r, s = int.from_bytes(signature[:COORDINATE], "big"), int.from_bytes(signature[COORDINATE:], "big")
    return encode_dss_signature(r, s)
