"""A cassette is written and read again as it was; one that cannot be played says why, and where."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from egovkit.contracts import contracts_dir, contracts_version
from egovkit.envelope import Envelope
from sandbox.cassettes.cassette import Cassette, CassetteInvalid, Entry, read_cassette
from sandbox.cassettes.command import BadInput, cassette_of, moment
from sandbox.cassettes.recording import NothingRecorded, Passed, record
from sandbox.composition import CENTRE, PERSONS, PROVIDER, SHEP

from .conversations import ALICE, BEGAN, BORIS, CASE, answer, identity, question

VERSION = contracts_version(contracts_dir())


def passed(*envelopes: Envelope, queue: str = "inbox.gbd-fl-mock") -> list[Passed]:
    """Each half a second after the one before."""
    return [Passed(BEGAN + timedelta(seconds=n / 2), queue, one.encode()) for n, one in enumerate(envelopes)]


def recorded(*envelopes: Envelope) -> Cassette:
    return record(PERSONS, passed(*envelopes), VERSION)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "persons.yaml"
    asked = question(ALICE)
    path.write_text(recorded(asked, answer(asked)).text(), encoding="utf-8")
    return path


# --- recording


def test_an_answer_is_recorded_beside_its_question_with_its_delay() -> None:
    first, second = question(ALICE), question(BORIS)
    made = recorded(first, second, answer(second), answer(first))
    assert [(one.n, one.direction, one.answers, one.at) for one in made.entries] == [
        (1, "in", None, 0.0), (2, "in", None, 0.5), (3, "out", 2, 1.0), (4, "out", 1, 1.5),
    ]  # fmt: skip
    assert made.recorded == BEGAN and made.entries[0].name == "query.person"


def test_what_has_no_question_named_belongs_to_the_last_that_came_in_its_case() -> None:
    asked = question(ALICE)
    unasked = Envelope(**{**fields(answer(asked)), "correlationid": None})
    assert recorded(asked, unasked).entries[1].answers == 1
    assert recorded(unasked, asked).openings == recorded(unasked, asked).entries[:1]


def test_notices_of_gateways_messages_of_others_rubbish_and_redeliveries_are_left_out() -> None:
    asked = question(ALICE)
    notice = Envelope(**{**fields(asked), "id": identity(), "source": SHEP, "type": "kz.egov.envelope.accepted.v1"})
    others = Envelope(**{**fields(asked), "id": identity(), "recipient": PROVIDER})
    heard = [*passed(asked, notice, others, asked), Passed(BEGAN, "inbox.gbd-fl-mock", b"{")]
    assert [one.envelope["id"] for one in record(PERSONS, heard, VERSION).entries] == [asked.id]


def test_one_case_may_be_asked_for_and_nothing_found_is_no_cassette() -> None:
    mine, other = question(ALICE), question(ALICE, case=identity())
    made = record(PERSONS, passed(mine, other), VERSION, case=other.subject)
    assert [one.envelope["subject"] for one in made.entries] == [other.subject]
    with pytest.raises(NothingRecorded, match="nothing of gbd-fl-mock has passed in case"):
        record(PERSONS, passed(mine), VERSION, case=identity())


def test_no_signature_receipt_or_key_is_on_a_cassette(file: Path) -> None:
    head = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert set(head) == {"cassette", "contracts", "system", "recorded", "match", "entries", "count"}
    assert {name for one in head["entries"] for name in one} == {"n", "direction", "answers", "at", "queue", "envelope"}


def test_a_cassette_is_read_as_it_was_written(file: Path) -> None:
    read = read_cassette(file, contracts_dir())
    assert (read.system, read.contracts, read.recorded) == (PERSONS, VERSION, BEGAN)
    assert [one.answers for one in read.entries] == [None, 1]
    assert read.entries[0].envelope["data"]["criterion"] == {"iin": ALICE}
    assert read.text() == file.read_text(encoding="utf-8")
    assert read.answers_to(read.requests[0]) == read.entries[1:]


# --- what is refused


def changed(file: Path, change: Callable[[dict[str, Any]], object]) -> str:
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    change(document)
    file.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
    with pytest.raises(CassetteInvalid) as caught:
        read_cassette(file, contracts_dir())
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda it: it.pop("cassette"), "this is no cassette"),
        (lambda it: it.update(cassette=2), "format 2; this egov plays format 1"),
        (lambda it: it.update(contracts="0.9.0"), f"version 0.9.0; these are {VERSION}: record anew"),
        (lambda it: it.pop("count"), "cut short: `count` says nothing, 2 entries"),
        (lambda it: it["entries"].pop(), "cut short: `count` says 2, 1 entries"),
        (lambda it: it.update(signature="x"), "unknown key signature"),
        (lambda it: it["entries"][0].pop("queue"), '"queue" is a required property'),
        (lambda it: it["entries"][0].update(direction="up"), "entries/0/direction"),
        (lambda it: it["entries"][1].update(n=5), "entry 2: its n is 5"),
        (lambda it: it["entries"][1].update(answers=2), "entry 2: answers 2, which is nothing that came in before"),
        (lambda it: it["entries"][0]["envelope"].update(recipient=CENTRE), "entry 1: its recipient is con-arm"),
        (lambda it: it["entries"][1]["envelope"].update(source=CENTRE), "entry 2: its source is con-arm"),
        (lambda it: it["entries"][1]["envelope"].pop("caseseq"), r"envelope.attribute_invalid \(caseseq: missing\)"),
        (lambda it: it["entries"][1]["envelope"]["data"].pop("persons"), r"data.invalid \(persons: missing\)"),
        (lambda it: it["entries"][0]["envelope"].update(type="kz.egov.query.dog.v1"), "message.type_unknown"),
    ],
)
def test_a_cassette_that_cannot_be_played_is_refused(
    file: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    assert re.search(said, changed(file, change))


def test_every_mistake_is_told_at_once_with_its_line(file: Path) -> None:
    def spoil(document: dict[str, Any]) -> None:
        document["entries"][0]["envelope"]["recipient"] = CENTRE
        document["entries"][1]["n"] = 9

    first, second = changed(file, spoil).splitlines()
    assert first.startswith("persons.yaml:13: entry 1") and second.startswith("persons.yaml:")


@pytest.mark.parametrize("part", [0.3, 0.6, 0.97])
def test_a_file_that_was_cut_off_anywhere_is_refused(file: Path, part: float) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(CassetteInvalid, match="cut short"):
        read_cassette(file, contracts_dir())


def test_rubbish_and_no_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(b"\x89PNG\xff")
    for name, said in (("picture", "not UTF-8"), ("nowhere", "no such file"), (".", "no such file")):
        with pytest.raises(CassetteInvalid, match=said):
            read_cassette(tmp_path / name, contracts_dir())


def test_a_cassette_of_another_system_or_of_a_gateway_is_refused(file: Path) -> None:
    assert cassette_of(file, PERSONS).system == PERSONS
    with pytest.raises(CassetteInvalid, match="recorded of gbd-fl-mock, not of con-arm"):
        cassette_of(file, CENTRE)
    with pytest.raises(BadInput, match="'gateway-shep' is no system that can be stood in for; portal-pep"):
        cassette_of(file, SHEP)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("15m", datetime(2026, 1, 15, 3, 45, tzinfo=UTC)),
        ("2026-01-15T01:00:00Z", datetime(2026, 1, 15, 1, tzinfo=UTC)),
        ("2026-01-15T06:00:00+05:00", datetime(2026, 1, 15, 1, tzinfo=UTC)),
        ("2026-01-15", datetime(2026, 1, 15, tzinfo=UTC)),
    ],
)
def test_since_is_a_duration_or_a_moment(text: str, found: datetime) -> None:
    assert moment(text, datetime(2026, 1, 15, 4, tzinfo=UTC)) == found


def test_since_that_is_neither_is_refused() -> None:
    with pytest.raises(BadInput, match="write 90s, 15m, 2h"):
        moment("yesterday", BEGAN)


def fields(envelope: Envelope) -> dict[str, Any]:
    return {name: getattr(envelope, name) for name in Envelope.__dataclass_fields__}


def test_an_entry_says_only_what_it_has() -> None:
    assert "answers" not in Entry(1, "in", 0.0, "q", {"subject": CASE}).document()
