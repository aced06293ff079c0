"""What the API of the provider's own channel takes and gives, and how records become it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from egovkit.files import Attachment
from egovkit.verdict import SignatureVerdict, verdict_of
from provider_arm.api.models import Code, Iin, Model, Name, PersonRef, Value, ValueName, Wish, plain
from provider_arm.api.render import person_ref, titles
from provider_arm.domain.cases import masked_iin
from provider_arm.domain.own import NOT_FOUND, SIGNATURE_NOT_CONFIRMED, OwnCase, OwnState, Query, QueryState
from provider_arm.service.context import Workstation
from provider_arm.service.reading import OwnFile


class OwnCaseNew(Wish):
    regulation: Code


class ConsumerWish(Wish):
    iin: Iin


_Item = Annotated[str, Field(max_length=1000), AfterValidator(plain)]
FormValue = Value | Annotated[list[_Item], Field(max_length=50)] | None


class Paper(Wish):
    """The mark of a document the consumer showed on paper."""

    name: Name
    kind: Literal["original", "copy"]
    note: Annotated[str, Field(max_length=500), AfterValidator(plain)] = ""


class FormWish(Wish):
    values: Annotated[dict[ValueName, FormValue], Field(max_length=100)]
    papers: Annotated[list[Paper], Field(max_length=50, default_factory=list)]


class PapersWish(Wish):
    """The papers the consumer brought, once they were looked at."""

    papers: Annotated[list[Paper], Field(max_length=50)]


class OwnPrepareWish(Wish):
    certificate: Annotated[str, Field(min_length=64, max_length=16_000)]  # PEM, or base64 of DER


class Words(Model):
    kk: str
    ru: str


class OwnCaseLine(Model):
    id: str
    regulation: str
    title_ru: str
    title_kk: str
    channel: str
    region: str
    provider: str
    state: OwnState
    version: int
    consumer_iin: str | None  # always masked in lists
    owner: PersonRef | None
    number: str | None
    opened_at: datetime
    changed_at: datetime


class OwnCasePage(Model):
    items: list[OwnCaseLine]
    next: str | None


class QueryView(Model):
    """A question to the register: what became of it, how long it took, and why it stands so."""

    model_config = ConfigDict(serialize_by_alias=True)

    id: str
    asked: Annotated[str, Field(serialization_alias="register")]  # pydantic's own models have a `register`
    state: QueryState
    found: bool | None  # of an answer that came in time
    asked_at: datetime
    answered_at: datetime | None
    limit_s: int | None
    used_s: float | None
    clause: str
    why: Words
    problem: dict[str, Any] | None  # a gateway's refusal, as it was signed


class QueryList(Model):
    items: list[QueryView]


class FactView(Model):
    code: str
    kk: str
    ru: str


class ScanView(Model):
    name: str
    type: str
    size: int
    sha256: str


class OwnCaseView(OwnCaseLine):
    consumer_iin: str | None  # whole here
    form: dict[str, Any]
    papers: list[dict[str, Any]]
    attachments: list[ScanView]
    queries: list[QueryView]
    person: dict[str, Any] | None  # what the register said, as it said it
    facts: list[FactView]  # E2: what the official has to know, no refusal
    certificate: str | None
    judged: SignatureVerdict | None  # of a signature that the act refuses
    prepared_at: datetime | None
    message: Words | None  # why the case has ended without a number
    trail: list[dict[str, Any]]


class OwnPrepared(Model):
    id: str
    state: OwnState
    version: int
    document: str  # base64: sign exactly these bytes
    sha256: str
    certificate: str  # thumbprint


class OwnRegistered(Model):
    id: str
    number: str
    state: OwnState
    version: int
    registered_at: datetime


_ENDED = {OwnState.NO_DATA: NOT_FOUND, OwnState.SIGNATURE_REFUSED: SIGNATURE_NOT_CONFIRMED}


def own_line(ws: Workstation, draft: OwnCase, names: Mapping[str, str]) -> OwnCaseLine:
    title_ru, title_kk = titles(ws, draft.regulation, draft.regulation_version)
    return OwnCaseLine(
        id=draft.id,
        regulation=draft.regulation,
        title_ru=title_ru,
        title_kk=title_kk,
        channel=draft.channel,
        region=draft.region,
        provider=draft.provider,
        state=draft.state,
        version=draft.version,
        consumer_iin=None if draft.iin is None else masked_iin(draft.iin),
        owner=person_ref(names, draft.owner),
        number=draft.number,
        opened_at=draft.opened_at,
        changed_at=draft.changed_at,
    )


def own_view(ws: Workstation, opened: OwnFile) -> OwnCaseView:
    draft, now = opened.draft, ws.clock.now()
    ended = _ENDED.get(draft.state)
    return OwnCaseView(
        **(own_line(ws, draft, opened.names).model_dump() | {"consumer_iin": draft.iin}),
        form=dict(draft.form),
        papers=[dict(paper) for paper in draft.papers],
        attachments=[scan_view(scan) for scan in opened.scans],
        queries=[query_view(query, now) for query in opened.queries],
        person=None if opened.person is None else dict(opened.person),
        facts=[FactView(code=fact.code, kk=fact.kk, ru=fact.ru) for fact in opened.facts],
        certificate=draft.certificate,
        judged=verdict_of(draft.judged),
        prepared_at=draft.prepared_at,
        message=None if ended is None else Words(kk=ended.kk, ru=ended.ru),
        trail=[dict(step) for step in draft.trail],
    )


def query_view(query: Query, now: datetime) -> QueryView:
    why = query.why(now)
    return QueryView(
        id=query.id,
        asked=query.register,
        state=query.state_at(now),
        found=query.person is not None if query.state is QueryState.ANSWERED else None,
        asked_at=query.asked_at,
        answered_at=query.answered_at,
        limit_s=query.limit_s,
        used_s=query.used_s(now),
        clause=query.clause,
        why=Words(kk=why.kk, ru=why.ru),
        problem=None if query.problem is None else dict(query.problem),
    )


def scan_view(scan: Attachment) -> ScanView:
    return ScanView(**scan.as_data())
