"""Whether to believe a person's signature over a document: the one way of the whole product.

    facts = await signatures.verify(document, cms, at, iin)      # signatures: DocumentSignatures
    if facts.refusal is not None: raise EgovError(facts.refusal)
    facts.as_data()           # what was known, kept with the case and in the journal, never found out again

Signatures are detached CAdES-BES or -T. The checks, in their order; the first that fails is the verdict:

     1 readable    DER or PEM within bounds of size, depth and number              signature.cms_malformed
     2 form        CAdES of one signer, detached, strong digests, attributes once  signature.cms_malformed
     3 named       the certificate is inside, signing-certificate-v2 names it      signature.cms_malformed
     4 signature   made by the certificate's key                                   signature.invalid
     5 data        over exactly these bytes                                        signature.of_other_data
     6 stamp       if there is one: over this signature, not from the future, by
                   an authority we trust                                           stamp.*
     7 chain       leads to НУЦ's root                                             certificate.untrusted
     8 dates       valid at the moment the signature is judged for                 certificate.not_yet_valid, .expired
     9 revocation  not revoked at that moment: OCSP, then the list;
                   neither, and it is refused                      certificate.revoked, certificate.revocation_unknown
    10 usage       a signing key of a signatory                                    certificate.wrong_usage
    11 person      of the ИИН that the request claims                              certificate.of_another_person

That moment is the stamp's where a stamp proves it, else the moment of the check: what the signer claims proves
nothing. Checks 1-3 raise, since there is nothing to have facts about.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from egovkit.errors import EgovError
from egovkit.signatures.certificates import OF_A_PERSON, Certificate, CertificateFacts, TrustStore, Use
from egovkit.signatures.cms import Reading, read_cms
from egovkit.signatures.keys import thumbprint
from egovkit.signatures.ocsp import OcspClient, OcspUnusable
from egovkit.signatures.revocation import SKEW, RevocationStatus, newest
from egovkit.signatures.trust_source import TrustSource

if TYPE_CHECKING:
    from egovkit.signatures.stamps import StampFacts

__all__ = ["OF_A_SIGNATURE", "Check", "DocumentFacts", "DocumentSignatures", "SeveralFacts"]

MAX_SIGNERS = 8  # both spouses and some children; every signature costs a check

# Every code that `verify` raises or `DocumentFacts.refusal` names.
OF_A_SIGNATURE = (
    *("signature.cms_malformed", "signature.invalid", "signature.of_other_data"),
    *("stamp.malformed", "stamp.invalid", "stamp.of_other_data", "stamp.from_the_future", "stamp.not_trusted"),
    *OF_A_PERSON,
)


@dataclass(frozen=True, slots=True)
class Check:
    """One numbered check: `code` is None when it held, `fact` what was seen, in a few plain words."""

    number: int
    name: str
    code: str | None
    fact: str


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """What is known about a signature over given bytes, frozen at the moment of the check.

    document     SHA-256 of those bytes, hexadecimal
    reading      what the CMS says
    signer       facts about the signer's certificate at `judged_at`
    stamp        facts about the time stamp; None in CAdES-BES
    judged_at    the stamp's moment where it proves one, else `checked_at`
    checked_at   the moment of the check
    chain        thumbprints (`x5t#S256`) of the authorities above the certificate, root last
    revocation   the word that decided whether it is revoked; None when there was none, or it was not looked for
    ocsp         why there was no OCSP answer; None when there was one or nobody was asked
    """

    document: str
    reading: Reading
    signer: CertificateFacts
    stamp: StampFacts | None
    judged_at: datetime
    checked_at: datetime
    chain: tuple[str, ...]
    revocation: RevocationStatus | None
    ocsp: str | None

    @property
    def level(self) -> Literal["CAdES-BES", "CAdES-T"]:
        return "CAdES-BES" if self.reading.stamp is None else "CAdES-T"

    @property
    def certificate(self) -> Certificate:
        """The signer's certificate itself."""
        return self.reading.certificate

    @property
    def signing_time(self) -> datetime | None:
        """What the signer claims; proves nothing."""
        return self.reading.signing_time

    @property
    def intact(self) -> bool:
        """Made by this certificate's key over exactly these bytes."""
        return self.reading.digest_ok and self.reading.signature_ok

    @property
    def broken(self) -> str | None:
        """The code of the first of checks 4 to 6 that failed: to be signed again, whoever the signer is. None as well
        while it is unknown whether the stamp's certificate is revoked."""
        found = next((one.code for one in self.checks[:3] if one.code is not None), None)
        return None if found == "certificate.revocation_unknown" else found

    @property
    def refusal(self) -> str | None:
        """The code of the first check that failed, or None."""
        return next((one.code for one in self.checks if one.code is not None), None)

    @property
    def checks(self) -> tuple[Check, ...]:
        """Checks 4 to 11; 1 to 3 held, or there would be no facts."""
        reading, signer = self.reading, self.signer
        own = "signature.invalid" if not reading.signature_ok else None
        data = "signature.of_other_data" if not reading.digest_ok else None
        dates = "certificate.not_yet_valid" if self.judged_at < signer.not_before else "certificate.expired"
        usage = signer.key_usage_ok and signer.eku_ok
        return (
            Check(4, "signature", own, f"{reading.digest}, certificate {signer.thumbprint}"),
            Check(5, "data", data, "messageDigest compared with the document's"),
            Check(6, "stamp", self._stamp_code(), self._stamp_fact()),
            Check(7, "chain", None if signer.chain_ok else "certificate.untrusted", " < ".join(self.chain) or "none"),
            Check(8, "dates", None if signer.in_date else dates, f"judged for {self.judged_at.isoformat()}"),
            Check(9, "revocation", self._revocation_code(), self._revocation_fact()),
            Check(10, "usage", None if usage else "certificate.wrong_usage", " ".join(sorted(signer.ekus))),
            Check(11, "person", *self._person()),
        )

    def as_data(self) -> dict[str, Any]:
        """For JSON, in the shape of `egovkit.verdict.SignatureVerdict`: kept with the case at the moment of the check,
        and shown as it was kept. The signer's ИИН stays out: who is shown an official's signature has no use for it."""
        stamp, signer = self.stamp, self.signer
        claimed = self.reading.signing_time
        return {
            "level": self.level,
            "verdict": "accepted" if self.refusal is None else self.refusal,
            "document": self.document,
            "checked_at": self.checked_at.isoformat(),
            "judged_at": self.judged_at.isoformat(),
            "claimed_at": None if claimed is None else claimed.isoformat(),
            "signer": {
                "name": signer.subject_cn,
                "bin": signer.bin,
                "certificate": signer.thumbprint,
                "serial": signer.serial,
                "issuer": self.certificate.issuer.rfc4514_string(),
                "not_before": signer.not_before.isoformat(),
                "not_after": signer.not_after.isoformat(),
            },
            "chain": list(self.chain),
            "root": self.chain[-1] if self.chain else None,
            "revocation": None if self.revocation is None else self.revocation.as_data(),
            "revocation_age_s": self._age_s(),
            "ocsp": self.ocsp,
            "stamp": None
            if stamp is None
            else {"moment": stamp.moment.isoformat(), "serial": stamp.serial, "certificate": stamp.signer.thumbprint},
            "checks": [
                {"number": one.number, "name": one.name, "code": one.code, "fact": one.fact} for one in self.checks
            ],
        }

    def _age_s(self) -> int | None:
        return None if self.revocation is None else int(self.revocation.age(self.checked_at).total_seconds())

    def _stamp_code(self) -> str | None:
        if self.stamp is None:
            return None
        if not self.stamp.signature_ok or not self.stamp.digest_ok:
            return self.stamp.refusal
        if self.stamp.moment > self.checked_at + SKEW:
            return "stamp.from_the_future"
        whose = self.stamp.signer.refusal
        return whose if whose in (None, "certificate.revocation_unknown") else "stamp.not_trusted"

    def _stamp_fact(self) -> str:
        if self.stamp is None:
            return "none"
        return f"{self.stamp.moment.isoformat()}, number {self.stamp.serial}, {self.stamp.signer.refusal or 'trusted'}"

    def _revocation_code(self) -> str | None:
        if self.signer.revoked is None:
            return "certificate.revocation_unknown"
        return "certificate.revoked" if self.signer.revoked else None

    def _revocation_fact(self) -> str:
        word = self.revocation
        if word is None:
            return f"no word; OCSP: {self.ocsp or 'not asked'}"
        age = f"{word.source} of {word.this_update.isoformat()}, {self._age_s()} s old"
        return age if self.ocsp is None else f"{age}; OCSP: {self.ocsp}"

    def _person(self) -> tuple[str | None, str]:
        claimed = "nobody claimed" if self.signer.iin_matches is None else "compared with the request's"
        return (None if self.signer.iin_matches is not False else "certificate.of_another_person"), claimed


