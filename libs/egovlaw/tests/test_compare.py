"""How regulations differ: every expectation was found by reading the acts, not by comparing the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import pytest

from egovlaw.catalogue import Branch, Catalogue, Channel, Duration, Regulation
from egovlaw.compare import AREAS, Area, Difference, compare

HOUSING = "atyrau-housing-queue"
FIVE_EQUAL = (
    "wko-prosthetic-orthopedic-aid",
    "wko-surdo-typhlo-hygiene-aids",
    "wko-personal-assistant-sign-language",
    "wko-wheelchairs",
    "wko-sanatorium-treatment",
)

Places = dict[str, tuple[str | None, str | None]]
Of = Callable[[str, str, Area], Places]


def by_place(found: tuple[Difference, ...], area: Area) -> Places:
    return {each.where: (each.one, each.other) for each in found if each.area == area}


@pytest.fixture
def differ(catalogue: Catalogue) -> Of:
    def of(one: str, other: str, area: Area) -> Places:
        return by_place(compare(catalogue.by_code[one], catalogue.by_code[other]), area)

    return of


@pytest.mark.parametrize(("one", "other"), list(combinations(FIVE_EQUAL, 2)))
def test_five_regulations_are_equal_but_for_their_names(catalogue: Catalogue, one: str, other: str) -> None:
    assert compare(catalogue.by_code[one], catalogue.by_code[other]) == ()


def test_a_regulation_equals_itself_in_every_word(catalogue: Catalogue) -> None:
    for regulation in catalogue.regulations:
        assert compare(regulation, regulation, texts=True) == ()


def test_what_one_has_more_the_other_has_less(catalogue: Catalogue) -> None:
    for one, other in combinations(catalogue.regulations, 2):
        there = {(each.area, each.where, each.one, each.other) for each in compare(one, other)}
        back = {(each.area, each.where, each.other, each.one) for each in compare(other, one)}
        assert there == back


def test_special_services_differ_in_the_executor_s_days_alone(catalogue: Catalogue) -> None:
    """Clause 6 3): 15 working days in an institution, 12 at home."""
    codes = "wko-special-services-institutions", "wko-special-services-home-care"
    (only,) = compare(catalogue.by_code[codes[0]], catalogue.by_code[codes[1]])
    assert (only.area, only.where) == ("internal", "default 3")
    assert (only.one or "").endswith("15 working days") and (only.other or "").endswith("12 working days")


def test_the_two_portals_of_west_kazakhstan_have_the_same_flow_without_deadlines(differ: Of) -> None:
    codes = "wko-home-education-reimbursement", "wko-asp-recipient-certificate"
    assert differ(*codes, "flow") == {}
    assert all(where.startswith("state_corporation") for where in differ(*codes, "limits"))


def test_the_corporation_s_minutes_differ_where_the_act_has_others(differ: Of) -> None:
    """The certificate: 3 minutes to hand papers in, 2 for the query; reimbursement: 2 and 3."""
    found = differ("wko-home-education-reimbursement", "wko-asp-recipient-certificate", "limits")
    minutes = {
        where.removeprefix("state_corporation "): tuple((limit or "").split(",")[0] for limit in limits)
        for where, limits in found.items()
    }
    assert minutes == {
        "visit": ("120 s", "180 s"),
        "query_registers": ("180 s", "120 s"),
        "query_registers 2": ("180 s", "120 s"),
        "check_documents": ("120 s", "60 s"),
        "refuse_documents": ("120 s", "60 s"),
        "hand_over": ("120 s", "60 s"),
    }


@pytest.mark.parametrize("code", ["tayynsha-social-assistance", "zhambyl-social-assistance-certificate"])
def test_two_acts_check_the_certificate_after_signing_and_the_others_before(differ: Of, code: str) -> None:
    found = differ(code, HOUSING, "signing")
    assert found["portal certificate"] == ("checked after signing", "checked before signing")
    assert differ("semey-unemployed-certificate", HOUSING, "signing") == {}


@pytest.mark.parametrize("code", ["tayynsha-social-assistance", "zhambyl-social-assistance-certificate"])
def test_two_acts_have_no_registration_and_no_check_of_documents(differ: Of, code: str) -> None:
    found = differ(code, HOUSING, "flow")
    for kind in ("register", "check_documents", "refuse_documents"):
        assert found[f"portal {kind}"][0] is None


def test_tayynsha_s_own_desk_sees_papers_and_certificates_and_asks_no_register(differ: Of) -> None:
    found = differ("tayynsha-social-assistance", HOUSING, "flow")
    theirs = {where for where, (one, other) in found.items() if where.startswith("provider") and other is None}
    ours = {where for where, (one, other) in found.items() if where.startswith("provider") and one is None}
    assert {f"provider {kind}" for kind in ("visit", "verify_login", "refuse_login", "check_certificate")} <= theirs
    assert {f"provider {kind}" for kind in ("query_registers", "check_registers", "report_no_data")} <= ours


def test_tayynsha_sends_to_the_system_of_its_own_executive(differ: Of) -> None:
    one, other = differ("tayynsha-social-assistance", HOUSING, "flow")["portal issue_result"]
    assert (one or "").startswith("ИС МИО") and (other or "").startswith("АРМ РШЭП")


def test_a_refusal_that_was_restored_is_told(differ: Of) -> None:
    one, other = differ("tayynsha-social-assistance", HOUSING, "flow")["portal refuse_signature"]
    assert (one, other) == ("ПЭП → end: refusal (restored)", "ПЭП → end: refusal")


def test_the_notaries_are_asked_by_six_centres_and_not_for_the_unemployed(differ: Of) -> None:
    assert differ("semey-unemployed-certificate", HOUSING, "flow")["centre query_registers"] == (
        "ШЭП, ГБД ФЛ → check_registers",
        "ШЭП, ГБД ФЛ, ЕНИС → check_registers",
    )
    assert differ("semey-housing-queue", HOUSING, "flow") == {}
    assert differ("semey-unemployed-certificate", HOUSING, "settings")["enis"] == (
        '{"centre": "never"}',
        '{"centre": "when_attorney_is_notarised"}',
    )


@pytest.mark.parametrize(
    "code", ["semey-minor-funds-certificate", "semey-minor-property-certificate", "semey-guardianship-certificate"]
)
def test_minors_and_wards_get_a_minute_where_the_others_get_half_to_one(differ: Of, code: str) -> None:
    one, other = differ(code, "semey-housing-queue", "limits")["portal authenticate"]
    assert ((one or "").split(",")[0], (other or "").split(",")[0]) == ("60 s", "30-60 s")


@pytest.mark.parametrize(
    ("code", "missing"),
    [
        ("semey-unemployed-certificate", set()),
        ("semey-housing-queue", set()),
        ("semey-kindergarten-queue", set()),
        ("tayynsha-social-assistance", {"centre"}),
        ("semey-disabled-child-home-education", {"centre"}),
        ("semey-minor-funds-certificate", {"provider"}),
        ("semey-minor-property-certificate", {"provider"}),
        ("semey-guardianship-certificate", {"provider"}),
    ],
)
def test_channels_one_act_does_not_have(differ: Of, code: str, missing: set[str]) -> None:
    assert {where for where, (one, _) in differ(code, HOUSING, "channels").items() if one is None} == missing


def test_a_channel_that_is_only_named_is_told_once_and_not_item_by_item(differ: Of) -> None:
    code = "zhambyl-social-assistance-certificate"
    assert differ(code, HOUSING, "channels")["centre"] == ("named only", "11 items")
    assert not [where for where in differ(code, HOUSING, "flow") if where.startswith("centre")]


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("tayynsha-social-assistance", "status_change, extension"),
        ("semey-disabled-child-home-education", "status_change, extension"),
        ("semey-minor-funds-certificate", "status_change, extension"),
        ("semey-minor-property-certificate", "status_change, extension"),
        ("semey-guardianship-certificate", "status_change, extension"),
        ("semey-unemployed-certificate", "status_change"),
        ("semey-housing-queue", "status_change"),
    ],
)
def test_notifications_are_sent_on_other_news(differ: Of, code: str, rule: str) -> None:
    """The kindergarten's act has no rule of notification."""
    one, other = differ(code, "semey-kindergarten-queue", "forms")["notification"]
    assert one is not None
    assert f"sent on {rule}" in one.split("; ")
    assert other is None


