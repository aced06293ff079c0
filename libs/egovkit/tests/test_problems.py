from __future__ import annotations

import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from egovkit.contracts import ContractsNotFound, contracts_dir, read_once
from egovkit.errors import EgovError, FieldError
from egovkit.problems import Problems, check_errors, fill, negotiate, read_errors

GOOD: dict[str, Any] = {
    "service.internal": {
        "status": 500,
        "side": "platform",
        "en": {"title": "Failed", "detail": "It failed.", "remedy": "Wait."},
        "ru": {"title": "Сбой", "detail": "Сбой.", "remedy": "Подождите."},
        "kk": {"title": "Іркіліс", "detail": "Іркіліс.", "remedy": "Күтіңіз."},
    },
    "envelope.too_large": {
        "status": 413,
        "side": "sender",
        "en": {"title": "Too large", "detail": "{size} of {limit} bytes.", "remedy": "Send less."},
        "ru": {"title": "Слишком велик", "detail": "{size} из {limit} байт.", "remedy": "Отправьте меньше."},
        "kk": {"title": "Тым үлкен", "detail": "{limit} байттың {size}.", "remedy": "Азырақ жіберіңіз."},
    },
}


@pytest.fixture
def problems() -> Problems:
    return read_once(Problems.load, contracts_dir())


# --- contracts/errors.yaml itself ------------------------------------------------------------------------------


def test_errors_yaml_is_complete_in_three_languages() -> None:
    assert check_errors(read_errors(contracts_dir() / "errors.yaml")) == []


def test_the_codes_the_kit_raises_itself_are_in_errors_yaml(problems: Problems) -> None:
    raised = {
        *("service.internal", "service.unavailable", "request.malformed", "request.malformed_json"),
        *("request.invalid", "request.media_type", "request.too_large", "request.not_found"),
        *("request.method_not_allowed", "data.invalid", "message.type_unknown", "envelope.misdelivered"),
        *("idempotency.key_missing", "idempotency.key_invalid", "idempotency.key_reused", "idempotency.in_progress"),
    }
    assert raised <= problems.codes


def test_kazakh_texts_are_kazakh() -> None:
    """A kk text that equals the ru one is a copy that someone forgot to translate."""
    raw = read_errors(contracts_dir() / "errors.yaml")
    copies = [code for code, entry in raw.items() if entry["kk"]["detail"] == entry["ru"]["detail"]]
    assert copies == []


# --- what the check finds --------------------------------------------------------------------------------------


def broken(code: str = "envelope.too_large", **changes: Any) -> list[str]:
    raw = copy.deepcopy(GOOD)
    raw[code] = {**raw[code], **changes}
    return check_errors(raw)


def test_a_good_file_has_no_mistakes() -> None:
    assert check_errors(GOOD) == []


@pytest.mark.parametrize("lang", ["kk", "ru", "en"])
def test_a_missing_language_is_found(lang: str) -> None:
    raw = copy.deepcopy(GOOD)
    del raw["envelope.too_large"][lang]
    assert any(lang in mistake for mistake in check_errors(raw))


@pytest.mark.parametrize("part", ["title", "detail", "remedy"])
def test_an_empty_text_is_found(part: str) -> None:
    text = {**GOOD["envelope.too_large"]["kk"], part: " "}
    assert any(f"kk.{part} is empty" in mistake for mistake in broken(kk=text))


def test_placeholders_that_differ_between_languages_are_found() -> None:
    text = {**GOOD["envelope.too_large"]["kk"], "detail": "{limit} байт."}
    assert any("placeholders differ" in mistake for mistake in broken(kk=text))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": 200}, "status"),
        ({"status": "413"}, "status"),
        ({"side": "nobody"}, "side"),
        ({"de": {}}, "unknown keys de"),
    ],
)
def test_other_mistakes_are_found(change: dict[str, Any], words: str) -> None:
    assert any(words in mistake for mistake in broken(**change))


def test_a_code_of_a_wrong_form_and_a_missing_fallback_are_found() -> None:
    mistakes = check_errors({"TooLarge": GOOD["envelope.too_large"], "a.b": None})
    assert len(mistakes) == 3


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "errors.yaml").write_text("a.b: {status: 1}\nc.d: {side: x}\n", encoding="utf-8")
    with pytest.raises(ValueError) as invalid:
        Problems.load(tmp_path)
    assert str(invalid.value).count("\n") > 5


def test_a_code_that_is_there_twice_is_found(tmp_path: Path) -> None:
    (tmp_path / "errors.yaml").write_text("a.b: {}\nc.d: {}\na.b: {}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"more than once: a\.b"):
        read_errors(tmp_path / "errors.yaml")


def test_an_empty_file_reads_as_nothing_and_a_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "errors.yaml").write_text("# nothing\n", encoding="utf-8")
    assert read_errors(tmp_path / "errors.yaml") == {}
    (tmp_path / "errors.yaml").write_text("- a\n", encoding="utf-8")
    with pytest.raises(ValueError, match="mapping"):
        read_errors(tmp_path / "errors.yaml")


# --- rendering -------------------------------------------------------------------------------------------------


