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
from gbd_fl_mock.handlers import HANDLERS
from gbd_fl_mock.seed.population import EXAMPLES
from gbd_fl_mock.settings import Settings
from gbd_fl_mock.tables import metadata

if TYPE_CHECKING:
    from conftest import Starting

    from egovregister.testing import Bench

SOURCES = Path(__file__).parent.parent / "src" / "gbd_fl_mock"
ADULT = EXAMPLES["ordinary_adult"]


def test_the_migrations_make_exactly_the_tables() -> None:
    assert_migrations_match("gbd_fl_mock", metadata)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GBD_FL_MOCK_PORT", "9070")
    monkeypatch.setenv("GBD_FL_MOCK_HOME", str(tmp_path))
    settings = Settings()
    assert (settings.port, settings.code) == (9070, "gbd-fl-mock")
    assert settings.database_url.endswith("gbd-fl-mock.sqlite3")


def test_every_handler_is_for_a_message_of_the_register() -> None:
    assert set(HANDLERS) <= {spec.type for spec in read_once(MessageRegister.load, contracts_dir())}


def test_the_broker_lets_us_write_to_shep_alone() -> None:
    topology = Topology.load(contracts_dir())
    assert [queue.name for queue in topology.queues if "gbd-fl-mock" in queue.writers] == ["shep.ingress"]
    assert [queue.name for queue in topology.queues if queue.owner == "gbd-fl-mock"] == ["inbox.gbd-fl-mock"]


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
        "/v1/persons",
        "/v1/persons/{iin}",
        "/v1/persons/{iin}/history",
        "/v1/reads",
        "/v1/control/fault",
        "/v1/control/examples",
    }


@pytest.mark.service
async def test_the_examples_are_given_to_who_may_administer(twin: Bench) -> None:
    assert (await twin.admin.get("/v1/control/examples")).json() == dict(EXAMPLES)


@pytest.mark.service
async def test_without_a_token_of_its_own_the_administration_is_closed(starting: Starting) -> None:
    async with starting(admin_token_file=None) as twin:
        answer = await twin.admin.get("/v1/persons")
        assert (answer.status_code, answer.json()["code"]) == (503, "register.admin_closed")
        await twin.deliver(twin.question("query.person", {"iin": ADULT}))
        assert len(await twin.answers(1)) == 1, "the bus needs no administrator"


@pytest.mark.service
async def test_a_restart_keeps_what_was_changed_and_seeds_nothing_again(starting: Starting) -> None:
    async with starting() as first:
        body = {"change": {"name": "Жаңа"}, "reason": "Проба"}
        seen = (await first.admin.get(f"/v1/persons/{ADULT}")).headers["etag"]
        await first.admin.patch(f"/v1/persons/{ADULT}", json=body, headers={"if-match": seen})
    async with starting() as again:
        person = (await again.admin.get(f"/v1/persons/{ADULT}")).json()
        assert person["person"]["name"] == "Жаңа"
        assert len((await again.admin.get(f"/v1/persons/{ADULT}/history")).json()["items"]) == person["version"]


@pytest.mark.service
async def test_of_two_who_change_a_record_at_once_one_wins(twin: Bench) -> None:
    await one_wins(twin)


@pytest.mark.connected
async def test_the_same_on_postgresql(starting: Starting, postgres_url: str) -> None:
    """Found, recorded, bent, late and raced, on many connections."""
    async with starting(db_url=postgres_url) as twin:
        await one_wins(twin)
        person = (await twin.admin.get(f"/v1/persons/{ADULT}")).json()["person"]
        names = {name: person[name] for name in ("surname", "name", "patronymic", "birth_date")}
        number = {"document_number": person["documents"][-1]["number"]}
        for criterion in ({"iin": ADULT}, names, number):
            await twin.deliver(twin.question("query.person", criterion))
        answers = await twin.answers(3)
        assert [[one["iin"] for one in answer.data["persons"]] for answer in answers] == [[ADULT]] * 3
        await twin.fault(kind="late", seconds=10, times=1)
        questions = [twin.question("query.person", {"iin": ADULT}) for _ in range(5)]
        await twin.deliver(*questions)
        await twin.answers(7)
        assert [read["fault"] for read in await twin.reads(source="con-arm", limit=5)].count("late") == 1
        await twin.later(11)
        await twin.answers(8)


async def one_wins(twin: Bench) -> None:
    seen = (await twin.admin.get(f"/v1/persons/{ADULT}")).headers["etag"]

    async def one(n: int) -> int:
        body = {"change": {"name": f"Ат-{n}"}, "reason": "Проба"}
        answer = await twin.admin.patch(f"/v1/persons/{ADULT}", json=body, headers={"if-match": seen})
        return answer.status_code

    assert sorted(await asyncio.gather(*(one(n) for n in range(4)))) == [200, 409, 409, 409]
