"""The term of a case: extended, paused and resumed by the head, and escalated when it passes."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from egovkit.bus import Delivery
from egovkit.envelope import Envelope

if TYPE_CHECKING:
    from conftest import Arm, Official, Starting

pytestmark = pytest.mark.service

WHY = {"reason_ru": "Нужен запрос в архив", "reason_kk": "Мұрағатқа сұрау салу керек"}
DAY = timedelta(days=1)


@dataclass
class Desk:
    """An act with a term of its own, worked in its region, and its head."""

    arm: Arm
    head: Official
    region: str
    regulation: str
    sent: list[Delivery]

    async def lodge(self) -> str:
        return await self.arm.lodge(self.regulation, self.region)

    async def pass_time(self, by: timedelta) -> None:
        """Sessions last a working day: the head logs in anew."""
        await self.arm.clock.advance(by)
        login = await self.arm.http.post("/v1/sessions", json={"iin": self.head.iin, "password": self.arm.password})
        self.head.token = login.json()["token"]

    async def told(self, count: int) -> list[Envelope]:
        """What the applicant's side was told, once there are so many messages."""
        async with asyncio.timeout(5):
            while len(self.sent) < count:
                await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        return [Envelope.parse(delivery.body) for delivery in self.sent]

    async def view(self, case: str) -> dict[str, Any]:
        shown = await self.head.get(f"/v1/cases/{case}")
        assert shown.status_code == 200, shown.text
        body: dict[str, Any] = shown.json()
        return body

    async def term(self, case: str) -> dict[str, Any]:
        term: dict[str, Any] = (await self.view(case))["term"]
        return term

    async def overdue(self, **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.head.get("/v1/oversight/overdue", **query)).json()["items"]
        return found

    async def actions(self, case: str) -> list[str]:
        return [row["outcome"] for row in (await self.head.get(f"/v1/cases/{case}/history")).json()["items"]]

    def until(self, moment: str) -> timedelta:
        return datetime.fromisoformat(moment) - self.arm.clock.now()


async def desk_of(arm: Arm, region: str, regulation: str) -> Desk:
    head = await arm.appoint("head", "executor", "authorised", "clerk", region=region)
    return Desk(arm, head, region, regulation, await arm.collect(f"rshep.{region}.ingress"))


@pytest.fixture
async def legal(arm: Arm) -> Desk:
    """Seven working days by the act."""
    return await desk_of(arm, "tayynsha", "tayynsha-social-assistance")


@pytest.fixture
async def computed(arm: Arm) -> Desk:
    """Steps with terms, and none of the whole."""
    return await desk_of(arm, "wko", "wko-home-education-reimbursement")


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_case_shows_the_term_its_act_gives(legal: Desk) -> None:
    case = await legal.lodge()
    term = await legal.term(case)
    assert (term["duration"], term["source"], term["overdue"]) == ("7 working days", "act", False)
    assert term["clause"] == "Приложение 1, таблица 2, 5"
    assert (term["started_at"], term["due_at"]) == ("2026-01-15T04:00:00Z", "2026-01-26T13:00:00Z")


async def test_an_extension_moves_the_end_and_tells_the_applicant_why(legal: Desk) -> None:
    case = await legal.lodge()
    answer = await legal.head.post(f"/v1/cases/{case}/extend", {"until": "2026-02-02T18:00:00+05:00", **WHY})
    assert (answer.status_code, answer.json()["version"], answer.headers["etag"]) == (200, 2, '"2"')
    *_, told = await legal.told(2)
    assert (told.type, told.recipient) == ("kz.egov.case.extended.v1", "portal-pep")
    assert (told.data["until"], told.data["reason_kk"], told.data["version"]) == (
        "2026-02-02T13:00:00.000Z", WHY["reason_kk"], 2,
    )  # fmt: skip
    term = await legal.term(case)
    assert (term["due_at"], [one["reason_ru"] for one in term["extensions"]]) == (
        "2026-02-02T13:00:00Z", [WHY["reason_ru"]],
    )  # fmt: skip
    assert "case.extended" in await legal.actions(case)
    await legal.pass_time(12 * DAY)
    assert (await legal.arm.fire(), await legal.overdue()) == (0, [])


