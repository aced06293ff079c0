"""Certificates of НУЦ's form: what they say, whom they are believed, and what unknown means."""

import contextlib
import dataclasses
import itertools
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from egovkit.clock import HandClock
from egovkit.errors import EgovError
from egovkit.signatures.authority import PROFILES, Authority, Span, Usage, system_name
from egovkit.signatures.certificates import (
    CertificateFacts,
    TrustStore,
    load_certificate,
    load_certificates,
    thumbprint,
)
from egovkit.signatures.keys import der, new_private_key
from egovkit.signatures.profiles import (
    EKU_CLIENT_AUTH,
    EKU_EMAIL_PROTECTION,
    EKU_EMPLOYEE,
    EKU_INFORMATION_SYSTEM,
    EKU_PERSON,
    profile_of,
)
from egovkit.testing.pki import CRL_LIFE, TestPki

NOW = datetime(2026, 1, 15, 4, tzinfo=UTC)
IIN = "991231600012"
OTHER_IIN = "991231600022"
HOUR = timedelta(hours=1)


@pytest.fixture
def hand() -> HandClock:
    return HandClock(NOW)


@pytest.fixture
def authority(hand: HandClock) -> TestPki:
    return TestPki(hand)


def test_a_persons_certificate_says_who(authority: TestPki) -> None:
    key = authority.person(IIN, "ӘБІЛҚАЙЫРҰЛЫ", "ҒАЛЫМ", patronymic="ҮМІТҰЛЫ")
    profile = profile_of(key.certificate)
    assert (profile.subject_cn, profile.surname) == ("ӘБІЛҚАЙЫРҰЛЫ ҒАЛЫМ", "ӘБІЛҚАЙЫРҰЛЫ")
    assert (profile.patronymic, profile.iin, profile.bin) == ("ҮМІТҰЛЫ", IIN, None)
    assert profile.ekus == {EKU_EMAIL_PROTECTION, EKU_PERSON} and profile.non_repudiation
    assert profile.thumbprint == key.thumbprint and int(profile.serial, 16) == key.certificate.serial_number


def test_an_employees_certificate_names_the_organisation(authority: TestPki) -> None:
    profile = profile_of(authority.person(IIN, bin_="999940000040", profile="employee_sign").certificate)
    assert profile.bin == "999940000040" and EKU_EMPLOYEE in profile.ekus


