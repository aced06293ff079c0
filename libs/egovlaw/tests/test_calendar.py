"""The working-day calendar against a second one that shares nothing with it: neither library nor table nor code."""

from __future__ import annotations

import shutil
import zoneinfo
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import holidays
import pytest

from egovlaw.calendar import BadTerm, WorkCalendar
from egovlaw.catalogue import Catalogue, Duration
from egovlaw.loader import CatalogueInvalid, load_calendar

CONTRACTS = Path(__file__).parents[3] / "contracts"
ALMATY = ZoneInfo("Asia/Almaty")
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def calendar() -> WorkCalendar:
    return load_calendar(CONTRACTS)


def at(text: str) -> datetime:
    """A moment by Almaty's clock, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=ALMATY).astimezone(UTC)


def local(moment: datetime) -> str:
    return moment.astimezone(ALMATY).strftime("%Y-%m-%d %H:%M")


# --- the second calendar: the law on holidays by its history, and the decrees, typed by hand --------------------------

# fmt: off
QURBAN_AIT = (
    "2012-10-26", "2013-10-15", "2014-10-04", "2015-09-24", "2016-09-12", "2017-09-01", "2018-08-21", "2019-08-11",
    "2020-07-31", "2021-07-20", "2022-07-09", "2023-06-28", "2024-06-16", "2025-06-06", "2026-05-27", "2027-05-16",
    "2028-05-05",
)
# fmt: on

# decree: the day off and the day worked for it
DECREES = """268/2012: 2012-03-09 2012-03-11, 458/2012: 2012-04-30 2012-04-28, 1538/2012: 2012-12-31 2012-12-29,
    345/2013: 2013-05-10 2013-05-04, 1068/2013: 2013-10-14 2013-10-12, 1322/2013: 2014-01-03 2013-12-28,
    365/2014: 2014-05-02 2014-05-04, 365/2014: 2014-05-08 2014-05-11, 67/2016: 2016-03-07 2016-03-05,
    5/2017: 2017-03-20 2017-03-18, 5/2017: 2017-07-07 2017-07-01, 864/2017: 2018-03-09 2018-03-03,
    864/2017: 2018-04-30 2018-04-28, 864/2017: 2018-05-08 2018-05-05, 864/2017: 2018-08-31 2018-08-25,
    864/2017: 2018-12-31 2018-12-29, 888/2018: 2019-05-10 2019-05-04, 820/2019: 2020-01-03 2020-01-05,
    820/2019: 2020-05-08 2020-05-11, 820/2019: 2020-12-18 2020-12-20, 930/2020: 2021-07-05 2021-07-03,
    713/2021: 2022-03-07 2022-03-05, 713/2021: 2022-08-29 2022-08-27, 796/2022: 2022-10-24 2022-10-22,
    326/2023: 2023-07-07 2023-07-01, 109/2024: 2024-05-08 2024-05-04, 436/2024: 2025-01-03 2025-01-05"""

# Month and day, with the first and the last year of each as a national or state holiday.
HOLIDAYS = """01-01 1991 9999, 01-02 1991 9999, 03-08 1991 9999, 03-15 2027 9999, 03-21 2010 9999, 03-22 1991 9999,
    03-23 2010 9999, 05-01 1991 9999, 05-07 2013 9999, 05-09 1991 9999, 07-06 2009 9999, 08-30 1996 2025,
    10-25 2022 9999, 12-01 2012 2021, 12-16 1991 9999, 12-17 2002 2021"""


def second_days_off() -> set[date]:
    """Every day off of 2011 to 2029: weekends, holidays, the day after for those that fall on a weekend, moves."""
    years = range(2011, 2030)
    kept = set()
    for line in HOLIDAYS.split(","):
        month_day, first, last = line.split()
        kept |= {date.fromisoformat(f"{year}-{month_day}") for year in years if int(first) <= year <= int(last)}
    religious = {date(year, 1, 7) for year in years} | {date.fromisoformat(day) for day in QURBAN_AIT}
    off = {day for day in every_day(date(2011, 1, 1), date(2029, 12, 31)) if day.weekday() > 4} | kept
    for holiday in sorted(kept):
        if holiday.weekday() > 4:  # "the day off is the working day that follows the holiday"; not of religious ones
            following = holiday
            while following in off:
                following += DAY
            off.add(following)
    off |= religious
    for line in DECREES.split(","):
        free, worked = line.split(":")[1].split()
        off.add(date.fromisoformat(free))
        off.remove(date.fromisoformat(worked))
    return off


def every_day(first: date, last: date) -> Iterator[date]:
    return (first + n * DAY for n in range((last - first).days + 1))


class Second:
    """Terms by positions in one list of working days, hours by minutes counted from the first of them."""

    def __init__(self) -> None:
        self.off = second_days_off()
        self.worked = [day for day in every_day(date(2011, 1, 1), date(2029, 12, 31)) if day not in self.off]
        self.place: dict[date, int] = {}  # of the first working day that is not before
        for n, (before, day) in enumerate(pairwise([date(2010, 12, 31), *self.worked])):
            self.place |= dict.fromkeys(every_day(before + DAY, day), n)

    def days(self, start: datetime, days: int) -> datetime:
        place = self.place[start.date()]
        if start.date() == self.worked[place] and start.hour >= 18:
            place += 1
        return self.evening(self.worked[place + days])

    def minutes(self, start: datetime, minutes: int) -> datetime:
        place, spent = self.place[start.date()], 0
        if self.worked[place] == start.date():
            clock = start.hour * 60 + start.minute
            spent = max(0, min(clock, 780) - 540) + max(0, min(clock, 1080) - 840)
        whole, rest = divmod(spent + minutes, 480)
        if rest == 0:  # the last minute of a day belongs to it
            whole, rest = whole - 1, 480
        clock = 540 + rest if rest <= 240 else 600 + rest
        day = self.worked[place + whole]
        return datetime(day.year, day.month, day.day, clock // 60, clock % 60, tzinfo=ALMATY).astimezone(UTC)

    def calendar(self, start: datetime, days: int) -> datetime:
        return self.evening(self.worked[self.place[start.date() + days * DAY]])

    def months(self, start: datetime, months: int) -> datetime:
        year, month = start.year + (start.month + months - 1) // 12, (start.month + months - 1) % 12 + 1
        day = start.day
        while True:
            try:
                wanted = date(year, month, day)
                break
            except ValueError:
                day -= 1
        return self.evening(self.worked[self.place[wanted]])

    def evening(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, 18, tzinfo=ALMATY).astimezone(UTC)

    def rule(self, term: Duration) -> Callable[[datetime], datetime]:
        if term.working_days is not None:
            return lambda start: self.days(start, term.working_days or 0)
        if term.calendar_days is not None:
            return lambda start: self.calendar(start, term.calendar_days or 0)
        if term.months is not None:
            return lambda start: self.months(start, term.months or 0)
        return lambda start: self.minutes(start, (term.minutes or 0) + 60 * (term.hours or 0))


def terms_of_the_acts(catalogue: Catalogue) -> list[Duration]:
    """Every term of days or hours: of internal steps, of the service, of a document's validity."""
    found: set[Duration] = set()
    for regulation in catalogue.regulations:
        found |= {step.limit for step in regulation.internal_procedure if step.limit is not None}
        found |= {term.limit for term in regulation.terms}
        found |= {form.validity for form in regulation.forms if form.validity is not None}
    return sorted((term for term in found if term.max_s is None), key=str)


