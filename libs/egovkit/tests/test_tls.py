"""TLS certificates of a deployment's own servers."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from egovkit.clock import SystemClock
from egovkit.signatures.authority import Span
from egovkit.signatures.tls import ServerCertificates, server_certificates


@pytest.fixture
def made() -> ServerCertificates:
    now = SystemClock().now()  # OpenSSL looks at no clock of ours
    return server_certificates("test", ["rabbitmq", "127.0.0.9"], Span(now, now + timedelta(days=1)))


def handshake(made: ServerCertificates, folder: Path, host: str, called: str) -> None:
    """A client that trusts the authority alone, and a server, without a network."""
    (folder / "server.pem").write_bytes(made.keys[host] + made.certificates[host])
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(folder / "server.pem")
    client_side = ssl.create_default_context(cadata=made.authority.decode())
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_side.wrap_bio(to_client, to_server, server_hostname=called)
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    waiting = [client, server]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
    assert waiting == []


@pytest.mark.parametrize("host", ["rabbitmq", "127.0.0.9"])
def test_a_client_of_the_deployment_trusts_the_server_by_its_name(
    made: ServerCertificates, tmp_path: Path, host: str
) -> None:
    handshake(made, tmp_path, host, host)


def test_another_name_is_not_trusted(made: ServerCertificates, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(made, tmp_path, "rabbitmq", "postgres")


def test_another_deployments_authority_is_not_trusted(made: ServerCertificates, tmp_path: Path) -> None:
    now = SystemClock().now()
    other = server_certificates("test", ["rabbitmq"], Span(now, now + timedelta(days=1)))
    mixed = ServerCertificates(other.authority, made.certificates, made.keys)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(mixed, tmp_path, "rabbitmq", "rabbitmq")
