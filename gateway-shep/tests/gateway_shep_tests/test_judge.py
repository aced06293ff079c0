"""ШЭП's judgement of a whole case, from the catalogue: route, order, time, by class."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from egovgateway.domain import EnvelopeState
from egovkit.envelope import Envelope, WireEnvelope
from egovkit.journal import read_rows
from egovkit.signatures.jws import sign_detached
from egovkit.signatures.receipt import Receipt, issue_receipt
from egovkit.testing.journal import BODIES
from gateway_shep import tables
from gateway_shep.domain import Policies

from .conftest import CODES, Shep

pytestmark = pytest.mark.service
REGULATION = "atyrau-housing-queue"
BYTES = base64.b64encode(b"bytes of a document").decode()
NUMBER = "00000000017"


def moment(shep: Shep, ago: float = 0) -> str:
    return (shep.clock.now() - timedelta(seconds=ago)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def trail(shep: Shep, *steps: str, ago: float = 5) -> list[dict[str, Any]]:
    """`C1+` went well, `C1-` did not, `P1` is done."""
    outcomes = {"+": "ok", "-": "violation"}
    return [
        {
            "step": step.rstrip("+-"),
            "outcome": outcomes.get(step[-1], "done"),
            "at": moment(shep, ago),
            "writer": "w/1",
            "position": n,
            "hash": "0" * 64,
        }
        for n, step in enumerate(steps, 1)
    ]


PORTAL_TRAIL = ("P1", "C1+", "P3", "C2+")


def submitted(shep: Shep, case: str, steps: tuple[str, ...] = PORTAL_TRAIL, **changes: Any) -> Envelope:
    data = {
        "provider": "atyrau-housing",
        "applicant": {"iin": "991231600012"},
        "document": BYTES,
        "signature": BYTES,
        "attachments": [],
        "trail": trail(shep, *steps, ago=changes.pop("ago", 5)),
    }
    return envelope(shep, "case.submitted", case, "portal-pep", "provider-arm", "P5", data, **changes)


def registered(shep: Shep, case: str, **changes: Any) -> Envelope:
    data = {"number": NUMBER, "registered_at": moment(shep), "version": 1, "trail": []}
    return envelope(shep, "case.registered", case, "provider-arm", "portal-pep", "P6", data, **changes)


def refused(shep: Shep, case: str, ago: float = 5, **changes: Any) -> Envelope:
    reasons = [{"code": "documents.incomplete", "text": "нет копии"}]
    data = {"number": NUMBER, "reasons": reasons, "document": BYTES, "refused_at": moment(shep), "version": 2}
    data["trail"] = trail(shep, "C3-", ago=ago)
    values = {"caseseq": 2, **changes}
    return envelope(shep, "case.refused", case, "provider-arm", "portal-pep", "P7", data, **values)


def completed(shep: Shep, case: str, ago: float = 5, **changes: Any) -> Envelope:
    data = {"number": NUMBER, "document": BYTES, "signature": BYTES, "completed_at": moment(shep), "version": 2}
    data["trail"] = trail(shep, "C3+", ago=ago)
    values = {"caseseq": 2, **changes}
    return envelope(shep, "case.completed", case, "provider-arm", "portal-pep", "P8", data, **values)


def envelope(
    shep: Shep, name: str, case: str, source: str, recipient: str, step: str, data: dict[str, Any], /, **changes: Any
) -> Envelope:
    values: dict[str, Any] = {
        "id": shep.ids.new(),
        "source": source,
        "type": f"kz.egov.{name}.v1",
        "subject": case,
        "time": shep.clock.now(),
        "dataschema": f"urn:egov:schema:{name}.v1",
        "recipient": recipient,
        "regulation": REGULATION,
        "channel": "portal",
        "step": step,
        "region": "atyrau",
        "caseseq": 1,
        "data": data,
    }
    return Envelope(**{**values, **changes})


@pytest.fixture
async def bus(shep: Shep) -> Shep:
    """Everybody has a certificate."""
    for code in CODES[1:]:
        await shep.enrol(code)
    return shep


async def by_trunk(shep: Shep, sent: Envelope, refused: tuple[int, ...] = ()) -> Any:
    """As it comes from РШЭП, with its receipt: `refused` are the earlier numbers it did not let pass."""
    from egovgateway.domain import Arrival

    raw = sent.encode()
    wire = WireEnvelope(raw, sign_detached(raw, shep.keys[sent.source]))
    now = shep.clock.now()
    receipt = Receipt(sent.id, wire.sha256, CODES[1], "r/1", 1, "0" * 64, now, now, refused=refused)
    wire = wire.with_receipt(issue_receipt(receipt, shep.keys[CODES[1]]))
    gateway = shep.app.state.running.door.gateway
    [result] = await gateway.process([Arrival(wire, "shep.trunk", now)])
    await gateway.parts.publisher.idle()
    return result


async def test_an_application_goes_its_way_to_the_result(bus: Shep) -> None:
    case = bus.ids.new()
    assert (await bus.take(submitted(bus, case))).error is None
    assert (await by_trunk(bus, registered(bus, case))).error is None
    assert (await by_trunk(bus, completed(bus, case))).error is None
    forwarded = [e.type.split(".")[-2] for e in bus.inbox("rshep.trunk") if e.subject == case]
    assert forwarded == ["submitted"]
    told = [e.type.split(".")[-2] for e in bus.inbox("inbox.portal-pep") if e.subject == case]
    assert told == ["accepted", "registered", "completed"]


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        (("P1", "C1+", "P3"), "order.trail_broken"),  # the certificate was never checked
        (("P1", "C1+", "P3", "C2-"), "order.trail_broken"),  # it was, and did not pass
        (("P3", "C2+"), "order.trail_broken"),  # nobody logged in
        ((), "order.trail_broken"),
        (("P1", "C1+", "P3", "C2+", "P6"), "order.trail_broken"),
    ],
)
async def test_a_submission_whose_trail_is_no_path_of_the_act_is_refused_with_its_clause(
    bus: Shep, steps: tuple[str, ...], code: str
) -> None:
    result = await bus.take(submitted(bus, bus.ids.new(), steps))
    assert result.error is not None and result.error.code == code
    assert result.error.clause and result.error.clause.startswith("6 ")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"regulation": "no-such-act"}, "route.unknown_regulation"),
        ({"region": "mars"}, "route.unknown_region"),
        ({"region": "semey"}, "route.region_mismatch"),
        ({"channel": "akim"}, "route.unknown_channel"),
        ({"channel": "provider"}, "route.source_not_allowed"),
        ({"recipient": "nobody"}, "route.recipient_unknown"),
        ({"recipient": "portal-pep"}, "route.recipient_not_allowed"),
        ({"type": "kz.egov.case.invented.v1"}, "route.type_unknown"),
    ],
)
async def test_a_wrong_route_is_refused_by_name(bus: Shep, change: dict[str, str], code: str) -> None:
    result = await bus.take(submitted(bus, bus.ids.new(), **change))
    assert result.error is not None and result.error.code == code
    assert [e.type for e in bus.inbox("rshep.trunk")].count("kz.egov.case.submitted.v1") == 0


async def test_a_regional_system_does_not_enter_by_sheps_own_door(bus: Shep) -> None:
    case = bus.ids.new()
    await bus.take(submitted(bus, case))
    result = await bus.take(registered(bus, case))
    assert result.error is not None and result.error.code == "route.wrong_door"


async def test_a_submission_too_late_after_the_certificate_check_is_refused_at_the_door(bus: Shep) -> None:
    in_time = await bus.take(submitted(bus, bus.ids.new(), ago=60))
    late = await bus.take(submitted(bus, bus.ids.new(), ago=63))
    assert in_time.error is None
    assert late.error is not None and late.error.code == "time.late"
    assert late.error.params["limit_s"] == 60 and "5" in (late.error.clause or "")


async def test_the_strict_policy_refuses_a_late_fact_too_and_a_punctual_one_passes(bus: Shep) -> None:
    case = bus.ids.new()
    await bus.take(submitted(bus, case))
    bus.app.state.running.door.gateway._judge._policies = Policies(time="strict")
    other = bus.ids.new()
    await bus.take(submitted(bus, other))
    assert (await by_trunk(bus, registered(bus, other))).error is None
    await bus.clock.advance(timedelta(hours=3))
    late = await by_trunk(bus, registered(bus, case))
    assert late.error is not None and late.error.code == "time.late" and late.error.params["limit_s"]


async def test_a_fact_is_never_refused_for_time_and_its_lateness_is_in_the_journal(bus: Shep) -> None:
    case = bus.ids.new()
    await bus.take(submitted(bus, case))
    await bus.clock.advance(timedelta(hours=3))
    bus.pki.publish()
    assert (await by_trunk(bus, registered(bus, case))).error is None
    gateway = bus.app.state.running.door.gateway
    async with gateway.parts.db.read() as conn:
        rows = await read_rows(conn, gateway.parts.journal.tables, case_id=case, bodies=BODIES)
    assert any(row.facts["late"] and row.facts["step"] == "P6" for row in rows)


async def test_a_number_that_was_refused_at_the_other_gateway_is_not_waited_for(bus: Shep) -> None:
    case = bus.ids.new()
    await bus.take(submitted(bus, case))
    assert (await by_trunk(bus, registered(bus, case, caseseq=2))).state is EnvelopeState.PARKED
    other = bus.ids.new()
    await bus.take(submitted(bus, other))
    assert (await by_trunk(bus, registered(bus, other, caseseq=2), refused=(1,))).error is None


async def test_what_comes_from_the_future_is_refused(bus: Shep) -> None:
    ahead = bus.clock.now() + timedelta(seconds=30)
    result = await bus.take(submitted(bus, bus.ids.new(), time=ahead))
    assert result.error is not None and result.error.code == "time.in_future"
    result = await bus.take(submitted(bus, bus.ids.new(), ago=-30))
    assert result.error is not None and result.error.code == "time.in_future"


async def test_an_expired_submission_is_refused_even_within_the_acts_limit(bus: Shep) -> None:
    gone = bus.clock.now() - timedelta(seconds=10)
    result = await bus.take(submitted(bus, bus.ids.new(), ago=20, expirytime=gone))
    assert result.error is not None and result.error.code == "time.expired"


async def test_after_a_refusal_the_case_has_ended(bus: Shep) -> None:
    case = bus.ids.new()
    await bus.take(submitted(bus, case))
    await by_trunk(bus, registered(bus, case))
    await by_trunk(bus, refused(bus, case))
    result = await by_trunk(bus, completed(bus, case, caseseq=3))
    assert result.error is not None and result.error.code == "order.case_ended"


async def test_a_result_before_registration_is_out_of_order_and_the_refusal_names_what_was_expected(bus: Shep) -> None:
    case = bus.ids.new()
    await bus.take(submitted(bus, case))
    result = await by_trunk(bus, completed(bus, case, caseseq=1))
    assert result.error is not None and result.error.code == "order.step_not_allowed"
    assert {"type": "case.registered", "step": "P6"} in result.error.params["allowed"]  # type: ignore[operator]
    notices = [e for e in bus.inbox("rshep.trunk") if e.type == "kz.egov.envelope.refused.v1"]
    assert notices[-1].recipient == "provider-arm" and notices[-1].data["problem"]["expected"]


async def test_a_fact_of_a_case_that_nobody_submitted_is_refused(bus: Shep) -> None:
    result = await by_trunk(bus, registered(bus, bus.ids.new()))
    assert result.error is not None and result.error.code == "order.case_unknown"


async def test_in_force_only_refuses_new_cases_of_a_repealed_act_and_lets_running_ones_end(bus: Shep) -> None:
    judge = bus.app.state.running.door.gateway._judge
    case = bus.ids.new()
    await bus.take(submitted(bus, case))
    judge._policies = Policies(force="in_force_only")
    fresh = await bus.take(submitted(bus, bus.ids.new()))
    assert fresh.error is not None and fresh.error.code == "route.regulation_repealed"
    assert (await by_trunk(bus, registered(bus, case))).error is None


async def test_an_act_ends_at_midnight_in_kazakhstan(bus: Shep) -> None:
    judge = bus.app.state.running.door.gateway._judge
    housing = judge._catalogue.by_code[REGULATION]
    tomorrow = bus.clock.now().date() + timedelta(days=1)
    ending = replace(housing, act=replace(housing.act, repealed=replace(housing.act.repealed, date=tomorrow)))
    judge._catalogue = replace(judge._catalogue, regulations=(ending,))
    judge._policies = Policies(force="in_force_only")
    midnight = datetime.combine(tomorrow, time(), ZoneInfo("Asia/Almaty"))
    await bus.clock.advance(midnight - timedelta(seconds=1) - bus.clock.now())
    assert (await bus.take(submitted(bus, bus.ids.new()))).error is None
    await bus.clock.advance(1)
    late = await bus.take(submitted(bus, bus.ids.new()))
    assert late.error is not None and late.error.code == "route.regulation_repealed"


async def test_a_case_keeps_its_parties_and_its_regulation(bus: Shep) -> None:
    case = bus.ids.new()
    await bus.take(submitted(bus, case))
    await bus.http.post(
        "/v1/participants",
        json={
            "code": "other-arm",
            "kind": "provider",
            "name_ru": "x",
            "name_kk": "x",
            "bin": "991240990066",
            "kato": "230000000",
            "regions": ["atyrau"],
            "services": ["*"],
        },
        headers=bus.admin,
    )
    await bus.enrol("other-arm")
    foreign = registered(bus, case, source="other-arm")
    result = await by_trunk(bus, foreign)
    assert result.error is not None and result.error.code == "order.not_party_of_case"


async def test_local_steps_that_ended_a_flow_are_taken_by_shep_itself(bus: Shep) -> None:
    data = {
        "trail": trail(bus, "P1", "C1+", "P3", "C2-"),
        "outcome": {"step": "P4", "code": "certificate.expired"},
    }
    sent = envelope(bus, "steps.reported", bus.ids.new(), "portal-pep", "gateway-shep", "P4", data)
    result = await bus.take(sent)
    assert result.error is None and result.state is EnvelopeState.CONSUMED
    after = await bus.take(submitted(bus, sent.subject, caseseq=2))
    assert after.error is not None and after.error.code == "order.case_ended"


def reads_asked(shep: Shep, **changes: Any) -> Envelope:
    """A person's question who read his data: it stands in no act."""
    nowhere = {"regulation": "-", "channel": "-", "region": "-", "caseseq": 0}
    values = {**nowhere, "expirytime": shep.clock.now() + timedelta(seconds=60), **changes}
    source, recipient = values.pop("source", "portal-pep"), values.pop("recipient", "gbd-fl-mock")
    data = {"iin": "991231600012", "limit": 100}
    return envelope(shep, "query.reads", shep.ids.new(), source, recipient, values.pop("step", "-"), data, **values)


