"""The same portal on PostgreSQL: what SQLite forgives."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from portal_pep.settings import PortalPepSettings
from portal_pep.store import surveys
from portal_pep.store.surveys import Survey

pytestmark = pytest.mark.connected

KAZAKH = "ӘәҒғҚқҢңӨөҰұҮүҺһІі"


@pytest.fixture
def settings(settings: PortalPepSettings, postgres_url: str) -> PortalPepSettings:
    return settings.model_copy(update={"db_url": postgres_url})


async def test_an_application_goes_its_way_on_postgresql(world: Any, citizen: Any) -> None:
    case = await citizen.open()
    assert (await citizen.put_form(case, {"surname": KAZAKH})).status_code == 200
    assert (await citizen.attach(case, f"{KAZAKH}.pdf")).status_code == 200
    assert (await citizen.submit(case, citizen.sign(await citizen.prepared(case)))).status_code == 202
    envelope = await world.shep.next()
    await world.shep.accept(envelope)
    await world.shep.refuse(envelope, "time.late")
    assert (await citizen.submit(case, citizen.sign(await citizen.prepared(case)))).status_code == 202
    page = await citizen.page(case)
    assert page["form"] == {"surname": KAZAKH} and page["status"]["code"] == "submitted"
    assert [one["event"] for one in await citizen.history(case)][-1] == "submitted"
    assert await citizen.notices() == ["accepted", "gateway_refused"]


async def test_two_submits_at_once_send_one_envelope(world: Any, citizen: Any) -> None:
    case = await citizen.open()
    signature = citizen.sign(await citizen.prepared(case))
    answers = await asyncio.gather(*(citizen.submit(case, signature) for _ in range(4)))
    assert sorted(one.status_code for one in answers) == [202, 409, 409, 409]
    await world.shep.next()
    assert world.shep.arrived.empty()


async def test_guesses_at_once_are_counted_one_by_one(world: Any) -> None:
    citizen = world.citizen()
    await citizen.register()
    answers = await asyncio.gather(*(citizen.log_in(f"wrong password {n}") for n in range(12)))
    assert sum(one.status_code == 401 for one in answers) == 5


async def test_the_end_of_a_case_is_read_kept_judged_and_counted_on_postgresql(
    world: Any, citizen: Any, sent: Any
) -> None:
    _, provider = sent
    await provider.say("case.completed", 1)
    case = provider.case
    assert (await citizen.get(f"/v1/cases/{case}/result.pdf")).content.startswith(b"%PDF-")
    checked = (await citizen.post(f"/v1/cases/{case}/status-check")).json()
    assert checked["told_at"] and checked["has_result"]
    assert [one["what"] for one in (await citizen.get(f"/v1/cases/{case}/reads")).json()["items"]] == ["status", "pdf"]
    (found,) = (await citizen.get("/v1/cases", number=checked["number"])).json()["items"]
    assert found["id"] == case
    for option in (1, 3):
        given = await citizen.post(f"/v1/cases/{case}/survey", {"answers": {"quality_of_result": option}})
        assert given.json()["given"]["answers"] == {"quality_of_result": option}
    before = world.clock.now()
    async with world.app.state.node.db.begin() as conn:
        for _ in range(5):
            survey = Survey(world.app.state.node.ids.new(), found["service"]["regulation"], 1, before, before)
            await surveys.put(conn, survey, {"quality_of_result": 2}, first=True)
    await world.clock.advance(timedelta(days=1))
    counts = (await world.http.get(f"/v1/surveys/{found['service']['regulation']}")).json()
    options = counts["questions"][0]["options"]
    assert counts["people"] == 5 and sum(one["count"] for one in options) == 5
    newest = (await citizen.log_in()) and (await citizen.get("/v1/notifications")).json()["items"][0]["id"]
    marked = (await citizen.post("/v1/notifications/read", {"up_to": newest})).json()
    assert marked["unread"] == 0 and marked["marked"] >= 1