def test_fields_of_a_form_are_compared_one_by_one(differ: Of) -> None:
    found = differ("semey-unemployed-certificate", "semey-housing-queue", "forms")
    assert found["positive queue_number"] == (None, "number, required")
    assert found["positive registered_as_unemployed"] == ("text", None)
    assert not [where for where in found if where.startswith("application ")], "only one of them has that form"


def test_table_cells_the_scan_lost_are_differences(differ: Of) -> None:
    one, other = differ("semey-unemployed-certificate", HOUSING, "table")["portal row 6"]
    assert (one, other) == (None, "60 s → 8 | 7")


def test_other_words_are_differences_only_when_asked_for(catalogue: Catalogue, housing: Regulation) -> None:
    channel = housing.channels["portal"]
    item = replace(channel.flow[0], text_ru="потребитель входит иначе", clause="99", label="pre1")
    changed = replace_portal(housing, replace(channel, flow=(item, *channel.flow[1:])))
    assert compare(housing, changed) == ()
    (only,) = compare(housing, changed, texts=True)
    assert (only.area, only.where, only.other) == ("texts", "portal register_account", "потребитель входит иначе")


def test_quotes_dashes_capitals_and_stops_make_no_other_text(housing: Regulation) -> None:
    channel = housing.channels["portal"]
    flow = tuple(
        replace(item, text_ru=item.text_ru.replace("–", "-").replace(" ", "  ").upper().rstrip(";"))
        for item in channel.flow
    )
    assert compare(housing, replace_portal(housing, replace(channel, flow=flow)), texts=True) == ()


