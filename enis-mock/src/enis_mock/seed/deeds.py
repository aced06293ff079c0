"""The deeds: those that tests and demos know by name, and forty-four between the people of `people`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from egovlaw.identifiers import synthetic_iin
from enis_mock.domain import Deed, Notary, Party
from enis_mock.seed.people import OTHER_PRINCIPAL, PEOPLE, PRINCIPAL, REPRESENTATIVE, SECOND_REPRESENTATIVE

NOTARIES = (
    Notary("Куәландырғанов", "Мысал", "Үлгіұлы", "99000001", "Атырауская область"),
    Notary("Растаева", "Нұсқа", None, "99000002", "Западно-Казахстанская область"),
)
ORGANISATION = Party("«Үлгі» жауапкершілігі шектеулі серіктестігі", bin="991240991014")
POWERS = (
    "Представлять интересы доверителя в Государственной корпорации и местных исполнительных органах: подавать и "
    "подписывать заявления, получать результаты. / Мемлекеттік корпорацияда және жергілікті атқарушы органдарда "
    "сенім білдірушінің мүддесін білдіру: өтініштер беру және оларға қол қою, нәтижелерін алу."
)
MANY = 44


@dataclass(frozen=True, slots=True)
class Seeded:
    deed: Deed
    revoked_on: date | None = None


def _party(n: int) -> Party:
    return Party(PEOPLE[n], iin=synthetic_iin(n))


def _deed(
    number: str, day: date, principals: tuple[Party, ...], representatives: tuple[Party, ...], span: tuple[date, date]
) -> Deed:
    """With the right of substitution where the number is even."""
    return Deed(
        registry_number=number,
        date=day,
        notary=NOTARIES[int(number[0]) % 2],
        principals=principals,
        representatives=representatives,
        valid_from=span[0],
        valid_to=span[1],
        substitution_right=int(number.rsplit("-", 1)[1]) % 2 == 0,
        powers_text=POWERS,
    )


# The Civil Code allows three years; the examples last longer, so that they are still valid when somebody looks.
_LONG = (date(2025, 3, 3), date(2039, 3, 2))
_FIRST = date(2025, 3, 3)
_FROM, _TO = (_party(PRINCIPAL),), (_party(REPRESENTATIVE),)
_BOTH_TO = (_party(REPRESENTATIVE), _party(SECOND_REPRESENTATIVE))
_BOTH_FROM = (_party(PRINCIPAL), _party(OTHER_PRINCIPAL))

_NAMED: Mapping[str, Seeded] = {
    "valid": Seeded(_deed("1-101", _FIRST, _FROM, _TO, _LONG)),
    "expired": Seeded(_deed("1-102", date(2021, 5, 4), _FROM, _TO, (date(2021, 5, 4), date(2024, 5, 3)))),
    "revoked": Seeded(_deed("1-103", _FIRST, _FROM, _TO, _LONG), revoked_on=date(2025, 9, 1)),
    "not_yet_valid": Seeded(_deed("1-104", _FIRST, _FROM, _TO, (date(2039, 1, 1), date(2041, 12, 31)))),
    "other_principal": Seeded(_deed("1-105", _FIRST, (_party(OTHER_PRINCIPAL),), _TO, _LONG)),
    "several_principals": Seeded(_deed("1-106", _FIRST, _BOTH_FROM, _TO, _LONG)),
    "several_representatives": Seeded(_deed("1-107", _FIRST, _FROM, _BOTH_TO, _LONG)),
    "organisation": Seeded(_deed("1-108", _FIRST, (ORGANISATION,), _TO, _LONG)),
    "with_substitution": Seeded(_deed("1-110", _FIRST, _FROM, _TO, _LONG)),
    "without_substitution": Seeded(_deed("1-111", _FIRST, _FROM, _TO, _LONG)),
}


def _example(deed: Deed) -> dict[str, str]:
    numbers = {"principal_iin": deed.principals[0].iin, "representative_iin": deed.representatives[0].iin}
    known = {name: iin for name, iin in numbers.items() if iin is not None}
    return {"registry_number": deed.registry_number, "date": deed.date.isoformat(), **known}


EXAMPLES: Mapping[str, Mapping[str, str]] = {
    **{name: _example(seeded.deed) for name, seeded in _NAMED.items()},
    # Signed by the same two before no notary: it has no place here, and nothing is found.
    "absent": {**_example(_NAMED["valid"].deed), "registry_number": "1-999"},
}


def deeds() -> list[Seeded]:
    """Everything. The same at every call."""
    return [*_NAMED.values(), *(_of_pair(i) for i in range(MANY))]


def _of_pair(i: int) -> Seeded:
    """Between two people of the list; every fourth has expired, every fifth is revoked."""
    numbers = sorted(PEOPLE)
    principal, representative = (_party(numbers[(place + i) % len(numbers)]) for place in (10, 17))
    expired, revoked = i % 4 == 0, i % 5 == 0
    day = date(2020 if expired else 2025, 1 + i % 12, 1 + i % 28)
    span = (day, day.replace(year=2022 if expired else 2038))
    deed = _deed(f"2-{201 + i}", day, (principal,), (representative,), span)
    return Seeded(deed, revoked_on=day + timedelta(days=90) if revoked else None)
