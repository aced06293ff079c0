"""The form of certificates and lists, without a service around them."""

from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtensionOID, NameOID, ObjectIdentifier
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from nuc_mock import domain
from nuc_mock.domain import (
    CertificateOrder,
    Event,
    KeyKind,
    ListedCertificate,
    Oddity,
    OddKeyKind,
    Profile,
    Reason,
    State,
)

NOW = datetime(2026, 1, 15, 4, 0, tzinfo=UTC)
AT = domain.Addresses("http://127.0.0.1:8010/crl", "http://127.0.0.1:8010/ca/issuing.cer")
IIN, BIN = "991231600012", "999940000010"

PERSON = CertificateOrder(
    profile=Profile.PERSON_SIGN,
    common_name="ӘУЕЗОВА ҚЫМБАТ",
    surname="Әуезова",
    patronymic="Өмірқызы",
    iin=IIN,
    not_before=NOW,
    not_after=NOW + timedelta(days=365),
)
SYSTEM = CertificateOrder(
    profile=Profile.SYSTEM,
    common_name="portal-pep",
    bin=BIN,
    not_before=NOW,
    not_after=NOW + timedelta(days=730),
)
EMPLOYEE = replace(PERSON, profile=Profile.EMPLOYEE_SIGN, bin=BIN, organisation="Тұрғын үй бөлімі")
ORDERS = {
    Profile.SYSTEM: SYSTEM,
    Profile.PERSON_SIGN: PERSON,
    Profile.PERSON_AUTH: replace(PERSON, profile=Profile.PERSON_AUTH),
    Profile.EMPLOYEE_SIGN: EMPLOYEE,
    Profile.SERVER: replace(SYSTEM, profile=Profile.SERVER),
    **{
        one: replace(EMPLOYEE, profile=one)
        for one in (
            *(Profile.HEAD_SIGN, Profile.SIGNATORY_SIGN, Profile.FINANCE_SIGN, Profile.PERSONNEL_SIGN),
            *(Profile.EMPLOYEE_AUTH, Profile.HEAD_AUTH),
        )
    },
}


@pytest.fixture(scope="module")
def root() -> domain.Authority:
    key = domain.new_authority_key(KeyKind.P256)
    return domain.Authority(domain.build_root(key, domain.serial_from("root")), key)


@pytest.fixture(scope="module")
def issuing(root: domain.Authority) -> domain.Authority:
    key = domain.new_authority_key(KeyKind.P256)
    return domain.Authority(domain.build_issuing(root, key, domain.serial_from("issuing"), AT), key)


@pytest.fixture(scope="module")
def issue(issuing: domain.Authority) -> Callable[[CertificateOrder], x509.Certificate]:
    key = domain.new_authority_key(KeyKind.P256)

    def issue(order: CertificateOrder) -> x509.Certificate:
        serial = domain.serial_from(f"{order!r}")
        return domain.build_certificate(issuing, key.public_key(), order, serial, AT)

    return issue


Issue = Callable[[CertificateOrder], x509.Certificate]


def text_of(name: x509.Name, oid: ObjectIdentifier) -> list[str]:
    return [str(attribute.value) for attribute in name.get_attributes_for_oid(oid)]


def ekus_of(certificate: x509.Certificate) -> list[str]:
    extension = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    return [oid.dotted_string for oid in extension.value]


def usages_of(certificate: x509.Certificate) -> set[str]:
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    plain = set(domain.KEY_USAGE_NAMES) - {"encipher_only", "decipher_only"}
    return {name for name in plain if getattr(usage, name)}


def chain_holds(certificate: x509.Certificate, issuing: domain.Authority, root: domain.Authority) -> bool:
    leaf = ExtensionPolicy.permit_all().require_present(x509.KeyUsage, Criticality.CRITICAL, None)
    authority = ExtensionPolicy.permit_all().require_present(x509.BasicConstraints, Criticality.CRITICAL, None)
    policy = PolicyBuilder().store(Store([root.certificate])).time(NOW + timedelta(days=1))
    verifier = policy.extension_policies(ee_policy=leaf, ca_policy=authority).build_client_verifier()
    try:
        verifier.verify(certificate, [issuing.certificate])
    except VerificationError:
        return False
    return True


