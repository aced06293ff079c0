"""Signatures and certificates: whose, over what, and good today?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

from egovgateway.api import ACCESS_LIFETIME
from egovkit import strictjson
from egovkit.access import ACCESS_TYP
from egovkit.envelope import WireEnvelope
from egovkit.errors import EgovError
from egovkit.membership import MEMBERS_TYP, Membership, verify_receipts
from egovkit.signatures.certificates import Certificate, CertificateFacts, load_certificates, thumbprint
from egovkit.signatures.jws import ENVELOPE_TYP, peek_payload, read_header, verify_compact, verify_detached
from egovkit.signatures.keys import SigningKey
from egovkit.signatures.profiles import (
    EKU_CLIENT_AUTH,
    EKU_INFORMATION_SYSTEM,
    Profile,
    Use,
    judge_usage,
    load_certificate,
    profile_of,
)
from egovkit.signatures.receipt import RECEIPT_TYP, read_receipt
from egovlaw.identifiers import bin_problem, iin_problem
from sandbox.composition import RSHEP, SHEP
from sandbox.doctor.known import Known
from sandbox.doctor.report import Report, Unreadable
from sandbox.doctor.things import BOM, Certified, Letter, Token

SOON = timedelta(days=30)
SKEW_SECONDS = 5  # as the doors allow


def check_signature(letter: Letter, source: str | None, known: Known, report: Report) -> None:
    """The envelope's signature, its certificate and its owner; `source` is None when the envelope cannot be read."""
    if not letter.signature:
        report.notes.append("no signature came with it: lay it beside the file as FILE.jws, or give --signature")
        return
    try:
        print_ = read_header(letter.signature).thumbprint
    except EgovError as error:
        report.find(error, "signature")
        return
    certificate = known.certificate(print_)
    if certificate is None:
        _unknown(print_, known, report)
        return
    try:
        verify_detached(letter.raw, letter.signature, certificate)
    except EgovError as error:
        report.find(_changed(letter, certificate) or error, "signature")
    _check_trust(certificate, known, report)
    _check_owner(print_, source, known, report)
    if letter.receipts:
        _check_receipts(letter, known, report)


def _unknown(print_: str, known: Known, report: Report) -> None:
    if known.members.is_known:
        report.find(EgovError("signature.unknown_certificate", thumbprint=print_), "signature")
    else:
        report.notes.append(
            f"the signature was not verified: the certificate {print_} is not here; give --home of a running "
            "deployment, --as DIR or --certificate FILE"
        )


def _changed(letter: Letter, certificate: Certificate) -> EgovError | None:
    """How the bytes were changed after signing, when a good signature can be found again."""
    for error, raw in _before(letter.raw):
        try:
            verify_detached(raw, letter.signature, certificate)
        except EgovError:
            continue
        return error
    return None


def _before(raw: bytes) -> Iterator[tuple[EgovError, bytes]]:
    """What the bytes may have been, beginning with the smallest change."""
    bare = raw.removeprefix(BOM)
    if bare != raw:
        yield EgovError("doctor.bom_added"), bare
    lines = (bare.rstrip(b"\r\n"), bare + b"\n", bare.replace(b"\r\n", b"\n"), bare.replace(b"\n", b"\r\n"))
    for one in (*lines, lines[2].rstrip(b"\n"), lines[2] + b"\n"):
        yield EgovError("doctor.newline_added"), one
    try:
        document = strictjson.loads(bare)
    except strictjson.StrictJsonError:
        return
    for ordered in (False, True):
        for escaped in (False, True):
            for separators, indent in (((",", ":"), None), ((", ", ": "), None), ((",", ": "), 2)):
                text = json.dumps(
                    document, sort_keys=ordered, ensure_ascii=escaped, separators=separators, indent=indent
                )
                yield EgovError("doctor.reformatted"), text.encode()


