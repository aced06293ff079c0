"""What the portal promises outside its code: migrations, error codes, OpenAPI, no law in Python."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from egovkit.contracts import contracts_dir
from egovkit.db.migrate import assert_migrations_match
from egovkit.errors import EgovError
from portal_pep import tables
from portal_pep.store.cases import cases as store

SOURCES = sorted((Path(__file__).parent.parent / "src").rglob("*.py"))


def test_the_migrations_make_exactly_the_tables() -> None:
    assert_migrations_match("portal_pep", tables.metadata)


def test_every_code_the_portal_raises_has_its_words() -> None:
    known = set(yaml.load((contracts_dir() / "errors.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    raised = set(re.findall(r'EgovError\(\s*"([a-z_.]+)"', text)) | set(re.findall(r'"(attachment\.[a-z_]+)"', text))
    assert len(raised) > 25 and raised <= known, raised - known


def test_no_regulation_region_or_step_label_is_written_in_the_code() -> None:
    catalogue = re.compile(r"atyrau|semey|tayynsha|zhambyl|\bwko\b|housing")
    label = re.compile(r"""["'](pre1|[PC][0-9])["']""")
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert not catalogue.search(text) and not label.search(text), path


@pytest.mark.service
async def test_the_openapi_document_declares_the_limits_of_the_form(world: Any) -> None:
    document = (await world.http.get("/openapi.json")).json()
    values = document["components"]["schemas"]["FormValues"]["properties"]["values"]
    assert values["maxProperties"] == 100 and values["additionalProperties"]["anyOf"][0]["maxLength"] == 1000
    assert set(document["paths"]["/v1/cases/{case_id}/attachments/{name}"]["put"]["requestBody"]["content"]) == {
        "application/pdf", "image/jpeg", "image/png",
    }  # fmt: skip
    assert document["openapi"].startswith("3.1")


@pytest.mark.service
async def test_the_portal_is_ready_when_it_has_joined(world: Any) -> None:
    assert (await world.http.get("/health/ready")).json()["status"] == "ok"
    assert (await world.http.get("/health/live")).status_code == 200


@pytest.mark.service
async def test_unknown_addresses_and_methods_are_problems(world: Any) -> None:
    assert (await world.http.get("/v1/nothing")).json()["code"] == "request.not_found"
    assert (await world.http.patch("/v1/services")).json()["code"] == "request.method_not_allowed"


@pytest.mark.service
async def test_a_change_decided_upon_an_old_state_is_refused(world: Any, citizen: Any) -> None:
    case_id, portal = await citizen.open(), world.app.state.portal
    async with portal.db.begin() as conn:
        known = await store.case(conn, case_id)
        assert known is not None
        await store.change_case(conn, known, world.clock.now(), form_version=2)
        with pytest.raises(EgovError) as refused:
            await store.change_case(conn, known, world.clock.now(), form_version=3)
    assert refused.value.code == "case.changed_meanwhile"