# --- authorities


def test_the_authorities_are_named_as_those_of_nuc_and_marked_as_a_twin(
    root: domain.Authority, issuing: domain.Authority
) -> None:
    assert text_of(root.certificate.subject, NameOID.COMMON_NAME) == ["НЕГІЗГІ КУӘЛАНДЫРУШЫ ОРТАЛЫҚ (TEST)"]
    assert text_of(issuing.certificate.subject, NameOID.COMMON_NAME) == ["ҰЛТТЫҚ КУӘЛАНДЫРУШЫ ОРТАЛЫҚ (TEST)"]
    assert issuing.certificate.issuer == root.certificate.subject == root.certificate.issuer


def test_an_authority_may_sign_certificates_and_lists_and_nothing_else(issuing: domain.Authority) -> None:
    constraints = issuing.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical and constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    assert usages_of(issuing.certificate) == {"key_cert_sign", "crl_sign"}


def test_the_authority_was_valid_when_the_acts_were_in_force(issuing: domain.Authority) -> None:
    assert issuing.certificate.not_valid_before_utc < datetime(2012, 8, 1, tzinfo=UTC)
    assert issuing.certificate.not_valid_after_utc > datetime(2080, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("kind", list(KeyKind))
def test_an_authority_of_either_kind_of_key_signs_a_chain_that_holds(kind: KeyKind) -> None:
    root_key, key = domain.new_authority_key(kind), domain.new_authority_key(kind)
    root = domain.Authority(domain.build_root(root_key, 1), root_key)
    issuing = domain.Authority(domain.build_issuing(root, key, 2, AT), key)
    leaf_key = domain.new_key(KeyKind.P256)
    leaf = domain.build_certificate(issuing, leaf_key.public_key(), PERSON, 3, AT)
    assert chain_holds(leaf, issuing, root)


# --- certificates in НУЦ's form


def test_a_persons_subject_is_written_in_nucs_order_with_the_patronymic_as_given_name(issue: Issue) -> None:
    subject = issue(PERSON).subject
    assert [(a.oid, a.value) for a in subject] == [
        (NameOID.COMMON_NAME, "ӘУЕЗОВА ҚЫМБАТ"),
        (NameOID.SURNAME, "ӘУЕЗОВА"),
        (NameOID.SERIAL_NUMBER, f"IIN{IIN}"),
        (NameOID.COUNTRY_NAME, "KZ"),
        (NameOID.GIVEN_NAME, "ӨМІРҚЫЗЫ"),
    ]


def test_an_employees_subject_names_the_organisation_and_its_bin(issue: Issue) -> None:
    subject = issue(EMPLOYEE).subject
    assert text_of(subject, NameOID.ORGANIZATION_NAME) == ["Тұрғын үй бөлімі"]
    assert text_of(subject, NameOID.ORGANIZATIONAL_UNIT_NAME) == [f"BIN{BIN}"]
    assert text_of(subject, NameOID.SERIAL_NUMBER) == [f"IIN{IIN}"]


def test_a_systems_subject_is_its_participant_code_and_bin_and_has_no_iin(issue: Issue) -> None:
    subject = issue(SYSTEM).subject
    assert text_of(subject, NameOID.COMMON_NAME) == ["portal-pep"]
    assert text_of(subject, NameOID.ORGANIZATIONAL_UNIT_NAME) == [f"BIN{BIN}"]
    assert text_of(subject, NameOID.SERIAL_NUMBER) == []


EMAIL, CLIENT = "1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.2"
SIGN, AUTH = {"digital_signature", "content_commitment"}, {"digital_signature", "key_encipherment"}


@pytest.mark.parametrize(
    ("profile", "ekus", "usages"),
    [
        (Profile.SYSTEM, ["1.2.398.5.19.1.2.2.1"], SIGN),
        (Profile.PERSON_SIGN, [EMAIL, "1.2.398.3.3.4.1.1"], SIGN),
        (Profile.PERSON_AUTH, [CLIENT, "1.2.398.3.3.4.1.1"], AUTH),
        (Profile.EMPLOYEE_SIGN, [EMAIL, "1.2.398.3.3.4.1.2", "1.2.398.3.3.4.1.2.5"], SIGN),
        (Profile.HEAD_SIGN, [EMAIL, "1.2.398.3.3.4.1.2", "1.2.398.3.3.4.1.2.1"], SIGN),
        (Profile.SIGNATORY_SIGN, [EMAIL, "1.2.398.3.3.4.1.2", "1.2.398.3.3.4.1.2.2"], SIGN),
        (Profile.FINANCE_SIGN, [EMAIL, "1.2.398.3.3.4.1.2", "1.2.398.3.3.4.1.2.3"], SIGN),
        (Profile.PERSONNEL_SIGN, [EMAIL, "1.2.398.3.3.4.1.2", "1.2.398.3.3.4.1.2.4"], SIGN),
        (Profile.EMPLOYEE_AUTH, [CLIENT, "1.2.398.3.3.4.1.2", "1.2.398.3.3.4.1.2.5"], AUTH),
        (Profile.HEAD_AUTH, [CLIENT, "1.2.398.3.3.4.1.2", "1.2.398.3.3.4.1.2.1"], AUTH),
    ],
)
def test_each_profile_has_the_usages_of_its_kind(
    issue: Issue, profile: Profile, ekus: list[str], usages: set[str]
) -> None:
    certificate = issue(ORDERS[profile])
    assert ekus_of(certificate) == ekus
    assert usages_of(certificate) == usages


@pytest.mark.parametrize("profile", list(Profile))
def test_every_certificate_chains_to_the_root_and_carries_policy_list_and_issuer(
    issue: Issue, issuing: domain.Authority, root: domain.Authority, profile: Profile
) -> None:
    certificate = issue(ORDERS[profile])
    assert chain_holds(certificate, issuing, root)
    policies = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
    assert [p.policy_identifier.dotted_string for p in policies] == ["1.2.398.3.3.2"]
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert [name.value for point in points for name in point.full_name or ()] == [AT.crl]
    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert [description.access_location.value for description in access] == [AT.issuer]


def test_the_key_identifiers_join_the_certificate_to_its_issuer(issue: Issue, issuing: domain.Authority) -> None:
    own = issue(PERSON).extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    issuers = issuing.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert own.key_identifier == issuers.digest


def test_the_thumbprint_is_that_of_rfc_7515(issue: Issue) -> None:
    certificate = issue(PERSON)
    text = domain.thumbprint(certificate)
    assert len(text) == 43 and "=" not in text
    assert urlsafe_b64decode(text + "=") == certificate.fingerprint(hashes.SHA256())


def test_serial_numbers_are_positive_and_exactly_twenty_octets() -> None:
    for n in range(200):
        serial = domain.serial_from(f"token {n}")
        assert 0 < serial < 1 << 159
        assert len(domain.serial_text(serial)) == 40 and int(domain.serial_text(serial), 16) == serial
        assert domain.serial_text(serial)[:2] != "00"


# --- what an order must say


def test_a_complete_order_has_no_faults() -> None:
    assert [domain.order_faults(order) for order in ORDERS.values()] == [[]] * len(ORDERS)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (replace(PERSON, iin=None), [("iin", "missing")]),
        (replace(PERSON, iin=None, surname=None), [("iin", "missing"), ("surname", "missing")]),
        (replace(EMPLOYEE, bin=None, organisation=""), [("bin", "missing"), ("organisation", "missing")]),
        (replace(SYSTEM, bin=None), [("bin", "missing")]),
        (replace(PERSON, iin="99123160001"), [("iin", "wrong_form")]),
        (replace(PERSON, iin="99123160001٢"), [("iin", "wrong_form")]),
        (replace(SYSTEM, bin="BIN999940000"), [("bin", "wrong_form")]),
        (replace(PERSON, surname="Ә" * 41), [("surname", "too_long")]),
        (replace(PERSON, common_name="Ә" * 65), [("common_name", "too_long")]),
        (replace(PERSON, patronymic="Өмір\x00"), [("patronymic", "wrong_form")]),
        (replace(PERSON, common_name="  "), [("common_name", "missing")]),
        (replace(PERSON, not_after=NOW), [("not_after", "out_of_range")]),
        (replace(PERSON, not_before=datetime(1949, 12, 31, tzinfo=UTC)), [("not_before", "out_of_range")]),
    ],
)
def test_every_fault_of_an_order_is_named_with_its_field(
    order: CertificateOrder, expected: list[tuple[str, str]]
) -> None:
    assert [(fault.field, fault.reason) for fault in domain.order_faults(order)] == expected


