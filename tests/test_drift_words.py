"""Problems speak the reader's language alone: contracts/words.yaml and errors.yaml against each other and the code."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from egovkit.contracts import read_yaml
from egovkit.errors import EgovError
from egovkit.problem_words import PLAIN, Words
from egovkit.problems import Problems
from egovlaw.kinds import STEP_KINDS

ROOT = Path(__file__).parents[1]
CONTRACTS = ROOT / "contracts"
PROBLEMS = Problems.load(CONTRACTS)
WORDS = Words.load(CONTRACTS)
ERRORS: dict[str, Any] = read_yaml(CONTRACTS / "errors.yaml")

# The enumerations whose values stand as {state}, {needed}, ... of a problem.
SPOKEN = {
    "state": (
        *(
            "portal_pep.domain.states:CaseState",
            "portal_pep.domain.co_signing:CoState",
            "con_arm.domain.states:CaseState",
            "con_arm.domain.counter:TicketState",
        ),
        *("con_arm.domain.courier:CourierState", "provider_arm.domain.cases:CaseState"),
        *("provider_arm.domain.own:OwnState", "nuc_mock.domain.rules:State", "gateway_shep.domain:LetterState"),
    ),
    "needed": ("con_arm.domain.people:Role", "provider_arm.domain.cases:Role", "provider_arm.domain.cases:OfficeKind"),
    "event": ("nuc_mock.domain.rules:Event",),
    "kind": ("provider_arm.domain.cases:StepKind",),
    "decided": ("provider_arm.domain.cases:Answer",),
    "way": ("provider_arm.domain.desks:Way",),
}
# Latin words that are no English here: names of members, headers, commands and their values, as programs read them.
MEMBERS = {
    *("alg", "aud", "branch", "capacity", "caseseq", "content-type", "correlationid", "crit", "data", "errors"),
    *("expirytime", "format", "cms", "encapsulate", "id", "iss", "message-digest", "source", "traceparent", "typ"),
    *("chmod", "chown", "curl", "data-binary", "doctor", "echo", "egov", "printf", "root"),
    *(
        "egov-receipt",
        "egov-signature",
        "signing-certificate",
        "false",
        "true",
        "http",
        "https",
        "take",
        "Allow",
        "Authorization",
        "Bearer",
    ),
}
LATIN = re.compile(r"[A-Za-z][A-Za-z0-9#_/.+-]*")


def _english(text: str) -> list[str]:
    """Latin words that are neither acronyms, names with capitals inside, paths or identifiers nor known members."""
    words = (word.strip(".-/") for word in LATIN.findall(re.sub(r"`[^`]*`|https?://\S*", "", text)))
    return [word for word in words if word not in MEMBERS and re.fullmatch(r"[A-Za-z]?[a-z-]+", word)]


@pytest.mark.parametrize("lang", ["ru", "kk"])
@pytest.mark.parametrize("code", sorted(PROBLEMS.codes))
def test_the_texts_are_in_one_language(code: str, lang: str) -> None:
    text = PROBLEMS[code].texts[lang]
    shown = " ".join((text.title, text.detail, text.remedy))
    assert _english(re.sub(r"\{\w+\}", "", shown)) == []


@pytest.mark.parametrize("lang", ["ru", "kk"])
def test_the_words_are_in_one_language(lang: str) -> None:
    lists = read_yaml(CONTRACTS / "words.yaml")
    words = [
        word[lang] for section in ("words", "names") for found in lists[section].values() for word in found.values()
    ]
    assert [word for word in words if _english(word)] == []


def test_every_place_of_every_text_is_of_an_allowed_kind_and_none_is_idle() -> None:
    used = set().union(*(PROBLEMS[code].placeholders for code in PROBLEMS.codes))
    assert used == set(WORDS.places)
    lists = {kind for kind in WORDS.places.values() if kind not in PLAIN}
    closed = {WORDS.places[place] for place in WORDS.places if WORDS.is_closed(place)}
    assert closed == {"answers", "events", "reasons", "roles", "states"}
    assert lists - closed == {"awaited", "channels", "regions", "registers", "signers", "steps", "ways"}


@pytest.mark.parametrize(("place", "named"), [(place, one) for place, all_ in SPOKEN.items() for one in all_])
def test_every_value_the_code_may_say_has_a_word(place: str, named: str) -> None:
    module, _, name = named.partition(":")
    values: type[StrEnum] = getattr(importlib.import_module(module), name)
    assert [value.value for value in values if value.value not in WORDS.of(place)] == []


def test_every_state_of_the_law_has_a_word() -> None:
    states = {"new", *(kind.state for kind in STEP_KINDS.values())}
    assert states - WORDS.of("state").keys() == set()


def test_the_regions_have_their_names() -> None:
    regions = read_yaml(CONTRACTS / "regions.yaml")["regions"]
    named = {code: (word["ru"], word["kk"]) for code, word in WORDS.of("region").items()}
    assert named == {code: (one["name_ru"], one["name_kk"]) for code, one in regions.items()}


# --- what the code raises --------------------------------------------------------------------------------------------


def _sources() -> list[Path]:
    return [path for path in sorted(ROOT.glob("**/src/**/*.py")) if ".venv" not in path.parts]


@cache
def _calls() -> list[tuple[str, ast.Call]]:
    """Every call in the sources, with its place."""
    found: list[tuple[str, ast.Call]] = []
    for path in _sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [
            (f"{path.relative_to(ROOT)}:{node.lineno}", node) for node in ast.walk(tree) if isinstance(node, ast.Call)
        ]
    return found


def _literals(node: ast.expr) -> Iterator[str]:
    """The texts an expression may be, as far as they stand there."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _literals(node.body)
        yield from _literals(node.orelse)
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)


