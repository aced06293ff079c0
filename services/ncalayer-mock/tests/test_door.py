"""The WebSocket itself, over TCP and TLS: who comes in, and what a hostile or clumsy client cannot do."""

from __future__ import annotations

import asyncio
import base64
import http.server
import json
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog.testing
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from egovkit.clock import HandClock
from egovkit.signatures.documents import DocumentSignatures
from egovkit.signatures.keys import SigningKey
from egovkit.testing.pki import TestPki
from ncalayer_mock import api
from ncalayer_mock.app import Agent, CannotStart, running
from ncalayer_mock.domain.protocol import COMMON, HEARTBEAT

from .conftest import IIN, PAGE, PASSWORD, settings_for
from .test_signatures import der_of, stamp_in, stamper

pytestmark = pytest.mark.connected

GREETING = {"result": {"version": "1.4"}}
TOKENS = json.dumps({"module": COMMON, "method": "getActiveTokens"})
SIGN = {"module": COMMON, "method": "createCAdESFromBase64", "args": ["PKCS12", "SIGNATURE", "MTEK", False]}


@asynccontextmanager
async def listening(home: Path, person: SigningKey, clock: HandClock, **values: Any) -> AsyncIterator[Agent]:
    (home / "person.p12").write_bytes(person.to_pkcs12(PASSWORD, "person"))
    (home / "password").write_text(f"{PASSWORD}\n")
    given = {"tls": False, "keys": (home / "person.p12",), "password_file": home / "password", **values}
    async with running(settings_for(home, **given), clock=clock) as agent:
        yield agent


@pytest.fixture
async def agent(tmp_path: Path, person: SigningKey, clock: HandClock) -> AsyncIterator[Agent]:
    async with listening(tmp_path, person, clock, max_message_mb=1, max_connections=3) as made:
        yield made


@asynccontextmanager
async def page(agent: Agent, **how: Any) -> AsyncIterator[ClientConnection]:
    """A page that has been greeted."""
    async with connect(agent.address, **{"origin": PAGE, "proxy": None, "max_size": None, **how}) as socket:
        assert json.loads(await socket.recv()) == GREETING
        yield socket


async def asked(agent: Agent) -> str:
    """Its id, as soon as a question waits."""
    while agent.desk.question is None:
        await asyncio.to_thread(lambda: None)  # a turn of the loop and of the other side
    return agent.desk.question.id


async def test_the_server_speaks_first_and_answers_in_order(agent: Agent) -> None:
    async with page(agent) as socket:
        for message in (TOKENS, "{", json.dumps({"module": "x"}), TOKENS):
            await socket.send(message)
        answers = [json.loads(await socket.recv()) for _ in range(4)]
    assert answers[0] == answers[3] == {"code": "200", "responseObject": []}
    assert answers[1]["code"] == "COMMON_JSON_WRAPPING_EXCEPTION" and answers[2]["errorCode"] == "MODULE_NOT_FOUND"


async def test_a_heartbeat_is_answered_even_while_the_person_thinks(agent: Agent) -> None:
    async with page(agent) as socket:
        await socket.send(HEARTBEAT)
        assert await socket.recv() == HEARTBEAT
        await socket.send(json.dumps(SIGN))
        question = await asked(agent)
        await socket.send(HEARTBEAT)
        assert await socket.recv() == HEARTBEAT
        agent.desk.confirm(question)
        assert json.loads(await socket.recv())["code"] == "200"


async def test_a_page_that_vanishes_takes_its_question_along(agent: Agent) -> None:
    async with page(agent) as socket:
        await socket.send(json.dumps(SIGN))
        await asked(agent)
        socket.transport.abort()  # no close frame, as NCALayer's clients leave
    while agent.desk.question is not None:
        await asyncio.to_thread(lambda: None)
    async with page(agent) as socket:
        await socket.send(TOKENS)
        assert json.loads(await socket.recv())["code"] == "200"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8041"},
        {"Origin": "https://127.0.0.1:8040"},
        {"Origin": f"{PAGE}.evil.example"},
        [("Origin", PAGE), ("Origin", "http://evil.example")],
    ],
    ids=range(6),
)
async def test_a_page_nobody_allowed_is_refused_at_the_door(agent: Agent, headers: Any) -> None:
    with structlog.testing.capture_logs() as logs, pytest.raises(InvalidStatus) as refused:
        await connect(agent.address, proxy=None, additional_headers=headers)
    assert refused.value.response.status_code == 403
    [line] = [one for one in logs if one["event"] == "agent.origin_refused"]
    assert line["log_level"] == "warning" and "ORIGINS" in line["remedy"]


async def test_a_program_that_is_no_browser_is_let_in(agent: Agent) -> None:
    async with page(agent, origin=None) as socket:
        await socket.send(json.dumps(SIGN))
        await asked(agent)
        assert agent.desk.question is not None and agent.desk.question.origin is None


async def test_a_plain_get_is_told_what_this_is(agent: Agent) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(agent.address.replace("ws://", "http://"))
    assert answer.status_code == 200 and "TWIN" in answer.text


@pytest.mark.parametrize(
    ("messages", "code"),
    [([b"\x00\x01"], 1003), (["x" * (1024 * 1024 + 1)], 1009), ([json.dumps(SIGN)] * (2 + api.QUEUED), 1008)],
    ids=["binary", "too long", "not waiting for answers"],
)
async def test_who_does_not_keep_to_the_protocol_is_shown_the_door(
    agent: Agent, messages: list[Any], code: int
) -> None:
    async with page(agent) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            for message in messages:
                await socket.send(message)
            while True:
                await socket.recv()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == code
    async with page(agent):
        pass  # others are served as ever