def test_control_digits_do_not_matter_here_as_in_nucs_own_test_certificates() -> None:
    assert domain.order_faults(replace(PERSON, iin="991231600019")) == []


@pytest.mark.parametrize("iin", ["900101300017", "123456789011", "991231500013"])
def test_an_iin_that_could_be_a_living_persons_is_never_certified(iin: str) -> None:
    faults = domain.order_faults(replace(PERSON, iin=iin))
    assert [(fault.field, fault.reason) for fault in faults] == [("iin", "not_synthetic")]


def test_a_persons_common_name_is_surname_and_name_in_capitals() -> None:
    assert domain.person_common_name("Әуезова", "Қымбат") == "ӘУЕЗОВА ҚЫМБАТ"
    assert domain.person_common_name("Ұлы", None) == "ҰЛЫ"


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("Qwerty12", None),
        ("Құпия1", None),
        ("Qw1rt", "weak_password"),
        ("Q" * 20 + "w1" * 7, "weak_password"),
        ("qwerty12", "weak_password"),
        ("QWERTY12", "weak_password"),
        ("Qwertyui", "weak_password"),
        ("", "weak_password"),
    ],
)
def test_the_password_of_a_container_follows_nucs_rule(password: str, fault: str | None) -> None:
    assert domain.password_fault(password) == fault


