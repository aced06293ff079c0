"""The population: people whom tests and demos know by name, and forty families of every age.

Person number n has the ИИН `egovlaw.identifiers.synthetic_iin(n)`: 0 to 39 are the examples, 40 to 247 the families.
Birth dates of the record have nothing to do with those in the numbers, which all say 2099.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from egovlaw.identifiers import synthetic_iin
from gbd_fl_mock.domain.dictionaries import CHILD, GUARDIAN, entry
from gbd_fl_mock.domain.person import Version
from gbd_fl_mock.seed import names
from gbd_fl_mock.seed.lives import FullName, Life, address, begin, die, later, latest_papers, marry, paper_of

FAMILIES, FIRST_OF_FAMILIES, OF_FAMILY = 40, 40, 5
THIRD_CHILDREN = FIRST_OF_FAMILIES + FAMILIES * OF_FAMILY  # eight of them, born 2018 to 2025
OLDEST = 1925
PROSECUTOR = "Прокуратура города Атырау"
COURT = "Атырауский городской суд"

# What tests and demos look for, without knowing numbers.
_NUMBERS: Mapping[str, int] = {
    "ordinary_adult": 0,
    "with_children": 1,
    "spouse": 2,
    "underage": 3,
    "deceased": 5,
    "missing": 6,
    "disappeared": 7,
    "foreign": 8,
    "stateless": 9,
    "incapable": 10,
    "guardian": 11,
    "without_address": 12,
    "two_documents": 13,
    "duplicated_documents": 14,
    "removed": 15,
    "without_patronymic": 16,
    "without_surname": 17,
    "hyphens": 18,
    "kazakh_letters": 19,
    "representative": 20,
    "principal": 21,
    "other_principal": 22,
    "second_representative": 23,
    "partly_capable": 24,
    "kandas": 25,
    "changed_name": 26,
    "centenarian": 27,
    "newborn": 28,
    "found_again": 29,
    "expired_document": 30,
    "without_documents": 31,
    "moved": 32,
    # Plain adults; what happens to questions about them is in contracts/identities.yaml.
    "never_answered": 35,
    "answered_late": 36,
    "answered_with_garbage": 37,
    "never_taken": 38,
    "answered_with_another": 39,
    "not_in_register": 5000,
}
EXAMPLES: Mapping[str, str] = {name: synthetic_iin(n) for name, n in _NUMBERS.items()}


def population(recorded_at: datetime) -> list[Version]:
    """Everybody's versions. The same at every call but for the moment of recording."""
    return [version for life in lives() for version in life.versions(recorded_at)]


def lives() -> list[Life]:
    return [*_examples(), *_families()]


def _examples() -> list[Life]:
    """Plain adults first; then what makes each of them an example happens to them."""
    people = {n: _plain(n) for n in range(40)}
    for happens in (_family, _deaths_and_losses, _foreigners, _capacity, _papers, _names):
        happens(people)
    return list(people.values())


_BORN: Mapping[int, date] = {
    0: date(1991, 1, 15),
    1: date(1985, 2, 2),
    2: date(1988, 3, 3),
    3: date(2012, 5, 9),
    4: date(2018, 9, 1),
    27: date(OLDEST, 3, 22),
    28: date(2025, 12, 20),
}
_NAMED: Mapping[int, FullName] = {
    3: ("Үлгілібаев", "Әділет", "Ғаниұлы"),
    4: ("Үлгілібаева", "Ұлпан", "Ғаниқызы"),
    8: ("Exampleson", "Teststina", None),
    16: ("Сипатова", "Бибігүл", None),
    17: (None, "Әмина", None),
    18: ("Сынақова-Үлгілі", "Анна-Мария", "Үмітқызы"),
    19: ("ТҮҢҒЫШӘЛІҰЛЫ", "ҺИДАЯТ", "ӨМІРӘЛІҰЛЫ"),
}


def _plain(n: int) -> Life:
    female = n % 2 == 0
    born = _BORN.get(n, date(1960 + n, 1 + n % 12, 1 + n % 28))
    name, father = (names.FEMALE if female else names.MALE)[n % 20], names.MALE[(n + 7) % 20]
    full = (names.surname(n, female=female), name, names.patronymic(father, female=female))
    return begin(n, born, _NAMED.get(n, full), female=female)


def _family(people: dict[int, Life]) -> None:
    father, mother = people[1], people[2]
    marry(father, mother, date(2010, 6, 12), takes_name=True)
    for child in (people[3], people[4]):
        for parent in (father, mother):
            parent.tie(CHILD, child, child.born, "Актовая запись о рождении")


def _deaths_and_losses(people: dict[int, Life]) -> None:
    die(people[5], date(2024, 2, 11))
    missing = "Решение суда о признании безвестно отсутствующим"
    people[6].happen(date(2023, 8, 3), missing, _lost("missing", "2023-08-03", "2-1457/2023"))
    wanted = "Постановление о розыске без вести пропавшего"
    people[7].happen(date(2025, 4, 18), wanted, _lost("disappear", "2025-04-18", "Р-88/2025"))
    people[29].happen(date(2021, 5, 20), missing, _lost("missing", "2021-05-20", "2-901/2021"))
    back = {"missing_status": {"missing": False, "missing_end_date": "2022-01-17"}}
    people[29].happen(date(2022, 1, 17), "Отмена решения: лицо обнаружено", back)
    excluded = {"exclude_reason": entry("exclude_reason", "1"), "exclude_date": "2024-10-30"}
    gone_abroad = {"exclude_status": excluded, "removed": True, "reg_address": None}
    people[15].happen(date(2024, 10, 30), "Выезд на постоянное место жительства", gone_abroad)


