"""Rules by themselves: states, rounds of limits, facts, counting."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import product
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from con_arm.domain.answers import attorney_problem, facts_of
from con_arm.domain.counter import TICKET_TRANSITIONS, TicketEvent, TicketState, measure, term_of
from con_arm.domain.members import register_system
from con_arm.domain.states import ENDED, TRANSITIONS, CaseEvent, CaseState, after, has_ended
from con_arm.domain.steps import centre_flow, is_late, query_limit
from con_arm.domain.texts import FACT_TEXTS, QUERY_TEXTS, REASON_TEXTS, STATE_TEXTS, filled
from egovkit.contracts import contracts_dir, read_once
from egovkit.membership import Member
from egovlaw.catalogue import Duration, ServiceTerm
from egovlaw.loader import load_catalogue
from egovorigin.domain.states import BusEvent

from .conftest import attorney, entry, person

TODAY = date(2026, 1, 15)
IIN, OTHER = "991231600012", "991231600022"


def catalogue() -> Any:
    return read_once(load_catalogue, contracts_dir())


def member(code: str, kind: str, **more: Any) -> Member:
    values = {"bin": "1", "kato": "1", "regions": (), "services": ("*",), "state": "active", "delivery": "amqp", **more}
    return Member(code, kind, code, code, **values)


def test_every_state_is_reached_and_every_state_that_is_not_an_end_is_left() -> None:
    assert set(TRANSITIONS.values()) | {CaseState.OPENED} == set(CaseState)
    left = {before for (before, _), state in TRANSITIONS.items() if state is not before}
    # A refused record makes it wait again; a refusal is handed over where the act goes on after it.
    assert left == set(CaseState) - ENDED | {CaseState.HANDED_OVER, CaseState.REFUSED}


def test_nothing_but_the_providers_last_words_changes_an_ended_case() -> None:
    for state, event in product(ENDED - {CaseState.HANDED_OVER}, {*CaseEvent, *BusEvent} - {CaseEvent.HANDED_OVER}):
        assert after(state, event) in (None, state)


def test_only_a_refusal_that_is_handed_over_goes_on() -> None:
    assert has_ended(CaseState.REFUSED, refusal_is_handed_over=False)
    assert not has_ended(CaseState.REFUSED, refusal_is_handed_over=True)
    assert has_ended(CaseState.HANDED_OVER, refusal_is_handed_over=True)


def test_before_the_registers_know_the_consumer_nothing_can_be_signed() -> None:
    early = (CaseState.OPENED, CaseState.CONSUMER_ENTERED, CaseState.DATA_REQUESTED)
    assert all(after(state, CaseEvent.PREPARED) is None for state in early)


def test_every_state_and_reason_has_its_words_in_both_languages() -> None:
    assert set(STATE_TEXTS) == set(CaseState)
    for texts in (STATE_TEXTS, FACT_TEXTS, REASON_TEXTS, QUERY_TEXTS):
        assert all(text.kk and text.ru and text.en for text in texts.values())


def test_values_in_a_text_are_never_read_as_a_pattern() -> None:
    text = filled(
        STATE_TEXTS[CaseState.OPENED].__class__("{missing}", "{missing}", "{missing}"), missing="{0.__class__}"
    )
    assert text.ru == "{0.__class__}"


def test_the_flow_of_the_channel_is_found_by_step_kind() -> None:
    regulation = catalogue().regulation("atyrau-housing-queue")
    flow = centre_flow(regulation)
    assert flow is not None and flow.registers == ("person", "attorney")
    found = (flow.authenticate, flow.choose_and_fill, flow.query, flow.check_registers, flow.report_no_data)
    assert flow.visit is None and not flow.fills_before_query and not flow.refusal_is_handed_over
    assert flow.attach_and_sign is not None
    assert [item.label for item in (*found, flow.attach_and_sign, flow.send, flow.hand_over)] == [
        "P1", "P2", "P3", "C1", "P4", "P5", "P6", "P9",
    ]  # fmt: skip
    assert [query_limit(flow, name).max_s for name in flow.registers] == [90, 90]  # type: ignore[union-attr]
    assert query_limit(flow, "register") is None


def test_an_answer_is_late_two_seconds_after_the_limit_and_never_without_one() -> None:
    asked = datetime(2026, 1, 15, tzinfo=UTC)
    assert not is_late(asked, 90.0, asked + timedelta(seconds=92))
    assert is_late(asked, 90.0, asked + timedelta(seconds=92.001))
    assert not is_late(asked, None, asked + timedelta(days=1))


def test_registers_are_found_in_the_member_list_by_kind() -> None:
    members = [
        member("b-register", "person_register"),
        member("a-register", "person_register", state="suspended"),
        member("c-register", "person_register"),
    ]
    assert register_system(members, "person", "x") == "b-register"
    assert register_system(members, "attorney", "x") is None and register_system(members, "weather", "x") is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, None),
        ({"valid_to": "2026-01-15"}, None),  # the last day still counts
        ({"valid_to": "2026-01-14"}, "register.attorney_expired"),
        ({"valid_from": "2026-01-15"}, None),
        ({"revoke_date": "2026-01-16"}, None),
        ({"revoke_date": "2026-01-15"}, "register.attorney_revoked"),
    ],
)
def test_the_days_of_a_power_of_attorney_are_counted_whole(change: dict[str, Any], code: str | None) -> None:
    assert attorney_problem(attorney(IIN, OTHER, **change), IIN, OTHER, TODAY) == code


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ({}, []),
        ({"birth_date": "2008-01-15"}, []),  # eighteen today
        ({"birth_date": "2008-01-16"}, ["underage"]),
        ({"birth_date": "2008-02-29"}, ["underage"]),
        ({"death_certificate": {"number": "1"}, "life_status": entry("3")}, ["deceased"]),
        ({"life_status": entry("3", "Розыск", "Іздеу")}, ["life_status"]),
        ({"missing_status": {"missing": False, "missing_date": "2020-01-01", "missing_number": "1"}}, []),
        (
            {
                "disappear_status": {
                    "disappear": True,
                    "disappear_date": "2020-01-01",
                    "disappear_number": "1",
                    "disappear_end_date": "2021-01-01",
                }
            },
            [],
        ),
        ({"removed": True}, ["excluded"]),
        ({"surname": None, "name": None}, []),
    ],
)
def test_facts_are_what_holds_today(change: dict[str, Any], codes: list[str]) -> None:
    assert [fact.code for fact in facts_of(person(IIN, **change), TODAY)] == codes


def test_waiting_is_compared_with_the_acts_term_where_it_states_one() -> None:
    assert measure([(100.0, None), (1300.0, 1200), (1200.0, 1200)]).over == 1
    assert measure([]).average_s is None


def test_a_term_of_waiting_is_the_channels_or_everybodys() -> None:
    class Law:
        terms = (
            ServiceTerm("waiting", "portal", "1", "5 минут", Duration(minutes=5)),
            ServiceTerm("waiting", None, "2", "20 минут", Duration(minutes=20)),
            ServiceTerm("counter", "corporation", "3", "час", Duration(hours=1)),
        )
        channels: ClassVar = {"corporation": SimpleNamespace(code="corporation", origin_kind="centre")}

    law: Any = Law()
    assert (term_of(law, "waiting").limit_s, term_of(law, "waiting").clause) == (1200, "2")
    assert term_of(law, "counter").limit_s == 3600 and term_of(None, "waiting").limit_s is None


@pytest.mark.law(topic="term", regulation="wko-oralman-status", clause=("4 2)", "4 3)"))
def test_the_act_that_limits_waiting_and_service_at_the_counter_is_held_to_its_minutes() -> None:
    law = catalogue().regulation("wko-oralman-status")
    waiting, counter = term_of(law, "waiting"), term_of(law, "counter")
    assert [(one.limit_s, one.clause) for one in (waiting, counter)] == [(900, "4 2)"), (1200, "4 3)")]
    assert measure([(900.0, waiting.limit_s), (901.0, waiting.limit_s)]).over == 1


def test_a_ticket_that_ended_stays_ended() -> None:
    ends = (TicketState.FINISHED, TicketState.NO_SHOW)
    assert not [key for key in TICKET_TRANSITIONS if key[0] in ends]
    assert (TicketState.IN_SERVICE, TicketEvent.NO_SHOW) not in TICKET_TRANSITIONS
