from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from egovkit.clock import HandClock
from egovkit.log import bound_trace, configure_logging, current_traceparent, get_logger, mask, mask_text

IIN = "990101999999"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def lines(clock: HandClock) -> Iterator[Any]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logging(clock, level="info", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"ИИН {IIN}.", "ИИН 9901******99."),
        (f"iin={IIN}&x", "iin=9901******99&x"),
        (f"IIN{IIN}", "IIN9901******99"),
        (f"{IIN},{IIN}", "9901******99,9901******99"),
        ("12345678901", "12345678901"),
        ("1234567890123", "1234567890123"),
        ("019bc000-0000-7000-8000-123456789012", "019bc000-0000-7000-8000-123456789012"),
        ("a" * 20 + IIN, "a" * 20 + IIN),
        ("sha256 " + "0" * 64, "sha256 " + "0" * 64),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
        ("amqp://portal:pa55word@broker:5672/egov", "amqp://portal:***@broker:5672/egov"),
        ("token eyJhbGciOiJFUzI1NiJ9.eyJhIjoxfQ.c2lnbmF0dXJl end", "token *** end"),
        ("Әлеуметтік тұрғын үй", "Әлеуметтік тұрғын үй"),
    ],
)
def test_identities_and_credentials_in_text_are_masked(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@pytest.mark.parametrize(
    "field",
    [
        *("password", "Password", "token", "access_token", "Authorization", "Set-Cookie", "adminToken"),
        *("surname", "patronymic", "first_name", "phone", "email"),
    ],
)
def test_secret_and_personal_fields_are_hidden_whatever_they_hold(field: str) -> None:
    assert mask({field: {"deep": ["x"]}, "other": 1}) == {field: "***", "other": 1}
    assert mask({field: None}) == {field: None}


def test_masking_goes_to_any_depth_and_type() -> None:
    found = mask({"a": [{"b": (IIN, int(IIN), {"password": "x"})}], "c": b"bytes", "d": 1.5, "e": True, "f": None})
    assert found == {
        "a": [{"b": ["9901******99", "9901******99", {"password": "***"}]}],
        "c": "<5 bytes>",
        "d": 1.5,
        "e": True,
        "f": None,
    }


def test_masking_does_not_follow_endless_nesting() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert "***" in str(mask(endless))


def test_a_line_is_one_json_object_with_the_deployments_time(lines: Any, clock: HandClock) -> None:
    get_logger("egovkit.test", service="portal-pep").info("case.created", case="c", iin=IIN, note="қазақша")
    assert lines() == [
        {
            "event": "case.created",
            "service": "portal-pep",
            "case": "c",
            "iin": "9901******99",
            "note": "қазақша",
            "level": "info",
            "logger": "egovkit.test",
            "time": "2026-01-15T04:00:00.000Z",
        }
    ]


def test_lines_of_libraries_are_json_and_masked_too(lines: Any) -> None:
    logging.getLogger("sqlalchemy.engine").warning("SELECT '%s' with %s", IIN, {"password": "x"})
    (line,) = lines()
    assert line["logger"] == "sqlalchemy.engine"
    assert IIN not in line["event"]


def test_an_exception_is_logged_with_its_place_but_masked(lines: Any) -> None:
    try:
        raise RuntimeError(f"no person {IIN}")
    except RuntimeError:
        get_logger("x").exception("failed")
        logging.getLogger("library").exception("failed too")
    for line in lines():
        assert "test_log.py" in line["exception"]
        assert "9901******99" in line["exception"]
        assert IIN not in json.dumps(line)


def test_levels_below_the_configured_one_are_silent(lines: Any) -> None:
    get_logger("x").debug("unheard")
    logging.getLogger("httpx").info("unheard")
    assert lines() == []


def test_the_trace_is_on_every_line_of_the_block_and_gone_after_it(lines: Any) -> None:
    with bound_trace(TRACE):
        assert current_traceparent() == TRACE
        get_logger("x").info("inside")
    get_logger("x").info("outside")
    inside, outside = lines()
    assert inside["trace"] == "0af7651916cd43dd8448eb211c80319c"
    assert "trace" not in outside
    assert current_traceparent() is None


def test_a_new_line_in_a_value_does_not_forge_a_line(lines: Any) -> None:
    get_logger("x").info("name", value='x"}\n{"event": "forged"}')
    assert len(lines()) == 1


def test_before_logging_is_configured_nothing_is_printed_raw(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    structlog.reset_defaults()
    password = "hunter2"
    try:
        raise RuntimeError("x")
    except RuntimeError:
        get_logger("quiet").exception("failed", iin=IIN, password=password)
    assert capsys.readouterr().out == ""
    assert IIN not in caplog.text
    assert password not in caplog.text
