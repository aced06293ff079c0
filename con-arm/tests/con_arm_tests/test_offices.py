"""What a centre does beside the flow: intake where the act only names it, couriers of district branches, regions,
the act's minutes of waiting and service."""

from __future__ import annotations

import base64
import functools
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from egovkit.contracts import contracts_dir, read_once
from egovlaw.catalogue import Regulation
from egovlaw.loader import load_calendar, load_catalogue
from egovorigin.testing import REGULATION, Provider

from .test_counter import words

pytestmark = pytest.mark.service

PAPERS = [{"name": "Жеке куәлік", "kind": "original", "note": None}, {"name": "Справка", "kind": "copy", "note": "2"}]


@functools.cache
def acts() -> tuple[Regulation, ...]:
    return read_once(load_catalogue, contracts_dir()).regulations


NAMED_ONLY = next(
    one for one in acts() for channel in one.channels.values() if channel.origin_kind == "centre" and not channel.flow
)
CARRIED = next(one for one in acts() if any(term.kind == "courier" for term in one.terms))


def use(world: Any, regulation: Regulation) -> None:
    channel = next(one for one in regulation.channels.values() if one.origin_kind == "centre")
    world.shep.regulation, world.shep.channel, world.shep.region = regulation.code, channel.code, regulation.region
    world.steps = {
        name: next(item.label for item in channel.flow if item.kind.name == kind)
        for name, kind in {"case.registered": "register", "case.refused": "refuse_documents"}.items()
    }


@pytest.mark.law(topic="general", regulation="zhambyl-*", clause="1 1)")
async def test_where_the_act_only_names_the_counter_papers_are_taken_in_against_a_receipt(
    world: Any, operator: Any
) -> None:
    """A36: no invented steps, and no envelope."""
    shown = {one["regulation"]: one for one in (await operator.get("/v1/services")).json()["items"]}
    assert shown[NAMED_ONLY.code]["intake_only"] and shown[NAMED_ONLY.code]["steps"] == []
    assert (await operator.post("/v1/cases", {"regulation": NAMED_ONLY.code})).json()["code"] == "service.not_at_centre"
    iin = world.iin()
    body = {"regulation": NAMED_ONLY.code, "iin": iin, "papers": PAPERS, "note": "қайта келеді"}
    answer = await operator.post("/v1/intakes", body, "one")
    assert answer.status_code == 201, answer.text
    made = answer.json()
    receipt = json.loads(base64.b64decode(made["document"]))
    assert made["number"] == receipt["number"] == "2026-000001" and receipt["applicant"] == {"iin": iin}
    assert receipt["text_ru"].startswith("Документы приняты: Жеке куәлік; Справка.") and receipt["papers"] == PAPERS
    assert receipt["text_kk"].startswith("Құжаттар қабылданды: Жеке куәлік; Справка.")
    assert receipt["clauses"] == list(NAMED_ONLY.channels[made["channel"]].clauses)
    assert (await operator.post("/v1/intakes", body, "one")).json() == made
    assert (await operator.get(f"/v1/intakes/{made['id']}")).json() == made
    assert (await operator.get("/v1/intakes")).json()["items"] == [made]
    printed = await operator.get(f"/v1/intakes/{made['id']}/receipt.pdf")
    text = words(printed.content)
    for one in ("РАСПИСКА О ПРИЕМЕ ДОКУМЕНТОВ № 2026-000001", "Жеке куәлік", "қайта келеді", iin, made["sha256"]):
        assert "".join(one.split()) in text, one
    assert world.shep.arrived.empty()
    last = (await world.journal(None))[-1]
    assert (last["action"], last["receipt"], last["by"]) == ("intake.recorded", made["number"], operator.id)
    stranger = await world.hire("stranger", centre="con-2")
    for path in ("", "/receipt.pdf"):
        assert (await stranger.get(f"/v1/intakes/{made['id']}{path}")).json()["code"] == "intake.not_found"
    assert (await stranger.get("/v1/intakes")).json()["items"] == []


async def test_a_wrong_intake_names_its_fields(operator: Any) -> None:
    for change, field in (
        ({"iin": "991231600013"}, "iin"),
        ({"papers": []}, "papers"),
        ({"papers": [{**PAPERS[0], "name": ""}]}, "papers"),
    ):
        body = {"regulation": NAMED_ONLY.code, "iin": "991231600012", "papers": PAPERS, **change}
        answer = await operator.post("/v1/intakes", body)
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"].startswith(field)


async def test_a_service_with_a_flow_at_the_counter_is_not_taken_in_beside_it(world: Any, operator: Any) -> None:
    for code in (REGULATION, "nothing"):
        answer = await operator.post("/v1/intakes", {"regulation": code, "iin": world.iin(), "papers": PAPERS})
        assert answer.status_code == 409 and answer.json()["code"] == "intake.not_for_service"


