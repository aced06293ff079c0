"""What the calls of any origin share."""

from __future__ import annotations

import base64

import pytest

from egovkit.errors import EgovError
from egovorigin.api import cursor_of, key_of


def test_a_page_goes_on_where_the_one_before_ended() -> None:
    assert key_of(cursor_of("019bc000-0000-7000-8000-000000000001")) == "019bc000-0000-7000-8000-000000000001"
    assert key_of(None) is None


@pytest.mark.parametrize("made_up", [b"", b"\x00", b"019bc\x000", "ключ".encode(), b"\n"])
def test_a_cursor_that_is_none_of_ours_is_refused_before_a_database_sees_it(made_up: bytes) -> None:
    with pytest.raises(EgovError) as refused:
        key_of(base64.urlsafe_b64encode(made_up).decode().rstrip("="))
    assert refused.value.code == "request.cursor_invalid"
