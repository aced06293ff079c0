"""The certificates of a deployment's servers, before there is anything to ask for them: RabbitMQ and PostgreSQL start
before nuc-mock does, and its own HTTPS needs one too. So the authority is made first, from files alone; nuc-mock takes
it over at its first start (`root_file`, `issuing_file`), with the register of what was issued (`servers_file`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.clock import Clock
from egovkit.ids import Ids
from nuc_mock import domain, store
from nuc_mock.domain import CertificateOrder, KeyKind, Profile
from nuc_mock.settings import Settings
from nuc_mock.store import ISSUING, ROOT, Authorities

__all__ = [
    "MadeServers",
    "addresses_of",
    "addresses_of_root",
    "certify_servers",
    "enter",
    "given_authorities",
    "make_authorities",
    "new_authority",
]

BACKDATE = timedelta(minutes=1)  # clocks of two systems differ: a certificate is good the moment it arrives


@dataclass(frozen=True, slots=True)
class MadeServers:
    """PEM texts: what clients trust; by name of the server its certificate with the issuing authority's, and its key;
    and all certificates in one."""

    root: bytes
    chains: Mapping[str, bytes]
    keys: Mapping[str, bytes]
    issued: bytes


def new_authority(settings: Settings, ids: Ids, before: bytes | None = None) -> tuple[bytes, bytes]:
    """Keys and certificates of a new root and its issuing authority as `root_file` and `issuing_file` hold them, under
    the password of `keystore_password_file`. `before`: those that an older version kept in the open. ValueError."""
    made = make_authorities(settings, ids) if before is None else store.open_authorities(before)
    password = settings.keystore_password_file
    return store.sealed(made.root, ROOT, password), store.sealed(made.issuing, ISSUING, password)


def certify_servers(settings: Settings, hosts: Mapping[str, Sequence[str]], clock: Clock, ids: Ids) -> MadeServers:
    """A new key and a certificate for each server, by the authority of `root_file` and `issuing_file`; `hosts`: the
    names and addresses that clients call it by. EgovError of `KeyFile`, AuthorityUnusable."""
    by = given_authorities(settings)
    assert by is not None, "the files of the authority are set"
    at = addresses_of(settings, 1)
    begins = (clock.now() - BACKDATE).replace(microsecond=0)
    chains, keys, issued = {}, {}, []
    for name, called in hosts.items():
        order = CertificateOrder(
            profile=Profile.SERVER,
            common_name=name,
            not_before=begins,
            not_after=begins + timedelta(days=settings.system_days),
            hosts=tuple(called),
        )
        key = domain.new_key(KeyKind.P256)
        serial = domain.serial_from(ids.token())
        made = domain.build_certificate(by.issuing, key.public_key(), order, serial, at)
        chains[name] = domain.pem_of([made, by.issuing.certificate]).encode()
        keys[name] = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        issued.append(made)
    root = domain.pem_of([by.root.certificate]).encode()
    return MadeServers(root, chains, keys, domain.pem_of(issued).encode())


async def enter(conn: AsyncConnection, file: Path, now: datetime) -> list[dict[str, str]]:
    """Those of the PEM file that the register does not know yet, into it; what the audit is told of each."""
    entered = []
    for certificate in domain.certificates_of(await asyncio.to_thread(file.read_bytes)):
        row = _row(certificate, now)
        if await store.certificate(conn, row["serial"]) is None:
            await store.add_certificate(conn, row)
            entered.append({name: row[name] for name in ("serial", "thumbprint", "profile")})
    return entered


def _row(certificate: domain.Certificate, now: datetime) -> dict[str, Any]:
    return {
        "serial": domain.serial_text(certificate.serial_number),
        "thumbprint": domain.thumbprint(certificate),
        "profile": Profile.SERVER.value,
        "key": domain.key_name(certificate.public_key()),
        "common_name": domain.common_name_of(certificate),
        "oddities": "[]",
        "not_before": certificate.not_valid_before_utc,
        "not_after": certificate.not_valid_after_utc,
        "issued_at": now,
        "der": domain.der_of(certificate),
        "generation": 1,
    }


def given_authorities(settings: Settings) -> Authorities | None:
    """The authority that was made before the service; None where none was."""
    if settings.root_file is None or settings.issuing_file is None:
        return None
    return store.authorities_of(settings.root_file, settings.issuing_file, settings.keystore_password_file)


def make_authorities(settings: Settings, ids: Ids) -> Authorities:
    """A new root, and the issuing authority under it."""
    kind = KeyKind(settings.authority_key)
    root_key, key = domain.new_authority_key(kind), domain.new_authority_key(kind)
    root = domain.Authority(domain.build_root(root_key, domain.serial_from(ids.token())), root_key)
    serial = domain.serial_from(ids.token())
    return Authorities(
        root, domain.Authority(domain.build_issuing(root, key, serial, addresses_of_root(settings)), key)
    )


def addresses_of(settings: Settings, generation: int) -> domain.Addresses:
    """Of the key that signs: what is found there can be checked with that key, also when there are newer ones."""
    base = settings.base_url
    return domain.Addresses(
        crl=f"{base}/crl/{generation}",
        issuer=f"{base}/ca/issuing-{generation}.cer",
        ocsp=f"{base}/ocsp",
        delta=f"{base}/crl/{generation}/delta",
    )


def addresses_of_root(settings: Settings) -> domain.Addresses:
    base = settings.base_url
    return domain.Addresses(crl=f"{base}/crl/root", issuer=f"{base}/ca/root.cer")
