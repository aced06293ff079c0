""" "Обновить статус" (act 427, cl. 9 8)), looking a case up by its number, and waiting for news."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from datetime import datetime
from typing import Any, TypeVar

import pytest

from egovkit.contracts import contracts_dir, read_once
from egovlaw.loader import load_catalogue
from egovorigin.store.records import StoredRecord
from egovorigin.testing import NUMBER
from portal_pep.domain.states import ENDED, CaseState
from portal_pep.domain.steps import portal_flow
from portal_pep.domain.texts import TURN_TEXTS
from portal_pep.domain.waiting import TURNS, Turn, awaited
from portal_pep.service import watching
from portal_pep.service.accounts import identify

pytestmark = pytest.mark.service

T = TypeVar("T")


async def check(citizen: Any, case: str) -> dict[str, Any]:
    answer = await citizen.post(f"/v1/cases/{case}/status-check")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


# --- whose turn it is ---------------------------------------------------------------------------------------------
def test_every_state_that_goes_on_is_somebodys_turn_and_every_turn_has_its_words() -> None:
    assert set(TURNS) == set(CaseState) - ENDED
    assert set(TURN_TEXTS) == set(Turn) and all(text.kk and text.ru and text.en for text in TURN_TEXTS.values())


@pytest.mark.parametrize(
    ("state", "step", "turn", "label"),
    [
        (CaseState.DRAFT, None, Turn.APPLICANT, "P3"),
        (CaseState.PREPARED, None, Turn.APPLICANT, "P5"),
        (CaseState.SUBMITTED, "P5", Turn.GATEWAY, "P5"),
        (CaseState.GATEWAY_REFUSED, "P5", Turn.APPLICANT, "P3"),
        (CaseState.ACCEPTED, "P5", Turn.PROVIDER, "P6"),
        (CaseState.REGISTERED, "P6", Turn.PROVIDER, "C3"),
        (CaseState.PAUSED, "P6", Turn.PROVIDER, "C3"),
        (CaseState.REGISTERED, "C3", Turn.PROVIDER, "P8"),
        (CaseState.REGISTERED, "P99", Turn.PROVIDER, None),
        (CaseState.REGISTERED, None, Turn.PROVIDER, None),
    ],
)
def test_the_step_that_stands_next_is_the_acts(state: CaseState, step: str | None, turn: Turn, label: Any) -> None:
    regulation = read_once(load_catalogue, contracts_dir()).regulation("atyrau-housing-queue")
    assert regulation is not None
    flow = portal_flow(regulation)
    assert flow is not None
    found = awaited(state, step, flow)
    assert found is not None and found.turn is turn
    assert (found.item.label if found.item else None) == label
    assert all(awaited(ended, step, flow) is None for ended in ENDED)


# --- the button ---------------------------------------------------------------------------------------------------
@pytest.mark.law(topic="interface", regulation="atyrau-housing-queue", clause=("9 8)", "9 8) абзац 2"))
@pytest.mark.law(topic="status_check")
async def test_the_button_shows_the_five_things_of_the_act_and_what_is_waited_for(
    world: Any, citizen: Any, sent: Any
) -> None:
    _, provider = sent
    first = await check(citizen, provider.case)
    assert first["told_at"] is None and first["awaited"]["by"] == "gateway" and first["number"] is None
    await provider.say("case.registered", 1)
    told = world.clock.now()
    await world.clock.advance(90)
    found = await check(citizen, provider.case)
    assert (found["iin"], found["number"], found["status"]["code"]) == (citizen.iin, NUMBER, "registered")
    assert found["service"]["title_ru"].startswith("Постановка на учет") and found["term"]["service"] is None
    assert datetime.fromisoformat(found["told_at"]) == told
    assert datetime.fromisoformat(found["asked_at"]) == world.clock.now()
    waited = found["awaited"]
    assert (waited["by"], waited["step"], waited["clause"]) == ("provider", "C3", "6 10)")
    assert waited["text"]["kk"] == "Көрсетілетін қызметті берушінің жауабы күтілуде" and waited["text_ru"]
    assert found["has_result"] is False


async def test_what_came_too_late_to_count_is_not_the_owners_last_word(world: Any, citizen: Any, sent: Any) -> None:
    _, provider = sent
    await provider.say("case.status", 5)
    told = (await check(citizen, provider.case))["told_at"]
    await world.clock.advance(60)
    await provider.say("case.paused", 4)
    assert (await check(citizen, provider.case))["told_at"] == told


@pytest.mark.law(topic="interface", regulation="atyrau-housing-queue", clause="9 8) абзац 3")
async def test_at_the_end_nothing_is_waited_for_and_the_result_is_there(citizen: Any, sent: Any) -> None:
    _, provider = sent
    await provider.say("case.completed", 2)
    found = await check(citizen, provider.case)
    assert found["awaited"] is None and found["has_result"] is True and found["status"]["ended"] is True


async def test_every_look_is_recorded_and_answered_anew(world: Any, citizen: Any, sent: Any) -> None:
    _, provider = sent
    await check(citizen, provider.case)
    history = await citizen.history(provider.case)
    await provider.say("case.registered", 1)
    key = {"key": "the-same"}
    assert (await citizen.post(f"/v1/cases/{provider.case}/status-check", **key)).json()["number"] == NUMBER
    assert (await citizen.post(f"/v1/cases/{provider.case}/status-check", **key)).status_code == 200
    reads = (await citizen.get(f"/v1/cases/{provider.case}/reads")).json()["items"]
    assert [one["what"] for one in reads] == ["status"] * 3
    assert (await citizen.history(provider.case))[: len(history)] == history, "looking is no event of the case"


async def test_nobody_checks_the_status_of_another(world: Any, citizen: Any, sent: Any) -> None:
    _, provider = sent
    stranger = await world.citizen().arrive()
    assert (await stranger.post(f"/v1/cases/{provider.case}/status-check")).json()["code"] == "case.not_found"


# --- by number ----------------------------------------------------------------------------------------------------
@pytest.mark.law(topic="status_check")
async def test_a_case_is_found_by_the_number_the_provider_gave(world: Any, citizen: Any, sent: Any) -> None:
    _, provider = sent
    await citizen.open()
    assert (await citizen.get("/v1/cases", number=NUMBER)).json()["items"] == []
    await provider.say("case.registered", 1)
    (found,) = (await citizen.get("/v1/cases", number=NUMBER)).json()["items"]
    assert found["id"] == provider.case and found["number"] == NUMBER
    stranger = await world.citizen().arrive()
    assert (await stranger.get("/v1/cases", number=NUMBER)).json()["items"] == []


@pytest.mark.parametrize("number", ["1", "2600000000a", "260000000011", "' OR 1=1"])
async def test_what_is_no_number_is_refused(citizen: Any, number: str) -> None:
    assert (await citizen.get("/v1/cases", number=number)).json()["code"] == "request.invalid"


# --- waiting ------------------------------------------------------------------------------------------------------
async def soon(world: Any, coming: Awaitable[T]) -> T:
    """What comes when time goes on; the database works in a thread meanwhile."""
    task = asyncio.ensure_future(coming)
    async with asyncio.timeout(10):
        while not task.done():
            await world.clock.advance(0.5)
    return await task


async def news_of(world: Any, citizen: Any, case: str, after: int = 0) -> Any:
    identity = await identify(world.app.state.portal, citizen.token)
    return watching.watch(world.app.state.portal, identity, case, after)


async def told(world: Any, news: Any) -> StoredRecord:
    while True:
        one: StoredRecord | None = await soon(world, anext(news))
        if one is not None:
            return one


def events_of(text: str) -> list[dict[str, str]]:
    blocks = [block for block in text.split("\n\n") if block.startswith("id:")]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


async def test_what_happened_is_told_at_once_and_what_happens_when_it_does(world: Any, citizen: Any, sent: Any) -> None:
    _, provider = sent
    happened = await citizen.history(provider.case)
    news = await news_of(world, citizen, provider.case)
    assert [(await told(world, news)).record.event for _ in happened] == [one["event"] for one in happened]
    await provider.say("case.registered", 1)
    assert (await told(world, news)).record.event == "registered"
    await provider.say("case.completed", 2)
    assert [(await told(world, news)).record.event for _ in range(2)] == ["step.ok", "completed"]
    with pytest.raises(StopAsyncIteration):
        await soon(world, anext(news))


async def test_silence_is_broken_by_signs_of_life(world: Any, citizen: Any, sent: Any) -> None:
    _, provider = sent
    last = len(await citizen.history(provider.case))
    news = await news_of(world, citizen, provider.case, after=10**6 + last)
    began = world.clock.monotonic()
    for beats in (1, 2):
        assert await soon(world, anext(news)) is None
        assert world.clock.monotonic() - began >= beats * watching.HEARTBEAT_S
    await news.aclose()


async def test_logging_out_ends_what_was_opened_with_the_session(world: Any, citizen: Any, sent: Any) -> None:
    _, provider = sent
    news = await news_of(world, citizen, provider.case)
    for _ in await citizen.history(provider.case):
        await told(world, news)
    await world.http.delete("/v1/sessions/current", headers=citizen.headers())
    await provider.say("case.registered", 1)
    with pytest.raises(StopAsyncIteration):
        await told(world, news)


async def test_nobody_is_held_longer_than_the_longest_wait_or_the_session(
    world: Any, citizen: Any, sent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, provider = sent
    began = world.clock.monotonic()
    with pytest.raises(StopAsyncIteration):
        news = await news_of(world, citizen, provider.case, after=10**6)
        while True:
            await told(world, news)
    assert world.clock.monotonic() - began >= watching.LONGEST_S
    monkeypatch.setattr(watching, "LONGEST_S", 10**6)
    identity = await identify(world.app.state.portal, citizen.token)
    news = watching.watch(world.app.state.portal, identity, provider.case, 10**6)
    await world.clock.advance(identity.session.expires_at - world.clock.now())
    with pytest.raises(StopAsyncIteration):
        await soon(world, anext(news))


async def test_the_stream_is_the_history_line_by_line_and_ends_with_the_case(
    world: Any, citizen: Any, sent: Any
) -> None:
    _, provider = sent
    await provider.say("case.registered", 1)
    waiting = asyncio.ensure_future(citizen.get(f"/v1/cases/{provider.case}/events"))
    await provider.say("case.extended", 2)
    await provider.say("case.completed", 3)
    answer = await soon(world, waiting)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store" and answer.text.startswith("retry: 2000\n\n")
    found, history = events_of(answer.text), await citizen.history(provider.case)
    assert [json.loads(one["data"]) for one in found] == history
    assert [one["event"] for one in found] == [one["event"] for one in history]
    ids = [int(one["id"]) for one in found]
    assert ids == sorted(set(ids))


async def test_who_comes_again_misses_nothing_and_hears_nothing_twice(world: Any, citizen: Any, sent: Any) -> None:
    _, provider = sent
    await provider.say("case.completed", 1)
    path = f"/v1/cases/{provider.case}/events"
    all_ = events_of((await citizen.get(path)).text)
    headers = citizen.headers(**{"last-event-id": all_[2]["id"]})
    again = await world.http.get(path, headers=headers)
    assert events_of(again.text) == all_[3:]
    headers = citizen.headers(**{"last-event-id": all_[-1]["id"]})
    done = await world.http.get(path, headers=headers)
    assert done.status_code == 204 and done.content == b""  # a browser stops coming then


@pytest.mark.parametrize("last", ["-1", "x", "1.5", "9" * 19])
async def test_an_id_that_was_never_given_is_refused(world: Any, citizen: Any, sent: Any, last: str) -> None:
    _, provider = sent
    answer = await world.http.get(
        f"/v1/cases/{provider.case}/events", headers=citizen.headers(**{"last-event-id": last})
    )
    assert answer.json()["code"] == "request.cursor_invalid"


async def test_nobody_listens_to_the_case_of_another(world: Any, citizen: Any, sent: Any) -> None:
    _, provider = sent
    stranger = await world.citizen().arrive()
    assert (await stranger.get(f"/v1/cases/{provider.case}/events")).json()["code"] == "case.not_found"
    assert (await world.http.get(f"/v1/cases/{provider.case}/events")).status_code == 401
