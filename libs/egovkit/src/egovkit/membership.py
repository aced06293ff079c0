"""Who is on the bus: the signed member list of the national gateway, and the checks that rest on it.

The list is the only place where a system's certificate is tied to its code. Every member holds a copy,
replaced as a whole when ШЭП signs a newer one.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import structlog

from egovkit.clock import Clock
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.errors import EgovError
from egovkit.signatures.certificates import Certificate, CertificateFacts, TrustStore, load_certificate
from egovkit.signatures.custody import KeyCustody
from egovkit.signatures.jws import peek_payload, read_header, sign_compact, verify_compact, verify_detached
from egovkit.signatures.keys import der, thumbprint
from egovkit.signatures.receipt import Receipt, read_receipt

__all__ = [
    "MEMBERS_TYP",
    "NATIONAL_GATEWAY",
    "EnvelopeFacts",
    "Member",
    "MemberCertificate",
    "Members",
    "Membership",
    "sign_members",
    "verify_envelope",
    "verify_receipts",
]

MEMBERS_TYP = "egov-members+jws"
# the one code known beforehand: its certificate's CN, and who signs the list
NATIONAL_GATEWAY = "gateway-shep"
GATEWAY_KINDS = frozenset({"national_gateway", "regional_gateway"})
ALL_SERVICES = "*"

_TEXTS = ("code", "kind", "name_ru", "name_kk", "bin", "kato", "state", "delivery")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MemberCertificate:
    """A certificate a member may sign with, and from when until when ШЭП lets it; two overlap during a
    rotation."""

    thumbprint: str
    certificate: Certificate
    not_before: datetime
    not_after: datetime

    @staticmethod
    def of(
        certificate: Certificate, not_before: datetime | None = None, not_after: datetime | None = None
    ) -> MemberCertificate:
        """For the certificate's own span unless a narrower one is given."""
        return MemberCertificate(
            thumbprint(certificate),
            certificate,
            not_before or certificate.not_valid_before_utc,
            not_after or certificate.not_valid_after_utc,
        )


@dataclass(frozen=True, slots=True)
class Member:
    """A participant of the bus as contracts/participants.yaml and ШЭП's register describe it.

    `kind`: national_gateway, regional_gateway, portal, centre, provider, person_register, attorney_register.
    `services`: regulations'
    codes, or `("*",)` for all. `state`: active or suspended. `delivery`: amqp or http.
    """

    code: str
    kind: str
    name_ru: str
    name_kk: str
    bin: str
    kato: str
    regions: tuple[str, ...]
    services: tuple[str, ...]
    state: str
    delivery: str
    certificates: tuple[MemberCertificate, ...] = ()

    @property
    def is_active(self) -> bool:
        return self.state == "active"

    @property
    def is_gateway(self) -> bool:
        return self.kind in GATEWAY_KINDS

    def serves(self, regulation: str) -> bool:
        """Whether it takes part in this regulation."""
        return ALL_SERVICES in self.services or regulation in self.services


