"""Who may hold which certificate, what it must say, and what may happen to it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import ip_address
from types import MappingProxyType

from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

EARLIEST = datetime(1950, 1, 1, tzinfo=UTC)  # RFC 5280, 4.1.2.5: UTCTime begins here
LATEST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # RFC 5280: "no well-defined expiration date"

EKU_PERSON = ObjectIdentifier("1.2.398.3.3.4.1.1")
EKU_LEGAL = ObjectIdentifier("1.2.398.3.3.4.1.2")
EKU_HEAD = ObjectIdentifier("1.2.398.3.3.4.1.2.1")
EKU_RIGHT_TO_SIGN = ObjectIdentifier("1.2.398.3.3.4.1.2.2")
EKU_FINANCE = ObjectIdentifier("1.2.398.3.3.4.1.2.3")  # the right to sign financial documents
EKU_PERSONNEL = ObjectIdentifier("1.2.398.3.3.4.1.2.4")
EKU_EMPLOYEE = ObjectIdentifier("1.2.398.3.3.4.1.2.5")
EKU_SYSTEM = ObjectIdentifier("1.2.398.5.19.1.2.2.1")  # information systems


class Profile(StrEnum):
    SYSTEM = "system"  # an information system: signs envelopes, receipts, the member list
    PERSON_SIGN = "person_sign"  # a natural person, to sign
    PERSON_AUTH = "person_auth"  # a natural person, to log in
    EMPLOYEE_SIGN = "employee_sign"  # an employee of a legal entity, to sign
    HEAD_SIGN = "head_sign"  # the first head of a legal entity, to sign
    SIGNATORY_SIGN = "signatory_sign"  # one with the right to sign for a legal entity
    FINANCE_SIGN = "finance_sign"  # one with the right to sign its financial documents
    PERSONNEL_SIGN = "personnel_sign"  # an employee of its personnel department, to sign
    EMPLOYEE_AUTH = "employee_auth"  # an employee, to log in
    HEAD_AUTH = "head_auth"  # the first head, to log in
    SERVER = "server"  # a server that TLS clients come to, by its host names


@dataclass(frozen=True, slots=True)
class ProfileRule:
    """Key usages and extended key usages of a profile, and the subject attributes it can't do without."""

    key_usages: frozenset[str]
    extended_key_usages: tuple[ObjectIdentifier, ...]
    required: tuple[str, ...]


# content_commitment is the newer name of nonRepudiation, and the one `cryptography` uses
SIGN_USAGES = frozenset({"digital_signature", "content_commitment"})
AUTH_USAGES = frozenset({"digital_signature", "key_encipherment"})
KEY_USAGE_NAMES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
_EMAIL = ExtendedKeyUsageOID.EMAIL_PROTECTION  # НУЦ's mark of a certificate to sign with
_SERVER = ExtendedKeyUsageOID.SERVER_AUTH
_CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH  # НУЦ's mark of a certificate to log in with
_OF_ORGANISATION = ("iin", "surname", "bin", "organisation")

PROFILES: Mapping[Profile, ProfileRule] = MappingProxyType(
    {
        Profile.SYSTEM: ProfileRule(SIGN_USAGES, (EKU_SYSTEM,), ("bin",)),
        Profile.SERVER: ProfileRule(frozenset({"digital_signature"}), (_SERVER,), ()),
        Profile.PERSON_SIGN: ProfileRule(SIGN_USAGES, (_EMAIL, EKU_PERSON), ("iin", "surname")),
        Profile.PERSON_AUTH: ProfileRule(AUTH_USAGES, (_CLIENT, EKU_PERSON), ("iin", "surname")),
        Profile.EMPLOYEE_SIGN: ProfileRule(SIGN_USAGES, (_EMAIL, EKU_LEGAL, EKU_EMPLOYEE), _OF_ORGANISATION),
        Profile.HEAD_SIGN: ProfileRule(SIGN_USAGES, (_EMAIL, EKU_LEGAL, EKU_HEAD), _OF_ORGANISATION),
        Profile.SIGNATORY_SIGN: ProfileRule(SIGN_USAGES, (_EMAIL, EKU_LEGAL, EKU_RIGHT_TO_SIGN), _OF_ORGANISATION),
        Profile.FINANCE_SIGN: ProfileRule(SIGN_USAGES, (_EMAIL, EKU_LEGAL, EKU_FINANCE), _OF_ORGANISATION),
        Profile.PERSONNEL_SIGN: ProfileRule(SIGN_USAGES, (_EMAIL, EKU_LEGAL, EKU_PERSONNEL), _OF_ORGANISATION),
        Profile.EMPLOYEE_AUTH: ProfileRule(AUTH_USAGES, (_CLIENT, EKU_LEGAL, EKU_EMPLOYEE), _OF_ORGANISATION),
        Profile.HEAD_AUTH: ProfileRule(AUTH_USAGES, (_CLIENT, EKU_LEGAL, EKU_HEAD), _OF_ORGANISATION),
    }
)
PERSON_PROFILES = frozenset(PROFILES) - {Profile.SYSTEM, Profile.SERVER}


