"""What has changed between a release of the contracts and another state of them so that a partner's system breaks.

docs/reference/compatibility.md is the policy; this is what holds it. OpenAPI is left to redocly; it takes a message's
newly required field for a patch, so messages, errors and the topology are compared here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from egovkit.contracts import read_yaml
from sandbox import redocly, schema_changes

ENVELOPE = "schemas/envelope.schema.json"
ASYNCAPI, OPENAPI = "asyncapi.yaml", "openapi/*.openapi.yaml"


def breaking(released: Path, contracts: Path) -> list[str]:
    """Of the bus and the errors, each in a line: where, and what it breaks. Needs nothing but the files."""
    return [
        *_messages(released, contracts),
        *(f"envelope: {one}" for one in _envelope(released / ENVELOPE, contracts / ENVELOPE)),
        *_errors(_yaml(released / "errors.yaml"), _yaml(contracts / "errors.yaml")),
        *_topology(_yaml(released / "topology.yaml"), _yaml(contracts / "topology.yaml")),
    ]


def breaking_documents(released: Path, contracts: Path) -> list[str]:
    """Of the calls and of AsyncAPI, as redocly sees it. redocly.NotInstalled without npm."""
    found: list[str] = []
    for before in sorted([*released.glob(OPENAPI), *released.glob(ASYNCAPI)]):
        after = contracts / before.relative_to(released)
        if not after.exists():
            found.append(f"{after.name} is gone")
        elif after.read_bytes() != before.read_bytes():
            found += redocly.breaking(contracts.parent, before, after)
    return found


def _messages(released: Path, contracts: Path) -> Iterator[str]:
    before, after = _register(released), _register(contracts)
    for name, old in before.items():
        if name not in after:
            yield f"{name}: the message is gone"
            continue
        new = after[name]
        for key in ("type", "class"):
            if old[key] != new[key]:
                yield f"{name}: its {key} is {new[key]} now, it was {old[key]}"
        for key in ("from", "to"):
            if lost := sorted(set(old[key]) - set(new[key])):
                yield f"{name}: no longer {key} {', '.join(lost)}"
        file = f"messages/{name}.schema.json"
        for one in _schemas(released / file, contracts / file):
            yield f"{name}: data: {one}"


def _register(contracts: Path) -> dict[str, Mapping[str, Any]]:
    register = _yaml(contracts / "messages.yaml")
    prefix, version = register["prefix"], register["version"]
    return {
        one["name"]: {**one, "type": f"{prefix}{one['name']}.{one.get('version', version)}"}
        for one in register["messages"]
    }


def _envelope(before: Path, after: Path) -> list[str]:
    """Its attributes are closed: who reads it refuses one that he does not know."""
    old, new = (json.loads(path.read_text(encoding="utf-8")) for path in (before, after))
    more = sorted(new["properties"].keys() - old["properties"].keys())
    added = [f"{name} is new, and every parser refuses what it does not know" for name in more]
    return [*added, *_lowered(old["x-limits"], new["x-limits"]), *_schemas(before, after)]


def _lowered(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[str]:
    for name, limit in before.items():
        if after[name] < limit:
            yield f"at most {after[name]} {name} now, it was {limit}"


def _schemas(before: Path, after: Path) -> list[str]:
    old, new = (json.loads(path.read_text(encoding="utf-8")) for path in (before, after))
    renamed = [f"$id is {new['$id']} now, it was {old['$id']}"] if new["$id"] != old["$id"] else []
    return renamed + schema_changes.broken(old, new)


def _errors(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for code, old in before.items():
        if code not in after:
            yield f"errors: {code} is gone"
            continue
        for key in ("status", "side"):
            if after[code][key] != old[key]:
                yield f"errors: {code}: {key} is {after[code][key]} now, it was {old[key]}"


def _topology(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    if before["vhost"] != after["vhost"]:
        yield f"topology: the vhost is {after['vhost']} now, it was {before['vhost']}"
    if after["max_length"] < before["max_length"]:
        yield f"topology: max_length is {after['max_length']} now, it was {before['max_length']}"
    there = {queue["name"]: queue for queue in after["queues"]}
    for queue in before["queues"]:
        name = queue["name"]
        if name not in there:
            yield f"topology: the queue {name} is gone"
            continue
        if there[name]["owner"] != queue["owner"]:
            yield f"topology: {name} is read by {there[name]['owner']} now, it was by {queue['owner']}"
        if lost := sorted(set(queue["writers"]) - set(there[name]["writers"])):
            yield f"topology: {', '.join(lost)} may no longer write to {name}"


def _yaml(path: Path) -> Any:
    return read_yaml(path)