@dataclass(frozen=True)
class Members:
    """One version of the member list. Version 0 is "no list yet"; ШЭП's versions start at 1 and only grow."""

    version: int = 0
    members: tuple[Member, ...] = ()
    _by_code: Mapping[str, Member] = field(init=False, repr=False, compare=False)
    _by_thumbprint: Mapping[str, tuple[Member, MemberCertificate]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_code = {one.code: one for one in self.members}
        by_print = {cert.thumbprint: (one, cert) for one in self.members for cert in one.certificates}
        if len(by_code) != len(self.members) or len(by_print) != sum(len(m.certificates) for m in self.members):
            raise ValueError("a code or a certificate occurs twice in the member list")
        object.__setattr__(self, "_by_code", by_code)
        object.__setattr__(self, "_by_thumbprint", by_print)

    @property
    def is_known(self) -> bool:
        """False before the first list has come."""
        return self.version > 0

    def get(self, code: str) -> Member | None:
        return self._by_code.get(code)

    def by_thumbprint(self, print_: str) -> tuple[Member, Certificate] | None:
        """The member and the certificate with this `x5t#S256`."""
        found = self._by_thumbprint.get(print_)
        return None if found is None else (found[0], found[1].certificate)

    def registration(self, print_: str) -> tuple[Member, MemberCertificate] | None:
        """As `by_thumbprint`, with the span in which ШЭП lets the certificate sign."""
        return self._by_thumbprint.get(print_)

    def certificate_for(self, print_: str) -> Certificate | None:
        found = self._by_thumbprint.get(print_)
        return None if found is None else found[1].certificate

    def gateway(self, kind: str = "national_gateway") -> Member | None:
        """The first member of this kind."""
        return next((one for one in self.members if one.kind == kind), None)

    def serving(self, kind: str, regulation: str, region: str) -> Member | None:
        """The first active one of this kind that serves a regulation in a region; who has no regions serves in all."""
        fitting = (one for one in self.members if one.kind == kind and one.is_active and one.serves(regulation))
        return next((one for one in fitting if not one.regions or region in one.regions), None)

    def to_payload(self) -> dict[str, Any]:
        """JSON form: version and members; certificates as base64 of DER."""
        return {"version": self.version, "members": [_member_payload(one) for one in self.members]}

    @staticmethod
    def from_payload(payload: Mapping[str, Any]) -> Members:
        """EgovError("participant.list_invalid") when it isn't what `to_payload` gives."""
        try:
            version, members = payload["version"], payload["members"]
            if type(version) is not int or version < 1 or payload.keys() != {"version", "members"}:
                raise ValueError("version")
            return Members(version, tuple(_member(one) for one in members))
        except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
            raise EgovError("participant.list_invalid", reason="form", technical=type(error).__name__) from None


def sign_members(members: Members, key: KeyCustody) -> str:
    """The member list as a compact JWS of typ `egov-members+jws`; ШЭП's work."""
    return sign_compact(members.to_payload(), key, MEMBERS_TYP)


class Membership:
    """The current member list of one process; `members` is replaced as a whole, so a reader keeps a
    consistent one."""

    def __init__(self, trust: TrustStore, clock: Clock, members: Members | None = None) -> None:
        self._trust = trust
        self._clock = clock
        self.members = members or Members()

    def lets_sign(self, code: str, print_: str) -> bool:
        """Whether the list has this certificate as one the member `code` may sign with now."""
        found = self.members.registration(print_)
        if found is None or found[0].code != code:
            return False
        return found[1].not_before <= self._clock.now() <= found[1].not_after

    def update(self, list_jws: str) -> bool:
        """Take a signed list; False when it is not newer than ours.

        1. its signer's certificate stands in the list itself, as one of the member `gateway-shep`
        2. that certificate leads to НУЦ's root, is in date, not revoked, an information system's (CertificateFacts)
        3. its CN is `gateway-shep`: НУЦ, not the list, says whose it is
        4. the signature is its
        EgovError("signature.*"), ("certificate.*"), ("participant.list_not_of_gateway"), ("participant.list_invalid").
        """

        def certificate_for(print_: str) -> Certificate | None:
            claimed = Members.from_payload(peek_payload(list_jws, MEMBERS_TYP)).registration(print_)
            if claimed is None or claimed[0].code != NATIONAL_GATEWAY:
                raise EgovError("participant.list_not_of_gateway")
            facts = self._trust.check_system(claimed[1].certificate, self._clock.now())
            if facts.refusal:
                raise EgovError(facts.refusal, thumbprint=facts.thumbprint)
            if facts.subject_cn != NATIONAL_GATEWAY:
                raise EgovError("participant.list_not_of_gateway")
            return claimed[1].certificate

        fresh = Members.from_payload(verify_compact(list_jws, certificate_for, MEMBERS_TYP))
        if fresh.version <= self.members.version:
            return False
        self.members = fresh
        _log.info("members.updated", version=fresh.version, count=len(fresh.members))
        return True

    async def fetch(self, http: httpx.AsyncClient, base_url: str = "") -> bool:
        """Ask ШЭП for its list (GET /v1/members, by ETag); False when there is nothing newer.

        The body is the JWS itself, or JSON with it as `list`. httpx.HTTPError, or EgovError as in `update`.
        """
        headers = {"if-none-match": f'"{self.members.version}"'} if self.members.is_known else {}
        answer = await http.get(f"{base_url.rstrip('/')}/v1/members", headers=headers)
        if answer.status_code == httpx.codes.NOT_MODIFIED:
            return False
        answer.raise_for_status()
        if answer.headers.get("content-type", "").startswith("application/json"):
            try:
                return self.update(answer.json()["list"])
            except (ValueError, KeyError, TypeError):
                raise EgovError("participant.list_invalid", reason="form") from None
        return self.update(answer.text.strip())


@dataclass(frozen=True, slots=True)
class EnvelopeFacts:
    """An envelope whose signature holds: who signed it, with what, and what is known of that certificate."""

    envelope: Envelope
    thumbprint: str
    member: Member
    certificate: CertificateFacts


def verify_envelope(wire: WireEnvelope, members: Members, trust: TrustStore, at: datetime) -> EnvelopeFacts:
    """Who signed these bytes, at the moment `at`; EgovError at the first step that fails:

    1. parse                      envelope.*
    2. read the JWS header        signature.malformed
    3. find the certificate       participant.list_unknown, signature.unknown_certificate
    4. verify the exact bytes     signature.algorithm_not_of_key, signature.invalid
    5. judge the certificate      certificate.* (also outside the span ШЭП registered it for)
    6. its owner is the source    signature.not_of_source
    7. the owner may take part    participant.suspended
    """
    envelope = Envelope.parse(wire.raw)
    header = read_header(wire.signature)
    if not members.is_known:
        raise EgovError("participant.list_unknown")
    registered = members.registration(header.thumbprint)
    if registered is None:
        raise EgovError("signature.unknown_certificate", thumbprint=header.thumbprint)
    member, registration = registered
    verify_detached(wire.raw, wire.signature, registration.certificate)
    facts = _trusted(registration, trust, at)
    if member.code != envelope.source:
        raise EgovError("signature.not_of_source", source=envelope.source, signer=member.code)
    if not member.is_active:
        raise EgovError("participant.suspended", participant=member.code)
    return EnvelopeFacts(envelope, header.thumbprint, member, facts)


def verify_receipts(wire: WireEnvelope, members: Members, trust: TrustStore, at: datetime) -> tuple[Receipt, ...]:
    """The receipts beside an envelope, in order of passage, all of them verified.

    EgovError("receipt.missing") without any: what no gateway passed is not believed.
    EgovError("receipt.invalid", reason) unless each is signed by a gateway of the list, under its own code,
    with a certificate good at `at`, over the SHA-256 of exactly these bytes.
    """
    if not wire.receipts:
        raise EgovError("receipt.missing")
    if not members.is_known:
        raise EgovError("participant.list_unknown")
    digest = wire.sha256
    return tuple(_receipt(token, digest, members, trust, at) for token in wire.receipts)


def _receipt(token: str, digest: str, members: Members, trust: TrustStore, at: datetime) -> Receipt:
    signers: list[tuple[Member, MemberCertificate]] = []

    def certificate_for(print_: str) -> Certificate | None:
        registered = members.registration(print_)
        if registered is None or not registered[0].is_gateway:
            return None
        signers.append(registered)
        return registered[1].certificate

    receipt = read_receipt(token, certificate_for)
    member, registration = signers[0]
    if receipt.gateway != member.code:
        raise EgovError("receipt.invalid", reason="of_another_gateway")
    if receipt.sha256 != digest:
        raise EgovError("receipt.invalid", reason="of_another_envelope")
    try:
        _trusted(registration, trust, at)
    except EgovError as error:
        if error.code == "certificate.revocation_unknown":
            raise  # passes once a fresh CRL is here
        raise EgovError("receipt.invalid", reason=error.code) from None
    return receipt


def _trusted(registration: MemberCertificate, trust: TrustStore, at: datetime) -> CertificateFacts:
    facts = trust.check_system(registration.certificate, at)
    refusal = facts.refusal
    if refusal is None and not registration.not_before <= at <= registration.not_after:
        refusal = "certificate.not_yet_valid" if at < registration.not_before else "certificate.expired"
    if refusal is not None:
        raise EgovError(refusal, thumbprint=facts.thumbprint)
    return facts


def _member_payload(member: Member) -> dict[str, Any]:
    return {
        "code": member.code,
        "kind": member.kind,
        "name_ru": member.name_ru,
        "name_kk": member.name_kk,
        "bin": member.bin,
        "kato": member.kato,
        "regions": list(member.regions),
        "services": list(member.services),
        "state": member.state,
        "delivery": member.delivery,
        "certificates": [
            {
                "certificate": base64.b64encode(der(one.certificate)).decode("ascii"),
                "not_before": one.not_before.astimezone(UTC).isoformat(),
                "not_after": one.not_after.astimezone(UTC).isoformat(),
            }
            for one in member.certificates
        ],
    }


def _member(payload: Mapping[str, Any]) -> Member:
    texts = {name: payload[name] for name in _TEXTS}
    if not all(isinstance(value, str) for value in texts.values()):
        raise ValueError("text")
    if payload["state"] not in ("active", "suspended") or payload["delivery"] not in ("amqp", "http"):
        raise ValueError("state or delivery")
    return Member(
        **texts,
        regions=_strings(payload["regions"]),
        services=_strings(payload["services"]),
        certificates=tuple(_certificate(one) for one in payload["certificates"]),
    )


def _certificate(payload: Mapping[str, Any]) -> MemberCertificate:
    certificate = load_certificate(base64.b64decode(payload["certificate"], validate=True))
    span = [datetime.fromisoformat(payload[name]) for name in ("not_before", "not_after")]
    if any(one.tzinfo is None for one in span):
        raise ValueError("a moment without zone")
    return MemberCertificate.of(certificate, *span)


def _strings(values: list[Any]) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise ValueError("a list of strings is expected")
    return tuple(values)
