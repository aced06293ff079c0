"""Making the corpus of signatures: one small НУЦ, one applicant, and every way we know of signing badly.

Budget: one list of cases, each a few lines; cut in two, the reader would look for a case in both.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from egovkit.clock import HandClock
from egovkit.signatures.agent import add_stamp
from egovkit.signatures.authority import PROFILES, Authority, Span, Usage, person_name, system_name
from egovkit.signatures.cms import sign_cms
from egovkit.signatures.keys import SigningKey, der, new_private_key
from egovkit.signatures.profiles import EKU_EMAIL_PROTECTION, EKU_LEGAL
from egovkit.testing.pki import TestPki
from egovkit.testing.signing import LittleStamps, OcspAnswer, bent, ocsp_failure, resigned
from egovkit.testing.vectors import NUC, Case, Outcome

__all__ = ["make"]

NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
IIN, OTHER_IIN = "991231600012", "991231600022"
DATA = (
    '{"kind":"application","regulation":"semey-minor-property-certificate","iin":"991231600012",'
    '"form":{"purpose":"Тұрғын үйді сату"}}'
).encode()
NONCE = bytes(range(32))
MALFORMED = "signature.cms_malformed"
GOOD = Outcome(None)


class _World:
    """The authority, the people and what is revoked; times around NOW."""

    def __init__(self) -> None:
        self.pki = TestPki(HandClock(NOW - 200 * DAY))  # certificates begin here and last a year
        self.issuer = self.pki.issuing_authority
        self.signer = replace(PROFILES["person_sign"], ocsp=f"{NUC}/ocsp")
        self.person = self.of(IIN)
        self.rsa = self.of(IIN, key="rsa2048")
        self.expired = self.of(IIN, span=Span(NOW - 100 * DAY, NOW - DAY))
        self.revoked = self.of(IIN)
        self.tsa = self._stamper()
        self.revoked_tsa = self._stamper()
        self.responder = self._responder(self.pki)
        self.signed = sign_cms(DATA, self.person, NOW - HOUR)

    def of(self, iin: str, *, usage: Usage | None = None, **how: Any) -> SigningKey:
        return self.pki.person(iin, usage=usage or self.signer, **how)

    def _stamper(self, usage: Usage | None = None, pki: TestPki | None = None) -> SigningKey:
        pki = pki or self.pki
        key = new_private_key("rsa2048")
        issued = pki.issuing_authority.issue(
            system_name("tsa"), key.public_key(), usage or PROFILES["stamping"], pki.span(3650 * DAY)
        )
        return SigningKey(key, issued, (pki.issuing,))

    def stamper_of(self, pki: TestPki | None = None, usage: Usage | None = None) -> SigningKey:
        return self._stamper(usage, pki)

    def _responder(self, pki: TestPki) -> SigningKey:
        key = new_private_key()
        issued = pki.issuing_authority.issue(system_name("ocsp"), key.public_key(), PROFILES["responder"], pki.span())
        return SigningKey(key, issued, (pki.issuing,))

    def responder_of(self, pki: TestPki) -> SigningKey:
        return self._responder(pki)

    def files(self) -> dict[str, bytes]:
        revoked = [
            (self.revoked.certificate.serial_number, NOW - 10 * DAY),
            (self.revoked_tsa.certificate.serial_number, NOW - 10 * DAY),
        ]
        return {
            "root.cer": der(self.pki.root),
            "issuing.cer": der(self.pki.issuing),
            "current.crl": self.issuer.crl(7, Span(NOW - HOUR, NOW + DAY), revoked),
            "stale.crl": self.issuer.crl(6, Span(NOW - 2 * DAY, NOW - DAY), revoked),
            "ahead.crl": self.issuer.crl(8, Span(NOW + HOUR, NOW + DAY), []),
        }


async def make() -> tuple[dict[str, bytes], list[Case]]:
    """The files of `world/` and the cases, by name."""
    world = _World()
    cases = [*_good(world), *_unreadable(world), *_form(world), *_attributes(world), *_data(world), *_foreign(world)]
    cases += [*_certificates(world), *_answers(world), *_no_answers(world)]
    cases += [await one for one in (*_stamped(world), *_changed_stamps(world))]
    return world.files(), sorted(cases, key=lambda one: one.name)


def _case(name: str, title: str, signature: bytes, expect: Outcome, **more: Any) -> Case:
    return Case(name, title, more.pop("data", DATA), signature, NOW, more.pop("iin", IIN), expect, **more)


def _malformed(name: str, title: str, signature: bytes, reason: str) -> Case:
    return _case(f"form-{name}", title, signature, Outcome(MALFORMED, reason))


def _good(w: _World) -> Iterator[Case]:
    pem = f"-----BEGIN CMS-----\n{base64.encodebytes(w.signed).decode()}-----END CMS-----\n".encode()
    employee = w.pki.person(IIN, profile="employee_sign", bin_="991240000011")
    yield _case("good-bes", "CAdES-BES, P-256; the list says good", w.signed, GOOD)
    yield _case("good-bes-rsa", "CAdES-BES, RSA-2048", sign_cms(DATA, w.rsa, NOW), GOOD)
    yield _case("good-bes-pem", "The same as PEM, as a signing agent gives it", pem, GOOD)
    yield _case("good-bes-employee", "By an employee of an organisation", sign_cms(DATA, employee, NOW), GOOD)
    yield _case("good-nobody-claimed", "No ИИН is claimed: whose it is, is told", w.signed, GOOD, iin=None)


def _unreadable(w: _World) -> Iterator[Case]:
    signed = w.signed
    body = signed[4:] if signed[1] == 0x82 else signed[2:]
    few = b"\x30\x82\x40\x02" + b"\x05\x00" * 8193
    short = "beyond_end"
    yield _malformed("empty", "Nothing at all", b"", "cut_off")
    yield _malformed("text", "Text instead of a CMS", b"signed, truly", short)
    yield _malformed("truncated", "The last byte is missing", signed[:-1], short)
    yield _malformed("trailing-byte", "A byte after the structure", signed + b"\0", "bytes_after")
    ber = b"\x30\x80" + body + b"\0\0"
    yield _malformed("indefinite-length", "BER of indefinite length", ber, "indefinite_length")
    yield _malformed("deep", "Two thousand sequences in one another", _nested(2000), "nested_too_deep")
    yield _malformed("four-gigabytes", "Announces four gigabytes", b"\x30\x84\xff\xff\xff\xff" + body, short)
    yield _malformed("huge-length", "A length of 126 octets", b"\x30\xfe" + b"\xff" * 126, short)
    yield _malformed("many-values", "Eight thousand empty values", few, "too_many_values")
    yield _malformed("high-tag", "A tag of many octets", b"\x3f\x81\x00\x00", "unknown_tag")
    pem = b"-----BEGIN CMS-----\n!!!!\n-----END CMS-----\n"
    yield _malformed("broken-pem", "PEM around what is no base64", pem, "cut_off")


def _nested(depth: int) -> bytes:
    inner = b""
    for _ in range(depth):
        size = len(inner)
        inner = (b"\x30" + (bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big"))) + inner
    return inner


def _form(w: _World) -> Iterator[Case]:
    from egovkit.signatures.asn1 import cms
    from egovkit.signatures.asn1 import x509 as asn1_x509

    def put(name: str, value: Any) -> bytes:
        return bent(w.signed, lambda content, _: content.__setitem__(name, value))

    def of_signer(name: str, value: Any) -> bytes:
        return bent(w.signed, lambda _, signer: signer.__setitem__(name, value))

    signer = cms.ContentInfo.load(w.signed)["content"]["signer_infos"][0]
    second = cms.ContentInfo.load(sign_cms(DATA, w.of(OTHER_IIN), NOW))["content"]["signer_infos"][0]
    one = "not_one_signer"
    attached = put("encap_content_info", {"content_type": "data", "content": DATA})
    other_type = put("encap_content_info", {"content_type": "tst_info"})
    enveloped = w.signed.replace(b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x05", 1)
    weak = "unknown_digest"
    yield _malformed("attached", "The content is inside as well", attached, "not_detached")
    yield _malformed("other-content-type", "Not a signature over data", other_type, "not_over_data")
    yield _malformed("digested-data", "A CMS of another kind", enveloped, "not_signed_data")
    inside = "certificate_not_inside"
    yield _malformed("no-certificate", "No certificate inside", put("certificates", []), inside)
    issuing = asn1_x509.Certificate.load(der(w.pki.issuing))
    yield _malformed("other-certificate", "Only the issuer's certificate", put("certificates", [issuing]), inside)
    yield _malformed("two-signers", "Two people in one file", put("signer_infos", [signer, second]), one)
    yield _malformed("same-signer-twice", "One person twice", put("signer_infos", [signer, signer.copy()]), one)
    yield _malformed("no-signer", "Nobody signed", _no_signer(w.signed), one)
    yield _malformed("no-attributes", "Plain CMS", _without_attributes(w.signed), "no_attributes")
    for name in ("sha1", "md5", "sha224"):
        yield _malformed(name, f"Digest {name}", of_signer("digest_algorithm", {"algorithm": name}), weak)
    yield _malformed("key-p384", "A key that НУЦ does not issue", _p384(w), "unknown_key")
    twin = w.issuer.issue(
        person_name(OTHER_IIN, "БӨТЕН", "БІРЕУ"), w.person.private_key.public_key(), w.signer, w.pki.span()
    )
    named = "names_another_certificate"
    yield _malformed("substituted", "Another certificate of the same key", _substituted(w.signed, der(twin)), named)


def _no_signer(signed: bytes) -> bytes:
    from egovkit.signatures.asn1 import cms

    info = cms.ContentInfo.load(signed)
    info["content"]["signer_infos"] = []
    return bytes(info.dump(force=True))


def _without_attributes(signed: bytes) -> bytes:
    from egovkit.signatures.asn1 import cms

    def strip(content: Any, signer: Any) -> None:
        kept = {
            name: signer[name] for name in ("version", "sid", "digest_algorithm", "signature_algorithm", "signature")
        }
        content["signer_infos"] = [cms.SignerInfo(kept)]

    return bent(signed, strip)


def _substituted(signed: bytes, other: bytes) -> bytes:
    from egovkit.signatures.asn1 import cms
    from egovkit.signatures.asn1 import x509 as asn1_x509

    def change(content: Any, signer: Any) -> None:
        certificate = asn1_x509.Certificate.load(other)
        content["certificates"] = [certificate]
        sid = {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
        signer["sid"] = cms.SignerIdentifier("issuer_and_serial_number", sid)

    return bent(signed, change)


def _p384(w: _World) -> bytes:
    """The certificate of a P-384 key in the place of the signer's, and named by the attribute."""
    key = ec.generate_private_key(ec.SECP384R1())
    strange = w.issuer.issue(person_name(IIN, "СЫНАҚОВ", "СЫНАҚ"), key.public_key(), w.signer, w.pki.span())
    return _holding(w, der(strange))


