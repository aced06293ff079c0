"""The comparison of what happened with what the act says: every difference is told with its clause."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from egovkit.journal import JournalEntry, JournalRow, Kind, chain
from sandbox.trace import Hop, Line, clauses, compare, judge, trace

START = datetime(2026, 1, 15, 4, 0, tzinfo=UTC)
REGISTER = Line(
    "provider-arm", "P6", "6 9)", "done", "регистрация", before="submitted", after="registered", limit_s=60,
    table="Приложение 1, таблица 1, 6",
)  # fmt: skip
CHECK = Line("provider-arm", "C3", "6 10)", "ok", "проверка документов")
RESULT = Line("provider-arm", "P8", "6 12)", "done", "результат")
EXPECTED = (REGISTER, CHECK, RESULT)


def step(line: Line, n: int, **changes: Any) -> Hop:
    hop = Hop(
        time=START + timedelta(seconds=n),
        service=line.service,
        kind="step",
        step=line.step,
        clause=line.clause,
        message=line.message,
        outcome=line.outcome,
        before=line.before,
        after=line.after,
        limit_s=line.limit_s,
        used_s=None if line.limit_s is None else 3.0,
        late=False,
        envelope=None,
        code=None,
        position=n,
    )
    return replace(hop, **changes)


def as_the_act_says() -> list[Hop]:
    return [step(line, n) for n, line in enumerate(EXPECTED, 1)]


def test_a_trace_that_follows_the_act_has_no_differences() -> None:
    assert compare(EXPECTED, as_the_act_says()) == []


def test_a_skipped_step_is_told_with_the_clause_that_demands_it() -> None:
    first, _, last = as_the_act_says()
    [difference] = compare(EXPECTED, [first, last])
    assert difference.clause == "6 10)"
    assert "did not happen: provider-arm C3 ok - проверка документов" in difference.text


def test_a_refusal_in_between_is_told_with_its_own_clause_and_code() -> None:
    first, second, last = as_the_act_says()
    refused = replace(
        last, service="gateway-shep", kind="refusal", outcome="refused", code="order.trail_broken", clause="6 6)"
    )
    [difference] = compare(EXPECTED, [first, second, refused, last])
    assert difference.clause == "6 6)"
    assert "refused with order.trail_broken" in difference.text


@pytest.mark.parametrize(("step_named", "clause"), [("P8", "6 12)"), ("P6", "6 9)"), ("-", "6 12)")])
def test_a_refusal_without_a_clause_gets_that_of_its_step_or_of_what_it_precedes(step_named: str, clause: str) -> None:
    first, second, last = as_the_act_says()
    forged = replace(
        last, service="gateway-shep", outcome="refused", code="signature.invalid", clause=None, step=step_named
    )
    [difference] = compare(EXPECTED, [first, second, forged, last])
    assert difference.clause == clause


def test_a_refused_message_whose_step_cannot_be_read_gets_the_clause_of_that_message() -> None:
    result = replace(RESULT, message="case.completed")
    expected = (REGISTER, CHECK, result)
    first, second, _ = as_the_act_says()
    last = step(result, 3)
    forged = replace(last, service="regional-gateway-rshep", outcome="refused", clause=None, step="none", code="x.y")
    [difference] = compare(expected, [first, forged, second, last])
    assert difference.clause == "6 12)"


def test_a_step_out_of_order_is_missing_in_one_place_and_unexpected_in_the_other() -> None:
    first, second, last = as_the_act_says()
    found = compare(EXPECTED, [second, first, last])
    assert clauses(found) == ["6 10)"]
    assert len(found) == 2


def test_more_time_than_the_table_gives_is_late_by_the_row_of_the_table() -> None:
    late = [step(REGISTER, 1, used_s=61.0), *as_the_act_says()[1:]]
    [difference] = compare(EXPECTED, late)
    assert difference.clause == "Приложение 1, таблица 1, 6"
    assert "late, 61.0 s of 60 s" in difference.text


def test_exactly_the_time_of_the_table_is_not_late() -> None:
    assert compare(EXPECTED, [step(REGISTER, 1, used_s=60.0), *as_the_act_says()[1:]]) == []


def test_a_fact_recorded_as_late_is_late_whatever_its_numbers_say() -> None:
    [difference] = compare(EXPECTED, [step(REGISTER, 1, late=True), *as_the_act_says()[1:]])
    assert difference.clause == "Приложение 1, таблица 1, 6"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"clause": "7 7)"}, "cites 7 7), the act says 6 9)"),
        ({"before": "new"}, "state before is new, the act leads to submitted"),
        ({"after": "completed"}, "state after is completed, the act leads to registered"),
    ],
)
def test_another_clause_or_state_than_the_acts_is_a_difference(change: dict[str, str], said: str) -> None:
    [difference] = compare(EXPECTED, [step(REGISTER, 1, **change), *as_the_act_says()[1:]])
    assert said in difference.text
    assert difference.clause == "6 9)"


@pytest.mark.parametrize("limit", [None, 90.0])
def test_another_limit_than_the_tables_is_a_difference(limit: float | None) -> None:
    [difference] = compare(EXPECTED, [step(REGISTER, 1, limit_s=limit), *as_the_act_says()[1:]])
    assert difference.clause == "Приложение 1, таблица 1, 6"


def test_the_row_of_the_table_may_be_cited_instead_of_the_clause() -> None:
    cited = step(REGISTER, 1, clause="Приложение 1, таблица 1, 6")
    assert compare(EXPECTED, [cited, *as_the_act_says()[1:]]) == []


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ({"sender": "provider-arm"}, {"sender": "portal-pep"}),
        ({"recipient": "con-arm"}, {"recipient": "portal-pep"}),
        ({"code": "certificate.expired"}, {"code": "certificate.revoked"}),
    ],
)
def test_another_sender_recipient_or_refusal_than_the_acts_is_a_difference(
    wanted: dict[str, Any], got: dict[str, Any]
) -> None:
    lines = (replace(REGISTER, **wanted), CHECK, RESULT)
    assert compare(lines, [step(REGISTER, 1, **wanted), *as_the_act_says()[1:]]) == []
    [difference] = compare(lines, [step(REGISTER, 1, **got), *as_the_act_says()[1:]])
    assert (difference.clause, next(iter(got.values())) in difference.text) == ("6 9)", True)


def test_every_line_and_every_hop_has_its_place_in_the_judgement() -> None:
    first, _, last = as_the_act_says()
    stray = step(CHECK, 2, outcome="violation")
    judged = judge(EXPECTED, [first, stray, last])
    assert [(one.line, one.hop, bool(one.differences)) for one in judged] == [
        (REGISTER, first, False), (None, stray, True), (CHECK, None, True), (RESULT, last, False),
    ]  # fmt: skip


def test_notices_of_the_gateways_are_no_part_of_the_act() -> None:
    notice = step(CHECK, 9, service="gateway-shep", message="envelope.accepted", outcome="accepted")
    assert compare(EXPECTED, [notice, *as_the_act_says()]) == []


def row(writer: str, position: int, kind: Kind, at: datetime, **facts: object) -> JournalRow:
    names = "step clause service state_before state_after limit_s used_s outcome id type source recipient sha256"
    body = {name: None for name in names.split()} | facts
    entry = JournalEntry(kind, at, "case", body)
    return chain(entry, writer, position, "0" * 64)


def test_an_envelope_that_waited_for_its_predecessor_is_no_difference() -> None:
    first, *others = as_the_act_says()
    early = replace(first, service="gateway-shep", message="case.registered", outcome="parked")
    assert compare(EXPECTED, [early, first, *others]) == []


def test_rows_of_all_journals_become_hops_in_the_order_of_time() -> None:
    rows = [
        row("provider-arm/1", 1, "step", START + timedelta(seconds=2), step="P6", service="provider-arm"),
        row("gateway-shep/1", 7, "envelope", START, step="P5", type="kz.egov.case.submitted.v1", id="x"),
        row("portal-pep/1", 4, "admin", START, step="P5"),
    ]
    first, second = trace(rows)
    assert (first.service, first.message, first.envelope) == ("gateway-shep", "case.submitted", "x")
    assert (second.service, second.step) == ("provider-arm", "P6")


def test_rows_of_one_moment_keep_the_order_of_their_writer() -> None:
    rows = [row("portal-pep/1", n, "step", START, step=label) for n, label in ((3, "C1"), (2, "P1"))]
    assert [hop.step for hop in trace(rows)] == ["P1", "C1"]


def test_lines_that_belong_together_come_in_any_order_and_all_of_them() -> None:
    asked = [replace(line, together="registers") for line in EXPECTED[:2]]
    expected = (*asked, EXPECTED[2])
    first, second, last = as_the_act_says()
    assert compare(expected, [first, second, last]) == compare(expected, [second, first, last]) == []
    assert [one.clause for one in compare(expected, [second, second, last])] != []
    assert [one.clause for one in compare(expected, [second, last, first])] != []