HOURS = ("00:00", "08:59", "09:00", "12:50", "13:30", "17:30", "17:59", "18:00", "23:59")


def test_every_term_of_the_acts_ends_on_every_day_where_a_second_calendar_says(
    calendar: WorkCalendar, catalogue: Catalogue
) -> None:
    second, terms = Second(), terms_of_the_acts(catalogue)
    assert {str(term) for term in terms} >= {"22 working days", "15 minutes", "2 hours", "5 calendar days", "1 month"}
    rules = [(term, second.rule(term)) for term in terms]
    differ = []
    for n, day in enumerate(every_day(date(2012, 1, 1), date(2027, 12, 20))):
        hour, minute = HOURS[n % len(HOURS)].split(":")  # nine hours and seven weekdays have no common factor
        wall = datetime(day.year, day.month, day.day, int(hour), int(minute), tzinfo=ALMATY)
        start = wall.astimezone(UTC)
        differ += [(str(wall), str(term)) for term, rule in rules if calendar.due(start, term) != rule(wall)]
    assert differ == []


def test_the_days_off_are_those_of_the_second_calendar(calendar: WorkCalendar) -> None:
    off = second_days_off()
    days = every_day(date(2012, 1, 1), date(2028, 12, 31))
    assert [day for day in days if calendar.is_working_day(day) == (day in off)] == []


