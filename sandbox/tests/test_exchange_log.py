"""`egov log` over the services of a deployment: one order, pages, a whole record, what a gateway's notice was about."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
from typer.testing import CliRunner

from egovkit.clock import HandClock
from egovkit.contracts import contracts_dir, read_once
from egovkit.problems import Problems
from egovkit.sandbox.clock import Control, sandbox_clock, sandbox_control
from egovkit.sandbox.door import sandbox_router
from egovkit.sandbox.exchange_facts import REFUSED, Seen
from egovkit.service import create_service
from egovkit.settings import ServiceSettings
from sandbox.cli import app
from sandbox.composition import PORTAL, SHEP, Home
from sandbox.exchange_log import Log, UnknownExchange, shown, whole
from sandbox.target import Aim, Member, NoTarget, write_members

PLAIN = httpx.AsyncClient
START = datetime(2026, 1, 15, 4, tzinfo=UTC)
CASE = "019bc000-0000-7000-8000-000000000001"
SENT = "019bc000-0000-7000-8000-0000000000aa"


class Portal(ServiceSettings):
    code: ClassVar[str] = PORTAL


class Shep(ServiceSettings):
    code: ClassVar[str] = SHEP


class Deployment:
    """Two services that have nothing but a request log."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.home.clock_token.parent.mkdir()
        self.home.clock_token.write_text("sesame")
        self.members = [Member(code, code, f"http://{code}") for code in (PORTAL, SHEP)]
        write_members(self.home, self.members)
        self.controls = {PORTAL: self._control(Portal(home=folder, sandbox=True))}
        self.controls[SHEP] = self._control(Shep(home=folder, sandbox=True))

    def _control(self, settings: ServiceSettings) -> Control:
        found = sandbox_control(settings, sandbox_clock(settings))
        assert found is not None
        return found

    def client(self) -> httpx.AsyncClient:
        mounts = {}
        for code, control in self.controls.items():
            service = create_service(code, problems=read_once(Problems.load, contracts_dir()), clock=control.clock)
            service.serve(sandbox_router(control))
            mounts[f"http://{code}"] = httpx.ASGITransport(service)
        return PLAIN(mounts=mounts)

    @asynccontextmanager
    async def log(self) -> AsyncIterator[Log]:
        async with self.client() as http:
            yield Log(Aim(http, self.members, "sesame"))

    def message(self, code: str, second: float, envelope: dict[str, object], outcome: str = "confirmed") -> str:
        seen = self.controls[code].exchanges.begin(
            "bus", "out", event="published", queue="shep.ingress", message_id=str(envelope["id"]), outcome=outcome
        )
        seen.request = json.dumps(envelope).encode()
        seen.request_size = len(seen.request)
        return self.ended(code, seen, second)

    def call(self, code: str, second: float, path: str) -> str:
        seen = self.controls[code].exchanges.begin("http", "in", method="GET", path=path, query="", status=200, ms=2.5)
        return self.ended(code, seen, second)

    def ended(self, code: str, seen: Seen, second: float) -> str:
        seen.at = START + timedelta(seconds=second)
        self.controls[code].exchanges.end(seen)
        return seen.id


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path)


async def test_what_all_services_recorded_comes_in_the_order_of_time(deployment: Deployment) -> None:
    wanted = [deployment.call((PORTAL, SHEP)[n % 2], n, f"/v1/{n}") for n in range(8)]
    async with deployment.log() as log:
        assert [one.id for one in await log.find({})] == wanted
        assert [one.id for one in await log.find({}, limit=3)] == wanted[-3:], "the newest of all"
        assert [one.id for one in await log.find({}, system=SHEP)] == wanted[1::2]
        with pytest.raises(NoTarget, match="no system"):
            await log.find({}, system="portal")
        one = await log.get(wanted[3])
        assert (one.member.code, one.facts["path"]) == (SHEP, "/v1/3")
        with pytest.raises(UnknownExchange, match=CASE):
            await log.get(CASE)