# --- odd certificates


def test_an_odd_certificate_differs_only_in_what_was_asked(issue: Issue) -> None:
    odd = issue(replace(PERSON, oddity=Oddity(key_usages=frozenset({"key_agreement"}))))
    assert usages_of(odd) == {"key_agreement"}
    assert ekus_of(odd) == ekus_of(issue(PERSON))
    assert odd.subject == issue(PERSON).subject


def test_an_odd_certificate_may_have_foreign_extended_usages_or_none(issue: Issue) -> None:
    assert ekus_of(issue(replace(PERSON, oddity=Oddity(extended_key_usages=("1.3.6.1.5.5.7.3.1",))))) == [
        "1.3.6.1.5.5.7.3.1"
    ]
    bare = issue(replace(PERSON, oddity=Oddity(extended_key_usages=())))
    assert ExtensionOID.EXTENDED_KEY_USAGE not in {extension.oid for extension in bare.extensions}


def test_an_odd_certificate_may_hide_or_spoil_the_iin(issue: Issue) -> None:
    spoilt = issue(replace(PERSON, oddity=Oddity(subject_serial_number="INN12")))
    assert text_of(spoilt.subject, NameOID.SERIAL_NUMBER) == ["INN12"]
    hidden = issue(replace(PERSON, oddity=Oddity(subject_serial_number="")))
    assert text_of(hidden.subject, NameOID.SERIAL_NUMBER) == []


def test_a_strangers_certificate_names_our_authority_but_its_chain_does_not_hold(
    issue: Issue, issuing: domain.Authority, root: domain.Authority
) -> None:
    stranger = issue(replace(PERSON, oddity=Oddity(stranger=True)))
    assert stranger.issuer == issuing.certificate.subject
    assert not chain_holds(stranger, issuing, root)


def test_the_departures_of_an_odd_certificate_have_names_for_the_record() -> None:
    assert domain.ORDINARY.words == ()
    assert Oddity(key_usages=frozenset(), stranger=True).words == ("key_usages", "stranger")


