"""The dictionaries of the register: code, Russian, Kazakh.

Seen in public material: gender 2, nationality 005, countries by ISO 3166-1 numeric, life status 0, address status 1,
invalidity 0, documents 001, 002, 015 with statuses 00, 07, 17, 18, issuers 002 and 003, district 1926 and region
1926401 (old codes of the Ministry of the Interior, not КАТО). All other codes are ours (DIVERGENCES.md).
"""

from __future__ import annotations

from collections.abc import Mapping

Entry = Mapping[str, str]
Dictionary = Mapping[str, tuple[str, str]]

_COUNTRIES: Dictionary = {
    "398": ("Казахстан", "Қазақстан"),
    "417": ("Кыргызстан", "Қырғызстан"),
    "643": ("Россия", "Ресей"),
    "840": ("Соединённые Штаты Америки", "Америка Құрама Штаттары"),
    "860": ("Узбекистан", "Өзбекстан"),
}
_REGISTRATION: Dictionary = {"1": ("Зарегистрирован", "Тіркелген"), "2": ("Снят с регистрации", "Тіркеуден шығарылған")}
_STATELESS: Dictionary = {"999": ("Лицо без гражданства", "Азаматтығы жоқ адам")}

DICTIONARIES: Mapping[str, Dictionary] = {
    "gender": {"1": ("Мужской", "Ер"), "2": ("Женский", "Әйел")},
    "nationality": {
        "005": ("Казах", "Қазақ"),
        "010": ("Русский", "Орыс"),
        "020": ("Узбек", "Өзбек"),
        "030": ("Американец", "Америкалық"),
        "099": ("Не указана", "Көрсетілмеген"),
    },
    "citizenship": {**_COUNTRIES, **_STATELESS},
    "country": _COUNTRIES,
    "life_status": {"0": ("Нормальный", "Қалыпты"), "1": ("Умерший", "Қайтыс болған")},
    "district": {
        "1926": ("Западно-Казахстанская область", "Батыс Қазақстан облысы"),
        "1915": ("Атырауская область", "Атырау облысы"),
    },
    "region": {"1926401": ("Уральск", "Орал"), "1915401": ("Атырау", "Атырау")},
    "reg_address.status": _REGISTRATION,
    "address.status": _REGISTRATION,
    "invalidity": {"0": ("Действителен", "Жарамды"), "1": ("Недействителен", "Жарамсыз")},
    "addresses.type": {
        "1": ("Место жительства", "Тұрғылықты жері"),
        "2": ("Место временного пребывания", "Уақытша болатын жері"),
    },
    "documents.type": {
        "001": ("Паспорт гражданина РК", "ҚР азаматының паспорты"),
        "002": ("Удостоверение личности гражданина РК", "ҚР азаматының жеке куәлігі"),
        "004": ("Удостоверение лица без гражданства", "Азаматтығы жоқ адамның куәлігі"),
        "015": ("Паспорт иностранного гражданина", "Шетел азаматының паспорты"),
    },
    "documents.status": {
        "00": ("Документ действителен", "Құжат жарамды"),
        "07": ("Документ непригоден", "Құжат жарамсыз"),
        "17": ("Выпуск нового документа", "Жаңа құжаттың шығарылуы"),
        "18": ("Изменение записи", "Жазбаның өзгеруі"),
    },
    "issue_organisation": {
        "002": ("Министерство внутренних дел РК", "ҚР Ішкі істер министрлігі"),
        "003": ("Орган иностранного государства", "Шет мемлекеттің органы"),
        "004": ("Орган записи актов гражданского состояния", "Азаматтық хал актілерін тіркеу органы"),
    },
    "capable_status.capable_status": {
        "1": ("Недееспособен", "Әрекетке қабілетсіз"),
        "2": ("Ограниченно дееспособен", "Әрекет қабілеті шектеулі"),
    },
    "exclude_reason": {
        "1": ("Выезд на постоянное место жительства за границу", "Шетелге тұрақты тұруға кету"),
        "2": ("Ошибочная запись", "Қате жазба"),
    },
    "repatriation_status": {"1": ("Кандас", "Қандас")},
    "relation": {
        "1": ("Супруг (супруга)", "Жұбайы (зайыбы)"),
        "2": ("Родитель", "Ата-анасы"),
        "3": ("Ребёнок", "Баласы"),
        "4": ("Опекун", "Қорғаншысы"),
        "5": ("Подопечный", "Қорғаншылықтағы адам"),
    },
}

SPOUSE, PARENT, CHILD, GUARDIAN, WARD = "1", "2", "3", "4", "5"
# What the other side of a tie calls it.
INVERSE: Mapping[str, str] = {SPOUSE: SPOUSE, PARENT: CHILD, CHILD: PARENT, GUARDIAN: WARD, WARD: GUARDIAN}


def entry(dictionary: str, code: str) -> Entry:
    """The value of a dictionary; KeyError where it has none."""
    name_ru, name_kk = DICTIONARIES[dictionary][code]
    return {"code": code, "name_ru": name_ru, "name_kk": name_kk}


def dictionary_of(path: tuple[str, ...]) -> str | None:
    """The dictionary of a field, by its way through the person (places in lists left out); None: it has none."""
    above = path[-2] if len(path) > 1 else ""
    return next((name for name in (f"{above}.{path[-1]}", path[-1]) if name in DICTIONARIES), None)
