"""The services cost nothing and are for persons: nothing on the way of a case could ask for money or for a firm."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from egovlaw.kinds import STEP_KINDS

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
MONEY = re.compile(r"pay|fee(?!d)|price|invoice|charge", re.IGNORECASE)


@pytest.mark.law(topic="general", clause=("2 абзац 2", "4", "5"), regulation="wko-*")
@pytest.mark.law(topic="general", clause="3 абзац 2", regulation="wko-oralman-status")
def test_no_step_message_or_refusal_is_about_money_and_who_applies_is_a_person() -> None:
    messages = yaml.safe_load((CONTRACTS / "messages.yaml").read_text(encoding="utf-8"))["messages"]
    problems = yaml.safe_load((CONTRACTS / "errors.yaml").read_text(encoding="utf-8"))
    names = {one["name"] for one in messages} | set(problems)
    names |= set(STEP_KINDS) | {kind.state for kind in STEP_KINDS.values()}
    assert [name for name in sorted(names) if MONEY.search(name)] == []
    assert 402 not in {one["status"] for one in problems.values()}, "Payment Required"
    [schema] = (CONTRACTS / "messages").glob("case.submitted*.json")
    applicant = json.loads(schema.read_text(encoding="utf-8"))["properties"]["applicant"]
    assert "iin" in applicant["required"] and "bin" not in applicant["properties"]
