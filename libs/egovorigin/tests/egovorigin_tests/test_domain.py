"""The pure rules of every origin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egovkit.contracts import contracts_dir, read_once
from egovlaw.catalogue import Setting
from egovlaw.loader import load_catalogue
from egovorigin.domain import forms
from egovorigin.domain.document import read_document, stamp
from egovorigin.domain.keyring import Keyring
from egovorigin.domain.logins import password_problem
from egovorigin.domain.members import provider_code, receiving_system
from egovorigin.domain.states import is_newer, may_send_again
from egovorigin.domain.steps import LocalFlow, deadline, item_of, limit_of, started, used

START = datetime(2026, 1, 15, 4, 0, tzinfo=UTC)

# --- states ---


@pytest.mark.parametrize(
    ("code", "again"),
    [
        ("time.late", True),
        ("signature.unknown_certificate", True),
        ("time.expired", True),
        ("envelope.too_large", True),
        ("participant.suspended", True),
        ("order.trail_broken", True),
        ("order.case_ended", False),
        ("order.step_not_allowed", False),
        ("route.regulation_repealed", False),
        ("route.recipient_not_allowed", False),
    ],
)
def test_what_a_repetition_can_cure(code: str, again: bool) -> None:
    assert may_send_again(code) is again


def test_only_a_higher_version_is_newer() -> None:
    assert is_newer(2, 1) and not is_newer(1, 1) and not is_newer(1, 2)


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


@pytest.mark.parametrize(
    ("values", "field", "code"),
    [
        ({"surname": "Ә" * 10_000}, "surname", "too_long"),
        ({"surname": "a\x07b"}, "surname", "control_character"),
        ({"surname": "a\x1bb"}, "surname", "control_character"),
        ({"surname": "a\ud800"}, "surname", "control_character"),
        ({"Фамилия": "x"}, "Фамилия", "bad_name"),
        ({"Bad Name": "1"}, "Bad Name", "bad_name"),
        ({"a" * 61: "x"}, "a" * 60, "bad_name"),
        ({"surname": {"nested": 1}}, "surname", "wrong_type"),
        ({"surname": 1.5}, "surname", "wrong_type"),
        ({"surname": 2**60}, "surname", "wrong_type"),
        ({"members": ["a", 1]}, "members", "wrong_type"),
        ({"members": ["a"] * 51}, "members", "too_many"),
        ({"members": ["a", "b" * 1001]}, "members.1", "too_long"),
        ({f"f{n}": "x" for n in range(101)}, "", "too_many"),
        ({f"f{n}": "Ә" * 1000 for n in range(60)}, "", "too_large"),
    ],
)
def test_a_value_that_cannot_be_taken_is_named(values: dict[str, Any], field: str, code: str) -> None:
    assert [(one.field, one.code) for one in forms.form_problems(values)] == [(field, code)]


def test_every_wrong_value_is_named_at_once() -> None:
    values = {"name": "x" * 2000, "surname": "\x07", "city": "Атырау"}
    assert [one.field for one in forms.form_problems(values)] == ["name", "surname"]


# --- steps ---


@pytest.fixture(scope="module")
def regulation() -> Any:
    found = read_once(load_catalogue, contracts_dir()).regulation("atyrau-housing-queue")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def flow(regulation: Any) -> LocalFlow:
    return LocalFlow(regulation.channels["portal"])


def item(flow: LocalFlow, kind: str) -> Any:
    found = item_of(flow.channel, kind)
    assert found is not None
    return found


def test_an_item_is_found_by_its_kind_and_stands_where_the_one_before_it_ends(flow: LocalFlow) -> None:
    assert item_of(flow.channel, "sign") is None and item(flow, "sign_and_send").label == "P5"
    assert flow.state_before(item(flow, "authenticate")) == "new"
    assert flow.state_before(item(flow, "sign_and_send")) == "certificate_checked"


def test_a_limit_is_measured_from_the_moments_the_catalogue_names(flow: LocalFlow) -> None:
    fill, send = item(flow, "choose_and_fill"), item(flow, "sign_and_send")
    at = START + timedelta(seconds=20)
    assert used(flow.channel, fill, {("P3", "begin"): START, ("P3", "end"): at}).used_s == 20
    spent = used(flow.channel, send, {("C2", "end"): START, ("P5", "end"): at})
    assert (spent.limit_s, spent.used_s) == (60, 20)
    unseen = used(flow.channel, send, {})
    assert (unseen.limit_s, unseen.used_s) == (60, None)
    assert used(flow.channel, item(flow, "check_certificate"), {}).limit_s is None


def test_the_deadline_is_the_end_of_the_limit(flow: LocalFlow) -> None:
    limit = limit_of(flow.channel, item(flow, "sign_and_send"))
    began = started(limit, {("C2", "end"): START})
    assert began == START and deadline(limit, began) == START + timedelta(seconds=60)
    assert deadline(None, START) is None and started(None, {}) is None


# --- keys and documents ---


def test_keys_of_one_secret_tell_nothing_about_another() -> None:
    keys, others = Keyring.of("one", "a"), Keyring.of("one", "b")
    assert len({keys.sealing, keys.person, keys.throttle, others.sealing, others.person, others.throttle}) == 6
    assert keys.person_hash("991231600012") == Keyring.of("one", "a").person_hash("991231600012")
    assert keys.person_hash("991231600012") != others.person_hash("991231600012")
    assert keys.throttle_key("login", "a", "b") != keys.throttle_key("login", "ab", "")
    assert len(keys.sealing) == 32


def test_two_origins_of_one_secret_have_no_key_in_common() -> None:
    keys, others = Keyring.of("one", "a"), Keyring.of("other", "a")
    assert len({keys.sealing, keys.person, keys.throttle, others.sealing, others.person, others.throttle}) == 6


@pytest.mark.parametrize("document", [b"", b"[]", b"\xff", b"{", b"[" * 100_000])
def test_a_document_that_is_no_object_has_no_content_to_show(document: bytes) -> None:
    assert read_document(document) is None


def test_moments_are_written_as_in_envelopes() -> None:
    assert stamp(START) == "2026-01-15T04:00:00.000Z"


# --- who receives, and who logs in ---


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


def test_the_providers_code_is_a_setting_or_the_regions(regulation: Any) -> None:
    assert provider_code(regulation) == "atyrau"
    named = replace(regulation, settings={"provider": Setting("atyrau-housing", "E7")})
    assert provider_code(named) == "atyrau-housing"


def test_a_long_ordinary_password_is_good_in_any_alphabet() -> None:
    assert password_problem("қарапайым сөйлем", "991231600012", "aigerim") is None


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "too_short"),
        ("x" * 257, "too_long"),
        ("aaabbbaaabbb", "too_simple"),
        ("991231600012-2026", "too_simple"),
        ("aigerim-aigerim", "too_simple"),
    ],
)
def test_what_everybody_would_try_first_is_no_password(password: str, code: str) -> None:
    assert password_problem(password, "991231600012", "aigerim") == code