def test_the_table_has_the_decrees_that_the_second_one_has(calendar: WorkCalendar) -> None:
    typed = [line.replace(":", " ").split() for line in DECREES.split(",")]
    ours = [(one.decree, one.off.isoformat(), one.worked.isoformat()) for one in calendar.transfers]
    assert ours == [(decree.split("/")[0], free, worked) for decree, free, worked in typed]


def test_the_library_knows_of_no_move_that_the_table_lacks(calendar: WorkCalendar) -> None:
    """Where it learns of a decree before we do, the table is to follow."""
    found = holidays.country_holidays("KZ", years=range(2012, 2028), language="en_US")
    moved = {day for day, name in found.items() if "substituted" in name}
    assert {one.off for one in calendar.transfers} == moved


# --- the edges, one by one -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "term", "due"),
    [
        ("2026-03-21 10:00", Duration(working_days=1), "2026-03-27 18:00"),  # Наурыз: counts for the 26th
        ("2024-05-03 10:00", Duration(working_days=1), "2024-05-04 18:00"),  # a Saturday worked for the 8th
        ("2024-05-06 10:00", Duration(working_days=1), "2024-05-10 18:00"),  # holiday, moved day off, holiday
        ("2024-05-04 23:00", Duration(minutes=15), "2024-05-06 09:15"),
        ("2024-02-29 10:00", Duration(working_days=2), "2024-03-04 18:00"),  # over the change of the clock
        ("2024-02-29 17:50", Duration(minutes=30), "2024-03-01 09:20"),
        ("2026-11-20 17:59", Duration(working_days=1), "2026-11-23 18:00"),
        ("2026-11-20 18:01", Duration(working_days=1), "2026-11-24 18:00"),  # a minute after hours on a Friday
        ("2026-11-20 18:01", Duration(hours=1), "2026-11-23 10:00"),
        ("2026-11-20 12:30", Duration(hours=1), "2026-11-20 14:30"),  # around the meal
        ("2026-11-20 09:00", Duration(hours=8), "2026-11-20 18:00"),
        ("2024-01-29 10:00", Duration(months=1), "2024-02-29 18:00"),
        ("2023-01-31 10:00", Duration(months=1), "2023-02-28 18:00"),
        ("2024-02-29 10:00", Duration(months=12), "2025-02-28 18:00"),
        ("2025-08-25 10:00", Duration(calendar_days=5), "2025-09-02 18:00"),  # ends on the 30th, a holiday on Saturday
    ],
)
def test_a_term_ends_when_the_law_says(calendar: WorkCalendar, start: str, term: Duration, due: str) -> None:
    assert local(calendar.due(at(start), term)) == due


def test_the_clock_of_almaty_was_set_back_an_hour_in_2024(calendar: WorkCalendar) -> None:
    assert calendar.due(at("2024-02-28 10:00"), Duration(working_days=1)) == datetime(2024, 2, 29, 12, tzinfo=UTC)
    assert calendar.due(at("2024-02-29 10:00"), Duration(working_days=1)) == datetime(2024, 3, 1, 13, tzinfo=UTC)


def test_a_machine_with_old_zones_changes_nothing(tmp_path: Path) -> None:
    six = files("tzdata.zoneinfo").joinpath("Etc", "GMT-6").read_bytes()  # UTC+6 for ever; the sign is POSIX's
    (tmp_path / "Asia").mkdir()
    (tmp_path / "Asia" / "Almaty").write_bytes(six)
    machine = list(zoneinfo.TZPATH)
    zoneinfo.reset_tzpath(to=[str(tmp_path)])
    ZoneInfo.clear_cache(only_keys=["Asia/Almaty"])
    try:
        assert ZoneInfo("Asia/Almaty").utcoffset(datetime(2024, 3, 2)) == timedelta(hours=6)
        due = load_calendar(CONTRACTS).due(datetime(2024, 2, 29, 5, tzinfo=UTC), Duration(working_days=1))
    finally:
        zoneinfo.reset_tzpath(to=machine)
        ZoneInfo.clear_cache(only_keys=["Asia/Almaty"])
    assert due == datetime(2024, 3, 1, 13, tzinfo=UTC)