def _holding(w: _World, certificate: bytes) -> bytes:
    """A CMS that holds and names this certificate, whatever it is."""
    return resigned(_substituted(w.signed, certificate), w.person, lambda told: [*_but(told, ESS), _named(certificate)])


ESS = "signing_certificate_v2"


def _but(attributes: list[Any], *names: str) -> list[Any]:
    return [one for one in attributes if one["type"].native not in names]


def _named(certificate: bytes, digest: bytes | None = None) -> Any:
    """signing-certificate-v2 of this certificate."""
    import hashlib

    from egovkit.signatures.asn1 import cms, tsp

    hashed = digest or hashlib.sha256(certificate).digest()
    value = tsp.SigningCertificateV2({"certs": [{"hash_algorithm": {"algorithm": "sha256"}, "cert_hash": hashed}]})
    return cms.CMSAttribute({"type": ESS, "values": [value]})


def _digest(told: list[Any]) -> Any:
    return next(one for one in told if one["type"].native == "message_digest")


def _first_version(told: list[Any], certificate: bytes) -> list[Any]:
    from pyhanko.sign.general import as_signing_certificate, simple_cms_attribute

    from egovkit.signatures.asn1 import x509 as asn1_x509

    own = as_signing_certificate(asn1_x509.Certificate.load(certificate))
    return [*_but(told, ESS), simple_cms_attribute("signing_certificate", own)]


