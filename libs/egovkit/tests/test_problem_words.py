"""A problem speaks its reader's language alone: what stands in its sentences comes from contracts/words.yaml."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from egovkit import barcodes, problem_words, strictjson
from egovkit.contracts import contracts_dir, read_once
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.errors import EgovError
from egovkit.problem_words import Words, check_words
from egovkit.problems import Problems
from egovkit.serving import plain_answer
from egovkit.signatures.cms import read_cms
from egovkit.signatures.jws import read_header
from egovkit.signatures.keys import read_key_file
from egovkit.signatures.stamps import read_reply, stamp_certificates

GOOD: dict[str, Any] = {
    "places": {"limit": "number", "state": "states", "channel": "channels"},
    "words": {"states": {"registered": {"en": "registered", "ru": "зарегистрировано", "kk": "тіркелді"}}},
    "names": {"channels": {"portal": {"en": "portal", "ru": "портал", "kk": "портал"}}},
}
TITLES: dict[tuple[str, str], str] = {("certificate.expired", "ru"): "Срок истёк"}


@pytest.fixture
def problems() -> Problems:
    return read_once(Problems.load, contracts_dir())


def said(place: str, value: object, lang: str = "ru", raw: Any = None) -> Any:
    return Words(GOOD if raw is None else raw).said(place, value, lang, lambda code, lang: TITLES.get((code, lang)))


# --- one place ---------------------------------------------------------------------------------------------------


def test_a_code_is_said_in_the_readers_language() -> None:
    assert said("state", "registered") == "зарегистрировано"
    assert said("state", "registered", "kk") == "тіркелді"
    assert said("state", ["registered", "registered"]) == ["зарегистрировано", "зарегистрировано"]
    assert said("state", "registered, registered") == ["зарегистрировано", "зарегистрировано"]


def test_the_code_of_another_problem_is_said_by_its_title() -> None:
    assert said("state", "certificate.expired") == "«Срок истёк»"


@pytest.mark.undeclared
def test_a_code_without_a_word_is_a_mistake_that_tests_hear() -> None:
    heard: list[str] = []
    problem_words.on_unsaid.append(heard.append)
    try:
        assert said("state", "half done") == "half done"
    finally:
        problem_words.on_unsaid.remove(heard.append)
    assert heard == ["contracts/words.yaml has no word for state 'half done'"]


def test_a_name_that_somebody_else_chose_is_shown_as_it_is() -> None:
    assert said("channel", "portal", "kk") == "портал"
    assert said("channel", "carrier-pigeon") == "carrier-pigeon"


@pytest.mark.parametrize(
    ("value", "ru", "en"),
    [
        (5, 5, 5),
        ("2026-01-15", "15.01.2026", "2026-01-15"),
        ("2026-01-15T20:30:00Z", "16.01.2026 01:30", "2026-01-15T20:30:00Z"),
        ("2026-01-15T20:30:00.123456+00:00", "16.01.2026 01:30", "2026-01-15T20:30:00.123456+00:00"),
        ("2026-01-15T99", "2026-01-15T99", "2026-01-15T99"),
    ],
)
def test_days_and_moments_are_written_as_people_here_write_them(value: object, ru: object, en: object) -> None:
    assert (said("limit", value), said("limit", value, "en")) == (ru, en)


# --- what the check finds ------------------------------------------------------------------------------------------


def changed(change: Callable[[dict[str, Any]], object]) -> list[str]:
    raw = copy.deepcopy(GOOD)
    change(raw)
    return check_words(raw)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda raw: raw["places"].update(reason="reasons"), "place reason: 'reasons' is neither"),
        (lambda raw: raw["places"].pop("state"), "states is no place's"),
        (lambda raw: raw["words"]["states"]["registered"].pop("kk"), "states.registered has to have en, ru, kk"),
        (lambda raw: raw["names"]["channels"]["portal"].update(ru=" "), "channels.portal has to have en, ru, kk"),
        (lambda raw: raw.pop("names"), "exactly places, words and names"),
    ],
)
def test_mistakes_of_the_lists_are_found(change: Callable[[dict[str, Any]], object], told: str) -> None:
    assert check_words(GOOD) == []
    [mistake] = changed(change)
    assert told in mistake


def test_a_text_with_a_place_nobody_described_is_not_loaded(tmp_path: Path) -> None:
    """So that an English sentence made in code cannot come back into a Russian or Kazakh one."""
    text = {"title": "T", "detail": "{why} it failed.", "remedy": "R"}
    entry = {"status": 500, "side": "platform", "en": text, "ru": text, "kk": text}
    (tmp_path / "errors.yaml").write_text(yaml.safe_dump({"service.internal": entry}), encoding="utf-8")
    (tmp_path / "words.yaml").write_text(yaml.safe_dump(GOOD), encoding="utf-8")
    with pytest.raises(ValueError, match=r"service\.internal: \{why\} is no place of words\.yaml"):
        Problems.load(tmp_path)


# --- real problems ---------------------------------------------------------------------------------------------


def _unpacked() -> object:
    return barcodes.unpack(b"<a/>")


REAL: dict[str, Callable[[], object]] = {
    "json": lambda: Envelope.parse(b"{"),
    "json-list": lambda: Envelope.parse(b"[]"),
    "json-twice": lambda: Envelope.parse(b'{"a":1,"a":1}'),
    "json-deep": lambda: Envelope.parse(b"[" * 40 + b"]" * 40),
    "json-nul": lambda: Envelope.parse(b'{"a":"\\u0000"}'),
    "json-integer": lambda: Envelope.parse(b'{"a": 99999999999999999999999}'),
    "receipts": lambda: WireEnvelope.of(b"{}", {"egov-signature": "a..b", "egov-receipt": ",".join("abcdefghij")}),
    "jws": lambda: read_header("a.b.c"),
    "jws-base64": lambda: read_header("%..x"),
    "jws-json": lambda: read_header("YWJj..x"),
    "cms": lambda: read_cms(b"data", b"0"),
    "cms-long": lambda: read_cms(b"data", bytes(10_000_000)),
    "stamp": lambda: stamp_certificates(b"0"),
    "stamp-reply": lambda: read_reply(b"0", 0),
    "key-file": lambda: read_key_file(b"no file", "secret"),
    "barcodes": _unpacked,
    "barcodes-xml": lambda: barcodes.unpack(b"<a"),
}


@pytest.mark.parametrize("made", REAL.values(), ids=REAL)
@pytest.mark.parametrize("lang", ["ru", "kk"])
def test_a_real_problem_has_no_english_in_russian_and_kazakh(
    problems: Problems, made: Callable[[], object], lang: str
) -> None:
    with pytest.raises(EgovError) as refused:
        made()
    shown = problems.render(refused.value, lang)
    reason = refused.value.params.get("reason")
    assert isinstance(reason, str) and reason not in shown["detail"], "the code stands in its member, not the sentence"
    assert shown["reason"] == reason
    assert re.findall(r"\b[a-z]{3,}\b(?![/:.])", shown["detail"].replace("base64url", "")) == []


def test_what_a_parser_said_has_a_member_of_its_own(problems: Problems) -> None:
    with pytest.raises(EgovError) as refused:
        Envelope.parse(b'{"a": }')
    shown = problems.render(refused.value, "kk")
    assert shown["reason"] == "not_json" and "at character" in shown["technical"]
    assert shown["technical"] not in shown["detail"]


def test_the_answer_to_plain_http_on_an_https_port_is_russian(problems: Problems) -> None:
    assert "обычный HTTP" in plain_answer(problems).decode()


def test_strict_json_says_what_is_wrong_in_codes() -> None:
    with pytest.raises(strictjson.StrictJsonError) as deep:
        strictjson.loads(b"[[[]]]", max_depth=2)
    assert deep.value.told == {"reason": "nested_too_deep", "technical": "more than 2 levels"}