def _check_trust(certificate: Certificate, known: Known, report: Report, *, where: str = "certificate") -> None:
    profile = profile_of(certificate)
    facts = _facts(certificate, profile, known)
    refusal = _refusal_alone(profile, known) if facts is None else facts.refusal
    if facts is None:
        report.notes.append(
            "whether НУЦ's twin issued the certificate was not checked: give --home, --as DIR or --root"
        )
    elif refusal == "certificate.revocation_unknown" and not known.revocations:
        report.notes.append("whether the certificate is revoked was not checked: no CRL is here (--home or --crl)")
        refusal = None
    if refusal is not None:
        report.find(EgovError(refusal, thumbprint=profile.thumbprint), where)
    elif profile.not_after - known.at < SOON:
        until = profile.not_after.date().isoformat()
        soon = EgovError(
            "doctor.certificate_ends_soon", participant=profile.subject_cn, thumbprint=profile.thumbprint, until=until
        )
        report.find(soon, where)


def _facts(certificate: Certificate, profile: Profile, known: Known) -> CertificateFacts | None:
    if known.trust is None:
        return None
    if EKU_INFORMATION_SYSTEM in profile.ekus or profile.iin is None:
        return known.trust.check_system(certificate, known.at)
    return known.trust.check_person(certificate, known.at, None, "auth" if EKU_CLIENT_AUTH in profile.ekus else "sign")


def _refusal_alone(profile: Profile, known: Known) -> str | None:
    """What a certificate says against itself, without anybody to confirm it."""
    if known.at > profile.not_after:
        return "certificate.expired"
    if known.at < profile.not_before:
        return "certificate.not_yet_valid"
    use: Use | Literal["system"] = "sign"
    if profile.iin is None:
        use = "system"
    elif EKU_CLIENT_AUTH in profile.ekus:
        use = "auth"
    return None if all(judge_usage(profile, use)) else "certificate.wrong_usage"


def _check_owner(print_: str, source: str | None, known: Known, report: Report) -> None:
    signer = known.signer(print_)
    if source is not None and signer != source:
        report.find(EgovError("signature.not_of_source", source=source, signer=signer), "source")
    member = known.members.get(signer or "")
    if member is not None and not member.is_active:
        report.find(EgovError("participant.suspended", participant=member.code), "source")


def _check_receipts(letter: Letter, known: Known, report: Report) -> None:
    if known.trust is None or not known.members.is_known:
        report.notes.append(f"{len(letter.receipts)} receipts were not verified: give --home of a running deployment")
        return
    try:
        passed = verify_receipts(
            WireEnvelope(letter.raw, letter.signature, letter.receipts), known.members, known.trust, known.at
        )
    except EgovError as error:
        report.find(error, "receipts")
        return
    report.notes.append("signature and receipts are good: passed " + ", ".join(one.gateway for one in passed))


def check_certificate(thing: Certified, password: str | None, known: Known, report: Report) -> None:
    """One in PEM or DER, or a key store. Unreadable when it is none."""
    certificate = _certificate_of(thing, password, report)
    profile = profile_of(certificate)
    owner = f"ИИН …{profile.iin[-4:]}" if profile.iin else f"БИН {profile.bin}" if profile.bin else "no БИН"
    kind = "authority" if profile.is_ca else "system" if EKU_INFORMATION_SYSTEM in profile.ekus else "person"
    span = f"{profile.not_before:%Y-%m-%d} to {profile.not_after:%Y-%m-%d}"
    report.what = f"a certificate ({kind}) of {profile.subject_cn}, {owner}, {span}, x5t#S256 {profile.thumbprint}"
    if profile.is_ca:
        report.notes.append("an authority's certificate: nobody signs envelopes with it")
        return
    _check_trust(certificate, known, report)
    _check_numbers(profile, report)
    if profile.iin is None:
        _check_participant(profile, thumbprint(certificate), known, report)


def _certificate_of(thing: Certified, password: str | None, report: Report) -> Certificate:
    try:
        if thing.content.lstrip().startswith(b"-----BEGIN"):
            return load_certificates(thing.content)[0]
        return load_certificate(thing.content)
    except ValueError:
        pass
    try:
        found = SigningKey.load(thing.content, password).certificate
    except ValueError as error:
        why = "the password is wrong, or" if password is not None else "neither a certificate nor"
        raise Unreadable(f"{thing.name}: {why} a key store that needs none ({error}); give --password-file") from None
    report.notes.append("a key store: the key in it is the certificate's")
    return found