def test_a_certificate_is_read_from_pem_and_der(authority: TestPki) -> None:
    from egovkit.signatures.keys import SigningKey

    assert load_certificate(der(authority.issuing)) == authority.issuing
    key = authority.system("portal-pep")
    again = SigningKey.load(key.to_pkcs12(None, "x"), None)
    assert thumbprint(again.certificate) == key.thumbprint
    for odd in (b"", b"x", b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"):
        with pytest.raises(ValueError):
            load_certificate(odd)
    with pytest.raises(ValueError):
        load_certificates(b"")


def in_gost(content: bytes) -> bytes:
    """The same certificate or list, with the algorithms of НУЦ (GOST 34.10-2015), which nobody here knows."""
    from egovkit.signatures.asn1 import core

    names = {
        "1.2.840.10045.4.3.2": "1.2.398.3.10.1.1.2.3.2",
        "1.2.840.10045.2.1": "1.2.398.3.10.1.1.2.2",
        "1.2.840.10045.3.1.7": "1.2.398.3.10.1.1.2.2.1",
    }
    for ours, theirs in names.items():
        content = replaced(content, *(bytes(core.ObjectIdentifier(one).dump()) for one in (ours, theirs)))
    return content


def replaced(content: bytes, old: bytes, new: bytes) -> bytes:
    """DER with one value for another of any length, the lengths around it made right."""
    at, made = 0, b""
    while at < len(content):
        length, begin = content[at + 1], at + 2
        if length & 0x80:
            begin += length & 0x7F
            length = int.from_bytes(content[at + 2 : begin], "big")
        whole = content[at : begin + length]
        if whole[0] & 0x20:
            inner = replaced(content[begin : begin + length], old, new)
            size = len(inner).to_bytes(2, "big").lstrip(b"\0") or b"\0"
            whole = whole[:1] + (size if len(inner) < 128 else bytes([0x80 | len(size)]) + size) + inner
        made += new if whole == old else whole
        at = begin + length
    return made


def test_a_certificate_of_the_real_nuc_is_one_that_is_not_trusted_whoever_it_says_has_signed_it(
    authority: TestPki,
) -> None:
    found = load_certificate(in_gost(der(authority.person(IIN).certificate)))
    assert found.issuer == authority.issuing.subject
    trust = authority.trust()
    assert trust.chain_of(found) == ()
    facts = trust.check_person(found, NOW, IIN)
    assert (facts.refusal, facts.iin) == ("certificate.untrusted", IIN)


def test_a_list_of_the_real_nuc_is_damaged_for_us(authority: TestPki) -> None:
    with pytest.raises(EgovError, match=r"certificate\.crl_invalid"):
        authority.trust().load_crl(in_gost(authority.crl()), NOW)


def test_whatever_byte_of_a_certificate_is_spoiled_it_is_refused_as_none_or_judged(authority: TestPki) -> None:
    """The library raises what it likes, and some of it only when a field is asked for."""
    trust, whole, judged = authority.trust(), authority.person(IIN).certificate, 0
    good = der(whole)
    for at, spoil in itertools.product(range(len(good)), (0x01, 0x20, 0xFF)):
        spoiled = good[:at] + bytes([good[at] ^ spoil]) + good[at + 1 :]
        with warnings.catch_warnings(), contextlib.suppress(ValueError):
            warnings.simplefilter("ignore")  # a serial number below zero, a country of three letters
            found = load_certificate(spoiled)
            same = (found.tbs_certificate_bytes, found.signature) == (whole.tbs_certificate_bytes, whole.signature)
            assert same or trust.check_person(found, NOW, IIN).refusal is not None  # same: an unused bit of its end
            judged += 1
    assert judged > 500


def test_good_certificates_have_nothing_against_them(authority: TestPki) -> None:
    trust = authority.trust()
    system = trust.check_system(authority.system("portal-pep").certificate, NOW)
    assert system.refusal is None and system.iin_matches is None and system.revoked is False
    assert trust.check_person(authority.person(IIN).certificate, NOW, IIN).refusal is None
    employee = authority.person(IIN, bin_="999940000040", profile="employee_sign")
    assert trust.check_person(employee.certificate, NOW, IIN).refusal is None
    login = authority.person(IIN, profile="person_auth", key="rsa2048")
    assert trust.check_person(login.certificate, NOW, IIN, "auth").refusal is None


@pytest.mark.parametrize(
    ("profile", "use"),
    [
        ("person_auth", "sign"),
        ("person_sign", "auth"),
        ("person_sign", "system"),
        ("system", "sign"),
        ("system", "auth"),
        ("employee_sign", "system"),
    ],
)
def test_a_certificate_serves_only_its_own_use(authority: TestPki, profile: str, use: Any) -> None:
    trust, certificate = authority.trust(), authority.person(IIN, profile=profile).certificate
    facts = trust.check_system(certificate, NOW) if use == "system" else trust.check_person(certificate, NOW, IIN, use)
    assert facts.refusal == "certificate.wrong_usage"


@pytest.mark.parametrize(
    "usage",
    [
        Usage((EKU_EMAIL_PROTECTION, EKU_PERSON)),  # no nonRepudiation
        Usage((EKU_EMAIL_PROTECTION, EKU_PERSON), non_repudiation=True, digital_signature=False),
        Usage((EKU_PERSON,), non_repudiation=True),
        Usage((EKU_EMAIL_PROTECTION,), non_repudiation=True),
        Usage((EKU_CLIENT_AUTH, EKU_PERSON), non_repudiation=True),
        Usage((EKU_EMAIL_PROTECTION, EKU_INFORMATION_SYSTEM), non_repudiation=True),
        # personnel documents only
        Usage((EKU_EMAIL_PROTECTION, "1.2.398.3.3.4.1.2.4"), non_repudiation=True),
    ],
    ids=str,
)
def test_a_signature_needs_every_part_of_its_usage(authority: TestPki, usage: Usage) -> None:
    certificate = authority.person(IIN, usage=usage).certificate
    assert authority.trust().check_person(certificate, NOW, IIN).refusal == "certificate.wrong_usage"


def test_an_authority_signs_no_envelopes(authority: TestPki) -> None:
    facts = authority.trust().check_system(authority.issuing, NOW)
    assert not facts.key_usage_ok and not facts.eku_ok and facts.refusal


def test_a_certificate_of_another_person_is_refused(authority: TestPki) -> None:
    trust, certificate = authority.trust(), authority.person(IIN).certificate
    assert trust.check_person(certificate, NOW, OTHER_IIN).refusal == "certificate.of_another_person"
    assert trust.check_person(certificate, NOW, None).iin_matches is None
    nobody = authority.system("x", usage=PROFILES["person_sign"]).certificate  # no IIN at all
    assert trust.check_person(nobody, NOW, IIN).refusal == "certificate.of_another_person"


@pytest.mark.parametrize("iin", ["99123160001", "9912316000122", "IIN991231600012", "99123160001A"])
def test_an_iin_of_another_form_is_no_iin(authority: TestPki, iin: str) -> None:
    assert profile_of(authority.person(iin).certificate).iin is None


def test_both_ends_of_the_validity_count(authority: TestPki) -> None:
    span = Span(NOW, NOW + HOUR)
    trust, certificate = authority.trust(), authority.person(IIN, span=span).certificate
    moments = {
        NOW - timedelta(seconds=1): "certificate.not_yet_valid",
        NOW: None,
        NOW + HOUR: None,
        NOW + HOUR + timedelta(seconds=1): "certificate.expired",
    }
    assert {at: trust.check_person(certificate, at, IIN).refusal for at in moments} == moments


def test_a_revoked_certificate_is_refused_from_its_moment_on(authority: TestPki) -> None:
    trust, certificate = authority.trust(), authority.person(IIN).certificate
    assert trust.check_person(certificate, NOW, IIN).refusal is None
    authority.revoke(certificate)
    assert trust.check_person(certificate, NOW, IIN).refusal == "certificate.revoked"
    before = trust.check_person(certificate, NOW - timedelta(seconds=1), IIN)
    assert before.revoked is False  # what was signed before the revocation stays signed
    assert trust.check_person(authority.person(IIN).certificate, NOW, IIN).refusal is None


def test_without_a_revocation_list_nothing_is_believed(authority: TestPki) -> None:
    store = TrustStore(authority.root)
    store.add_intermediate(authority.issuing)
    facts = store.check_person(authority.person(IIN).certificate, NOW, IIN)
    assert facts.revoked is None and facts.refusal == "certificate.revocation_unknown"
    assert store.crl_next_update is None


def test_a_revocation_list_past_its_next_update_says_nothing(authority: TestPki) -> None:
    trust, certificate = authority.trust(), authority.person(IIN).certificate
    assert trust.crl_next_update == NOW + CRL_LIFE
    assert trust.check_person(certificate, NOW + CRL_LIFE, IIN).refusal is None
    late = NOW + CRL_LIFE + timedelta(seconds=1)
    assert trust.check_person(certificate, late, IIN).refusal == "certificate.revocation_unknown"


async def test_an_older_revocation_list_does_not_bring_a_certificate_back(authority: TestPki, hand: HandClock) -> None:
    trust, certificate, old = authority.trust(), authority.person(IIN).certificate, authority.crl()
    await hand.advance(60)
    authority.revoke(certificate)
    assert not trust.load_crl(old, hand.now())
    assert trust.check_person(certificate, hand.now(), IIN).refusal == "certificate.revoked"


def test_a_revocation_list_from_the_future_is_refused_and_hides_no_later_one(authority: TestPki) -> None:
    """НУЦ's clock was three days ahead when it made a list: what it makes after that, by the right time, counts."""
    trust, certificate = authority.trust(), authority.person(IIN).certificate
    ahead = authority.issuing_authority.crl(50, Span(NOW + timedelta(days=3), NOW + timedelta(days=9)), [])
    with pytest.raises(EgovError, match=r"certificate\.crl_invalid.*from_future"):
        trust.load_crl(ahead, NOW)
    authority.revoke(certificate)
    assert trust.check_person(certificate, NOW, IIN).refusal == "certificate.revoked"


def test_the_same_revocation_list_is_taken_once(authority: TestPki) -> None:
    trust, crl = authority.trust(), authority.crl()
    assert trust.load_crl(crl, NOW) and not trust.load_crl(crl, NOW)


def _foreign(hand: HandClock) -> TestPki:
    return TestPki(hand)  # the same names, other keys


def test_a_certificate_of_another_root_with_the_same_names_is_untrusted(authority: TestPki, hand: HandClock) -> None:
    facts = authority.trust().check_person(_foreign(hand).person(IIN).certificate, NOW, IIN)
    assert not facts.chain_ok and facts.refusal == "certificate.untrusted"


def test_a_foreign_authority_is_not_taken_in(authority: TestPki, hand: HandClock) -> None:
    with pytest.raises(EgovError, match=r"certificate\.untrusted"):
        authority.trust().add_intermediate(_foreign(hand).issuing)
    with pytest.raises(EgovError, match=r"certificate\.untrusted"):
        authority.trust().add_intermediate(authority.system("portal-pep").certificate)


def test_a_system_can_issue_nothing(authority: TestPki) -> None:
    """A member's certificate used as an authority: basicConstraints says no."""
    member = authority.system("portal-pep")
    rogue = Authority(member.private_key, member.certificate)
    key = new_private_key()
    forged = rogue.issue(system_name("gateway-shep"), key.public_key(), PROFILES["system"], authority.span())
    assert authority.trust().check_system(forged, NOW).refusal == "certificate.untrusted"


def test_an_issuing_authority_makes_no_further_ones(authority: TestPki) -> None:
    """pathLenConstraint (RFC 5280, 4.2.1.9): the issuing authority's is 0."""
    below = authority.issuing_authority.subordinate("БӨТЕН", new_private_key(), authority.span())
    with pytest.raises(EgovError, match=r"certificate\.untrusted"):
        authority.trust().add_intermediate(below.certificate)


def test_an_authority_out_of_date_is_untrusted(authority: TestPki) -> None:
    short = Span(NOW - HOUR, NOW + HOUR)
    issuing = authority.root_authority.subordinate("ҚЫСҚА", new_private_key(), short)
    trust, key = authority.trust(), new_private_key()
    trust.add_intermediate(issuing.certificate)
    trust.load_crl(issuing.crl(1, authority.span(), []), NOW)
    leaf = issuing.issue(system_name("portal-pep"), key.public_key(), PROFILES["system"], authority.span())
    assert trust.check_system(leaf, NOW).refusal is None
    assert trust.check_system(leaf, NOW + HOUR * 2).refusal == "certificate.untrusted"


def test_a_new_authority_is_believed_as_soon_as_it_is_known(authority: TestPki) -> None:
    second = authority.root_authority.subordinate("ЕКІНШІ", new_private_key(), authority.span())
    key, trust = new_private_key(), authority.trust()
    leaf = second.issue(system_name("portal-pep"), key.public_key(), PROFILES["system"], authority.span())
    assert trust.check_system(leaf, NOW).refusal == "certificate.untrusted"
    trust.add_intermediate(second.certificate)
    assert trust.check_system(leaf, NOW).refusal == "certificate.revocation_unknown"
    trust.load_crl(second.crl(1, authority.span(), []), NOW)
    assert trust.check_system(leaf, NOW).refusal is None


def test_a_revoked_authority_takes_its_certificates_with_it(authority: TestPki) -> None:
    trust, leaf = authority.trust(), authority.system("portal-pep").certificate
    revoked = [(authority.issuing.serial_number, NOW)]
    assert trust.load_crl(authority.root_authority.crl(1, authority.span(), revoked), NOW)
    assert trust.check_system(leaf, NOW).refusal == "certificate.revoked"


def test_a_root_must_be_one(authority: TestPki) -> None:
    for certificate in (authority.issuing, authority.system("x").certificate):
        with pytest.raises(ValueError, match="root"):
            TrustStore(certificate)


def test_a_revocation_list_of_someone_else_is_refused(authority: TestPki, hand: HandClock) -> None:
    trust = authority.trust()
    for der_ in (_foreign(hand).crl(), b"", b"x", der(authority.root)):
        with pytest.raises(EgovError, match=r"certificate\.crl_invalid"):
            trust.load_crl(der_, NOW)


def test_a_large_revocation_list_is_a_table(authority: TestPki) -> None:
    trust, certificate = authority.trust(), authority.person(IIN).certificate
    entries = [(serial, NOW - HOUR) for serial in range(1, 20_000)] + [(certificate.serial_number, NOW - HOUR)]
    assert trust.load_crl(authority.issuing_authority.crl(99, Span(NOW, NOW + HOUR), entries), NOW)
    assert trust.check_person(certificate, NOW, IIN).refusal == "certificate.revoked"
    assert trust.check_system(authority.system("x").certificate, NOW).refusal is None


def test_the_refusals_come_in_one_order(authority: TestPki) -> None:
    bad = CertificateFacts("t", "cn", IIN, None, "1", NOW, NOW, NOW + HOUR, False, False, None, False, False, False)
    order = []
    for change in (
        {"chain_ok": True},
        {"at": NOW - HOUR},
        {"in_date": True},
        {"revoked": True},
        {"revoked": False},
        {"key_usage_ok": True, "eku_ok": True},
        {"iin_matches": True},
    ):
        order.append(bad.refusal)
        bad = dataclasses.replace(bad, **change)
    assert order == [
        "certificate.untrusted",
        "certificate.expired",
        "certificate.not_yet_valid",
        "certificate.revocation_unknown",
        "certificate.revoked",
        "certificate.wrong_usage",
        "certificate.of_another_person",
    ]
    assert bad.refusal is None
