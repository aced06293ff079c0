"""What the HTTP API takes and gives; strict, and closed to unknown fields.

Budget: every shape of the API is looked up in this one place.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from egovkit.verdict import SignatureVerdict
from egovlaw.limits import LimitUsed
from provider_arm.domain.cases import Answer, CaseState, CheckOutcome, OfficeKind, Role, StepKind, TaskState


def plain(value: str) -> str:
    """Any letters of any language, tabs and line breaks; no NUL and its kin, which neither store nor show."""
    if any((char < " " and char not in "\n\r\t") or "\ud800" <= char <= "\udfff" for char in value):
        raise ValueError("control characters are not text")
    return value


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty")
    return plain(value)


Iin = Annotated[str, Field(pattern=r"^\d{12}$")]
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_text)]
Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,119}$")]
Password = Annotated[str, Field(min_length=10, max_length=256)]
Prose = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(_text)]
# Base64 of at most 100 KB: a CMS with its chain is 3 to 6 KB; the envelope has to carry it together with the document.
Base64 = Annotated[str, Field(min_length=4, max_length=136_000, pattern=r"^[A-Za-z0-9+/\r\n]*={0,2}[\r\n]*$")]


ValueName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
# Beyond 2**53 JSON readers disagree about the number.
Value = (
    bool | Annotated[int, Field(ge=-(2**53), le=2**53)] | Annotated[str, Field(max_length=1000), AfterValidator(plain)]
)


Roles = Annotated[list[Annotated[Role, Field(strict=False)]], Field(min_length=1, max_length=len(Role))]


class Model(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Wish(Model):
    """A body of a request. JSON has no enums, so those fields are lax within a strict model."""


class StaffNew(Wish):
    iin: Iin
    name: Name
    password: Password
    roles: Roles
    region: Slug
    provider: Code | None = None
    office: Name
    office_kind: Annotated[OfficeKind, Field(strict=False)] = OfficeKind.PROVIDER


class StaffChange(Wish):
    """Only what is named changes; a new password or an end of activity closes every open session."""

    password: Password | None = None
    roles: Roles | None = None
    office: Name | None = None
    active: bool | None = None


class StaffView(Model):
    id: str
    iin: str  # masked
    name: str
    roles: list[Role]
    region: str
    provider: str | None
    office: str
    office_kind: OfficeKind
    active: bool
    created_at: datetime


class StaffPage(Model):
    items: list[StaffView]
    next: str | None


class SessionNew(Wish):
    iin: Iin
    password: Annotated[str, Field(min_length=1, max_length=256)]
    regulation: Code | None = None  # the service whose desk asks for the login


class SessionView(Model):
    token: str
    expires_at: datetime
    staff: StaffView


class PersonRef(Model):
    id: str
    name: str


class LimitView(Model):
    """The act's term of the step this task leads to, and how much of it is used. `term`: where it is not in seconds."""

    limit_s: int | None
    term: str | None
    used_s: float
    clause: str
    due_at: datetime
    overdue: bool


class TaskView(Model):
    id: str
    kind: StepKind
    state: TaskState
    case: str
    number: str
    regulation: str
    title_ru: str
    title_kk: str
    channel: str
    verified: bool
    applicant_iin: str  # always masked in lists
    case_state: CaseState
    version: int
    created_at: datetime
    taken_at: datetime | None
    assignee: PersonRef | None
    limit: LimitView | None
    internal: InternalView | None = None


class TaskPage(Model):
    items: list[TaskView]
    next: str | None


class InternalView(Model):
    """A step of the act's internal procedure, verbatim."""

    branch: str
    n: int
    task: str
    role: str
    office: str
    clause: str
    action_ru: str