def _versions_at_odds(told: list[Any]) -> list[Any]:
    from egovkit.signatures.asn1 import cms, tsp

    first = tsp.SigningCertificate({"certs": [{"cert_hash": bytes(20)}]})
    return [*told, cms.CMSAttribute({"type": "signing_certificate", "values": [first]})]


def _doubled(told: list[Any]) -> list[Any]:
    from egovkit.signatures.asn1 import cms

    values = [_digest(told)["values"][0].native, bytes(32)]
    return [*_but(told, "message_digest"), cms.CMSAttribute({"type": "message_digest", "values": values})]


def _other_type(told: list[Any]) -> list[Any]:
    from egovkit.signatures.asn1 import cms

    return [*_but(told, "content_type"), cms.CMSAttribute({"type": "content_type", "values": ["tst_info"]})]


def _attributes(w: _World) -> Iterator[Case]:
    def anew(change: Callable[[list[Any]], list[Any]]) -> bytes:
        return resigned(w.signed, w.person, change)

    no_name, other = "no_signing_certificate", "names_another_certificate"
    twice = "attribute_twice"
    yield _malformed("no-signing-certificate", "CMS, not CAdES", anew(lambda told: _but(told, ESS)), no_name)
    yield _malformed(
        "signing-certificate-v1",
        "Named by SHA-1 alone",
        anew(lambda told: _first_version(told, der(w.person.certificate))),
        no_name,
    )
    wrong = anew(lambda told: [*_but(told, ESS), _named(b"", bytes(32))])
    yield _malformed("ess-wrong-hash", "The attribute's hash is of nothing", wrong, other)
    above = anew(lambda told: [*_but(told, ESS), _named(der(w.pki.issuing))])
    yield _malformed("ess-of-issuer", "The attribute names the issuer", above, other)
    at_odds = "versions_at_odds"
    yield _malformed("ess-versions-at-odds", "Its two versions name two", anew(_versions_at_odds), at_odds)
    yield _malformed("two-digests", "messageDigest twice", anew(lambda told: [*told, _digest(told)]), twice)
    yield _malformed(
        "two-ess", "signing-certificate-v2 twice", anew(lambda told: [*told, _named(der(w.pki.issuing))]), twice
    )
    values = "attribute_values"
    yield _malformed("two-values", "messageDigest of two values", anew(_doubled), values)
    bare = anew(lambda told: _but(told, "content_type"))
    yield _malformed("no-content-type", "No content-type attribute", bare, "no_content_type")
    undigested = anew(lambda told: _but(told, "message_digest"))
    yield _malformed("no-message-digest", "No message-digest attribute", undigested, "no_message_digest")
    yield _malformed("attribute-of-other-type", "content-type says another", anew(_other_type), "content_type_not_data")


