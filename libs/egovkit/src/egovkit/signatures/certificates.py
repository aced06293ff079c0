"""Certificates as frozen facts, and whom to believe: НУЦ's root, its issuing authorities, their revocation
lists.

A chain is checked once per certificate and remembered; a revocation list becomes a table of serials when it
is loaded (a look-up in a list of 100,000 takes the library 10 ms, the table 0.2 microseconds).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtensionOID

from egovkit.errors import EgovError
from egovkit.signatures.keys import UNREADABLE, PublicKey
from egovkit.signatures.profiles import (
    Certificate,
    Use,
    judge_usage,
    load_certificate,
    load_certificates,
    profile_of,
    sent_certificate,
    thumbprint,
)
from egovkit.signatures.revocation import SKEW, RevocationStatus

__all__ = [
    "Certificate",
    "CertificateFacts",
    "TrustStore",
    "Use",
    "load_certificate",
    "load_certificates",
    "sent_certificate",
    "thumbprint",
]

MAX_CHAIN = 4  # certificates above the leaf, root included; НУЦ has two
MAX_REMEMBERED = 20_000  # chains; strangers' certificates, which have none, are not remembered
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_NO_DELTAS = {ExtensionOID.DELTA_CRL_INDICATOR, ExtensionOID.ISSUING_DISTRIBUTION_POINT}


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What is known about a certificate at the moment `at`; a field per fact, and `refusal` as the verdict.

    `revoked` is None when no CRL that is current at `at` speaks about it: unknown is refused (fail closed).
    `iin_matches` is None when no ИИН was asked for.
    """

    thumbprint: str
    subject_cn: str
    iin: str | None
    bin: str | None
    serial: str
    not_before: datetime
    not_after: datetime
    at: datetime
    chain_ok: bool  # leads by valid CA signatures, each CA in date at `at`, to our root
    in_date: bool
    revoked: bool | None
    key_usage_ok: bool
    eku_ok: bool
    iin_matches: bool | None
    ekus: frozenset[str] = frozenset()

    @property
    def refusal(self) -> str | None:
        """The code of the first reason to refuse, or None when there is none (Atyrau 427, process 4: an ЭЦП
        that is not confirmed). The order is the one a person can act on: whose CA, which dates, then its
        use."""
        if not self.chain_ok:
            return "certificate.untrusted"
        if not self.in_date:
            return "certificate.not_yet_valid" if self.at < self.not_before else "certificate.expired"
        if self.revoked is not False:
            return "certificate.revocation_unknown" if self.revoked is None else "certificate.revoked"
        if not (self.key_usage_ok and self.eku_ok):
            return "certificate.wrong_usage"
        if self.iin_matches is False:
            return "certificate.of_another_person"
        return None


# Every code `refusal` may name, of a system's certificate and of a person's.
OF_A_SYSTEM = (
    *("certificate.untrusted", "certificate.not_yet_valid", "certificate.expired"),
    *("certificate.revocation_unknown", "certificate.revoked", "certificate.wrong_usage"),
)
OF_A_PERSON = (*OF_A_SYSTEM, "certificate.of_another_person")


@dataclass(frozen=True, slots=True)
class _Chain:
    """The CAs above a certificate, issuer first, root last; empty when none leads to the root."""

    above: tuple[Certificate, ...]
    not_before: datetime | None = None  # the span in which all of them are valid
    not_after: datetime | None = None

    def holds(self, at: datetime) -> bool:
        if self.not_before is None or self.not_after is None:
            return False
        return self.not_before <= at <= self.not_after


@dataclass(frozen=True, slots=True)
class _RevocationList:
    digest: bytes
    this_update: datetime
    next_update: datetime
    revoked: dict[int, float]  # serial -> seconds since the epoch


