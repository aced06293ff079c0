"""Rules of the akimats' registers: an entry, its status on a day, places in queues. Pure.

The form is ours, as no act describes the registers it names (DIVERGENCES.md). A status is never stored: it follows from
the dates, from how the entry ended, and from the day that is asked about; a position follows from who stands before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Final, NamedTuple

from egovkit.errors import FieldError
from egovlaw.identifiers import iin_birth_date, iin_problem

SYNTHETIC_YEAR = 2099  # birth year in every ИИН of the reserved range


class Register(StrEnum):
    GUARDIANSHIP = "guardianship"  # a guardian and his ward
    UNEMPLOYED = "unemployed"
    SOCIAL_ASSISTANCE = "social_assistance"  # who receives it
    KINDERGARTEN_QUEUE = "kindergarten_queue"  # children
    HOUSING_QUEUE = "housing_queue"


QUEUES: Final = frozenset({Register.KINDERGARTEN_QUEUE, Register.HOUSING_QUEUE})


class Operation(StrEnum):
    FIND = "find"
    ENQUEUE = "enqueue"
    POSITION = "position"


class Leaving(StrEnum):
    """How an entry ended."""

    ENDED = "ended"  # in a register that is no queue
    SERVED = "served"  # got what he stood for
    REMOVED = "removed"  # left the queue without it


STANDING, ACTIVE = "standing", "active"
STATUS_NAMES: Mapping[str, tuple[str, str]] = {
    STANDING: ("Состоит в очереди", "Кезекте тұр"),
    ACTIVE: ("Состоит на учёте", "Есепте тұр"),
    Leaving.ENDED: ("Снят с учёта", "Есептен шығарылды"),
    Leaving.SERVED: ("Обеспечен", "Қамтамасыз етілді"),
    Leaving.REMOVED: ("Исключён из очереди", "Кезектен шығарылды"),
}

# Each category of a queue is a list of its own. Ours: the acts print a category and list none.
GENERAL: Final = "general"
CATEGORIES: Mapping[str, tuple[str, str]] = {
    GENERAL: ("Общая очередь", "Жалпы кезек"),
    "large_family": ("Многодетная семья", "Көпбалалы отбасы"),
    "disabled": ("Лица с инвалидностью", "Мүгедектігі бар адамдар"),
    "orphan": ("Дети-сироты", "Жетім балалар"),
    "state_employee": ("Работники бюджетных организаций", "Бюджеттік ұйымдардың қызметкерлері"),
}

NO_CATEGORY: Mapping[str, str] = {
    "code": "00002",
    "name_ru": "Такой категории очереди нет",
    "name_kk": "Кезектің мұндай санаты жоқ",
}

PROVIDER_KIND: Final = "provider"  # of participant
PROVIDER_ONLY: Mapping[str, str] = {
    "code": "00003",
    "name_ru": "Эта операция доступна только услугодателю",
    "name_kk": "Бұл операция көрсетілетін қызметті берушіге ғана қолжетімді",
}


class Book(NamedTuple):
    """One register of one region: it has its own numbers and knows nothing of another one's."""

    register: Register
    region: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be entered. `case_id`: whose application asks for it, None where an administrator does."""

    register: Register
    region: str
    person_iin: str
    since: date
    category: str | None = None
    family_size: int | None = None
    related_iin: str | None = None
    case_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def book(self) -> Book:
        return Book(self.register, self.region)


@dataclass(frozen=True, slots=True)
class Entry:
    """`number`: of its register in its region, given once. `first_position`: queues, of the day it was given."""

    wish: Wish
    number: int
    first_position: int | None = None
    until: date | None = None
    leaving: Leaving | None = None

    @property
    def id(self) -> str:
        return f"{self.wish.register.value}/{self.wish.region}/{self.number}"

    @property
    def is_queue(self) -> bool:
        return self.wish.register in QUEUES

    @property
    def iins(self) -> frozenset[str]:
        return frozenset(iin for iin in (self.wish.person_iin, self.wish.related_iin) if iin)

    def stands(self, day: date) -> bool:
        return self.wish.since <= day and (self.until is None or self.until > day)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stands in its list; `direction`: a place is free for it."""

    position: int
    direction: bool


def status_on(entry: Entry, day: date) -> str:
    if entry.stands(day) or entry.leaving is None:
        return STANDING if entry.is_queue else ACTIVE
    return entry.leaving.value


def as_answer(entry: Entry, day: date, place: Place | None, asked: str | None = None) -> dict[str, Any]:
    """As answers carry it (contracts/messages/answer.register.schema.json), in its state of that day. `asked`: of two
    people of an entry the one who is asked about is its person."""
    wish = entry.wish
    person, related = wish.person_iin, wish.related_iin
    if asked is not None and asked == related:
        person, related = related, person
    found: dict[str, Any] = {
        "id": entry.id,
        "person_iin": person,
        "status": _named(status_on(entry, day), STATUS_NAMES),
        "since": wish.since.isoformat(),
    }
    if entry.until is not None and not entry.stands(day):
        found["until"] = entry.until.isoformat()
    if wish.category is not None:
        found["category"] = _named(wish.category, CATEGORIES)
    if entry.is_queue:
        found["number"] = entry.number
    more = {"family_size": wish.family_size, "related_iin": related, "details": dict(wish.details) or None}
    found |= {name: value for name, value in more.items() if value is not None}
    if place is not None:
        found |= {"position": place.position, "direction": place.direction}
    return found


def wish_problems(wish: Wish, today: date) -> list[FieldError]:
    """Every mistake by its field."""
    found = []
    for name in ("person_iin", "related_iin"):
        iin = getattr(wish, name)
        if iin is None:
            continue
        if iin_problem(iin) is not None:
            found.append(FieldError(name, "iin_invalid", "not an ИИН"))
        elif iin_birth_date(iin).year != SYNTHETIC_YEAR:
            found.append(FieldError(name, "not_synthetic", "nobody who may exist stands here"))
    if wish.related_iin is not None and wish.register is not Register.GUARDIANSHIP:
        found.append(FieldError("related_iin", "not_allowed", "belongs to guardianship"))
    if wish.category is not None and (wish.register not in QUEUES or wish.category not in CATEGORIES):
        found.append(FieldError("category", "not_allowed", "no category of this register"))
    if wish.since > today:
        found.append(FieldError("since", "out_of_range", "in the future", {"limit": today.isoformat()}))
    return found


def leaving_problem(entry: Entry, day: date, today: date) -> FieldError | None:
    if day < entry.wish.since:
        return FieldError("date", "out_of_range", "before it began", {"limit": entry.wish.since.isoformat()})
    return FieldError("date", "out_of_range", "in the future", {"limit": today.isoformat()}) if day > today else None


def _named(code: str, names: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    name_ru, name_kk = names[code]
    return {"code": str(code), "name_ru": name_ru, "name_kk": name_kk}
