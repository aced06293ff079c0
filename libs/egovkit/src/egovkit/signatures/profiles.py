"""What a certificate of НУЦ's form says about itself and what it may be used for; nothing here is verified.

Personal certificates carry SERIALNUMBER=IIN<12 digits>, those of an organisation OU=BIN<12 digits>; GIVENNAME
is the patronymic and the first name stands only inside CN. What a certificate is for is said by its extended
key usages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal, TypeVar

from cryptography import x509
from cryptography.x509 import Certificate
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from egovkit.errors import EgovError
from egovkit.signatures.keys import UNREADABLE, public_key_of, thumbprint

__all__ = [
    "EKU_CLIENT_AUTH",
    "EKU_EMAIL_PROTECTION",
    "EKU_EMPLOYEE",
    "EKU_HEAD",
    "EKU_INFORMATION_SYSTEM",
    "EKU_LEGAL",
    "EKU_PERSON",
    "EKU_RIGHT_TO_SIGN",
    "EKU_TIME_STAMPING",
    "OFFICIALS",
    "Certificate",
    "Profile",
    "Use",
    "judge_usage",
    "load_certificate",
    "load_certificates",
    "profile_of",
    "thumbprint",
]

EKU_EMAIL_PROTECTION = ExtendedKeyUsageOID.EMAIL_PROTECTION.dotted_string  # НУЦ's mark of a SIGN certificate
EKU_CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string  # НУЦ's mark of an AUTH certificate
EKU_TIME_STAMPING = ExtendedKeyUsageOID.TIME_STAMPING.dotted_string
EKU_PERSON = "1.2.398.3.3.4.1.1"
EKU_LEGAL = "1.2.398.3.3.4.1.2"
EKU_HEAD = "1.2.398.3.3.4.1.2.1"
EKU_RIGHT_TO_SIGN = "1.2.398.3.3.4.1.2.2"
EKU_EMPLOYEE = "1.2.398.3.3.4.1.2.5"
EKU_INFORMATION_SYSTEM = "1.2.398.5.19.1.2.2.1"
# Who speaks for an organisation: as its head, by right to sign or as employee. A certificate of the person as a private
# citizen does not; rights over finance and personnel documents (.1.2.3, .1.2.4) don't reach public services.
OFFICIALS = frozenset({EKU_HEAD, EKU_RIGHT_TO_SIGN, EKU_EMPLOYEE})
SIGNATORIES = OFFICIALS | {EKU_PERSON}  # who may sign as a person: for oneself too

Use = Literal["sign", "auth"]

_UNDERSTOOD = frozenset(  # a critical extension outside this list means "refuse" (RFC 5280, 4.2)
    {ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE}
)
_IIN = re.compile(r"IIN(\d{12})", re.ASCII)
_BIN = re.compile(r"BIN(\d{12})", re.ASCII)
_PEM = b"-----BEGIN"


def load_certificate(pem_or_der: bytes) -> Certificate:
    """One certificate, whatever its algorithms; ValueError when the bytes aren't one."""
    pem = pem_or_der.lstrip().startswith(_PEM)
    try:
        found = x509.load_pem_x509_certificate(pem_or_der) if pem else x509.load_der_x509_certificate(pem_or_der)
        _ = found.issuer, profile_of(found)  # the library reads lazily: everything is read here, or refused here
    except UNREADABLE as error:
        raise ValueError(f"not a certificate: {error}") from None
    return found


def sent_certificate(pem_or_der: bytes) -> Certificate:
    """One that somebody sent; EgovError("certificate.malformed") when the bytes aren't one."""
    try:
        return load_certificate(pem_or_der)
    except ValueError:
        raise EgovError("certificate.malformed") from None


def load_certificates(pem: bytes) -> tuple[Certificate, ...]:
    """All certificates of a PEM file, in its order; ValueError when there is none."""
    return tuple(x509.load_pem_x509_certificates(pem))


