"""What the registers' answers mean for a case: usable or not (E1), data or none (A8), and the facts the operator has to
know (E2). A reason is a code with its words in `texts.REASON_TEXTS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from con_arm.domain.consumer import Representative

PROCESSED: Final = "00000"  # answer.*: the question was processed, whether or not anything was found
CITIZEN: Final = "398"  # Kazakhstan, ISO 3166-1 numeric, as the person register writes citizenships
ALIVE: Final = "0"
OF_AGE: Final = 18

Verdict = Literal["ok", "violation", "unusable"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`unusable`: no answer to this question, a technical error (E1). `violation`: the register has no such data."""

    verdict: Verdict
    code: str | None = None


OK: Final = Finding("ok")


@dataclass(frozen=True, slots=True)
class Fact:
    """Something the operator has to know of the person; `ru` and `kk` are the register's own words, if it has some."""

    code: str
    ru: str | None = None
    kk: str | None = None


def judge_person(data: Mapping[str, Any], iin: str) -> Finding:
    if data["result"]["code"] != PROCESSED:
        return Finding("unusable", "register.not_processed")
    persons = data["persons"]
    if not persons:
        return Finding("violation", "register.person_not_found")
    if any(one["iin"] != iin for one in persons):
        return Finding("unusable", "register.another_person")
    return OK if len(persons) == 1 else Finding("unusable", "register.several_found")


def judge_attorney(data: Mapping[str, Any], principal: str, representative: Representative, today: date) -> Finding:
    """A8: "данные доверенности" are those of a power of attorney by which this representative may speak for this
    consumer today; one that is revoked, has run out or is another's is none."""
    if data["result"]["code"] != PROCESSED:
        return Finding("unusable", "register.not_processed")
    attorneys, asked = data["attorneys"], representative.attorney
    if not attorneys:
        return Finding("violation", "register.attorney_not_found")
    if any((one["registry_number"], one["date"]) != (asked.registry_number, asked.date) for one in attorneys):
        return Finding("unusable", "register.another_attorney")
    if len(attorneys) > 1:
        return Finding("unusable", "register.several_found")
    code = attorney_problem(attorneys[0], principal, representative.iin, today)
    return OK if code is None else Finding("violation", code)


def attorney_problem(attorney: Mapping[str, Any], principal: str, representative: str, today: date) -> str | None:
    """Why the power of attorney does not serve today, or None. The dates decide: ЕНИС's status is a dictionary value
    whose codes are not public."""
    if principal not in _numbers(attorney["principals"]):
        return "register.attorney_of_another_principal"
    if representative not in _numbers(attorney["representatives"]):
        return "register.attorney_of_another_representative"
    revoked = attorney.get("revoke_date")
    if revoked is not None and date.fromisoformat(revoked) <= today:
        return "register.attorney_revoked"
    if date.fromisoformat(attorney["valid_to"]) < today:
        return "register.attorney_expired"
    if date.fromisoformat(attorney["valid_from"]) > today:
        return "register.attorney_not_yet_valid"
    return None


def _numbers(parties: Sequence[Mapping[str, Any]]) -> set[str]:
    return {party["iin"] for party in parties if "iin" in party}


def facts_of(person: Mapping[str, Any], today: date) -> list[Fact]:
    """E2: what may matter for the service, and refuses nothing by itself."""
    facts = []
    if "death_date" in person or "death_certificate" in person:
        facts.append(Fact("deceased"))
    elif person["life_status"]["code"] != ALIVE:
        facts.append(_entry("life_status", person["life_status"]))
    if _years(date.fromisoformat(person["birth_date"]), today) < OF_AGE:
        facts.append(Fact("underage"))
    if person["citizenship"]["code"] != CITIZEN:
        facts.append(_entry("foreign", person["citizenship"]))
    if _lasts(person.get("missing_status"), "missing", today):
        facts.append(Fact("missing"))
    if _lasts(person.get("disappear_status"), "disappear", today):
        facts.append(Fact("disappeared"))
    capable = person.get("capable_status")
    if capable is not None and not _over(capable.get("capable_end_date"), today):
        facts.append(_entry("incapable", capable["capable_status"]))
    if person.get("removed") or "exclude_status" in person:
        facts.append(Fact("excluded"))
    if "reg_address" not in person:
        facts.append(Fact("no_address"))
    return facts


def _entry(code: str, entry: Mapping[str, Any]) -> Fact:
    return Fact(code, entry["name_ru"], entry["name_kk"])


def _years(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _lasts(status: Mapping[str, Any] | None, name: str, today: date) -> bool:
    return status is not None and bool(status[name]) and not _over(status.get(f"{name}_end_date"), today)


def _over(end: str | None, today: date) -> bool:
    return end is not None and date.fromisoformat(end) <= today