@dataclass(frozen=True, slots=True)
class Oddity:
    """How a certificate made for a tester departs from its profile. The default departs in nothing."""

    key_usages: frozenset[str] | None = None
    extended_key_usages: tuple[str, ...] | None = None  # dotted OIDs; empty: the extension is left out
    subject_serial_number: str | None = None  # instead of "IIN" + 12 digits; empty: the attribute is left out
    stranger: bool = False  # signed by another key under our authority's name: the chain does not hold

    @property
    def words(self) -> tuple[str, ...]:
        """The names of the departures, for the record."""
        changed = ("key_usages", "extended_key_usages", "subject_serial_number")
        words = tuple(name for name in changed if getattr(self, name) is not None)
        return (*words, "stranger") if self.stranger else words


ORDINARY = Oddity()


def is_oid(text: str) -> bool:
    try:
        ObjectIdentifier(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateOrder:
    """What the future certificate says about its holder, and from when to when (aware UTC, whole seconds)."""

    profile: Profile
    common_name: str
    not_before: datetime
    not_after: datetime
    iin: str | None = None
    bin: str | None = None
    surname: str | None = None
    patronymic: str | None = None  # НУЦ keeps it in GIVENNAME, and the name in CN alone
    organisation: str | None = None
    hosts: tuple[str, ...] = ()  # of a server: names and addresses; without them its common name
    oddity: Oddity = field(default=ORDINARY)


@dataclass(frozen=True, slots=True)
class OrderFault:
    """One reason why an order can't be fulfilled: the field's name and a machine word for the reason."""

    field: str
    reason: str


_HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.I | re.A
)
_TWELVE_DIGITS = re.compile(r"[0-9]{12}")
# The project's reserved range: birth dates of 2099, seventh digit 6 (21st century). The twin certifies nobody
# else, so that no key made by it can ever be taken for that of a living person.
_SYNTHETIC_IIN = re.compile(r"99[0-9]{4}6[0-9]{5}")
LENGTHS: Mapping[str, int] = MappingProxyType(  # upper bounds of X.520; surname shorter: CN holds the name too
    {"common_name": 64, "surname": 40, "patronymic": 64, "organisation": 64}
)


def person_common_name(surname: str, name: str | None) -> str:
    """ФАМИЛИЯ ИМЯ, in capitals, as НУЦ writes it."""
    return " ".join(part for part in (surname.upper(), (name or "").upper()) if part)


def order_faults(order: CertificateOrder) -> list[OrderFault]:
    """Everything that is wrong with the order, all at once; an empty list means it can be fulfilled.

    Control digits of ИИН and БИН are not judged: НУЦ's own test certificates carry numbers that fail them.
    """
    required = ("common_name", *PROFILES[order.profile].required)
    faults = [OrderFault(name, "missing") for name in required if not (getattr(order, name) or "").strip()]
    faults += _number_faults(order)
    for name, limit in LENGTHS.items():
        value = getattr(order, name) or ""
        if len(value) > limit:
            faults.append(OrderFault(name, "too_long"))
        if not value.isprintable():
            faults.append(OrderFault(name, "wrong_form"))
    if order.profile is Profile.SERVER and order.common_name and not is_host(order.common_name):
        faults.append(OrderFault("common_name", "wrong_form"))
    return faults + _validity_faults(order)


def is_host(text: str) -> bool:
    """A DNS name or an IP address, as a URL writes it (RFC 1123, 2.1)."""
    return bool(_HOST.fullmatch(text)) or is_address(text)


def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _number_faults(order: CertificateOrder) -> list[OrderFault]:
    faults = []
    for name in ("iin", "bin"):
        value = getattr(order, name)
        if value and not _TWELVE_DIGITS.fullmatch(value):
            faults.append(OrderFault(name, "wrong_form"))
        elif name == "iin" and value and not _SYNTHETIC_IIN.fullmatch(value):
            faults.append(OrderFault(name, "not_synthetic"))
    return faults


def _validity_faults(order: CertificateOrder) -> list[OrderFault]:
    faults = [
        OrderFault(name, "out_of_range")
        for name in ("not_before", "not_after")
        if not EARLIEST <= getattr(order, name) <= LATEST
    ]
    if not faults and order.not_after <= order.not_before:
        faults.append(OrderFault("not_after", "out_of_range"))
    return faults


def password_fault(password: str) -> str | None:
    """НУЦ's rule for a key container's password: 6-32 characters, upper and lower case and a digit."""
    wanted = (str.isupper, str.islower, str.isdigit)
    strong = 6 <= len(password) <= 32 and all(any(test(ch) for ch in password) for test in wanted)
    return None if strong else "weak_password"


class State(StrEnum):
    GOOD = "good"  # in force within its dates
    HELD = "held"  # on the list with certificateHold; may return to good
    REVOKED = "revoked"  # on the list for ever


class Event(StrEnum):
    HOLD = "hold"
    RELEASE = "release"
    REVOKE = "revoke"


# RFC 5280, 5.3.1: only certificateHold can be taken back; everything else is final.
TRANSITIONS: Mapping[tuple[State, Event], State] = MappingProxyType(
    {
        (State.GOOD, Event.HOLD): State.HELD,
        (State.GOOD, Event.REVOKE): State.REVOKED,
        (State.HELD, Event.RELEASE): State.GOOD,
        (State.HELD, Event.REVOKE): State.REVOKED,
    }
)


class Reason(StrEnum):
    """RFC 5280 reason codes that fit an end-entity certificate (removeFromCRL is for delta lists alone)."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    CERTIFICATE_HOLD = "certificateHold"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"

    @property
    def event(self) -> Event:
        return Event.HOLD if self is Reason.CERTIFICATE_HOLD else Event.REVOKE