async def test_an_extension_by_working_days_counts_from_the_end(legal: Desk) -> None:
    case = await legal.lodge()
    await legal.head.post(f"/v1/cases/{case}/extend", {"working_days": 3, **WHY})
    assert (await legal.term(case))["due_at"] == "2026-01-29T13:00:00Z"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"until": "2026-02-02T13:00:00Z", "reason_ru": "Нужен запрос"}, (422, "term.extension_without_reason")),
        ({"until": "2026-01-26T13:00:00Z", **WHY}, (422, "term.extension_not_later")),
        ({"until": "2026-03-26T13:00:00Z", **WHY}, (422, "term.extension_beyond")),
        ({"until": "2026-02-02T13:00:00", **WHY}, (422, "request.invalid")),
        ({"until": "2026-02-02T13:00:00Z", "working_days": 1, **WHY}, (422, "request.invalid")),
        (WHY, (422, "request.invalid")),
    ],
)
async def test_a_bad_extension_changes_nothing(legal: Desk, body: dict[str, Any], expected: tuple[int, str]) -> None:
    case = await legal.lodge()
    assert refused(await legal.head.post(f"/v1/cases/{case}/extend", body)) == expected
    shown = await legal.view(case)
    assert (shown["version"], shown["term"]["extensions"]) == (1, [])


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"reason_ru": "missing", "reason_kk": "missing"}),
        ({**WHY, "reason_kk": ""}, {"reason_kk": "too_short"}),
        ({**WHY, "reason_kk": "  "}, {"reason_kk": "invalid"}),
        ({**WHY, "working_days": 3}, {"working_days": "unknown"}),  # no act gives a pause a length
    ],
)
async def test_a_bad_pause_names_its_fields_and_changes_nothing(
    legal: Desk, body: dict[str, Any], fields: dict[str, str]
) -> None:
    case = await legal.lodge()
    answer = await legal.head.post(f"/v1/cases/{case}/pause", body)
    assert refused(answer) == (422, "request.invalid")
    assert {one["field"]: one["code"] for one in answer.json()["errors"]} == fields
    shown = await legal.view(case)
    assert (shown["version"], shown["term"]["paused_since"]) == (1, None)


async def test_only_the_head_rules_the_term_and_the_one_who_saw_it_last(legal: Desk) -> None:
    case = await legal.lodge()
    executor = await legal.arm.appoint("executor", region="tayynsha")
    for path, body in (("extend", {"working_days": 1, **WHY}), ("pause", WHY), ("resume", {})):
        assert refused(await executor.post(f"/v1/cases/{case}/{path}", body)) == (403, "staff.role_not_enough")
    assert (await legal.head.post(f"/v1/cases/{case}/pause", WHY, if_match='"1"')).status_code == 200
    late = await legal.head.post(f"/v1/cases/{case}/extend", {"working_days": 1, **WHY}, if_match='"1"')
    assert refused(late) == (409, "decision.conflict")


async def test_a_pause_stops_the_term_until_it_is_resumed(legal: Desk) -> None:
    case = await legal.lodge()
    assert refused(await legal.head.post(f"/v1/cases/{case}/resume", {})) == (409, "term.not_paused")
    await legal.head.post(f"/v1/cases/{case}/pause", WHY)
    assert refused(await legal.head.post(f"/v1/cases/{case}/pause", WHY)) == (409, "term.already_paused")
    await legal.pass_time(14 * DAY)
    assert await legal.arm.fire() == 0
    assert (await legal.term(case))["overdue"] is False
    await legal.head.post(f"/v1/cases/{case}/resume", {})
    told = await legal.told(3)
    assert [one.type.split(".")[3] for one in told] == ["registered", "paused", "resumed"]
    term = await legal.term(case)
    assert (term["due_at"], term["paused_since"], len(term["pauses"])) == ("2026-02-09T13:00:00Z", None, 1)
    assert "until" not in told[1].data and told[2].data["until"].startswith("2026-02-09T13:00:00")


