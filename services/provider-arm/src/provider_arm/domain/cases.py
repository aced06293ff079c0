"""Rules of the provider's workstation: states, who may do what, numbers, what a document must agree with.

Pure: facts in, decisions out. No clock, no I/O; no regulation, term or place by name: those are the catalogue's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

# --- the case ---------------------------------------------------------------------------------------------


class CaseState(StrEnum):
    REGISTERED = "registered"  # has a number; nobody has opened it yet
    UNDER_CONSIDERATION = "under_consideration"  # an official took it; the applicant was told
    AWAITING_RESULT = "awaiting_result"  # documents are in order; the result waits for its signature
    REFUSED = "refused"  # ended with a reasoned refusal
    COMPLETED = "completed"  # ended with a signed result
    HANDED_OVER = "handed_over"  # completed, and the counter it came from gave the result to the consumer


class CaseEvent(StrEnum):
    TAKEN = "taken"  # an official took the document check
    DOCUMENTS_IN_ORDER = "documents_in_order"
    DOCUMENTS_IN_VIOLATION = "documents_in_violation"
    ANSWER_IS_NEGATIVE = "answer_is_negative"  # where the act lets the negative answer be a signed result
    RESULT_ISSUED = "result_issued"
    RESULT_HANDED_OVER = "result_handed_over"


TRANSITIONS: Final[Mapping[tuple[CaseState, CaseEvent], CaseState]] = MappingProxyType(
    {
        (CaseState.REGISTERED, CaseEvent.TAKEN): CaseState.UNDER_CONSIDERATION,
        # Given back and taken again, by the same or another official: the applicant was told once already.
        (CaseState.UNDER_CONSIDERATION, CaseEvent.TAKEN): CaseState.UNDER_CONSIDERATION,
        (CaseState.UNDER_CONSIDERATION, CaseEvent.DOCUMENTS_IN_ORDER): CaseState.AWAITING_RESULT,
        (CaseState.UNDER_CONSIDERATION, CaseEvent.DOCUMENTS_IN_VIOLATION): CaseState.REFUSED,
        (CaseState.UNDER_CONSIDERATION, CaseEvent.ANSWER_IS_NEGATIVE): CaseState.AWAITING_RESULT,
        (CaseState.AWAITING_RESULT, CaseEvent.RESULT_ISSUED): CaseState.COMPLETED,
        (CaseState.COMPLETED, CaseEvent.RESULT_HANDED_OVER): CaseState.HANDED_OVER,
        # D17: the Corporation hands the reasoned refusal over too.
        (CaseState.REFUSED, CaseEvent.RESULT_HANDED_OVER): CaseState.HANDED_OVER,
    }
)

# No official decides on it any more.
ENDED: Final = frozenset({CaseState.REFUSED, CaseState.COMPLETED, CaseState.HANDED_OVER})


@dataclass(frozen=True, slots=True)
class StatusText:
    """What the applicant reads when a case reaches a state."""

    ru: str
    kk: str


STATUS_TEXTS: Final[Mapping[CaseState, StatusText]] = MappingProxyType(
    {
        CaseState.REGISTERED: StatusText("Заявление зарегистрировано", "Өтініш тіркелді"),
        CaseState.UNDER_CONSIDERATION: StatusText("Заявление на рассмотрении", "Өтініш қаралуда"),
        CaseState.AWAITING_RESULT: StatusText(
            "Документы проверены, готовится результат", "Құжаттар тексерілді, нәтиже дайындалуда"
        ),
        CaseState.REFUSED: StatusText("В оказании услуги отказано", "Қызмет көрсетуден бас тартылды"),
        CaseState.COMPLETED: StatusText("Услуга оказана", "Қызмет көрсетілді"),
        CaseState.HANDED_OVER: StatusText("Результат выдан", "Нәтиже берілді"),
    }
)

OVERDUE: Final = "overdue"  # the status that tells of a term that passed; the case stands where it stood
OVERDUE_TEXT: Final = StatusText(
    "Срок, установленный регламентом ({clause}), истёк; рассмотрение продолжается, руководитель уведомлён",
    "Регламентте белгіленген мерзім ({clause}) өтті; қарау жалғасуда, басшыға хабарланды",
)


# --- people -----------------------------------------------------------------------------------------------


class Role(StrEnum):
    CLERK = "clerk"  # делопроизводитель: sees what came in and hands it out
    EXECUTOR = "executor"  # ответственный исполнитель: checks documents, decides
    HEAD = "head"  # руководитель: sees delays, incidents and who read what; takes work back
    AUTHORISED = "authorised"  # уполномоченное лицо: signs the result with his own ЭЦП
    DIVISION_HEAD = "division_head"  # руководитель отдела: names the executor, agrees to drafts
    COMMISSION = "commission"  # член комиссии: gives its opinion, decides nothing


class StepKind(StrEnum):
    """Step kinds of the catalogue that are this workstation's work; the values are the catalogue's names."""

    REGISTER = "register"
    CHECK_DOCUMENTS = "check_documents"
    REFUSE_DOCUMENTS = "refuse_documents"
    ISSUE_RESULT = "issue_result"
    INTERNAL = "internal"  # a step of the act's internal procedure, which names role and desk itself


# Registration is done by the system itself (the acts' actor is "АРМ РШЭП"), so no role may do it by hand.
ROLES_OF_STEP: Final[Mapping[StepKind, frozenset[Role]]] = MappingProxyType(
    {
        StepKind.REGISTER: frozenset(),
        StepKind.CHECK_DOCUMENTS: frozenset({Role.EXECUTOR, Role.HEAD}),
        StepKind.REFUSE_DOCUMENTS: frozenset({Role.EXECUTOR, Role.HEAD}),
        StepKind.ISSUE_RESULT: frozenset({Role.AUTHORISED}),
        StepKind.INTERNAL: frozenset(),
    }
)

# A clerk sorts the post: who applied is not needed for that.
SEES_APPLICANT: Final = frozenset({Role.EXECUTOR, Role.HEAD, Role.DIVISION_HEAD, Role.AUTHORISED, Role.COMMISSION})
SEES_OVERSIGHT: Final = frozenset({Role.HEAD})  # delays, incidents, the log of reads
RULES_TERMS: Final = frozenset({Role.HEAD})  # extends, pauses and resumes
RELEASES_FOR_OTHERS: Final = frozenset({Role.HEAD})


class OfficeKind(StrEnum):
    """E8: the rural akim's desk and the Employment Centre are offices of the same workstation."""

    PROVIDER = "provider"
    AKIM = "akim"
    EMPLOYMENT_CENTRE = "employment_centre"


