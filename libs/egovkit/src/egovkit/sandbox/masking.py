"""What of a recorded exchange nobody may read afterwards: tokens, passwords, cookies, keys. Persons are synthetic."""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "***"
_HEADERS = re.compile(r"(?:proxy-)?authorization|(?:set-)?cookie|.*(?:token|secret|session|password|api-?key).*")
_NAMES = rb"[a-z0-9_.-]*(?:password|passwd|secret|token|session_id|pkcs12|p12|private_key|otp|api_?key)[a-z0-9_-]*"
# The closing quote may have been cut off with the rest of the body.
_IN_JSON = re.compile(rb'("(?:' + _NAMES + rb')"\s*:\s*")(?:\\.|[^"\\])*', re.IGNORECASE | re.DOTALL)
_IN_FORM = re.compile(rb"((?:^|[&?])(?:" + _NAMES + rb")=)[^&]*", re.IGNORECASE)
_PEM = re.compile(rb"(-----BEGIN [A-Z ]*PRIVATE KEY-----)(?:(?!-----END).)*", re.DOTALL)
_KEY_STORES = ("application/x-pkcs12", "application/pkcs12", "application/x-pem-file")
ENVELOPES = "application/cloudevents"  # signed, so a changed byte makes it another one; none carries a secret


def masked_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """By lower-case name; what a name is there for twice is joined. The scheme of an Authorization stays readable."""
    found: dict[str, str] = {}
    for name, value in headers:
        name = name.lower()
        if _HEADERS.fullmatch(name):
            scheme, space, _ = value.partition(" ")
            value = f"{scheme} {MASK}" if space and name.endswith("authorization") else MASK
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def masked_body(body: bytes, media_type: str) -> bytes:
    """The body with its secrets covered; every other byte as it was."""
    if media_type.startswith(ENVELOPES):
        return body
    if media_type.startswith(_KEY_STORES):
        return MASK.encode()
    if media_type.startswith("application/x-www-form-urlencoded"):
        return _IN_FORM.sub(rb"\1***", body)
    return _PEM.sub(rb"\1***", _IN_JSON.sub(rb"\1***", body))


def masked_query(query: str) -> str:
    return _IN_FORM.sub(rb"\1***", query.encode()).decode()