async def test_a_term_that_passed_is_the_heads_and_the_applicants_to_know_and_work_goes_on(legal: Desk) -> None:
    case = await legal.lodge()
    await legal.pass_time(legal.until((await legal.term(case))["due_at"]))
    await legal.arm.fire()
    *_, told = await legal.told(2)
    assert (told.type, told.data["status"], told.data["version"]) == ("kz.egov.case.status.v1", "overdue", 2)
    assert "Приложение 1, таблица 2, 5" in told.data["text_kk"]
    [late] = await legal.overdue()
    assert (late["case"], late["task"], late["term"], late["open"]) == (case, None, "7 working days", True)
    assert (await legal.actions(case))[-1] == "escalated"
    await legal.pass_time(DAY)
    assert await legal.arm.fire() == 0
    term = await legal.term(case)
    assert (term["overdue"], term["escalated_at"]) == (True, late["at"])
    assert (await legal.head.take(case)).status_code == 200
    assert (await legal.head.check(case)).status_code == 200


async def test_a_case_that_ended_comes_due_no_more(legal: Desk) -> None:
    case = await legal.lodge()
    await legal.head.take(case)
    await legal.head.check(case)
    key = legal.head.certificate()
    prepared = await legal.head.prepare(case, key)
    assert prepared.status_code == 200, prepared.text
    issued = await legal.head.issue(case, base64.b64decode(prepared.json()["document"]), key)
    assert issued.status_code == 200, issued.text
    assert (await legal.term(case))["ended_at"] is not None
    assert refused(await legal.head.post(f"/v1/cases/{case}/pause", WHY)) == (409, "term.ended")
    await legal.pass_time(30 * DAY)
    assert (await legal.arm.fire(), await legal.overdue(all=True)) == (0, [])


async def test_where_only_the_standard_has_a_term_nothing_is_extended(arm: Arm) -> None:
    case, head = await arm.submit(), await arm.appoint("head")
    assert (await head.get(f"/v1/cases/{case}")).json()["term"] is None
    assert refused(await head.post(f"/v1/cases/{case}/pause", WHY)) == (404, "term.none")
    assert refused(await head.get("/v1/oversight/overdue", limit=0)) == (422, "request.invalid")
    executor = await arm.appoint("executor")
    assert refused(await executor.get("/v1/oversight/overdue")) == (403, "staff.role_not_enough")


async def test_a_late_step_is_told_and_a_late_sum_of_steps_is_the_heads_alone(computed: Desk) -> None:
    case = await computed.lodge()
    assert (await computed.view(case))["term"] is None, "it begins with the procedure"
    await computed.head.take(case)
    await computed.head.check(case)
    term = await computed.term(case)
    assert (term["source"], term["duration"]) == ("computed", "9 working days + 30 minutes")
    told = len(await computed.told(2))
    await computed.pass_time(timedelta(minutes=16))
    await computed.arm.fire()
    assert (await computed.told(told + 1))[-1].data["status"] == "overdue"
    [step] = await computed.overdue()
    assert (step["kind"], step["term"], step["open"]) == ("internal", "15 minutes", True)
    await computed.pass_time(30 * DAY)
    await computed.arm.fire()
    assert [one["task"] is None for one in await computed.overdue()] == [True, False]
    assert len(await computed.told(told + 1)) == told + 1


async def test_a_pause_stops_the_steps_too(computed: Desk) -> None:
    case = await computed.lodge()
    await computed.head.take(case)
    await computed.head.check(case)
    await computed.head.post(f"/v1/cases/{case}/pause", WHY)
    await computed.pass_time(timedelta(minutes=60))
    assert await computed.arm.fire() == 0
    await computed.head.post(f"/v1/cases/{case}/resume", {})
    await computed.pass_time(timedelta(minutes=14))
    assert (await computed.arm.fire(), await computed.overdue()) == (0, [])
    task = await computed.head.task_of(case)
    assert (await computed.head.post(f"/v1/tasks/{task['id']}/take")).status_code == 200
    assert (await computed.head.post(f"/v1/tasks/{task['id']}/done", {})).status_code == 200
    await computed.pass_time(timedelta(minutes=10))
    assert (await computed.arm.fire(), await computed.overdue()) == (0, [])


async def test_a_deadline_outlives_the_service(starting: Starting) -> None:
    async with starting() as arm:
        desk = await desk_of(arm, "tayynsha", "tayynsha-social-assistance")
        case = await desk.lodge()
    await arm.clock.advance(20 * DAY)
    async with starting() as again:
        desk.arm = desk.head.arm = again
        await desk.pass_time(DAY)
        await again.fire()
        assert [one["case"] for one in await desk.overdue()] == [case]
