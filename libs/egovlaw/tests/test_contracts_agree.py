"""Drift: the schema, the error register and the register of messages against the code that relies on them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from egovlaw import flow, limits, routing
from egovlaw.catalogue import CHANNELS, Catalogue, Channel, LimitClass
from egovlaw.flow import allowed_messages, states
from egovlaw.kinds import REGISTER_NAMES, SIDE_MESSAGES, STEP_KINDS, message_name, message_type
from egovlaw.limits import TimeVerdict

ORDER = [flow.STEP_NOT_ALLOWED, flow.TRAIL_BROKEN, flow.CASE_ENDED, flow.CASE_UNKNOWN]
ROUTE = [
    routing.TYPE_UNKNOWN, routing.UNKNOWN_REGULATION, routing.REGULATION_REPEALED, routing.UNKNOWN_CHANNEL,
    routing.UNKNOWN_REGION, routing.REGION_MISMATCH, routing.SOURCE_NOT_ALLOWED, routing.RECIPIENT_UNKNOWN,
    routing.RECIPIENT_NOT_ALLOWED,
]  # fmt: skip
TIME = [limits.LATE, limits.EXPIRED, limits.IN_FUTURE, limits.CLAIM_BEYOND_LIMIT]
PARAMS = {
    "order": set(flow.OrderRefused("c", None, (), "d").params),
    "route": set(routing.RouteRefused("c", None, "d").params),
    "time": set(TimeVerdict(None, None, None, False, "pass", None).params),
}


@pytest.fixture(scope="module")
def schema(contracts: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((contracts / "schemas" / "regulation.schema.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def errors(contracts: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((contracts / "errors.yaml").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("code", [*ORDER, *ROUTE, *TIME])
def test_every_code_has_its_texts_and_only_placeholders_we_fill(errors: dict[str, Any], code: str) -> None:
    entry = errors[code]
    for lang in ("kk", "ru", "en"):
        text = entry[lang]["title"] + entry[lang]["detail"] + entry[lang]["remedy"]
        assert set(re.findall(r"{(\w+)}", text)) <= PARAMS[code.split(".")[0]], lang
    assert entry["side"] == "sender"


def test_the_schema_names_what_the_code_names(schema: dict[str, Any]) -> None:
    defs = schema["$defs"]
    assert set(defs["side_message"]["properties"]["type"]["enum"]) == SIDE_MESSAGES
    assert set(defs["channel"]["properties"]["channel"]["enum"]) == set(CHANNELS)
    assert set(defs["limit"]["properties"]["class"]["enum"]) == set(get_args(LimitClass))
    assert set(defs["flow_item"]["properties"]["registers"]["items"]["enum"]) == set(REGISTER_NAMES)


def test_the_schema_is_strict_everywhere(schema: dict[str, Any]) -> None:
    """Unknown keys fail: the only open objects map receiving points to terms, and settings to any value."""

    def loose(node: Any, at: str) -> list[str]:
        if isinstance(node, dict):
            here = [at] if node.get("type") == "object" and node.get("additionalProperties") is not False else []
            return here + [hit for key, value in node.items() for hit in loose(value, f"{at}/{key}")]
        if isinstance(node, list):
            return [hit for n, value in enumerate(node) for hit in loose(value, f"{at}/{n}")]
        return []

    # the two `if: {type: object}` are questions, not descriptions
    found = [at for at in loose(schema, "") if not at.endswith("/if")]
    assert found == ["/$defs/table_row/properties/limit_by_branch"]


def test_the_regions_are_those_of_the_contract(contracts: Path, catalogue: Catalogue) -> None:
    assert set(yaml.safe_load((contracts / "regions.yaml").read_text(encoding="utf-8"))["regions"]) == catalogue.regions


def test_the_portal_sends_only_registered_messages_of_the_right_class(contracts: Path, portal: Channel) -> None:
    register = yaml.safe_load((contracts / "messages.yaml").read_text(encoding="utf-8"))
    classes = {entry["name"]: entry["class"] for entry in register["messages"]}
    assert message_type("case.status") == f"{register['prefix']}case.status.{register['version']}"
    sent = {message.type for here in states(portal) for message in allowed_messages(portal, here)}
    assert sent <= set(classes)
    for limit in portal.limits:
        if limit.stops_on.kind == "message":
            assert limit.cls == classes[limit.stops_on.name]


def test_short_and_full_names_are_one_message() -> None:
    for name in SIDE_MESSAGES:
        assert message_name(message_type(name)) == name == message_name(name)
        assert message_type(message_type(name)) == message_type(name)


def test_every_kind_knows_its_state_and_only_processes_speak() -> None:
    assert all(kind.state and name == kind.name for name, kind in STEP_KINDS.items())
    assert not [kind.name for kind in STEP_KINDS.values() if kind.message and kind.type != "process"]
