"""What would have been accepted, and silence where nobody can know."""

from __future__ import annotations

from typing import Any

import pytest

from egovkit.sandbox.exchange_facts import CASE_REFUSED
from sandbox.exchange_log import Exchange
from sandbox.near_misses import clause_of, near_miss
from sandbox.target import Member

MEMBER = Member("m", "portal-pep", "http://portal-pep")
ATYRAU = {"regulation": "atyrau-housing-queue", "channel": "portal", "step": "P5", "region": "atyrau"}
HTTP = {"medium": "http", "service": "portal-pep", "method": "POST", "path": "/v1/cases"}


def told(
    code: str, params: dict[str, Any] | None = None, about: dict[str, Any] | None = None, **facts: Any
) -> str | None:
    reason = {"code": code, "params": params or {}}
    return near_miss(Exchange(MEMBER, {**HTTP, **facts, "reason": reason}), about or {})


@pytest.mark.parametrize(
    ("code", "params", "about", "near"),
    [
        (
            "order.step_not_allowed",
            {"expected": [["kz.egov.case.registered.v1", "P6"], ["kz.egov.case.status.v1", "P6"]]},
            {**ATYRAU, "step": "P8"},
            "accepted now: case.registered for P6, case.status for P6",
        ),
        (
            "order.step_not_allowed",
            {"expected": ["case.registered"]},
            {**ATYRAU, "step": "PP6"},
            "the nearest step is P6; accepted now: case.registered",
        ),
        ("order.step_not_allowed", {"expected": "-"}, {}, None),
        (
            "route.unknown_regulation",
            {"regulation": "atyrau-housing-que"},
            {},
            "the nearest regulation is atyrau-housing-queue",
        ),
        ("route.unknown_regulation", {"regulation": "zzz"}, {}, None),
        ("route.unknown_region", {"region": "atirau"}, {}, "the nearest region is atyrau"),
        ("route.region_mismatch", {}, {**ATYRAU, "region": "semey"}, "the region of atyrau-housing-queue is atyrau"),
        (
            "route.type_unknown",
            {},
            {"type": "kz.egov.case.submited.v1"},
            "the nearest type is kz.egov.case.submitted.v1",
        ),
        ("route.source_not_allowed", {}, {"type": CASE_REFUSED}, "case.refused goes from provider to origin"),
        ("route.recipient_unknown", {"recipient": "provider-arn"}, {}, "the nearest participant is provider-arm"),
        ("time.late", {"used_s": "75.5", "limit_s": "60"}, {}, "15.5 s earlier would have been in time (limit 60 s)"),
        ("time.late", {"used_s": "-", "limit_s": "60"}, {}, None),
        (
            "time.expired",
            {"received": "2026-01-15T10:00:09.500Z", "expires": "2026-01-15T10:00:00Z"},
            {},
            "it came 9.5 s after its own expirytime",
        ),
        ("envelope.too_large", {"size": 120, "limit": 100}, {}, "20 bytes less would have fitted (limit 100)"),
        (
            "envelope.unknown_attribute",
            {"attributes": "recipeint"},
            {},
            "recipeint is unknown, the nearest attribute is recipient",
        ),
        ("attachment.type_not_allowed", {"allowed": "application/pdf"}, {}, "accepted: application/pdf"),
        (
            "request.invalid",
            {"errors": [{"field": "regulation", "code": "missing"}, {"field": "regulatoin", "code": "unknown"}]},
            {},
            "missing: regulation; regulatoin is unknown, the nearest field is regulation",
        ),
        (
            "envelope.attribute_invalid",
            {"errors": [{"field": "id", "code": "wrong_form"}]},
            {},
            "of another form: id",
        ),
        ("login.refused", {}, {}, None),
    ],
)
def test_what_would_have_been_accepted(
    code: str, params: dict[str, Any], about: dict[str, Any], near: str | None
) -> None:
    assert told(code, params, about) == near


def test_a_channel_without_a_flow_is_told_those_that_have_one() -> None:
    near = told("route.unknown_channel", {}, {**ATYRAU, "channel": "internet"})
    assert near == "atyrau-housing-queue gives a flow to: portal, provider, centre"


def test_an_unknown_address_is_told_the_nearest_and_a_known_one_nothing() -> None:
    assert told("request.not_found", path="/v1/case") == "the nearest address is /v1/cases"
    assert told("request.not_found", path="/v1/cases/0190-not-there") is None
    assert told("request.not_found", path="/zzz/qqq") is None


def test_a_wrong_method_is_told_the_right_ones() -> None:
    assert told("request.method_not_allowed", method="DELETE") == "/v1/cases takes GET, POST"


def test_an_unknown_queue_is_told_the_nearest_and_a_forbidden_one_its_writers() -> None:
    def sent(queue: str, outcome: str) -> str | None:
        return near_miss(Exchange(MEMBER, {"medium": "bus", "queue": queue, "outcome": outcome}), {})

    assert sent("shep.ingres", "unroutable") == "the nearest queue is shep.ingress"
    assert sent("inbox.portal-pep", "forbidden") == "inbox.portal-pep takes only what gateway-shep write"


def test_a_providers_refusal_is_told_the_clause_of_its_step() -> None:
    refused = Exchange(MEMBER, {"envelope": {**ATYRAU, "step": "P7", "type": CASE_REFUSED}})
    assert clause_of(refused) == "6 11)"
    assert clause_of(Exchange(MEMBER, {"envelope": {**ATYRAU, "step": "Z9", "type": CASE_REFUSED}})) is None
    assert clause_of(Exchange(MEMBER, {})) is None
