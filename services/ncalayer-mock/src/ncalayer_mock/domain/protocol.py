"""The shapes of NCALayer's messages: what a page sends, what it is answered.

Two families that every page still uses: `commonUtils` (arguments by place; code, message, responseObject) and `basics`
(arguments by name; status, body). No numbers of requests: one request, one answer, in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

COMMON, BASICS = "kz.gov.pki.knca.commonUtils", "kz.gov.pki.knca.basics"
VERSION = "1.4"
HEARTBEAT = "--heartbeat--"
GREETING: Mapping[str, Any] = {"result": {"version": VERSION}}
NOT_JSON: Mapping[str, Any] = {"success": False, "code": "COMMON_JSON_WRAPPING_EXCEPTION"}
# The mobile extension's getVersion is answered so too: it is how a page learns that this is plain NCALayer.
MODULE_NOT_FOUND: Mapping[str, Any] = {"success": False, "errorCode": "MODULE_NOT_FOUND"}
CANCELLED_IN_BASICS: Mapping[str, Any] = {"status": True, "body": {}}

# Failures of basics and NCALayer's sentence for each.
INVOCATION, INVALID, FAILURE, GENERAL = "INVOCATION_ERROR", "INVALID_SIGNING_PARAMS", "SIGNING_FAILURE", "GENERAL_ERROR"
SENTENCES = {
    INVOCATION: "An invoked method threw an exception.",
    INVALID: "Invalid signing parameters.",
    FAILURE: "Signing failure.",
    GENERAL: "General error.",
}


class NotJson(ValueError):
    """The text is no request."""


class Refused(Exception):
    """Why a request is not done, in NCALayer's words; `code` is that of basics, commonUtils knows only 500."""

    def __init__(self, details: str, code: str = INVOCATION) -> None:
        super().__init__(details)
        self.details, self.code = details, code


class Cancelled(Exception):
    """The person said no, or nobody answered."""


@dataclass(frozen=True, slots=True)
class Request:
    """`module` None: the applet's interface, which NCALayer dropped on 14.10.2024. `uuid` goes back as it came."""

    module: str | None
    method: str
    args: Any = None
    uuid: Any = None


def request_of(value: Any) -> Request:
    """A parsed message as a request. NotJson when it is none."""
    if not isinstance(value, dict):
        raise NotJson("not an object")
    module, method = value.get("module"), value.get("method", "")
    if not isinstance(module, str | None) or not isinstance(method, str):
        raise NotJson("module and method are text")
    return Request(module, method, value.get("args"), value.get("uuid"))


def done(request: Request, result: Any) -> dict[str, Any]:
    """The answer to a request that was carried out; None has no responseObject."""
    if request.module == BASICS:
        return {"status": True, "body": {"result": result}}
    return _common(request, {"code": "200"} if result is None else {"code": "200", "responseObject": result})


def refused(request: Request, why: Refused) -> dict[str, Any]:
    if request.module == BASICS:
        return {"status": False, "code": why.code, "message": SENTENCES[why.code], "details": why.details}
    return _common(request, {"code": "500", "message": why.details})


def cancelled(request: Request) -> dict[str, Any]:
    if request.module == BASICS:
        return dict(CANCELLED_IN_BASICS)
    return _common(request, {"code": "500", "message": "action.canceled"})


def applet_gone(request: Request) -> dict[str, Any]:
    return _common(request, {"errorCode": f"Method not implemented. Method:{request.method[:100]}"})


def _common(request: Request, answer: dict[str, Any]) -> dict[str, Any]:
    return answer if request.uuid is None else {**answer, "uuid": request.uuid}
