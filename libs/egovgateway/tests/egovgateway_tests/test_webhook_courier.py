"""What a receiver may wish of the courier."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from egovgateway.webhooks.courier import wished

NOW = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("Mon, 02 Mar 2026 09:05:00 GMT", 300),
        ("Monday, 02-Mar-26 09:05:00 GMT", 300),
        ("999999999999999999999999", 3600),
        ("Mon, 02 Mar 2099 09:05:00 GMT", 3600),
        ("Mon, 02 Mar 1999 09:05:00 GMT", -1),
    ],
)
def test_a_wish_is_heard_within_an_hour(said: str, seconds: int) -> None:
    found = wished(said, NOW)
    assert found is not None
    if seconds >= 0:
        assert found == NOW + timedelta(seconds=seconds)
    else:
        assert found < NOW, "what is over is no wait"


@pytest.mark.parametrize("said", [None, "", "-5", "soon", "12 s", "\u0661\u0662", "Mon, 99 Mar 2026 09:05:00 GMT"])
def test_what_cannot_be_read_is_no_wish(said: str | None) -> None:
    assert wished(said, NOW) is None
