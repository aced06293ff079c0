"""What a refusal has to be, wherever it comes from."""

from __future__ import annotations

from typing import Any

import httpx

SIDES = ("sender", "receiver", "gateway", "platform")


def problem(answer: httpx.Response, code: str, *, side: str = "sender") -> dict[str, Any]:
    """The problem document of a refusal, complete: code, side and remedy, in the language that was asked for."""
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.text
    found: dict[str, Any] = answer.json()
    assert found.get("code") == code, found
    assert answer.status_code == found["status"]
    assert found["side"] in SIDES and found["side"] == side, found
    assert found["title"] and found["detail"] and found["remedy"]
    assert "{" not in found["detail"] + found["remedy"], "a placeholder nobody filled"
    assert found["type"] == f"urn:egov:problem:{code}"
    assert answer.headers["content-language"] == "ru"
    return found


def fields(found: dict[str, Any]) -> set[tuple[str, str]]:
    """The wrong fields and what is wrong with each."""
    for one in found["errors"]:
        assert one["message"]
    return {(one["field"], one["code"]) for one in found["errors"]}