async def test_a_centre_of_one_region_serves_by_its_acts(world: Any) -> None:
    operator = await world.hire("batyr", region=CARRIED.region)
    shown = {one["region"] for one in (await operator.get("/v1/services")).json()["items"]}
    assert shown == {CARRIED.region}
    answer = await operator.post("/v1/cases", {"regulation": REGULATION})
    assert answer.status_code == 403 and answer.json()["code"] == "service.of_another_region"
    intake = {"regulation": NAMED_ONLY.code, "iin": world.iin(), "papers": PAPERS}
    assert (await operator.post("/v1/intakes", intake)).json()["code"] == "service.of_another_region"
    nowhere = {"login": "nowhere", "name": "Х", "iin": world.iin(), "password": "жасыл-көл-2026", "roles": ["operator"]}
    made = await world.admin("POST", "/v1/operators", {**nowhere, "centre": "con-1", "region": "atlantis"})
    assert made.status_code == 422 and made.json()["errors"][0]["field"] == "region"


@pytest.mark.law(topic="term", regulation="wko-oralman-status", clause="4 1) абзац 2")
async def test_papers_of_a_district_branch_go_by_courier_within_a_term_of_its_own(world: Any) -> None:
    """D15: five working days that are not added to the service's; E10: measured, and no ground to refuse."""
    use(world, CARRIED)
    term = next(one for one in CARRIED.terms if one.kind == "courier")
    operator = await world.hire("batyr", branch=True)
    envelope = await operator.send()
    path = f"/v1/cases/{envelope.subject}/courier"
    early = await operator.post(f"{path}/arrive")
    assert early.status_code == 409 and early.json()["code"] == "courier.wrong_state"
    sent = await operator.post(f"{path}/dispatch")
    assert sent.status_code == 200, sent.text
    at, due = world.clock.now(), load_calendar(contracts_dir()).due(world.clock.now(), term.limit)
    shown = sent.json()
    assert (shown["state"], shown["clause"], shown["overdue"], shown["used"]) == ("dispatched", term.clause, False, 0)
    assert datetime.fromisoformat(shown["due_at"]) == due and due - at > timedelta(days=5)  # a weekend lies between
    assert (await operator.post(f"{path}/dispatch")).json()["code"] == "courier.wrong_state"
    await world.clock.advance(timedelta(days=1))
    await operator.log_in()
    running = (await operator.page(envelope.subject))["courier"]
    assert not running["overdue"] and 0 < running["used"] < 1
    await world.clock.advance(due - at + timedelta(days=2))
    await operator.log_in()
    assert (await operator.page(envelope.subject))["courier"]["overdue"]
    arrived = (await operator.post(f"{path}/arrive")).json()
    assert arrived["state"] == "arrived" and arrived["overdue"] and arrived["used"] > 1
    await world.clock.advance(timedelta(days=10))
    await operator.log_in()
    page = await operator.page(envelope.subject)
    assert page["courier"] == arrived and page["state"] == "submitted"  # nothing is refused for it
    rows = [one for one in await world.journal(envelope.subject) if str(one.get("action", "")).startswith("courier.")]
    assert [one["action"] for one in rows] == ["courier.dispatched", "courier.arrived"] and rows[1]["overdue"]
    await Provider(world, envelope.subject).say("case.registered", 1)
    assert (await operator.page(envelope.subject))["state"] == "registered"


async def test_only_a_district_branch_sends_papers_and_only_where_the_act_speaks_of_it(
    world: Any, operator: Any
) -> None:
    branch = await world.hire("batyr", branch=True)
    case = await branch.open()
    assert (await branch.post(f"/v1/cases/{case}/courier/dispatch")).json()["code"] == "courier.no_term"
    use(world, CARRIED)
    case = await operator.open()
    answer = await operator.post(f"/v1/cases/{case}/courier/dispatch")
    assert answer.status_code == 403 and answer.json()["code"] == "courier.not_a_branch"
    case = await branch.open()
    assert (await branch.post(f"/v1/cases/{case}/courier/dispatch")).json()["code"] == "case.wrong_state"


@pytest.mark.law(topic="term", regulation="wko-oralman-status", clause=("4 2)", "4 3)"))
async def test_waiting_and_service_are_measured_by_the_acts_minutes(world: Any, operator: Any, senior: Any) -> None:
    limits = {one.kind: (one.limit.minutes or 0) * 60 for one in CARRIED.terms}
    ticket = (await operator.post("/v1/tickets", {"regulation": CARRIED.code})).json()
    assert ticket["waiting_term"]["limit_s"] == limits["waiting"] > 0
    assert ticket["counter_term"]["limit_s"] == limits["counter"] > 0
    await world.clock.advance(limits["waiting"] + 1)
    for step in ("call", "start"):
        await operator.post(f"/v1/tickets/{ticket['id']}/{step}")
    await world.clock.advance(limits["counter"] - 1)
    await operator.post(f"/v1/tickets/{ticket['id']}/finish")
    report = (await senior.get("/v1/tickets/report")).json()
    assert (report["waiting"]["over"], report["service"]["over"]) == (1, 0)
