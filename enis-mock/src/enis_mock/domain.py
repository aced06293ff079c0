"""Rules of the notaries' register: a power of attorney, its status on a day, what must hold. Pure.

The form is ours, as ЕНИС's own is not public (DIVERGENCES.md). A status is never stored: it follows from the dates, the
revocation and the day that is asked about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from egovkit.errors import FieldError
from egovlaw.identifiers import bin_problem, iin_birth_date, iin_problem

Day = date  # a deed has a field `date`, beside which the type has no name of its own
SYNTHETIC_YEAR = 2099  # birth year in every ИИН of the reserved range


class Status(StrEnum):
    VALID = "valid"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


STATUS_NAMES: Mapping[Status, tuple[str, str]] = {
    Status.VALID: ("Действует", "Қолданыста"),
    Status.NOT_YET_VALID: ("Ещё не вступила в силу", "Әлі күшіне енген жоқ"),
    Status.EXPIRED: ("Срок действия истёк", "Қолданылу мерзімі өтті"),
    Status.REVOKED: ("Отменена", "Күші жойылған"),
}


@dataclass(frozen=True, slots=True)
class Party:
    """A person by ИИН or an organisation by БИН; who has neither number is known by name alone."""

    name: str
    iin: str | None = None
    bin: str | None = None


@dataclass(frozen=True, slots=True)
class Notary:
    surname: str
    name: str
    patronymic: str | None
    licence_number: str
    region: str


@dataclass(frozen=True, slots=True)
class Deed:
    """What the notary certified; it never changes."""

    registry_number: str
    date: Day
    notary: Notary
    principals: tuple[Party, ...]
    representatives: tuple[Party, ...]
    valid_from: Day
    valid_to: Day
    substitution_right: bool
    powers_text: str

    @property
    def iins(self) -> frozenset[str]:
        return frozenset(party.iin for party in (*self.principals, *self.representatives) if party.iin)


@dataclass(frozen=True, slots=True)
class Attorney:
    """A deed in the register. `revoked_on` is the day from which nobody may act on it."""

    id: int
    recorded_at: datetime
    deed: Deed
    revoked_on: date | None = None
    revoke_reason: str | None = None


def status_on(attorney: Attorney, day: date) -> Status:
    """A revocation outweighs the dates: who was revoked is not merely expired."""
    if attorney.revoked_on is not None and attorney.revoked_on <= day:
        return Status.REVOKED
    if day > attorney.deed.valid_to:
        return Status.EXPIRED
    return Status.NOT_YET_VALID if day < attorney.deed.valid_from else Status.VALID


def as_answer(attorney: Attorney, day: date) -> dict[str, Any]:
    """As answers carry it (contracts/messages/answer.attorney.schema.json), in its state of that day."""
    deed, status = attorney.deed, status_on(attorney, day)
    name_ru, name_kk = STATUS_NAMES[status]
    found = {
        "registry_number": deed.registry_number,
        "date": deed.date.isoformat(),
        "notary": _present(deed.notary, Notary),
        "principals": [_present(party, Party) for party in deed.principals],
        "representatives": [_present(party, Party) for party in deed.representatives],
        "valid_from": deed.valid_from.isoformat(),
        "valid_to": deed.valid_to.isoformat(),
        "status": {"code": status.value, "name_ru": name_ru, "name_kk": name_kk},
        "substitution_right": deed.substitution_right,
        "powers_text": deed.powers_text,
    }
    if status is Status.REVOKED and attorney.revoked_on is not None:
        found["revoke_date"] = attorney.revoked_on.isoformat()
    return found


def deed_problems(deed: Deed, today: date) -> list[FieldError]:
    """Every mistake by its field."""
    found = []
    if deed.date > today:
        found.append(_late("date", today))
    if deed.valid_from < deed.date:
        limit = {"limit": deed.date.isoformat()}
        found.append(FieldError("valid_from", "out_of_range", "before the deed itself", limit))
    if deed.valid_to < deed.valid_from:
        limit = {"limit": deed.valid_from.isoformat()}
        found.append(FieldError("valid_to", "out_of_range", "before it begins", limit))
    found += _party_problems("principals", deed.principals)
    found += _party_problems("representatives", deed.representatives)
    return found


def revocation_problem(attorney: Attorney, day: date, today: date) -> FieldError | None:
    """A revocation counts from its day on: from the deed's day at the earliest, from today at the latest."""
    if day < attorney.deed.date:
        return FieldError("date", "out_of_range", "before the deed", {"limit": attorney.deed.date.isoformat()})
    return _late("date", today) if day > today else None


def _late(field: str, today: date) -> FieldError:
    return FieldError(field, "out_of_range", "in the future", {"limit": today.isoformat()})


def _party_problems(field: str, parties: Iterable[Party]) -> list[FieldError]:
    found = []
    for n, party in enumerate(parties):
        if party.iin is not None and iin_problem(party.iin) is not None:
            found.append(FieldError(f"{field}.{n}.iin", "iin_invalid", "not an ИИН"))
        elif party.iin is not None and iin_birth_date(party.iin).year != SYNTHETIC_YEAR:
            found.append(FieldError(f"{field}.{n}.iin", "not_synthetic", "nobody who may exist acts here"))
        if party.bin is not None and bin_problem(party.bin) is not None:
            found.append(FieldError(f"{field}.{n}.bin", "wrong_form", "not a БИН"))
        if party.iin is not None and party.bin is not None:
            found.append(FieldError(f"{field}.{n}.bin", "not_allowed", "a person or an organisation, not both"))
    return found


def _present(value: Party | Notary, kind: type[Party] | type[Notary]) -> dict[str, Any]:
    """Its fields but for those it has not."""
    facts = {name: getattr(value, name) for name in kind.__dataclass_fields__}
    return {name: fact for name, fact in facts.items() if fact is not None}
