"""Who applies and who speaks for him, as the operator enters it (Atyrau 427, cl. 8 2))."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from egovlaw.identifiers import iin_problem
from egovorigin.domain.forms import text_problem

NOTARY: Final = "notary"  # the one certification ЕНИС knows of (A8)
MAX_NAME: Final = 300
MAX_NUMBER: Final = 60  # as the contract has it: query.attorney, registry_number
MAX_NOTE: Final = 1000


@dataclass(frozen=True, slots=True)
class Attorney:
    """The power of attorney in the representative's hand; number and date only when a notary certified it."""

    certified: str
    registry_number: str | None = None
    date: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Representative:
    iin: str
    attorney: Attorney
    name: str | None = None

    def as_data(self) -> dict[str, Any]:
        attorney = {name: getattr(self.attorney, name) for name in Attorney.__slots__}
        return {"iin": self.iin, "name": self.name, "attorney": attorney}

    @staticmethod
    def of(data: dict[str, Any]) -> Representative:
        return Representative(data["iin"], Attorney(**data["attorney"]), data["name"])

    @property
    def is_notarised(self) -> bool:
        return self.attorney.certified == NOTARY


@dataclass(frozen=True, slots=True)
class WrongField:
    field: str
    code: str
    limit: int | None = None


def consumer_problems(iin: str, representative: Representative | None, today: date) -> list[WrongField]:
    """Everything wrong with what was entered, all at once."""
    problems = [WrongField("iin", "iin_invalid")] if iin_problem(iin) else []
    if representative is None:
        return problems
    if iin_problem(representative.iin):
        problems.append(WrongField("representative.iin", "iin_invalid"))
    elif representative.iin == iin:  # nobody represents himself
        problems.append(WrongField("representative.iin", "not_allowed"))
    problems += _text_problems("representative.name", representative.name, MAX_NAME)
    return problems + _attorney_problems(representative.attorney, today)


def _attorney_problems(attorney: Attorney, today: date) -> list[WrongField]:
    path = "representative.attorney"
    problems = _text_problems(f"{path}.note", attorney.note, MAX_NOTE)
    entered = {"registry_number": attorney.registry_number, "date": attorney.date}
    if attorney.certified != NOTARY:
        # Atyrau 427, cl. 8 2): "при ином удостоверении доверенности – данные доверенности не заполняются"
        return problems + [WrongField(f"{path}.{name}", "not_allowed") for name, value in entered.items() if value]
    problems += [WrongField(f"{path}.{name}", "missing") for name, value in entered.items() if not value]
    problems += _text_problems(f"{path}.registry_number", attorney.registry_number, MAX_NUMBER)
    if attorney.date:
        made = _date(attorney.date)
        if made is None:
            problems.append(WrongField(f"{path}.date", "wrong_form"))
        elif made > today:
            problems.append(WrongField(f"{path}.date", "out_of_range"))
    return problems


def _text_problems(field: str, text: str | None, limit: int) -> list[WrongField]:
    code = None if text is None else text_problem(text, limit)
    return [] if code is None else [WrongField(field, code, limit)]


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None