def _foreign(w: _World) -> Iterator[Case]:
    """Certificates and times that nobody of ours makes: what reads them raises almost anything, or takes long."""
    from egovkit.signatures.asn1 import cms, core, x509

    def odd(change: Callable[[Any], None]) -> bytes:
        certificate = x509.Certificate.load(der(w.person.certificate))
        change(certificate["tbs_certificate"])
        return _holding(w, bytes(certificate.dump(force=True)))

    def twice(told: Any) -> None:
        told["extensions"] = [*(one.copy() for one in told["extensions"]), told["extensions"][0].copy()]

    def large(told: Any) -> None:
        more = {"extn_id": "1.2.3.4", "extn_value": core.ParsableOctetString(bytes(9000))}
        told["extensions"] = [*(one.copy() for one in told["extensions"]), x509.Extension(more)]

    def restless(_: Any, signer: Any) -> None:
        name = x509.Name.build({"common_name": "a" + "\u0301" * 10_000 + "\u0316" * 10_000})
        named = {"issuer": name, "serial_number": w.person.certificate.serial_number}
        signer["sid"] = cms.SignerIdentifier("issuer_and_serial_number", named)

    def never(told: list[Any]) -> list[Any]:
        time = cms.SetOfTime.load(b"\x31\x11\x18\x0f00000101000000Z")
        return [*_but(told, "signing_time"), cms.CMSAttribute({"type": "signing_time", "values": time})]

    other = bytes.fromhex("06082a8648ce3d04037f")  # as with GOST, which НУЦ itself signs by
    strange = der(w.person.certificate).replace(bytes.fromhex("06082a8648ce3d040302"), other)
    untrusted, long = Outcome("certificate.untrusted"), "too_long"
    yield _case("certificate-unknown-algorithm", "Signed as no one here can read", _holding(w, strange), untrusted)
    yield _malformed("extension-twice", "An extension of the certificate twice", odd(twice), "damaged")
    yield _malformed("year-zero", "Signed in the year 0", resigned(w.signed, w.person, never), "damaged")
    yield _malformed("large-certificate", "A certificate of nine thousand bytes", odd(large), long)
    yield _malformed("restless-name", "A name of twenty thousand marks", bent(w.signed, restless), long)
    endless = b"\x30\x82\xea\x65\x06\x82\xea\x61" + b"\xff" * 60_000 + b"\x01"
    yield _malformed("endless-number", "An identifier without an end", endless, long)


