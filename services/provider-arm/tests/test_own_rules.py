"""Rules of the provider's own channel: states, what an answer means. Nothing runs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from egovkit.contracts import contracts_dir, read_once
from egovlaw.identifiers import synthetic_iin
from egovlaw.loader import load_catalogue
from provider_arm.domain.answers import facts_of, usable
from provider_arm.domain.own import OwnEvent, OwnState, Query, QueryState, transitions_for
from provider_arm.service.own_flow import own_flow_of
from provider_arm.service.procedure import Procedures

IIN = synthetic_iin(1)
TODAY = date(2026, 1, 15)
NOW = datetime(2026, 1, 15, 4, 0, tzinfo=UTC)
ALIVE = {"code": "0", "name_ru": "Нормальный", "name_kk": "Қалыпты"}


def entry(code: str) -> dict[str, str]:
    return {"code": code, "name_ru": "Слово", "name_kk": "Сөз"}


def person(**changes: Any) -> dict[str, Any]:
    plain = {"iin": IIN, "birth_date": "1980-05-17", "citizenship": entry("398"), "life_status": ALIVE}
    return plain | changes


def answer(*persons: dict[str, Any], code: str = "00000") -> dict[str, Any]:
    return {"result": entry(code), "persons": list(persons)}


def query(**changes: Any) -> Query:
    values: dict[str, Any] = {
        "id": "q",
        "case_id": "c",
        "register": "r",
        "iin": IIN,
        "state": QueryState.WAITING,
        "asked_at": NOW,
        "asked_by": "s",
        "clause": "1",
        "limit_s": 90,
        "answered_at": None,
        "person": None,
        "problem": None,
    }
    return Query(**(values | changes))


# --- states ----------------------------------------------------------------------------------------------------


ASKED_FIRST = frozenset({"authenticate", "choose_and_fill", "query_registers", "attach_and_sign"})
SIGNED_FIRST = frozenset({"visit", "authenticate", "choose_and_fill", "sign", "check_certificate"})
E = OwnEvent


def before(kinds: frozenset[str]) -> dict[OwnEvent, set[OwnState]]:
    found: dict[OwnEvent, set[OwnState]] = {}
    for state, event in transitions_for(kinds):
        found.setdefault(event, set()).add(state)
    return found


def reached(kinds: frozenset[str], first: OwnState) -> set[OwnState]:
    table, found, left = transitions_for(kinds), {first}, [first]
    while left:
        here = left.pop()
        new = {after for (state, _), after in table.items() if state is here} - found
        found |= new
        left += new
    return found


def test_every_state_is_reached_by_the_flow_that_has_it() -> None:
    asked, signed = reached(ASKED_FIRST, OwnState.OPENED), reached(SIGNED_FIRST, OwnState.RECEIVED)
    assert asked | signed == set(OwnState)
    assert asked - signed == {OwnState.DATA_REQUESTED, OwnState.DATA_CHECKED, OwnState.NO_DATA}
    assert signed - asked == {OwnState.RECEIVED, OwnState.SIGNATURE_REFUSED}


def test_the_ends_are_left_by_nothing() -> None:
    ends = {OwnState.REGISTERED, OwnState.NO_DATA, OwnState.SIGNATURE_REFUSED, OwnState.ABANDONED}
    assert not ends & {state for kinds in (ASKED_FIRST, SIGNED_FIRST) for state, _ in transitions_for(kinds)}


def test_a_number_needs_a_signature_a_form_and_an_answer_where_a_register_is_asked() -> None:
    asked = before(ASKED_FIRST)
    assert asked[E.REGISTERED] == {OwnState.PREPARED}
    assert asked[E.DATA_FOUND] == asked[E.DATA_ABSENT] == {OwnState.DATA_REQUESTED}
    assert asked[E.EDITED] == asked[E.PREPARED] == {OwnState.DATA_CHECKED, OwnState.PREPARED}
    assert E.CERTIFICATE_REFUSED not in asked and E.PAPERS_CHECKED not in asked


def test_without_a_register_the_form_is_open_once_the_consumer_is_known() -> None:
    signed = before(SIGNED_FIRST)
    assert signed[E.EDITED] == signed[E.PREPARED] == {OwnState.CONSUMER_ENTERED, OwnState.PREPARED}
    assert signed[E.CERTIFICATE_REFUSED] == signed[E.REGISTERED] == {OwnState.PREPARED}
    assert E.ASKED not in signed


# --- questions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "state"), [(0, "waiting"), (90, "waiting"), (92, "waiting"), (92.001, "expired"), (9000, "expired")]
)
def test_a_question_expires_by_itself_two_seconds_after_the_acts_limit(seconds: float, state: str) -> None:
    at = NOW + timedelta(seconds=seconds)
    assert query().state_at(at).value == state
    assert query().pending(at) is (state == "waiting")


def test_a_question_without_a_limit_of_the_act_never_expires_and_may_always_be_repeated() -> None:
    later = NOW + timedelta(days=1)
    assert query(limit_s=None).state_at(later) is QueryState.WAITING
    assert not query(limit_s=None).pending(later)


def test_what_was_answered_stays_answered_however_long_ago() -> None:
    known = query(state=QueryState.ANSWERED, answered_at=NOW + timedelta(seconds=7.5), person=person())
    later = NOW + timedelta(days=1)
    assert (known.state_at(later), known.used_s(later)) == (QueryState.ANSWERED, 7.5)


def test_how_long_a_question_has_taken() -> None:
    assert query().used_s(NOW + timedelta(seconds=20)) == 20
    assert query().used_s(NOW + timedelta(seconds=200)) == 90  # all of it, and nothing came
    assert query(state=QueryState.REFUSED).used_s(NOW) is None


def test_every_state_of_a_question_is_told_in_both_languages() -> None:
    problem = {"title_ru": "Поздно", "title_kk": "Кеш"}
    for state in QueryState:
        text = query(state=state, problem=problem).why(NOW)
        assert text.ru and text.kk and text.ru != text.kk
    assert "Поздно" in query(state=QueryState.REFUSED, problem=problem).why(NOW).ru
    assert "Кеш" in query(state=QueryState.REFUSED, problem=problem).why(NOW).kk


def test_braces_in_a_gateways_words_are_only_words() -> None:
    problem = {"title_ru": "{problem.__class__}", "title_kk": "{0}"}
    assert "{problem.__class__}" in query(state=QueryState.REFUSED, problem=problem).why(NOW).ru


# --- answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (answer(person()), True),
        (answer(), True),
        (answer(person(iin=synthetic_iin(2))), False),
        (answer(person(), person()), False),
        (answer(person(), person(iin=synthetic_iin(2))), False),
        (answer(code="99999"), False),
        (answer(person(), code="00001"), False),
    ],
)
def test_an_answer_is_used_only_when_it_is_about_the_person_asked_for(data: dict[str, Any], expected: bool) -> None:
    assert usable(data, IIN) is expected


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"death_date": "2020-01-01"}, "deceased"),
        ({"life_status": entry("3")}, "life_status"),
        ({"birth_date": "2008-01-16"}, "underage"),
        ({"birth_date": "2008-01-15"}, None),
        ({"citizenship": entry("840")}, "foreign"),
        ({"missing_status": {"missing": True, "missing_date": "2020-01-01"}}, "missing"),
        ({"missing_status": {"missing": False, "missing_date": "2020-01-01"}}, None),
        ({"missing_status": {"missing": True, "missing_end_date": "2021-01-01"}}, None),
        ({"disappear_status": {"disappear": True, "disappear_date": "2020-01-01"}}, "missing"),
        ({"capable_status": {"capable_status": entry("1"), "capable_date": "2020-01-01"}}, "incapable"),
        ({"capable_status": {"capable_status": entry("1"), "capable_end_date": "2021-01-01"}}, None),
        ({"exclude_status": {"exclude_reason": entry("1")}}, "excluded"),
    ],
)
def test_what_the_official_has_to_know_of_a_person(changes: dict[str, Any], code: str | None) -> None:
    facts = facts_of(person(**changes), TODAY)
    assert [fact.code for fact in facts] == ([] if code is None else [code])
    assert all(fact.ru and fact.kk and fact.ru != fact.kk for fact in facts)


def test_somebody_born_on_the_29th_of_february_comes_of_age_on_the_1st_of_march() -> None:
    assert facts_of(person(birth_date="2008-02-29"), date(2026, 2, 28)) != []
    assert facts_of(person(birth_date="2008-02-29"), date(2026, 3, 1)) == []


# --- the law ---------------------------------------------------------------------------------------------------


def test_the_own_channels_steps_are_found_by_kind() -> None:
    procedures = Procedures(read_once(load_catalogue, contracts_dir()))
    flow = own_flow_of(procedures, "atyrau-housing-queue")
    assert flow is not None
    items = (flow.authenticate, flow.choose, flow.ask, flow.check, flow.report, flow.sign)
    assert [item.label for item in items] == ["P1", "P2", "P3", "C1", "P4", "P5"]  # Atyrau 427, cl. 7
    assert flow.procedure.channel.code == "provider"
    assert flow.provider == "atyrau"
    assert own_flow_of(procedures, "no-such-service") is None
    assert own_flow_of(procedures, "wko-wheelchairs") is None  # named only


def test_only_a_channel_with_side_messages_has_the_applicant_told_of_states() -> None:
    procedures = Procedures(read_once(load_catalogue, contracts_dir()))
    may = {}
    for channel in ("portal", "centre", "provider"):
        procedure = procedures.of("atyrau-housing-queue", channel)
        may[channel] = procedure.may_tell("case.status", procedure.register)
        assert not procedure.may_tell("case.status", procedure.check)
    assert may == {"portal": True, "centre": True, "provider": False}