@dataclass(frozen=True, slots=True)
class SeveralFacts:
    """Signatures of several people over one document; `refusal` is the verdict on all together.

    each      the facts, in the order of the signatures
    signers   ИИН of those who have to sign
    """

    each: tuple[DocumentFacts, ...]
    signers: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """ИИН of those who have not signed, or not validly."""
        who = {one.signer.iin for one in self.each if one.refusal is None}
        return tuple(one for one in self.signers if one not in who)

    @property
    def refusal(self) -> str | None:
        """The first signature's code that has one; then signature.of_a_stranger, .signer_twice, .signer_missing."""
        bad = next((one.refusal for one in self.each if one.refusal is not None), None)
        if bad is not None:
            return bad
        who = [one.signer.iin for one in self.each]
        if not set(who) <= set(self.signers):
            return "signature.of_a_stranger"
        if len(set(who)) != len(who):
            return "signature.signer_twice"
        return "signature.signer_missing" if self.missing else None


class DocumentSignatures:
    """Whom to believe, and how to ask: the trust store and, where there is a network, НУЦ's OCSP, and НУЦ itself about
    a key of its own that it has taken up since.

    A repeated signer costs one reading of the CMS: its chain, profile and OCSP answer are kept.
    """

    def __init__(self, trust: TrustStore, ocsp: OcspClient | None = None, source: TrustSource | None = None) -> None:
        self.trust, self._ocsp, self._source = trust, ocsp, source

    async def meet(self, *certificates: Certificate | None) -> bool:
        """Before certificates are checked that may be of a new key of НУЦ: see `TrustSource.meet`. None is passed."""
        source = self._source
        return source is not None and any([await source.meet(one) for one in certificates if one is not None])

    async def verify(
        self, data: bytes, cms: bytes, at: datetime, iin: str | None, *, use: Use = "sign"
    ) -> DocumentFacts:
        """Facts about the detached signature `cms` (DER or PEM) over `data`, checked at `at`.

        `iin` is the ИИН that the request claims; None when nobody claims one. Reading runs in a thread.
        EgovError("signature.cms_malformed", reason), EgovError("stamp.malformed", reason): see the module.
        """
        reading, stamp = await asyncio.to_thread(self._read, data, cms, at)
        if await self.meet(reading.certificate, None if stamp is None else stamp.certificate):
            reading, stamp = await asyncio.to_thread(self._read, data, cms, at)
        if stamp is not None and stamp.signer.chain_ok and stamp.signer.revoked is None:
            stamp = await self._with_ocsp(stamp, at)
        judged_at = at if stamp is None or not _proves(stamp, at) else stamp.moment
        signer = self.trust.check_person(reading.certificate, judged_at, iin, use)
        word, why = None, None
        if reading.digest_ok and reading.signature_ok and signer.chain_ok and signer.in_date:
            word, why = await self._word(reading.certificate, at)
            signer = replace(signer, revoked=self._revoked(reading.certificate, word, judged_at, at))
        above = self.trust.chain_of(reading.certificate)
        chain = tuple(thumbprint(one) for one in above)
        digest = hashlib.sha256(data).hexdigest()
        return DocumentFacts(digest, reading, signer, stamp, judged_at, at, chain, word, why)

    async def verify_each(
        self, data: bytes, signatures: Sequence[bytes], at: datetime, signers: Sequence[str]
    ) -> SeveralFacts:
        """Facts about the signatures of several people (both spouses) over the same bytes, each a file of its own.

        `signers` are the ИИН of those who have to sign. EgovError("signature.too_many") for more files than
        MAX_SIGNERS, and as `verify`.
        """
        if len(signatures) > MAX_SIGNERS:
            raise EgovError("signature.too_many", most=MAX_SIGNERS)
        each = tuple([await self.verify(data, one, at, None) for one in signatures])
        return SeveralFacts(each, tuple(signers))

    def _read(self, data: bytes, cms: bytes, at: datetime) -> tuple[Reading, StampFacts | None]:
        from egovkit.signatures.stamps import check_token  # with pyHanko, which takes 0.3 s to import

        reading = read_cms(data, cms)
        if reading.stamp is None:
            return reading, None
        return reading, check_token(reading.stamp, reading.imprint, self.trust, at)

    async def _word(self, certificate: Certificate, at: datetime) -> tuple[RevocationStatus | None, str | None]:
        """What counts of OCSP's answer and the list; and why there was no answer."""
        listed, answer, why = self.trust.list_status(certificate), None, None
        if listed is not None and not listed.speaks(at):
            listed = None
        above = self.trust.chain_of(certificate)
        if self._ocsp is not None and above:
            try:
                answer = await self._ocsp.status(certificate, above[0])
            except OcspUnusable as unusable:
                why = str(unusable)
        return newest(answer, listed), why

    def _revoked(
        self, certificate: Certificate, word: RevocationStatus | None, moment: datetime, at: datetime
    ) -> bool | None:
        above = self.trust.authorities_revoked(certificate, moment, at)
        if above is True or word is None:
            return True if above else None
        return True if word.revoked(moment) else above

    async def _with_ocsp(self, stamp: StampFacts, at: datetime) -> StampFacts:
        """The stamp with OCSP's word about its certificate: no list speaks about it."""
        found = stamp.certificate
        word, _ = await self._word(found, at)
        return replace(stamp, signer=replace(stamp.signer, revoked=self._revoked(found, word, at, at)))


def _proves(stamp: StampFacts, at: datetime) -> bool:
    return stamp.refusal is None and stamp.moment <= at + SKEW