async def test_a_question_who_read_my_data_passes_outside_any_case_and_leaves_none(bus: Shep) -> None:
    await bus.enrol("gbd-fl-mock")
    asked = reads_asked(bus)
    assert (await bus.take(asked)).error is None
    assert [one.id for one in bus.inbox("inbox.gbd-fl-mock") if one.type == asked.type] == [asked.id]
    result = {"code": "00000", "name_ru": "…", "name_kk": "…"}
    data = {"result": result, "answered_at": moment(bus), "iin": "991231600012", "reads": [], "more": False}
    nowhere = {"regulation": "-", "channel": "-", "region": "-", "caseseq": 0, "correlationid": asked.id}
    told = envelope(bus, "answer.reads", asked.subject, "gbd-fl-mock", "portal-pep", "-", data, **nowhere)
    assert (await bus.take(told)).error is None
    assert [one.id for one in bus.inbox("inbox.portal-pep") if one.type == told.type] == [told.id]
    gateway = bus.app.state.running.door.gateway
    async with gateway.parts.db.read() as conn:
        assert (await conn.execute(tables.gateway.cases.select())).all() == []


async def test_a_question_to_a_register_of_the_regions_goes_there_in_one_of_them(bus: Shep) -> None:
    await bus.enrol("registers-mock")
    assert (await bus.take(reads_asked(bus, recipient="registers-mock", region="atyrau"))).error is None
    nowhere = await bus.take(reads_asked(bus, recipient="registers-mock"))
    assert nowhere.error is not None and nowhere.error.code == "route.region_mismatch"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"source": "con-arm"}, "route.source_not_allowed"),
        ({"recipient": "nobody"}, "route.recipient_unknown"),
        ({"recipient": "con-arm"}, "route.recipient_not_allowed"),
        ({"regulation": REGULATION}, "route.unknown_regulation"),
        ({"channel": "portal"}, "route.unknown_regulation"),
        ({"region": "atyrau"}, "route.region_mismatch"),
        ({"expirytime": None}, "time.expired"),
    ],
)
async def test_such_a_question_is_a_portals_to_a_register_and_names_no_act(
    bus: Shep, change: dict[str, Any], code: str
) -> None:
    for participant in ("gbd-fl-mock", "con-arm"):
        await bus.enrol(participant)
    result = await bus.take(reads_asked(bus, **change))
    assert result.error is not None and result.error.code == code
    assert not [one for one in bus.inbox("inbox.gbd-fl-mock") if one.type == "kz.egov.query.reads.v1"]


async def test_a_question_that_ran_out_or_of_the_future_or_of_a_case_goes_no_further(bus: Shep) -> None:
    await bus.enrol("gbd-fl-mock")
    case = bus.ids.new()
    await bus.take(submitted(bus, case))
    of_a_case = replace(reads_asked(bus), subject=case)
    ahead = replace(reads_asked(bus), time=bus.clock.now() + timedelta(seconds=30))
    gone = replace(reads_asked(bus), expirytime=bus.clock.now() - timedelta(seconds=10))
    codes = [(await bus.take(one)).error for one in (of_a_case, ahead, gone)]
    assert [error and error.code for error in codes] == ["order.case_mismatch", "time.in_future", "time.expired"]
