"""A case of the provider's own channel before it has a number: an official fills it in for a consumer at his desk.

From registration on it is a case like any other (`domain.cases`), under the same id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from egovlaw.limits import GRACE_S
from provider_arm.domain.cases import Role, Staff, StatusText

GRACE: Final = timedelta(seconds=GRACE_S)
WORKS_AT_DESK: Final = frozenset({Role.EXECUTOR, Role.HEAD})
SEES_ALL_DRAFTS: Final = frozenset({Role.HEAD})


class OwnState(StrEnum):
    RECEIVED = "received"  # the consumer is at the desk; his papers are looked at
    OPENED = "opened"  # the service is chosen
    CONSUMER_ENTERED = "consumer_entered"  # whose case it is; the register may be asked, or the form filled in
    DATA_REQUESTED = "data_requested"  # the register was asked, and has not answered in time with anything usable
    DATA_CHECKED = "data_checked"  # the register knows the consumer: form, marks and scans
    PREPARED = "prepared"  # the bytes to sign are fixed
    REGISTERED = "registered"  # has its number; `cases` goes on
    NO_DATA = "no_data"  # ended: the register does not know the consumer; no number, no document (A9)
    SIGNATURE_REFUSED = "signature_refused"  # ended: signed first, and the ЭЦП was not confirmed afterwards (A1)
    ABANDONED = "abandoned"  # ended: nobody will send it


class OwnEvent(StrEnum):
    PAPERS_CHECKED = "papers_checked"
    CONSUMER_ENTERED = "consumer_entered"
    ASKED = "asked"
    DATA_FOUND = "data_found"
    DATA_ABSENT = "data_absent"
    EDITED = "edited"
    PREPARED = "prepared"
    REGISTERED = "registered"
    CERTIFICATE_REFUSED = "certificate_refused"
    ABANDONED = "abandoned"


Table = Mapping[tuple[OwnState, OwnEvent], OwnState]

_S, _E = OwnState, OwnEvent
_LIVE: Final = (_S.OPENED, _S.CONSUMER_ENTERED, _S.DATA_REQUESTED, _S.DATA_CHECKED, _S.PREPARED)

# What every flow has.
_ALWAYS: Final[Table] = MappingProxyType(
    {
        # A mistyped ИИН is corrected at any time: what was found out about the other person counts no more.
        **{(state, _E.CONSUMER_ENTERED): _S.CONSUMER_ENTERED for state in _LIVE},
        (_S.PREPARED, _E.PREPARED): _S.PREPARED,
        (_S.PREPARED, _E.REGISTERED): _S.REGISTERED,
        **{(state, _E.ABANDONED): _S.ABANDONED for state in _LIVE},
    }
)

# What a step of this kind adds.
_WITH: Final[Mapping[str, Table]] = MappingProxyType(
    {
        "visit": {
            (_S.RECEIVED, _E.PAPERS_CHECKED): _S.OPENED,
            (_S.RECEIVED, _E.ABANDONED): _S.ABANDONED,
        },
        "query_registers": {
            (_S.CONSUMER_ENTERED, _E.ASKED): _S.DATA_REQUESTED,
            (_S.DATA_REQUESTED, _E.ASKED): _S.DATA_REQUESTED,  # E1: repeatable
            (_S.DATA_REQUESTED, _E.DATA_FOUND): _S.DATA_CHECKED,
            (_S.DATA_REQUESTED, _E.DATA_ABSENT): _S.NO_DATA,
        },
        "check_certificate": {(_S.PREPARED, _E.CERTIFICATE_REFUSED): _S.SIGNATURE_REFUSED},
    }
)


@lru_cache(maxsize=64)
def transitions_for(kinds: frozenset[str]) -> Table:
    """The table of a flow with steps of these kinds. The form is open once the register knows the consumer, or, where
    no register is asked, once it is known who he is; a change makes void what was prepared.
    """
    form = _S.DATA_CHECKED if "query_registers" in kinds else _S.CONSUMER_ENTERED
    rows = dict(_ALWAYS)
    for kind in sorted(kinds & set(_WITH)):
        rows |= _WITH[kind]
    rows |= {(state, _E.EDITED): form for state in (form, _S.PREPARED)}
    rows[form, _E.PREPARED] = _S.PREPARED
    return MappingProxyType(rows)


@dataclass(frozen=True, slots=True)
class OwnCase:
    """A draft without its document's bytes. `trail` is every local step so far, in the flow's order."""

    id: str
    regulation: str
    regulation_version: int
    channel: str
    region: str
    provider: str
    owner: str  # staff id
    iin: str | None
    form: Mapping[str, Any]
    papers: tuple[Mapping[str, Any], ...]
    trail: tuple[Mapping[str, Any], ...]
    state: OwnState
    version: int
    certificate: str | None  # thumbprint the prepared document names
    prepared_at: datetime | None
    number: str | None
    opened_at: datetime
    changed_at: datetime
    judged: dict[str, Any] | None = None  # of a signature that the act refuses; a registered case has its own

    def seen_by(self, person: Staff) -> bool:
        """Anybody else's draft does not exist for him, not even as forbidden."""
        if not person.sees(self.region, self.provider):
            return False
        return self.owner == person.id or bool(person.roles & SEES_ALL_DRAFTS)