def _lost(how: str, day: str, number: str) -> dict[str, Any]:
    status = {how: True, f"{how}_date": day, f"{how}_number": number, "territorial_prosecutor": PROSECUTOR}
    return {f"{how}_status": status}


def _foreigners(people: dict[int, Life]) -> None:
    foreigner, stateless, kandas = people[8], people[9], people[25]
    _is_no_citizen(foreigner, "840", "015", "003")
    foreigner.happen(foreigner.born, "Запись по документу иностранца", {
        "nationality": entry("nationality", "030"),
        "birth_place": {
            "country": entry("country", "840"), "district": None, "city": "Springfield",
            "foreign_data": {"region_name": "Example State"},
        },
    })  # fmt: skip
    _is_no_citizen(stateless, "999", "004", "002")
    repatriated = {"repatriation_status": entry("repatriation_status", "1")}
    kandas.happen(date(2015, 9, 7), "Присвоен статус кандаса", repatriated)
    abroad = {"country": entry("country", "860"), "district": None, "city": "Ташкент"}
    kandas.happen(kandas.born, "Сведения о месте рождения", {"birth_place": abroad})


def _is_no_citizen(life: Life, citizenship: str, paper: str, issuer: str) -> None:
    life.events = [event for event in life.events if "documents" not in event.change]
    person = {"citizenship": entry("citizenship", citizenship), "birth_certificate": None}
    life.happen(life.born, "Запись по документу иностранца", person)
    since = date(2021, 4, 5)
    papers = [paper_of(life, paper, f"X99{life.n:05d}", since, issuer=issuer)]
    life.happen(since, "Внесён документ", {"documents": papers})


def _capacity(people: dict[int, Life]) -> None:
    for n, code, number in ((10, "1", "2-3101/2022"), (24, "2", "2-77/2025")):
        day = date(2022 if n == 10 else 2025, 3, 14)
        status = {
            "capable_status": entry("capable_status.capable_status", code),
            "capable_date": day.isoformat(),
            "capable_number": number,
            "court": COURT,
        }
        people[n].happen(day, "Решение суда о дееспособности", {"capable_status": status})
    people[10].tie(GUARDIAN, people[11], date(2022, 4, 20), "Постановление об установлении опеки")


def _papers(people: dict[int, Life]) -> None:
    people[12].happen(date(2023, 1, 9), "Снятие с регистрации по месту жительства", {"reg_address": None})
    passport = paper_of(people[13], "001", "N99000013", date(2022, 7, 4))
    people[13].happen(date(2022, 7, 4), "Выдан паспорт", {"documents": [*latest_papers(people[13]), passport]})
    twice = [*latest_papers(people[14]), latest_papers(people[14])[-1]]
    people[14].happen(date(2024, 5, 6), "Перенос архива документов", {"documents": twice})
    *_, last = latest_papers(people[30])
    spoilt = {"status": entry("documents.status", "07"), "end_date": "2025-06-30", "invalidity_date": "2025-06-30"}
    people[30].happen(date(2025, 6, 30), "Истёк срок удостоверения", {"documents": [{**last, **spoilt}]})
    people[31].events = [event for event in people[31].events if "documents" not in event.change]
    home = address(33, date(2025, 9, 15))
    left = {**address(32, people[32].born), "status": entry("reg_address.status", "2"), "end_date": "2025-09-14"}
    before = [{"type": entry("addresses.type", "1"), "address": left}]
    people[32].happen(date(2025, 9, 15), "Перерегистрация по месту жительства", {
        "reg_address": home, "addresses": before,
    })  # fmt: skip


def _names(people: dict[int, Life]) -> None:
    new = {"surname": "Жаңғыртова", "eng_surname": names.in_latin("Жаңғыртова")}
    people[26].happen(date(2023, 10, 2), "Перемена фамилии", new)


def _families() -> list[Life]:
    """Grandparent, father, mother, two children; the eight youngest families have a third. Born 1925 to 2025: every age
    from 0 to 100 is there."""
    return [life for f in range(FAMILIES) for life in _one_family(f)]


def _one_family(f: int) -> list[Life]:
    first, day, month = FIRST_OF_FAMILIES + f * OF_FAMILY, 1 + f % 28, 1 + f % 12
    year, place = OLDEST + f, names.surname(f, female=False)
    old = _member(first, date(year, month, day), place, f, names.MALE[(f + 3) % 20])
    father = _member(first + 1, date(year + 25, month, day), place, f + 5, old.name)
    mother = _member(first + 2, date(year + 26, month, day), names.surname(f + 9, female=True), f, names.MALE[f % 20])
    marry(father, mother, later(mother.born, 22), takes_name=f % 2 == 0)
    years = [year + 49, year + 53] + ([2018 + f - 32] if f >= 32 else [])
    numbers = [first + 3, first + 4, THIRD_CHILDREN + f - 32]
    children = []
    for n, (number, birth) in enumerate(zip(numbers, years, strict=False)):
        surname = place + ("а" if (f + n) % 2 == 0 else "")
        child = _member(number, date(birth, month, day), surname, f + 7 + n, father.name)
        for parent in (father, mother):
            parent.tie(CHILD, child, child.born, "Актовая запись о рождении")
        children.append(child)
    old.tie(CHILD, father, father.born, "Актовая запись о рождении")
    if f < 10:
        die(old, date(2015 + f, month, day))
    return [old, father, mother, *children]


def _member(number: int, born: date, surname: str, which: int, father: str) -> Life:
    female = surname.endswith("а")
    name = (names.FEMALE if female else names.MALE)[which % 20]
    return begin(number, born, (surname, name, names.patronymic(father, female=female)), female=female)
