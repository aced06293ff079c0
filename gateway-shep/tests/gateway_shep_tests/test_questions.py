"""Questions to the registers on their way through ШЭП: asked by the flow, answered once, under one limit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from egovgateway.domain import EnvelopeState
from egovkit.envelope import Envelope
from egovkit.journal import read_rows
from egovkit.testing.journal import BODIES

from .conftest import Shep
from .test_judge import by_trunk, completed, envelope, moment, registered, submitted, trail

pytestmark = pytest.mark.service
CENTRE, PERSONS, ATTORNEYS, PROVIDER = "con-arm", "gbd-fl-mock", "enis-mock", "provider-arm"
ASKED = {"criterion": {"iin": "991231600012"}, "official": "op-1", "purpose_ru": "постановка на учёт"}
DONE = {"code": "00000", "name_ru": "Сообщение успешно обработано", "name_kk": "Хабарлама сәтті өңделді"}


@pytest.fixture
async def bus(shep: Shep) -> Shep:
    for code in ("regional-gateway-rshep", "portal-pep", PROVIDER, CENTRE, PERSONS, ATTORNEYS):
        await shep.enrol(code)
    return shep


def query(bus: Shep, case: str, name: str = "person", **changes: Any) -> Envelope:
    """The centre's question; the first of a case carries the way to it."""
    seq = changes.setdefault("caseseq", 1)
    criterion = {"representative_iin": "991231600012"} if name == "attorney" else ASKED["criterion"]
    steps = trail(bus, "P1", "P2") if seq == 1 else []
    data = {**ASKED, "criterion": criterion, "clause": "8 3)", "trail": steps}
    to = PERSONS if name == "person" else ATTORNEYS
    values = {"channel": "centre", "expirytime": bus.clock.now() + timedelta(seconds=90), **changes}
    return envelope(bus, f"query.{name}", case, CENTRE, to, "P3", data, **values)


def answer(bus: Shep, asked: Envelope, **changes: Any) -> Envelope:
    found = "persons" if asked.type.endswith("person.v1") else "attorneys"
    data = {"result": DONE, "answered_at": moment(bus), found: []}
    name = asked.type.split(".")[3]
    values = {"channel": asked.channel, "caseseq": 0, "correlationid": asked.id, **changes}
    return envelope(bus, f"answer.{name}", asked.subject, asked.recipient, asked.source, "P3", data, **values)


async def facts(bus: Shep, case: str, id_: str) -> dict[str, Any]:
    """What the journal says of an envelope."""
    parts = bus.app.state.running.door.gateway.parts
    async with parts.db.read() as conn:
        bodies = [row.facts for row in await read_rows(conn, parts.journal.tables, case_id=case, bodies=BODIES)]
    return next(body for body in bodies if body.get("id") == id_)


async def test_both_registers_are_asked_side_by_side_and_answer_in_any_order(bus: Shep) -> None:
    case = bus.ids.new()
    person, attorney = query(bus, case), query(bus, case, "attorney", caseseq=2)
    assert [(await bus.take(one)).error for one in (person, attorney)] == [None, None]
    await bus.clock.advance(timedelta(seconds=7))
    second, first = answer(bus, attorney), answer(bus, person)
    assert [(await bus.take(one)).error for one in (second, first)] == [None, None]
    for one in (first, second):
        said = await facts(bus, case, one.id)
        assert (said["limit_s"], said["used_s"], said["late"]) == (90, 7, False)
        assert said["clause"] == "Приложение 1, таблица 3, 3"


async def test_a_late_answer_is_passed_on_as_late(bus: Shep) -> None:
    """E1: who asked does not apply it, but sees how late it was."""
    case = bus.ids.new()
    asked = query(bus, case)
    await bus.take(asked)
    await bus.clock.advance(timedelta(seconds=95))
    late = answer(bus, asked)
    result = await bus.take(late)
    assert result.error is None and result.state is EnvelopeState.ACCEPTED
    said = await facts(bus, case, late.id)
    assert (said["late"], said["used_s"]) == (True, 95)


