"""Sending a draft of the internal procedure back: only where it is judged, and with a reason."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from egovkit.contracts import contracts_dir, read_once
from egovlaw.identifiers import synthetic_iin
from egovlaw.loader import load_catalogue

if TYPE_CHECKING:
    from conftest import Arm, Official

JUDGED = next(
    one
    for one in read_once(load_catalogue, contracts_dir()).regulations
    if "state_corporation" in one.channels and any(step.task == "approve" for step in one.internal_procedure)
)
LEFT: dict[str, dict[str, Any]] = {
    "examine": {"text_ru": "Основания имеются", "text_kk": "Негіздер бар"},
    "prepare": {"text_ru": "Удостоверение", "text_kk": "Куәлік"},
}


async def begun(arm: Arm) -> tuple[str, Official]:
    operator = arm.pki.person(synthetic_iin(3), profile="employee_sign", bin_=arm.centre_bin)
    place = {"regulation": JUDGED.code, "region": JUDGED.region, "provider": JUDGED.region}
    body = arm.application(key=operator, channel="state_corporation", **place)
    sent = replace(
        arm.submission(body, operator, provider=JUDGED.region),
        source="con-arm", step="P5", channel="state_corporation", regulation=JUDGED.code, region=JUDGED.region,
    )  # fmt: skip
    await arm.deliver(arm.wire(sent, arm.centre))
    every = ("clerk", "executor", "head", "authorised", "division_head")
    official = await arm.appoint(*every, region=JUDGED.region)
    await official.take(sent.subject)
    assert (await official.check(sent.subject)).status_code == 200
    return sent.subject, official


async def taken(official: Official, case: str) -> dict[str, Any]:
    assert (await official.take(case)).status_code == 200
    found: dict[str, Any] = await official.task_of(case)
    return found


async def finish(official: Official, task: dict[str, Any], **changes: Any) -> httpx.Response:
    left = {"executor": official.id} if task["internal"]["task"] == "assign" else LEFT.get(task["internal"]["task"], {})
    return await official.post(f"/v1/tasks/{task['id']}/done", left | changes)


async def until(official: Official, case: str, kind: str) -> dict[str, Any]:
    """Everything before the first step of this kind; that step, taken."""
    while (task := await taken(official, case))["internal"]["task"] != kind:
        if task["kind"] == "issue_result":
            key = official.certificate()
            document = (await official.prepare(case, key)).json()["document"]
            assert (await official.issue(case, base64.b64decode(document), key)).status_code == 200
        else:
            assert (await finish(official, task)).status_code == 200
    return task


@pytest.mark.service
async def test_nothing_goes_back_without_a_reason(arm: Arm) -> None:
    case, official = await begun(arm)
    task = await until(official, case, "approve")
    answer = await finish(official, task, agreed=False, note=" ")
    assert (answer.status_code, [one["field"] for one in answer.json()["errors"]]) == (422, ["note"])
    assert (await official.task_of(case))["state"] == "taken"


@pytest.mark.service
@pytest.mark.parametrize("kind", ["examine", "issue"])
async def test_a_step_that_judges_no_draft_sends_nothing_back(arm: Arm, kind: str) -> None:
    """At `issue` the result is signed already: to draft it again would undo a signature."""
    case, official = await begun(arm)
    task = await until(official, case, kind)
    answer = await finish(official, task, agreed=False, note="Не согласен")
    assert (answer.status_code, answer.json()["code"]) == (409, "internal.nothing_to_send_back")
    assert answer.json()["clause"]
    assert (await official.task_of(case))["id"] == task["id"]
