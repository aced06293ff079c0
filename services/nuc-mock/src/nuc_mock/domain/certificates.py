"""The making of certificates, revocation lists and key containers. No clock: all times are given."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from nuc_mock.domain.keys import AuthorityKey, KeyKind, PrivateKey, PublicKey, new_authority_key
from nuc_mock.domain.rules import KEY_USAGE_NAMES, PROFILES, CertificateOrder, Profile, Reason, is_address

ROOT_NAME = "НЕГІЗГІ КУӘЛАНДЫРУШЫ ОРТАЛЫҚ (TEST)"  # НУЦ writes "(GOST)" or "(RSA)" where we write "(TEST)"
ISSUING_NAME = "ҰЛТТЫҚ КУӘЛАНДЫРУШЫ ОРТАЛЫҚ (TEST)"
OCSP_NAME = "OCSP RESPONDER (TEST)"
STAMPING_NAME = "TIME-STAMPING AUTHORITY (TEST)"
POLICY = ObjectIdentifier("1.2.398.3.3.2")  # НУЦ's certificate policy since 2022

# A sandbox may set its clock to any day on which an act was in force (the earliest is of 2012), so the
# authority itself must never be the reason of a refusal: it is valid from long before to long after.
AUTHORITY_NOT_BEFORE = datetime(2000, 1, 1, tzinfo=UTC)
AUTHORITY_NOT_AFTER = datetime(2090, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certification authority able to sign: its certificate and its key."""

    certificate: x509.Certificate
    key: AuthorityKey


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the certificates say that the list, its changes, the issuer's certificate and OCSP answers are."""

    crl: str
    issuer: str
    ocsp: str | None = None
    delta: str | None = None


@dataclass(frozen=True, slots=True)
class ListedCertificate:
    """One entry of a revocation list; without a reason, of a list of changes alone: it is on the list no longer."""

    serial: int
    at: datetime
    reason: Reason | None


def serial_from(token: str) -> int:
    """A serial number (RFC 5280: positive, at most 20 octets) from a random token of the Ids port."""
    number = int.from_bytes(hashlib.sha256(token.encode()).digest()[:20], "big")
    return (number & ((1 << 159) - 1)) | (1 << 152)  # always 20 octets, never negative, never zero


def serial_text(serial: int) -> str:
    return f"{serial:040x}"


def thumbprint(certificate: x509.Certificate) -> str:
    """x5t#S256 (RFC 7515, 4.1.8): base64url without padding of SHA-256 of the DER bytes."""
    return urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).rstrip(b"=").decode()


def build_root(key: AuthorityKey, serial: int) -> x509.Certificate:
    name = _authority_name(ROOT_NAME)
    builder = _authority_builder(name, key.public_key(), serial, path_length=1)
    builder = builder.issuer_name(name).add_extension(_authority_key_id(key.public_key()), critical=False)
    return builder.sign(key, hashes.SHA256())


def build_issuing(root: Authority, key: AuthorityKey, serial: int, at: Addresses) -> x509.Certificate:
    builder = _authority_builder(_authority_name(ISSUING_NAME), key.public_key(), serial, path_length=0)
    builder = builder.issuer_name(root.certificate.subject)
    builder = builder.add_extension(_authority_key_id(root.key.public_key()), critical=False)
    return _with_addresses(builder, at).sign(root.key, hashes.SHA256())


def build_responder(issuer: Authority, key: AuthorityKey, serial: int, at: Addresses) -> x509.Certificate:
    """Who signs OCSP answers for the issuer; nobody asks whether it is revoked itself (RFC 6960, 4.2.2.2.1)."""
    builder = _service_builder(issuer, key, serial, OCSP_NAME, ExtendedKeyUsageOID.OCSP_SIGNING, critical=False)
    return _with_addresses(builder.add_extension(x509.OCSPNoCheck(), critical=False), at).sign(
        issuer.key, hashes.SHA256()
    )