def test_other_labels_and_clauses_make_no_other_flow(housing: Regulation) -> None:
    channel = housing.channels["portal"]
    last = channel.flow[-1]
    gate = next(item for item in channel.flow if item.label == "C3")
    flow = tuple(
        replace(item, label="P99", clause="99")
        if item is last
        else replace(item, next=Branch("P99", "P7"))
        if item is gate
        else item
        for item in channel.flow
    )
    limits = tuple(replace(limit, label="P99") if limit.label == "P8" else limit for limit in channel.limits)
    assert compare(housing, replace_portal(housing, replace(channel, flow=flow, limits=limits))) == ()


def test_an_item_that_leads_elsewhere_is_a_difference_of_flow(housing: Regulation) -> None:
    channel = housing.channels["portal"]
    flow = tuple(replace(item, next="P8") if item.label == "P6" else item for item in channel.flow)
    found = compare(housing, replace_portal(housing, replace(channel, flow=flow)))
    assert [(each.area, each.where, each.one, each.other) for each in found] == [
        ("flow", "portal register", "АРМ РШЭП → check_documents", "АРМ РШЭП → issue_result")
    ]


def test_the_same_items_in_another_order_are_told_as_an_order(housing: Regulation) -> None:
    channel = housing.channels["portal"]
    flow = (*channel.flow[:7], channel.flow[8], channel.flow[7], *channel.flow[9:])
    found = by_place(compare(housing, replace_portal(housing, replace(channel, flow=flow))), "flow")
    assert list(found) == ["portal order"]
    assert "sign_and_send → register" in str(found["portal order"][0])
    assert "register → sign_and_send" in str(found["portal order"][1])


def test_differences_come_area_by_area(catalogue: Catalogue) -> None:
    found = compare(catalogue.by_code["tayynsha-social-assistance"], catalogue.by_code[HOUSING], texts=True)
    order = [AREAS.index(each.area) for each in found]
    assert order == sorted(order)
    assert {each.area for each in found} >= {"participants", "channels", "flow", "signing", "limits", "forms", "texts"}


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (Duration(min_s=30, max_s=60), "30-60 s"),
        (Duration(max_s=900), "900 s"),
        (Duration(working_days=7), "7 working days"),
        (Duration(months=1), "1 month"),
        (Duration(working_days=1), "1 working day"),
    ],
)
def test_a_duration_is_told_in_its_own_unit(limit: Duration, words: str) -> None:
    assert str(limit) == words


def replace_portal(regulation: Regulation, channel: Channel) -> Regulation:
    return replace(regulation, channels={**regulation.channels, "portal": channel})
