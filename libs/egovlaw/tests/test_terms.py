"""The term of a case: what the acts give, and what extensions and pauses do to its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from egovlaw.calendar import WorkCalendar
from egovlaw.catalogue import Catalogue, Duration
from egovlaw.loader import load_calendar
from egovlaw.terms import Reason, Term, TermRefused, first_end, lodged_in, term_of

ALMATY = ZoneInfo("Asia/Almaty")
WHY = Reason("Нужен запрос в архив", "Мұрағатқа сұрау салу керек")


@pytest.fixture(scope="module")
def calendar(contracts: Path) -> WorkCalendar:
    return load_calendar(contracts)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ALMATY).astimezone(UTC)


def local(moment: datetime) -> str:
    return moment.astimezone(ALMATY).strftime("%Y-%m-%d %H:%M")


@pytest.fixture
def week() -> Term:
    """Five working days from a Wednesday: until Wednesday the 2nd in the evening."""
    return Term(at("2026-11-25 10:00"), (Duration(working_days=5),))


# --- what the acts give --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "channel", "term", "source"),
    [
        ("tayynsha-social-assistance", "provider", "7 working days", "act"),
        ("tayynsha-social-assistance", "portal", "7 working days", "act"),
        ("tayynsha-social-assistance", "akim", "22 working days", "act"),
        ("wko-oralman-status", "state_corporation", "5 working days", "act"),
        ("wko-asp-recipient-certificate", "portal", "15 minutes", "act"),
        ("wko-asp-recipient-certificate", "employment_centre", "15 minutes", "act"),
        ("wko-wheelchairs", "state_corporation", "9 working days + 60 minutes", "computed"),
        ("wko-home-education-reimbursement", "portal", "9 working days + 30 minutes", "computed"),
        ("wko-targeted-social-assistance", "akim", "17 working days + 115 minutes", "computed"),
        ("wko-targeted-social-assistance", "employment_centre", "6 working days + 95 minutes", "computed"),
    ],
)
@pytest.mark.law(topic="term", regulation="tayynsha-social-assistance")
@pytest.mark.law(topic="term", regulation="wko-oralman-status", clause="4 1)")
@pytest.mark.law(topic="term", regulation="wko-asp-recipient-certificate", clause="5 абзац 2")
def test_a_channel_has_the_term_its_act_gives(
    calendar: WorkCalendar, catalogue: Catalogue, code: str, channel: str, term: str, source: str
) -> None:
    found = term_of(calendar, catalogue.by_code[code], channel)
    assert found is not None
    assert (str(found), found.source) == (term, source)
    assert found.clause


def test_where_only_the_standard_has_a_term_none_is_made_up(calendar: WorkCalendar, catalogue: Catalogue) -> None:
    none = {
        regulation.code
        for regulation in catalogue.regulations
        for channel in regulation.channels
        if term_of(calendar, regulation, channel) is None
    }
    assert none == {one.code for one in catalogue.regulations if not one.internal_procedure and not one.terms}
    assert len(none) == 9


def test_eight_hours_of_steps_are_a_day(calendar: WorkCalendar, catalogue: Catalogue) -> None:
    """D14: four days, seven hours and two half hours are the five days that the act of the oralmans gives."""
    from dataclasses import fields, replace

    from egovlaw.catalogue import Regulation

    act = catalogue.by_code["wko-oralman-status"]
    assert lodged_in(act, "state_corporation") == "default"
    facts = {one.name: getattr(act, one.name) for one in fields(Regulation)}
    computed = term_of(calendar, replace(act, **{**facts, "terms": ()}), "state_corporation")
    assert computed is not None
    assert (str(computed), computed.source) == ("5 working days", "computed")


def test_what_follows_the_days_runs_on_from_their_evening(calendar: WorkCalendar) -> None:
    parts = (Duration(working_days=2), Duration(minutes=60))
    assert local(first_end(calendar, at("2026-11-25 10:00"), parts)) == "2026-11-30 10:00"


# --- pauses --------------------------------------------------------------------------------------------------


def test_a_pause_stops_the_term_and_resuming_moves_its_end_by_the_working_time(
    calendar: WorkCalendar, week: Term
) -> None:
    assert local(week.due(calendar)) == "2026-12-02 18:00"
    paused = week.pause(WHY, at("2026-11-27 16:00"))
    long_after = at("2026-12-20 10:00")
    assert not paused.overdue(calendar, long_after)
    assert paused.remaining(calendar, long_after) == timedelta(hours=2 + 3 * 8)
    resumed = paused.resume(at("2026-11-30 11:00"))  # two hours of Friday and two of Monday
    assert local(resumed.due(calendar)) == "2026-12-03 13:00"
    assert resumed.remaining(calendar, at("2026-11-30 11:00")) == timedelta(hours=2 + 3 * 8)
    assert resumed.overdue(calendar, at("2026-12-03 13:01"))


def test_a_pause_over_days_off_moves_nothing(calendar: WorkCalendar, week: Term) -> None:
    resumed = week.pause(WHY, at("2026-11-27 18:00")).resume(at("2026-11-30 09:00"))
    assert resumed.due(calendar) == week.due(calendar)


def test_a_pause_does_not_mend_what_was_late_before(calendar: WorkCalendar, week: Term) -> None:
    late = week.pause(WHY, at("2026-12-03 10:00"))
    assert late.overdue(calendar, at("2026-12-03 11:00"))
    assert late.resume(at("2026-12-10 10:00")).overdue(calendar, at("2026-12-10 10:00"))


# --- extensions ----------------------------------------------------------------------------------------------


def test_an_extension_moves_the_end_and_a_later_pause_moves_it_further(calendar: WorkCalendar, week: Term) -> None:
    until = at("2026-12-11 18:00")
    longer = week.extend(calendar, until, WHY, at("2026-11-26 10:00"))
    assert longer.due(calendar) == until
    assert longer.unextended(calendar) == week.due(calendar)
    paused = longer.pause(WHY, at("2026-11-30 09:00")).resume(at("2026-12-01 09:00"))
    assert local(paused.due(calendar)) == "2026-12-14 18:00"


def test_a_pause_before_an_extension_is_part_of_its_end_already(calendar: WorkCalendar, week: Term) -> None:
    paused = week.pause(WHY, at("2026-11-26 09:00")).resume(at("2026-11-27 09:00"))
    until = at("2026-12-11 18:00")
    assert paused.extend(calendar, until, WHY, at("2026-11-30 10:00")).due(calendar) == until


@pytest.mark.parametrize(
    ("until", "reason", "code"),
    [
        ("2026-12-11 18:00", Reason("Нужен запрос", " "), "term.extension_without_reason"),
        ("2026-12-02 18:00", WHY, "term.extension_not_later"),
        ("2027-01-04 18:00", WHY, "term.extension_beyond"),  # thirty days from the 2nd end on the 1st: moved to the 5th
    ],
)
def test_a_bad_extension_is_refused_with_its_code(
    calendar: WorkCalendar, week: Term, until: str, reason: Reason, code: str
) -> None:
    if code == "term.extension_beyond":
        assert local(week.latest(calendar)) == "2027-01-05 18:00"
        week.extend(calendar, week.latest(calendar), reason, at("2026-11-26 10:00"))
        until = "2027-01-05 18:01"
    with pytest.raises(TermRefused) as caught:
        week.extend(calendar, at(until), reason, at("2026-11-26 10:00"))
    assert caught.value.code == code


def test_extensions_together_stay_within_the_maximum(calendar: WorkCalendar, week: Term) -> None:
    once = week.extend(calendar, week.latest(calendar), WHY, at("2026-11-26 10:00"))
    with pytest.raises(TermRefused, match=r"term\.extension_beyond"):
        once.extend(calendar, at("2027-01-06 18:00"), WHY, at("2026-11-27 10:00"))


def test_what_a_term_cannot_do_now_is_refused_with_its_code(calendar: WorkCalendar, week: Term) -> None:
    now = at("2026-11-26 10:00")
    paused, ended = week.pause(WHY, now), week.end(now)
    for call, code in (
        (lambda: week.resume(now), "term.not_paused"),
        (lambda: paused.pause(WHY, now), "term.already_paused"),
        (lambda: ended.pause(WHY, now), "term.ended"),
        (lambda: ended.resume(now), "term.ended"),
        (lambda: ended.end(now), "term.ended"),
        (lambda: ended.extend(calendar, at("2026-12-11 18:00"), WHY, now), "term.ended"),
    ):
        with pytest.raises(TermRefused) as caught:
            call()
        assert caught.value.code == code


def test_a_term_that_ended_in_time_is_never_late(calendar: WorkCalendar, week: Term) -> None:
    ended = week.end(at("2026-12-01 10:00"))
    assert not ended.overdue(calendar, at("2027-12-01 10:00"))