async def test_there_are_no_more_connections_than_allowed(agent: Agent) -> None:
    async with page(agent) as first, page(agent), page(agent):
        with pytest.raises(InvalidStatus) as refused:
            await connect(agent.address, origin=PAGE, proxy=None)
        assert refused.value.response.status_code == 503
        await first.send(TOKENS)
        assert json.loads(await first.recv())["code"] == "200"


async def test_who_says_nothing_is_not_waited_for(
    tmp_path: Path, person: SigningKey, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "SECONDS", 0.2)
    async with listening(tmp_path, person, clock) as agent:
        host, port = agent.address.removeprefix("ws://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n")
        assert await reader.read() == b""
        writer.close()


async def test_it_listens_on_this_machine_alone(agent: Agent) -> None:
    assert agent.address.startswith("ws://127.0.0.1:") and agent.control_address.startswith("http://127.0.0.1:")
    assert agent.door._server is not None
    assert {one.getsockname()[0] for one in agent.door._server.sockets} == {"127.0.0.1"}


async def test_over_tls_who_trusts_the_agents_authority_is_served_and_others_leave(
    tmp_path: Path, person: SigningKey, clock: HandClock, pki: TestPki
) -> None:
    async with listening(tmp_path, person, clock, tls=True, yes=True) as agent:
        assert agent.address.startswith("wss://") and agent.files is not None
        trusting = ssl.create_default_context(cafile=str(agent.files.authority))
        async with page(agent, ssl=trusting) as socket:
            await socket.send(json.dumps(SIGN))
            signed = json.loads(await socket.recv())["responseObject"]
        facts = await DocumentSignatures(pki.trust()).verify(b"11\n", base64.b64decode(signed), clock.now(), IIN)
        assert facts.refusal is None
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(agent.address, origin=PAGE, proxy=None)


async def test_the_control_api_is_there_for_who_holds_the_token(agent: Agent) -> None:
    async with httpx.AsyncClient(base_url=agent.control_address, trust_env=False) as http:
        assert (await http.get("/v1/agent")).status_code == 401
        there = await http.get("/v1/agent", headers={"authorization": f"Bearer {agent.token}"})
    assert there.json() == {"address": agent.address, "standing": "ask", "keys": 1}


async def test_what_is_in_the_way_of_a_start_is_said(
    agent: Agent, tmp_path: Path, person: SigningKey, clock: HandClock
) -> None:
    port = int(agent.address.rpartition(":")[2])
    (tmp_path / "wrong").write_text("Wrong111")
    (tmp_path / "none.p12").write_bytes(b"")
    for name, mode, content in (("open", 0o644, b"Qwerty12"), ("no-text", 0o600, b"\xff\xfe")):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(mode)
    (tmp_path / "spoilt" / "ncalayer-mock").mkdir(parents=True)
    (tmp_path / "spoilt" / "ncalayer-mock" / "tls").touch()
    for values, told in (
        ({"port": port}, f"{port} cannot be used"),
        ({"control_port": port}, f"{port} cannot be used"),
        ({"password_file": tmp_path / "wrong"}, "person.p12: wrong password"),
        ({"password_file": tmp_path / "open"}, "its rights are 0644.*chmod 600"),
        ({"password_file": tmp_path / "no-text"}, "no-text: "),
        ({"tls": True, "home": tmp_path / "spoilt"}, "ncalayer-mock/tls"),
        ({"keys": (tmp_path / "none.p12",)}, "none.p12: "),
        ({"keys": (tmp_path / "lost.p12",)}, "lost.p12"),
    ):
        base = {"home": tmp_path, "port": 0, "control_port": 0, "tls": False, "keys": (tmp_path / "person.p12",)}
        given = {**base, "password_file": tmp_path / "password", **values}
        with pytest.raises(CannotStart, match=told):
            async with running(type(agent.settings)(**given), clock=clock):
                pass


# ---- time stamps over HTTP


@contextmanager
def stamping(pki: TestPki) -> Iterator[str]:
    """pyHanko's time stamping authority behind a small web server; its address."""
    stamps = stamper(pki)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            from egovkit.signatures.asn1 import tsp

            asked = tsp.TimeStampReq.load(self.rfile.read(int(self.headers["content-length"])))
            body = stamps.request_tsa_response(asked).dump() if self.path == "/tsp" else b""
            self.send_response(200 if body else 404)
            self.send_header("content-type", "application/timestamp-reply")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def authority(pki: TestPki) -> Iterator[str]:
    with stamping(pki) as url:
        yield url


async def test_time_stamps_come_from_the_authority_of_the_settings(
    tmp_path: Path, person: SigningKey, clock: HandClock, authority: str
) -> None:
    order = {
        "module": "kz.gov.pki.knca.basics",
        "method": "sign",
        "args": {
            "allowedStorages": None,
            "format": "cms",
            "data": "MTEK",
            "signingParams": {"decode": True, "encapsulate": False, "digested": False, "tsaProfile": {}},
            "signerParams": {"extKeyUsageOids": ["1.3.6.1.5.5.7.3.4"]},
            "locale": "ru",
        },
    }
    async with listening(tmp_path, person, clock, yes=True, nuc_url=authority) as agent, page(agent) as socket:
        await socket.send(json.dumps(order))
        [pem] = json.loads(await socket.recv())["body"]["result"]
    assert stamp_in(der_of(pem))[0]
    async with listening(tmp_path, person, clock, yes=True, nuc_url=f"{authority}/x") as agent, page(agent) as socket:
        await socket.send(json.dumps(order))
        answer = json.loads(await socket.recv())
    assert answer["code"] == "SIGNING_FAILURE" and "stamp.unavailable" in answer["details"]