class TrustStore:
    """The root, the authorities under it and their CRLs; answers with `CertificateFacts`.

    Loading may happen in a thread while checks run: every table is replaced, never changed in place.
    """

    def __init__(self, root: Certificate) -> None:
        if not _is_authority(root, below=0) or not _signed_by(root, root):
            raise ValueError("the root must be a self-signed certificate of an authority")
        self._root = root
        self._authorities: dict[x509.Name, tuple[Certificate, ...]] = {root.subject: (root,)}
        self._chains: dict[Certificate, _Chain] = {}
        self._crls: dict[x509.Name, _RevocationList] = {}

    @property
    def root(self) -> Certificate:
        return self._root

    @property
    def crl_next_update(self) -> datetime | None:
        """Until when every loaded CRL may be relied on; None before the first one."""
        return min((one.next_update for one in self._crls.values()), default=None)

    def add_intermediate(self, certificate: Certificate) -> None:
        """Know one more authority. EgovError("certificate.untrusted") unless its chain leads to our root."""
        known = self._authorities.get(certificate.subject, ())
        if certificate in known:
            return
        if not _is_authority(certificate, below=0) or not self._find_chain(certificate, MAX_CHAIN - 1, below=1):
            raise EgovError("certificate.untrusted", thumbprint=thumbprint(certificate))
        self._authorities = {**self._authorities, certificate.subject: (*known, certificate)}
        self._chains = {}  # what led nowhere may now lead to the root

    def load_crl(self, der: bytes, now: datetime) -> bool:
        """Take a full CRL (RFC 5280, 5) of one of our authorities; False when it is not newer than the one we
        have.

        EgovError("certificate.crl_invalid"): not a CRL, a delta or partial one, no nextUpdate, an unknown
        issuer, a bad signature, or made after `now`. 100,000 entries take 0.2 s: load big ones off the loop, as
        `TrustSource` does.
        """
        digest = hashlib.sha256(der).digest()
        if any(one.digest == digest for one in self._crls.values()):
            return False
        try:
            crl = x509.load_der_x509_crl(der)
            critical = {one.oid for one in crl.extensions if one.critical}
            issuers = self._authorities.get(crl.issuer, ())
            signed = any(_may_sign_crl(one) and _crl_is_by(crl, one) for one in issuers)
        except UNREADABLE as error:
            raise EgovError("certificate.crl_invalid", reason="damaged", technical=type(error).__name__) from None
        if critical or any(one.oid in _NO_DELTAS for one in crl.extensions):
            raise EgovError("certificate.crl_invalid", reason="partial")
        if not signed:
            raise EgovError("certificate.crl_invalid", reason="unknown_authority")
        if crl.next_update_utc is None:
            raise EgovError("certificate.crl_invalid", reason="endless")
        if crl.last_update_utc > now + SKEW:  # else every later list looks older, and no revocation is heard of
            raise EgovError("certificate.crl_invalid", reason="from_future")
        held = self._crls.get(crl.issuer)
        if held is not None and crl.last_update_utc < held.this_update:
            return False  # an old list shown again must not bring a revoked certificate back
        revoked = {one.serial_number: one.revocation_date_utc.timestamp() for one in crl}
        fresh = _RevocationList(digest, crl.last_update_utc, crl.next_update_utc, revoked)
        self._crls = {**self._crls, crl.issuer: fresh}
        return True

    def knows_name(self, issuer: x509.Name) -> bool:
        """Whether an authority of ours has this name, though perhaps by another key."""
        return issuer in self._authorities

    def check_system(self, certificate: Certificate, at: datetime) -> CertificateFacts:
        """Facts about an information system's certificate: digitalSignature and EKU 1.2.398.5.19.1.2.2.1."""
        return self._facts(certificate, at, "system", None)

    def check_person(
        self, certificate: Certificate, at: datetime, iin: str | None, use: Use = "sign"
    ) -> CertificateFacts:
        """Facts about a person's or employee's certificate.

        `sign`: digitalSignature with nonRepudiation, EKU emailProtection and one of НУЦ's signatories.
        `auth`: digitalSignature without nonRepudiation, EKU clientAuth and one of НУЦ's signatories.
        `iin`: the ИИН that the request claims; None when nobody claims one.
        """
        return self._facts(certificate, at, use, iin)

    def check_stamper(self, certificate: Certificate, moment: datetime, at: datetime) -> CertificateFacts:
        """Facts about a time stamping authority's certificate at the `moment` of its stamp, with revocation as known
        at `at`: digitalSignature or nonRepudiation, and timeStamping critical and alone (RFC 3161, 2.3)."""
        facts = self._facts(certificate, moment, "stamp", None)
        return replace(facts, revoked=self._revoked(certificate, self._chain(certificate), at))

    def _facts(
        self, certificate: Certificate, at: datetime, use: Use | Literal["system", "stamp"], iin: str | None
    ) -> CertificateFacts:
        profile = profile_of(certificate)
        chain = self._chain(certificate)
        key_usage_ok, eku_ok = judge_usage(profile, use)
        return CertificateFacts(
            thumbprint=profile.thumbprint,
            subject_cn=profile.subject_cn,
            iin=profile.iin,
            bin=profile.bin,
            serial=profile.serial,
            not_before=profile.not_before,
            not_after=profile.not_after,
            at=at,
            chain_ok=profile.understood and chain.holds(at),
            in_date=profile.not_before <= at <= profile.not_after,
            revoked=self._revoked(certificate, chain, at),
            key_usage_ok=key_usage_ok,
            eku_ok=eku_ok,
            iin_matches=None if iin is None else profile.iin == iin,
            ekus=profile.ekus,
        )

    def chain_of(self, certificate: Certificate) -> tuple[Certificate, ...]:
        """The authorities above it, issuer first, root last; empty when none leads to our root. Dates are not looked
        at."""
        return self._chain(certificate).above

    def list_status(self, certificate: Certificate) -> RevocationStatus | None:
        """What the issuer's list says about it; None without a list, and about one that had expired when the list was
        made, unless it is named there (RFC 5280, 3.3: a list may forget the expired)."""
        crl = self._crls.get(certificate.issuer)
        if crl is None:
            return None
        since = crl.revoked.get(certificate.serial_number)
        if since is None and certificate.not_valid_after_utc < crl.this_update:
            return None
        revoked_at = None if since is None else datetime.fromtimestamp(since, UTC)
        return RevocationStatus("crl", crl.this_update, crl.next_update, revoked_at)

    def authorities_revoked(self, certificate: Certificate, moment: datetime, at: datetime) -> bool | None:
        """Whether an authority above it was revoked at `moment`, by the lists that are loaded; None when one of them
        is out of date at `at`. The root's own list is optional (DIVERGENCES)."""
        for one in self._chain(certificate).above[:-1]:
            word = self.list_status(one) if one.issuer in self._crls else None
            if word is not None and (word.revoked(moment) or not word.speaks(at)):
                return True if word.revoked(moment) else None
        return False

    def _revoked(self, certificate: Certificate, chain: _Chain, at: datetime) -> bool | None:
        """The issuer's CRL must speak; one of an authority above is asked only where it is loaded, since that of the
        twin's root is always empty (DIVERGENCES)."""
        answer = self._listed(certificate, at)
        for one in chain.above[:-1]:
            if one.issuer in self._crls and answer is not True:
                above = self._listed(one, at)
                answer = above if above is not False else answer
        return answer

    def _listed(self, certificate: Certificate, at: datetime) -> bool | None:
        crl = self._crls.get(certificate.issuer)
        if crl is None or at > crl.next_update:
            return None
        since = crl.revoked.get(certificate.serial_number)
        return since is not None and since <= at.timestamp()

    def _chain(self, certificate: Certificate) -> _Chain:
        chains = self._chains  # one table for both halves: a new authority replaces it meanwhile
        if (known := chains.get(certificate)) is not None:
            return known
        above = self._find_chain(certificate, MAX_CHAIN, below=0)
        if not above:
            return _Chain(())
        latest = max(one.not_valid_before_utc for one in above)
        chain = _Chain(above, latest, min(one.not_valid_after_utc for one in above))
        if len(chains) >= MAX_REMEMBERED:
            chains.clear()
        chains[certificate] = chain
        return chain

    def _find_chain(self, certificate: Certificate, depth: int, below: int) -> tuple[Certificate, ...]:
        """RFC 5280, 6.1, as far as НУЦ's chains go: names, signatures, basicConstraints with its path length,
        and keyCertSign; no name constraints or policy mappings (a critical one is refused as not
        understood)."""
        if depth == 0:
            return ()
        for authority in self._authorities.get(certificate.issuer, ()):
            if not _is_authority(authority, below) or not _signed_by(certificate, authority):
                continue
            if authority == self._root:
                return (authority,)
            if above := self._find_chain(authority, depth - 1, below + 1):
                return (authority, *above)
        return ()


def _is_authority(certificate: Certificate, below: int) -> bool:
    """Whether it may issue certificates with `below` authorities between it and the leaf."""
    try:
        profile = profile_of(certificate)
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except (*UNREADABLE, x509.ExtensionNotFound):
        return False
    short_enough = constraints.path_length is None or below <= constraints.path_length
    return profile.is_ca and profile.understood and usage.key_cert_sign and short_enough


def _signed_by(certificate: Certificate, issuer: Certificate) -> bool:
    try:
        if not isinstance(certificate.signature_hash_algorithm, _HASHES):
            return False  # SHA-1 and MD5 can be forged
        certificate.verify_directly_issued_by(issuer)
    except (*UNREADABLE, InvalidSignature):
        return False
    return True


def _may_sign_crl(authority: Certificate) -> bool:
    return authority.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign


def _crl_is_by(crl: x509.CertificateRevocationList, authority: Certificate) -> bool:
    key = authority.public_key()
    good_hash = isinstance(crl.signature_hash_algorithm, _HASHES)
    return good_hash and isinstance(key, PublicKey) and crl.is_signature_valid(key)