@dataclass(frozen=True, slots=True)
class Staff:
    """An official of one office. `provider` None: works for every provider of the region."""

    id: str
    iin: str
    name: str
    roles: frozenset[Role]
    region: str
    provider: str | None
    office: str
    office_kind: OfficeKind
    active: bool
    created_at: datetime

    def sees(self, region: str, provider: str) -> bool:
        """Work of another region, or of another provider, does not exist for him, not even as forbidden."""
        return self.region == region and self.provider in (None, provider)


def may_do(roles: frozenset[Role], step: StepKind) -> bool:
    return bool(roles & ROLES_OF_STEP[step])


def roles_able(step: StepKind) -> tuple[str, ...]:
    return tuple(sorted(ROLES_OF_STEP[step]))


# --- tasks ------------------------------------------------------------------------------------------------


class TaskState(StrEnum):
    OPEN = "open"  # waits for somebody
    TAKEN = "taken"  # somebody works on it
    DONE = "done"  # its step happened


@dataclass(frozen=True, slots=True)
class Case:
    """A case without its documents' bytes (lists never need them)."""

    id: str
    provider: str
    number: str
    regulation: str
    regulation_version: int
    channel: str
    region: str
    source: str
    envelope_id: str  # the submission
    applicant_iin: str
    attachments: tuple[Mapping[str, Any], ...]
    verified: bool
    reasons: tuple[str, ...]
    state: CaseState
    version: int
    trail: tuple[Mapping[str, Any], ...]
    submitted_at: datetime
    received_at: datetime
    registered_at: datetime
    changed_at: datetime
    changed_by: str | None
    decision: Decision | None = None  # once it is made; a refusal that ends the flow needs none


@dataclass(frozen=True, slots=True)
class Task:
    id: str
    case_id: str
    kind: StepKind
    state: TaskState
    assignee: str | None
    created_at: datetime
    taken_at: datetime | None
    done_at: datetime | None
    due_at: datetime | None
    limit_s: int | None
    limit_clause: str | None
    step: str | None = None  # of the internal procedure, as `branch/n`, or `branch/n#2` when it was sent back
    term: str | None = None  # its limit in the act's own unit, where that is not seconds


class CheckOutcome(StrEnum):
    OK = "ok"
    VIOLATIONS = "violations"


