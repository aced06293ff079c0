"""TLS: whom a client of ours trusts, what a server of ours shows, and how it refuses who comes in another way.

TLS 1.2 or later, with the server's name checked (RFC 6125). A refusal is said to the other side and to the log: asyncio
alone drops a connection whose handshake failed without a word.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from egovkit.log import get_logger
from egovkit.private_files import read_private
from egovkit.signatures.authority import Authority, Span
from egovkit.signatures.keys import PrivateKey, new_private_key

__all__ = ["ServerCertificates", "client_trust", "public_trust", "server_certificates", "server_context"]

OLDEST = ssl.TLSVersion.TLSv1_2  # RFC 8996: TLS 1.0 and 1.1 must not be used
_log = get_logger("egovkit.tls")


@cache
def public_trust() -> ssl.SSLContext:
    """What an HTTP client of ours trusts, the public authorities; read once a process, it takes 20 ms."""
    context = httpx.create_ssl_context()
    context.minimum_version = OLDEST
    return context


@cache
def client_trust(root: Path | None) -> ssl.SSLContext:
    """Whom a client trusts that comes to the services of its own deployment: the one authority whose certificate is in
    the PEM file `root`, or without it the public ones. OSError or ssl.SSLError when the file can't be read."""
    if root is None:
        return public_trust()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks the chain and the host name
    context.minimum_version = OLDEST
    context.load_verify_locations(cafile=root)
    return context


def server_context(certificate: Path, key: Path, plain: bytes = b"") -> ssl.SSLContext:
    """What a server shows: a PEM file with its certificate and the ones above it, and its key, which is read only
    where it is private. `plain`: the whole HTTP response to a client that speaks no TLS. ssl.SSLError, OSError,
    EgovError (of `read_private`)."""
    read_private(key)
    context = _TellingContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = OLDEST
    context.load_cert_chain(certificate, key)
    context.plain = plain
    return context


class _TellingContext(ssl.SSLContext):
    """A context whose refusals reach the other side."""

    plain: bytes = b""

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *args: Any, **how: Any) -> ssl.SSLObject:
        made = super().wrap_bio(incoming, outgoing, *args, **how)
        assert isinstance(made, _TellingObject)
        made.outgoing, made.plain = outgoing, self.plain
        return made


class _TellingObject(ssl.SSLObject):
    """The event loop sends what is in `outgoing` when the handshake wants to read, and throws it away when it failed:
    so a failed one says first that it wants to read, and fails with the next bytes, at the end of the stream, or when
    the loop's time for a handshake is over."""

    outgoing: ssl.MemoryBIO
    plain: bytes
    failed: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        if self.failed is not None:
            raise self.failed
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self.failed = error
            _log.warning("tls.refused", reason=error.reason)
            if error.reason == "HTTP_REQUEST":
                self.outgoing.write(self.plain)
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "the refusal goes out") from None


_TellingContext.sslobject_class = _TellingObject


@dataclass(frozen=True, slots=True)
class ServerCertificates:
    """PEM texts: what clients trust, and by host its certificate and its key."""

    authority: bytes
    certificates: Mapping[str, bytes]
    keys: Mapping[str, bytes]


def server_certificates(common_name: str, hosts: Sequence[str], span: Span) -> ServerCertificates:
    """A new authority, and a certificate for each host, which is a name or an address: a stranger to every deployment,
    which has its certificates from НУЦ's twin."""
    authority = Authority.root(common_name, new_private_key(), span)
    made = {host: new_private_key() for host in hosts}
    return ServerCertificates(
        authority.certificate.public_bytes(serialization.Encoding.PEM),
        {host: _certificate(authority, host, key, span) for host, key in made.items()},
        {host: _pem(key) for host, key in made.items()},
    )


def _certificate(authority: Authority, host: str, key: PrivateKey, span: Span) -> bytes:
    above = authority.private_key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(span.not_before.replace(microsecond=0))
        .not_valid_after(span.not_after.replace(microsecond=0))
        .add_extension(x509.SubjectAlternativeName([_general_name(host)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above), critical=False)
    )
    return builder.sign(authority.private_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _general_name(host: str) -> x509.GeneralName:
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ip_address(host))
    return x509.DNSName(host)


def _pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
