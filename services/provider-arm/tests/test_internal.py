"""The internal procedures of act 34 as tasks: every one of the catalogue to its end, and what may go wrong."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from egovkit.contracts import contracts_dir, read_once
from egovlaw.catalogue import Duration, InternalStep, Regulation
from egovlaw.identifiers import synthetic_iin
from egovlaw.loader import load_catalogue
from egovlaw.terms import lodged_in
from provider_arm.domain.cases import Answer, OfficeKind
from provider_arm.domain.internal import Draft, Running, after, desks_of, key_of, makes_result

if TYPE_CHECKING:
    from conftest import Arm, Official

CATALOGUE = read_once(load_catalogue, contracts_dir())
WITH_PROCEDURE = [one for one in CATALOGUE.regulations if one.internal_procedure]
AT_COUNTER = [one for one in WITH_PROCEDURE if "state_corporation" in one.channels]
ORALMAN = next(one for one in AT_COUNTER if any(step.only_for == "positive" for step in one.internal_procedure))
EVERY_ROLE = ("clerk", "executor", "head", "authorised", "division_head", "commission")
TEXTS = {"text_ru": "Основания имеются", "text_kk": "Негіздер бар"}
codes = [one.code for one in AT_COUNTER]


def running(regulation: Regulation, channel: str, answer: Answer = Answer.POSITIVE) -> Running:
    return Running("case", lodged_in(regulation, channel), None, None, Draft(answer))  # type: ignore[arg-type]


# --- the rules --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("regulation", WITH_PROCEDURE, ids=lambda one: one.code)
def test_every_procedure_signs_its_result_before_it_is_given_out(regulation: Regulation) -> None:
    for channel in regulation.channels:
        steps = running(regulation, channel).steps(regulation)
        signing = [n for n, step in enumerate(steps) if makes_result(steps, step)]
        assert len(signing) == 1 and steps[-1].task == "issue"
        assert signing[0] < len(steps) - 1
        walked: list[InternalStep] = [steps[0]]
        while (following := after(steps, walked[-1])) is not None:
            walked.append(following)
        assert tuple(walked) == steps


def test_a_refused_oralman_jumps_from_the_decision_to_the_journal() -> None:
    """D14."""
    steps = running(ORALMAN, "state_corporation", Answer.NEGATIVE).steps(ORALMAN)
    assert [step.n for step in steps] == [1, 2, 3, 4, 5, 6, 10]
    assert [step.n for step in steps if makes_result(steps, step)] == [6]
    granted = running(ORALMAN, "state_corporation").steps(ORALMAN)
    assert [step.n for step in granted if makes_result(granted, step)] == [9]


def test_what_the_akim_took_in_goes_on_at_the_centre() -> None:
    """D3: five steps with the akim, the Centre's without its own commission, and the akim's clerk at the end."""
    regulation = next(one for one in WITH_PROCEDURE if any(step.branch == "akim" for step in one.internal_procedure))
    lodged = running(regulation, "akim")
    steps = lodged.steps(regulation)
    assert [key_of(step) for step in steps] == [
        *(f"akim/{n}" for n in range(1, 6)), "centre/1", "centre/2", *(f"centre/{n}" for n in range(5, 11)),
    ]  # fmt: skip
    assert desks_of(lodged, steps[0]) == {OfficeKind.AKIM}
    assert desks_of(lodged, steps[5]) == {OfficeKind.EMPLOYMENT_CENTRE}
    assert [step.n for step in running(regulation, "employment_centre").steps(regulation)] == list(range(1, 10))


# --- at work ----------------------------------------------------------------------------------------------------


async def checked(arm: Arm, regulation: Regulation) -> tuple[str, Official]:
    """A case of the Corporation whose documents are in order, and an official who may do everything."""
    operator = arm.pki.person(synthetic_iin(3), profile="employee_sign", bin_=arm.centre_bin)
    place = {"regulation": regulation.code, "region": regulation.region, "provider": regulation.region}
    body = arm.application(key=operator, channel="state_corporation", **place)
    sent = arm.submission(body, operator, provider=regulation.region)
    envelope = replace(
        sent, source="con-arm", step="P5", channel="state_corporation", regulation=regulation.code,
        region=regulation.region,
    )  # fmt: skip
    await arm.deliver(arm.wire(envelope, arm.centre))
    official = await arm.appoint(*EVERY_ROLE, region=regulation.region)
    await official.take(envelope.subject)
    assert (await official.check(envelope.subject)).status_code == 200
    return envelope.subject, official


async def done(official: Official, task: dict[str, Any], **changes: Any) -> httpx.Response:
    left: dict[str, Any] = {"executor": official.id} if task["internal"]["task"] == "assign" else {}
    if task["internal"]["task"] in ("examine", "prepare", "conclude"):
        left |= TEXTS
    return await official.post(f"/v1/tasks/{task['id']}/done", left | changes)


async def step(official: Official, case: str, **changes: Any) -> dict[str, Any]:
    """Takes the open task and does it; the task."""
    assert (await official.take(case)).status_code == 200
    task: dict[str, Any] = await official.task_of(case)
    if task["kind"] == "issue_result":
        key = official.certificate()
        prepared = await official.prepare(case, key)
        assert prepared.status_code == 200, prepared.text
        answer = await official.issue(case, base64.b64decode(prepared.json()["document"]), key)
    else:
        answer = await done(official, task, **changes)
    assert answer.status_code == 200, answer.text
    return task


async def walk(official: Official, case: str, **drafted: Any) -> list[tuple[str, int]]:
    """Everything to the end; the steps done. `drafted` bends what the executor leaves."""
    found = []
    while (await official.get(f"/v1/cases/{case}")).json()["state"] == "awaiting_result":
        task = await official.task_of(case)
        bent = drafted if task["internal"]["task"] == "examine" else {}
        found.append((await step(official, case, **bent))["internal"])
    return [(one["branch"], one["n"]) for one in found]


@pytest.mark.service
@pytest.mark.parametrize("regulation", AT_COUNTER, ids=codes)
@pytest.mark.law(
    topic="internal", regulation=("wko-asp-*", "wko-home-*", "wko-oralman-*", "wko-p*", "wko-s*", "wko-wheelchairs")
)
async def test_a_case_of_the_corporation_goes_through_every_step_to_its_result(
    arm: Arm, regulation: Regulation
) -> None:
    case, official = await checked(arm, regulation)
    assert await walk(official, case) == [(one.branch, one.n) for one in regulation.internal_steps()]
    shown = (await official.get(f"/v1/cases/{case}")).json()
    assert shown["state"] == "completed" and shown["answer"]["kind"] == "result"
    procedure = (await official.get(f"/v1/cases/{case}/procedure")).json()
    assert {one["state"] for one in procedure["steps"]} == {"done"}
    assert [one["step"]["clause"] for one in procedure["steps"]] == [one.clause for one in regulation.internal_steps()]


@pytest.mark.service
async def test_the_term_of_each_step_is_the_acts_in_working_days(arm: Arm) -> None:
    """Seven working days from a Thursday morning, clause 7 3) of the ordinary procedure."""
    seven = Duration(working_days=7)
    regulation = next(one for one in AT_COUNTER if seven in {s.limit for s in one.internal_procedure})
    case, official = await checked(arm, regulation)
    await step(official, case)
    await step(official, case)
    task = await official.task_of(case)
    assert task["limit"]["term"] == "7 working days"
    assert task["limit"]["due_at"] == "2026-01-26T13:00:00Z", (
        "Thursday 15 January, counted from the 16th, 18:00 in Oral"
    )
    assert not task["limit"]["overdue"]


@pytest.mark.service
async def test_a_refusal_drafted_where_the_act_allows_it_is_signed_and_sent_as_negative(arm: Arm) -> None:
    case, official = await checked(arm, ORALMAN)
    assert [n for _, n in await walk(official, case, outcome="negative")] == [1, 2, 3, 4, 5, 6, 10]
    answer = (await official.get(f"/v1/cases/{case}")).json()["answer"]
    document = json.loads(base64.b64decode(answer["document"]))
    assert (document["kind"], document["outcome"]) == ("result", "negative")


@pytest.mark.service
async def test_no_refusal_is_drafted_where_the_act_has_none(arm: Arm) -> None:
    """D6: it refuses at the document check."""
    regulation = next(one for one in AT_COUNTER if not any(step.negative for step in one.internal_procedure))
    case, official = await checked(arm, regulation)
    await step(official, case)
    await step(official, case)
    await official.take(case)
    answer = await done(official, await official.task_of(case), outcome="negative")
    assert (answer.status_code, answer.json()["code"]) == (409, "internal.no_refusal_here")
    assert answer.json()["clause"]


@pytest.mark.service
async def test_what_is_not_agreed_is_drafted_again(arm: Arm) -> None:
    case, official = await checked(arm, ORALMAN)
    for _ in range(4):
        await step(official, case)
    await step(official, case, agreed=False, note="Не указан срок")
    again = await official.task_of(case)
    assert (again["internal"]["n"], again["internal"]["task"]) == (4, "examine")
    await step(official, case)
    assert (await official.task_of(case))["internal"]["n"] == 5


@pytest.mark.service
async def test_the_wrong_role_desk_or_executor_does_no_step(arm: Arm) -> None:
    case, official = await checked(arm, AT_COUNTER[0])
    executor = await arm.appoint("executor", region="wko")
    refused = await executor.take(case)
    assert (refused.status_code, refused.json()["code"]) == (403, "staff.role_not_enough")
    await step(official, case)
    await step(official, case)
    refused = await executor.take(case)
    assert (refused.status_code, refused.json()["code"]) == (403, "internal.other_executor")


@pytest.mark.service
async def test_of_two_who_finish_one_step_one_wins_and_the_next_step_opens_once(arm: Arm) -> None:
    case, official = await checked(arm, AT_COUNTER[0])
    await official.take(case)
    task = await official.task_of(case)
    answers = await asyncio.gather(done(official, task), done(official, task))
    assert sorted(one.status_code for one in answers) == [200, 409]
    assert next(one for one in answers if one.status_code == 409).json()["code"] == "task.done"
    procedure = (await official.get(f"/v1/cases/{case}/procedure")).json()
    assert [one["state"] for one in procedure["steps"]][:3] == ["done", "open", None]


@pytest.mark.service
async def test_a_step_without_what_it_has_to_leave_is_not_done(arm: Arm) -> None:
    case, official = await checked(arm, AT_COUNTER[0])
    await step(official, case)
    await official.take(case)
    answer = await official.post(f"/v1/tasks/{(await official.task_of(case))['id']}/done", {"executor": "nobody"})
    assert (answer.status_code, [one["field"] for one in answer.json()["errors"]]) == (422, ["executor"])
    assert (await official.task_of(case))["state"] == "taken"


@pytest.mark.service
@pytest.mark.law(topic="result", regulation="wko-targeted-social-assistance")
@pytest.mark.parametrize("outcome", ["positive", "negative"])
async def test_what_the_employment_centre_takes_in_ends_in_the_notice_of_its_decision(arm: Arm, outcome: str) -> None:
    """Clause 3: the notice of award, or of refusal; nine steps at two desks, none of it on the bus."""
    regulation = next(one for one in WITH_PROCEDURE if {step.branch for step in one.internal_procedure} >= {"akim"})
    desks = {
        desk: await arm.appoint(*EVERY_ROLE, region=regulation.region, office_kind=desk)
        for desk in ("employment_centre", "provider")
    }
    papers = [{"name": "Удостоверение личности", "kind": "original", "note": ""}]
    body = {"regulation": regulation.code, "channel": "employment_centre", "iin": arm.applicant, "papers": papers}
    taken_in = await desks["employment_centre"].post("/v1/intakes", body)
    assert taken_in.status_code == 201, taken_in.text
    case, found = taken_in.json()["case"], []
    while (await desks["provider"].get(f"/v1/cases/{case}")).json()["state"] not in ("completed", "handed_over"):
        task = await desks["provider"].task_of(case)
        official = desks[task["internal"]["office"]]
        bent = {"outcome": outcome} if task["internal"]["task"] == "examine" else {}
        found.append((await step(official, case, **bent))["internal"]["n"])
    assert found == list(range(1, 10))
    answer = (await desks["provider"].get(f"/v1/cases/{case}")).json()["answer"]
    assert json.loads(base64.b64decode(answer["document"]))["outcome"] == outcome