@dataclass(frozen=True, slots=True)
class Profile:
    """What a certificate says about itself; nothing here is verified."""

    thumbprint: str
    subject_cn: str
    surname: str | None
    patronymic: str | None
    iin: str | None
    bin: str | None
    serial: str  # lower-case hexadecimal
    not_before: datetime
    not_after: datetime
    is_ca: bool
    digital_signature: bool
    non_repudiation: bool
    ekus: frozenset[str]
    ekus_critical: bool
    understood: bool  # no critical extension we don't know, and a key we can use


@lru_cache(maxsize=1024)
def profile_of(certificate: Certificate) -> Profile:
    """Read a certificate once; cached, since every envelope of a system comes with the same one.

    One of UNREADABLE when it can't be read (an extension twice, broken DER inside).
    """
    usage = _extension(certificate, x509.KeyUsage)
    extended = _extension(certificate, x509.ExtendedKeyUsage)
    constraints = _extension(certificate, x509.BasicConstraints)
    critical = {one.oid for one in certificate.extensions if one.critical}
    return Profile(
        thumbprint=thumbprint(certificate),
        subject_cn=_attribute(certificate, NameOID.COMMON_NAME) or "",
        surname=_attribute(certificate, NameOID.SURNAME),
        patronymic=_attribute(certificate, NameOID.GIVEN_NAME),
        iin=_marked(certificate, NameOID.SERIAL_NUMBER, _IIN),
        bin=_marked(certificate, NameOID.ORGANIZATIONAL_UNIT_NAME, _BIN),
        serial=format(certificate.serial_number, "x"),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        is_ca=constraints is not None and constraints.ca,
        digital_signature=usage is not None and usage.digital_signature,
        non_repudiation=usage is not None and usage.content_commitment,
        ekus=frozenset(one.dotted_string for one in extended) if extended is not None else frozenset(),
        ekus_critical=ExtensionOID.EXTENDED_KEY_USAGE in critical,
        understood=critical <= _UNDERSTOOD and public_key_of(certificate) is not None,
    )


def judge_usage(profile: Profile, use: Use | Literal["system", "stamp"]) -> tuple[bool, bool]:
    """(key usage fits, extended key usage fits) for a system's envelopes, a person's signature, a person's login or
    an authority's time stamps."""
    if profile.is_ca:
        return False, False
    if use == "stamp":
        may_sign = profile.digital_signature or profile.non_repudiation
        return may_sign, profile.ekus_critical and profile.ekus == {EKU_TIME_STAMPING}
    if use == "system":
        return profile.digital_signature, EKU_INFORMATION_SYSTEM in profile.ekus
    signatory = bool(profile.ekus & SIGNATORIES)
    if use == "sign":
        both = profile.digital_signature and profile.non_repudiation
        return both, signatory and EKU_EMAIL_PROTECTION in profile.ekus
    # НУЦ's AUTH certificates have no nonRepudiation: a login must not be usable as a signature, nor the
    # reverse
    only_login = profile.digital_signature and not profile.non_repudiation
    return only_login, signatory and EKU_CLIENT_AUTH in profile.ekus


_Ext = TypeVar("_Ext", bound=x509.ExtensionType)


def _extension(certificate: Certificate, kind: type[_Ext]) -> _Ext | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _attribute(certificate: Certificate, oid: x509.ObjectIdentifier) -> str | None:
    values = certificate.subject.get_attributes_for_oid(oid)
    return str(values[0].value) if values else None


def _marked(certificate: Certificate, oid: x509.ObjectIdentifier, mark: re.Pattern[str]) -> str | None:
    """The one number after IIN or BIN; None when there is none, or two that differ. The check digit isn't
    looked at: НУЦ's own test certificates carry numbers that fail it."""
    texts = (str(one.value) for one in certificate.subject.get_attributes_for_oid(oid))
    found = {match.group(1) for text in texts if (match := mark.fullmatch(text))}
    return found.pop() if len(found) == 1 else None
