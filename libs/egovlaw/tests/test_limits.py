"""Time: what lateness leads to, by class and policy; and when a limit began."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egovlaw.catalogue import Catalogue, Channel, Event, Limit, LimitClass
from egovlaw.flow import TrailStep
from egovlaw.limits import (
    CLAIM_BEYOND_LIMIT,
    EXPIRED,
    GRACE_S,
    IN_FUTURE,
    LATE,
    LATE_ACTION,
    LimitUsed,
    Spent,
    TimeClass,
    judge_time,
    limit_stopped_by,
    limits_used,
    started_at,
)

T0 = datetime(2026, 1, 15, 4, tzinfo=UTC)
MINUTE = Limit(
    "P5", "Приложение 1, таблица 1, 5", 30, 60, Event("step", "C2", "ok"), Event("message", "case.submitted"),
    "gateway-shep", "submission", 5, ("A4",),
)  # fmt: skip
CLASSES: tuple[TimeClass, ...] = (*get_args(LimitClass), "answer")


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def test_within_the_limit_everything_passes_and_the_share_is_told() -> None:
    verdict = judge_time(MINUTE, "submission", T0, after(45))
    assert (verdict.action, verdict.late, verdict.code) == ("pass", False, None)
    assert (verdict.limit_s, verdict.used_s, verdict.share) == (60.0, 45.0, 0.75)
    assert verdict.clause == "Приложение 1, таблица 1, 5"


def test_nobody_is_refused_for_being_quick() -> None:
    assert judge_time(MINUTE, "submission", T0, after(1)).action == "pass", "30 s is for display"


def test_clocks_may_differ_by_the_grace_and_no_more() -> None:
    assert judge_time(MINUTE, "submission", T0, after(60 + GRACE_S)).action == "pass"
    assert judge_time(MINUTE, "submission", T0, after(60.001 + GRACE_S)).action == "refuse"
    assert judge_time(MINUTE, "submission", T0, after(60.001), grace_s=0).action == "refuse"


@pytest.mark.parametrize(
    ("cls", "action"),
    [
        ("request", "refuse"),
        ("submission", "refuse"),
        ("fact", "record"),
        ("answer", "record"),
        ("staff", "escalate"),
        ("citizen", "measure"),
    ],
)
def test_lateness_leads_to_what_the_class_says(cls: TimeClass, action: str) -> None:
    verdict = judge_time(MINUTE, cls, T0, after(100))
    assert (verdict.action, verdict.late, verdict.code) == (action, True, LATE)
    assert verdict.share is not None and verdict.share > 1
    assert LATE_ACTION[cls] == action


def test_a_submission_behind_the_door_is_escalated_and_never_dropped() -> None:
    assert judge_time(MINUTE, "submission", T0, after(100), at_door=False).action == "escalate"
    assert judge_time(MINUTE, "request", T0, after(100), at_door=False).action == "refuse"


@pytest.mark.parametrize("cls", CLASSES)
def test_the_strict_policy_refuses_whatever_is_late(cls: TimeClass) -> None:
    assert judge_time(MINUTE, cls, T0, after(100), policy="strict").action == "refuse"
    assert judge_time(MINUTE, cls, T0, after(10), policy="strict").action == "pass"


def test_an_envelope_past_its_own_expiry_is_expired() -> None:
    verdict = judge_time(MINUTE, "submission", T0, after(40), after(30))
    assert (verdict.code, verdict.action, verdict.late) == (EXPIRED, "refuse", True)
    assert judge_time(None, "request", None, after(40), after(30)).code == EXPIRED
    assert judge_time(None, "fact", None, after(40), after(30)).action == "record"


def test_no_claim_goes_beyond_the_limit_of_the_act() -> None:
    """A sender that writes a later expirytime gains nothing by it; testers may have it refused."""
    verdict = judge_time(MINUTE, "submission", T0, after(70), after(600))
    assert (verdict.capped, verdict.code, verdict.action) == (True, LATE, "refuse")
    early = judge_time(MINUTE, "submission", T0, after(10), after(600))
    assert (early.capped, early.action) == (True, "pass")
    strict = judge_time(MINUTE, "submission", T0, after(10), after(600), policy="strict")
    assert (strict.code, strict.action, strict.late) == (CLAIM_BEYOND_LIMIT, "refuse", False)


def test_a_start_in_the_future_is_no_head_start() -> None:
    verdict = judge_time(MINUTE, "submission", after(30), T0)
    assert (verdict.code, verdict.action, verdict.used_s) == (IN_FUTURE, "refuse", 0.0)
    assert judge_time(MINUTE, "submission", after(1), T0).action == "pass", "within the grace"


def test_without_a_limit_or_a_start_nothing_is_late() -> None:
    assert judge_time(None, "fact", None, T0).params == {"clause": "-", "limit_s": "-", "used_s": "-"}
    verdict = judge_time(MINUTE, "fact", None, T0)
    assert (verdict.limit_s, verdict.used_s, verdict.share, verdict.action) == (60.0, None, None, "pass")


@given(st.sampled_from(CLASSES), st.floats(0, 10_000), st.floats(0, 10))
def test_late_and_only_late_messages_lead_to_an_action(cls: TimeClass, used: float, grace: float) -> None:
    received = after(used)
    verdict = judge_time(MINUTE, cls, T0, received, grace_s=grace)
    assert verdict.late == (received > T0 + timedelta(seconds=60) + timedelta(seconds=grace))
    assert (verdict.action == "pass") != verdict.late
    if cls == "fact":
        assert verdict.action != "refuse", "E4: a fact is never refused for being late"


def test_the_limit_a_message_stops_is_found_by_message_step_and_measurer(portal: Channel) -> None:
    found = limit_stopped_by(portal.limits, "kz.egov.case.completed.v1", "P8", "gateway-shep")
    assert found is not None and (found.label, found.max_s) == ("P8", 900)
    assert limit_stopped_by(portal.limits, "case.completed", "P8") is found
    assert limit_stopped_by(portal.limits, "case.completed", "P8", "portal-pep") is None
    assert limit_stopped_by(portal.limits, "case.status", "P6", "gateway-shep") is None


def test_a_limit_begins_with_the_last_matching_step_of_the_trail() -> None:
    trail = [TrailStep("C2", "violation", after(1)), TrailStep("C2", "ok", after(5)), TrailStep("C2", "ok", after(9))]
    assert started_at(MINUTE, trail, {}) == after(9)
    assert started_at(MINUTE, trail[:1], {}) is None


def test_a_limit_may_begin_with_a_message_or_with_a_moment_only_the_actor_knows(portal: Channel) -> None:
    registration, login = portal.limits[5], portal.limits[0]
    assert started_at(registration, (), {"case.submitted": after(3)}) == after(3)
    assert started_at(registration, (), {}) is None
    assert login.starts_on.moment == "begin"
    assert started_at(login, [TrailStep("P1", "done", T0)], {}) is None


def told(channel: Channel, *spent: Spent) -> list[tuple[str, float | None, bool]]:
    return [(one.step, one.used_s, one.late) for one in limits_used(channel, spent)]


def test_who_used_how_much_of_which_limit_is_told_in_the_acts_order(portal: Channel) -> None:
    registered, filled = Spent("P6", 60, 75.5, "case.registered"), Spent("P3", 90, 45)
    assert limits_used(portal, [registered, filled]) == [
        LimitUsed("P3", "Приложение 1, таблица 1, 3", "citizen", "portal-pep", 90, 45, 0.5, late=False),
        LimitUsed("P6", "Приложение 1, таблица 1, 6", "fact", "gateway-shep", 60, 75.5, 1.2583, late=True),
    ]


def test_clocks_that_differ_make_nobody_late_in_what_is_shown(portal: Channel) -> None:
    assert told(portal, Spent("P3", 90, 90 + GRACE_S)) == [("P3", 90 + GRACE_S, False)]
    assert told(portal, Spent("P3", 90, 90.001 + GRACE_S)) == [("P3", 90.001 + GRACE_S, True)]


def test_the_last_word_counts_and_silence_takes_none_back(portal: Channel) -> None:
    twice = [Spent("P3", 90, 100), Spent("P3", 90, 20)]
    assert told(portal, *twice, Spent("P3", None, None)) == [("P3", 20, False)]
    assert told(portal, Spent("P3", None, None)) == [("P3", None, False)], "it ended, and nobody saw it begin"


def test_limits_of_one_step_are_told_apart_by_what_ends_them(centre: Channel) -> None:
    person, attorney = Spent("P3", 90, 95, "answer.person"), Spent("P3", 90, 10, "answer.attorney")
    assert told(centre, attorney, person) == [("P3", 95, True), ("P3", 10, False)]
    assert told(centre, attorney) == [("P3", 10, False)]


def test_what_was_measured_by_another_limit_is_not_shown_as_this_one(portal: Channel) -> None:
    assert told(portal, Spent("P8", 60, 5, "case.completed"), Spent("C3", None, None)) == []
    assert told(portal, Spent("P6", 60, 5, "case.paused")) == [], "a message beside the flow ends none"


def test_a_receipt_tells_of_the_gateways_limit_where_one_message_ends_several(catalogue: Catalogue) -> None:
    channel = catalogue.by_code["tayynsha-social-assistance"].channels["portal"]
    status = Spent("P6", 60, 5, "case.status", "gateway-shep")
    assert [(one.measured_by, one.clause) for one in limits_used(channel, [status])] == [
        ("gateway-shep", "Приложение 1, таблица 2, 7")
    ]
