"""What the workstation promises outside its code: migrations, error codes, OpenAPI, no law in Python."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from con_arm import tables
from con_arm.store.cases import cases as store
from egovkit.contracts import contracts_dir
from egovkit.db.migrate import assert_migrations_match
from egovkit.errors import EgovError

SOURCES = sorted((Path(__file__).parents[2] / "src").rglob("*.py"))


def test_the_migrations_make_exactly_the_tables() -> None:
    assert_migrations_match("con_arm", tables.metadata)


def test_every_code_the_workstation_raises_has_its_words() -> None:
    known = set(yaml.load((contracts_dir() / "errors.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    raised = set(re.findall(r'EgovError\(\s*"([a-z_.]+)"', text)) | set(re.findall(r'"(attachment\.[a-z_]+)"', text))
    assert len(raised) > 40 and raised <= known, raised - known


def test_no_regulation_region_or_step_label_is_written_in_the_code() -> None:
    catalogue = re.compile(r"atyrau|semey|tayynsha|zhambyl|\bwko\b|housing")
    label = re.compile(r"""["'](pre1|[PC][0-9])["']""")
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert not catalogue.search(text) and not label.search(text), path


@pytest.mark.service
async def test_the_openapi_document_names_every_call_and_the_limits_of_the_form(world: Any) -> None:
    document = (await world.http.get("/openapi.json")).json()
    values = document["components"]["schemas"]["FormFilled"]["properties"]["values"]
    assert values["maxProperties"] == 100 and values["additionalProperties"]["anyOf"][0]["maxLength"] == 1000
    paths = set(document["paths"])
    assert {
        "/v1/operators", "/v1/sessions", "/v1/sessions/current", "/v1/tickets", "/v1/tickets/{ticket_id}/call",
        "/v1/tickets/{ticket_id}/start", "/v1/tickets/{ticket_id}/finish", "/v1/services", "/v1/cases",
        "/v1/cases/{case_id}/consumer", "/v1/cases/{case_id}/queries", "/v1/cases/{case_id}/form",
        "/v1/cases/{case_id}/attachments/{name}", "/v1/cases/{case_id}/prepare", "/v1/cases/{case_id}/submit",
        "/v1/cases/{case_id}", "/v1/cases/{case_id}/history", "/v1/cases/{case_id}/result",
        "/v1/cases/{case_id}/hand-over/prepare", "/v1/cases/{case_id}/hand-over",
        "/v1/cases/{case_id}/refuse-acceptance", "/v1/cases/{case_id}/receipt",
        "/v1/cases/{case_id}/receipt.pdf", "/v1/cases/{case_id}/result.pdf", "/v1/cases/{case_id}/survey",
    } <= paths  # fmt: skip
    query = document["components"]["schemas"]["QueryShown"]["properties"]
    assert "register" in query and "register_" not in query


@pytest.mark.service
async def test_the_workstation_is_ready_when_it_has_joined(world: Any) -> None:
    assert (await world.http.get("/health/ready")).json()["status"] == "ok"
    assert (await world.http.get("/health/live")).status_code == 200


@pytest.mark.service
async def test_a_call_that_changes_something_needs_a_key(world: Any, operator: Any) -> None:
    headers = {"authorization": f"Bearer {operator.token}"}
    answer = await world.http.post("/v1/tickets", headers=headers, json={})
    assert answer.status_code == 400 and answer.json()["code"] == "idempotency.key_missing"


@pytest.mark.service
async def test_a_change_decided_upon_an_old_state_is_refused(world: Any, operator: Any) -> None:
    case_id, centre = await operator.open(), world.app.state.centre
    async with centre.db.begin() as conn:
        known = await store.case(conn, case_id)
        assert known is not None
        await store.change_case(conn, known, world.clock.now(), round=2)
        with pytest.raises(EgovError) as refused:
            await store.change_case(conn, known, world.clock.now(), round=3)
    assert refused.value.code == "case.changed_meanwhile"