def _check_numbers(profile: Profile, report: Report) -> None:
    if profile.bin is not None and bin_problem(profile.bin) is not None:
        report.find(EgovError("doctor.bin_wrong"), "OU")
    if profile.iin is not None and iin_problem(profile.iin) is not None:
        report.find(EgovError("field.iin_invalid"), "serialNumber")


def _check_participant(profile: Profile, print_: str, known: Known, report: Report) -> None:
    """Is it the certificate of who it says, by register and folder?"""
    code = profile.subject_cn
    if known.ours is not None and code != known.ours[0]:
        report.find(EgovError("participant.foreign_certificate", participant=known.ours[0], subject=code), "CN")
    expected = known.bin_of(code)
    if expected is not None and profile.bin is not None and profile.bin != expected:
        other = EgovError("doctor.bin_of_another", participant=code, found=profile.bin, expected=expected)
        report.find(other, "OU")
    if known.members.is_known and known.members.registration(print_) is None:
        report.find(EgovError("signature.unknown_certificate", thumbprint=print_), "certificate")


def check_token(token: Token, known: Known, report: Report) -> None:
    """A JWS by itself: a detached signature, an access token, a receipt or a list of members."""
    if ".." in token.text:
        report.what = "the detached signature of an envelope"
        try:
            header = read_header(token.text)
        except EgovError as error:
            report.find(error, "header")
            return
        report.what += f", {header.alg}, made with {header.thumbprint}"
        report.notes.append("to verify it, name the envelope: egov doctor ENVELOPE --signature FILE")
        return
    for typ, check in ((ACCESS_TYP, _access), (RECEIPT_TYP, _receipt), (MEMBERS_TYP, _members)):
        try:
            peek_payload(token.text, typ)
        except EgovError as error:
            refused = error
            continue
        report.what = f"a JWS, {typ}"
        try:
            check(token.text, known, report)
        except EgovError as error:
            report.find(error, "signature")
        return
    report.what = f"a JWS, none of {ENVELOPE_TYP} (detached), {ACCESS_TYP}, {RECEIPT_TYP}, {MEMBERS_TYP}"
    report.find(refused, "header")


def _access(text: str, known: Known, report: Report) -> None:
    claims = peek_payload(text, ACCESS_TYP)
    report.what += f" of {claims.get('iss')} for {claims.get('aud')}"
    issued, expires, now = claims.get("iat"), claims.get("exp"), known.at.timestamp()
    if not isinstance(issued, int) or not isinstance(expires, int) or claims.get("aud") not in (SHEP, RSHEP):
        report.find(EgovError("access.invalid"), "aud, iat, exp")
    elif (
        expires - issued > ACCESS_LIFETIME.total_seconds() or not issued - SKEW_SECONDS <= now <= expires + SKEW_SECONDS
    ):
        report.find(EgovError("access.expired"), "iat, exp")
    used: list[str] = []

    def certificate_for(print_: str) -> Certificate | None:
        used.append(print_)
        return known.certificate(print_)

    try:
        verify_compact(text, certificate_for, ACCESS_TYP)
    except EgovError as error:
        if error.code != "signature.unknown_certificate":
            raise
        _unknown(used[0], known, report)
        return
    if known.signer(used[0]) != claims.get("iss"):
        report.find(EgovError("access.invalid"), "iss")


def _receipt(text: str, known: Known, report: Report) -> None:
    if not known.members.is_known and not known.certificates:
        report.notes.append("it was not verified: give --home of a running deployment")
        return
    receipt = read_receipt(text, known.certificate)
    report.what += f" of {receipt.gateway} for envelope {receipt.id}, received {receipt.received:%Y-%m-%d %H:%M:%S}Z"


def _members(text: str, known: Known, report: Report) -> None:
    from egovkit.clock import HandClock

    if known.trust is None:
        report.notes.append("it was not verified: give --root, --as DIR or --home")
        return
    membership = Membership(known.trust, HandClock(known.at))
    membership.update(text)
    report.what += f", version {membership.members.version}, {len(membership.members.members)} members"
