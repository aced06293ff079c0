"""Scenarios back into files of their own format."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sandbox.replay.scenario import Given

if TYPE_CHECKING:
    from sandbox.replay.command import Choice
    from sandbox.replay.scenario import Scenario

NAMES = {"sender": "from", "recipient": "to"}


def run_write(choice: Choice, folder: Path) -> int:
    """Those made from the catalogue; returns the exit status."""
    from sandbox.replay.command import chosen

    scenarios = [one for one in chosen(choice)[0] if one.generated]
    folder.mkdir(parents=True, exist_ok=True)
    for scenario in scenarios:
        (folder / f"{scenario.name}.yaml").write_text(as_yaml(scenario), encoding="utf-8")
    sys.stdout.write(f"{len(scenarios)} scenarios in {folder}\n")
    return 0


def as_yaml(scenario: Scenario, origin: str = "Made from the catalogue by `egov replay --write`.") -> str:
    text = yaml.safe_dump(as_document(scenario), allow_unicode=True, sort_keys=False, width=120)
    return f"# {origin}\n{text}"


def as_document(scenario: Scenario) -> dict[str, Any]:
    then = _plain(scenario.then)
    return {
        "title": {"ru": scenario.title, "kk": scenario.title_kk},
        "order": scenario.order,
        "given": _given(scenario),
        "when": {scenario.channel: [_plain(act) for act in scenario.when]},
        "then": then,
    }


def _given(scenario: Scenario) -> dict[str, Any]:
    given = scenario.given
    found: dict[str, Any] = {"regulation": given.regulation, "office": given.office}
    roles = PERSONS_BY_SIDE[scenario.side]
    persons = {role: _plain(getattr(given, role)) for role in roles}
    found["persons"] = {role: person for role, person in persons.items() if person}
    if given.certificates:
        found["certificates"] = dict(given.certificates)
    if given.attorney is not None:
        found["registers"] = {"attorney": given.attorney}
    if given.clock is not None:
        found["clock"] = _plain(given.clock)
    if given.faults:
        found["faults"] = [_plain(fault) for fault in given.faults]
    return found


PERSONS_BY_SIDE: Mapping[str, tuple[str, ...]] = {
    "portal": ("citizen", "official"),
    "provider": ("consumer", "official"),
    "centre": ("consumer", "operator", "official"),
}


def _plain(value: Any) -> Any:
    """Without what is as it would be anyway."""
    if is_dataclass(value) and not isinstance(value, type):
        assert not isinstance(value, Given), "what is given has a shape of its own"
        found = {NAMES.get(one.name, one.name): _plain(getattr(value, one.name)) for one in fields(value)}
        kept = {name: one for name, one in found.items() if one not in (None, "", [], {})}
        return {name: one for name, one in kept.items() if (name, one) not in SAID_ANYWAY}
    if isinstance(value, timedelta):
        return {"seconds": int(value.total_seconds())}
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


SAID_ANYWAY = (("way", "by_hand"), ("outcome", "positive"), ("page", False))