class DoneWish(Wish):
    """What finishing a step of the internal procedure leaves; which of it is needed follows from the step's task."""

    executor: Annotated[str, Field(max_length=36)] | None = None
    outcome: Annotated[Answer | None, Field(strict=False)] = None
    variant: Annotated[str | None, Field(pattern=r"^[a-z_]{1,40}$")] = None
    text_ru: Prose | None = None
    text_kk: Prose | None = None
    values: Annotated[dict[ValueName, Value], Field(max_length=100)] = {}
    agreed: bool = True
    note: Annotated[str, Field(max_length=1000), AfterValidator(plain)] = ""


class ProcedureStep(Model):
    step: InternalView
    state: TaskState | None  # null: not reached yet
    assignee: PersonRef | None
    opened_at: datetime | None
    done_at: datetime | None
    due_at: datetime | None
    term: str | None
    overdue: bool


class ProcedureView(Model):
    """The internal procedure of a case: every step it takes, in the act's order, and what was drafted so far."""

    lodged: str
    executor: PersonRef | None
    outcome: Answer
    text_ru: str
    text_kk: str
    values: dict[str, Any]
    conclusion: str | None
    steps: list[ProcedureStep]


class ReleaseWish(Wish):
    reason: Annotated[str, Field(max_length=500)] = ""


class CaseLine(Model):
    id: str
    number: str
    regulation: str
    title_ru: str
    title_kk: str
    channel: str
    region: str
    provider: str
    state: CaseState
    verified: bool
    version: int
    applicant_iin: str  # always masked in lists
    registered_at: datetime
    changed_at: datetime


class CasePage(Model):
    items: list[CaseLine]
    next: str | None


class Applicant(Model):
    iin: str
    masked: bool


class AttachmentRef(Model):
    name: str
    type: str
    size: int
    sha256: str
    href: str


class Reason(Model):
    code: Annotated[str, Field(pattern=r"^[a-z_.]{1,60}$")]
    text: Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_text)]


class OutgoingDocument(Model):
    kind: Literal["refusal", "result"]
    document: str  # base64 of the exact bytes sent
    signature: str | None  # base64 CMS; a refusal has none
    judged: SignatureVerdict | None  # what was found about it when it was judged


class CaseTask(Model):
    id: str
    kind: StepKind
    state: TaskState
    assignee: PersonRef | None
    created_at: datetime
    taken_at: datetime | None
    done_at: datetime | None


class HandOverView(Model):
    """The centre's record that it gave the result to the consumer; `reasons` why it is not believed."""

    at: datetime
    capacity: str
    iin: str
    status_version: int
    verified: bool
    reasons: list[Reason]
    document: str  # base64 of the exact bytes the operator signed
    signature: str
    judged: SignatureVerdict | None  # what was found about it when it came


class CoSignerView(Model):
    """Somebody whom the application names beside its applicant; `reasons` why his signature is not believed."""

    role: str
    label_ru: str  # the act's words for his signature
    label_kk: str
    iin: str
    verified: bool
    reasons: list[Reason]
    signature: str | None  # base64 CMS over the applicant's document; null: it did not come
    judged: SignatureVerdict | None


class ExtensionView(Model):
    at: datetime
    until: datetime
    reason_ru: str
    reason_kk: str


class PauseView(Model):
    since: datetime
    until: datetime | None
    reason_ru: str
    reason_kk: str


class TermView(Model):
    """The case's own term. `computed`: the sum of the act's steps, which is no legal term (D2)."""

    started_at: datetime
    duration: str
    source: Literal["act", "computed"]
    clause: str
    due_at: datetime
    latest: datetime  # it may be extended to
    paused_since: datetime | None
    ended_at: datetime | None
    overdue: bool
    escalated_at: datetime | None
    extensions: list[ExtensionView]
    pauses: list[PauseView]


