"""An exchange of the request log as a curl command that does it again.

Tokens are not in the log: they become $TOKEN and the like, for the shell to fill in. The bytes are exact.
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from egovkit.sandbox.masking import MASK

if TYPE_CHECKING:
    from egovkit.bus.topology import Topology
    from sandbox.exchange_log import Exchange
    from sandbox.target import Member

# The client's own affair, or of that one transport.
_LEFT_OUT = {"host", "content-length", "accept-encoding", "connection", "user-agent", "transfer-encoding", "keep-alive"}
_OF_ENVELOPES = ("content-type", "egov-signature", "egov-receipt", "traceparent")
LONGEST = 100_000  # bytes of one argument: Linux takes 128 KiB


class NoCurl(Exception):
    """It cannot be done again so; says why."""


def as_curl(one: Exchange, members: Sequence[Member], topology: Topology) -> str:
    facts = one.facts
    if facts["medium"] == "http":
        if facts["request"]["cut"]:
            raise NoCurl(f"the log has only the beginning of this body of {facts['request']['size']} bytes")
        query = f"?{facts['query']}" if facts["query"] else ""
        url = (facts.get("url") or one.member.url) + facts["path"] + query
        headers = {name: text for name, text in facts["request"]["headers"].items() if name not in _LEFT_OUT}
        return _command(facts["method"], url, headers, one.body())
    if facts["medium"] != "bus":
        raise NoCurl("a note is no call")
    url = f"{_door(facts['queue'], members, topology)}/v1/envelopes"
    there = {name.lower(): text for name, text in facts["request"]["headers"].items()}
    headers = {name: there[name] for name in _OF_ENVELOPES if name in there}
    return _command("POST", url, {"content-type": "application/cloudevents+json", **headers}, one.body())


def _door(queue: str, members: Sequence[Member], topology: Topology) -> str:
    """The gateway that reads the queue, or the one that writes to it."""
    urls = {member.code: member.url for member in reversed(members)}
    known = next((one for one in topology.queues if one.name == queue), None)
    if known is not None:
        for code in (known.owner, *known.writers):
            if "gateway" in code and code in urls:
                return urls[code]
    raise NoCurl(f"no gateway stands at the queue {queue}")


def _command(method: str, url: str, headers: Mapping[str, str], body: bytes) -> str:
    parts = [f"curl -sS -X {shlex.quote(method)} {_quoted(url, 'SECRET')}"]
    parts += [f"-H {_quoted(f'{name}: {text}', _variable(name))}" for name, text in headers.items()]
    before, data = _data(body)
    note = ""
    if MASK.encode() in body:
        note = f"# Put the secrets in where the body has {MASK}: the log does not keep them.\n"
    return note + before + " \\\n  ".join([*parts, *data])


def _data(body: bytes) -> tuple[str, list[str]]:
    """What goes before the command, and its arguments."""
    if not body:
        return "", []
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = ""
    if text and len(body) <= LONGEST and "\0" not in text and not text.startswith("@"):
        return "", [f"--data-binary {shlex.quote(text)}"]
    return f"printf %s {base64.b64encode(body).decode()} | base64 -d | ", ["--data-binary @-"]


def _variable(header: str) -> str:
    return "TOKEN" if header == "authorization" else header.upper().replace("-", "_")


def _quoted(text: str, variable: str) -> str:
    """For a shell. What the log covered becomes a variable, which only double quotes let the shell fill in."""
    if MASK not in text:
        return shlex.quote(text)
    escaped = "".join(f"\\{char}" if char in '\\"$`' else char for char in text)
    return f'"{escaped.replace(MASK, f"${{{variable}}}")}"'
