"""Why something was refused: what its problem says, in the English of contracts/errors.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from egovkit.problems import Problems
from egovkit.sandbox.exchange_facts import document
from egovkit.sandbox.exchange_store import Row


class Reason(BaseModel):
    code: str
    side: str | None = Field(default=None, description="who has to act: sender, receiver, gateway or platform")
    why: str
    remedy: str | None = None
    clause: str | None = Field(default=None, description="the place of the act that it rests on")
    params: dict[str, Any] = Field(default_factory=dict, description="the facts the problem gives besides")


_SHOWN = {"code", "side", "clause", "type", "instance", "status"}
_TEXTS = ("title", "detail", "remedy")  # also title_ru, ...


def reason_of(row: Row, problems: Problems) -> Reason | None:
    """None for what was not refused, and where nothing says why."""
    facts, code = row.facts, row.facts.get("code")
    if not facts.get("refused") or code is None:
        return None
    told = _problem(row)
    params = {name: value for name, value in told.items() if name not in _SHOWN and not name.startswith(_TEXTS)}
    reason = Reason(code=code, side=facts.get("side"), clause=facts.get("clause"), why=code, params=params)
    if "detail_en" in told:
        reason.why, reason.remedy = told["detail_en"], told.get("remedy_en")
    elif code in problems:
        spec = problems[code]
        text = problems.text(spec, params, "en")
        reason.why, reason.remedy = text.detail, text.remedy
        reason.side = reason.side or spec.side
    elif isinstance(ground := told.get("text"), str):  # a provider's own words
        reason.why, reason.params = ground, {}
    elif "detail" in told:
        reason.why, reason.remedy = told["detail"], told.get("remedy")
    return reason


def _problem(row: Row) -> Mapping[str, Any]:
    """The problem document of an answer, or the one in a gateway's refusal; a provider's first ground."""
    if row.response is not None:
        return document(row.response)
    data = document(row.request).get("data")
    if not isinstance(data, dict):
        return {}
    problem, grounds = data.get("problem"), data.get("reasons")
    found = problem if problem is not None else grounds[0] if isinstance(grounds, list) and grounds else None
    return found if isinstance(found, dict) else {}