async def test_a_repeated_question_has_a_limit_of_its_own(bus: Shep) -> None:
    case = bus.ids.new()
    await bus.take(query(bus, case))
    await bus.clock.advance(timedelta(seconds=95))
    again = query(bus, case, caseseq=2)
    again.data["trail"] = []
    assert (await bus.take(again)).error is None
    await bus.clock.advance(timedelta(seconds=3))
    fresh = answer(bus, again)
    await bus.take(fresh)
    assert (await facts(bus, case, fresh.id))["used_s"] == 3


async def test_a_register_that_answers_twice_is_refused_the_second_time(bus: Shep) -> None:
    asked = query(bus, bus.ids.new())
    await bus.take(asked)
    assert (await bus.take(answer(bus, asked))).error is None
    second = await bus.take(answer(bus, asked))
    assert second.error is not None and second.error.code == "order.already_answered"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"correlationid": None}, "order.answer_unasked"),
        ({"correlationid": "another-question"}, "order.answer_unasked"),
        ({"source": ATTORNEYS}, "route.source_not_allowed"),
        ({"recipient": "portal-pep"}, "route.recipient_not_allowed"),
        ({"caseseq": 3}, "order.answer_numbered"),
    ],
)
async def test_an_answer_nobody_waits_for_is_refused(bus: Shep, change: dict[str, Any], code: str) -> None:
    asked = query(bus, bus.ids.new())
    await bus.take(asked)
    result = await bus.take(answer(bus, asked, **change))
    assert result.error is not None and result.error.code == code


async def test_a_register_cannot_open_a_case_with_an_answer(bus: Shep) -> None:
    result = await bus.take(answer(bus, query(bus, bus.ids.new())))
    assert result.error is not None and result.error.code == "order.answer_unasked"


async def test_an_answer_after_the_case_has_moved_on_is_out_of_order(bus: Shep) -> None:
    case = bus.ids.new()
    asked = query(bus, case)
    await bus.take(asked)
    data = {"trail": trail(bus, "C1-"), "outcome": {"step": "P4", "code": "register.no_data"}}
    ended = envelope(bus, "steps.reported", case, CENTRE, "gateway-shep", "P4", data, channel="centre", caseseq=2)
    assert (await bus.take(ended)).error is None
    result = await bus.take(answer(bus, asked))
    assert result.error is not None and result.error.code == "order.case_ended"


async def test_a_question_without_its_way_there_is_refused(bus: Shep) -> None:
    asked = query(bus, bus.ids.new())
    asked.data["trail"] = []
    result = await bus.take(asked)
    assert result.error is not None and result.error.code == "order.trail_broken"
    assert result.error.clause == "8 1)"


async def test_a_question_for_the_other_register_is_refused(bus: Shep) -> None:
    result = await bus.take(query(bus, bus.ids.new(), recipient=ATTORNEYS))
    assert result.error is not None and result.error.code == "route.recipient_not_allowed"


async def test_zero_is_no_number_for_a_move_of_a_case(bus: Shep) -> None:
    asked = query(bus, bus.ids.new(), caseseq=0)
    asked.data["trail"] = trail(bus, "P1", "P2")
    result = await bus.take(asked)
    assert result.error is not None and result.error.code == "order.unnumbered"


