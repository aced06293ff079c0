"""The generated client: the same twice, complete, built as a wheel, and used against a service in this process."""

from __future__ import annotations

import importlib
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder
from typer.testing import CliRunner

from egovkit.clock import SystemClock
from egovkit.contracts import contracts_dir
from egovkit.ids import SystemIds
from sandbox.bootstrap import make_secrets
from sandbox.cli import app as egov
from sandbox.client_package import NotGenerated, generate, write_client
from sandbox.composition import BY_CODE, NUC, PORTAL, SHEP, Home, values_for

# All of them are generated with EGOV_TEST_FULL: the portal has every oddity, and it takes the time of three others.
SERVICES = list(BY_CODE) if os.environ.get("EGOV_TEST_FULL") == "1" else [NUC, PORTAL]
METHODS = ("get", "put", "post", "patch", "delete")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("client") / "client"
    assert write_client(folder, SERVICES) == sorted(SERVICES)
    return folder


@pytest.fixture(scope="module")
def installed(client: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What `pip install` of the wheel would lay down, importable for this module's tests."""
    place = tmp_path_factory.mktemp("site")
    [wheel] = WheelBuilder(str(client)).build(directory=str(place), versions=["standard"])
    zipfile.ZipFile(wheel).extractall(place)
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "egov_client"}
    sys.path.insert(0, str(place))
    yield place
    sys.path.remove(str(place))
    for name in [name for name in sys.modules if name.split(".")[0] == "egov_client"]:
        del sys.modules[name]
    sys.modules.update(before)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_call_of_a_service_has_its_function(client: Path) -> None:
    for code in SERVICES:
        document = yaml.safe_load((contracts_dir() / "openapi" / f"{code}.openapi.yaml").read_text("utf-8"))
        calls = sum(method in METHODS for path in document["paths"].values() for method in path)
        made = (client / "src/egov_client" / code.replace("-", "_") / "api").glob("*/*.py")
        assert sum(path.name != "__init__.py" for path in made) == calls, code


def test_the_same_document_gives_the_same_files(client: Path, tmp_path: Path) -> None:
    document = yaml.safe_load((contracts_dir() / "openapi" / f"{NUC}.openapi.yaml").read_text("utf-8"))
    generate(document, tmp_path / "nuc_mock")
    assert files(tmp_path / "nuc_mock") == files(client / "src/egov_client/nuc_mock")


def test_a_document_the_generator_cannot_read_gives_no_half_client(tmp_path: Path) -> None:
    answer = {
        "200": {"description": "-", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/No"}}}}
    }
    document = {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": {"/a": {"get": {"operationId": "a", "responses": answer}}},
    }
    with pytest.raises(NotGenerated, match="/a"):
        generate(document, tmp_path / "broken")


def test_two_models_of_one_name_keep_apart(client: Path) -> None:
    models = (client / "src/egov_client/portal_pep/models/__init__.py").read_text("utf-8")
    assert "QuestionShown" in models
    assert "portal_pep__" not in models


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine")
    answered = CliRunner().invoke(egov, ["contracts", "client", str(tmp_path)])
    assert (answered.exit_code, (tmp_path / "letters.txt").read_text()) == (2, "mine")
    assert "something else" in answered.stderr


def test_a_service_that_is_none_is_named(tmp_path: Path) -> None:
    answered = CliRunner().invoke(egov, ["contracts", "client", str(tmp_path / "new"), "--only", "gateway-shepp"])
    assert answered.exit_code == 1
    assert "gateway-shepp" in answered.stderr and SHEP in answered.stderr


@pytest.mark.service
async def test_the_installed_client_speaks_to_a_service(installed: Path, tmp_path: Path) -> None:
    home, clock = Home(tmp_path), SystemClock()
    make_secrets(home, SystemIds(clock))
    service = BY_CODE[NUC]
    settings = service.settings(values_for(service, home, {NUC: "http://nuc", SHEP: "http://shep"}, service.port))
    app = service.app(settings, clock=clock, ids=SystemIds(clock))
    async with app.router.lifespan_context(app):
        client_of = importlib.import_module("egov_client.nuc_mock").AuthenticatedClient
        transport: dict[str, Any] = {"transport": httpx.ASGITransport(app=app)}
        token = home.admin_token(NUC).read_text()
        async with client_of(base_url="http://nuc", token=token, httpx_args=transport) as client:
            calls = importlib.import_module("egov_client.nuc_mock.api.administrator.list_certificates")
            page = await calls.asyncio(client=client)
            assert (page.items, page.next_) == ([], None)
    assert importlib.import_module("egov_client").__file__.startswith(str(installed))  # type: ignore[union-attr]
    assert (installed / "egov_client/signing.py").is_file() and (installed / "egov_client/py.typed").is_file()
