"""Order: every walk the act allows is accepted message by message, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egovlaw.catalogue import Branch, Channel, FlowItem, Regulation
from egovlaw.flow import (
    CASE_ENDED,
    CASE_UNKNOWN,
    START,
    STEP_NOT_ALLOWED,
    TRAIL_BROKEN,
    AllowedMessage,
    CaseProgress,
    OrderAccepted,
    OrderRefused,
    TrailStep,
    allowed_messages,
    entry_labels,
    judge_order,
    state_name,
    states,
)
from egovlaw.kinds import SIDE_MESSAGES, message_type

T0 = datetime(2026, 1, 15, 4, tzinfo=UTC)
TYPES = sorted(
    SIDE_MESSAGES
    | {"case.submitted", "case.refused", "case.completed", "case.decided", "steps.reported", "query.person"}
    | {"query.attorney", "answer.person", "answer.attorney", "envelope.accepted", "members.updated"}
)
Outcome = Literal["done", "ok", "violation"]


def trail(*steps: str) -> tuple[TrailStep, ...]:
    """`C2:ok` is a condition with its outcome, `P3` a process that is done."""
    found = []
    for n, step in enumerate(steps):
        label, _, outcome = step.partition(":")
        how: Outcome = "ok" if outcome == "ok" else "violation" if outcome == "violation" else "done"
        found.append(TrailStep(label, how, T0 + timedelta(seconds=n)))
    return tuple(found)


def accepted(verdict: OrderAccepted | OrderRefused) -> OrderAccepted:
    assert isinstance(verdict, OrderAccepted), verdict
    return verdict


def refused(verdict: OrderAccepted | OrderRefused) -> OrderRefused:
    assert isinstance(verdict, OrderRefused), verdict
    return verdict


LOGIN = ("P1", "C1:ok", "P3", "C2:ok")


def test_an_application_reaches_its_result(portal: Channel) -> None:
    steps = [
        ("kz.egov.case.submitted.v1", "P5", trail("pre1", *LOGIN), "new", "submitted"),
        ("kz.egov.case.registered.v1", "P6", trail(), "submitted", "registered"),
        ("kz.egov.case.status.v1", "P6", trail(), "registered", "registered"),
        ("kz.egov.case.completed.v1", "P8", trail("C3:ok"), "registered", "completed"),
    ]
    progress: CaseProgress | None = None
    for kind, step, local, before, after in steps:
        verdict = accepted(judge_order(portal, progress, kind, step, local))
        assert (verdict.state_before, verdict.state_after) == (before, after)
        progress = verdict.progress
    assert progress == CaseProgress("P8", ended=True)


def test_an_application_may_be_refused_for_its_documents(portal: Channel) -> None:
    verdict = accepted(judge_order(portal, CaseProgress("P6"), "case.refused", "P7", trail("C3:violation")))
    assert verdict.progress == CaseProgress("P7", ended=True)
    assert (verdict.state_after, verdict.clause) == ("refused", "6 11)")


@pytest.mark.parametrize("last", [(), ("P4",)])
def test_a_refused_signature_is_reported_and_ends_the_case(portal: Channel, last: tuple[str, ...]) -> None:
    """P4 is local, so its own line in the trail is welcome and not needed."""
    local = trail("P1", "C1:ok", "P3", "C2:violation", *last)
    verdict = accepted(judge_order(portal, None, "steps.reported", "P4", local))
    assert verdict.progress == CaseProgress("P4", ended=True)
    assert verdict.state_after == "signature_refused"


def test_registration_of_the_account_is_optional_and_only_at_the_start(portal: Channel) -> None:
    assert entry_labels(portal) == ("pre1", "P1")
    accepted(judge_order(portal, None, "case.submitted", "P5", trail(*LOGIN)))
    twice = refused(judge_order(portal, None, "case.submitted", "P5", trail("P1", "pre1", "C1:ok")))
    assert (twice.code, twice.clause) == (TRAIL_BROKEN, "6 1)")


@pytest.mark.parametrize(
    ("local", "clause"),
    [
        ((), "6 1)"),  # nothing was done at all: the first step is missing
        (("P1", "C1:ok", "P3"), "6 6)"),  # the certificate was not checked
        (("P1", "P3", "C2:ok"), "6 5)"),  # the login was not checked
        (("P1", "C1:violation", "P3", "C2:ok"), "6 5)"),  # the login failed
        (("P1", "C1:ok", "P3", "C2:violation"), "6 7)"),  # the certificate failed
        (("P1", "C1:done", "P3", "C2:ok"), "6 3)"),  # a condition is not merely done
        (("P1", "C1:ok", "P3:ok", "C2:ok"), "6 5)"),  # a process is not ok
        (("P1", "C1:ok", "P3", "C2:ok", "P5"), "6 8)"),  # P5 is told by its own message
        (("P1", "C1:ok", "P3", "C2:ok", "P9"), "6 8)"),  # no such step
        (("P1", "C1:ok", "P3", "C2:ok", "C2:ok"), "6 6)"),  # twice
    ],
)
def test_a_broken_trail_is_refused_with_the_clause_it_hurts(
    portal: Channel, local: tuple[str, ...], clause: str
) -> None:
    verdict = refused(judge_order(portal, None, "case.submitted", "P5", trail(*local)))
    assert (verdict.code, verdict.clause) == (TRAIL_BROKEN, clause)
    assert verdict.detail


def test_a_result_without_the_check_of_documents_is_refused(portal: Channel) -> None:
    verdict = refused(judge_order(portal, CaseProgress("P6"), "case.completed", "P8", ()))
    assert (verdict.code, verdict.clause) == (TRAIL_BROKEN, "6 10)")


def test_a_result_after_a_failed_check_is_refused(portal: Channel) -> None:
    verdict = refused(judge_order(portal, CaseProgress("P6"), "case.completed", "P8", trail("C3:violation")))
    assert verdict.code == TRAIL_BROKEN


def test_a_skipped_registration_names_what_was_expected(portal: Channel) -> None:
    verdict = refused(judge_order(portal, CaseProgress("P5"), "case.completed", "P8", trail("C3:ok")))
    assert verdict.code == STEP_NOT_ALLOWED
    assert verdict.expected == (("case.registered", "P6"),)
    assert verdict.params == {
        "type": "case.completed", "step": "P8", "state": "submitted", "expected": "case.registered (P6)",
    }  # fmt: skip


def test_an_unknown_case_and_an_ended_case_have_their_own_words(portal: Channel) -> None:
    assert refused(judge_order(portal, None, "case.registered", "P6", ())).code == CASE_UNKNOWN
    assert refused(judge_order(portal, None, "case.submitted", "P6", ())).code == STEP_NOT_ALLOWED
    ended = refused(judge_order(portal, CaseProgress("P8", True), "case.refused", "P7", ()))
    queue = ("query.register", "P8"), ("answer.register", "P8")  # the consumer follows his place afterwards
    assert (ended.code, ended.expected) == (CASE_ENDED, queue)


@pytest.mark.law(topic="message", regulation="atyrau-housing-queue", channel="portal")
def test_a_side_message_belongs_to_its_steps_and_moves_nothing(portal: Channel) -> None:
    verdict = accepted(judge_order(portal, CaseProgress("P6"), "case.paused", "P6", ()))
    assert verdict.progress == CaseProgress("P6")
    assert refused(judge_order(portal, CaseProgress("P5"), "case.status", "P5", ())).code == STEP_NOT_ALLOWED
    assert refused(judge_order(portal, CaseProgress("P8", True), "case.status", "P8", ())).code == CASE_ENDED
    stray = refused(judge_order(portal, CaseProgress("P6"), "case.status", "P6", trail("C3:ok")))
    assert stray.code == TRAIL_BROKEN


def test_a_refused_login_is_no_case(portal: Channel) -> None:
    """E9: P2 has no message; neither by its own name nor in a trail does it come to the bus."""
    assert all(message.step != "P2" for here in states(portal) for message in allowed_messages(portal, here))
    refused(judge_order(portal, None, "steps.reported", "P2", trail("P1", "C1:violation")))


def test_the_centre_asks_the_registers_submits_and_hands_over(centre: Channel) -> None:
    steps = [
        ("query.person", "P3", trail("P1", "P2"), "data_requested", False),
        ("query.attorney", "P3", (), "data_requested", False),
        ("answer.person", "P3", (), "data_requested", False),
        ("query.person", "P3", (), "data_requested", False),  # E1: a silent register is asked again
        ("answer.person", "P3", (), "data_requested", False),
        ("case.submitted", "P6", trail("C1:ok", "P5"), "submitted", False),
        ("case.registered", "P7", (), "registered", False),
        ("case.completed", "P9", trail("C2:ok"), "completed", False),
        ("case.handed_over", "P9", (), "completed", True),
    ]
    progress: CaseProgress | None = None
    for name, step, local, after, ended in steps:
        verdict = accepted(judge_order(centre, progress, name, step, local))
        assert (verdict.state_after, verdict.progress.ended) == (after, ended), name
        progress = verdict.progress


def test_the_provider_never_asks_the_notaries(provider: Channel, centre: Channel) -> None:
    assert refused(judge_order(provider, CaseProgress("P3"), "query.attorney", "P3", ())).code == STEP_NOT_ALLOWED
    first = {message.type for message in allowed_messages(centre, None)}
    assert first == {"query.person"}, "the attorney is asked about beside the person, never instead"


def test_missing_data_end_the_request_before_it_is_registered(provider: Channel) -> None:
    verdict = accepted(judge_order(provider, CaseProgress("P3"), "steps.reported", "P4", trail("C1:violation")))
    assert (verdict.state_after, verdict.progress.ended) == ("no_data", True)


def test_the_states_of_the_portal_are_the_six_the_gateways_can_see(portal: Channel) -> None:
    found = [(here.position, here.ended, state_name(portal, here)) for here in states(portal)]
    assert sorted(found[1:]) == [
        ("P4", True, "signature_refused"), ("P5", False, "submitted"), ("P6", False, "registered"),
        ("P7", True, "refused"), ("P8", True, "completed"),
    ]  # fmt: skip
    assert states(portal)[0] == START


def test_what_is_allowed_carries_its_clause(portal: Channel) -> None:
    assert allowed_messages(portal, CaseProgress("P5")) == (AllowedMessage("case.registered", "P6", "6 9)"),)


# --- properties: an oracle that walks the bare graph, one path at a time
# -------------------------------------------

Path = tuple[TrailStep, ...]


def paths(
    channel: Channel, label: str, done: Path = (), seen: frozenset[str] = frozenset()
) -> Iterator[tuple[FlowItem, Path]]:
    """Every (item with a message, local steps before it) from `label` on, by plain recursion."""
    item = next(item for item in channel.flow if item.label == label)
    if label in seen:
        return
    if item.entering:
        yield item, done
        return
    branches: list[tuple[Outcome, str]] = []
    if isinstance(item.next, Branch):
        branches = [("ok", item.next.ok), ("violation", item.next.violation)]
    elif item.next is not None:
        branches = [("done", item.next)]
    for outcome, following in branches:
        yield from paths(channel, following, (*done, TrailStep(label, outcome, T0)), seen | {label})


def onward(channel: Channel, position: str | None) -> list[tuple[FlowItem, Path]]:
    if position is None:
        starts = [channel.flow[0].label, *([channel.flow[1].label] if channel.flow[0].type == "precondition" else [])]
    else:
        item = next(item for item in channel.flow if item.label == position)
        starts = [item.next.ok, item.next.violation] if isinstance(item.next, Branch) else [item.next or ""]
    return [found for start in starts if start for found in paths(channel, start)]


CHANNEL = st.sampled_from(["portal", "provider", "centre"])


@settings(max_examples=150, deadline=None)
@given(data=st.data(), code=CHANNEL)
def test_any_walk_through_the_graph_is_accepted(housing: Regulation, data: st.DataObject, code: str) -> None:
    channel = housing.channels[code]
    progress: CaseProgress | None = None
    position: str | None = None
    for _ in range(len(channel.flow)):
        choices = onward(channel, position)
        if not choices:
            break
        item, local = data.draw(st.sampled_from(choices))
        name = data.draw(st.sampled_from(item.entering))
        full = data.draw(st.booleans())
        verdict = judge_order(channel, progress, message_type(name) if full else name, item.label, local)
        progress, position = accepted(verdict).progress, item.label
        assert progress.position == item.label
    assert progress is not None
    last = channel.by_label[progress.position or ""]
    assert last.outcome != "continue", "a walk ends with a refusal or the result"


@settings(max_examples=400, deadline=None)
@given(data=st.data(), code=CHANNEL)
def test_any_other_message_is_refused(housing: Regulation, data: st.DataObject, code: str) -> None:
    channel = housing.channels[code]
    here = data.draw(st.sampled_from(states(channel)))
    labels = [item.label for item in channel.flow] + ["P0", "C9", ""]
    name, step = data.draw(st.sampled_from(TYPES)), data.draw(st.sampled_from(labels))
    local = data.draw(_trails(labels))
    right = {(n, item.label, _bare(way)) for item, way in _open(channel, here) for n in item.entering}
    report = name == "steps.reported" and local[-1:] and local[-1].step == step and local[-1].outcome == "done"
    bare = _bare(local[:-1] if report else local)
    verdict = judge_order(channel, here, name, step, local)
    if (name, step, bare) in right or (not local and (name, step) in _standing(channel, here)):
        assert isinstance(verdict, OrderAccepted)
    else:
        assert isinstance(verdict, OrderRefused)
        assert verdict.code in (STEP_NOT_ALLOWED, TRAIL_BROKEN, CASE_ENDED, CASE_UNKNOWN)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), code=CHANNEL)
def test_a_trail_with_one_step_changed_is_refused(housing: Regulation, data: st.DataObject, code: str) -> None:
    channel = housing.channels[code]
    here = data.draw(st.sampled_from([state for state in states(channel) if _open(channel, state)]))
    item, local = data.draw(st.sampled_from(_open(channel, here)))
    changed = _spoil(local, data)
    right = {(found.label, _bare(way)) for found, way in _open(channel, here)}
    verdict = judge_order(channel, here, item.entering[0], item.label, changed)
    if (item.label, _bare(changed)) not in right:
        assert refused(verdict).code == TRAIL_BROKEN


def test_the_negative_matrix_refuses_every_cell_that_is_not_allowed(housing: Regulation) -> None:
    cells = 0
    for channel in housing.channels.values():
        for here in states(channel):
            allowed = {(message.type, message.step) for message in allowed_messages(channel, here)}
            for name in TYPES:
                for item in channel.flow:
                    if (name, item.label) not in allowed:
                        refused(judge_order(channel, here, name, item.label, ()))
                        cells += 1
    assert cells > 3000


def _open(channel: Channel, here: CaseProgress) -> list[tuple[FlowItem, Path]]:
    return [] if here.ended else onward(channel, here.position)


def _standing(channel: Channel, here: CaseProgress) -> set[tuple[str, str]]:
    if here.position is None:
        return set()
    item = channel.by_label[here.position]
    names = () if here.ended else item.standing
    sides = [side.type for side in channel.side_messages if here.position in side.during]
    return {(name, item.label) for name in (*names, *sides)}


def _bare(way: Sequence[TrailStep]) -> tuple[tuple[str, str], ...]:
    return tuple((done.step, done.outcome) for done in way)


def _trails(labels: list[str]) -> st.SearchStrategy[Path]:
    outcomes: list[Outcome] = ["done", "ok", "violation"]
    one = st.builds(TrailStep, st.sampled_from(labels), st.sampled_from(outcomes), st.just(T0))
    return st.lists(one, max_size=3).map(tuple)


def _spoil(local: Path, data: st.DataObject) -> Path:
    steps = list(local)
    how = data.draw(st.sampled_from(["drop", "double", "turn", "swap", "add"]))
    if not steps or how == "add":
        return (*steps, TrailStep("P1", "done", T0))
    at = data.draw(st.integers(0, len(steps) - 1))
    if how == "drop":
        del steps[at]
    elif how == "double":
        steps.insert(at, steps[at])
    elif how == "swap":
        steps[at], steps[-1] = steps[-1], steps[at]
    else:
        other: dict[str, Outcome] = {"ok": "violation", "violation": "ok", "done": "ok"}
        steps[at] = TrailStep(steps[at].step, other[steps[at].outcome], T0)
    return tuple(steps)