class CaseView(CaseLine):
    applicant: Applicant
    form: dict[str, Any] | None  # null where the reader's role does not need it
    document: str | None  # base64 of the exact bytes the applicant signed
    signature: str | None
    judged: SignatureVerdict | None  # what was found about it when it was judged
    co_signers: list[CoSignerView]
    attachments: list[AttachmentRef]
    reasons: list[Reason]  # why not verified
    regulation_version: int
    source: str
    submitted_at: datetime
    received_at: datetime
    changed_by: PersonRef | None
    tasks: list[CaseTask]
    answer: OutgoingDocument | None
    handed_over: HandOverView | None
    term: TermView | None  # null: only the Standard has one (A4), or it has not begun
    limits: list[LimitUsed]  # the acts' limits, as far as their use was seen or told


class CheckWish(Wish):
    outcome: Annotated[CheckOutcome, Field(strict=False)]
    # Letter and message both carry them, and the message has to fit one envelope.
    reasons: Annotated[list[Reason], Field(max_length=20)] = []


Because = Annotated[str, Field(max_length=4000), AfterValidator(plain)]


class ExtendWish(Wish):
    """Either a moment or a number of working days; the reason in both languages goes to the applicant."""

    until: Annotated[AwareDatetime, Field(strict=False, lt=datetime(2200, 1, 1, tzinfo=UTC))] | None = None
    working_days: Annotated[int, Field(ge=1, le=100)] | None = None
    reason_ru: Because = ""
    reason_kk: Because = ""

    @model_validator(mode="after")
    def one_end(self) -> Self:
        if (self.until is None) == (self.working_days is None):
            raise ValueError("says either until or working_days")
        return self


class PauseWish(Wish):
    reason_ru: Prose
    reason_kk: Prose


class ResumeWish(Wish):
    """Nothing needs to be said."""


class CaseStanding(Model):
    """Where the case stands after an action; `version` is the ETag of the next one."""

    case: str
    number: str
    state: CaseState
    version: int


class TaskStanding(CaseStanding):
    task: str
    task_state: TaskState


class PrepareWish(Wish):
    certificate: Annotated[str, Field(min_length=64, max_length=16_000)]  # PEM, or base64 of DER
    text_ru: Prose
    text_kk: Prose
    values: Annotated[dict[ValueName, Value], Field(max_length=100)] = {}
    outcome: Annotated[Answer | None, Field(strict=False)] = None  # absent: as it was decided
    variant: Annotated[str | None, Field(pattern=r"^[a-z_]{1,40}$")] = None  # of the act's form, where it has several


class OpinionWish(Wish):
    """A commission's opinion on a case."""

    positive: bool
    text_ru: Prose
    text_kk: Prose


class CertificateView(Model):
    thumbprint: str
    subject: str
    not_before: datetime
    not_after: datetime


class PreparedView(CaseStanding):
    document: str  # base64: sign exactly these bytes
    sha256: str
    certificate: CertificateView


class ResultWish(Wish):
    signature: Base64


class HistoryItem(Model):
    at: datetime
    kind: str
    step: str | None
    clause: str | None
    state_before: str | None
    state_after: str | None
    outcome: str | None
    limit_s: float | None
    used_s: float | None
    by: PersonRef | None
    writer: str
    position: int
    hash: str


class History(Model):
    items: list[HistoryItem]


class ReadView(Model):
    id: str
    at: datetime
    who: PersonRef
    case: str
    what: str
    why: str


class ReadPage(Model):
    items: list[ReadView]
    next: str | None


class LateView(Model):
    """A term that passed unheeded, of a case or of one of its steps; `open`: the work is not done yet."""

    id: str
    at: datetime
    case: str
    number: str
    regulation: str
    title_ru: str
    title_kk: str
    case_state: CaseState
    task: str | None
    kind: str | None
    assignee: PersonRef | None
    clause: str
    term: str
    due_at: datetime
    open: bool


class LatePage(Model):
    items: list[LateView]
    next: str | None


class IncidentView(Model):
    id: str
    at: datetime
    case: str
    envelope: str
    type: str
    code: str
    side: str | None
    hop: str | None
    clause: str | None
    title: str
    detail: str
    remedy: str


class IncidentPage(Model):
    items: list[IncidentView]
    next: str | None
