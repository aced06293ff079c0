"""The pure rules: states, forms, steps, texts, passwords, the choice of a provider."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egovkit.contracts import contracts_dir, read_once
from egovlaw.catalogue import Regulation
from egovlaw.loader import load_catalogue
from portal_pep.domain import forms, states, texts
from portal_pep.domain.document import read_document, stamp
from portal_pep.domain.keyring import Keyring
from portal_pep.domain.login import login_wait, password_problem
from portal_pep.domain.provider import provider_code, receiving_system
from portal_pep.domain.states import CaseEvent, CaseState, after, is_newer, may_send_again
from portal_pep.domain.steps import deadline, limit_of, login_refusal, portal_flow, started, used
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
    assert {event for _, event in states.TRANSITIONS} == set(CaseEvent)


def test_an_ended_case_is_left_by_nothing() -> None:
    leaving = {b for (b, _), a in states.TRANSITIONS.items() if b in states.ENDED and a != b}
    assert leaving == set()
    assert {s for s in CaseState if not any(b == s for b, _ in states.TRANSITIONS)} <= states.ENDED


def test_facts_apply_from_every_state_after_sending_and_from_none_before() -> None:
    facts = (CaseEvent.REGISTERED, CaseEvent.REFUSED, CaseEvent.COMPLETED, CaseEvent.EXTENDED)
    for fact in facts:
        assert after(CaseState.DRAFT, fact) is None and after(CaseState.PREPARED, fact) is None
        assert after(CaseState.SUBMITTED, fact) is not None and after(CaseState.GATEWAY_REFUSED, fact) is not None


@pytest.mark.parametrize("event", [CaseEvent.EDITED, CaseEvent.PREPARED, CaseEvent.SUBMITTED])
def test_nothing_is_edited_or_sent_twice_once_it_is_on_its_way(event: CaseEvent) -> None:
    for state in (CaseState.SUBMITTED, CaseState.ACCEPTED, CaseState.REGISTERED, *states.ENDED):
        assert after(state, event) is None


@pytest.mark.parametrize(
    ("code", "again"),
    [
        ("time.late", True),
        ("time.expired", True),
        ("envelope.too_large", True),
        ("participant.suspended", True),
        ("order.trail_broken", True),
        ("order.case_ended", False),
        ("order.step_not_allowed", False),
        ("route.regulation_repealed", False),
    ],
)
def test_what_a_repetition_can_cure(code: str, again: bool) -> None:
    assert may_send_again(code) is again


def test_only_a_higher_version_is_newer() -> None:
    assert is_newer(2, 1) and not is_newer(1, 1) and not is_newer(1, 2)


def test_every_state_and_notice_has_words_in_three_languages() -> None:
    assert set(texts.STATE_TEXTS) == set(CaseState) and set(texts.NOTICE_TEXTS) == set(NoticeKind)
    for text in (*texts.STATE_TEXTS.values(), *texts.NOTICE_TEXTS.values()):
        assert text.kk and text.ru and text.en


def test_a_value_is_inserted_into_a_notice_and_never_read_as_a_pattern() -> None:
    text = notice_text(NoticeKind.STATUS, {"text": "{text} {0.__class__}"}, {"text": "{x}"})
    assert (text.kk, text.ru, text.en) == ("{text} {0.__class__}", "{x}", "{x}")


# --- forms ---

LETTERS = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=50)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)


@given(st.dictionaries(NAMES, LETTERS | st.booleans() | st.none() | st.lists(LETTERS, max_size=5), max_size=20))
def test_whatever_a_person_can_type_is_taken(values: dict[str, Any]) -> None:
    assert forms.form_problems(values) == []


@given(st.dictionaries(st.text(max_size=80), st.recursive(st.none() | st.floats() | st.text(), st.lists), max_size=5))
def test_whatever_a_program_can_send_is_judged_without_failing(values: dict[str, Any]) -> None:
    for problem in forms.form_problems(values):
        assert len(problem.field) <= 64 and problem.code


def test_a_field_the_acts_form_does_not_have_is_unknown() -> None:
    known = frozenset({"surname"})
    assert forms.form_problems({"surname": "Ә"}, known) == []
    assert [one.code for one in forms.form_problems({"sumame": "Ә"}, known)] == ["unknown"]


@pytest.mark.parametrize("length", [999, 1000])
def test_a_value_up_to_the_limit_is_taken(length: int) -> None:
    assert forms.form_problems({"surname": "Ң" * length}) == []


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


def test_a_limit_is_measured_from_the_moments_the_catalogue_names(regulation: Regulation) -> None:
    flow = portal_flow(regulation)
    assert flow is not None
    at = START + timedelta(seconds=20)
    assert used(flow.channel, flow.choose_and_fill, {("P3", "begin"): START, ("P3", "end"): at}).used_s == 20
    spent = used(flow.channel, flow.send, {("C2", "end"): START, ("P5", "end"): at})
    assert (spent.limit_s, spent.used_s) == (60, 20)
    unseen = used(flow.channel, flow.send, {})
    assert (unseen.limit_s, unseen.used_s) == (60, None)
    assert used(flow.channel, flow.check_certificate, {}).limit_s is None


def test_the_deadline_is_the_end_of_the_limit(regulation: Regulation) -> None:
    flow = portal_flow(regulation)
    assert flow is not None
    limit = limit_of(flow.channel, flow.send)
    began = started(limit, {("C2", "end"): START})
    assert deadline(limit, began, START + timedelta(seconds=30)) == START + timedelta(seconds=60)
    assert deadline(limit, None, START) == START + timedelta(seconds=60)
    assert deadline(None, START, START) is None and started(None, {}) is None


# --- the rest ---


@dataclass(frozen=True)
class System:
    code: str
    kind: str = "provider"
    regions: tuple[str, ...] = ("atyrau",)
    services: tuple[str, ...] = ("*",)
    is_active: bool = True

    def serves(self, regulation: str) -> bool:
        return "*" in self.services or regulation in self.services


def test_the_receiver_is_the_provider_of_service_and_region() -> None:
    systems = [
        System("portal", kind="portal"),
        System("far", regions=("semey",)),
        System("suspended", is_active=False),
        System("other", services=("kindergarten",)),
        System("b-all"),
        System("a-all"),
        System("z-named", services=("housing",)),
    ]
    assert receiving_system(systems, "housing", "atyrau") == "z-named"
    assert receiving_system(systems[:-1], "housing", "atyrau") == "a-all"
    assert receiving_system(systems[:4], "housing", "atyrau") is None


def test_the_providers_code_is_a_setting_or_the_regions(regulation: Regulation) -> None:
    from dataclasses import replace

    from egovlaw.catalogue import Setting

    assert provider_code(regulation) == "atyrau"
    named = replace(regulation, settings={"provider": Setting("atyrau-housing", "E7")})
    assert provider_code(named) == "atyrau-housing"


@pytest.mark.parametrize(("failures", "seconds"), [(0, 0), (4, 0), (5, 30), (6, 60), (7, 120), (10, 900), (10**6, 900)])
def test_the_wait_grows_and_stays_bearable(failures: int, seconds: int) -> None:
    assert login_wait(failures) == seconds


def test_a_long_ordinary_password_is_good_in_any_alphabet() -> None:
    assert password_problem("қарапайым сөйлем", "991231600012") is None


def test_keys_of_one_secret_tell_nothing_about_another() -> None:
    keys, others = Keyring.of("a"), Keyring.of("b")
    assert len({keys.sealing, keys.person, keys.throttle, others.sealing, others.person, others.throttle}) == 6
    assert keys.person_hash("991231600012") == Keyring.of("a").person_hash("991231600012")
    assert keys.person_hash("991231600012") != others.person_hash("991231600012")
    assert keys.throttle_key("login", "a", "b") != keys.throttle_key("login", "ab", "")
    assert len(keys.sealing) == 32


@pytest.mark.parametrize("document", [b"", b"[]", b"\xff", b"{", b"[" * 100_000])
def test_a_document_that_is_no_object_has_no_content_to_show(document: bytes) -> None:
    assert read_document(document) is None


def test_moments_are_written_as_in_envelopes() -> None:
    assert stamp(START) == "2026-01-15T04:00:00.000Z"
