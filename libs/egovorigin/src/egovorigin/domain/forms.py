"""Form values are data: names and values, checked for size and shape, kept exactly as they were typed.

The acts give no format rules (A16), so nothing is rewritten: no trimming, no change of case, no Unicode normalisation -
what a person signs is what was typed, every Kazakh letter of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MAX_FIELDS: Final = 100
MAX_VALUE: Final = 1000  # characters of one value: the longest address fits ten times
MAX_ITEMS: Final = 50  # of a list (children, members of a family)
MAX_FORM: Final = 64 * 1024  # bytes: signed document and envelope carry it in base64 within their own limits
FIELD_NAME: Final = r"^[a-z][a-z0-9_]{0,59}$"

_NAME = re.compile(FIELD_NAME)
_LINE_BREAKS: Final = frozenset("\n\r\t")


@dataclass(frozen=True, slots=True)
class ValueProblem:
    field: str
    code: str  # too_long, control_character, wrong_type, too_many, bad_name, unknown, too_large
    limit: int | None = None


def form_problems(values: Mapping[str, object], known: frozenset[str] = frozenset()) -> list[ValueProblem]:
    """Everything wrong with the values, all at once. `known` are the fields of the regulation's own form; a
    regulation whose form the act does not print (A15) takes any well-named field."""
    problems = []
    if len(values) > MAX_FIELDS:
        problems.append(ValueProblem("", "too_many", MAX_FIELDS))
    for name, value in list(values.items())[:MAX_FIELDS]:
        if not _NAME.match(name):
            problems.append(ValueProblem(name[:60], "bad_name"))
        elif known and name not in known:
            problems.append(ValueProblem(name, "unknown"))
        elif (problem := _value_problem(name, value)) is not None:
            problems.append(problem)
    if not problems and len(canonical(values)) > MAX_FORM:
        problems.append(ValueProblem("", "too_large", MAX_FORM))
    return problems


def _value_problem(name: str, value: object) -> ValueProblem | None:
    if isinstance(value, list):
        if len(value) > MAX_ITEMS:
            return ValueProblem(name, "too_many", MAX_ITEMS)
        items = (_value_problem(f"{name}.{index}", item) for index, item in enumerate(value))
        return next((problem for problem in items if problem is not None), None) or (
            None if all(isinstance(item, str) for item in value) else ValueProblem(name, "wrong_type")
        )
    if isinstance(value, str):
        return _text_problem(name, value)
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int) and abs(value) < 2**53:  # beyond it JSON readers disagree about the number
        return None
    return ValueProblem(name, "wrong_type")


def _text_problem(name: str, value: str) -> ValueProblem | None:
    code = text_problem(value, MAX_VALUE)
    return None if code is None else ValueProblem(name, code, MAX_VALUE)


def text_problem(value: str, limit: int) -> str | None:
    """The code of what is wrong with one text that people enter; None when nothing is."""
    if len(value) > limit:
        return "too_long"
    for character in value:
        # Half a surrogate pair has no UTF-8 form; NUL and its kin cannot be stored or shown everywhere.
        if "\ud800" <= character <= "\udfff" or (character < " " and character not in _LINE_BREAKS):
            return "control_character"
    return None


def canonical(values: Mapping[str, object]) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
