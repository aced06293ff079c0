"""Whom the registers know at first: families of the person register's seed, each in the registers of one region.

Family f has the numbers 40+5f (grandparent) to 44+5f, the eight youngest a third child 208+f; ИИН = `synthetic_iin(n)`.
Services may not import one another, so the rule stands here again; tests/test_drift_registers.py compares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from egovlaw.identifiers import synthetic_iin
from registers_mock.domain import CATEGORIES, GENERAL, Register, Wish

FIRST, OF_FAMILY, FAMILIES = 40, 5, 40
ABSENT = 5000  # a number that nobody has, in any register
FATHER, MOTHER, CHILD, SECOND_CHILD = 1, 2, 3, 4


@dataclass(frozen=True, slots=True)
class Seeded:
    wish: Wish
    until: date | None = None


def seeded(regions: Sequence[str]) -> list[Seeded]:
    """Everything, in the order of entering. The same at every call."""
    found: list[Seeded] = []
    for place, region in enumerate(regions):
        for f in range(place, FAMILIES, len(regions)):
            found += _of_family(f, region)
    return sorted(found, key=lambda one: (one.wish.region, one.wish.register, one.wish.since))


def examples(regions: Sequence[str]) -> dict[str, dict[str, dict[str, str]]]:
    """What tests and demos look for, by region: {name: {register, person_iin}}; `absent` is in no register."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for one in seeded(regions):
        register, iin = one.wish.register.value, one.wish.person_iin
        named = found.setdefault(one.wish.region, {"absent": {"person_iin": synthetic_iin(ABSENT)}})
        name = register if one.until is None else f"{register}_ended"
        named.setdefault(name, {"register": register, "person_iin": iin})
    return found


def member(f: int, place: int) -> str:
    return synthetic_iin(FIRST + f * OF_FAMILY + place)


def third_child(f: int) -> str:
    return synthetic_iin(FIRST + FAMILIES * OF_FAMILY + f - 32)


def _of_family(f: int, region: str) -> Iterator[Seeded]:
    """Who is old enough, and young enough, for each register."""
    if 15 <= f < 25:
        ended = date(2025, 6, 30) if f < 20 else None
        wish = Wish(Register.SOCIAL_ASSISTANCE, region, member(f, FATHER), date(2024, 1, 1 + f), family_size=4)
        yield Seeded(wish, ended)
    if 20 <= f < 30:
        ended = date(2025, 9, 1) if f < 25 else None
        yield Seeded(Wish(Register.UNEMPLOYED, region, member(f, CHILD), date(2025, 2, 1 + f - 20)), ended)
    if f >= 20:
        yield _housing(f, region)
    if 30 <= f < 35:
        yield Seeded(_guardianship(f, region))
    if f >= 34:
        yield Seeded(
            Wish(Register.KINDERGARTEN_QUEUE, region, third_child(f), date(2026, 1, 5 + f - 34), category=GENERAL)
        )


def _guardianship(f: int, region: str) -> Wish:
    """The second child of a family is the ward of another family's mother."""
    details: Mapping[str, str] = {"decision": f"{f}-р", "kind_ru": "опека", "kind_kk": "қорғаншылық"}
    since = date(2020, 4, 1 + f - 30)
    return Wish(
        Register.GUARDIANSHIP,
        region,
        member(f - 5, MOTHER),
        since,
        related_iin=member(f, SECOND_CHILD),
        details=details,
    )


def _housing(f: int, region: str) -> Seeded:
    """Every fourth family is large; the first ones have their homes."""
    category = "large_family" if f % 4 == 0 else GENERAL
    assert category in CATEGORIES
    size = 5 if f >= 32 else 4
    wish = Wish(Register.HOUSING_QUEUE, region, member(f, MOTHER), date(2021, 1, 1 + f - 20), category, size)
    return Seeded(wish, date(2025, 12, 1) if f < 25 else None)
