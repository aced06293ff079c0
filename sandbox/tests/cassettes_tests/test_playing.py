"""A stand-in says what was recorded, as this conversation's; it tells what it could not say, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import httpx
import pytest

from egovkit.clock import HandClock
from egovkit.contracts import contracts_dir
from egovkit.envelope import Envelope
from egovkit.ids import Ids
from egovkit.messages import MessageRegister
from sandbox.cassettes.cassette import IGNORED, Cassette
from sandbox.cassettes.playing import How, Player, Problem, Score, summary
from sandbox.composition import PERSONS, PORTAL, SHEP

from .conversations import ALICE, ANNA, BORIS, CASE, answer, identity, question
from .test_matching import cassette

AT_ONCE = How(speed=0)


class Bench:
    """A gateway's door in memory."""

    place = "inbox of the test"

    def __init__(self, clock: HandClock, ids: Ids) -> None:
        self.clock, self.ids = clock, ids
        self.waiting: list[Envelope] = []
        self.said: list[tuple[datetime, Envelope]] = []
        self.told: list[str] = []
        self.refusal: Problem | None = None
        self.down = self.lost = 0  # calls that fail

    async def inbox(self) -> list[Envelope]:
        if self.down:
            self.down -= 1
            raise httpx.ConnectError("refused")
        return list(self.waiting)

    async def acknowledge(self, ids: Sequence[str]) -> None:
        self.waiting = [one for one in self.waiting if one.id not in ids]

    async def send(self, envelope: Envelope) -> Problem | None:
        self.said.append((self.clock.now(), envelope))
        if self.lost:
            self.lost -= 1
            raise httpx.ConnectError("refused")
        return self.refusal

    def player(self, tape: Cassette, how: How = AT_ONCE) -> Player:
        return Player(tape, self, how, self.told.append, clock=self.clock, ids=self.ids)

    async def play(self, tape: Cassette, *received: Envelope, how: How = AT_ONCE) -> Score:
        """All of it is there from the beginning; one round."""
        self.waiting += received
        player = self.player(tape, how)
        await player.round()
        return player.finished()


@pytest.fixture
def bench(clock: HandClock, ids: Ids) -> Bench:
    return Bench(clock, ids)


def conversation() -> Cassette:
    asked = question(ALICE)
    return cassette(asked, answer(asked))


async def test_the_answer_is_of_this_conversation_and_of_now(bench: Bench) -> None:
    trace = f"00-{'3' * 32}-{'4' * 16}-01"
    live = question(ALICE, case=identity(), source=PORTAL, time=bench.clock.now(), traceparent=trace)
    tape = conversation()
    score = await bench.play(tape, live)
    [(_, said)] = bench.said
    recorded = tape.entries[1].envelope
    assert (said.source, said.recipient, said.subject, said.type) == (PERSONS, PORTAL, live.subject, recorded["type"])
    assert (said.correlationid, said.causationid, said.traceparent) == (live.id, live.id, live.traceparent)
    assert said.id not in (recorded["id"], live.id) and said.time == bench.clock.now() and said.caseseq == 0
    # It was made at the moment its recorded time says, and is still.
    assert datetime.fromisoformat(said.data["answered_at"]) == said.time
    MessageRegister.load(contracts_dir()).check(said.type, said.data)
    assert (score.answered, score.said, score.well(once=True)) == (1, 1, True)
    assert bench.waiting == []


async def test_a_recorded_delay_passes_by_the_clock_at_the_given_speed(bench: Bench, clock: HandClock) -> None:
    asked = question(ALICE)
    tape = cassette(asked, question(BORIS), answer(asked))  # two seconds later
    player = bench.player(tape, How(speed=2))
    bench.waiting = [question(ALICE)]
    await player.round()
    await clock.advance(0.9)
    await player.round()
    assert bench.said == []
    await clock.advance(0.1)
    await player.round()
    assert len(bench.said) == 1


async def test_numbers_of_a_case_are_counted_anew_and_moments_keep_their_distance(bench: Bench) -> None:
    asked = question(ALICE)
    first, second = (answer(asked, caseseq=seq, expirytime=asked.time + timedelta(seconds=60)) for seq in (4, 7))
    cases = [question(ALICE, case=identity()) for _ in range(2)]
    await bench.play(cassette(asked, first, second), *cases, how=How(speed=0, loop=True))
    by_case = {one.subject: [each.caseseq for _, each in bench.said if each.subject == one.subject] for one in cases}
    assert list(by_case.values()) == [[1, 2], [1, 2]]
    assert all(one.expirytime == one.time + timedelta(seconds=59.5) for _, one in bench.said)


async def test_an_id_named_inside_the_data_is_replaced_with_the_rest(bench: Bench) -> None:
    asked = question(ALICE)
    about = answer(asked)
    about.data["question"], about.data["other"] = asked.id, identity()
    live = question(ALICE)
    await bench.play(cassette(asked, about), live)
    [(_, said)] = bench.said
    assert (said.data["question"], said.data["other"]) == (live.id, about.data["other"])


async def test_a_person_who_is_ignored_gets_the_answer_as_his_own(bench: Bench) -> None:
    asked = question(ALICE)
    about = answer(asked)
    about.data["persons"] = [{"iin": ALICE}, {"iin": ANNA}]
    await bench.play(cassette(asked, about, ignore=(*IGNORED, "criterion.iin")), question(BORIS))
    [(_, said)] = bench.said
    assert said.data["persons"] == [{"iin": BORIS}, {"iin": ANNA}]