def build_stamper(issuer: Authority, key: AuthorityKey, serial: int, at: Addresses) -> x509.Certificate:
    """Who signs time stamps: one extended key usage, critical (RFC 3161, 2.3)."""
    builder = _service_builder(issuer, key, serial, STAMPING_NAME, ExtendedKeyUsageOID.TIME_STAMPING, critical=True)
    return _with_addresses(builder, at).sign(issuer.key, hashes.SHA256())


def _service_builder(
    issuer: Authority, key: AuthorityKey, serial: int, name: str, usage: ObjectIdentifier, *, critical: bool
) -> x509.CertificateBuilder:
    public_key = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(_authority_name(name))
        .issuer_name(issuer.certificate.subject)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(AUTHORITY_NOT_BEFORE)
        .not_valid_after(AUTHORITY_NOT_AFTER)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(frozenset({"digital_signature", "content_commitment"})), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=critical)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_authority_key_id(issuer.key.public_key()), critical=False)
        .add_extension(x509.CertificatePolicies([x509.PolicyInformation(POLICY, None)]), critical=False)
    )


def build_certificate(
    issuer: Authority,
    public_key: PublicKey,
    order: CertificateOrder,
    serial: int,
    at: Addresses,
) -> x509.Certificate:
    """An end-entity certificate in НУЦ's form, or as odd as the order wants it."""
    rule, odd = PROFILES[order.profile], order.oddity
    signing_key = new_authority_key(KeyKind.P256) if odd.stranger else issuer.key
    usages = rule.key_usages if odd.key_usages is None else odd.key_usages
    ekus: Sequence[ObjectIdentifier] = rule.extended_key_usages
    if odd.extended_key_usages is not None:
        ekus = [ObjectIdentifier(oid) for oid in odd.extended_key_usages]
    builder = (
        x509.CertificateBuilder()
        .subject_name(build_subject(order))
        .issuer_name(issuer.certificate.subject)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(order.not_before)
        .not_valid_after(order.not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(usages), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_authority_key_id(signing_key.public_key()), critical=False)
        .add_extension(x509.CertificatePolicies([x509.PolicyInformation(POLICY, None)]), critical=False)
    )
    if order.profile is Profile.SERVER:
        hosts = [_general_name(host) for host in order.hosts or (order.common_name,)]
        builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    if ekus:
        builder = builder.add_extension(x509.ExtendedKeyUsage(ekus), critical=False)
    return _with_addresses(builder, at).sign(signing_key, hashes.SHA256())


def _general_name(host: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(host)) if is_address(host) else x509.DNSName(host)


def build_subject(order: CertificateOrder) -> x509.Name:
    """CN, SURNAME, SERIALNUMBER=IIN…, C, O, OU=BIN…, GIVENNAME: the order in which НУЦ writes them."""
    odd_number = order.oddity.subject_serial_number
    number = f"IIN{order.iin}" if order.iin else ""
    parts: list[tuple[ObjectIdentifier, str | None]] = [
        (NameOID.COMMON_NAME, order.common_name),
        (NameOID.SURNAME, order.surname and order.surname.upper()),
        (NameOID.SERIAL_NUMBER, number if odd_number is None else odd_number),
        (NameOID.COUNTRY_NAME, "KZ"),
        (NameOID.ORGANIZATION_NAME, order.organisation),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, order.bin and f"BIN{order.bin}"),
        (NameOID.GIVEN_NAME, order.patronymic and order.patronymic.upper()),
    ]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts if value])


def subject_words(der: bytes) -> dict[str, str | None]:
    """surname, patronymic and organisation of a certificate in НУЦ's form."""
    subject = x509.load_der_x509_certificate(der).subject

    def first(oid: ObjectIdentifier) -> str | None:
        found = subject.get_attributes_for_oid(oid)
        return str(found[0].value) if found else None

    return {
        "surname": first(NameOID.SURNAME),
        "patronymic": first(NameOID.GIVEN_NAME),
        "organisation": first(NameOID.ORGANIZATION_NAME),
    }