def _data(w: _World) -> Iterator[Case]:
    other, invalid = Outcome("signature.of_other_data"), Outcome("signature.invalid")
    yield _case("data-other", "Another document", w.signed, other, data=DATA.replace(b"property", b"deposit!"))
    yield _case("data-truncated", "The document without its last byte", w.signed, other, data=DATA[:-1])
    yield _case("data-empty", "No document", w.signed, other, data=b"")
    yield _case("data-newline", "The document with a line end", w.signed, other, data=DATA + b"\n")
    thief = sign_cms(DATA, w.of(IIN), NOW - HOUR)

    def stolen(_: Any, signer: Any) -> None:
        from egovkit.signatures.asn1 import cms

        signer["signature"] = cms.ContentInfo.load(thief)["content"]["signer_infos"][0]["signature"].native

    def later(_: Any, signer: Any) -> None:
        from egovkit.signatures.asn1 import cms

        for one in signer["signed_attrs"]:
            if one["type"].native == "signing_time":
                one["values"] = [cms.Time("utc_time", NOW)]

    def flipped(_: Any, signer: Any) -> None:
        made = bytearray(signer["signature"].native)
        made[-1] ^= 1
        signer["signature"] = bytes(made)

    yield _case("invalid-stolen-name", "Another key under the person's certificate", bent(w.signed, stolen), invalid)
    yield _case("invalid-signing-time", "signingTime changed afterwards", bent(w.signed, later), invalid)
    yield _case("invalid-flipped", "One bit of the signature", bent(w.signed, flipped), invalid)