def test_a_problem_has_every_member_of_rfc_9457_and_ours(problems: Problems) -> None:
    error = EgovError("request.too_large", clause="п. 8.3", limit=1024)
    assert problems.render(error, "en", instance="/v1/cases") == {
        "type": "urn:egov:problem:request.too_large",
        "title": "The body is too large",
        "status": 413,
        "detail": "The body may have at most 1024 bytes.",
        "instance": "/v1/cases",
        "code": "request.too_large",
        "side": "sender",
        "remedy": "Send less in one request.",
        "clause": "п. 8.3",
        "limit": 1024,
    }


@pytest.mark.parametrize(("lang", "word"), [("kk", "байттан"), ("ru", "байт"), ("en", "bytes"), ("fr", "байт")])
def test_texts_come_in_the_readers_language(problems: Problems, lang: str, word: str) -> None:
    assert word in problems.render(EgovError("request.too_large", limit=1), lang)["detail"]


def test_fields_are_named_in_the_readers_language(problems: Problems) -> None:
    errors = [
        FieldError("form.rooms", "missing", "is required"),
        FieldError("form.note", "too_long", "too long", {"limit": 1000}),
        FieldError("form.odd", "of_a_kind_without_text", "is odd"),
        FieldError("died", "out_of_range", "too early", {"limit": "2026-01-15"}),
    ]
    found = problems.render(EgovError("request.invalid", errors=errors), "ru")["errors"]
    assert found == [
        {"field": "form.rooms", "code": "missing", "message": "Это поле обязательно."},
        {"field": "form.note", "code": "too_long", "message": "Слишком длинное значение; не более 1000."},
        {"field": "form.odd", "code": "of_a_kind_without_text", "message": "Значение не может быть принято."},
        {"field": "died", "code": "out_of_range", "message": "Значение вне допустимых пределов; граница — 15.01.2026."},
    ]


def test_an_unknown_code_is_shown_as_a_failure_of_ours_and_logged(
    problems: Problems, caplog: pytest.LogCaptureFixture
) -> None:
    found = problems.render(EgovError("nobody.wrote_this", secret="x"))
    assert (found["code"], found["status"]) == ("service.internal", 500)
    assert "nobody.wrote_this" in caplog.text


def test_parameters_do_not_overwrite_the_standard_members(problems: Problems) -> None:
    found = problems.render(EgovError("request.too_large", limit=1, status=200, title="forged", side="nobody"))
    assert (found["status"], found["side"]) == (413, "sender")
    assert found["title"] != "forged"


def test_parameters_become_plain_json(problems: Problems) -> None:
    at = datetime(2026, 1, 15, 4, 0, tzinfo=UTC)
    found = problems.render(
        EgovError("request.invalid", at=at, list=[at, {1}], map={1: Path("x")}, text="я" * 999, none=None)
    )
    assert found["at"] == "2026-01-15T04:00:00Z"
    assert found["list"] == ["2026-01-15T04:00:00Z", [1]]
    assert (found["map"], found["none"]) == ({"1": "x"}, None)
    assert len(found["text"]) == 300


def test_texts_gives_all_languages_for_a_refusal_that_travels(problems: Problems) -> None:
    found = problems.texts(EgovError("request.too_large", limit=7))
    assert set(found) == {f"{part}_{lang}" for part in ("title", "detail", "remedy") for lang in ("kk", "ru", "en")}
    assert "7" in found["detail_kk"]


def test_filling_in_is_not_formatting() -> None:
    """str.format would follow attributes; a caller's text must never be a template."""
    assert fill("{a} {b.__class__} {missing}", {"a": "{b}", "b": 1}) == "{b} {b.__class__} …"
    assert fill("{list}", {"list": ["x", 2]}) == "x, 2"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "ru"),
        ("", "ru"),
        ("kk", "kk"),
        ("kk-KZ,ru;q=0.8", "kk"),
        ("en-GB;q=0.7, kk;q=0.9", "kk"),
        ("ru;q=0.1, en", "en"),
        ("KK", "kk"),
        ("fr, de", "ru"),
        ("*", "ru"),
        ("kk;q=0, en;q=0.1", "en"),
        ("kk;q=nonsense, en", "en"),
        (";;;,,,=", "ru"),
        ("en," * 5000, "en"),
    ],
)
def test_the_language_is_negotiated(header: str | None, language: str) -> None:
    assert negotiate(header) == language


def test_errors_read_well_in_logs() -> None:
    error = EgovError("a.b", clause="п. 1", errors=[FieldError("f", "missing", "m")], limit=3)
    assert str(error) == "a.b clause=п. 1 limit=3 f:missing"
    assert not error.transient
    assert EgovError("certificate.revocation_unknown").transient


# --- where the contracts are -----------------------------------------------------------------------------------


def test_contracts_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EGOV_CONTRACTS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert (contracts_dir() / "errors.yaml").is_file(), "this package lies inside the repository"
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "errors.yaml").touch()
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert contracts_dir() == tmp_path / "contracts"


def test_what_is_configured_wins_and_must_be_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "errors.yaml").touch()
    monkeypatch.setenv("EGOV_CONTRACTS", str(tmp_path))
    assert contracts_dir() == tmp_path
    with pytest.raises(ContractsNotFound, match="nowhere"):
        contracts_dir(tmp_path / "nowhere")