def hosts_of(der: bytes) -> tuple[str, ...]:
    """Names and addresses of a server's certificate; any other has none."""
    extensions = x509.load_der_x509_certificate(der).extensions
    try:
        return tuple(str(one.value) for one in extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return ()


def key_of(der: bytes) -> object:
    """The public key of a certificate."""
    return x509.load_der_x509_certificate(der).public_key()


def build_crl(
    issuer: Authority,
    listed: Sequence[ListedCertificate],
    *,
    number: int,
    this_update: datetime,
    next_update: datetime,
    base: int | None = None,
    delta_at: str | None = None,
) -> bytes:
    """A complete revocation list, DER, or with `base` the changes since the complete list of that number (RFC 5280,
    5.2.4). `delta_at`: where the changes to a complete list are to be had. Its cost grows with the entries: call it off
    the event loop.
    """
    # Entries go in through the constructor: add_revoked_certificate() copies the whole list for each of them.
    builder = x509.CertificateRevocationListBuilder(
        issuer.certificate.subject, revoked_certificates=[_crl_entry(one) for one in listed]
    )
    builder = builder.last_update(this_update).next_update(next_update)
    builder = builder.add_extension(_authority_key_id(issuer.key.public_key()), critical=False)
    builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    if base is not None:
        builder = builder.add_extension(x509.DeltaCRLIndicator(base), critical=True)
    elif delta_at is not None:
        builder = builder.add_extension(x509.FreshestCRL([_point(delta_at)]), critical=False)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def dated_crl(issuer: Authority, der: bytes, *, this_update: datetime, next_update: datetime) -> bytes:
    """The same list with other dates."""
    old = x509.load_der_x509_crl(der)
    builder = x509.CertificateRevocationListBuilder(
        old.issuer, this_update, next_update, list(old.extensions), list(old)
    )
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def build_container(
    key: PrivateKey,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    password: str,
) -> bytes:
    """PKCS#12 with the key, its certificate and the issuer's (PBES2, AES-256). Tens of ms: off the loop."""
    name = serial_text(certificate.serial_number).encode()  # НУЦ names its containers by hex digits as well
    return pkcs12.serialize_key_and_certificates(
        name, key, certificate, list(chain), BestAvailableEncryption(password.encode())
    )


def _crl_entry(one: ListedCertificate) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(one.serial).revocation_date(one.at)
    if one.reason is not Reason.UNSPECIFIED:  # RFC 5280, 5.3.1: that one is said by leaving it out
        reason = x509.ReasonFlags.remove_from_crl if one.reason is None else x509.ReasonFlags(one.reason.value)
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    return builder.build()


def _authority_name(common_name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.COUNTRY_NAME, "KZ"), x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    )


def _authority_builder(
    name: x509.Name,
    public_key: PublicKey,
    serial: int,
    path_length: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(AUTHORITY_NOT_BEFORE)
        .not_valid_after(AUTHORITY_NOT_AFTER)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_key_usage(frozenset({"key_cert_sign", "crl_sign"})), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _authority_key_id(public_key: PublicKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(public_key)


def _with_addresses(builder: x509.CertificateBuilder, at: Addresses) -> x509.CertificateBuilder:
    access = [(AuthorityInformationAccessOID.CA_ISSUERS, at.issuer)]
    if at.ocsp is not None:
        access.append((AuthorityInformationAccessOID.OCSP, at.ocsp))
    builder = builder.add_extension(x509.CRLDistributionPoints([_point(at.crl)]), critical=False)
    if at.delta is not None:
        builder = builder.add_extension(x509.FreshestCRL([_point(at.delta)]), critical=False)
    described = [x509.AccessDescription(oid, x509.UniformResourceIdentifier(url)) for oid, url in access]
    return builder.add_extension(x509.AuthorityInformationAccess(described), critical=False)


def _point(url: str) -> x509.DistributionPoint:
    return x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)


def _key_usage(usages: frozenset[str]) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in usages for name in KEY_USAGE_NAMES})


def pem_of(certificates: Sequence[x509.Certificate]) -> str:
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in certificates)


def common_name_of(certificate: x509.Certificate) -> str:
    [found] = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found.value)


def certificates_of(pem: bytes) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(pem)


def der_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def sha256_hex(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
