"""What `egov log curl` prints does the call again: run by a real shell, with a curl that notes what it was given."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from egovkit.bus.topology import Topology
from egovkit.contracts import contracts_dir
from sandbox.composition import RSHEP, SHEP
from sandbox.curl import NoCurl, as_curl
from sandbox.exchange_log import Exchange
from sandbox.target import Member

MEMBERS = [Member(code, code, f"http://{code}.test") for code in ("portal-pep", SHEP, RSHEP)]
TOPOLOGY = Topology.load(contracts_dir())
# Without network: writes down its arguments and what comes in.
CURL = """#!{python}
import json, sys
body = sys.stdin.buffer.read() if "@-" in sys.argv else None
print(json.dumps({{"given": sys.argv[1:], "came": None if body is None else body.hex()}}))
"""


def http(body: bytes = b"", **facts: Any) -> Exchange:
    headers = facts.pop("headers", {"content-type": "application/json", "host": "x", "content-length": "7"})
    cut = facts.pop("cut", False)
    side = {"headers": headers, "body": base64.b64encode(body).decode(), "size": len(body), "cut": cut}
    call = {"medium": "http", "method": "POST", "path": "/v1/cases", "query": "", "request": side, **facts}
    return Exchange(MEMBERS[0], call)


def bus(queue: str, body: bytes) -> Exchange:
    headers = {"egov-signature": "ey..s", "traceparent": "00-1", "x-egov-dead-reason": "r"}
    side = {"headers": headers, "body": base64.b64encode(body).decode(), "size": len(body), "cut": False}
    return Exchange(MEMBERS[0], {"medium": "bus", "queue": queue, "request": side})


def run(command: str, tmp_path: Path, **variables: str) -> tuple[list[str], list[str], bytes]:
    """Plain arguments, headers and body, as the shell hands them to curl."""
    curl = tmp_path / "curl"
    curl.write_text(CURL.format(python=sys.executable))
    curl.chmod(0o700)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **variables}
    script = tmp_path / "again.sh"
    script.write_text(command)
    done = subprocess.run(["/bin/sh", "-e", str(script)], env=environment, capture_output=True, check=True)
    found = json.loads(done.stdout)
    plain, headers, body = [], [], b""
    given = iter(found["given"])
    for one in given:
        if one == "-H":
            headers.append(next(given))
        elif one == "--data-binary":
            text = next(given)
            body = bytes.fromhex(found["came"]) if text == "@-" else text.encode()
        else:
            plain.append(one)
    return plain, headers, body


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "O\'Brien $HOME `id` \\"x\\" !"}',
        '{"аты": "ҮЛГІЛІ",\n "b": 1}'.encode(),
        b"@/etc/hostname",
        b"\xff\xfe\x00binary",
        b"with\0nul",
        b"x" * 120_000,
        b"",
    ],
    ids=["quotes", "Kazakh", "at", "binary", "nul", "long", "nothing"],
)
def test_the_bytes_of_a_body_come_through_every_quoting(body: bytes, tmp_path: Path) -> None:
    plain, headers, sent = run(as_curl(http(body), MEMBERS, TOPOLOGY), tmp_path)
    assert sent == body
    assert plain == ["-sS", "-X", "POST", "http://portal-pep.test/v1/cases"]
    assert headers == ["content-type: application/json"]


def test_covered_secrets_are_the_shells_to_fill_in_and_nothing_else_is(tmp_path: Path) -> None:
    headers = {"authorization": "Bearer ***", "cookie": "***", "x-why": 'a "b" $HOME'}
    one = http(b'{"password": "***"}', headers=headers, query="token=***&limit=5")
    command = as_curl(one, MEMBERS, TOPOLOGY)
    plain, found, _ = run(command, tmp_path, TOKEN="gold", COOKIE="a=b", SECRET="s")
    assert found == ["authorization: Bearer gold", "cookie: a=b", 'x-why: a "b" $HOME']
    assert plain[-1] == "http://portal-pep.test/v1/cases?token=s&limit=5"
    assert command.startswith("# Put the secrets in")


def test_a_call_to_a_neighbour_goes_to_that_neighbour(tmp_path: Path) -> None:
    one = http(method="GET", url="http://nuc.test", path="/crl", headers={})
    assert run(as_curl(one, MEMBERS, TOPOLOGY), tmp_path)[0] == ["-sS", "-X", "GET", "http://nuc.test/crl"]


@pytest.mark.parametrize(
    ("queue", "door"),
    [
        ("shep.ingress", SHEP),
        ("inbox.portal-pep", SHEP),
        ("rshep.atyrau.ingress", RSHEP),
        ("inbox.provider-arm", RSHEP),
    ],
)
def test_a_message_of_the_bus_is_posted_to_the_gateway_at_its_queue(queue: str, door: str, tmp_path: Path) -> None:
    plain, headers, body = run(as_curl(bus(queue, b'{"id": "1"}'), MEMBERS, TOPOLOGY), tmp_path)
    assert plain[-1] == f"http://{door}.test/v1/envelopes" and body == b'{"id": "1"}'
    assert headers == ["content-type: application/cloudevents+json", "egov-signature: ey..s", "traceparent: 00-1"]


def test_what_cannot_be_done_again_says_why() -> None:
    with pytest.raises(NoCurl, match="only the beginning"):
        as_curl(http(b"x", cut=True), MEMBERS, TOPOLOGY)
    with pytest.raises(NoCurl, match="no gateway stands at the queue nowhere"):
        as_curl(bus("nowhere", b"x"), MEMBERS, TOPOLOGY)
    with pytest.raises(NoCurl, match="a note"):
        as_curl(Exchange(MEMBERS[0], {"medium": "note"}), MEMBERS, TOPOLOGY)
