"""What an answer of the person register means: found, absent or unusable, and which facts the official has to see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

PROCESSED: Final = "00000"  # the register worked on the question, whether or not it found anybody
ALIVE: Final = "0"
KAZAKHSTAN: Final = "398"  # ISO 3166 numeric, as the register's dictionary of citizenships
OF_AGE: Final = 18


@dataclass(frozen=True, slots=True)
class Fact:
    """E2: shown to the official, and no refusal by itself."""

    code: str
    ru: str
    kk: str


def usable(data: Mapping[str, Any], iin: str) -> bool:
    """E1: whether the answer says anything about the person asked for."""
    persons = data["persons"]
    return data["result"]["code"] == PROCESSED and (not persons or [one["iin"] for one in persons] == [iin])


def facts_of(person: Mapping[str, Any], today: date) -> list[Fact]:
    found = []
    alive, citizenship = person["life_status"], person["citizenship"]
    if "death_date" in person:
        found.append(Fact("deceased", f"Умер: {person['death_date']}", f"Қайтыс болған: {person['death_date']}"))
    elif alive["code"] != ALIVE:
        found.append(Fact("life_status", alive["name_ru"], alive["name_kk"]))
    if _age(date.fromisoformat(person["birth_date"]), today) < OF_AGE:
        found.append(Fact("underage", "Несовершеннолетний", "Кәмелетке толмаған"))
    if citizenship["code"] != KAZAKHSTAN:
        ru, kk = citizenship["name_ru"], citizenship["name_kk"]
        found.append(Fact("foreign", f"Иностранное гражданство: {ru}", f"Шетел азаматтығы: {kk}"))
    if _holds(person, "missing", today) or _holds(person, "disappear", today):
        found.append(Fact("missing", "Числится пропавшим без вести", "Хабар-ошарсыз кетті деп есептеледі"))
    if (court := person.get("capable_status")) is not None and not _ended(court, "capable_end_date", today):
        word = court["capable_status"]
        found.append(
            Fact("incapable", f"Дееспособность: {word['name_ru']}", f"Әрекетке қабілеттілігі: {word['name_kk']}")
        )
    if (excluded := person.get("exclude_status")) is not None:
        word = excluded["exclude_reason"]
        found.append(Fact("excluded", f"Исключён: {word['name_ru']}", f"Есептен шығарылған: {word['name_kk']}"))
    return found


def _age(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _holds(person: Mapping[str, Any], name: str, today: date) -> bool:
    status = person.get(f"{name}_status")
    return status is not None and status[name] and not _ended(status, f"{name}_end_date", today)


def _ended(status: Mapping[str, Any], name: str, today: date) -> bool:
    return name in status and date.fromisoformat(status[name]) <= today
