"""Every signature of the bus that a partner makes or verifies. A reference: read it, or translate it.

An envelope travels as bytes. Its sender signs exactly these bytes (ES256, detached and unencoded: RFC 7515, RFC 7797);
every gateway it passes adds a receipt. Whose a certificate is, the signed list of members says; ШЭП signs the list, and
НУЦ's root is the one thing to believe beforehand.

    signer = Signer.load(folder)
    raw = encode(document)
    headers = {"Content-Type": "application/cloudevents+json", "Egov-Signature": signer.sign(raw)}

    trust = Trust.load(folder)
    trust.learn(text_of_GET_v1_members)
    received = trust.open(item_of_GET_v1_inbox)
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

ENVELOPE, ACCESS = "egov-envelope+jws", "egov-access+jwt"
RECEIPT, MEMBERS = "egov-receipt+jws", "egov-members+jws"
NATIONAL_GATEWAY = "gateway-shep"  # the one code known beforehand: it signs the list of members
INFORMATION_SYSTEM = "1.2.398.5.19.1.2.2.1"  # the extended key usage of a system's certificate
ALGORITHMS = ("ES256", "PS256", "RS256")


class NotGenuine(Exception):
    """A signature, certificate, receipt or list that must not be believed; says why."""


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - a partner's own clock


def new_id(at: datetime | None = None) -> str:
    """A UUIDv7: envelopes and cases are named by it."""
    stamp = int((at or now()).timestamp() * 1000).to_bytes(6, "big")
    made = bytearray(stamp + os.urandom(10))
    made[6], made[8] = made[6] & 0x0F | 0x70, made[8] & 0x3F | 0x80
    text = made.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def moment(at: datetime) -> str:
    """As envelopes write it: UTC, milliseconds, Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode(document: Mapping[str, Any]) -> bytes:
    """The bytes to sign and to send. From here on nobody may parse and print them again."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def thumbprint(certificate: x509.Certificate) -> str:
    """`x5t#S256`: how a signature names its certificate."""
    digest = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True)
class Signer:
    """A participant: its code, its private key, its certificate."""

    code: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @staticmethod
    def load(folder: Path) -> Signer:
        """From the folder of `egov partner join`."""
        key = serialization.load_pem_private_key((folder / "key.pem").read_bytes(), None)
        certificate = x509.load_pem_x509_certificate((folder / "certificate.pem").read_bytes())
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("a P-256 key is expected")
        return Signer(json.loads((folder / "partner.json").read_text("utf-8"))["code"], key, certificate)

    def sign(self, raw: bytes) -> str:
        """The detached signature over exactly these bytes: the header Egov-Signature."""
        header = {"typ": ENVELOPE, "b64": False, "crit": ["b64"], "x5t#S256": thumbprint(self.certificate)}
        return jwt.api_jws.encode(raw, self.key, "ES256", header, is_payload_detached=True)

    def access(self, audience: str, at: datetime | None = None) -> str:
        """The bearer token that proves who calls `audience` (a gateway's code). One for each call: it lives 50 s."""
        issued = int((at or now()).timestamp())
        claims = {"iss": self.code, "aud": audience, "iat": issued, "exp": issued + 50, "jti": new_id(at)}
        header = {"typ": ACCESS, "x5t#S256": thumbprint(self.certificate)}
        return jwt.encode(claims, self.key, "ES256", header)


@dataclass(frozen=True)
class Member:
    """Whose certificate it is, and from when until when it may sign."""

    code: str
    kind: str
    active: bool
    certificate: x509.Certificate
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Received:
    """A verified envelope: the document, its exact bytes, who signed it, and the receipts of the gateways."""

    document: Mapping[str, Any]
    raw: bytes
    signer: Member
    receipts: Sequence[Mapping[str, Any]]


@dataclass
class Trust:
    """НУЦ's root and issuing authority; the members, once learned; revoked serial numbers, once loaded."""

    root: x509.Certificate
    issuing: x509.Certificate
    members: dict[str, Member] = field(default_factory=dict)  # by thumbprint
    version: int = 0
    revoked: frozenset[int] = frozenset()

    @staticmethod
    def load(folder: Path) -> Trust:
        """From the folder of `egov partner join`."""
        root, issuing = (
            x509.load_pem_x509_certificate((folder / name).read_bytes()) for name in ("root.cer", "chain.pem")
        )
        return Trust(root, issuing)

    def load_crl(self, der: bytes, at: datetime | None = None) -> None:
        """The authority's list of revoked certificates (GET /crl of НУЦ); get it anew every few seconds."""
        crl = x509.load_der_x509_crl(der)
        ends = crl.next_update_utc
        if not crl.is_signature_valid(_public(self.issuing)) or ends is None or ends < (at or now()):
            raise NotGenuine("the revocation list is not the authority's, or too old")
        self.revoked = frozenset(one.serial_number for one in crl)

    def learn(self, signed_list: str, at: datetime | None = None) -> None:
        """The list of members (GET /v1/members of ШЭП). An older one than ours is left aside."""
        header, payload = _header(signed_list, MEMBERS), json.loads(_decode(signed_list.split(".")[1]))
        claimed = _members(payload)
        signer = claimed.get(header["x5t#S256"])
        if signer is None or signer.code != NATIONAL_GATEWAY:
            raise NotGenuine("the list is not signed by the national gateway")
        self._check_certificate(signer, at or now())
        if _common_name(signer.certificate) != NATIONAL_GATEWAY:  # НУЦ, not the list, says whose it is
            raise NotGenuine("the list's signer is not the national gateway")
        _verify(signed_list, signer.certificate)
        if payload["version"] > self.version:
            self.members, self.version = claimed, payload["version"]

    def open(self, item: Mapping[str, Any], at: datetime | None = None) -> Received:
        """An item of GET /v1/inbox (`envelope`, `signature`, `receipts`), verified."""
        raw = base64.b64decode(item["envelope"])
        signer = self.verify(raw, item["signature"], at)
        receipts = [self.receipt(one, raw, at) for one in item["receipts"]]
        if not receipts:
            raise NotGenuine("no gateway has passed this envelope")
        return Received(json.loads(raw), raw, signer, receipts)

    def verify(self, raw: bytes, signature: str, at: datetime | None = None) -> Member:
        """Who signed exactly these bytes: an active member, in his own name, with a certificate good at that moment."""
        header = _header(signature, ENVELOPE)
        member = self._member(header, at)
        _verify(signature, member.certificate, raw)
        if json.loads(raw).get("source") != member.code:
            raise NotGenuine(f"{member.code} has signed in another's name")
        if not member.active:
            raise NotGenuine(f"{member.code} is suspended")
        return member

    def receipt(self, token: str, raw: bytes, at: datetime | None = None) -> Mapping[str, Any]:
        """A gateway's word that these bytes passed it: `gateway`, `received`, `forwarded`, `limit`, `used`, ..."""
        header = _header(token, RECEIPT)
        member = self._member(header, at)
        _verify(token, member.certificate)
        payload: dict[str, Any] = json.loads(_decode(token.split(".")[1]))
        if not member.kind.endswith("_gateway") or payload["gateway"] != member.code:
            raise NotGenuine("the receipt is not a gateway's own")
        if payload["sha256"] != hashlib.sha256(raw).hexdigest():
            raise NotGenuine("the receipt is of another envelope")
        return payload

    def _member(self, header: Mapping[str, Any], at: datetime | None) -> Member:
        member = self.members.get(header["x5t#S256"])
        if member is None:
            raise NotGenuine(f"no member has the certificate {header['x5t#S256']}: is the list of members fresh?")
        self._check_certificate(member, at or now())
        return member

    def _check_certificate(self, member: Member, at: datetime) -> None:
        """Chain, dates, revocation, use: root -> issuing authority -> an information system."""
        certificate = member.certificate
        try:
            self.issuing.verify_directly_issued_by(self.root)
            certificate.verify_directly_issued_by(self.issuing)
            uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            raise NotGenuine("the certificate is not of НУЦ") from None
        if INFORMATION_SYSTEM not in {one.dotted_string for one in uses} or not usage.digital_signature:
            raise NotGenuine("the certificate is not of an information system")
        since = max(member.since, certificate.not_valid_before_utc)
        if not since <= at <= min(member.until, certificate.not_valid_after_utc):
            raise NotGenuine("the certificate is out of its time")
        if certificate.serial_number in self.revoked:
            raise NotGenuine("the certificate is revoked")


def _header(token: str, typ: str) -> dict[str, Any]:
    """The header says what kind of token it is, and nothing that we do not know."""
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise NotGenuine(f"no signature: {error}") from None
    names = {"alg", "typ", "x5t#S256"} | ({"b64", "crit"} if typ == ENVELOPE else set())
    if header.keys() != names or header["typ"] != typ or header["alg"] not in ALGORITHMS:
        raise NotGenuine(f"the signature is no {typ}")
    if typ == ENVELOPE and (header["b64"] is not False or header["crit"] != ["b64"]):
        raise NotGenuine("an envelope is signed unencoded (b64 false, crit)")
    return header


def _verify(token: str, certificate: x509.Certificate, detached: bytes | None = None) -> None:
    """The algorithm is the key's: never whatever the header asks for (RFC 8725, 3.1)."""
    key = _public(certificate)
    fitting = ["ES256"] if isinstance(key, ec.EllipticCurvePublicKey) else ["PS256", "RS256"]
    try:
        jwt.api_jws.decode_complete(token, key, fitting, detached_payload=detached)
    except jwt.PyJWTError:
        raise NotGenuine("the signature is not of this certificate over these bytes") from None


def _public(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:
        return key
    raise NotGenuine("the key is neither P-256 nor RSA of 2048 bits or more")


def _common_name(certificate: x509.Certificate) -> str:
    [name] = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(name.value)


def _members(payload: Mapping[str, Any]) -> dict[str, Member]:
    found = {}
    for one in payload["members"]:
        for held in one["certificates"]:
            certificate = x509.load_der_x509_certificate(base64.b64decode(held["certificate"]))
            span = (datetime.fromisoformat(held[name]) for name in ("not_before", "not_after"))
            member = Member(one["code"], one["kind"], one["state"] == "active", certificate, *span)
            found[thumbprint(certificate)] = member
    return found


def _decode(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
