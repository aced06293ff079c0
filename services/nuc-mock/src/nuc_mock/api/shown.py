"""What is asked of the authority and what it shows, as JSON and as bytes."""

from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path, Request, Response
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from nuc_mock import domain
from nuc_mock.domain import KeyKind, Profile, Reason, State
from nuc_mock.service import Generation, Nuc, Wanted
from nuc_mock.store import IssuedCertificate


def _moment(value: object) -> datetime:
    """RFC 3339 text with its offset; numbers and naive times are refused, their meaning would be a guess."""
    if not isinstance(value, str) or len(value) > 40 or "T" not in value:
        raise ValueError("an RFC 3339 date and time is expected")
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("the offset is missing")
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("no such date") from None


Moment = Annotated[datetime, BeforeValidator(_moment, json_schema_input_type=str)]
# Enumerations arrive as text: only for them the strictness of the model is lifted.
AnyProfile = Annotated[Profile, Field(strict=False)]
AnyKey = Annotated[KeyKind, Field(strict=False)]


def _of_a_person(profile: Profile) -> Profile:
    if profile not in domain.PERSON_PROFILES:
        raise ValueError("a system brings its own key: POST /v1/certificates")
    return profile


PersonProfile = Annotated[AnyProfile, AfterValidator(_of_a_person)]
GenerationNumber = Annotated[
    str, Path(pattern="^[1-9][0-9]{0,3}$", description="which of the issuing authority's keys, from 1")
]
Serial = Annotated[str, Path(pattern="^[0-9A-Fa-f]{40}$", description="40 hexadecimal digits")]


OcspRequest = Annotated[
    str, Path(max_length=8192, description="base64 of the DER of an OCSPRequest (RFC 6960, A.1), percent-encoded")
]


def decoded(text: str) -> bytes:
    """Base64 in either alphabet; what is none becomes an empty request, which is answered as malformed."""
    try:
        return b64decode(text.translate({ord("-"): "+", ord("_"): "/"}) + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return b""


class Model(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Dates(Model):
    not_before: Moment | None = None
    not_after: Moment | None = None


class NewCertificate(Dates):
    csr: str = Field(max_length=16_384, description="PKCS#10, PEM; only its key is used")
    profile: AnyProfile
    common_name: str = Field(description="a participant's code, or ФАМИЛИЯ ИМЯ")
    iin: str | None = None
    bin: str | None = None
    surname: str | None = None
    patronymic: str | None = None
    organisation: str | None = None

    def wanted(self) -> Wanted:
        return Wanted(**self.model_dump(include=set(WANTED_FIELDS)))


WANTED_FIELDS = frozenset(Wanted.__slots__) - {"hosts", "oddity"}


class NewPerson(Dates):
    iin: str
    surname: str
    name: str | None = None
    patronymic: str | None = None
    bin: str | None = None
    organisation: str | None = None
    password: str = Field(description="6 to 32 characters: capital and small letter, digit")
    profile: PersonProfile = Profile.PERSON_SIGN
    key: AnyKey = KeyKind.P256

    def wanted(self) -> Wanted:
        name = domain.person_common_name(self.surname, self.name)
        return Wanted(common_name=name, **self.model_dump(include=set(WANTED_FIELDS)))


class Revocation(Model):
    reason: Annotated[Reason, Field(strict=False)] = Reason.UNSPECIFIED


class Renewal(Dates):
    csr: str = Field(max_length=16_384, description="PKCS#10, PEM, of a new key; only the key is used")
    supersede: bool = Field(default=False, description="revoke the old certificate with reason superseded")


class GenerationOut(BaseModel):
    generation: int
    thumbprint: str = Field(description="x5t#S256")
    certificate: str = Field(description="PEM")


class CertificateOut(BaseModel):
    serial: str
    thumbprint: str = Field(description="x5t#S256")
    profile: Profile
    key: str
    common_name: str
    iin: str | None
    bin: str | None
    oddities: list[str] = Field(description="how it departs from НУЦ's form, on a tester's wish")
    not_before: datetime
    not_after: datetime
    issued_at: datetime
    state: State
    reason: Reason | None
    listed_at: datetime | None = Field(description="since when it is on the revocation list")
    renews: str | None = Field(description="serial number of the certificate it continues")
    certificate: str = Field(description="PEM")


class IssuedOut(CertificateOut):
    chain: str = Field(description="PEM: the issuing authority, then the root")


class PersonOut(IssuedOut):
    pkcs12: str = Field(description="base64; key, certificate and issuing authority")


class CertificatePage(BaseModel):
    items: list[CertificateOut]
    next: str | None = Field(description="the cursor of the next page")


# --- answers


def certificate_out(one: IssuedCertificate) -> CertificateOut:
    return CertificateOut(**_facts(one))


def issued_out(nuc: Nuc, one: IssuedCertificate) -> IssuedOut:
    return IssuedOut(**_facts(one), chain=_chain(nuc, one.generation))


def person_out(nuc: Nuc, one: IssuedCertificate, container: bytes) -> PersonOut:
    return PersonOut(**_facts(one), chain=_chain(nuc, one.generation), pkcs12=b64encode(container).decode())


def _facts(one: IssuedCertificate) -> dict[str, Any]:
    stored = {name: getattr(one, name) for name in CertificateOut.model_fields if name != "certificate"}
    return {**stored, "oddities": list(one.oddities), "certificate": one.pem}


def generation_out(by: Generation) -> GenerationOut:
    certificate = by.issuing.certificate
    return GenerationOut(
        generation=by.number, thumbprint=domain.thumbprint(certificate), certificate=domain.pem_of([certificate])
    )


def _chain(nuc: Nuc, generation: int) -> str:
    return domain.pem_of([nuc.keys.all[generation].issuing.certificate, nuc.keys.authorities.root.certificate])


def public_bytes(request: Request, content: bytes, media_type: str, **more: str) -> Response:
    """Bytes anybody may fetch, with a strong validator for conditional requests (RFC 9110, 13.1.2)."""
    etag = f'"{domain.sha256_hex(content)}"'
    headers = {"etag": etag, "cache-control": "no-cache", **more}  # keep it, but ask whether it is still the one
    asked = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in asked or "*" in asked:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)
