"""contracts/asyncapi.yaml is true of the other contracts, and its examples fit: what no longer does is named."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from egovkit.bus.topology import Topology
from egovkit.envelope import Envelope
from egovkit.errors import EgovError
from egovkit.messages import MessageRegister
from egovkit.problems import Problems
from sandbox import contract_papers
from sandbox.asyncapi_paper import document
from sandbox.contract_examples import conversations, examples, message_name, shape

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "contracts"
REGISTER = MessageRegister.load(CONTRACTS)
NAMES = sorted(spec.name for spec in REGISTER)
EXAMPLES = {
    name: json.loads((ROOT / contract_papers.EXAMPLES / f"{name}.json").read_text(encoding="utf-8")) for name in NAMES
}


@pytest.fixture(scope="module")
def paper() -> dict[str, Any]:
    return document(CONTRACTS)


def misfits(envelope: Mapping[str, Any]) -> list[str]:
    """Message and field of what does not fit, as the gateway would name them."""
    name = message_name(str(envelope["type"]))
    try:
        parsed = Envelope.parse(json.dumps(envelope, ensure_ascii=False).encode())
        REGISTER.check(parsed.type, parsed.data)
    except EgovError as error:
        return [f"{name}: {one.field}: {one.message}" for one in error.errors] or [f"{name}: {error.code}"]
    return []


def test_every_message_has_an_example_and_each_fits_the_envelope_and_its_schema() -> None:
    assert [fault for name in NAMES for fault in misfits(EXAMPLES[name])] == []
    assert {message_name(one["type"]): name for name, one in EXAMPLES.items()} == dict(zip(NAMES, NAMES, strict=True))
    told = [one for conversation in conversations(CONTRACTS).values() for one in conversation]
    assert [fault for one in told for fault in misfits(one)] == []


@pytest.mark.parametrize(
    ("name", "change", "named"),
    [
        ("case.status", lambda e: e["data"].pop("status"), "case.status: status: is required"),
        ("case.extended", lambda e: e["data"].update(untill="x"), "case.extended: untill: is not expected here"),
        ("steps.reported", lambda e: e["data"]["trail"][0].update(position=0), "steps.reported: trail.0.position: "),
        ("answer.person", lambda e: e.update(caseseq="1"), "answer.person: caseseq: an integer is expected"),
    ],
)
def test_an_example_that_no_longer_fits_is_named_with_message_and_field(name: str, change: Any, named: str) -> None:
    spoiled = copy.deepcopy(EXAMPLES[name])
    change(spoiled)
    [fault] = misfits(spoiled)
    assert fault.startswith(named)


def test_every_example_in_asyncapi_follows_the_payload_that_asyncapi_gives(paper: dict[str, Any]) -> None:
    for name, message in paper["components"]["messages"].items():
        wanted = {**message["payload"], "components": paper["components"]}
        [shown] = message["examples"]
        assert shown["payload"] == EXAMPLES[name]
        found = jsonschema_rs.Draft202012Validator(wanted, validate_formats=True).iter_errors(shown["payload"])
        assert [f"{name} {error.instance_path}: {error.kind.name}" for error in found] == []


def test_the_paper_has_every_message_queue_writer_and_reader(paper: dict[str, Any]) -> None:
    topology = Topology.load(CONTRACTS)
    kinds = {one["code"]: one["kind"] for one in _yaml("participants.yaml")["participants"]}
    assert sorted(paper["components"]["messages"]) == NAMES == sorted(_yaml("messages/texts.yaml"))
    assert set(paper["channels"]) == set(topology.names)
    wanted = {f"{kinds[queue.owner]}.receive.{queue.name}" for queue in topology.queues}
    wanted |= {f"{kinds[writer]}.send.{queue.name}" for queue in topology.queues for writer in queue.writers}
    assert set(paper["operations"]) == wanted
    for spec in REGISTER:
        message = paper["components"]["messages"][spec.name]
        assert (message["name"], message["x-class"]) == (spec.type, spec.cls)
        assert ("correlationId" in message) == (spec.cls == "answer")


def test_each_example_travels_where_the_paper_says(paper: dict[str, Any]) -> None:
    kinds = {one["code"]: one["kind"] for one in _yaml("participants.yaml")["participants"]}
    sent: dict[str, set[str]] = {}
    for name, operation in paper["operations"].items():
        says = {reference["$ref"].rpartition("/")[2] for reference in operation["messages"]}
        sent.setdefault(".".join(name.split(".")[:2]), set()).update(says)
    for told in conversations(CONTRACTS).values():
        for one in told:
            message = message_name(one["type"])
            assert message in sent[f"{kinds[one['source']]}.send"], one["id"]
            assert message in sent[f"{kinds[one['recipient']]}.receive"], one["id"]


def test_every_reference_of_the_paper_leads_somewhere(paper: dict[str, Any]) -> None:
    for reference in set(references(paper)):
        found: Any = paper
        for part in reference.removeprefix("#/").split("/"):
            assert part in found, reference
            found = found[part]


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for name, value in part.items():
            if name != "examples":
                yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_what_is_recorded_again_has_the_same_shape_unless_fields_or_messages_changed() -> None:
    told = conversations(CONTRACTS)["1-counter-issued"]
    other = copy.deepcopy(told)[::-1]
    for envelope in other:
        envelope.update(id="019bbf2c-5800-7abc-8def-0123456789ab", time="2027-01-15T04:00:00.000Z")
    assert shape(other) == shape(told)
    assert shape(told[1:]) != shape(told)
    other[0]["data"]["more"] = 1
    assert shape(other) != shape(told)
    assert examples({"b": told, "a": told[3:4]})[message_name(told[3]["type"])] is told[3]


@pytest.mark.parametrize("language", ["en", "ru", "kk"])
def test_the_type_of_every_problem_is_an_anchor_of_the_page_of_errors(language: str) -> None:
    page = (ROOT / contract_papers.ERRORS / f"{language}.md").read_text(encoding="utf-8")
    problems = Problems.load(CONTRACTS)
    types = {problems.render(EgovError(code))["type"] for code in problems.codes}
    assert types <= set(re.findall(r'<a id="([^"]+)"></a>', page))


def test_the_mapping_to_the_real_gateway_has_every_attribute_and_every_message() -> None:
    text = (CONTRACTS / "shep-mapping.md").read_text(encoding="utf-8")
    schema = json.loads((CONTRACTS / "schemas/envelope.schema.json").read_text(encoding="utf-8"))
    assert [name for name in schema["properties"] if f"\n| `{name}` |" not in text] == []
    rows = re.findall(r"^\| (`.+) \| (REQUEST|RESPONSE|NOTIFICATION) \|$", text, re.MULTILINE)
    named = [name for row, _ in rows for name in re.findall(r"`([a-z_.]+)`", row)]
    assert sorted(named) == NAMES


def _yaml(name: str) -> Any:
    return yaml.safe_load((CONTRACTS / name).read_text(encoding="utf-8"))
