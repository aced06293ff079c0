"""The service as a whole: wiring, settings, migrations, contracts, restarts, PostgreSQL."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from egovkit.bus import Topology
from egovkit.contracts import contracts_dir, read_once
from egovkit.db.migrate import assert_migrations_match
from egovkit.messages import MessageRegister
from enis_mock.handlers import HANDLERS
from enis_mock.seed.deeds import EXAMPLES
from enis_mock.settings import Settings
from enis_mock.tables import metadata

if TYPE_CHECKING:
    from conftest import Starting

    from egovregister.testing import Bench

SOURCES = Path(__file__).parent.parent / "src" / "enis_mock"
VALID = EXAMPLES["valid"]
NUMBER = {name: VALID[name] for name in ("registry_number", "date")}


def test_the_migrations_make_exactly_the_tables() -> None:
    assert_migrations_match("enis_mock", metadata)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ENIS_MOCK_PORT", "9080")
    monkeypatch.setenv("ENIS_MOCK_HOME", str(tmp_path))
    settings = Settings()
    assert (settings.port, settings.code) == (9080, "enis-mock")
    assert settings.database_url.endswith("enis-mock.sqlite3")


def test_every_handler_is_for_a_message_of_the_register() -> None:
    assert set(HANDLERS) <= {spec.type for spec in read_once(MessageRegister.load, contracts_dir())}


def test_the_broker_lets_us_write_to_shep_alone() -> None:
    topology = Topology.load(contracts_dir())
    assert [queue.name for queue in topology.queues if "enis-mock" in queue.writers] == ["shep.ingress"]
    assert [queue.name for queue in topology.queues if queue.owner == "enis-mock"] == ["inbox.enis-mock"]


def test_no_regulation_region_or_step_is_written_into_the_code() -> None:
    words = [path.stem for path in (contracts_dir() / "regulations").glob("*/*.yaml") if path.stem != "decisions"]
    for path in SOURCES.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not [word for word in words if word in text], path
        assert not re.search(r"\"[PC]\d\"", text), path


@pytest.mark.service
async def test_the_service_is_ready_when_it_has_joined(twin: Bench) -> None:
    answer = await twin.http.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


@pytest.mark.service
async def test_the_openapi_document_names_every_route(twin: Bench) -> None:
    paths = (await twin.http.get("/openapi.json")).json()["paths"]
    assert {path for path in paths if path.startswith("/v1/")} == {
        "/v1/attorneys",
        "/v1/attorneys/{attorney_id}",
        "/v1/attorneys/{attorney_id}/revoke",
        "/v1/reads",
        "/v1/control/fault",
        "/v1/control/examples",
    }


@pytest.mark.service
async def test_the_examples_are_given_to_who_may_administer(twin: Bench) -> None:
    assert (await twin.admin.get("/v1/control/examples")).json() == EXAMPLES


@pytest.mark.service
async def test_without_a_token_of_its_own_the_administration_is_closed(starting: Starting) -> None:
    async with starting(admin_token_file=None) as twin:
        answer = await twin.admin.get("/v1/attorneys")
        assert (answer.status_code, answer.json()["code"]) == (503, "register.admin_closed")
        await twin.deliver(twin.question("query.attorney", NUMBER))
        assert len(await twin.answers(1)) == 1, "the bus needs no administrator"


@pytest.mark.service
async def test_a_restart_keeps_what_was_changed_and_seeds_nothing_again(starting: Starting) -> None:
    async with starting() as first:
        assert (await first.admin.post("/v1/attorneys/1/revoke", json={"reason": "Проба"})).status_code == 200
    async with starting() as again:
        [one] = (await again.admin.get("/v1/attorneys", params={"registry_number": "1-101"})).json()["items"]
        assert one["attorney"]["status"]["code"] == "revoked"


@pytest.mark.connected
async def test_the_same_on_postgresql(starting: Starting, postgres_url: str) -> None:
    """Found, revoked and raced, on many connections."""
    async with starting(db_url=postgres_url) as twin:
        sides = ({"principal_iin": VALID["principal_iin"]}, {"representative_iin": VALID["representative_iin"]})
        for criterion in (NUMBER, *sides):
            await twin.deliver(twin.question("query.attorney", criterion))
        answers = await twin.answers(3)
        assert all("1-101" in [one["registry_number"] for one in answer.data["attorneys"]] for answer in answers)
        calls = (twin.admin.post("/v1/attorneys/1/revoke", json={"reason": "Проба"}) for _ in range(4))
        assert sorted(answer.status_code for answer in await asyncio.gather(*calls)) == [200, 409, 409, 409]
