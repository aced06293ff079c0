"""A life as a list of events, and the versions that follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from egovlaw.identifiers import synthetic_iin
from gbd_fl_mock.domain.dictionaries import INVERSE, entry
from gbd_fl_mock.domain.person import Version, merged
from gbd_fl_mock.seed.names import STREETS, in_latin

FIRST_CARDS = date(2009, 3, 1)  # nobody's history of papers begins before
CARD_YEARS = 10

FullName = tuple[str | None, str, str | None]  # surname, name, patronymic


@dataclass(frozen=True, slots=True)
class Event:
    on: date
    reason: str
    change: Mapping[str, Any]
    ties: tuple[Mapping[str, Any], ...] = ()


@dataclass(slots=True)
class Life:
    """Person number n of the seed; his ИИН is `synthetic_iin(n)`."""

    n: int
    born: date
    surname: str | None
    name: str
    patronymic: str | None
    events: list[Event] = field(default_factory=list)

    @property
    def iin(self) -> str:
        return synthetic_iin(self.n)

    @property
    def names(self) -> dict[str, str]:
        """Those he has."""
        names = {"surname": self.surname, "name": self.name, "patronymic": self.patronymic}
        return {key: value for key, value in names.items() if value is not None}

    def happen(self, on: date, reason: str, change: Mapping[str, Any]) -> None:
        self.events.append(Event(on, reason, change))

    def tie(self, relation: str, other: Life, on: date, reason: str) -> None:
        """Both sides at once, so that no day sees only one of them."""
        for one, code, its in ((self, relation, other), (other, INVERSE[relation], self)):
            one.events.append(Event(on, reason, {}, ({"relation": entry("relation", code), "iin": its.iin},)))

    def versions(self, recorded_at: datetime) -> list[Version]:
        """One version per day on which something happened."""
        found: list[Version] = []
        person: dict[str, Any] = {}
        days = groupby(sorted(self.events, key=lambda event: event.on), key=lambda event: event.on)
        for number, (day, group) in enumerate(days, 1):
            events = list(group)
            for event in events:
                person = merged(person, event.change)
                if event.ties:
                    person["family"] = [*person.get("family", []), *event.ties]
            reason = "; ".join(dict.fromkeys(event.reason for event in events))
            found.append(Version(self.iin, number, day, recorded_at, reason, person))
        return found


def begin(n: int, born: date, full_name: FullName, *, female: bool) -> Life:
    """A citizen born in Kazakhstan, at home in Atyrau, with the papers of his age."""
    life = Life(n, born, *full_name)
    place = {"country": entry("country", "398"), "district": entry("district", "1915"), "city": "Атырау"}
    record = {
        "iin": life.iin,
        **life.names,
        "birth_date": born.isoformat(),
        "gender": entry("gender", "2" if female else "1"),
        "nationality": entry("nationality", "005"),
        "citizenship": entry("citizenship", "398"),
        "life_status": entry("life_status", "0"),
        "birth_place": place,
        "birth_certificate": {
            "number": f"11-{n:07d}",
            "begin_date": (born + timedelta(days=14)).isoformat(),
            "issue_organisation": entry("issue_organisation", "004"),
        },
        "reg_address": address(n, born),
    }
    life.happen(born, "Актовая запись о рождении", record)
    give_cards(life)
    return life


def address(n: int, since: date) -> dict[str, Any]:
    return {
        "country": entry("country", "398"),
        "district": entry("district", "1915"),
        "region": entry("region", "1915401"),
        "city": "Атырау",
        "street": f"{STREETS[n % len(STREETS)]} көшесі",
        "building": str(1 + n % 90),
        "flat": str(1 + n % 60),
        "begin_date": since.isoformat(),
        "status": entry("reg_address.status", "1"),
        "invalidity": entry("invalidity", "0"),
    }


def give_cards(life: Life) -> None:
    """An identity card at sixteen and a new one before it ends; the old one stays in the list, spent."""
    papers: list[dict[str, Any]] = []
    day, number = max(later(life.born, 16), FIRST_CARDS + timedelta(days=life.n)), 1
    while day < date(2026, 1, 1):
        spent = {"status": entry("documents.status", "17"), "invalidity_date": day.isoformat()}
        papers = [*({**paper, **spent} for paper in papers), paper_of(life, "002", f"99{number}{life.n:06d}", day)]
        change: dict[str, Any] = {"documents": papers}
        if number == 1:
            change |= {f"eng_{key}": in_latin(value) for key, value in _on_the_card(life).items()}
        life.happen(day, "Выдано удостоверение личности", change)
        day, number = later(day, CARD_YEARS) - timedelta(days=30), number + 1


def _on_the_card(life: Life) -> dict[str, str]:
    surname = {} if life.surname is None else {"surname": life.surname}
    return {**surname, "first_name": life.name}


def paper_of(life: Life, kind: str, number: str, since: date, *, issuer: str = "002") -> dict[str, Any]:
    """A valid document; only an identity card and a passport have the names in them."""
    return {
        "type": entry("documents.type", kind),
        "number": number,
        "begin_date": since.isoformat(),
        "end_date": (later(since, CARD_YEARS) - timedelta(days=1)).isoformat(),
        "issue_organisation": entry("issue_organisation", issuer),
        "status": entry("documents.status", "00"),
        **life.names,
        "birth_date": life.born.isoformat(),
    }


def die(life: Life, on: date) -> None:
    certificate = {
        "number": f"13-{life.n:07d}",
        "begin_date": (on + timedelta(days=2)).isoformat(),
        "issue_organisation": entry("issue_organisation", "004"),
    }
    change = {
        "death_date": on.isoformat(),
        "life_status": entry("life_status", "1"),
        "death_certificate": certificate,
        "reg_address": {"status": entry("reg_address.status", "2"), "end_date": on.isoformat()},
    }
    # A man who died needs no further card.
    life.events = [event for event in life.events if event.on <= on]
    life.happen(on, "Актовая запись о смерти", change)


def marry(husband: Life, wife: Life, on: date, *, takes_name: bool) -> None:
    husband.tie("1", wife, on, "Актовая запись о браке")
    if takes_name and husband.surname:
        name = f"{husband.surname}а"
        wife.surname = name
        wife.happen(on, "Актовая запись о браке", {"surname": name, "eng_surname": in_latin(name)})


def later(day: date, years: int) -> date:
    """The same day of another year; the seed has no 29 February."""
    return day.replace(year=day.year + years)


def latest_papers(life: Life) -> Sequence[Mapping[str, Any]]:
    lists = [event.change["documents"] for event in sorted(life.events, key=_day) if "documents" in event.change]
    return lists[-1] if lists else []


def _day(event: Event) -> date:
    return event.on
