"""Rules of every register: when a question is too old, what a fault bends, what an answer says. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

# Kazakhstan keeps one time since 2024-03-01; "now" of a register is the day on its officials' wall.
KAZAKHSTAN = timezone(timedelta(hours=5))
GRACE = timedelta(seconds=2)  # clocks of two systems differ; NTP keeps them within one second each
MOST_FOUND = 20  # items of one answer, as its schema has it

PROCESSED = {"code": "00000", "name_ru": "Сообщение успешно обработано", "name_kk": "Хабарлама сәтті өңделді"}
# Ours: what the real register says then is not public.
TOO_MANY = {
    "code": "00001",
    "name_ru": f"Найдено больше {MOST_FOUND} записей, показаны первые; уточните запрос",
    "name_kk": f"{MOST_FOUND} жазбадан көп табылды, алғашқылары көрсетілді; сұрау салуды нақтылаңыз",
}


class FaultKind(StrEnum):
    NO_DATA = "no_data"  # nothing is found
    SILENT = "silent"  # taken and never answered
    LATE = "late"  # the answer leaves so many seconds later
    GARBAGE = "garbage"  # data that break their schema
    WRONG_PERSON = "wrong_person"  # somebody else's record
    WRONG_SIGNATURE = "wrong_signature"  # a signature over other bytes
    TWICE = "twice"  # the same answer again, in another envelope
    DOWN = "down"  # nothing is taken: questions wait in the queue


# The same faults by the names every service of a sandbox knows them by (contracts/faults.yaml). A wrong signature is
# one of the bus there, bad-signature.
BY_NAME: Mapping[str, FaultKind] = {
    "no-data": FaultKind.NO_DATA,
    "no-answer": FaultKind.SILENT,
    "late-answer": FaultKind.LATE,
    "garbage": FaultKind.GARBAGE,
    "wrong-person": FaultKind.WRONG_PERSON,
    "answer-twice": FaultKind.TWICE,
    "register-down": FaultKind.DOWN,
}


class Outcome(StrEnum):
    ANSWERED = "answered"
    REFUSED = "refused"  # its result tells the asker why
    EXPIRED = "expired"  # its asker had stopped waiting: nothing was looked up
    BENT = "bent"  # by the fault beside it
    SHOWN = "shown"  # to an administrator of the register, not by the bus


@dataclass(frozen=True, slots=True)
class Fault:
    """`left`: how many questions it still bends, None = until it is deleted. `iin`: only questions about him."""

    kind: FaultKind
    seconds: float | None
    left: int | None
    iin: str | None
    set_at: datetime

    def bends(self, iins: Collection[str]) -> bool:
        return self.iin is None or self.iin in iins


@dataclass(frozen=True, slots=True)
class Found:
    """Items as the answer carries them, and whose data they are. `more`: what else the answer says of itself;
    `result`: where the register could not work on the question."""

    items: Sequence[Mapping[str, Any]]
    iins: frozenset[str]
    more: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, str] | None = None


def is_expired(expires: datetime | None, received: datetime) -> bool:
    """Whether nobody waits for the answer any more."""
    return expires is not None and received > expires + GRACE


def today(moment: datetime) -> date:
    return moment.astimezone(KAZAKHSTAN).date()


def criterion_kind(criterion: Mapping[str, Any]) -> str:
    """How was asked, without what was asked: `iin`, `birth_date+name+surname`."""
    return "+".join(sorted(criterion))


def asked_about(criterion: Mapping[str, Any]) -> str | None:
    """The person a criterion names by number, if it does."""
    return next((str(value) for name, value in criterion.items() if name.endswith("iin")), None)


def answer_data(field: str, found: Found, as_of: str | None, now: datetime) -> dict[str, Any]:
    """What an answer says. Nothing found is no mistake: an empty list."""
    result = found.result or (PROCESSED if len(found.items) <= MOST_FOUND else TOO_MANY)
    items = [dict(item) for item in found.items[:MOST_FOUND]]
    data = {"result": dict(result), "answered_at": stamp(now), field: items, **found.more}
    return data if as_of is None else {**data, "as_of": as_of}


def garbled(data: Mapping[str, Any], field: str) -> dict[str, Any]:
    """The same answer as a broken adapter would send it: the list as text, the result's code as a number."""
    return {**data, "result": 0, field: f"<{field}>"}


def stamp(moment: datetime) -> str:
    """RFC 3339 with milliseconds and Z, as in envelopes."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
