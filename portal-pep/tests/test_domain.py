"""The pure rules: states, forms, steps, texts, passwords, the choice of a provider."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from egovkit.contracts import contracts_dir, read_once
from egovlaw.catalogue import Regulation
from egovlaw.loader import load_catalogue
from egovorigin.domain.states import BusEvent
from portal_pep.domain import states, texts
from portal_pep.domain.states import CaseEvent, CaseState, after
from portal_pep.domain.steps import login_refusal, portal_flow
from portal_pep.domain.texts import NoticeKind, notice_text

START = datetime(2026, 1, 15, 4, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def regulation() -> Regulation:
    found = read_once(load_catalogue, contracts_dir()).regulation("atyrau-housing-queue")
    assert found is not None
    return found


# --- states ---


def test_every_state_can_be_reached_from_a_draft() -> None:
    reached = {CaseState.DRAFT}
    while more := {after for (before, _), after in states.TRANSITIONS.items() if before in reached} - reached:
        reached |= more
    assert reached == set(CaseState)


def test_every_event_means_something_somewhere() -> None:
    assert {event for _, event in states.TRANSITIONS} == {*CaseEvent, *BusEvent}


def test_an_ended_case_is_left_by_nothing() -> None:
    leaving = {b for (b, _), a in states.TRANSITIONS.items() if b in states.ENDED and a != b}
    assert leaving == set()
    assert {s for s in CaseState if not any(b == s for b, _ in states.TRANSITIONS)} <= states.ENDED


def test_facts_apply_from_every_state_after_sending_and_from_none_before() -> None:
    facts = (BusEvent.REGISTERED, BusEvent.REFUSED, BusEvent.COMPLETED, BusEvent.EXTENDED)
    for fact in facts:
        assert after(CaseState.DRAFT, fact) is None and after(CaseState.PREPARED, fact) is None
        assert after(CaseState.SUBMITTED, fact) is not None and after(CaseState.GATEWAY_REFUSED, fact) is not None


@pytest.mark.parametrize("event", [CaseEvent.EDITED, CaseEvent.PREPARED, CaseEvent.SUBMITTED])
def test_nothing_is_edited_or_sent_twice_once_it_is_on_its_way(event: CaseEvent) -> None:
    for state in (CaseState.SUBMITTED, CaseState.ACCEPTED, CaseState.REGISTERED, *states.ENDED):
        assert after(state, event) is None


def test_every_state_and_notice_has_words_in_three_languages() -> None:
    assert set(texts.STATE_TEXTS) == set(CaseState) and set(texts.NOTICE_TEXTS) == set(NoticeKind)
    for text in (*texts.STATE_TEXTS.values(), *texts.NOTICE_TEXTS.values()):
        assert text.kk and text.ru and text.en


def test_a_value_is_inserted_into_a_notice_and_never_read_as_a_pattern() -> None:
    text = notice_text(NoticeKind.STATUS, {"text": "{text} {0.__class__}"}, {"text": "{x}"})
    assert (text.kk, text.ru, text.en) == ("{text} {0.__class__}", "{x}", "{x}")


# --- steps ---


def test_the_portals_steps_are_found_by_kind(regulation: Regulation) -> None:
    flow = portal_flow(regulation)
    assert flow is not None and flow.checks_before_signing and flow.sign is None
    items = (flow.authenticate, flow.verify_login, flow.choose_and_fill, flow.check_certificate)
    assert [item.label for item in items] == ["P1", "C1", "P3", "C2"]
    assert (flow.refuse_signature.label, flow.send.label) == ("P4", "P5")
    refusal = login_refusal(regulation)
    assert refusal is not None and refusal.label == "P2"
    assert flow.state_before(flow.authenticate) == "new" and flow.state_before(flow.send) == "certificate_checked"


def test_a_regulation_without_a_portal_flow_is_not_offered(regulation: Regulation) -> None:
    from dataclasses import replace

    channel = regulation.channels["portal"]
    assert portal_flow(replace(regulation, channels={})) is None
    for kind in ("sign_and_send", "check_certificate"):  # nobody could send it; nobody would know who signed
        shorter = tuple(item for item in channel.flow if item.kind.name != kind)
        assert portal_flow(replace(regulation, channels={"portal": replace(channel, flow=shorter)})) is None


def test_an_act_that_signs_before_it_checks_is_known_by_its_flow(regulation: Regulation) -> None:
    from dataclasses import replace

    from egovlaw.kinds import STEP_KINDS

    channel = regulation.channels["portal"]
    sign = replace(channel.flow[4], n=5, label="P9", kind=STEP_KINDS["sign"], next="C2")
    flow = (*channel.flow[:5], sign, *(replace(item, n=item.n + 1) for item in channel.flow[5:]))
    found = portal_flow(replace(regulation, channels={"portal": replace(channel, flow=flow)}))
    assert found is not None and found.sign is not None and not found.checks_before_signing
    assert found.retaken == ("P3", "P9", "C2")