def _raised(call: ast.Call) -> str | None:
    """The code of an EgovError made here."""
    named = isinstance(call.func, ast.Name) and call.func.id == "EgovError" and call.args
    return next(_literals(call.args[0]), None) if named else None


def test_what_is_written_into_a_sentence_is_a_code_with_a_word() -> None:
    wrong = []
    for where, call in _calls():
        if (code := _raised(call)) is None or code not in PROBLEMS:
            continue
        for one in call.keywords:
            if one.arg not in PROBLEMS[code].placeholders or not WORDS.is_closed(one.arg):
                continue
            known, given = WORDS.of(one.arg), ast.unparse(one.value)
            wrong += [(where, text) for text in _literals(one.value) if text not in known and text not in PROBLEMS]
            if given.startswith("str(error") or given.endswith("__name__"):
                wrong.append((where, f"{given}: what a library said belongs into `technical`"))
    assert wrong == []


def test_no_place_of_a_sentence_is_left_empty_and_every_reason_is_said() -> None:
    """A place that nobody fills reads "…"; a reason that the text does not name reaches no reader. The partners of the
    certification tell nobody: their errors are codes."""
    wrong = []
    for where, call in _calls():
        code, given = _raised(call), {one.arg for one in call.keywords}
        if code is None or code not in PROBLEMS or None in given or "/certify/partners/" in where:  # None: **more
            continue
        places = PROBLEMS[code].placeholders
        wrong += [(where, code, place) for place in (places - given) | ({"reason"} & given - places)]
    assert wrong == []


@pytest.mark.parametrize("made_by", ["_malformed", "unreadable", "StrictJsonError", "BadDer", "UnusableRequest"])
def test_the_reasons_that_are_handed_on_have_words(made_by: str) -> None:
    given = [
        (where, text)
        for where, call in _calls()
        if isinstance(call.func, ast.Name) and call.func.id == made_by and call.args and "/testing/" not in where
        for text in _literals(call.args[0])
    ]
    assert given
    assert [one for one in given if one[1] not in WORDS.of("reason")] == []


def test_the_reasons_against_an_application_have_words() -> None:
    """The provider's machine finds them at the registration; `decision.not_verified` tells them all."""
    sources = "".join(path.read_text(encoding="utf-8") for path in _sources() if "provider_arm" in path.parts)
    found = set(re.findall(r'"((?:document|applicant|operator)\.[a-z_]+)"', sources))
    assert len(found) > 12
    assert [one for one in sorted(found) if one not in WORDS.of("reasons") and one not in PROBLEMS] == []


def test_every_reason_is_given_somewhere() -> None:
    """A reason that no code gives is a word nobody will ever mend."""
    sources = "".join(path.read_text(encoding="utf-8") for path in _sources())
    assert [one for one in WORDS.of("reason") if f'"{one}"' not in sources] == []


def test_every_reason_of_a_single_field_has_a_text() -> None:
    codes = {
        (where, code)
        for where, call in _calls()
        if isinstance(call.func, ast.Name)
        and call.func.id in ("FieldError", "ValueProblem", "AnswerProblem", "OrderFault")
        and len(call.args) > 1
        for code in _literals(call.args[1])
    }
    assert len(codes) > 50
    assert [one for one in sorted(codes) if f"field.{one[1]}" not in PROBLEMS] == []


# --- as a reader gets it -------------------------------------------------------------------------------------------


def _samples() -> Iterator[EgovError]:
    """Every problem with every word that may stand in it."""
    kept = read_yaml(CONTRACTS / "openapi" / "parameters.yaml")
    for code in sorted(PROBLEMS.codes):
        given = {**kept["values"], **kept["codes"].get(code, {})}
        places = PROBLEMS[code].placeholders
        params = {name: given.get(name, "7") for name in places}
        yield EgovError(code, **params)
        for place in sorted(places):
            for word in WORDS.of(place) if WORDS.is_closed(place) else ():
                yield EgovError(code, **{**params, place: word})


@pytest.mark.parametrize("lang", ["ru", "kk"])
def test_no_english_is_left_whatever_stands_in_the_places(lang: str) -> None:
    found = []
    for error in _samples():
        shown = PROBLEMS.render(error, lang)
        # what programs read may stand in a sentence: it is taken out as it was given
        plain = {str(value) for name, value in error.params.items() if WORDS.places.get(name) in PLAIN}
        text = " ".join((shown["title"], shown["detail"], shown["remedy"]))
        for value in sorted(plain, key=len, reverse=True):
            text = text.replace(value, "")
        if left := _english(text):
            found.append((error.code, dict(error.params), left))
    assert found == []
