"""Guessing is slowed down, a person who mistypes is not."""

from __future__ import annotations

import pytest

from egovkit.guessing import login_wait

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("failures", "seconds"), [(0, 0), (4, 0), (5, 30), (6, 60), (7, 120), (10, 900), (10**6, 900)])
def test_the_wait_grows_and_stays_bearable(failures: int, seconds: int) -> None:
    assert login_wait(failures) == seconds
