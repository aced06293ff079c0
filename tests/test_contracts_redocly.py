"""OpenAPI and AsyncAPI by redocly: no complaint, and a breaking change is seen. npm's, locked by hash."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox import redocly
from sandbox.contract_changes import ASYNCAPI, OPENAPI
from sandbox.contract_releases import broken_promises

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "contracts"
SERVICE = "openapi/regional-gateway-rshep.openapi.yaml"  # the smallest of them
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@pytest.fixture(autouse=True)
def installed() -> None:
    try:
        redocly.install(ROOT)
    except redocly.NotInstalled as error:
        if os.environ.get("EGOV_ALLOW_SKIP") == "1":
            pytest.skip(str(error))
        pytest.fail(str(error))


def acknowledgement(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"]["Acknowledgement"]
    return found


def require_more(document: dict[str, Any]) -> None:
    acknowledgement(document)["properties"]["reason"] = {"type": "string"}
    acknowledgement(document)["required"].append("reason")


def allow_more(document: dict[str, Any]) -> None:
    acknowledgement(document)["properties"]["reason"] = {"type": "string"}
    document["paths"]["/v1/more"] = copy.deepcopy(document["paths"]["/v1/inbox"])


def test_no_document_has_anything_to_complain_of_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    assert redocly.lint(ROOT, sorted([CONTRACTS / ASYNCAPI, *CONTRACTS.glob(OPENAPI)])) == []

    wrong = tmp_path / "wrong.yaml"
    text = (CONTRACTS / ASYNCAPI).read_text(encoding="utf-8")
    wrong.write_text(text.replace("action: send", "action: shout", 1), encoding="utf-8")
    [complaint] = redocly.lint(ROOT, [wrong])
    assert complaint.startswith("wrong.yaml #/operations/") and "(struct)" in complaint


@pytest.mark.parametrize(
    ("name", "how", "told"),
    [
        (SERVICE, lambda d: d["paths"].pop("/v1/inbox"), "Path `/v1/inbox` was removed"),
        (SERVICE, require_more, "reason"),
        (SERVICE, allow_more, ""),
        (ASYNCAPI, lambda d: d["channels"].pop("inbox.con-arm"), "inbox.con-arm"),
    ],
    ids=["path gone", "field required", "only more", "channel gone"],
)
def test_a_breaking_change_is_seen_and_a_compatible_one_is_not(
    tmp_path: Path, name: str, how: Callable[[Any], Any], told: str
) -> None:
    changed = yaml.load((CONTRACTS / name).read_text(encoding="utf-8"), Loader=LOADER)
    how(changed)
    (tmp_path / "changed.yaml").write_text(json.dumps(changed), encoding="utf-8")
    found = redocly.breaking(ROOT, CONTRACTS / name, tmp_path / "changed.yaml")
    assert bool(found) == bool(told)
    assert all(one.startswith("changed.yaml #/") for one in found)
    assert not told or told in " ".join(found)


def test_a_value_of_a_list_that_is_lost_breaks_who_sends_it(tmp_path: Path) -> None:
    document = yaml.load((CONTRACTS / SERVICE).read_text(encoding="utf-8"), Loader=LOADER)
    for name, values in (("old", ["a", "b"]), ("new", ["a"])):
        acknowledgement(document)["properties"]["why"] = {"type": "string", "enum": values}
        (tmp_path / f"{name}.yaml").write_text(json.dumps(document), encoding="utf-8")
    assert redocly.breaking(ROOT, tmp_path / "old.yaml", tmp_path / "new.yaml")


def test_the_documents_break_nobody_who_builds_against_the_newest_release() -> None:
    assert broken_promises(CONTRACTS) == []


def test_without_npm_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / redocly.FOLDER
    folder.mkdir(parents=True)
    (folder / "package-lock.json").write_text("{}")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(redocly.NotInstalled, match="apt-get install npm"):
        redocly.install(tmp_path)
