"""A person's record and its versions: how it changes, what must hold, what it is found by.

The record itself is the document that answers carry (contracts/messages/answer.person.schema.json); a version is that
document from a day on. Versions are only added, each from the day of the last one or a later day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from egovkit.errors import FieldError
from egovlaw.identifiers import iin_birth_date, iin_problem
from gbd_fl_mock.domain.dictionaries import DICTIONARIES, dictionary_of, entry

Person = Mapping[str, Any]
DECEASED = "1"
SYNTHETIC_YEAR = 2099  # birth year in every number of the reserved range
NAMES = ("surname", "name", "patronymic")


@dataclass(frozen=True, slots=True)
class Version:
    """What the register says of a person from `valid_from` on; it learned it at `recorded_at`."""

    iin: str
    version: int
    valid_from: date
    recorded_at: datetime
    reason: str
    person: Person


def merged(person: Any, change: Any) -> Any:
    """RFC 7396: null removes, an object merges, anything else (lists too) replaces."""
    if not isinstance(change, Mapping):
        return change
    result = dict(person) if isinstance(person, Mapping) else {}
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def completed(value: Any, path: tuple[str, ...] = ()) -> Any:
    """The same document with the names of every dictionary value written beside its code; an unknown code stays as
    it is, for `problems` to find."""
    if isinstance(value, list):
        return [completed(item, path) for item in value]
    if not isinstance(value, Mapping):
        return value
    dictionary, code = dictionary_of(path) if path else None, value.get("code")
    if dictionary is not None and isinstance(code, str) and code in DICTIONARIES[dictionary]:
        return dict(entry(dictionary, code))
    return {name: completed(item, (*path, name)) for name, item in value.items()}


def problems(person: Person) -> list[FieldError]:
    """What the schema does not see, each mistake by its field. The person has passed the schema."""
    found = list(_code_problems(person))
    if iin_problem(person["iin"]) is not None:
        found.append(FieldError("iin", "iin_invalid", "not an ИИН"))
    elif iin_birth_date(person["iin"]).year != SYNTHETIC_YEAR:
        found.append(FieldError("iin", "not_synthetic", "no person who may exist has a record here"))
    born, died = person["birth_date"], person.get("death_date")
    if died is not None and died < born:  # both are dates of one form: they sort as text
        found.append(FieldError("death_date", "out_of_range", "before the birth", {"limit": born}))
    if (person["life_status"]["code"] == DECEASED) != (died is not None):
        found.append(FieldError("death_date", "invalid", "goes together with life_status 1"))
    for n, paper in enumerate(person.get("documents", [])):
        if paper.get("end_date", paper["begin_date"]) < paper["begin_date"]:
            field = f"documents.{n}.end_date"
            found.append(FieldError(field, "out_of_range", "before the begin", {"limit": paper["begin_date"]}))
    return found


def _code_problems(value: Any, path: tuple[str, ...] = (), shown: str = "") -> Iterator[FieldError]:
    if isinstance(value, list):
        for n, item in enumerate(value):
            yield from _code_problems(item, path, f"{shown}.{n}")
    elif isinstance(value, Mapping):
        dictionary = dictionary_of(path) if path else None
        if dictionary is not None and value.get("code") not in DICTIONARIES[dictionary]:
            yield FieldError(f"{shown}.code", "not_allowed", f"no value of the dictionary {dictionary}")
            return
        for name, item in value.items():
            yield from _code_problems(item, (*path, name), f"{shown}.{name}" if shown else name)


def day_problem(valid_from: date, earliest: date, today: date) -> FieldError | None:
    """History is only added to: never before the last version (the first: before the birth), never in the future."""
    if valid_from < earliest:
        return FieldError("valid_from", "out_of_range", "too early", {"limit": earliest.isoformat()})
    if valid_from > today:
        return FieldError("valid_from", "out_of_range", "in the future", {"limit": today.isoformat()})
    return None


def folded(text: str) -> str:
    """A name as it is compared. Databases differ in what is one letter in two cases; Python knows Қ and қ."""
    return " ".join(text.split()).casefold()


def search_keys(person: Person) -> dict[str, Any]:
    """What a version is found by; None where the person has no such name."""
    names = {name: folded(person[name]) if name in person else None for name in NAMES}
    return {**names, "birth_date": date.fromisoformat(person["birth_date"])}


def document_numbers(person: Person) -> frozenset[str]:
    return frozenset(paper["number"] for paper in person.get("documents", []))
