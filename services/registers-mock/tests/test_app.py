"""The service as a whole: wiring, settings, migrations, contracts, administration, restarts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from egovkit.bus import Topology
from egovkit.contracts import contracts_dir, read_once
from egovkit.db.migrate import assert_migrations_match
from egovkit.messages import MessageRegister
from egovlaw.identifiers import synthetic_iin
from registers_mock.handlers import HANDLERS
from registers_mock.settings import Settings
from registers_mock.tables import metadata

if TYPE_CHECKING:
    from conftest import Starting

    from egovregister.testing import Bench

SOURCES = Path(__file__).parent.parent / "src" / "registers_mock"
NEW = synthetic_iin(3000)


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "register": "housing_queue",
        "region": "atyrau",
        "person_iin": NEW,
        "since": "2026-01-10",
        "family_size": 3,
        **changes,
    }


def test_the_migrations_make_exactly_the_tables() -> None:
    assert_migrations_match("registers_mock", metadata)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REGISTERS_MOCK_PORT", "9090")
    monkeypatch.setenv("REGISTERS_MOCK_HOME", str(tmp_path))
    settings = Settings()
    assert (settings.port, settings.code) == (9090, "registers-mock")
    assert settings.database_url.endswith("registers-mock.sqlite3")


def test_every_handler_is_for_a_message_of_the_register() -> None:
    assert set(HANDLERS) <= {spec.type for spec in read_once(MessageRegister.load, contracts_dir())}


def test_the_broker_lets_us_write_to_the_doors_of_our_regions_alone() -> None:
    topology = Topology.load(contracts_dir())
    written = {queue.name for queue in topology.queues if "registers-mock" in queue.writers}
    doors = {queue.name for queue in topology.queues if re.fullmatch(r"rshep\..+\.ingress", queue.name)}
    assert written == doors
    assert [queue.name for queue in topology.queues if queue.owner == "registers-mock"] == ["inbox.registers-mock"]


def test_no_regulation_region_or_step_is_written_into_the_code() -> None:
    paths = list((contracts_dir() / "regulations").glob("*/*.yaml"))
    words = {path.stem for path in paths} | {f'"{path.parent.name}"' for path in paths}
    for path in SOURCES.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not [word for word in words if word in text and word != "decisions"], path
        assert not re.search(r"\"[PC]\d\"", text), path


@pytest.mark.service
async def test_the_service_is_ready_when_it_has_joined(twin: Bench) -> None:
    answer = await twin.http.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


@pytest.mark.service
async def test_every_region_has_an_example_of_every_register(twin: Bench) -> None:
    given = (await twin.admin.get("/v1/control/examples")).json()
    assert len(given) == 5
    for named in given.values():
        assert {"guardianship", "unemployed", "social_assistance", "kindergarten_queue", "housing_queue"} <= set(named)
        assert {"unemployed_ended", "social_assistance_ended", "absent"} <= set(named)


@pytest.mark.service
async def test_without_a_token_of_its_own_the_administration_is_closed(starting: Starting) -> None:
    async with starting(admin_token_file=None) as twin:
        for path in ("/v1/entries", "/v1/control/queues/housing_queue/atyrau", "/v1/control/examples"):
            answer = await twin.admin.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "register.admin_closed")
        assert (await twin.admin.post("/v1/entries", json=entry())).status_code == 503


@pytest.mark.service
async def test_an_entry_of_an_administrator_gets_the_next_number_once(twin: Bench) -> None:
    made = await twin.admin.post("/v1/entries", json=entry())
    assert made.status_code == 201, made.text
    told = made.json()
    assert (told["category"]["code"], told["status"]["code"]) == ("general", "standing")
    again = await twin.admin.post("/v1/entries", json=entry())
    assert (again.status_code, again.json()["code"]) == (409, "entry.standing")
    [read] = [one for one in (await twin.admin.get("/v1/entries", params={"iin": NEW})).json()["items"]]
    assert read == told
    assert "list" not in {one["criterion"] for one in await twin.reads()}, "it was asked for by ИИН"
    actions = [line["action"] for line in await twin.journal("admin")]
    assert actions.count("entry.created") == 1


@pytest.mark.service
@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"region": "nowhere"}, "region"),
        ({"person_iin": "991231600013"}, "person_iin"),
        ({"person_iin": "900101300017"}, "person_iin"),
        ({"category": "friends"}, "category"),
        ({"since": "2027-01-01"}, "since"),
        ({"related_iin": NEW}, "related_iin"),
        ({"register": "unemployed", "category": "general"}, "category"),
    ],
)
async def test_a_wrong_entry_names_its_field(twin: Bench, wrong: dict[str, Any], field: str) -> None:
    answer = await twin.admin.post("/v1/entries", json=entry(**wrong))
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field])


@pytest.mark.service
async def test_who_ends_an_entry_or_serves_a_list_has_seen_whom_it_was_about(twin: Bench) -> None:
    served = (await twin.admin.post("/v1/control/queues/housing_queue/atyrau/serve", json={})).json()
    assert [read["outcome"] for read in await twin.reads(iin=served["person_iin"])] == ["shown"]
    made = (await twin.admin.post("/v1/entries", json=entry())).json()
    ended = await twin.admin.post(f"/v1/entries/{made['id']}/end", json={})
    assert ended.json()["person_iin"] == NEW
    assert [read["criterion"] for read in await twin.reads(iin=NEW)] == ["number"]


@pytest.mark.service
async def test_an_empty_list_and_an_unknown_entry_are_told(twin: Bench) -> None:
    path = "/v1/control/queues/kindergarten_queue/atyrau/serve"
    answer = await twin.admin.post(path, json={"category": "orphan"})
    assert (answer.status_code, answer.json()["code"]) == (409, "queue.empty")
    answer = await twin.admin.post("/v1/control/queues/unemployed/atyrau/serve", json={})
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    answer = await twin.admin.post("/v1/entries/housing_queue/atyrau/999/end", json={})
    assert (answer.status_code, answer.json()["code"]) == (404, "entry.unknown")


@pytest.mark.service
async def test_the_list_is_turned_page_by_page(twin: Bench) -> None:
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": 7, **({} if cursor is None else {"cursor": cursor})}
        page = (await twin.admin.get("/v1/entries", params=params)).json()
        seen += [one["id"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) > 40


@pytest.mark.service
async def test_a_restart_keeps_what_was_changed_and_seeds_nothing_again(starting: Starting) -> None:
    async with starting() as first:
        before = (await first.admin.get("/v1/entries", params={"limit": 200})).json()["items"]
        assert (await first.admin.post(f"/v1/entries/{before[0]['id']}/end", json={})).status_code == 200
    async with starting() as again:
        after = (await again.admin.get("/v1/entries", params={"limit": 200})).json()["items"]
        assert [one["id"] for one in after] == [one["id"] for one in before]
        assert after[0]["status"]["code"] == "ended"