class Answer(StrEnum):
    """Which way the provider decided; both may be a result, where the act says so."""

    POSITIVE = "positive"
    NEGATIVE = "negative"


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided before the result is made, and why where it is negative."""

    answer: Answer
    reasons: tuple[Mapping[str, str], ...] = ()

    def as_data(self) -> dict[str, Any]:
        return {"answer": self.answer.value, "reasons": [dict(one) for one in self.reasons]}

    @staticmethod
    def of(data: Mapping[str, Any] | None) -> Decision | None:
        return None if data is None else Decision(Answer(data["answer"]), tuple(data["reasons"]))


# --- numbers and masks ------------------------------------------------------------------------------------

NUMBER_DIGITS: Final = 11  # as the forms print it: "уникальный номер" of eleven digits


def human_number(year: int, sequence: int) -> str:
    """Two digits of the year, then the provider's own running number, which never starts again: a number is
    unique by provider whatever the year, and says at a glance when it was given."""
    width = NUMBER_DIGITS - 2
    if not 1 <= sequence < 10**width:
        raise ValueError(f"sequence {sequence} does not fit {width} digits")
    return f"{year % 100:02d}{sequence:0{width}d}"


def masked_iin(iin: str) -> str:
    """First four digits and the last two: enough to tell two rows apart, not enough to name a person."""
    return f"{iin[:4]}******{iin[-2:]}"


# --- the application, checked again -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Submission:
    """What the envelope says, against which the signed document is held."""

    case: str
    regulation: str
    provider: str
    region: str
    channel: str
    iin: str
    attachments: tuple[tuple[str, str, int, str], ...]  # name, type, size, sha256


@dataclass(frozen=True, slots=True)
class Application:
    """The signed document, read: only what the workstation relies on."""

    body: Mapping[str, Any]

    @property
    def form(self) -> Mapping[str, Any]:
        form = self.body.get("form")
        return form if isinstance(form, dict) else {}

    @property
    def version(self) -> int | None:
        version = self.body.get("version")
        return version if isinstance(version, int) and not isinstance(version, bool) else None

    @property
    def certificate(self) -> str | None:
        value = self.body.get("certificate")
        return value if isinstance(value, str) else None


def read_application(document: bytes) -> Application | None:
    """The document as JSON; None when it is not one JSON object in UTF-8 without repeated names."""
    try:
        body = json.loads(document.decode("utf-8"), object_pairs_hook=_no_repeats)
    except (UnicodeDecodeError, ValueError, RecursionError):
        return None
    return Application(body) if isinstance(body, dict) else None


def _no_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    # Two values under one name: two readers may see two different documents under one signature.
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("repeated name")
    return result


def disagreements(application: Application | None, said: Submission) -> list[str]:
    """Every point where the signed document and the envelope tell different stories, as reason codes."""
    if application is None:
        return ["document.malformed"]
    body = application.body
    checks = (
        ("document.other_kind", body.get("kind") == "application"),
        ("document.other_case", body.get("case") == said.case),
        ("document.other_regulation", body.get("regulation") == said.regulation),
        ("document.other_provider", body.get("provider") == said.provider),
        ("document.other_region", body.get("region") == said.region),
        ("document.other_channel", body.get("channel") == said.channel),
        ("document.other_applicant", _iin_of(body) == said.iin),
        ("document.other_attachments", _attachments_of(body) == sorted(said.attachments)),
        ("document.no_version", application.version is not None),
        ("document.no_form", isinstance(body.get("form"), dict)),
    )
    return [code for code, holds in checks if not holds]


def _iin_of(body: Mapping[str, Any]) -> object:
    applicant = body.get("applicant")
    return applicant.get("iin") if isinstance(applicant, dict) else None


def _attachments_of(body: Mapping[str, Any]) -> list[tuple[str, str, int, str]] | None:
    listed = body.get("attachments")
    if not isinstance(listed, list):
        return None
    try:
        return sorted((a["name"], a["type"], a["size"], a["sha256"]) for a in listed)
    except (TypeError, KeyError):
        return None


# The official's words for each reason, printed in the refusal; signature.*, stamp.* and certificate.* by their area.
REASON_TEXTS: Final[Mapping[str, StatusText]] = MappingProxyType(
    {
        "document": StatusText(
            "Подписанный документ не соответствует сопроводительным данным запроса",
            "Қол қойылған құжат сұратудың ілеспе деректеріне сәйкес келмейді",
        ),
        "signature": StatusText(
            "Подлинность ЭЦП под запросом не подтверждена", "Сұратудағы ЭЦҚ түпнұсқалығы расталмады"
        ),
        "signature.signer_missing": StatusText(
            "Запрос подписали не все, кто в нём назван", "Сұратуда аталғандардың бәрі қол қойған жоқ"
        ),
        "stamp": StatusText(
            "Метка времени ЭЦП под запросом не подтверждена", "Сұратудағы ЭЦҚ уақыт белгісі расталмады"
        ),
        "certificate": StatusText(
            "Регистрационное свидетельство ЭЦП под запросом недействительно", "Сұратудағы ЭЦҚ тіркеу куәлігі жарамсыз"
        ),
        "applicant": StatusText("ИИН потребителя не прошёл проверку", "Тұтынушының ЖСН тексеруден өтпеді"),
        "operator": StatusText(
            "Запрос подписан не сотрудником организации, от которой он поступил",
            "Сұратуға оны жіберген ұйымның қызметкері қол қоймаған",
        ),
    }
)


def reason_text(code: str) -> StatusText:
    return REASON_TEXTS.get(code) or REASON_TEXTS[code.split(".", 1)[0]]


# --- documents we make ------------------------------------------------------------------------------------


def document_bytes(body: Mapping[str, Any]) -> bytes:
    """One rendering for every document: UTF-8 JSON, made once; these bytes are kept, signed and sent."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
