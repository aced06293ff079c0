"""A call over TLS goes to the address that was judged and believes only the certificate of the name in the URL."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from egovgateway.webhooks.addresses import Addresses
from egovgateway.webhooks.courier import Caller
from egovkit.clock import SystemClock
from egovkit.signatures.authority import Span
from egovkit.signatures.tls import server_certificates
from egovkit.testing.pki import TestPki

pytestmark = pytest.mark.connected
NAME = "partner.example"


async def to_this_machine(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


async def test_the_name_in_the_url_is_what_the_certificate_has_to_be_of(tmp_path: Path, pki: TestPki) -> None:
    now = SystemClock().now()
    made = server_certificates("Test", [NAME], Span(now - timedelta(hours=1), now + timedelta(hours=1)))
    (tmp_path / "pem").write_bytes(made.certificates[NAME] + made.keys[NAME])
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(tmp_path / "pem")
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\nContent-Length: 9000000000\r\n\r\n...")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=served)
    port = server.sockets[0].getsockname()[1]
    trusted = ssl.create_default_context(cadata=made.authority.decode())
    parts: Any = SimpleNamespace(clock=SystemClock(), key=pki.system("gate"), code="gate")
    async with server, httpx.AsyncClient(verify=trusted) as client:
        caller = Caller(parts, Addresses(private=True, resolve=to_this_machine), client)
        good = await caller.call(f"https://{NAME}:{port}/hook", b"{}", "id", {"content-type": "application/json"})
        other = await caller.call(f"https://other.example:{port}/hook", b"{}", "id", {})
        plain = await caller.call(f"http://{NAME}:{port}/hook", b"{}", "id", {})
    assert (good.status, good.error) == (302, None)  # neither followed, nor its endless body read
    assert f"host: {NAME}:{port}".encode() in heads[0].lower() and b"/hook" in heads[0]
    assert (other.status, other.error) == (None, "ConnectError")
    assert plain.status is None and plain.error in ("RemoteProtocolError", "ReadError")


async def test_a_partners_own_authority_is_trusted_where_the_settings_name_it(tmp_path: Path, pki: TestPki) -> None:
    now = SystemClock().now()
    made = server_certificates("Partners", [NAME], Span(now - timedelta(hours=1), now + timedelta(hours=1)))
    (tmp_path / "pem").write_bytes(made.certificates[NAME] + made.keys[NAME])
    (tmp_path / "ca.pem").write_bytes(made.authority)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(tmp_path / "pem")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=served)
    url = f"https://{NAME}:{server.sockets[0].getsockname()[1]}/hook"
    parts: Any = SimpleNamespace(clock=SystemClock(), key=pki.system("gate"), code="gate")
    outcomes = []
    async with server:
        for authorities in (None, tmp_path / "ca.pem"):
            addresses = Addresses(private=True, resolve=to_this_machine)
            caller = Caller(parts, addresses, authorities=authorities)
            outcomes.append(await caller.call(url, b"{}", "id", {}))
            await caller.close()
    stranger, known = outcomes
    assert (stranger.status, stranger.error) == (None, "ConnectError")
    assert (known.status, known.error) == (204, None)
