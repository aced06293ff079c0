"""What partners were promised holds: the contracts break their newest release only under a new first number."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox import contract_releases
from sandbox.contract_changes import breaking
from sandbox.contract_releases import NotReleased, broken_promises, newest, release, version_of
from sandbox.schema_changes import broken

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "contracts"
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
ENVELOPE = "schemas/envelope.schema.json"


@pytest.fixture
def contracts(tmp_path: Path) -> Path:
    """A copy to break, with a release of its own as it is now."""
    place = tmp_path / "contracts"
    left_out = shutil.ignore_patterns("released", "regulations", "conversations", "examples")
    shutil.copytree(CONTRACTS, place, ignore=left_out)
    for path in place.glob("openapi/*.openapi.yaml"):
        path.unlink()  # these and AsyncAPI are redocly's
    (place / "asyncapi.yaml").write_text("{}")
    (place / "VERSION").write_text("1.0.0\n")
    release(place, "1.0.0")
    return place


def change(contracts: Path, name: str, how: Callable[[Any], None]) -> None:
    path = contracts / name
    content = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)
    how(content)
    path.write_text(json.dumps(content), encoding="utf-8")  # which is YAML, too


def test_the_contracts_keep_what_their_newest_release_promised() -> None:
    assert newest(CONTRACTS) is not None, "egov contracts release VERSION"
    assert broken_promises(CONTRACTS, documents=False) == []


def test_the_version_has_its_entry_in_the_changelog() -> None:
    version = (CONTRACTS / "VERSION").read_text().strip()
    assert version_of(version)
    assert f"\n## {version}\n" in (CONTRACTS / "CHANGELOG.md").read_text(encoding="utf-8")


STATUS, QUERY = "messages/case.status.schema.json", "messages/query.register.schema.json"
BREAKING: list[tuple[str, Callable[[Any], Any], str]] = [
    ("messages.yaml", lambda c: c["messages"].pop(2), "case.status: the message is gone"),
    ("messages.yaml", lambda c: c["messages"][2].update({"class": "request"}), "its class is request now, it was fact"),
    ("messages.yaml", lambda c: c.update(version="v2"), "its type is kz.egov.case.status.v2 now"),
    ("messages.yaml", lambda c: c["messages"][14].update({"from": ["origin"]}), "no longer from provider"),
    (STATUS, lambda c: c["required"].append("note"), "case.status: data: note is required now"),
    (STATUS, lambda c: c["properties"].pop("text_kk"), "case.status: data: text_kk is gone"),
    (STATUS, lambda c: c["required"].remove("text_ru"), "case.status: data: text_ru is no longer always there"),
    (STATUS, lambda c: c.update({"$id": "urn:other"}), "$id is urn:other now"),
    ("errors.yaml", lambda c: c.pop("data.invalid"), "errors: data.invalid is gone"),
    ("errors.yaml", lambda c: c["data.invalid"].update(status=499), "errors: data.invalid: status is 499 now"),
    ("errors.yaml", lambda c: c["data.invalid"].update(side="gateway"), "errors: data.invalid: side is gateway now"),
    ("topology.yaml", lambda c: c["queues"].pop(0), "topology: the queue shep.ingress is gone"),
    ("topology.yaml", lambda c: c["queues"][0]["writers"].remove("con-arm"), "con-arm may no longer write to shep.ing"),
    ("topology.yaml", lambda c: c["queues"][9].update(owner="x"), "inbox.portal-pep is read by x now"),
    ("topology.yaml", lambda c: c.update(vhost="other"), "the vhost is other now"),
    ("topology.yaml", lambda c: c.update(max_length=1), "topology: max_length is 1 now"),
    (ENVELOPE, lambda c: c["x-limits"].update(bytes=1), "envelope: at most 1 bytes now"),
    (ENVELOPE, lambda c: c["properties"].update(priority={}), "envelope: priority is new"),
    (ENVELOPE, lambda c: c["properties"]["step"].update(maxLength=8), "step: maxLength is 8 now"),
]


@pytest.mark.parametrize(("name", "how", "told"), BREAKING)
def test_what_breaks_a_partner_is_told_in_plain_words(contracts: Path, name: str, how: Any, told: str) -> None:
    change(contracts, name, how)
    found = breaking(contracts / "released/1.0.0", contracts)
    assert [one for one in found if told in one], found


def test_a_new_first_number_allows_what_another_does_not(contracts: Path) -> None:
    change(contracts, STATUS, lambda c: c["required"].append("note"))
    for version, told in (("1.0.0", 1), ("1.9.0", 1), ("2.0.0", 0)):
        (contracts / "VERSION").write_text(f"{version}\n")
        assert len(broken_promises(contracts, documents=False)) == told


def widened(schema: dict[str, Any]) -> None:
    schema["properties"]["note"] = {"type": "string"}


@pytest.mark.parametrize(
    ("name", "how"),
    [
        (STATUS, widened),
        (QUERY, lambda c: c.update(title="Another title")),
        ("errors.yaml", lambda c: c.update({"data.new": c["data.invalid"]})),
        ("errors.yaml", lambda c: c["data.invalid"]["en"].update(title="Said better")),
        ("topology.yaml", lambda c: c["queues"].append({"name": "inbox.x", "owner": "x", "writers": ["gateway-shep"]})),
        ("topology.yaml", lambda c: c["queues"][0]["writers"].append("x")),
        ("messages.yaml", lambda c: c["messages"][0]["to"].append("akimat_register")),
        (ENVELOPE, lambda c: c["x-limits"].update(bytes=2**20)),
    ],
)
def test_what_only_adds_breaks_nobody(contracts: Path, name: str, how: Any) -> None:
    change(contracts, name, how)
    assert breaking(contracts / "released/1.0.0", contracts) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ({"enum": ["a", "b"]}, {"enum": ["a"]}, ["field no longer takes b"]),
        ({"enum": ["a"]}, {"enum": ["a", "b"]}, []),
        ({"type": "string"}, {"enum": ["a"]}, ["field may be anything", "field has a list of values now, it was free"]),
        ({"type": "string"}, {"type": ["string", "null"]}, ["field may be null now, which no reader expects"]),
        ({"type": ["string", "null"]}, {"type": "string"}, ["field may no longer be null"]),
        ({"maxLength": 5}, {"maxLength": 4}, ["field: maxLength is 4 now, it was 5"]),
        ({"maxLength": 5}, {"maxLength": 6}, []),
        ({}, {"minItems": 1}, ["field: minItems is 1 now, it was not limited"]),
        ({"minimum": 1}, {"minimum": 0}, []),
        ({"pattern": "a"}, {"pattern": "b"}, ["field: pattern is b now, it was a"]),
        ({"pattern": "a"}, {}, []),
        ({}, {"format": "date"}, ["field: format is date now, it was free"]),
        ({"oneOf": [{}, {}]}, {"oneOf": [{}]}, ["field may have 2 forms no longer, but 1"]),
        ({}, {"oneOf": [{}]}, ["field has to be one of 1 forms now"]),
        ({}, {"allOf": [{}]}, ["field has to follow more rules now"]),
        ({}, {"additionalProperties": False}, ["field takes no other fields any more"]),
        ({"items": {"maximum": 2}}, {"items": {"maximum": 1}}, ["field[]: maximum is 1 now, it was 2"]),
        ({"$ref": "#/$defs/code"}, {"type": "string", "maxLength": 9}, []),
        ({"$ref": "#/$defs/code"}, {"type": "string", "maxLength": 8}, ["field: maxLength is 8 now, it was 9"]),
        ({"$ref": "#/$defs/code", "minLength": 2}, {"$ref": "#/$defs/code"}, []),
    ],
)
def test_a_schema_breaks_whoever_sends_or_reads_by_it(old: Any, new: Any, told: list[str]) -> None:
    whole = {"$defs": {"code": {"type": "string", "maxLength": 9}}}
    found = broken({**whole, "properties": {"field": old}}, {**whole, "properties": {"field": new}})
    assert [one.startswith(wanted) for wanted, one in zip(told, found, strict=True)] == [True] * len(told), found


def test_a_release_holds_what_is_promised_and_of_the_errors_no_texts(contracts: Path) -> None:
    kept = contracts / "released/1.0.0"
    assert {path.name for path in kept.iterdir()} == {
        "VERSION", "asyncapi.yaml", "errors.yaml", "messages", "messages.yaml", "schemas", "topology.yaml",
    }  # fmt: skip
    assert len(list(kept.glob("messages/*"))) == len(list(CONTRACTS.glob("messages/*.schema.json")))
    assert yaml.safe_load((kept / "errors.yaml").read_text())["data.invalid"] == {"status": 422, "side": "sender"}


def test_a_release_is_refused_with_every_reason(contracts: Path) -> None:
    with pytest.raises(NotReleased, match=r"1\.0\.0 is released already"):
        release(contracts, "1.0.0")
    with pytest.raises(NotReleased, match=r"one is 1\.2\.3"):
        release(contracts, "1.0")
    with pytest.raises(NotReleased) as caught:
        release(contracts, "0.9.0")
    told = str(caught.value).splitlines()
    assert [re.sub(r" .*", "", one) for one in told] == ["contracts/VERSION", "0.9.0", "contracts/CHANGELOG.md"]


def test_a_breaking_release_needs_a_new_first_number(contracts: Path) -> None:
    changelog = contracts / "CHANGELOG.md"
    changelog.write_text("## 2.0.0\n\n## 1.1.0\n\n## 1.0.0\n")
    change(contracts, STATUS, lambda c: c["required"].append("note"))
    (contracts / "VERSION").write_text("1.1.0\n")
    with pytest.raises(NotReleased, match="data: note is required now; that needs a new first number"):
        release(contracts, "1.1.0")
    assert newest(contracts) == contracts / "released/1.0.0"
    (contracts / "VERSION").write_text("2.0.0\n")
    assert release(contracts, "2.0.0") == newest(contracts)


def test_a_release_nobody_has_yet_may_be_replaced(contracts: Path) -> None:
    change(contracts, STATUS, widened)
    kept = release(contracts, "1.0.0", again=True)
    assert "note" in json.loads((kept / STATUS).read_text())["properties"]
    assert contract_releases.newest(contracts, but="1.0.0") is None