def _certificates(w: _World) -> Iterator[Case]:
    def of(name: str, title: str, key: SigningKey, code: str, **more: Any) -> Case:
        return _case(f"certificate-{name}", title, sign_cms(DATA, key, NOW), Outcome(f"certificate.{code}"), **more)

    yield of("expired", "Expired yesterday", w.expired, "expired")
    young = w.of(IIN, span=Span(NOW + HOUR, NOW + DAY))
    yield of("not-yet-valid", "Begins in an hour", young, "not_yet_valid")
    yield of("revoked", "On the list", w.revoked, "revoked")
    yield of("auth", "A key for logging in", w.pki.person(IIN, profile="person_auth"), "wrong_usage")
    bare = Usage((EKU_EMAIL_PROTECTION,), non_repudiation=True)
    yield of("no-signatory", "Of nobody who may sign", w.of(IIN, usage=bare), "wrong_usage")
    company = Usage((EKU_EMAIL_PROTECTION, EKU_LEGAL), non_repudiation=True)
    yield of("company", "Of an organisation, of no person in it", w.of(IIN, usage=company), "wrong_usage")
    weak = replace(PROFILES["person_sign"], non_repudiation=False)
    yield of("no-non-repudiation", "Without nonRepudiation", w.of(IIN, usage=weak), "wrong_usage")
    yield of("system", "Of an information system", w.pki.system("portal-pep"), "wrong_usage")
    yield of("other-iin", "Of another person", w.of(OTHER_IIN), "of_another_person")
    yield of("no-iin", "Of nobody with an ИИН", w.of("none"), "of_another_person")
    strange = TestPki(HandClock(NOW - 200 * DAY))
    yield of("other-root", "Of an authority with the same names", strange.person(IIN), "untrusted")
    key = new_private_key()
    own = Authority.root("СЫНАҚОВ СЫНАҚ", key, w.pki.span())
    yield of("self-signed", "Signed by itself", SigningKey(key, own.certificate), "untrusted")
    below = w.issuer.subordinate("БӨТЕН ОРТАЛЫҚ TEST", new_private_key(), w.pki.span())
    person = new_private_key()
    issued = below.issue(person_name(IIN, "СЫНАҚОВ", "СЫНАҚ"), person.public_key(), w.signer, w.pki.span())
    long = SigningKey(person, issued, (below.certificate, w.pki.issuing))
    yield of("chain-too-long", "An authority under one that may have none", long, "untrusted")
    yield of("no-list", "Neither list nor answer", w.person, "revocation_unknown", crl=None)
    yield of("stale-list", "The list is a day too old", w.person, "revocation_unknown", crl="stale.crl")
    yield of("list-ahead", "The list is of the future", w.person, "revocation_unknown", crl="ahead.crl")


def _answered(w: _World, name: str, title: str, reply: bytes | None, expect: Outcome, **more: Any) -> Case:
    told = more.pop("told", {"status": 200, "reply": "ocsp.der"})
    ocsp = {"nonce": NONCE.hex(), **told}
    if name in _UNUSABLE:
        ocsp["unusable"] = _UNUSABLE[name]
    crl = more.pop("crl", None)
    return _case(f"ocsp-{name}", title, w.signed, expect, ocsp=ocsp, reply=reply, crl=crl, **more)


def _said(w: _World, responder: SigningKey | None = None, nonce: bytes | None = NONCE, **how: Any) -> bytes:
    return replace(_answer(w), **how).signed(responder or w.responder, nonce)


def _answers(w: _World) -> Iterator[Case]:
    """What the authority answers, and is heard."""
    of, said, revoked = partial(_answered, w), partial(_said, w), Outcome("certificate.revoked")
    yield of("good", "Good, and no list at all", said(), GOOD)
    by_issuer = SigningKey(w.issuer.private_key, w.pki.issuing)
    yield of("by-the-issuer", "Signed by the issuer itself", said(by_issuer), GOOD)
    yield of(
        "revoked",
        "Revoked, where the list is silent",
        said(said="revoked", since=NOW - DAY),
        revoked,
        crl="current.crl",
    )
    hold = said(said="revoked", since=NOW - DAY, reason="certificate_hold")
    yield of("on-hold", "On hold", hold, revoked)
    yield of("revoked-later", "Revoked from tomorrow on", said(said="revoked", since=NOW + DAY), GOOD)


