"""The nine steps, each seen from outside: what the sender is told, what the receiver gets, what is journaled."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from egovgateway.domain import EnvelopeState
from egovgateway.pipeline import Gateway
from egovkit.bus import Delivery, Verdict
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.errors import EgovError
from egovkit.journal import JournalRow, verify_rows
from egovkit.membership import MemberCertificate, Members, verify_receipts
from egovkit.signatures.jws import sign_detached
from egovkit.testing.plugin import START

from .conftest import PATIENCE, Rig

pytestmark = pytest.mark.service


async def journal(rig: Rig) -> list[JournalRow]:
    t = rig.tables.journal.rows
    async with rig.db.read() as conn:
        rows = (await conn.execute(select(t).order_by(t.c.writer, t.c.position))).mappings()
        return [JournalRow(**row) for row in rows]


async def test_a_good_envelope_reaches_its_recipient_with_the_gateways_receipt(rig: Rig) -> None:
    envelope = rig.envelope("P6")
    [result] = await rig.send(envelope)
    await rig.published()
    [delivery] = rig.arrived["inbox.beta"]
    wire = WireEnvelope.of(delivery.body, delivery.headers)
    assert wire.raw == envelope.encode()  # the exact bytes the sender signed
    trust = rig.pki.trust()
    [receipt] = verify_receipts(wire, rig.membership.members, trust, rig.clock.now())
    assert (receipt.gateway, receipt.id, receipt.position) == ("gate", envelope.id, 1)
    assert result.receipt == wire.receipts[0]
    [row] = await journal(rig)
    assert receipt.head == row.hash
    assert row.facts["clause"] == "6 8)" and row.facts["state_after"] == "P6"
    assert (await rig.states())[envelope.id] == EnvelopeState.FORWARDED


async def test_the_sender_of_a_submission_is_told_that_the_gateway_answers_for_it(rig: Rig) -> None:
    envelope = rig.envelope("P5")
    await rig.send(envelope)
    await rig.published()
    [notice] = rig.inbox("alpha")
    assert notice.type == "kz.egov.envelope.accepted.v1" and notice.caseseq == 0
    assert notice.data["id"] == envelope.id and notice.causationid == envelope.id
    [delivery] = rig.arrived["inbox.alpha"]
    verify_receipts(
        WireEnvelope.of(delivery.body, delivery.headers),
        rig.membership.members,
        rig.pki.trust(),
        rig.clock.now(),
    )


async def test_a_refusal_is_signed_and_names_code_clause_hop_clock_and_remedy_in_three_languages(rig: Rig) -> None:
    envelope = rig.envelope("NO")
    [result] = await rig.send(envelope)
    await rig.published()
    assert result.state is EnvelopeState.REFUSED and rig.inbox("beta") == []
    [notice] = rig.inbox("alpha")
    problem = notice.data["problem"]
    assert (problem["code"], problem["clause"], problem["hop"]) == ("order.not_party_of_case", "6 8)", "gate")
    assert problem["received"].endswith("Z")
    assert all(problem[f"remedy_{language}"] for language in ("kk", "ru", "en"))
    assert notice.data["id"] == envelope.id


async def test_the_same_bytes_twice_are_one_envelope_one_row_one_delivery(rig: Rig) -> None:
    wire = rig.sign(rig.envelope("P6"))
    first = await rig.send(wire)
    again = await rig.send(wire, wire)
    await rig.published()
    assert {r.receipt for r in (*first, *again)} == {first[0].receipt}
    assert len(rig.inbox("beta")) == 1 and await rig.count("journal") == 1


async def test_the_same_bytes_twice_in_one_batch_are_taken_once(rig: Rig) -> None:
    wire = rig.sign(rig.envelope("P6"))
    await rig.send(wire, wire)
    await rig.published()
    assert len(rig.inbox("beta")) == 1 and await rig.count("envelopes") == 1


async def test_the_same_id_with_another_body_is_refused_and_the_first_stands(rig: Rig) -> None:
    first = rig.envelope("P6")
    await rig.send(first)
    other = rig.envelope("P6", id=first.id, subject=first.subject, caseseq=2)
    [result] = await rig.send(other)
    assert result.error is not None and result.error.code == "replay.other_body"
    await rig.send(other)  # also the repetition is journaled once
    await rig.published()
    assert [e.data["problem"]["code"] for e in rig.inbox("alpha")] == ["replay.other_body"]
    assert await rig.count("turned_away") == 1 and len(rig.inbox("beta")) == 1


async def test_a_refused_envelope_keeps_its_answer_for_the_same_bytes(rig: Rig) -> None:
    wire = rig.sign(rig.envelope("NO"))
    [first] = await rig.send(wire)
    [again] = await rig.send(wire)
    assert first.error is not None and again.error is not None
    assert (again.error.code, again.error.clause) == (first.error.code, "6 8)")
    await rig.published()
    assert len(rig.inbox("alpha")) == 1


async def test_a_forged_envelope_is_journaled_once_and_nobody_is_told(rig: Rig) -> None:
    envelope = rig.envelope("P6")
    stranger = rig.pki.system("alpha")  # НУЦ certified it, ШЭП's list does not know it
    raw = envelope.encode()
    wire = WireEnvelope(raw, sign_detached(raw, stranger))
    for _ in range(3):
        [result] = await rig.send(wire)
        assert result.state is EnvelopeState.REFUSED
    await rig.published()
    assert rig.arrived == {}
    [row] = await journal(rig)
    assert row.kind == "refusal" and row.facts["code"] == "signature.unknown_certificate"
    assert await rig.count("envelopes") == 0


@pytest.mark.parametrize("position", range(0, 600, 37))
@pytest.mark.law(topic="quality", regulation="atyrau-housing-queue", clause="16 2)")
@pytest.mark.law(topic="quality", regulation="semey-*", clause=("16 4)", "17 4)"))
async def test_a_flipped_byte_anywhere_is_never_forwarded(rig: Rig, position: int) -> None:
    good = rig.sign(rig.envelope("P6"))
    raw = bytearray(good.raw)
    raw[position % len(raw)] ^= 1
    [result] = await rig.send(WireEnvelope(bytes(raw), good.signature))
    await rig.published()
    assert result.state is EnvelopeState.REFUSED and rig.arrived == {}


async def test_who_signs_for_somebody_else_is_refused_himself_and_the_named_source_hears_nothing(rig: Rig) -> None:
    envelope = rig.envelope("P6", source="beta", recipient="alpha")
    [result] = await rig.send(envelope, by="alpha")
    await rig.published()
    assert result.error is not None and result.error.code == "signature.not_of_source"
    assert [e.type for e in rig.inbox("alpha")] == ["kz.egov.envelope.refused.v1"]
    assert rig.inbox("beta") == []
    assert await rig.count("envelopes") == 1  # the refusal's own row; the false source's id is not burnt
    [accepted] = await rig.send(envelope)  # signed by beta itself, the same id passes
    assert accepted.error is None


async def test_a_process_that_missed_the_news_asks_before_it_turns_a_new_certificate_away(rig: Rig) -> None:
    rotated = rig.pki.system("alpha")
    listed = rig.membership.members
    alpha = listed.get("alpha")
    assert alpha is not None
    both = replace(alpha, certificates=(*alpha.certificates, MemberCertificate.of(rotated.certificate)))
    others = tuple(both if m.code == "alpha" else m for m in listed.members)
    rig.newest = Members(listed.version + 1, others)
    envelope = rig.envelope("P6")
    raw = envelope.encode()
    [result] = await rig.send(WireEnvelope(raw, sign_detached(raw, rotated)))
    assert result.error is None and rig.refreshes == 1


async def test_a_process_that_missed_the_news_asks_before_it_refuses_an_unknown_recipient(rig: Rig) -> None:
    listed = rig.membership.members
    rig.newest = listed
    rig.membership.members = Members(1, tuple(m for m in listed.members if m.code != "beta"))
    [result] = await rig.send(rig.envelope("P6"))
    assert result.error is None and rig.refreshes == 1


async def test_an_inbox_shows_a_parked_envelope_after_its_predecessor(rig: Rig) -> None:
    case = rig.ids.new()
    await rig.send(rig.envelope("P8", subject=case, caseseq=2, recipient="poll"))
    await rig.clock.advance(1)
    await rig.send(rig.envelope("P6", subject=case, caseseq=1, recipient="poll"))
    async with rig.db.read() as conn:
        waiting = await rig.gateway.parts.store.inbox(conn, "poll", 10)
    assert [Envelope.parse(wire.raw).caseseq for _, wire in waiting] == [1, 2]


async def test_rubbish_that_came_before_the_last_question_is_not_worth_another(rig: Rig) -> None:
    rig.newest = rig.membership.members
    stranger = rig.pki.system("alpha")
    for _ in range(10):
        raw = rig.envelope("P6").encode()
        await rig.send(WireEnvelope(raw, sign_detached(raw, stranger)))
    assert rig.refreshes == 1


async def test_questions_for_the_list_keep_a_pause_between_them(rig: Rig) -> None:
    rig.newest = rig.membership.members
    stranger = rig.pki.system("alpha")
    for _ in range(3):
        raw = rig.envelope("P6").encode()
        await rig.clock.advance(0.05)
        sending = asyncio.create_task(rig.send(WireEnvelope(raw, sign_detached(raw, stranger))))
        while not sending.done():
            await rig.clock.advance(0.01)
    assert rig.refreshes == 3
    assert (rig.clock.now() - START).total_seconds() >= 0.4


async def test_a_suspended_participant_gets_a_signed_refusal(rig: Rig) -> None:
    [result] = await rig.send(rig.envelope("P6", source="lost"))
    await rig.published()
    assert result.error is not None and result.error.code == "participant.suspended"
    assert [e.data["problem"]["code"] for e in rig.inbox("lost")] == ["participant.suspended"]


async def test_wrong_data_names_every_field_to_the_sender(rig: Rig) -> None:
    data = {"number": "12", "status": "В РАБОТЕ", "text_ru": "", "text_kk": "x", "version": 0}
    [result] = await rig.send(rig.envelope("P6", data=data))
    assert result.error is not None and result.error.code == "data.invalid"
    fields = {error.field.split(".")[-1] for error in result.error.errors}
    assert {"number", "status", "text_ru", "version", "at"} <= fields
    await rig.published()
    assert len(rig.inbox("alpha")[0].data["problem"]["errors"]) >= 5


async def test_a_message_without_a_signature_is_journaled_and_acknowledged(rig: Rig) -> None:
    delivery = Delivery("door", b"<html>not an envelope</html>", {}, "x", 1)
    assert await rig.gateway.take([delivery]) == [Verdict.ACK]
    [row] = await journal(rig)
    assert row.kind == "refusal" and row.case_id is None


async def test_an_early_envelope_waits_and_follows_its_predecessor(rig: Rig) -> None:
    case = rig.ids.new()
    late, early = rig.envelope("P6", subject=case, caseseq=1), rig.envelope("P8", subject=case, caseseq=2)
    [parked] = await rig.send(early)
    assert parked.state is EnvelopeState.PARKED
    await rig.send(late)
    await rig.published()
    assert [e.step for e in rig.inbox("beta")] == ["P6", "P8"]
    assert set((await rig.states()).values()) == {EnvelopeState.FORWARDED}


async def test_a_whole_row_of_early_envelopes_follows_in_order(rig: Rig) -> None:
    case = rig.ids.new()
    row = [rig.envelope("P6", subject=case, caseseq=n) for n in range(1, 6)]
    await rig.send(*reversed(row[1:]))
    await rig.send(row[0])
    await rig.published()
    assert [e.caseseq for e in rig.inbox("beta")] == [1, 2, 3, 4, 5]


async def test_an_early_envelope_is_refused_when_its_predecessor_never_comes(rig: Rig) -> None:
    early = rig.envelope("P8", caseseq=2)
    await rig.send(early)
    await rig.clock.advance(PATIENCE + timedelta(seconds=1))
    await rig.gateway.judge_parked()
    await rig.published()
    assert [e.data["problem"]["code"] for e in rig.inbox("alpha")] == ["order.predecessor_missing"]
    assert (await rig.states())[early.id] == EnvelopeState.REFUSED


async def test_a_refused_number_is_used_up_and_its_successor_does_not_wait(rig: Rig) -> None:
    case = rig.ids.new()
    await rig.send(rig.envelope("P8", subject=case, caseseq=3))
    await rig.send(rig.envelope("P6", subject=case, caseseq=1), rig.envelope("NO", subject=case, caseseq=2))
    await rig.published()
    assert [e.caseseq for e in rig.inbox("beta")] == [1, 3]


async def test_a_receipt_tells_the_next_gateway_which_numbers_it_will_never_see(rig: Rig) -> None:
    case = rig.ids.new()
    await rig.send(rig.envelope("NO", subject=case, caseseq=1), rig.envelope("P6", subject=case, caseseq=2))
    await rig.published()
    [told] = rig.arrived["inbox.beta"]
    wire = WireEnvelope.of(told.body, told.headers)
    [receipt] = verify_receipts(wire, rig.membership.members, rig.pki.trust(), rig.clock.now())
    assert receipt.refused == (1,)


async def test_a_parked_envelope_whose_predecessor_came_through_another_process_is_found(rig: Rig) -> None:
    case = rig.ids.new()
    other = rig.make("gate/2")
    await rig.send(rig.envelope("P8", subject=case, caseseq=2))
    # The other process judged with a view of the database from before the parking.
    other.parts.store.successors = _none  # type: ignore[method-assign]
    rig.gateway, mine = other, rig.gateway
    await rig.send(rig.envelope("P6", subject=case, caseseq=1))
    rig.gateway = mine
    await other.parts.publisher.idle()
    await mine.judge_parked()
    await rig.published()
    assert [e.caseseq for e in rig.inbox("beta")] == [1, 2]


async def _none(*_: object) -> list[Any]:
    return []


async def test_judging_parked_envelopes_again_writes_nothing_while_they_wait(rig: Rig) -> None:
    await rig.send(rig.envelope("P8", caseseq=3))
    before = await rig.count("journal")
    for _ in range(5):
        await rig.gateway.judge_parked()
    assert await rig.count("journal") == before


async def test_what_was_committed_but_not_published_is_published_by_the_next_process(rig: Rig) -> None:
    class Killed(BaseException):
        pass

    def kill(boundary: str) -> None:
        if boundary == "7-committed":
            raise Killed

    dying = rig.make("gate/1", kill)
    rig.gateway, survivor = dying, rig.make("gate/1")
    with pytest.raises(Killed):
        await rig.send(rig.envelope("P6"))
    assert set((await rig.states()).values()) == {EnvelopeState.ACCEPTED} and rig.arrived == {}
    rig.gateway = survivor
    await survivor.parts.publisher.start()
    await survivor.parts.publisher.relay_once()
    await survivor.parts.publisher.idle()
    assert len(rig.inbox("beta")) == 1
    assert set((await rig.states()).values()) == {EnvelopeState.FORWARDED}


@pytest.mark.parametrize("boundary", ["2-verified", "3-looked-up", "6-judged", "7-written"])
async def test_a_death_before_the_commit_leaves_nothing_behind(rig: Rig, boundary: str) -> None:
    class Killed(BaseException):
        pass

    def kill(reached: str) -> None:
        if reached == boundary:
            raise Killed

    rig.gateway = rig.make("gate/1", kill)
    with pytest.raises(Killed):
        await rig.send(rig.envelope("P6"))
    assert [await rig.count(table) for table in ("envelopes", "journal", "cases")] == [0, 0, 0]


async def test_a_recipient_that_polls_finds_its_envelopes_and_acknowledges_them(rig: Rig) -> None:
    envelope = rig.envelope("P6", recipient="poll")
    [result] = await rig.send(envelope)
    assert result.state is EnvelopeState.WAITING
    store = rig.gateway.parts.store
    async with rig.db.begin() as conn:
        [(found, wire)] = await store.inbox(conn, "poll", 10)
        assert found == envelope.id and wire.receipts == (result.receipt,)
        assert await store.acknowledge(conn, "beta", [found], rig.clock.now()) == 0  # not beta's to acknowledge
        assert await store.acknowledge(conn, "poll", [found], rig.clock.now()) == 1
        assert await store.inbox(conn, "poll", 10) == []


async def test_one_bad_envelope_of_a_batch_does_not_hold_up_its_neighbours(rig: Rig) -> None:
    batch = [rig.envelope("P6") for _ in range(20)]
    batch[7] = rig.envelope("NO")
    results = await rig.send(*batch)
    await rig.published()
    assert [r.state for r in results].count(EnvelopeState.REFUSED) == 1
    assert len(rig.inbox("beta")) == 19


async def test_two_processes_that_meet_on_one_case_take_turns(rig: Rig) -> None:
    case = rig.ids.new()
    one, two = rig.gateway, rig.make("gate/2")
    first = rig.envelope("P6", subject=case, caseseq=1)
    await rig.send(first)
    original = one.parts.store.cases
    meddled: list[Gateway] = []

    async def stale(conn: Any, ids: Any) -> Any:
        """Between our read and our write the other process moves the case."""
        found = await original(conn, ids)
        if not meddled:
            meddled.append(two)
            cases = rig.tables.cases
            await conn.execute(cases.update().values(version=cases.c.version + 1))
        return found

    one.parts.store.cases = stale  # type: ignore[method-assign]
    [result] = await rig.send(rig.envelope("P8", subject=case, caseseq=2))
    assert meddled and result.state is EnvelopeState.ACCEPTED
    await rig.published()
    assert [e.caseseq for e in rig.inbox("beta")] == [1, 2]


async def test_the_journal_of_everything_above_is_one_unbroken_chain(rig: Rig) -> None:
    case = rig.ids.new()
    await rig.send(rig.envelope("P5", subject=case), rig.envelope("NO"), rig.envelope("P8", caseseq=4))
    await rig.send(rig.envelope("P6", subject=case, caseseq=2))
    rows = await journal(rig)
    assert verify_rows(rows) == []
    assert len(rows) == 6  # four arrivals, one acceptance, one refusal
    assert all(json.loads(row.body or "{}")["service"] == "gate" for row in rows)


async def test_the_intake_is_held_while_the_database_is_away_and_goes_on_after_it(rig: Rig) -> None:
    store, db = rig.gateway.parts.store, rig.gateway.parts.db
    known, ping = store.known, db.ping
    looked: list[int] = []

    async def away(*_: object) -> Any:
        raise OperationalError("SELECT", {}, OSError("connection refused"))

    async def comes_back() -> None:
        looked.append(1)
        if len(looked) < 4:
            await away()
        store.known = known  # type: ignore[method-assign]
        await ping()

    store.known, db.ping = away, comes_back  # type: ignore[method-assign]
    wire = rig.sign(rig.envelope("P6"))
    taking = asyncio.create_task(rig.gateway.take([Delivery("door", wire.raw, wire.headers(), "x", 1)]))
    while not taking.done():
        await rig.clock.advance(0.5)
    assert taking.result() == [Verdict.ACK]
    await rig.published()
    assert len(rig.inbox("beta")) == 1


async def test_a_batch_that_the_database_cannot_take_is_raised_for_redelivery(rig: Rig) -> None:
    async def broken(*_: object) -> None:
        raise EgovError("service.unavailable", waiting_for="database")

    rig.gateway.parts.store.insert_envelopes = broken  # type: ignore[method-assign]
    wire = rig.sign(rig.envelope("P6"))
    with pytest.raises(EgovError):
        await rig.gateway.take([Delivery("door", wire.raw, wire.headers(), "x", 1)])
    assert await rig.count("journal") == 0