async def test_another_persons_question_is_told_with_the_nearest_and_is_no_success(bench: Bench) -> None:
    score = await bench.play(conversation(), question(BORIS))
    assert bench.said == [] and not score.well(once=False)
    text = "\n".join(bench.told)
    assert bench.told[:4] == [
        "no match for what came to gbd-fl-mock",
        "  bound    inbox of the test; recorded to it: 1 query.person, not played yet: 1 query.person",
        f"  received query.person atyrau-housing-queue/centre C3 atyrau, con-arm to gbd-fl-mock, case {CASE}",
        "  refused  nothing of what was said so far",
    ]
    assert "  nearest  entry 1, query.person; they differ in\n      data.criterion.iin: recorded" in text
    assert "\n".join(summary(score)).endswith("nobody asked: entry 1 (query.person)")
    assert ALICE not in text and BORIS not in text


async def test_a_second_time_is_told_as_played_already(bench: Bench) -> None:
    score = await bench.play(conversation(), question(ALICE), question(ALICE))
    assert len(bench.said) == 1 and len(score.unmatched) == 1
    assert "  nearest  entry 1 is the same and was played already: --loop plays it again" in bench.told


async def test_with_nothing_recorded_to_it_there_is_no_nearest(bench: Bench) -> None:
    await bench.play(cassette(answer(question(ALICE))), question(ALICE))
    assert "  nearest  nothing that came in was recorded" in bench.told


async def test_what_the_gateway_refuses_is_told_once_by_door_and_by_letter(bench: Bench) -> None:
    bench.refusal = Problem("order.already_answered", "It was answered. Do not.", SHEP)
    player = bench.player(conversation())
    bench.waiting = [question(ALICE)]
    await player.round()
    [(_, said)] = bench.said
    bench.waiting = [refusal_of(said.id)]
    await player.round()
    [refused] = player.finished().refused
    assert (refused.said, refused.problem.code) == (said, "order.already_answered")
    assert (
        bench.told[-1].startswith("refused  answer.person")
        and "by gateway-shep: order.already_answered: It" in bench.told[-1]
    )
    assert not player.score.well(once=False) and player.score.said == 0


async def test_a_refusal_that_comes_by_letter_alone_is_told_too(bench: Bench) -> None:
    player = bench.player(conversation())
    bench.waiting = [question(ALICE)]
    await player.round()
    bench.waiting = [refusal_of(bench.said[0][1].id), refusal_of(identity()), question(BORIS)]
    await player.round()
    assert [one.problem.code for one in player.finished().refused] == ["time.late"]
    assert "  refused  answer.person by gateway-shep: time.late" in bench.told


def refusal_of(id_: str) -> Envelope:
    problem = {"code": "time.late", "detail_en": "Late.", "remedy_en": "Be earlier.", "hop": SHEP}
    notice = question(ALICE, source=SHEP, type="kz.egov.envelope.refused.v1")
    return replace(notice, data={"id": id_, "sha256": "", "type": "", "problem": problem})


async def test_gateways_own_letters_are_taken_and_nothing_is_made_of_them(bench: Bench) -> None:
    letters = [
        question(ALICE, source=SHEP, type=f"kz.egov.{name}.v1") for name in ("members.updated", "envelope.accepted")
    ]
    score = await bench.play(conversation(), *letters)
    assert (bench.waiting, bench.told, score.unmatched) == ([], [], [])


async def test_a_gateway_that_is_away_for_a_moment_gets_the_same_envelope_again(bench: Bench) -> None:
    player = bench.player(conversation())
    bench.waiting, bench.lost = [question(ALICE)], 1
    with pytest.raises(httpx.ConnectError):
        await player.round()
    assert len(bench.waiting) == 1
    await player.round()
    first, second = (one for _, one in bench.said)
    assert first == second and player.score.answered == 1 and bench.waiting == []


async def test_once_ends_when_every_recorded_request_was_made(bench: Bench, clock: HandClock) -> None:
    running = asyncio.create_task(bench.player(conversation(), How(once=True, speed=0)).run())
    await clock.advance(1)
    assert not running.done()
    bench.waiting = [question(ALICE)]
    await clock.advance(1)
    score = await running
    assert score.well(once=True) and bench.told[0] == "standing in for gbd-fl-mock: inbox of the test"
    assert bench.told[1] == "  recorded to it: 1 query.person; from it: 1 answer.person"


async def test_once_gives_up_when_nobody_comes_and_says_what_was_not_asked(bench: Bench, clock: HandClock) -> None:
    bench.down = 2
    running = asyncio.create_task(bench.player(conversation(), How(once=True, patience=5)).run())
    await clock.advance(10)
    score = await running
    assert not score.well(once=True) and score.well(once=False)
    assert [one.n for one in score.left] == [1]
    assert bench.told.count("the gateway does not answer (ConnectError); trying again") == 2


async def test_what_the_system_said_first_is_said_on_request_in_a_case_of_its_own(bench: Bench) -> None:
    """Its answers belong to that case."""
    opened = answer(question(ALICE))
    asked = question(ALICE, case=opened.subject)
    tape = cassette(opened, asked, answer(asked))
    silent = bench.player(tape)
    silent.bound()
    assert bench.told[-1] == "  of its own accord: 1 answer.person, said with --open only"
    player = bench.player(tape, How(opening=True, speed=0))
    player.open()
    await player.round()
    [(_, first)] = bench.said
    assert first.subject != opened.subject
    bench.waiting = [question(ALICE, case=first.subject)]
    await player.round()
    assert [one.subject for _, one in bench.said] == [first.subject] * 2