def _no_answers(w: _World) -> Iterator[Case]:
    """Where the answer is unusable the list decides, and without one nobody."""
    of, said, unknown = partial(_answered, w), partial(_said, w), Outcome("certificate.revocation_unknown")
    yield of("redirect-with-list", "Sends elsewhere; the list says good", None, GOOD, told=_REDIRECT, crl="current.crl")
    yield of("try-later-with-list", "Try later; the list says good", ocsp_failure("try_later"), GOOD, crl="current.crl")
    yield of("redirect", "Sends elsewhere", None, unknown, told=_REDIRECT)
    yield of("try-later", "Try later", ocsp_failure("try_later"), unknown)
    yield of("internal-error", "Internal error", ocsp_failure("internal_error"), unknown)
    strange = w.responder_of(TestPki(HandClock(NOW - 200 * DAY)))
    yield of("strange-responder", "Signed by another authority's responder", said(strange), unknown)
    yield of("person-answers", "Signed by a person of the same authority", said(w.person), unknown)
    yield of("stale", "Its end has passed", said(at=NOW - DAY), unknown)
    yield of("from-the-future", "Made in an hour", said(at=NOW + HOUR), unknown)
    yield of("other-nonce", "An answer to another question", said(nonce=bytes(32)), unknown)
    yield of("no-nonce", "An answer to no question", said(nonce=None), unknown)
    yield of("other-certificate", "About another certificate", said(certificate=w.rsa.certificate), unknown)
    yield of("unknown", "Doesn't know the certificate", said(said="unknown"), unknown)
    yield of("trailing-byte", "A byte after the answer", said() + b"\0", unknown)
    tampered = said(said="revoked", since=NOW - DAY)
    yield of("tampered", "Changed on the way", _flip_last(tampered), unknown)
    yield of("html", "A page instead of an answer", b"<html>busy</html>", unknown)
    yield of("500", "An error", said(), unknown, told={"status": 500, "reply": "ocsp.der"})
    yield of("too-long", "Longer than any answer", bytes(20_000), unknown)


# Why each answer is no answer: the same verdict for another reason would be a chance hit.
_UNUSABLE = {
    "500": "answered 500",
    "from-the-future": "an answer from the future",
    "html": "not an answer: beyond_end",
    "internal-error": "said internal_error",
    "no-nonce": "not to this question (nonce)",
    "other-certificate": "not about this certificate",
    "other-nonce": "not to this question (nonce)",
    "person-answers": "signed by one who may not answer for this authority",
    "redirect": "a redirect, which is not followed",
    "redirect-with-list": "a redirect, which is not followed",
    "stale": "a stale answer",
    "strange-responder": "signed by one who may not answer for this authority",
    "tampered": "not signed by a responder of this authority",
    "too-long": "longer than any answer",
    "trailing-byte": "not an answer: bytes_after",
    "try-later": "said try_later",
    "try-later-with-list": "said try_later",
    "unknown": "does not know the certificate",
}
_REDIRECT = {"status": 302, "location": "http://elsewhere.test/ocsp"}


def _answer(w: _World) -> OcspAnswer:
    return OcspAnswer(w.person.certificate, w.pki.issuing, NOW)


def _flip_last(reply: bytes) -> bytes:
    """One bit of the answer's thisUpdate: signed, and read."""
    at = reply.rindex(b"Z\xa0\x11\x18\x0f") - 1
    return reply[:at] + bytes([reply[at] ^ 1]) + reply[at + 1 :]


