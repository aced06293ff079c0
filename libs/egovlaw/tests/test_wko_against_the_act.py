"""The eleven regulations of act 34 (West Kazakhstan) against a table read by hand from the act."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import fields
from typing import NamedTuple

import pytest

from egovlaw.catalogue import Branch, Catalogue, Channel, Duration, InternalStep, Regulation
from egovlaw.flow import CaseProgress, allowed_messages, states


class Row(NamedTuple):
    code: str
    named: str  # channels without a flow
    clauses: str  # of the Corporation's counter
    minutes: str  # of its eleven items in the order of the act
    paths: str  # minutes to the result, to "no data", to the refusal in the person's hands
    procedure: str  # the internal steps: m(inutes), h(ours), d(ays that are worked)
    clause: str  # of the internal procedure


SAME = ("provider", "10 11", "2 1 1 1 1 1 1 1 2 2 2", "12 7 14", "30m 1d 7d 1d 30m", "7")
TABLE = [
    Row("prosthetic-orthopedic-aid", *SAME),
    Row("surdo-typhlo-hygiene-aids", *SAME),
    Row("personal-assistant-sign-language", *SAME),
    Row("wheelchairs", *SAME),
    Row("sanatorium-treatment", *SAME),
    Row("special-services-institutions", "provider", "9 10", "2 2 2 1 1 1 1 1 1 1 2", "13 9 14",
        "30m 1d 15d 1d 30m", "6"),
    Row("special-services-home-care", "provider", "9 10", "2 2 2 1 1 1 1 1 1 1 2", "13 9 14",
        "30m 1d 12d 1d 30m", "6"),
    Row("home-education-reimbursement", "", "7 8", "2 1 2 3 1 1 1 1 2 2 2", "15 10 17", "15m 1d 7d 1d 15m", "5"),
    Row("asp-recipient-certificate", "provider employment_centre", "7 8", "3 1 2 2 1 1 1 1 1 1 1", "13 10 14",
        "- - - - -", "5"),
    Row("oralman-status", "", "10 11", "2 2 2 2 1 2 2 1 2 2 2", "16 11 18", "30m 1d 1h 2d 1h 2h 2h 1h 1d 30m", "7"),
]  # fmt: skip
ROWS = pytest.mark.parametrize("row", TABLE, ids=[row.code for row in TABLE])
ASSISTANCE = "wko-targeted-social-assistance"
PORTALS = ["wko-home-education-reimbursement", "wko-asp-recipient-certificate"]
PORTAL_ONLY = pytest.mark.parametrize("code", PORTALS)

# label, step kind, outcome, where it leads (ok/violation): the order of the act, the branches of D17
COUNTER = """
pre1 visit continue P1
P1 authenticate continue P2
P2 choose_and_fill continue P3
P3 query_registers continue C1
C1 check_registers continue P5/P4
P4 report_no_data refusal -
P5 send continue P6
P6 register continue C2
C2 check_documents continue P8/P7
P7 refuse_documents refusal P8
P8 hand_over result -
"""
PORTAL = """
pre1 register_account continue P1
P1 authenticate continue C1
C1 verify_login continue P3/P2
P2 refuse_login refusal -
P3 choose_and_fill continue C2
C2 check_certificate continue P5/P4
P4 refuse_signature refusal -
P5 sign_and_send continue C3
C3 check_documents continue P7/P6
P6 refuse_documents refusal -
P7 issue_result result -
"""


def of(catalogue: Catalogue, slug: str) -> Regulation:
    return catalogue.by_code[slug if slug.startswith("wko-") else f"wko-{slug}"]


def counter(catalogue: Catalogue, row: Row) -> Channel:
    return of(catalogue, row.code).channels["state_corporation"]


def written(channel: Channel) -> list[str]:
    lines = []
    for item in channel.flow:
        onward = f"{item.next.ok}/{item.next.violation}" if isinstance(item.next, Branch) else (item.next or "-")
        lines.append(f"{item.label} {item.kind.name} {item.outcome} {onward}")
    return lines


def short(limit: Duration | None) -> str:
    """30m, 1h, 2d; any other unit would be none of the act's."""
    if limit is None:
        return "-"
    (unit,) = ((f.name, value) for f in fields(limit) if (value := getattr(limit, f.name)) is not None)
    return f"{unit[1]}{ {'minutes': 'm', 'hours': 'h', 'working_days': 'd'}[unit[0]] }"


