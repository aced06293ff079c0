"""A case's term over the days unlike others: holidays, moved days off, the night Almaty's clock went back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from egovkit.clock import HandClock

if TYPE_CHECKING:
    from conftest import Arm

pytestmark = pytest.mark.service
ACT, REGION = "tayynsha-social-assistance", "tayynsha"  # seven working days


@pytest.fixture
def clock() -> HandClock:
    return HandClock(datetime.fromisoformat("2024-02-29T10:00+06:00"))


TERMS = (
    ("2024-02-29T10:00+06:00", "2024-03-12T13:00:00Z"),  # 18:00, at UTC+5 since 1 March; the 8th is a holiday
    ("2024-03-08T12:00+05:00", "2024-03-20T13:00:00Z"),  # begins on a holiday: counts for Monday the 11th
    ("2024-04-24T09:00+05:00", "2024-05-04T13:00:00Z"),  # ends on the Saturday that is worked for 8 May
)


async def test_a_term_ends_by_holidays_decrees_and_the_clock_of_its_last_day(arm: Arm) -> None:
    for start, due in TERMS:
        await arm.clock.advance(datetime.fromisoformat(start) - arm.clock.now())
        case, head = await arm.lodge(ACT, REGION), await arm.appoint("head", region=REGION)
        assert (await head.get(f"/v1/cases/{case}")).json()["term"]["due_at"] == due
    last = datetime.fromisoformat(TERMS[-1][1])
    for moment, late in ((last - timedelta(seconds=1), 2), (last, 3)):
        await arm.clock.advance(moment - arm.clock.now())
        await arm.fire()
        head = await arm.appoint("head", region=REGION)
        found = (await head.get("/v1/oversight/overdue")).json()["items"]
        assert sorted(one["due_at"] for one in found) == [due for _, due in TERMS[:late]]