def _stamped(w: _World) -> Iterator[Awaitable[Case]]:
    month = NOW - 30 * DAY

    async def of(
        name: str, title: str, cms: bytes, by: tuple[SigningKey, datetime], code: str | None, **more: Any
    ) -> Case:
        cms = await add_stamp(cms, LittleStamps(*by))
        return _case(f"{'good' if code is None else 'stamp'}-{name}", title, cms, Outcome(code), **more)

    def by(key: SigningKey, at: datetime = month) -> tuple[SigningKey, datetime]:
        return key, at

    old = sign_cms(DATA, w.expired, month)
    answer = replace(_answer(w), certificate=w.expired.certificate).signed(w.responder, NONCE)
    told: dict[str, Any] = {"ocsp": {"nonce": NONCE.hex(), "status": 200, "reply": "ocsp.der"}, "reply": answer}
    revoked = sign_cms(DATA, w.revoked, month)
    yield of("t", "CAdES-T", w.signed, by(w.tsa, NOW - HOUR), None)
    yield of("t-expired-since", "Stamped while the certificate was valid", old, by(w.tsa), None, **told)
    yield of("t-revoked-since", "Stamped before the certificate was revoked", revoked, by(w.tsa), None)
    late = by(w.tsa, NOW - HOUR)
    yield of("after-revocation", "Stamped after the revocation", revoked, late, "certificate.revoked")
    yield of("after-expiry", "Stamped when the certificate had expired", old, late, "certificate.expired")
    early = by(w.tsa, NOW - 190 * DAY)
    yield of("before-validity", "Stamped before the certificate began", old, early, "certificate.not_yet_valid")
    yield of(
        "expired-unknown",
        "Expired since; a list may forget the expired",
        old,
        by(w.tsa),
        "certificate.revocation_unknown",
    )
    ahead = by(w.tsa, NOW + HOUR)
    yield of("from-the-future", "Stamped in an hour", w.signed, ahead, "stamp.from_the_future")
    foreign = w.stamper_of(TestPki(HandClock(NOW - 200 * DAY)))
    yield of("untrusted", "By an authority nobody knows", w.signed, by(foreign), "stamp.not_trusted")
    careless = w.stamper_of(usage=replace(PROFILES["stamping"], ekus_critical=False))
    yield of("usage-not-critical", "timeStamping not critical", w.signed, by(careless), "stamp.not_trusted")
    yield of("by-a-person", "By a person's key", w.signed, by(w.rsa), "stamp.not_trusted")
    yield of("revoked-authority", "By a revoked key", w.signed, by(w.revoked_tsa), "stamp.not_trusted")


def _changed_stamps(w: _World) -> Iterator[Awaitable[Case]]:
    async def changed(name: str, title: str, change: Callable[[bytes], bytes], expect: Outcome) -> Case:
        stamped = await add_stamp(w.signed, LittleStamps(w.tsa, NOW - HOUR))
        return _case(f"stamp-{name}", title, change(stamped), expect)

    yield changed("of-other-signature", "Over another signature", _moved(w), Outcome("stamp.of_other_data"))
    yield changed("tampered", "One bit of the stamp", _bad_token, Outcome("stamp.invalid"))
    two = Outcome(MALFORMED, "several_stamps")
    yield changed("twice", "Two stamps", _two_tokens, two)
    no_stamp = Outcome("stamp.malformed", "not_one_authority")
    yield changed("other-cms", "Another CMS in the stamp's place", lambda cms: _with_token(cms, w.signed), no_stamp)


def _token_of(cms_: bytes) -> bytes:
    from egovkit.signatures.asn1 import cms

    signer = cms.ContentInfo.load(cms_)["content"]["signer_infos"][0]
    return bytes(signer["unsigned_attrs"][0]["values"][0].dump())


def _with_token(cms_: bytes, *tokens: bytes) -> bytes:
    from egovkit.signatures.asn1 import cms

    def put(_: Any, signer: Any) -> None:
        values = [cms.ContentInfo.load(one) for one in tokens]
        signer["unsigned_attrs"] = [{"type": "signature_time_stamp_token", "values": values}]

    return bent(cms_, put)


def _moved(w: _World) -> Callable[[bytes], bytes]:
    another = sign_cms(DATA, w.person, NOW - HOUR)  # the same person, document and time; ECDSA signs anew
    return lambda cms: _with_token(another, _token_of(cms))


def _bad_token(cms: bytes) -> bytes:
    token = bytearray(_token_of(cms))
    token[-1] ^= 1
    return _with_token(cms, bytes(token))


def _two_tokens(cms: bytes) -> bytes:
    token = bytearray(_token_of(cms))
    token[-1] ^= 1  # a set holds no two equal values
    return _with_token(cms, _token_of(cms), bytes(token))
