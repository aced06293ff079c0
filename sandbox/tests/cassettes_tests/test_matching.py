"""Which recorded envelope a received one is; what differs from the nearest."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from egovkit.contracts import contracts_dir, contracts_version
from egovkit.envelope import Envelope
from egovlaw.identifiers import synthetic_iin
from sandbox.cassettes.cassette import IGNORED, Cassette
from sandbox.cassettes.matching import Matcher
from sandbox.cassettes.playing import document_of
from sandbox.cassettes.recording import Passed, record
from sandbox.composition import PERSONS, PORTAL

from .conversations import ALICE, BEGAN, BORIS, answer, identity, question


def cassette(*envelopes: Envelope, ignore: tuple[str, ...] = IGNORED) -> Cassette:
    heard = [Passed(BEGAN + timedelta(seconds=n), "inbox", one.encode()) for n, one in enumerate(envelopes)]
    return replace(record(PERSONS, heard, contracts_version(contracts_dir())), ignore=ignore)


def matcher(*envelopes: Envelope, loop: bool = False) -> Matcher:
    return Matcher(cassette(*envelopes), loop=loop)


def taken(found: Matcher, envelope: Envelope, case: str | None = None) -> int | None:
    entry = found.take(document_of(envelope), case)
    return None if entry is None else entry.n


def differing(found: Matcher, envelope: Envelope) -> tuple[int, list[str]]:
    nearest = found.nearest(document_of(envelope))
    assert nearest is not None
    return nearest.entry.n, [one.path for one in nearest.differences]


def test_ids_cases_moments_askers_and_what_is_ignored_do_not_matter() -> None:
    later = BEGAN + timedelta(days=3)
    again = question(ALICE, case=identity(), time=later, source=PORTAL, caseseq=4, expirytime=later, traceparent=None)
    assert again.data["official"] != question(ALICE).data["official"]
    again.data["trail"] = []
    assert taken(matcher(question(ALICE)), again) == 1


@pytest.mark.parametrize(
    "change",
    [{"type": "kz.egov.query.attorney.v1"}, {"regulation": "other"}, {"channel": "portal"}, {"step": "P9"},
     {"region": "semey"}],
)  # fmt: skip
def test_another_place_in_the_flow_is_no_match(change: dict[str, str]) -> None:
    found = matcher(question(ALICE))
    assert taken(found, question(ALICE, **change)) is None
    assert differing(found, question(ALICE, **change)) == (1, [*change])


def test_about_whom_is_asked_matters_and_the_nearest_is_told_by_its_fields() -> None:
    found = matcher(question(ALICE, step="P9"), question(ALICE))
    assert taken(found, question(BORIS)) is None
    assert differing(found, question(BORIS)) == (2, ["data.criterion.iin"])


def test_one_of_another_type_is_farther_than_one_about_everything_else() -> None:
    other = question(ALICE, regulation="other", channel="portal", step="P1", region="semey")
    found = matcher(question(BORIS, type="kz.egov.query.attorney.v1"), other)
    assert differing(found, question(BORIS))[0] == 2


def test_a_field_too_many_or_too_few_is_a_difference() -> None:
    asked = question(ALICE)
    asked.data["as_of"] = "2026-01-01"
    assert differing(matcher(question(ALICE)), asked) == (1, ["data.as_of"])
    [difference] = matcher(asked).nearest(document_of(question(ALICE))).differences  # type: ignore[union-attr]
    assert str(difference) == "data.as_of: recorded 2026-01-01, received (absent)"


def test_a_difference_shows_no_whole_number_of_a_person_and_no_name() -> None:
    [iin] = matcher(question(ALICE)).nearest(document_of(question(BORIS))).differences  # type: ignore[union-attr]
    assert ALICE not in str(iin) and BORIS not in str(iin) and ALICE[:4] in str(iin)
    named = question(ALICE)
    named.data["criterion"] = {"surname": "ҮЛГІЛІ", "birth_date": "1990-01-01"}
    other = question(ALICE)
    other.data["criterion"] = {"surname": "СЫНАҚОВ", "birth_date": "1990-01-01"}
    [surname] = matcher(named).nearest(document_of(other)).differences  # type: ignore[union-attr]
    assert str(surname) == "data.criterion.surname: recorded ***, received *** (they differ where they are masked)"


def test_each_serves_once_in_order_and_with_loop_again() -> None:
    once, loop = matcher(question(ALICE), question(ALICE)), matcher(question(ALICE), question(ALICE), loop=True)
    assert [taken(once, question(ALICE)) for _ in range(3)] == [1, 2, None]
    assert [taken(loop, question(ALICE)) for _ in range(5)] == [1, 2, 1, 2, 1]
    assert differing(once, question(ALICE)) == (1, [])


def test_a_conversation_goes_on_with_the_case_it_was_taken_for() -> None:
    first, second = question(ALICE), question(ALICE, case=identity())
    found = matcher(first, second)
    assert taken(found, question(ALICE), second.subject) == 2
    assert [one.n for one in found.left] == [1]


@pytest.mark.parametrize(
    ("ignore", "matches"),
    [(("criterion",), True), (("criterion.iin",), True), (("*.iin",), True), (("criterion.iin.x",), False),
     (("crit",), False), (("iin",), False)],
)  # fmt: skip
def test_a_cassette_says_which_paths_do_not_matter(ignore: tuple[str, ...], matches: bool) -> None:
    found = Matcher(cassette(question(ALICE), ignore=(*IGNORED, *ignore)))
    assert (taken(found, question(BORIS)) == 1) is matches


def test_without_a_recorded_request_there_is_no_nearest() -> None:
    assert matcher(answer(question(ALICE))).nearest(document_of(question(ALICE))) is None


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, "1"), ("", None), ([], {})])
def test_values_of_different_kinds_are_different(one: Any, other: Any) -> None:
    recorded, received = question(ALICE), question(ALICE)
    recorded.data["extra"], received.data["extra"] = one, other
    assert differing(matcher(recorded), received) == (1, ["data.extra"])


def test_many_recorded_requests_are_searched_for_the_nearest() -> None:
    many = [question(synthetic_iin(n), step=f"P{n}") for n in range(1, 9)]
    assert differing(matcher(*many), question(synthetic_iin(50), step="P6"))[0] == 6
