"""The control API: bends the twin for testers. Nothing here exists at НУЦ; all of it needs the administrator's token.

POST /v1/control/certificates   as /v1/certificates, plus `odd`, and any type of key
POST /v1/control/persons        as /v1/persons, plus `odd`, and keys НУЦ would not certify
POST /v1/control/crl            new lists now, whatever the clock says: call it after moving the clock
"""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Depends, Request, Response
from pydantic import AfterValidator, Field

from egovkit.declared import may_be_keyed, refuses
from egovkit.idempotency import Answer, Attempt, Idempotent
from egovkit.routes import Routes
from nuc_mock import domain
from nuc_mock.api import (
    AnyKey,
    AnyProfile,
    IssuedOut,
    Model,
    NewCertificate,
    NewPerson,
    PersonOut,
    admin_guard,
    answer_once,
    issue_container,
    issue_for_request,
)
from nuc_mock.domain import KeyKind, Oddity, OddKeyKind, Profile
from nuc_mock.service import Nuc, Wanted


def _oid(text: str) -> str:
    if not domain.is_oid(text):
        raise ValueError("not an object identifier")
    return text


Oid = Annotated[str, Field(pattern=r"^[0-2](\.[0-9]{1,9}){1,20}$"), AfterValidator(_oid)]
KeyUsageName = Literal[  # encipherOnly and decipherOnly mean nothing without keyAgreement: left out
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
]


class Odd(Model):
    """How the certificate is to depart from НУЦ's form; what is left out stays as the profile has it."""

    key_usages: list[KeyUsageName] | None = Field(default=None, min_length=1)
    extended_key_usages: list[Oid] | None = Field(default=None, max_length=20, description="[] = none at all")
    subject_serial_number: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9 '()+,./:=?-]{0,64}$", description="instead of IIN…; empty = none"
    )
    stranger: bool = Field(default=False, description="signed by another key under our authority's name")

    def oddity(self) -> Oddity:
        return Oddity(
            key_usages=None if self.key_usages is None else frozenset(self.key_usages),
            extended_key_usages=None if self.extended_key_usages is None else tuple(self.extended_key_usages),
            subject_serial_number=self.subject_serial_number,
            stranger=self.stranger,
        )


class OddCertificate(NewCertificate):
    odd: Odd = Odd()

    def wanted(self) -> Wanted:
        return _odd(super().wanted(), self.odd)


class OddPerson(NewPerson):
    profile: AnyProfile = Profile.PERSON_SIGN  # a system's, too
    key: AnyKey | Annotated[OddKeyKind, Field(strict=False)] = KeyKind.P256  # type: ignore[assignment]  # wider
    odd: Odd = Odd()

    def wanted(self) -> Wanted:
        return _odd(super().wanted(), self.odd)


class PublishedOut(Model):
    number: int
    this_update: datetime
    next_update: datetime


class ListsOut(Model):
    root: PublishedOut
    issuing: PublishedOut


def control_routes(nuc: Nuc, idempotent: Idempotent) -> Routes:
    router = Routes(prefix="/v1/control", tags=["control"], dependencies=[Depends(admin_guard(nuc))])

    @router.post("/certificates", status_code=201, response_model=IssuedOut)
    @may_be_keyed
    @refuses("nuc.key_not_accepted", "nuc.request_unusable", "service.unavailable")
    async def issue_odd_certificate(request: Request, body: OddCertificate) -> Response:
        async def act(attempt: Attempt) -> Answer:
            return await issue_for_request(nuc, attempt, body.wanted(), body.csr, any_key=True)

        return await answer_once(idempotent, request, act)

    @router.post("/persons", status_code=201, response_model=PersonOut)
    @may_be_keyed
    @refuses("service.unavailable")
    async def issue_odd_person(request: Request, body: OddPerson) -> Response:
        async def act(attempt: Attempt) -> Answer:
            return await issue_container(nuc, attempt, body.wanted(), body.key, body.password)

        return await answer_once(idempotent, request, act)

    @router.post("/crl")
    @refuses("service.unavailable")
    async def renew_lists() -> ListsOut:
        lists = await nuc.lists.renew(force=True)
        return ListsOut(
            **{
                name: PublishedOut(number=one.number, this_update=one.this_update, next_update=one.next_update)
                for name, one in lists.items()
            }
        )

    return router


def _odd(wanted: Wanted, odd: Odd) -> Wanted:
    return replace(wanted, oddity=odd.oddity())