@pytest.mark.parametrize(
    ("kind", "ordinary"),
    [
        (KeyKind.P256, True),
        (KeyKind.RSA2048, True),
        (OddKeyKind.P384, False),
        (OddKeyKind.ED25519, False),
        (OddKeyKind.RSA1024, False),
    ],
)
def test_keys_are_made_as_asked_and_known_as_ordinary_or_odd(kind: KeyKind | OddKeyKind, ordinary: bool) -> None:
    public = domain.new_key(kind).public_key()
    assert domain.key_name(public) == kind.value
    assert domain.is_ordinary_key(public) is ordinary


def test_rsa_keys_are_ordinary_from_2048_bits_to_4096() -> None:
    def public(bits: int) -> rsa.RSAPublicKey:
        return rsa.RSAPublicNumbers(65537, (1 << (bits - 1)) + 1).public_key()

    assert [domain.is_ordinary_key(public(bits)) for bits in (2047, 2048, 4096, 4097)] == [
        False,
        True,
        True,
        False,
    ]
    assert not domain.is_ordinary_key(ec.generate_private_key(ec.SECP521R1()).public_key())


# --- states, lists, containers


def test_only_a_hold_can_be_taken_back() -> None:
    assert [s for (s, event) in domain.TRANSITIONS if event is Event.RELEASE] == [State.HELD]
    assert not [event for (s, event) in domain.TRANSITIONS if s is State.REVOKED]


@pytest.mark.parametrize("reason", list(Reason))
def test_certificate_hold_alone_is_a_hold_and_every_other_reason_is_final(reason: Reason) -> None:
    target = domain.TRANSITIONS[(State.GOOD, reason.event)]
    assert target is (State.HELD if reason is Reason.CERTIFICATE_HOLD else State.REVOKED)


def test_a_list_names_each_serial_with_date_and_reason_and_is_signed_by_its_issuer(
    issuing: domain.Authority,
) -> None:
    listed = [ListedCertificate(10 + n, NOW + timedelta(minutes=n), reason) for n, reason in enumerate(Reason)]
    der = domain.build_crl(issuing, listed, number=7, this_update=NOW, next_update=NOW + timedelta(days=1))
    crl = x509.load_der_x509_crl(der)
    assert crl.is_signature_valid(issuing.key.public_key())
    assert crl.issuer == issuing.certificate.subject
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 7
    assert (crl.last_update_utc, crl.next_update_utc) == (NOW, NOW + timedelta(days=1))
    assert [entry.serial_number for entry in crl] == [one.serial for one in listed]
    assert [entry.revocation_date_utc for entry in crl] == [one.at for one in listed]
    reasons = [reason_of(entry) for entry in crl]
    assert reasons == [None if one.reason is Reason.UNSPECIFIED else one.reason and one.reason.value for one in listed]


def reason_of(entry: x509.RevokedCertificate) -> str | None:
    found = [e.value for e in entry.extensions if isinstance(e.value, x509.CRLReason)]
    return found[0].reason.value if found else None


def test_an_empty_list_is_a_list(issuing: domain.Authority) -> None:
    der = domain.build_crl(issuing, [], number=1, this_update=NOW, next_update=NOW + timedelta(days=1))
    assert len(x509.load_der_x509_crl(der)) == 0


@pytest.mark.parametrize("kind", [*KeyKind, *OddKeyKind])
def test_a_container_opens_with_its_password_alone_and_holds_key_certificate_and_issuer(
    issuing: domain.Authority, kind: KeyKind | OddKeyKind
) -> None:
    key = domain.new_key(kind)
    certificate = domain.build_certificate(issuing, key.public_key(), PERSON, 99, AT)
    container = domain.build_container(key, certificate, [issuing.certificate], "Құпия123")
    opened = pkcs12.load_pkcs12(container, "Құпия123".encode())
    assert opened.cert is not None and opened.cert.certificate == certificate
    assert [extra.certificate for extra in opened.additional_certs] == [issuing.certificate]
    assert opened.key is not None and opened.key.public_key() == key.public_key()
    with pytest.raises(ValueError, match="password"):
        pkcs12.load_pkcs12(container, b"Qwerty12")
