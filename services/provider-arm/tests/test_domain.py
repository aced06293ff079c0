from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from egovkit.signatures.documents import OF_A_SIGNATURE
from provider_arm.domain.cases import (
    ENDED,
    REASON_TEXTS,
    ROLES_OF_STEP,
    STATUS_TEXTS,
    TRANSITIONS,
    CaseEvent,
    CaseState,
    Role,
    StepKind,
    Submission,
    disagreements,
    document_bytes,
    human_number,
    masked_iin,
    may_do,
    read_application,
    reason_text,
)

SAID = Submission(
    case="019bc000-0000-7000-8000-000000000001",
    regulation="some-service",
    provider="department",
    region="somewhere",
    channel="portal",
    iin="991231600015",
    attachments=(("b.pdf", "application/pdf", 5, "b" * 64), ("a.png", "image/png", 3, "a" * 64)),
)


def document(**changes: Any) -> dict[str, Any]:
    body = {
        "kind": "application",
        "case": SAID.case,
        "regulation": SAID.regulation,
        "version": 1,
        "provider": SAID.provider,
        "region": SAID.region,
        "channel": SAID.channel,
        "applicant": {"iin": SAID.iin},
        "form": {"rooms": 2},
        "attachments": [
            {"name": name, "type": type_, "size": size, "sha256": sha256}
            for name, type_, size, sha256 in reversed(SAID.attachments)
        ],
        "certificate": "thumbprint",
        "prepared_at": "2026-01-15T04:00:00.000Z",
    }
    return body | changes


def test_every_state_can_be_reached_and_says_something_in_both_languages() -> None:
    reached = {CaseState.REGISTERED} | set(TRANSITIONS.values())
    assert reached == set(CaseState) == set(STATUS_TEXTS)
    assert all(text.ru and text.kk and text.ru != text.kk for text in STATUS_TEXTS.values())


def test_nobody_decides_after_the_end_and_only_a_result_is_handed_over() -> None:
    after_the_end = [(state, event) for state, event in TRANSITIONS if state in ENDED]
    given = CaseEvent.RESULT_HANDED_OVER
    assert after_the_end == [(CaseState.COMPLETED, given), (CaseState.REFUSED, given)], "D17: the refusal too"


def test_a_result_needs_documents_in_order_and_a_refusal_needs_somebody_who_looked() -> None:
    assert [state for state, event in TRANSITIONS if event is CaseEvent.RESULT_ISSUED] == [CaseState.AWAITING_RESULT]
    refusing = [state for state, event in TRANSITIONS if event is CaseEvent.DOCUMENTS_IN_VIOLATION]
    assert refusing == [CaseState.UNDER_CONSIDERATION]


def test_every_step_of_ours_says_who_may_do_it_and_nobody_registers_by_hand() -> None:
    assert set(ROLES_OF_STEP) == set(StepKind)
    assert not any(may_do(frozenset({role}), StepKind.REGISTER) for role in Role)


@pytest.mark.parametrize(
    ("role", "step", "may"),
    [
        (Role.CLERK, StepKind.CHECK_DOCUMENTS, False),
        (Role.EXECUTOR, StepKind.CHECK_DOCUMENTS, True),
        (Role.HEAD, StepKind.REFUSE_DOCUMENTS, True),
        (Role.EXECUTOR, StepKind.ISSUE_RESULT, False),
        (Role.HEAD, StepKind.ISSUE_RESULT, False),
        (Role.AUTHORISED, StepKind.ISSUE_RESULT, True),
        (Role.AUTHORISED, StepKind.CHECK_DOCUMENTS, False),
    ],
)
def test_only_the_authorised_person_signs_results_and_only_executor_and_head_check(
    role: Role, step: StepKind, may: bool
) -> None:
    assert may_do(frozenset({role}), step) is may


def test_a_number_has_eleven_digits_the_year_first() -> None:
    assert human_number(2026, 1) == "26000000001"
    assert human_number(2105, 999_999_999) == "05999999999"


@pytest.mark.parametrize("sequence", [0, -1, 1_000_000_000])
def test_a_running_number_that_does_not_fit_is_an_error_not_a_longer_number(sequence: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        human_number(2026, sequence)


def test_a_masked_iin_shows_four_and_two_digits() -> None:
    assert masked_iin("991231600015") == "9912******15"


def test_a_document_that_tells_the_envelopes_story_has_nothing_against_it() -> None:
    assert disagreements(read_application(document_bytes(document())), SAID) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "result"}, "document.other_kind"),
        ({"case": "019bc000-0000-7000-8000-000000000002"}, "document.other_case"),
        ({"regulation": "another"}, "document.other_regulation"),
        ({"provider": "another"}, "document.other_provider"),
        ({"region": "elsewhere"}, "document.other_region"),
        ({"channel": "centre"}, "document.other_channel"),
        ({"applicant": {"iin": "991231600023"}}, "document.other_applicant"),
        ({"applicant": "991231600015"}, "document.other_applicant"),
        ({"attachments": []}, "document.other_attachments"),
        ({"attachments": None}, "document.other_attachments"),
        ({"attachments": [{"name": "b.pdf"}]}, "document.other_attachments"),
        ({"attachments": [1]}, "document.other_attachments"),
        ({"version": True}, "document.no_version"),
        ({"version": "1"}, "document.no_version"),
        ({"form": []}, "document.no_form"),
    ],
)
def test_each_point_where_document_and_envelope_differ_has_its_own_reason(changes: dict[str, Any], code: str) -> None:
    assert disagreements(read_application(document_bytes(document(**changes))), SAID) == [code]


def test_all_differences_are_told_at_once() -> None:
    found = disagreements(read_application(document_bytes(document(case="x", region="y"))), SAID)
    assert found == ["document.other_case", "document.other_region"]


def test_an_attachment_listed_twice_differs_from_one_listed_once() -> None:
    twice = replace(SAID, attachments=(SAID.attachments[0], SAID.attachments[0]))
    assert disagreements(read_application(document_bytes(document())), twice) == ["document.other_attachments"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not json",
        b"[]",
        b"\xff\xfe",
        b'{"case":"a","case":"b"}',
        b'{"form":{"iin":1,"iin":2}}',
        b"[" * 100_000,
    ],
)
def test_what_two_readers_could_read_differently_is_no_document(raw: bytes) -> None:
    assert read_application(raw) is None
    assert disagreements(None, SAID) == ["document.malformed"]


def test_every_kind_of_reason_has_words_in_both_languages() -> None:
    for code in ("document.other_case", "applicant.iin_invalid", "operator.not_employee", *OF_A_SIGNATURE):
        assert reason_text(code) is REASON_TEXTS[code.split(".")[0]]


def test_a_document_keeps_kazakh_letters_as_letters() -> None:
    text = "әғқңөұүһі ӘҒҚҢӨҰҮҺІ <script>'; DROP TABLE cases;--"
    raw = document_bytes({"text": text})
    assert text.encode() in raw
    assert json.loads(raw) == {"text": text}
