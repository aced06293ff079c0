"""Certificates for the servers of one deployment (RabbitMQ, PostgreSQL), by an authority of that deployment alone.

НУЦ's twin can't issue them: it needs its database before it can answer. The authority's key is not kept, so that
nobody can make another server later; who renews makes all of them again.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from egovkit.signatures.authority import Authority, Span
from egovkit.signatures.keys import PrivateKey, new_private_key

__all__ = ["ServerCertificates", "public_trust", "server_certificates"]


@cache
def public_trust() -> ssl.SSLContext:
    """What an HTTP client of ours trusts, the public authorities; read once a process, it takes 20 ms."""
    return httpx.create_ssl_context()


@dataclass(frozen=True, slots=True)
class ServerCertificates:
    """PEM texts: what clients trust, and by host its certificate and its key."""

    authority: bytes
    certificates: Mapping[str, bytes]
    keys: Mapping[str, bytes]


def server_certificates(common_name: str, hosts: Sequence[str], span: Span) -> ServerCertificates:
    """A new authority and a certificate for each host, which is a name or an address."""
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