async def test_the_providers_own_channel_asks_by_the_trunk_and_registers_with_shep_alone(bus: Shep) -> None:
    case = bus.ids.new()
    own = {"channel": "provider"}
    data = {**ASKED, "clause": "7 3)", "trail": trail(bus, "P1", "P2")}
    asked = envelope(bus, "query.person", case, PROVIDER, PERSONS, "P3", data, **own)
    assert (await by_trunk(bus, asked)).error is None
    told = answer(bus, asked)
    assert (await bus.take(told)).error is None
    assert [e.id for e in bus.inbox("rshep.trunk") if e.subject == case] == [told.id]
    to_nobody = registered(bus, case, recipient=PROVIDER, caseseq=2, **own)
    result = await by_trunk(bus, to_nobody)
    assert result.error is not None and result.error.code == "route.recipient_not_allowed"
    number = registered(bus, case, recipient="gateway-shep", caseseq=3, **own)
    number.data["trail"] = trail(bus, "C1+", "P5")
    result = await by_trunk(bus, number)
    assert (result.error, result.state) == (None, EnvelopeState.CONSUMED)


# A register of a region: its questions come from РШЭП and go back there.

REGISTER = "registers-mock"


def of_register(bus: Shep, case: str, operation: str, **changes: Any) -> Envelope:
    data = {"register": "housing_queue", "operation": operation, "person_iin": "991231600012", "clause": "6 9)"}
    data |= {"official": "e-1", "purpose_ru": "постановка на учёт", "trail": []}
    values = {"source": PROVIDER, "step": "P6", "caseseq": 2, **changes}
    source, step = values.pop("source"), values.pop("step")
    return envelope(bus, "query.register", case, source, REGISTER, step, data, **values)


def from_register(bus: Shep, asked: Envelope) -> Envelope:
    named = {name: asked.data[name] for name in ("register", "operation")}
    data = {"result": DONE, "answered_at": moment(bus), **named, "entries": []}
    values = {"caseseq": 0, "correlationid": asked.id}
    return envelope(bus, "answer.register", asked.subject, REGISTER, asked.source, asked.step, data, **values)


async def under_consideration(bus: Shep) -> str:
    await bus.enrol(REGISTER)
    case = bus.ids.new()
    assert (await bus.take(submitted(bus, case))).error is None
    assert (await by_trunk(bus, registered(bus, case))).error is None
    return case


async def test_a_provider_asks_a_register_of_its_region_and_is_answered_through_shep(bus: Shep) -> None:
    case = await under_consideration(bus)
    asked = of_register(bus, case, "enqueue")
    told = from_register(bus, asked)
    for one in (asked, told):
        assert (await by_trunk(bus, one)).error is None
    passed = [e.id for e in bus.inbox("rshep.trunk") if e.subject == case]
    assert passed[-2:] == [asked.id, told.id], "both go back to the region"
    assert (await by_trunk(bus, completed(bus, case, caseseq=3))).error is None, "the question moved nothing"


async def test_the_applicant_follows_his_place_when_the_case_has_ended_and_only_then(bus: Shep) -> None:
    case = await under_consideration(bus)
    early = await bus.take(of_register(bus, case, "position", source="portal-pep"))
    assert early.error is not None and early.error.code == "route.source_not_allowed"
    assert early.error.clause == "6 9)"
    await by_trunk(bus, completed(bus, case))
    asked = of_register(bus, case, "position", source="portal-pep", step="P8", caseseq=3)
    assert (await bus.take(asked)).error is None
    assert (await by_trunk(bus, from_register(bus, asked))).error is None
    assert bus.inbox("inbox.portal-pep")[-1].type == "kz.egov.answer.register.v1"
    late = await by_trunk(bus, of_register(bus, case, "enqueue", step="P8", caseseq=3))
    assert late.error is not None and late.error.code == "route.source_not_allowed", "that side message is the origin's"


@pytest.mark.parametrize("source", [CENTRE, PERSONS])
async def test_nobody_else_reaches_the_register(bus: Shep, source: str) -> None:
    case = await under_consideration(bus)
    result = await bus.take(of_register(bus, case, "find", source=source, caseseq=1))
    assert result.error is not None and result.error.code == "route.source_not_allowed"
    assert all(e.recipient != REGISTER for e in bus.inbox("rshep.trunk") if e.subject == case)