def test_seconds_run_on_the_wall_whatever_zone_the_start_is_told_in(calendar: WorkCalendar) -> None:
    wall = datetime(2024, 2, 29, 23, 59, 50, tzinfo=ALMATY)
    due = calendar.due(wall, Duration(max_s=30))
    assert due == wall.astimezone(UTC) + timedelta(seconds=30)
    assert calendar.used(wall, due.astimezone(ALMATY), Duration(max_s=30)) == 1.0


def test_what_is_used_of_a_term_is_counted_in_the_time_it_runs_in(calendar: WorkCalendar) -> None:
    friday = at("2026-11-20 17:00")
    assert calendar.used(friday, at("2026-11-23 10:00"), Duration(hours=4)) == 0.5
    assert calendar.used(friday, at("2026-11-22 10:00"), Duration(hours=4)) == 0.25  # a Sunday adds nothing
    assert calendar.used(friday, friday, Duration(hours=4)) == 0.0
    assert calendar.used(friday, at("2026-11-23 10:00"), Duration(minutes=0)) == 1.0


@pytest.mark.parametrize("term", [Duration(working_days=1), Duration(minutes=5), Duration(max_s=5), Duration(months=1)])
def test_a_moment_without_a_zone_is_refused(calendar: WorkCalendar, term: Duration) -> None:
    with pytest.raises(BadTerm, match="time zone"):
        calendar.due(datetime(2026, 11, 25, 10), term)


def test_a_term_without_a_unit_is_refused(calendar: WorkCalendar) -> None:
    with pytest.raises(BadTerm, match="unit"):
        calendar.due(at("2026-11-25 10:00"), Duration())


def test_behind_the_known_years_a_term_runs_on_provisionally(calendar: WorkCalendar) -> None:
    assert not calendar.day(date(2027, 12, 31)).provisional
    first = calendar.day(date(2028, 1, 3))
    assert (first.working, first.reason, first.provisional) == (False, "holiday", True)
    assert local(calendar.due(at("2027-12-31 10:00"), Duration(working_days=1))) == "2028-01-05 18:00"
    assert local(calendar.due(at("2040-06-01 10:00"), Duration(working_days=1))) == "2040-06-04 18:00"


def test_a_day_says_why_it_is_off(calendar: WorkCalendar) -> None:
    free, worked = calendar.day(date(2022, 3, 7)), calendar.day(date(2022, 3, 5))
    assert (free.working, free.reason, free.decree, free.instead_of) == (False, "moved_off", "713", worked.day)
    assert (worked.working, worked.reason, worked.instead_of) == (True, "moved_worked", free.day)
    assert calendar.day(date(2022, 10, 25)).name_kk == "Республика күні"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("2025-01-05", "2025-02-30", "no day of any calendar"),
        ("off: 2025-01-03", "off: 2025-01-04", "a day off as it is"),
        ("2025-01-03", "2024-05-08", "moved twice"),
        ("2025-01-03", "2028-01-03", "outside known_from"),
        ('from: "14:00"', 'from: "12:00"', "follow one another"),
        ("Asia/Almaty", "Asia/Verniy", "no time zone"),
        ("known_until: 2027-12-31", "known_until: 2011-12-31", "before known_from"),
        ("calendar_days: 30", "hours: 30", "unknown key hours"),
    ],
)
def test_a_fault_of_the_table_is_named_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = (CONTRACTS / "calendar.yaml").read_text(encoding="utf-8")
    line = next(n for n, one in enumerate(text.splitlines(), 1) if old in one and not one.startswith("#"))
    (tmp_path / "calendar.yaml").write_text(text.replace(old, new), encoding="utf-8")
    shutil.copytree(CONTRACTS / "schemas", tmp_path / "schemas")
    with pytest.raises(CatalogueInvalid) as caught:
        load_calendar(tmp_path)
    assert (line, True) in {(error.line, said in error.message) for error in caught.value.errors}