def total(steps: Iterable[InternalStep]) -> str:
    """Days, hours and minutes side by side: two units are never added."""
    sums: Counter[str] = Counter()
    for step in steps:
        if step.limit is not None:
            sums[short(step.limit)[-1]] += int(short(step.limit)[:-1])
    return " ".join(f"{sums[unit]}{unit}" for unit in "dhm" if sums[unit])


def minutes(channel: Channel) -> dict[str, int]:
    return {item.label: (item.limit.max_s or 0) // 60 for item in channel.flow if item.limit is not None}


def test_act_34_has_eleven_regulations_and_the_counts_of_the_reading(catalogue: Catalogue) -> None:
    regulations = [one for one in catalogue.regulations if one.region == "wko"]
    channels = [channel for one in regulations for channel in one.channels.values()]
    items = Counter(item.type for channel in channels for item in channel.flow)
    assert len(regulations) == 11
    assert sum(channel.has_flow for channel in channels) == 12
    assert sum(not channel.has_flow for channel in channels) == 11
    assert items == {"precondition": 12, "process": 94, "condition": 26}
    assert sum(len(one.internal_procedure) for one in regulations) == 70


def test_the_act_is_one_registered_and_repealed(catalogue: Catalogue) -> None:
    for one in catalogue.regulations:
        if one.region == "wko":
            act = one.act
            assert (act.number, act.date.isoformat()) == ("34", "2018-02-23")
            assert act.registered is not None and act.repealed is not None and act.amends is not None
            assert (act.registered.number, act.registered.date.isoformat()) == ("5093", "2018-03-19")
            assert (act.repealed.number, act.repealed.date.isoformat()) == ("131", "2020-06-05")
            assert (act.amends.number, act.amends.date.isoformat()) == ("204", "2015-08-04")
            assert not one.in_force(act.repealed.date)


@ROWS
def test_the_channels_are_those_the_regulation_names(catalogue: Catalogue, row: Row) -> None:
    found = of(catalogue, row.code).channels
    assert {code for code, channel in found.items() if not channel.has_flow} == set(row.named.split())
    flows = {"state_corporation", "portal"} if f"wko-{row.code}" in PORTALS else {"state_corporation"}
    assert {code for code, channel in found.items() if channel.has_flow} == flows
    assert found["state_corporation"].origin_kind == "centre"


@ROWS
def test_the_counter_goes_in_the_order_of_the_act(catalogue: Catalogue, row: Row) -> None:
    channel = counter(catalogue, row)
    assert written(channel) == COUNTER.strip().splitlines()
    before, after = row.clauses.split()
    clauses = [f"{before} {n})" for n in range(1, 8)] + [f"{after} {n})" for n in range(1, 5)]
    assert [item.clause for item in channel.flow] == clauses
    for item in channel.flow[1:]:
        word = "процесс" if item.type == "process" else "условие"
        assert item.text_ru.startswith(f"{word} {item.label[1:]} – ")


@ROWS
def test_every_item_of_the_counter_has_its_minutes(catalogue: Catalogue, row: Row) -> None:
    channel = counter(catalogue, row)
    read = [int(n) for n in row.minutes.split()]
    assert list(minutes(channel).values()) == read
    for item, count in zip(channel.flow, read, strict=True):
        assert f"в течение {count} (" in item.text_ru
    first = {limit.label: limit for limit in reversed(channel.limits)}
    assert [first[item.label].max_s for item in channel.flow] == [60 * n for n in read], "every minute is a limit"
    assert all(first[item.label].clause == item.clause for item in channel.flow)


@ROWS
def test_the_ways_through_the_counter_add_up(catalogue: Catalogue, row: Row) -> None:
    cost = minutes(counter(catalogue, row))
    ways = (
        "pre1 P1 P2 P3 C1 P5 P6 C2 P8",
        "pre1 P1 P2 P3 C1 P4",
        "pre1 P1 P2 P3 C1 P5 P6 C2 P7 P8",
    )
    assert [sum(cost[label] for label in way.split()) for way in ways] == [int(n) for n in row.paths.split()]


@ROWS
def test_a_limit_of_the_counter_is_measured_by_who_sees_both_ends(catalogue: Catalogue, row: Row) -> None:
    seen = {limit.label: (limit.measured_by, limit.cls) for limit in counter(catalogue, row).limits}
    assert seen == {
        "pre1": ("con-arm", "citizen"), "P1": ("con-arm", "staff"), "P2": ("con-arm", "staff"),
        "P3": ("gateway-shep", "request"), "C1": ("con-arm", "staff"), "P4": ("con-arm", "fact"),
        "P5": ("gateway-shep", "submission"), "P6": ("gateway-shep", "fact"), "C2": ("provider-arm", "staff"),
        "P7": ("gateway-shep", "fact"), "P8": ("con-arm", "fact"),
    }  # fmt: skip


@ROWS
def test_days_never_run_on_the_clock_of_the_minutes(catalogue: Catalogue, row: Row) -> None:
    """D1: the procedure lies between the check and the hand-over, so the hand-over does not start at the check."""
    limits = {limit.label: limit for limit in counter(catalogue, row).limits}
    assert (limits["P8"].starts_on.name, limits["P8"].starts_on.moment) == ("P8", "begin")
    assert limits["P8"].stops_on.name == "case.handed_over"


@ROWS
def test_the_internal_procedure_has_its_steps_in_the_acts_units(catalogue: Catalogue, row: Row) -> None:
    steps = of(catalogue, row.code).internal_procedure
    assert [short(step.limit) for step in steps] == row.procedure.split()
    assert [step.clause for step in steps] == [f"{row.clause} {n})" for n in range(1, len(steps) + 1)]
    assert all(step.branch == "default" and step.result_ru for step in steps)
    for step in steps:
        assert step.limit is None or short(step.limit)[:-1] in (step.limit_ru or "")


@pytest.mark.parametrize(
    ("slug", "days"),
    [
        ("prosthetic-orthopedic-aid", "9d 60m"), ("surdo-typhlo-hygiene-aids", "9d 60m"),
        ("personal-assistant-sign-language", "9d 60m"), ("wheelchairs", "9d 60m"), ("sanatorium-treatment", "9d 60m"),
        ("special-services-institutions", "17d 60m"), ("special-services-home-care", "14d 60m"),
        ("home-education-reimbursement", "9d 30m"), ("asp-recipient-certificate", ""), ("oralman-status", "4d 7h 60m"),
    ],
)  # fmt: skip
def test_the_internal_steps_add_up(catalogue: Catalogue, slug: str, days: str) -> None:
    assert total(of(catalogue, slug).internal_steps()) == days


@ROWS
def test_a_refusal_is_handed_over_too(catalogue: Catalogue, row: Row) -> None:
    """D17, D7: the counter's refusal does not end the case; P4 does."""
    channel = counter(catalogue, row)
    assert [m.type for m in allowed_messages(channel, CaseProgress("P7"))] == ["case.handed_over"]
    assert CaseProgress("P4", ended=True) in states(channel)
    assert "D7" in channel.by_label["P8"].decisions
    assert "отказ об отказе" in channel.by_label["P8"].text_ru, "kept verbatim"


@ROWS
def test_the_notaries_are_asked_by_two_regulations_at_the_counter_only(catalogue: Catalogue, row: Row) -> None:
    """D13."""
    one = of(catalogue, row.code)
    asks = f"wko-{row.code}" in PORTALS
    query = one.channels["state_corporation"].by_label["P3"]
    assert ("query.attorney" in query.standing) == asks
    assert ("ЕНИС" in query.systems) == asks
    assert one.settings["enis"].value == {"state_corporation": "when_attorney_is_notarised"} if asks else (
        "enis" not in one.settings
    )  # fmt: skip


@PORTAL_ONLY
def test_the_portal_goes_in_the_order_of_the_act_and_has_no_deadline(catalogue: Catalogue, code: str) -> None:
    portal = of(catalogue, code).channels["portal"]
    assert written(portal) == PORTAL.strip().splitlines()
    assert [item.clause for item in portal.flow] == [f"9 {n})" for n in range(1, 12)]
    assert minutes(portal) == {} and portal.limits == ()
    assert of(catalogue, code).settings["sign_order"].value == "check_before_sign"
    assert "case.registered" in {m.type for m in allowed_messages(portal, CaseProgress("P5"))}, "no item registers"


def test_the_two_portal_flows_are_word_for_word_the_same(catalogue: Catalogue) -> None:
    first, second = (of(catalogue, code).channels["portal"].flow for code in PORTALS)
    assert [item.text_ru for item in first] == [item.text_ru for item in second]


def test_social_assistance_has_two_receiving_points_and_no_flow(catalogue: Catalogue) -> None:
    one = of(catalogue, ASSISTANCE)
    assert {code: channel.has_flow for code, channel in one.channels.items()} == {
        "employment_centre": False, "akim": False,
    }  # fmt: skip
    akim = [short(step.limit) for step in one.internal_procedure if step.branch == "akim"]
    centre = [short(step.limit) for step in one.internal_procedure if step.branch == "centre"]
    assert " ".join(akim) == "20m 1d 2d 3d 5d"
    assert " ".join(centre) == "20m 30m 1d 2d 1d 15m 30m 1d 1d 3d"
    assert total(step for step in one.internal_procedure if step.branch == "akim") == "11d 20m"


def test_a_case_of_the_akim_goes_on_at_the_centre_and_comes_back(catalogue: Catalogue) -> None:
    """D3: the Centre's steps of the commission are skipped, its tenth step is the akim's."""
    one = of(catalogue, ASSISTANCE)
    of_akim, of_centre = one.internal_steps("akim"), one.internal_steps("centre")
    assert [f"{step.branch} {step.n}" for step in of_akim] == [
        *(f"akim {n}" for n in range(1, 6)), *(f"centre {n}" for n in (1, 2, 5, 6, 7, 8, 9, 10)),
    ]  # fmt: skip
    assert [f"{step.branch} {step.n}" for step in of_centre] == [f"centre {n}" for n in range(1, 10)]
    assert (total(of_akim), total(of_centre)) == ("17d 115m", "6d 95m")
    assert all("D3" in step.decisions for step in one.internal_procedure if step.only_for)
    assert one.internal_steps() == ()


def test_a_refused_oralman_gets_no_card(catalogue: Catalogue) -> None:
    """D14: from the signed refusal on, the steps of the card are left out."""
    one = of(catalogue, "oralman-status")
    assert [step.n for step in one.internal_steps(refused=True)] == [1, 2, 3, 4, 5, 6, 10]
    assert total(one.internal_steps(refused=True)) == "3d 4h 60m"
    assert one.settings["working_hours_per_day"].value == 8
    assert [step.n for step in one.internal_procedure if step.only_for == "positive"] == [7, 8, 9]


def test_only_two_regulations_state_a_term(catalogue: Catalogue) -> None:
    """D2, D11, D15."""
    found = {
        one.code: (one.service_term, [(term.kind, short(term.limit)) for term in one.terms])
        for one in catalogue.regulations
        if one.region == "wko" and (one.terms or one.service_term)
    }
    assert found == {
        "wko-asp-recipient-certificate": ({"minutes": 15}, [("internal_total", "15m")]),
        "wko-oralman-status": (
            {"working_days": 5},
            [("service", "5d"), ("courier", "5d"), ("waiting", "15m"), ("counter", "20m")],
        ),
    }


def test_fifteen_minutes_are_shared_by_five_steps(catalogue: Catalogue) -> None:
    """D11: no step has a time of its own, and every channel shares the clause."""
    one = of(catalogue, "asp-recipient-certificate")
    assert [step.limit for step in one.internal_procedure] == [None] * 5
    (term,) = one.terms
    assert (term.clause, term.channel, term.limit.minutes) == ("5 абзац 2", None, 15)
    by_clause = {rule.clause: rule.text_ru for rule in one.rules}
    assert "на портал и в Центр в течение 15 (пятнадцати) минут" in by_clause["5 абзац 2"]


@pytest.mark.parametrize("row", [row for row in TABLE if "provider" in row.named and row.procedure != "- - - - -"])
def test_the_journals_signature_is_marked_where_the_corporation_stands_between(catalogue: Catalogue, row: Row) -> None:
    """D16."""
    steps = of(catalogue, row.code).internal_procedure
    assert [step.n for step in steps if "D16" in step.decisions] == [5]


def test_receipts_of_refusal_are_given_by_three_regulations(catalogue: Catalogue) -> None:
    receipts = {
        one.code.removeprefix("wko-"): rule.clause
        for one in catalogue.regulations
        if one.region == "wko"
        for rule in one.rules
        if rule.topic == "receipt"
    }
    assert receipts == {
        "targeted-social-assistance": "3 абзац 3",
        "home-education-reimbursement": "3 абзац 3",
        "asp-recipient-certificate": "3 абзац 3",
    }


def test_every_regulation_says_where_to_appeal(catalogue: Catalogue) -> None:
    clauses = {"targeted-social-assistance": "8", "special-services-institutions": "11", "oralman-status": "12",
               "special-services-home-care": "11", "home-education-reimbursement": "11",
               "asp-recipient-certificate": "11"}  # fmt: skip
    for one in catalogue.regulations:
        if one.region == "wko":
            (appeal,) = [rule for rule in one.rules if rule.topic == "appeal"]
            assert appeal.clause == clauses.get(one.code.removeprefix("wko-"), "12")
            assert ("главой 3" if "oralman" in one.code else "разделом 3") in appeal.text_ru


def test_every_numbered_clause_is_somewhere(catalogue: Catalogue) -> None:
    last = {"targeted-social-assistance": 8, "special-services-institutions": 11, "special-services-home-care": 11,
            "home-education-reimbursement": 11, "asp-recipient-certificate": 11}  # fmt: skip
    for one in catalogue.regulations:
        if one.region == "wko":
            clauses = [rule.clause for rule in one.rules]
            assert len(clauses) == len(set(clauses)), one.code
            until = last.get(one.code.removeprefix("wko-"), 12)
            assert {str(n) for n in range(1, until + 1)} <= set(clauses), one.code


def test_the_slips_of_the_act_are_kept(catalogue: Catalogue) -> None:
    """D19."""
    first, ninth = of(catalogue, "prosthetic-orthopedic-aid"), of(catalogue, "home-education-reimbursement")
    assert "2 (двух) минуты" in first.channels["state_corporation"].by_label["pre1"].text_ru
    assert any("20      15 года" in rule.text_ru for rule in first.rules)
    assert any('"Оформлению документов' in rule.text_ru for rule in first.rules)
    assert "базу данных физических (далее" in ninth.channels["state_corporation"].by_label["P3"].text_ru
    assert any("настоящего Стандарта" in rule.text_ru for rule in ninth.rules)


def test_the_three_persons_of_the_act_are_left_out(catalogue: Catalogue) -> None:
    for one in catalogue.regulations:
        if one.region == "wko":
            omitted = [rule.clause for rule in one.rules if rule.omitted == "person"]
            assert omitted == ["Постановление, 2", "Постановление, 3", "Постановление, подпись"]


def test_a_regulation_cites_only_decisions_that_are_about_it(catalogue: Catalogue) -> None:
    for one in catalogue.regulations:
        for cited in one.decisions:
            about = catalogue.decisions[cited].applies_to
            assert {"all", one.region, one.code} & set(about), (one.code, cited)
