"""Making keys' certificates and CRLs in НУЦ's form: a small authority for tests, and for a server that is nobody else's
(`egovkit.signatures.tls`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from egovkit.signatures.keys import Certificate, PrivateKey, PublicKey
from egovkit.signatures.profiles import (
    EKU_CLIENT_AUTH,
    EKU_EMAIL_PROTECTION,
    EKU_EMPLOYEE,
    EKU_INFORMATION_SYSTEM,
    EKU_LEGAL,
    EKU_PERSON,
    EKU_TIME_STAMPING,
)

__all__ = ["PROFILES", "Authority", "Span", "Usage", "person_name", "system_name"]

POLICY = x509.ObjectIdentifier("1.2.398.3.3.2")  # НУЦ's one certificate policy since 2022


@dataclass(frozen=True, slots=True)
class Span:
    """Validity of a certificate, both ends included; whole seconds."""

    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Usage:
    """keyUsage bits beside digitalSignature, and the extended key usages (dotted); `ocsp` is the responder's address in
    the certificate, `unquestioned` marks a responder's own (ocsp-nocheck)."""

    ekus: tuple[str, ...]
    non_repudiation: bool = False
    key_encipherment: bool = False
    digital_signature: bool = True
    ekus_critical: bool = False
    ocsp: str | None = None
    unquestioned: bool = False


PROFILES: Mapping[str, Usage] = {
    "system": Usage((EKU_INFORMATION_SYSTEM,)),
    "stamping": Usage((EKU_TIME_STAMPING,), ekus_critical=True),  # RFC 3161, 2.3
    "person_sign": Usage((EKU_EMAIL_PROTECTION, EKU_PERSON), non_repudiation=True),
    "person_auth": Usage((EKU_CLIENT_AUTH, EKU_PERSON), key_encipherment=True),
    "employee_sign": Usage((EKU_EMAIL_PROTECTION, EKU_LEGAL, EKU_EMPLOYEE), non_repudiation=True),
    "responder": Usage((ExtendedKeyUsageOID.OCSP_SIGNING.dotted_string,), unquestioned=True),
}


def system_name(code: str, bin_: str | None = None) -> x509.Name:
    """An information system: CN is the participant's code, OU=BIN and 12 digits where known."""
    parts = [(NameOID.COMMON_NAME, code), (NameOID.COUNTRY_NAME, "KZ")]
    if bin_:
        parts.append((NameOID.ORGANIZATIONAL_UNIT_NAME, f"BIN{bin_}"))
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts])


def person_name(
    iin: str, surname: str, name: str, *, patronymic: str | None = None, bin_: str | None = None
) -> x509.Name:
    """A person in НУЦ's order: CN="SURNAME NAME", SURNAME, SERIALNUMBER=IIN..., C, OU=BIN...,
    GIVENNAME=patronymic."""
    parts = [
        (NameOID.COMMON_NAME, f"{surname} {name}"),
        (NameOID.SURNAME, surname),
        (NameOID.SERIAL_NUMBER, f"IIN{iin}"),
        (NameOID.COUNTRY_NAME, "KZ"),
    ]
    if bin_:
        parts.append((NameOID.ORGANIZATIONAL_UNIT_NAME, f"BIN{bin_}"))
    if patronymic:
        parts.append((NameOID.GIVEN_NAME, patronymic))
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts])


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority: its key and its certificate."""

    private_key: PrivateKey
    certificate: Certificate

    @staticmethod
    def root(common_name: str, key: PrivateKey, span: Span) -> Authority:
        """A self-signed root."""
        name = _authority_name(common_name)
        builder = _builder(name, name, key.public_key(), span)
        return Authority(key, _as_authority(builder, 1).sign(key, hashes.SHA256()))

    def subordinate(self, common_name: str, key: PrivateKey, span: Span) -> Authority:
        """An issuing authority under this one; it may not make further authorities."""
        builder = _builder(_authority_name(common_name), self.certificate.subject, key.public_key(), span)
        builder = _as_authority(builder, 0).add_extension(self._key_identifier(), critical=False)
        return Authority(key, builder.sign(self.private_key, hashes.SHA256()))

    def issue(self, name: x509.Name, public_key: PublicKey, usage: Usage, span: Span) -> Certificate:
        """An end certificate in НУЦ's form."""
        builder = _builder(name, self.certificate.subject, public_key, span)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(usage), critical=True)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([x509.ObjectIdentifier(one) for one in usage.ekus]), critical=usage.ekus_critical
        )
        policies = x509.CertificatePolicies([x509.PolicyInformation(POLICY, None)])
        builder = builder.add_extension(policies, critical=False)
        builder = builder.add_extension(self._key_identifier(), critical=False)
        if usage.ocsp is not None:
            there = x509.UniformResourceIdentifier(usage.ocsp)
            access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, there)
            builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
        if usage.unquestioned:
            builder = builder.add_extension(x509.OCSPNoCheck(), critical=False)
        return builder.sign(self.private_key, hashes.SHA256())

    def crl(self, number: int, span: Span, revoked: Iterable[tuple[int, datetime]]) -> bytes:
        """A full CRL, DER: thisUpdate and nextUpdate from `span`; `revoked` are serials with their
        moments."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(span.not_before).next_update(span.not_after)
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
        builder = builder.add_extension(self._key_identifier(), critical=False)
        for serial, moment in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.private_key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def _key_identifier(self) -> x509.AuthorityKeyIdentifier:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self.private_key.public_key())


def _authority_name(common_name: str) -> x509.Name:
    parts = [(NameOID.COMMON_NAME, common_name), (NameOID.COUNTRY_NAME, "KZ")]
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts])


def _builder(subject: x509.Name, issuer: x509.Name, key: PublicKey, span: Span) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(span.not_before.replace(microsecond=0))
        .not_valid_after(span.not_after.replace(microsecond=0))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _as_authority(builder: x509.CertificateBuilder, path_length: int) -> x509.CertificateBuilder:
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    usage = _bits(key_cert_sign=True, crl_sign=True)
    return builder.add_extension(constraints, critical=True).add_extension(usage, critical=True)


def _key_usage(usage: Usage) -> x509.KeyUsage:
    return _bits(
        digital_signature=usage.digital_signature,
        content_commitment=usage.non_repudiation,
        key_encipherment=usage.key_encipherment,
    )


def _bits(**set_bits: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: set_bits.get(name, False) for name in names})
