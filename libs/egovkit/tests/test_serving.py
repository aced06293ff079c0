"""A service on https, really connected to: who is refused, and in which words."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
import pytest_asyncio
import uvicorn
from fastapi import FastAPI, Request
from pydantic_settings import SettingsConfigDict

from egovkit import serving
from egovkit.clock import SystemClock
from egovkit.contracts import contracts_dir
from egovkit.errors import EgovError
from egovkit.problems import Problems
from egovkit.service import create_service
from egovkit.serving import ArrivingRequests, tls_of
from egovkit.settings import ServiceSettings
from egovkit.signatures.authority import Span
from egovkit.signatures.tls import client_trust, server_certificates

pytestmark = pytest.mark.connected
HOST = "127.0.0.1"
DAY = timedelta(days=1)


class Settings(ServiceSettings):
    code: ClassVar[str] = "probe"
    model_config = SettingsConfigDict(env_prefix="PROBE_", extra="ignore", frozen=True)


def certified(folder: Path, host: str = HOST, *, ended: bool = False) -> Settings:
    """A service of its own authority, whose root lies in `ca.crt`. OpenSSL looks at no clock of ours."""
    now = SystemClock().now()
    span = Span(now - 2 * DAY, now - DAY) if ended else Span(now - DAY, now + DAY)
    made = server_certificates("test", [host], span)
    folder.mkdir(exist_ok=True)
    (folder / "ca.crt").write_bytes(made.authority)
    (folder / "server.crt").write_bytes(made.certificates[host])
    (folder / "server.key").write_bytes(made.keys[host])
    (folder / "server.key").chmod(0o600)
    return Settings(
        home=folder, tls_certificate=folder / "server.crt", tls_key_file=folder / "server.key", tls_ca=folder / "ca.crt"
    )


async def read(request: Request) -> int:
    return len(await request.body())


class Served:
    """The service on a free port."""

    def __init__(self, settings: Settings) -> None:
        problems = Problems.load(contracts_dir())
        app: FastAPI = create_service("probe", problems=problems, clock=SystemClock())
        app.post("/read")(read)
        context = tls_of(settings, problems)
        assert context is not None
        self.context: ssl.SSLContext = context
        config = uvicorn.Config(
            app, log_config=None, ssl_context_factory=lambda *_: self.context, lifespan="on", http=ArrivingRequests
        )
        self._server = uvicorn.Server(config)
        self._bound = socket.create_server((HOST, 0))
        self.port: int = self._bound.getsockname()[1]

    async def __aenter__(self) -> Served:
        self._task = asyncio.create_task(self._server.serve(sockets=[self._bound]))
        while not self._server.started:
            await SystemClock().sleep(0.01)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = True
        await self._task

    async def get(self, trust: Path, host: str = HOST, scheme: str = "https") -> httpx.Response:
        async with httpx.AsyncClient(verify=client_trust(trust), trust_env=False) as http:
            return await http.get(f"{scheme}://{host}:{self.port}/health/live")


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with Served(certified(tmp_path)) as one:
        yield one


async def test_a_client_that_trusts_the_authority_is_served(served: Served, tmp_path: Path) -> None:
    assert (await served.get(tmp_path / "ca.crt")).json() == {"service": "probe", "status": "ok"}


async def test_a_server_called_by_another_name_is_not_believed(served: Served, tmp_path: Path) -> None:
    with pytest.raises(httpx.ConnectError, match="certificate is not valid for 'localhost'"):
        await served.get(tmp_path / "ca.crt", "localhost")


async def test_a_server_of_another_authority_is_not_believed(served: Served, tmp_path: Path) -> None:
    certified(tmp_path / "other")
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        await served.get(tmp_path / "other" / "ca.crt")


async def test_the_public_authorities_do_not_vouch_for_a_deployment(served: Served) -> None:
    async with httpx.AsyncClient(verify=client_trust(None), trust_env=False) as http:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await http.get(f"https://{HOST}:{served.port}/health/live")


async def test_an_expired_certificate_is_not_believed(tmp_path: Path) -> None:
    async with Served(certified(tmp_path, ended=True)) as served:
        with pytest.raises(httpx.ConnectError, match="certificate has expired"):
            await served.get(tmp_path / "ca.crt")


async def test_plain_http_on_the_https_port_is_told_what_to_do(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = await served.get(tmp_path / "ca.crt", scheme="http")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["code"] == "request.malformed" and "https://" in answer.json()["detail"]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_an_old_version_is_refused_by_name(served: Served, tmp_path: Path, version: ssl.TLSVersion) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(cafile=tmp_path / "ca.crt")
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = version
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        await asyncio.open_connection(HOST, served.port, ssl=old)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_a_client_of_ours_speaks_to_no_old_server(tmp_path: Path) -> None:
    served = Served(certified(tmp_path))
    served.context.set_ciphers("ALL:@SECLEVEL=0")
    served.context.minimum_version = served.context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with served:
        with pytest.raises(httpx.ConnectError, match=r"PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL"):
            await served.get(tmp_path / "ca.crt")


async def test_who_says_nothing_after_a_refusal_holds_nobody_else_up(served: Served, tmp_path: Path) -> None:
    _, silent = await asyncio.open_connection(HOST, served.port)
    silent.write(b"GET / HTTP/1.1\r\n\r\n")
    await silent.drain()
    assert (await served.get(tmp_path / "ca.crt")).status_code == 200
    silent.close()


async def test_a_client_that_keeps_its_connection_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    settings = certified(tmp_path)
    idle = httpx.AsyncClient(verify=client_trust(settings.tls_ca), trust_env=False)
    async with idle, asyncio.timeout(15), Served(settings) as served:  # asyncio's own patience is 30 s
        assert (await idle.get(f"https://{HOST}:{served.port}/health/live")).is_success


def test_a_certificate_without_its_key_is_no_setting(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tls_certificate and tls_key_file belong together"):
        Settings(home=tmp_path, tls_certificate=tmp_path / "server.crt")


def test_a_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    settings = certified(tmp_path)
    (tmp_path / "server.key").chmod(0o644)
    with pytest.raises(EgovError) as refused:
        tls_of(settings, Problems.load(contracts_dir()))
    assert refused.value.code == "custody.open_to_others"


async def whole(served: Served, trust: Path, sent: bytes) -> bytes:
    """What the service says to a client that sends these bytes and then nothing, until the connection ends."""
    reader, writer = await asyncio.open_connection(HOST, served.port, ssl=client_trust(trust))
    try:
        writer.write(sent)
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("sent", [b"", b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"\r\n"])
async def test_a_request_that_does_not_arrive_in_time_is_told_so_and_let_go(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(serving, "ARRIVAL_S", 0.2)
    assert (await whole(served, tmp_path / "ca.crt", sent)).startswith(b"HTTP/1.1 408 ")


async def test_a_body_that_stops_arriving_holds_no_connection(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "ARRIVAL_S", 0.2)
    head = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n"
    assert (await whole(served, tmp_path / "ca.crt", head + b"{")).startswith(b"HTTP/1.1 408 ")


async def test_a_head_without_an_end_is_not_kept(served: Served, tmp_path: Path) -> None:
    endless = b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * (serving.MAX_HEAD + 1)
    assert await whole(served, tmp_path / "ca.crt", endless) == b""


async def test_headers_behind_a_body_are_not_kept_without_an_end(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client goes on sending, in small pieces, for as long as it is let."""
    monkeypatch.setattr(serving, "ARRIVAL_S", 5.0)
    head = b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    reader, writer = await asyncio.open_connection(HOST, served.port, ssl=client_trust(tmp_path / "ca.crt"))
    writer.write(head)
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < 8 * serving.MAX_HEAD:
            writer.write(b"x-more: " + b"a" * 1000 + b"\r\n")
            await writer.drain()
            sent += 1010
            await SystemClock().sleep(0)
        assert await reader.read() == b"", "it was let"
    writer.close()


async def test_a_body_of_many_pieces_is_no_head(served: Served, tmp_path: Path) -> None:
    pieces = b"".join(b"%x\r\n%b\r\n" % (4000, b"a" * 4000) for _ in range(40))
    head = b"POST /read HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    told = await whole(served, tmp_path / "ca.crt", head + pieces + b"0\r\n\r\n")
    assert told.startswith(b"HTTP/1.1 200 ") and told.endswith(b"160000")
