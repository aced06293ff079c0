"""The service as a whole: wiring, settings, migrations, contracts, and requests that are no requests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from egovkit.bus import Topology
from egovkit.contracts import contracts_dir, read_once
from egovkit.db.migrate import assert_migrations_match
from egovkit.messages import MessageRegister
from egovkit.problems import Problems
from provider_arm.domain.cases import Role
from provider_arm.handlers import HANDLERS
from provider_arm.settings import Settings
from provider_arm.tables import metadata

if TYPE_CHECKING:
    from conftest import Arm

SOURCES = Path(__file__).parent.parent / "src" / "provider_arm"


def test_the_migrations_make_exactly_the_tables() -> None:
    assert_migrations_match("provider_arm", metadata)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PROVIDER_ARM_PORT", "9050")
    monkeypatch.setenv("PROVIDER_ARM_HOME", str(tmp_path))
    settings = Settings()
    assert (settings.port, settings.code) == (9050, "provider-arm")
    assert settings.database_url.endswith("provider-arm.sqlite3")


def test_every_code_raised_here_is_in_the_contract() -> None:
    known = read_once(Problems.load, contracts_dir()).codes
    raised = {
        code
        for path in SOURCES.rglob("*.py")
        for code in re.findall(r'EgovError\(\s*"([a-z_.]+)"', path.read_text(encoding="utf-8"))
    }
    assert len(raised) > 15
    assert raised <= known


def test_no_regulation_region_or_term_is_written_into_the_code() -> None:
    words = [path.stem for path in (contracts_dir() / "regulations").glob("*/*.yaml")]
    words += ["atyrau", "semey", "tayynsha", "zhambyl", '"wko"', '"P6"', '"C3"', '"P7"', '"P8"']
    for path in SOURCES.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not [word for word in words if word in text and word != "decisions"], path


def test_the_broker_lets_us_write_where_our_facts_go() -> None:
    topology = Topology.load(contracts_dir())
    written = {queue.name for queue in topology.queues if "provider-arm" in queue.writers}
    assert written == {queue.name for queue in topology.queues if re.fullmatch(r"rshep\..+\.ingress", queue.name)}
    assert [queue.name for queue in topology.queues if queue.owner == "provider-arm"] == ["inbox.provider-arm"]


def test_every_handler_is_for_a_message_of_the_register() -> None:
    assert set(HANDLERS) <= {spec.type for spec in read_once(MessageRegister.load, contracts_dir())}


@pytest.mark.service
async def test_the_service_is_ready_when_it_has_joined(arm: Arm) -> None:
    answer = await arm.http.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert answer.json()["checks"].keys() == {"database", "bus", "members"}


@pytest.mark.service
async def test_the_openapi_document_names_every_route(arm: Arm) -> None:
    paths = (await arm.http.get("/openapi.json")).json()["paths"]
    assert {path for path in paths if path.startswith("/v1/")} == {
        "/v1/sessions",
        "/v1/sessions/current",
        "/v1/staff",
        "/v1/staff/{staff_id}",
        "/v1/tasks",
        "/v1/tasks/{task_id}/take",
        "/v1/tasks/{task_id}/release",
        "/v1/tasks/{task_id}/done",
        "/v1/cases",
        "/v1/cases/{case_id}",
        "/v1/cases/{case_id}/attachments/{sha256}",
        "/v1/cases/{case_id}/history",
        "/v1/cases/{case_id}/check",
        "/v1/cases/{case_id}/commission",
        "/v1/cases/{case_id}/register-queries",
        "/v1/cases/{case_id}/procedure",
        "/v1/cases/{case_id}/extend",
        "/v1/cases/{case_id}/pause",
        "/v1/cases/{case_id}/resume",
        "/v1/cases/{case_id}/result/prepare",
        "/v1/cases/{case_id}/result/page",
        "/v1/cases/{case_id}/result",
        "/v1/cases/{case_id}/result.pdf",
        "/v1/own-cases",
        "/v1/own-cases/{case_id}",
        "/v1/own-cases/{case_id}/papers",
        "/v1/own-cases/{case_id}/consumer",
        "/v1/own-cases/{case_id}/queries",
        "/v1/own-cases/{case_id}/form",
        "/v1/own-cases/{case_id}/attachments/{name}",
        "/v1/own-cases/{case_id}/prepare",
        "/v1/own-cases/{case_id}/submit",
        "/v1/own-cases/{case_id}/take",
        "/v1/own-cases/{case_id}/abandon",
        "/v1/intakes",
        "/v1/intakes/refusals",
        "/v1/intakes/{receipt_id}",
        "/v1/intakes/{receipt_id}/receipt.pdf",
        "/v1/cases/{case_id}/give-out",
        "/v1/cases/{case_id}/give-out/prepare",
        "/v1/reads",
        "/v1/incidents",
        "/v1/oversight/overdue",
    }


@pytest.mark.service
@pytest.mark.parametrize(
    ("content", "headers", "expected"),
    [
        (b"{", {"content-type": "application/json"}, (400, "request.malformed_json")),
        (b'{"iin":"1","iin":"2"}', {"content-type": "application/json"}, (400, "request.malformed")),
        (b"iin=1", {"content-type": "application/x-www-form-urlencoded"}, (415, "request.media_type")),
        (b"<a/>", {"content-type": "text/xml"}, (415, "request.media_type")),
        (b'{"x":"' + b"y" * 1_100_000 + b'"}', {"content-type": "application/json"}, (413, "request.too_large")),
    ],
)
async def test_what_is_no_request_is_a_problem(
    arm: Arm, content: bytes, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    answer = await arm.http.post("/v1/sessions", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == expected


@pytest.mark.service
async def test_unknown_ways_and_methods_are_problems(arm: Arm) -> None:
    official = await arm.appoint(*(role.value for role in Role))

    async def code(answer: httpx.Response) -> Any:
        return answer.status_code, answer.json()["code"]

    assert await code(await official.get("/v1/nothing")) == (404, "request.not_found")
    assert await code(await official.post("/v1/cases")) == (405, "request.method_not_allowed")


@pytest.mark.service
async def test_a_restart_goes_on_where_the_first_process_stopped(starting: Any) -> None:
    async with starting() as first:
        case = await first.submit()
        official = await first.appoint("executor")
    async with starting(portal=first.portal, gateway=first.gateway) as again:
        listed = (await again.http.get("/v1/tasks", headers=official.headers)).json()["items"]
        assert [task["case"] for task in listed] == [case]
        await again.submit()
        newest = (await again.http.get("/v1/cases", params={"sort": "-number"}, headers=official.headers)).json()
        assert newest["items"][0]["number"] == "26000000002"
