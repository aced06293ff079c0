"""What is seen of an exchange, and what its record says of it: secrets masked, the envelope's facts, the refusal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from egovkit.sandbox.exchange_store import Row, moment_text
from egovkit.sandbox.masking import ENVELOPES, masked_body, masked_headers, masked_query

HTTP, BUS, NOTE = "http", "bus", "note"
REFUSED = "kz.egov.envelope.refused.v1"  # by a gateway, for a fault of the envelope
CASE_REFUSED = "kz.egov.case.refused.v1"  # by the provider, for a ground of the act
PROBLEM = "application/problem+json"
_ENVELOPE = ("id", "type", "source", "recipient", "subject", "regulation", "channel", "step", "region", "caseseq")


@dataclass(slots=True)
class Seen:
    """An exchange as a tap saw it. `request` is what was sent or delivered; a message of the bus has nothing else."""

    id: str
    at: datetime
    medium: str
    direction: str
    facts: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    request_headers: Mapping[str, str] | list[tuple[str, str]] = field(default_factory=dict)
    request: bytes = b""
    request_size: int = 0
    response_headers: Mapping[str, str] | list[tuple[str, str]] = field(default_factory=dict)
    response: bytes = b""
    response_size: int = 0
    began: float = 0.0

    @property
    def size(self) -> int:
        return len(self.request) + len(self.response) + 500


def row_of(seen: Seen, service: str, instance: str) -> Row:
    """For the store. Costs more than seeing does, so it is done by who writes."""
    facts: dict[str, Any] = {"at": moment_text(seen.at), "service": service, "instance": instance}
    facts |= {"medium": seen.medium, "direction": seen.direction, **seen.facts, "notes": seen.notes}
    request, response = seen.request, seen.response
    if seen.medium == BUS:  # the exact bytes and headers: a recording is made of them, and nobody's secret is in one
        facts["request"] = {"headers": dict(seen.request_headers), "size": seen.request_size}
        facts |= of_envelope(request)
    elif seen.medium == HTTP:
        facts["query"] = masked_query(facts["query"])
        facts["request"], request = _side(seen.request_headers, request, seen.request_size)
        facts["response"], response = _side(seen.response_headers, response, seen.response_size)
        facts |= _of_http(facts, request, response)
    if facts.get("outcome") == "dead":
        facts.setdefault("code", facts.get("detail"))
    facts["refused"] = _is_refusal(facts)
    return Row(seen.id, facts, request or None, response or None)


def _side(headers: Mapping[str, str] | list[tuple[str, str]], body: bytes, size: int) -> tuple[dict[str, Any], bytes]:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    found = masked_headers(pairs)
    cut = len(body) < size
    return {"headers": found, "size": size, "cut": cut}, masked_body(body, found.get("content-type", "").lower())


def _of_http(facts: Mapping[str, Any], request: bytes, response: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if _media(facts, "request").startswith(ENVELOPES):
        found |= of_envelope(request)
    if _media(facts, "response").startswith(PROBLEM):
        found |= {name: text for name, text in document(response).items() if name in ("code", "side", "clause")}
    return found


def _media(facts: Mapping[str, Any], side: str) -> str:
    return str(facts[side]["headers"].get("content-type", ""))


def of_envelope(body: bytes) -> dict[str, Any]:
    """`envelope` with what its attributes say, whatever else is wrong with it; the refusal it carries."""
    content = document(body)
    named = {name: content[name] for name in _ENVELOPE if isinstance(content.get(name), str | int)}
    if not named:
        return {}
    found: dict[str, Any] = {"envelope": named}
    data = content.get("data")
    if isinstance(data, dict) and content.get("type") in (REFUSED, CASE_REFUSED):
        found |= _refusal(data)
    return found


def _refusal(data: Mapping[str, Any]) -> dict[str, Any]:
    problem, reasons = data.get("problem"), data.get("reasons")
    if isinstance(problem, dict):
        return {name: problem.get(name) for name in ("code", "side", "clause")}
    if isinstance(reasons, list) and reasons and isinstance(reasons[0], dict):
        return {"code": reasons[0].get("code")}
    return {}


def _is_refusal(facts: Mapping[str, Any]) -> bool:
    told = facts.get("envelope", {}).get("type") in (REFUSED, CASE_REFUSED)
    failed = facts["medium"] == BUS and facts["outcome"] not in ("confirmed", "ack", "retry")
    return told or failed or facts.get("code") is not None or facts.get("status", 0) >= 400


def document(body: bytes | None) -> dict[str, Any]:
    """The JSON object that a body is; empty for anything else. Nothing a partner sends may stop the log."""
    try:
        found = json.loads(body or b"")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