async def test_more_than_a_page_is_gathered(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.exchange_log.PAGE", 2)
    wanted = [deployment.call(PORTAL, n, "/v1/x") for n in range(5)]
    async with deployment.log() as log:
        assert [one.id for one in await log.every({})] == wanted
        assert [one.id for one in await log.find({}, limit=3)] == wanted[-3:]


async def test_who_follows_sees_each_once_also_one_that_began_before_what_is_shown(deployment: Deployment) -> None:
    slow = deployment.controls[PORTAL].exchanges.begin(
        "http", "in", method="GET", path="/v1/slow", query="", status=200, ms=2000.0
    )
    first = deployment.call(SHEP, 5, "/v1/first")

    class Pausing(HandClock):
        async def sleep(self, seconds: float) -> None:
            deployment.ended(PORTAL, slow, 4)

    async with deployment.log() as log:
        stream = log.follow({}, START, Pausing(START))
        assert (await anext(stream)).id == first
        assert (await anext(stream)).id == slow.id


async def test_a_gateways_refusal_is_led_back_to_the_envelope_it_refused(deployment: Deployment) -> None:
    step = {"regulation": "atyrau-housing-queue", "channel": "portal", "step": "P5"}
    deployment.message(PORTAL, 1, {"id": SENT, "type": "kz.egov.case.submitted.v1", "subject": CASE, **step})
    problem = {"code": "time.late", "side": "sender", "clause": "6 8)", "detail_en": "Too late.", "remedy_en": "Again."}
    data = {"id": SENT, "problem": {**problem, "used_s": 61.0, "limit_s": 60.0}}
    notice = deployment.message(SHEP, 2, {"id": CASE, "type": REFUSED, "subject": CASE, "data": data})
    lost = deployment.message(SHEP, 3, {"id": CASE, "type": REFUSED, "data": {**data, "id": "gone"}})
    async with deployment.log() as log:
        about = await log.refused_envelope(await log.get(notice))
        assert about["step"] == "P5" and about["id"] == SENT
        assert await log.refused_envelope(await log.get(lost)) == {}
        text = "\n".join(whole(await log.get(notice)))
        [line] = shown(await log.get(notice))
    assert f"type: {REFUSED}" in text and '"limit_s": 60.0' in text
    assert line.startswith("04:00:02.000  gateway-shep") and line.endswith(f"confirmed  [{notice}]")


# --- the command


@pytest.fixture
def told(deployment: Deployment) -> str:
    """The id of a refusal that is in the log, among other things."""

    async def fill() -> str:
        deployment.call(PORTAL, 1, "/v1/cases")
        deployment.message(PORTAL, 2, {"id": SENT, "type": "kz.egov.case.submitted.v1", "subject": CASE})
        problem = {"code": "time.late", "side": "sender", "clause": "6 8)", "detail_en": "Too late."}
        data = {"id": SENT, "problem": {**problem, "remedy_en": "Again.", "used_s": 61.0, "limit_s": 60.0}}
        deployment.controls[SHEP].exchanges.note("slowed on purpose", message_id=CASE)
        refused = deployment.message(SHEP, 3, {"id": CASE, "type": REFUSED, "subject": CASE, "data": data})
        for control in deployment.controls.values():
            await control.exchanges.flush()
        return refused

    return asyncio.run(fill())


@pytest.fixture
def egov(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    monkeypatch.setattr(httpx, "AsyncClient", lambda **_: deployment.client())
    monkeypatch.setattr("sandbox.running.run", asyncio.run)

    def call(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["log", *arguments, "--home", str(deployment.home.path)])
        return done.exit_code, done.output

    return call


def test_a_refusal_is_shown_with_its_reason_and_its_near_miss(told: str, egov: Callable[..., tuple[int, str]]) -> None:
    status, said = egov("--refused")
    assert status == 0
    first, *rest = [line.strip() for line in said.splitlines()]
    assert first.endswith(f"[{told}]")
    assert rest == [
        "note: slowed on purpose",
        "refused: time.late [6 8)] (to act: the sender): Too late.",
        "remedy: Again.",
        "near miss: 1 s earlier would have been in time (limit 60 s)",
    ]
    assert egov("--case", CASE, "--medium", "http") == (0, "")


def test_for_machines_each_exchange_is_a_line_of_json(told: str, egov: Callable[..., tuple[int, str]]) -> None:
    _, said = egov("--json", "--since", "2026-01-15T04:00:01Z")
    found = [json.loads(line) for line in said.splitlines()]
    assert [one["member"] for one in found] == [PORTAL, PORTAL, SHEP]
    assert (found[-1]["id"], found[-1]["near_miss"][:3], found[0]["near_miss"]) == (told, "1 s", None)
    [whole] = [json.loads(line) for line in egov("show", told, "--json")[1].splitlines()]
    assert whole["request"]["size"] > 100


def test_one_is_shown_whole_and_as_curl(told: str, egov: Callable[..., tuple[int, str]]) -> None:
    assert '"limit_s": 60.0' in egov("show", told)[1]
    status, said = egov("curl", told)
    assert status == 0 and said.startswith(f"curl -sS -X POST http://{SHEP}/v1/envelopes")
    status, said = egov("curl", CASE)
    assert (status, said.strip()) == (1, f"no service has an exchange {CASE} (any more)")


def test_a_case_that_sent_nothing_is_no_scenario(told: str, egov: Callable[..., tuple[int, str]]) -> None:
    status, said = egov("scenario", SENT)
    assert status == 1 and "the log has nothing of a case" in said


def test_what_a_deployment_left_is_read_when_it_is_over(
    deployment: Deployment, told: str, egov: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    running = egov("--refused", "--system", SHEP)[1]
    deployment.members.clear()
    kept = ("--kept", str(deployment.home.path))
    status, said = egov("--refused", "--system", SHEP, *kept)
    assert status == 0 and said == running.replace(f"{SHEP:<24}", f"{SHEP + '-1':<24}")
    assert '"limit_s": 60.0' in egov("show", told, *kept)[1]
    assert egov("show", CASE, *kept)[0] == 1
    assert egov("--system", "portal", *kept)[0] == 3
    status, said = egov("--kept", str(tmp_path / "elsewhere"))
    assert status == 3 and "no request log lies in" in said


def test_a_wish_that_makes_no_sense_is_named(told: str, egov: Callable[..., tuple[int, str]]) -> None:
    assert egov("--since", "yesterday")[0] == egov("--since", "2026-01-15T04:00:01")[0] == 2
    assert egov("--medium", "post")[0] == 2
    status, said = egov("--system", "portal")
    assert status == 3 and "no system of this deployment" in said