# --- questions to the register ----------------------------------------------------------------------------


class QueryState(StrEnum):
    WAITING = "waiting"  # asked; the act's limit has not run out
    ANSWERED = "answered"
    LATE_ANSWER = "late_answer"  # answered after the limit: recorded, not applied (E1)
    UNUSABLE = "unusable"  # answered about somebody else, or with garbage (E1)
    REFUSED = "refused"  # a gateway did not let the question pass
    EXPIRED = "expired"  # never stored: what "waiting" is once the limit has run out


@dataclass(frozen=True, slots=True)
class Query:
    id: str  # of its envelope: what the answer's correlationid names
    case_id: str
    register: str  # participant's code
    iin: str
    state: QueryState
    asked_at: datetime
    asked_by: str
    clause: str
    limit_s: int | None  # null: the act gives the question no limit
    answered_at: datetime | None
    person: Mapping[str, Any] | None  # of an answer in time
    problem: Mapping[str, Any] | None  # a gateway's refusal

    @property
    def due_at(self) -> datetime | None:
        return None if self.limit_s is None else self.asked_at + timedelta(seconds=self.limit_s)

    def is_late(self, at: datetime) -> bool:
        return self.due_at is not None and at > self.due_at + GRACE

    def state_at(self, now: datetime) -> QueryState:
        return QueryState.EXPIRED if self.state is QueryState.WAITING and self.is_late(now) else self.state

    def pending(self, now: datetime) -> bool:
        """Its answer may still come in time."""
        return self.due_at is not None and self.state_at(now) is QueryState.WAITING

    def used_s(self, now: datetime) -> float | None:
        state = self.state_at(now)
        if state is QueryState.REFUSED:
            return None
        if state is QueryState.EXPIRED:
            return float(self.limit_s or 0)
        return round(((self.answered_at or now) - self.asked_at).total_seconds(), 3)

    def why(self, now: datetime) -> StatusText:
        """What the official reads about it."""
        state = self.state_at(now)
        if state is QueryState.ANSWERED and self.person is None:
            return NOT_FOUND
        text, problem = _WHY[state], self.problem or {}
        return StatusText(
            text.ru.format(problem=problem.get("title_ru", "")), text.kk.format(problem=problem.get("title_kk", ""))
        )


_WHY: Final[Mapping[QueryState, StatusText]] = MappingProxyType(
    {
        QueryState.WAITING: StatusText("Запрос отправлен, ожидается ответ", "Сұрау салу жіберілді, жауап күтілуде"),
        QueryState.ANSWERED: StatusText("Данные потребителя получены", "Тұтынушының деректері алынды"),
        QueryState.LATE_ANSWER: StatusText(
            "Ответ пришёл после установленного срока и не применён; запрос можно повторить",
            "Жауап белгіленген мерзімнен кейін келді және қолданылмады; сұрау салуды қайталауға болады",
        ),
        QueryState.UNUSABLE: StatusText(
            "Ответ непригоден: он о другом лице или не содержит данных; запрос можно повторить",
            "Жауап жарамсыз: ол басқа адам туралы немесе деректері жоқ; сұрау салуды қайталауға болады",
        ),
        QueryState.REFUSED: StatusText(
            "Шлюз не пропустил запрос: {problem}. Запрос можно повторить",
            "Шлюз сұрау салуды өткізбеді: {problem}. Сұрау салуды қайталауға болады",
        ),
        QueryState.EXPIRED: StatusText(
            "Ответ в установленный срок не получен; запрос можно повторить",
            "Жауап белгіленген мерзімде келмеді; сұрау салуды қайталауға болады",
        ),
    }
)

# What the act has the official told when the register does not know the consumer (cl. 7 5) of act 427).
NOT_FOUND: Final = StatusText(
    "Невозможно получить данные: данные потребителя в ГБД ФЛ отсутствуют",
    "Деректерді алу мүмкін емес: ЖТ МДБ-да тұтынушының деректері жоқ",
)

# And when its signature was not confirmed (cl. 6 8) of act 516).
SIGNATURE_NOT_CONFIRMED: Final = StatusText(
    "В запрашиваемой услуге отказано: подлинность ЭЦП сотрудника не подтверждена",
    "Сұратылған қызметтен бас тартылды: қызметкердің ЭЦҚ түпнұсқалығы расталмады",
)
